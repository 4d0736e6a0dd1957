//! Rates per group at a threshold, and the gaps between them.

use super::{Membership, MetricError};
use crate::error::ShapeError;

/// What was predicted for the samples of one group, in counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Samples that are positive.
    pub positives: usize,
    /// Samples that are negative.
    pub negatives: usize,
    /// Positive samples that were predicted positive.
    pub true_positives: usize,
    /// Negative samples that were predicted positive.
    pub false_positives: usize,
}

impl Rates {
    /// True positive rate (recall), in [0, 1]; `None` without positives.
    pub fn tpr(&self) -> Option<f64> {
        share(self.true_positives as f64, self.positives as f64)
    }

    /// False positive rate, in [0, 1]; `None` without negatives.
    pub fn fpr(&self) -> Option<f64> {
        share(self.false_positives as f64, self.negatives as f64)
    }

    /// False negative rate, in [0, 1]; `None` without positives.
    pub fn fnr(&self) -> Option<f64> {
        share(self.positives as f64 - self.true_positives as f64, self.positives as f64)
    }

    /// Share of right predictions, in [0, 1]; `None` without samples.
    pub fn accuracy(&self) -> Option<f64> {
        let wrong_or_none = self.negatives as f64 - self.false_positives as f64;
        share(self.true_positives as f64 + wrong_or_none, self.samples())
    }

    /// Share of samples that were predicted positive (the selection rate), in [0, 1]; `None` without
    /// samples.
    pub fn positive_rate(&self) -> Option<f64> {
        share(self.true_positives as f64 + self.false_positives as f64, self.samples())
    }

    fn samples(&self) -> f64 {
        self.positives as f64 + self.negatives as f64
    }

    pub(super) fn add(&mut self, positive: bool, predicted: bool) {
        self.positives += usize::from(positive);
        self.negatives += usize::from(!positive);
        self.true_positives += usize::from(positive && predicted);
        self.false_positives += usize::from(!positive && predicted);
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Counts at `threshold`: `out[0]` over all samples, `out[1 + g]` over those that are known to belong
/// to group g. `out` holds exactly one more than the number of groups.
///
/// Errors: `Shape` when lengths differ, `TooManyGroups`, `Nan` for a NaN score or threshold.
pub fn rates(
    scores: &[f32],
    threshold: f32,
    labels: &[u8],
    membership: Membership<'_>,
    out: &mut [Rates],
) -> Result<(), MetricError> {
    ShapeError::check("scores", labels.len(), scores.len())?;
    membership.check(labels.len())?;
    MetricError::check_nan("scores", scores)?;
    MetricError::check_nan("threshold", &[threshold])?;
    let [overall, groups @ ..] = sized(out, membership.groups)? else { return Ok(()) };
    *overall = Rates::default();
    groups.fill(Rates::default());
    for (index, (&score, &label)) in scores.iter().zip(labels).enumerate() {
        let (positive, predicted) = (label == 1, score >= threshold);
        overall.add(positive, predicted);
        let mut inside = membership.inside(index);
        while inside != 0 {
            if let Some(group) = groups.get_mut(inside.trailing_zeros() as usize) {
                group.add(positive, predicted);
            }
            inside &= inside - 1;
        }
    }
    Ok(())
}

/// `out`, if it holds one place for all samples and one for every group.
pub(super) fn sized(out: &mut [Rates], groups: usize) -> Result<&mut [Rates], MetricError> {
    ShapeError::check("out", groups.saturating_add(1), out.len())?;
    Ok(out)
}

/// Which rate a gap compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// The false positive rate.
    Fpr,
    /// The false negative rate.
    Fnr,
}

impl GapKind {
    pub(super) fn of(self, rates: &Rates) -> Option<f64> {
        match self {
            Self::Fpr => rates.fpr(),
            Self::Fnr => rates.fnr(),
        }
    }
}

/// Distances |rate of a group − rate over all samples|, over the groups where both are defined.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gap {
    /// Their sum: FPED or FNED (Dixon et al., 2018). It grows with the number of groups.
    pub sum: f64,
    /// Their mean, in [0, 1]; `None` when no group has one.
    pub mean: Option<f64>,
    /// The largest, in [0, 1]; `None` when no group has one.
    pub worst: Option<f64>,
    /// Groups that have one.
    pub defined: usize,
    /// Groups that have none: without negatives (or positives), or nobody has.
    pub undefined: usize,
}

impl Gap {
    pub(super) fn add(&mut self, distance: Option<f64>) {
        let Some(distance) = distance else {
            self.undefined += 1;
            return;
        };
        self.sum += distance;
        self.defined += 1;
        self.mean = Some(self.sum / self.defined as f64);
        self.worst = Some(self.worst.map_or(distance, |worst| worst.max(distance)));
    }
}

/// |a − b| where both are defined.
pub(super) fn distance(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.zip(b).map(|(a, b)| libm::fabs(a - b))
}

/// Gap of one rate. `rates` is what [`rates()`] gives: all samples first, then the groups.
pub fn gap(rates: &[Rates], kind: GapKind) -> Gap {
    match rates {
        [overall, groups @ ..] => gap_of(overall, groups.iter().copied(), kind),
        [] => Gap::default(),
    }
}

/// The same of groups that are counted one after the other: no table of them is needed.
pub fn gap_of(overall: &Rates, groups: impl Iterator<Item = Rates>, kind: GapKind) -> Gap {
    let (mut gap, overall) = (Gap::default(), kind.of(overall));
    groups.for_each(|group| gap.add(distance(kind.of(&group), overall)));
    gap
}

/// The same of both rates, false positive and false negative.
pub fn gaps_of(overall: &Rates, groups: impl Iterator<Item = Rates>) -> [Gap; 2] {
    let [mut fpr, mut fnr] = [Gap::default(); 2];
    for group in groups {
        fpr.add(distance(group.fpr(), overall.fpr()));
        fnr.add(distance(group.fnr(), overall.fnr()));
    }
    [fpr, fnr]
}

/// False positive equality difference: [`gap()`] of the false positive rate.
pub fn fpr_gap(rates: &[Rates]) -> Gap {
    gap(rates, GapKind::Fpr)
}

/// False negative equality difference: [`gap()`] of the false negative rate.
pub fn fnr_gap(rates: &[Rates]) -> Gap {
    gap(rates, GapKind::Fnr)
}

/// Half the mean FPR gap plus half the mean FNR gap, in [0, 1]; `None` when one of them is undefined.
pub fn equalized_odds_gap(rates: &[Rates]) -> Option<f64> {
    fpr_gap(rates).mean.zip(fnr_gap(rates).mean).map(|(fpr, fnr)| 0.5 * (fpr + fnr))
}

/// Largest minus smallest rate between groups.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// In [0, 1]; `None` when every rate is undefined.
    pub difference: Option<f64>,
    /// Rates that went into it.
    pub defined: usize,
    /// Rates that were undefined and left out.
    pub undefined: usize,
}

impl Spread {
    fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let mut spread = Self::default();
        let mut range: Option<(f64, f64)> = None;
        for value in values {
            let Some(value) = value else {
                spread.undefined += 1;
                continue;
            };
            spread.defined += 1;
            range =
                Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
        }
        spread.difference = range.map(|(low, high)| high - low);
        spread
    }
}

/// The larger of the spreads of TPR and FPR between groups (Hardt et al., 2016; fairlearn's
/// `equalized_odds_difference`, between groups, worst case). Counts both rates of every group; all
/// samples, `rates[0]`, do not take part.
pub fn equalized_odds_difference(rates: &[Rates]) -> Spread {
    let groups = rates.get(1..).unwrap_or(&[]);
    let tpr = Spread::of(groups.iter().map(Rates::tpr));
    let fpr = Spread::of(groups.iter().map(Rates::fpr));
    let difference = match (tpr.difference, fpr.difference) {
        (Some(tpr), Some(fpr)) => Some(tpr.max(fpr)),
        (tpr, fpr) => tpr.or(fpr),
    };
    Spread {
        difference,
        defined: tpr.defined + fpr.defined,
        undefined: tpr.undefined + fpr.undefined,
    }
}

/// The spread of the share of samples that were predicted positive between groups (fairlearn's
/// `demographic_parity_difference`); `rates[0]` does not take part.
pub fn demographic_parity_difference(rates: &[Rates]) -> Spread {
    Spread::of(rates.get(1..).unwrap_or(&[]).iter().map(Rates::positive_rate))
}
