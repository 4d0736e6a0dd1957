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

    /// Counts of the predictions: bit i % 32 of word i / 32 is set when sample i was predicted
    /// positive. Bits beyond the last sample are ignored. `out` as in [`rates()`](super::rates()).
    ///
    /// Errors: `Shape` when `predicted` is not [`BitPlanes::words`] long, or `out` one more than the
    /// groups.
    pub fn count(&self, predicted: &[u32], out: &mut [Rates]) -> Result<(), MetricError> {
        ShapeError::check("predicted", Self::words(self.samples), predicted.len())?;
        let out = sized(out, self.groups)?;
        out.fill(Rates::default());
        out.iter_mut().zip(self.counts(predicted)).for_each(|(to, rates)| *to = rates);
        Ok(())
    }

    /// What [`count`](Self::count) gives, one after the other and without a table: all samples' counts, then those of
    /// every group. None without samples.
    pub fn counts(&self, predicted: &[u32]) -> impl Iterator<Item = Rates> {
        let words = Self::words(self.samples);
        // Without samples there are no words, and `chunks_exact` would not take 0.
        let pairs = self.planes.chunks_exact((2 * words).max(1));
        let totals = self.totals.as_chunks::<2>().0;
        pairs.zip(totals).map(move |(pair, &[negatives, positives])| {
            let (negative, positive) = pair.split_at(words);
            Rates {
                positives: positives as usize,
                negatives: negatives as usize,
                true_positives: common(positive, predicted),
                false_positives: common(negative, predicted),
            }
        })
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
