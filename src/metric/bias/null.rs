//! What a gap is when groups mean nothing.
//!
//! A group of ten samples has a gap by chance alone: on a small split two thirds of a measured gap can
//! be noise. So the null value stands beside every gap.

use super::rates::distance;
use super::{GapKind, MOST_GROUPS, Membership, MetricError, Rates};
use crate::error::ShapeError;
use crate::metric::{carve, statistics::quantile};
use crate::rng::Rng;

/// Mean gaps (over groups, see [`Gap`](super::Gap)) when memberships are dealt at random.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Null {
    /// Mean over the permutations; `None` when no permutation has a gap.
    pub mean: Option<f64>,
    /// 95 % of the permutations have at most this gap (quantile type 7 of Hyndman and Fan).
    pub high: Option<f64>,
    /// Permutations with at least one group whose rate is defined.
    pub defined: usize,
    /// Permutations without, which were left out.
    pub undefined: usize,
}

/// Values of scratch that [`null_gap`] needs: words, and gaps.
pub const fn null_gap_scratch(samples: usize, times: usize) -> (usize, usize) {
    (samples, times)
}

/// The gap of one rate when the memberships are permuted among all samples `times` times (200 will do).
///
/// A sample's whole word moves, so groups keep their sizes and their overlaps. `out[g]` is the mean
/// |gap| of group g over the permutations where it is defined; `None` where it never is. `rng` is a
/// stream for [`Purpose::Bootstrap`](crate::rng::Purpose::Bootstrap).
///
/// The scratches hold at least the two sizes of [`null_gap_scratch`] and are overwritten. Errors:
/// `Shape` when lengths differ, `TooManyGroups`, `Nan` for a NaN score or threshold, `Scratch`.
#[allow(clippy::too_many_arguments)]
pub fn null_gap(
    scores: &[f32],
    threshold: f32,
    labels: &[u8],
    membership: Membership<'_>,
    kind: GapKind,
    times: usize,
    rng: &mut Rng,
    out: &mut [Option<f64>],
    words: &mut [u64],
    gaps: &mut [f64],
) -> Result<Null, MetricError> {
    ShapeError::check("scores", labels.len(), scores.len())?;
    membership.check(labels.len())?;
    ShapeError::check("out", membership.groups, out.len())?;
    MetricError::check_nan("scores", scores)?;
    MetricError::check_nan("threshold", &[threshold])?;
    let (samples, gaps_needed) = null_gap_scratch(labels.len(), times);
    let words = carve(words, samples)?;
    let gaps = carve(gaps, gaps_needed)?;

    // Whether nobody said matters only as not belonging, so one word holds both.
    let mut overall = Rates::default();
    for (index, (word, (&score, &label))) in
        words.iter_mut().zip(scores.iter().zip(labels)).enumerate()
    {
        *word = membership.inside(index);
        overall.add(label == 1, score >= threshold);
    }
    let overall = kind.of(&overall);

    let mut of_groups = [super::Gap::default(); MOST_GROUPS];
    let mut defined = 0;
    for _ in 0..times {
        rng.shuffle(words);
        let mut groups = [Rates::default(); MOST_GROUPS];
        for (&word, (&score, &label)) in words.iter().zip(scores.iter().zip(labels)) {
            let mut inside = word;
            while inside != 0 {
                if let Some(group) = groups.get_mut(inside.trailing_zeros() as usize) {
                    group.add(label == 1, score >= threshold);
                }
                inside &= inside - 1;
            }
        }
        let mut gap = super::Gap::default();
        for (group, of_group) in groups.iter().zip(&mut of_groups).take(membership.groups) {
            let distance = distance(kind.of(group), overall);
            gap.add(distance);
            of_group.add(distance);
        }
        if let (Some(mean), Some(slot)) = (gap.mean, gaps.get_mut(defined)) {
            *slot = mean;
            defined += 1;
        }
    }
    for (slot, of_group) in out.iter_mut().zip(&of_groups) {
        *slot = of_group.mean;
    }
    let gaps = gaps.get_mut(..defined).unwrap_or(&mut []);
    let mean = crate::metric::statistics::mean(gaps);
    gaps.sort_unstable_by(f64::total_cmp);
    Ok(Null { mean, high: quantile(gaps, 0.95), defined, undefined: times - defined })
}
