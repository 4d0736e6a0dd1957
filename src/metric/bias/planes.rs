//! Rates of every group by counting bits: the fast path of a reward.

use super::rates::sized;
use super::{Membership, MetricError, Rates};
use crate::error::ShapeError;
use crate::metric::carve;

/// Samples of one word.
const WORD: usize = u32::BITS as usize;

/// For all samples and for every group, one bit a sample: negative and in it; positive and in it.
///
/// Built once for a split over memory that the caller owns; then every evaluation counts with
/// [`BitPlanes::count`] what [`rates()`](super::rates()) would count from the scores.
#[derive(Clone, Copy, Debug)]
pub struct BitPlanes<'a> {
    samples: usize,
    groups: usize,
    /// Two planes for all samples, then two a group: negatives, positives.
    planes: &'a [u32],
    /// Bits that are set in each plane.
    totals: &'a [u32],
}

impl<'a> BitPlanes<'a> {
    /// Words of memory that the planes of `samples` and `groups` need.
    pub const fn need(samples: usize, groups: usize) -> usize {
        let planes = groups.saturating_add(1).saturating_mul(2);
        planes.saturating_mul(Self::words(samples).saturating_add(1))
    }

    /// Words of one plane, and of the predictions.
    pub const fn words(samples: usize) -> usize {
        samples.div_ceil(WORD)
    }

    /// Fills the planes.
    ///
    /// Errors: `Shape` when lengths differ, `TooManyGroups`, `TooManySamples` above 2³² − 1, `Scratch`
    /// when `memory` holds fewer words than [`BitPlanes::need`].
    pub fn new(
        labels: &[u8],
        membership: Membership<'_>,
        memory: &'a mut [u32],
    ) -> Result<Self, MetricError> {
        let (samples, groups) = (labels.len(), membership.groups);
        membership.check(samples)?;
        if u32::try_from(samples).is_err() {
            return Err(MetricError::TooManySamples { samples });
        }
        let words = Self::words(samples);
        let memory = carve(memory, Self::need(samples, groups))?;
        memory.fill(0);
        let (totals, planes) = memory.split_at_mut((groups + 1) * 2);
        for (index, &label) in labels.iter().enumerate() {
            let positive = usize::from(label == 1);
            // Bit 0 for all samples, bit 1 + g for group g.
            let mut planes_of = u128::from(membership.inside(index)) << 1 | 1;
            while planes_of != 0 {
                let plane = 2 * planes_of.trailing_zeros() as usize + positive;
                if let Some(word) = planes.get_mut(plane * words + index / WORD) {
                    *word |= 1 << (index % WORD);
                }
                if let Some(total) = totals.get_mut(plane) {
                    *total += 1;
                }
                planes_of &= planes_of - 1;
            }
        }
        Ok(Self { samples, groups, planes, totals })
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Counts of the predictions: bit i % 32 of word i / 32 is set when sample i was predicted
    /// positive. Bits beyond the last sample are ignored. `out` as in [`rates()`](super::rates()).
    ///
    /// Errors: `Shape` when `predicted` is not [`BitPlanes::words`] long, or `out` one more than the
    /// groups.
    pub fn count(&self, predicted: &[u32], out: &mut [Rates]) -> Result<(), MetricError> {
        ShapeError::check("predicted", Self::words(self.samples), predicted.len())?;
        let out = sized(out, self.groups)?;
        for (index, rates) in out.iter_mut().enumerate() {
            *rates = self.count_one(predicted, index);
        }
        Ok(())
    }

    /// One place of what [`count`](Self::count) gives: all samples' at 0, those of group g at 1 + g.
    pub fn count_one(&self, predicted: &[u32], index: usize) -> Rates {
        let words = Self::words(self.samples);
        let first = 2 * words * index;
        let plane = |first: usize| self.planes.get(first..first + words).unwrap_or_default();
        let total = |at: usize| self.totals.get(at).map_or(0, |&total| total as usize);
        Rates {
            positives: total(2 * index + 1),
            negatives: total(2 * index),
            true_positives: common(plane(first + words), predicted),
            false_positives: common(plane(first), predicted),
        }
    }
}

/// Bits that are set in both.
fn common(plane: &[u32], predicted: &[u32]) -> usize {
    plane.iter().zip(predicted).map(|(a, b)| (a & b).count_ones()).sum::<u32>() as usize
}

/// One bit a sample: is its score ≥ `threshold`? `predicted` holds [`BitPlanes::words`] words; bits
/// beyond the last sample are 0.
///
/// Errors: `Shape`, `Nan` for a NaN score or threshold.
pub fn predict(scores: &[f32], threshold: f32, predicted: &mut [u32]) -> Result<(), MetricError> {
    ShapeError::check("predicted", BitPlanes::words(scores.len()), predicted.len())?;
    MetricError::check_nan("threshold", &[threshold])?;
    let mut spoilt = false;
    for (word, scores) in predicted.iter_mut().zip(scores.chunks(WORD)) {
        *word = 0;
        for (bit, score) in scores.iter().enumerate() {
            *word |= u32::from(*score >= threshold) << bit;
            spoilt |= score.is_nan();
        }
    }
    if spoilt { MetricError::check_nan("scores", scores) } else { Ok(()) }
}
