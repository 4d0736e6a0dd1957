//! Area under the ROC curve, exact, with mid-ranks for ties.
//!
//! A network of few bits gives many equal scores; an AUC that breaks ties by the order of a sort then
//! depends on that order. Here every tied pair counts ½ (Mann and Whitney, 1947; Hanley and McNeil,
//! 1982). All scores are sorted once, and every subset's AUC is a pass over that [`Ranking`].
//!
//! Labels: 1 is positive, any other value negative. Scores: higher is more positive; infinite ones
//! are allowed, NaN is not.

use super::{MetricError, carve};
use crate::error::ShapeError;

/// Most samples of one ranking: an index and a label share 32 bits.
pub const MOST_SAMPLES: usize = (u32::MAX >> 1) as usize;

/// Bits of a digit of the radix sort. 8 beats 11 up to some 10,000 samples: fewer counters to clear.
const DIGIT_BITS: usize = 8;
const DIGITS: usize = 1 << DIGIT_BITS;
const PASSES: usize = 32usize.div_ceil(DIGIT_BITS);

/// Values of scratch that a [`Ranking`] of `samples` scores needs.
pub const fn auc_scratch(samples: usize) -> usize {
    samples.saturating_mul(2).saturating_add(PASSES * DIGITS)
}

/// Probability that a positive sample scores above a negative one, ties counting ½, in [0, 1];
/// `None` when one class is missing.
///
/// `scratch` holds at least [`auc_scratch`] values and is overwritten. Errors: `Shape` when the
/// lengths differ, `Nan` for a NaN score, `Scratch` for one value too few, `TooManySamples`.
pub fn auc(scores: &[f32], labels: &[u8], scratch: &mut [u64]) -> Result<Option<f64>, MetricError> {
    Ok(Ranking::new(scores, labels, scratch)?.auc())
}

/// Samples in rising order of their scores, in the caller's scratch.
#[derive(Clone, Copy, Debug)]
pub struct Ranking<'s> {
    /// The score's [`key`] in the upper half; the index and, as the lowest bit, the label below it.
    order: &'s [u64],
}

impl<'s> Ranking<'s> {
    /// Sorts the samples: a radix sort, linear in their number. Arguments and errors as in [`auc`].
    pub fn new(scores: &[f32], labels: &[u8], scratch: &'s mut [u64]) -> Result<Self, MetricError> {
        ShapeError::check("labels", scores.len(), labels.len())?;
        let samples = scores.len();
        if samples > MOST_SAMPLES {
            return Err(MetricError::TooManySamples { samples });
        }
        let (counts, items) = carve(scratch, auc_scratch(samples))?.split_at_mut(PASSES * DIGITS);
        let (items, other) = items.split_at_mut(samples);
        let mut spoilt = false;
        for (index, (item, (&score, &label))) in
            items.iter_mut().zip(scores.iter().zip(labels)).enumerate()
        {
            spoilt |= score.is_nan();
            *item = u64::from(key(score)) << 32 | (index as u64) << 1 | u64::from(label == 1);
        }
        if spoilt {
            MetricError::check_nan("scores", scores)?;
        }
        Ok(Self { order: sort(items, other, counts) })
    }

    /// AUC of all samples; `None` when one class is missing.
    pub fn auc(&self) -> Option<f64> {
        self.auc_where(|_, _| true)
    }

    /// AUC of the samples whose index `takes` accepts; `None` when they lack one class.
    pub fn auc_of(&self, takes: impl Fn(usize) -> bool) -> Option<f64> {
        self.auc_where(|index, _| takes(index))
    }

    /// AUC of the samples that `takes` accepts by index and by whether they are positive.
    pub(super) fn auc_where(&self, takes: impl Fn(usize, bool) -> bool) -> Option<f64> {
        // Per positive the negatives strictly below, and the other way round: their difference is
        // all that ties can change, so one pass without a look ahead is enough. No branch depends
        // on a label, which no processor can predict.
        let (mut positives, mut negatives) = (0u64, 0u64);
        let (mut positives_below, mut negatives_below) = (0u64, 0u64);
        let (mut won, mut lost) = (0u64, 0u64);
        let mut last = u64::MAX;
        for &item in self.order {
            let score = item >> 32;
            if score != last {
                (positives_below, negatives_below, last) = (positives, negatives, score);
            }
            let positive = item & 1;
            let taken = u64::from(takes((item as u32 >> 1) as usize, positive == 1));
            let (positive, negative) = (positive & taken, (positive ^ 1) & taken);
            won += negatives_below * positive;
            lost += positives_below * negative;
            positives += positive;
            negatives += negative;
        }
        let pairs = positives * negatives;
        if pairs == 0 {
            return None;
        }
        // Twice the wins, a tie counting as one: won + won + (pairs − won − lost).
        let twice = won + (pairs - lost);
        Some(twice as f64 / (2.0 * pairs as f64))
    }
}

/// Sorts by the upper halves, the least significant digit first; gives the buffer that holds the
/// result. `counts` is PASSES tables of DIGITS counters.
fn sort<'s>(mut items: &'s mut [u64], mut other: &'s mut [u64], counts: &mut [u64]) -> &'s [u64] {
    let (tables, _) = counts.as_chunks_mut::<DIGITS>();
    tables.as_flattened_mut().fill(0);
    for &item in items.iter() {
        for (pass, table) in tables.iter_mut().enumerate() {
            table[digit(item, pass)] += 1;
        }
    }
    let samples = items.len() as u64;
    for (pass, table) in tables.iter_mut().enumerate() {
        // Where all scores share a digit the pass would change nothing.
        if items.first().is_some_and(|&item| table[digit(item, pass)] == samples) {
            continue;
        }
        let mut start = 0;
        for count in table.iter_mut() {
            start += core::mem::replace(count, start);
        }
        for &item in items.iter() {
            let place = &mut table[digit(item, pass)];
            if let Some(slot) = other.get_mut(*place as usize) {
                *slot = item;
            }
            *place += 1;
        }
        core::mem::swap(&mut items, &mut other);
    }
    items
}

/// Always below `DIGITS`.
fn digit(item: u64, pass: usize) -> usize {
    (item >> (32 + DIGIT_BITS * pass)) as usize & (DIGITS - 1)
}

/// Unsigned number in the order of the scores; equal scores, −0 and 0 too, have equal keys.
pub(super) fn key(score: f32) -> u32 {
    // Adding 0 turns −0 into 0. Negative numbers have all bits flipped, others the sign alone.
    let bits = (score + 0.0).to_bits();
    bits ^ (((bits as i32) >> 31) as u32 | 0x8000_0000)
}

/// The score of a key.
pub(super) fn score(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 0x8000_0000 } else { !key })
}
