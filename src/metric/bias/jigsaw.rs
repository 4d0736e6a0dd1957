//! AUCs per group and the score that joins them.

use super::{Membership, MetricError};
use crate::error::ShapeError;
use crate::metric::auc::{Ranking, auc_scratch};

/// Three AUCs of one group (Borkan et al., "Nuanced metrics for measuring unintended bias", 2019).
///
/// "Outside" is every sample that is known not to belong to the group. Each is in [0, 1], ½ is
/// chance, and `None` where one side has no samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupAucs {
    /// Both classes inside: is the group's own order right?
    pub subgroup: Option<f64>,
    /// Negatives inside, positives outside: low when the group is flagged too easily.
    pub bpsn: Option<f64>,
    /// Positives inside, negatives outside: low when the group is flagged too rarely.
    pub bnsp: Option<f64>,
}

/// The joined score of the Jigsaw competition (2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jigsaw {
    /// AUC of all samples.
    pub overall: Option<f64>,
    /// Power mean, p = −5, of the subgroup AUCs that are defined; 0 when one of them is 0.
    pub subgroup: Option<f64>,
    /// Of the BPSN AUCs.
    pub bpsn: Option<f64>,
    /// Of the BNSP AUCs.
    pub bnsp: Option<f64>,
    /// ¼ of each of the four, in [0, 1]; `None` when one of them is undefined.
    pub score: Option<f64>,
    /// Undefined AUCs of groups, which were left out; at most three times the number of groups.
    pub undefined: usize,
}

/// Values of scratch that [`jigsaw()`] needs.
pub const fn jigsaw_scratch(samples: usize) -> usize {
    auc_scratch(samples)
}

/// The AUCs of every group, into `out` (exactly one place a group), and their score.
///
/// One sort, then one pass a group. `scratch` holds at least [`jigsaw_scratch`] values and is
/// overwritten. Errors: `Shape` when lengths differ, `TooManyGroups`, `TooManySamples`, `Nan` for a
/// NaN score, `Scratch`.
pub fn jigsaw(
    scores: &[f32],
    labels: &[u8],
    membership: Membership<'_>,
    out: &mut [GroupAucs],
    scratch: &mut [u64],
) -> Result<Jigsaw, MetricError> {
    membership.check(labels.len())?;
    ShapeError::check("out", membership.groups, out.len())?;
    let ranking = Ranking::new(scores, labels, scratch)?;
    for (group, aucs) in out.iter_mut().enumerate() {
        let [subgroup, bpsn, bnsp] = ranking.three_aucs_of(|index, positive| {
            let inside = membership.inside(index) >> group & 1 == 1;
            let outside = membership.outside(index) >> group & 1 == 1;
            let (own, other) = (inside & positive, outside & positive);
            let (own_not, other_not) = (inside & !positive, outside & !positive);
            // Without a branch: labels are past predicting.
            [inside, own_not | other, own | other_not]
        });
        *aucs = GroupAucs { subgroup, bpsn, bnsp };
    }
    let mut undefined = 0;
    let mut mean = |which: fn(&GroupAucs) -> Option<f64>| {
        let (value, missing) = power_mean(out.iter().map(which));
        undefined += missing;
        value
    };
    let overall = ranking.auc();
    let subgroup = mean(|aucs| aucs.subgroup);
    let bpsn = mean(|aucs| aucs.bpsn);
    let bnsp = mean(|aucs| aucs.bnsp);
    let score = overall.zip(subgroup).zip(bpsn.zip(bnsp));
    let score = score.map(|((a, b), (c, d))| 0.25 * (a + b + c + d));
    Ok(Jigsaw { overall, subgroup, bpsn, bnsp, score, undefined })
}

/// ((1/N) Σ m⁻⁵)^(−1/5) over the values that are defined, and how many are not.
fn power_mean(values: impl Iterator<Item = Option<f64>>) -> (Option<f64>, usize) {
    let (mut sum, mut defined, mut undefined) = (0.0, 0usize, 0usize);
    for value in values {
        let Some(value) = value else {
            undefined += 1;
            continue;
        };
        defined += 1;
        let square = value * value;
        // For 0 this is infinite, and the mean its limit, 0.
        sum += 1.0 / (square * square * value);
    }
    ((defined > 0).then(|| libm::pow(sum / defined as f64, -0.2)), undefined)
}
