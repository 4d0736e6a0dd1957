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

/// Bits of a digit of the radix sort, and its passes: two of 10 bits leave little to mend, and their
/// counters stay in the nearest cache.
const DIGIT_BITS: u32 = 10;
const DIGITS: usize = 1 << DIGIT_BITS;
const PASSES: u32 = 2;

/// Values of scratch that a [`Ranking`] of `samples` scores needs.
pub const fn auc_scratch(samples: usize) -> usize {
    samples.saturating_mul(2).saturating_add(PASSES as usize * DIGITS)
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
        let (counts, items) =
            carve(scratch, auc_scratch(samples))?.split_at_mut(PASSES as usize * DIGITS);
        let (items, other) = items.split_at_mut(samples);
        let (mut low, mut high) = (u32::MAX, 0);
        let mut spoilt = false;
        for (index, (item, (&score, &label))) in
            items.iter_mut().zip(scores.iter().zip(labels)).enumerate()
        {
            spoilt |= score.is_nan();
            let key = key(score);
            (low, high) = (low.min(key), high.max(key));
            *item = u64::from(key) << 32 | (index as u64) << 1 | u64::from(label == 1);
        }
        if spoilt {
            MetricError::check_nan("scores", scores)?;
        }
        Ok(Self { order: sort(items, other, counts, low ^ high) })
    }

    /// AUC of all samples; `None` when one class is missing.
    pub fn auc(&self) -> Option<f64> {
        self.auc_of(|_| true)
    }

    /// AUC of the samples whose index `takes` accepts; `None` when they lack one class.
    pub fn auc_of(&self, takes: impl Fn(usize) -> bool) -> Option<f64> {
        let mut pairs = Pairs::default();
        self.each(|higher, index, positive| {
            pairs.add(higher, positive, u64::from(takes(index)));
        });
        pairs.auc()
    }

    /// AUCs of three subsets in one pass: `takes` says by index, and by whether the sample is
    /// positive, which of them hold it.
    pub(super) fn three_aucs_of(
        &self,
        takes: impl Fn(usize, bool) -> [bool; 3],
    ) -> [Option<f64>; 3] {
        let mut subsets = [Pairs::default(); 3];
        self.each(|higher, index, positive| {
            for (pairs, taken) in subsets.iter_mut().zip(takes(index, positive == 1)) {
                pairs.add(higher, positive, u64::from(taken));
            }
        });
        subsets.map(Pairs::auc)
    }

    /// Calls `visit` in rising order: is the score above the last one, the index, 1 for positive.
    fn each(&self, mut visit: impl FnMut(bool, usize, u64)) {
        let mut last = u64::MAX;
        for &item in self.order {
            let score = item >> 32;
            visit(score != last, (item as u32 >> 1) as usize, item & 1);
            last = score;
        }
    }
}

/// Pairs of a positive and a negative sample, counted in rising order of the scores.
///
/// Per positive it counts the negatives strictly below and the other way round; what is left are ties,
/// so one pass without a look ahead is enough. No branch depends on a label or on a group, which no
/// processor can predict.
#[derive(Clone, Copy, Default)]
struct Pairs {
    positives: u64,
    negatives: u64,
    positives_below: u64,
    negatives_below: u64,
    won: u64,
    lost: u64,
}

impl Pairs {
    /// `higher`: the score lies above the last one. `positive` and `taken` are 0 or 1.
    fn add(&mut self, higher: bool, positive: u64, taken: u64) {
        if higher {
            (self.positives_below, self.negatives_below) = (self.positives, self.negatives);
        }
        let (positive, negative) = (positive & taken, (positive ^ 1) & taken);
        // Masks of all bits or none are cheaper than products.
        self.won += self.negatives_below & positive.wrapping_neg();
        self.lost += self.positives_below & negative.wrapping_neg();
        self.positives += positive;
        self.negatives += negative;
    }

    fn auc(self) -> Option<f64> {
        let pairs = self.positives * self.negatives;
        // Twice the wins, a tie counting as one: 2 · won + (pairs − won − lost).
        let twice = self.won + (pairs - self.lost);
        (pairs > 0).then(|| twice as f64 / (2.0 * pairs as f64))
    }
}

/// Sorts by the upper halves; gives the buffer that holds the result. `differing` is the least key xor
/// the greatest one: no two keys differ in a bit above its highest.
///
/// A radix sort by the upper bits that differ, which leaves scores apart that are almost equal, then
/// a sort by insertion, which mends that. In the worst case, which takes scores that are crowded in
/// less than a millionth of their range, it is the sort of the standard library.
fn sort<'s>(
    mut items: &'s mut [u64],
    mut other: &'s mut [u64],
    counts: &mut [u64],
    differing: u32,
) -> &'s [u64] {
    let bits = u32::BITS - differing.leading_zeros();
    let lowest = u32::BITS + bits.saturating_sub(PASSES * DIGIT_BITS);
    // Always below DIGITS.
    let digit = |item: u64, pass: usize| {
        (item >> (lowest + pass as u32 * DIGIT_BITS)) as usize & (DIGITS - 1)
    };
    let tables = counts.as_chunks_mut::<DIGITS>().0;
    // A table for every pass, in number known to the compiler, so that it unrolls the loop.
    let Some(tables) = tables.first_chunk_mut::<{ PASSES as usize }>() else { return &[] };
    tables.as_flattened_mut().fill(0);
    for &item in items.iter() {
        for (pass, table) in tables.iter_mut().enumerate() {
            table[digit(item, pass)] += 1;
        }
    }
    for (pass, table) in tables.iter_mut().enumerate() {
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
    if !insert(items) {
        items.sort_unstable();
    }
    items
}

/// Sorts by insertion; gives up, with `false`, when it moves items more than 8 places on average.
fn insert(items: &mut [u64]) -> bool {
    let mut left = items.len().saturating_mul(8);
    for end in 1..items.len() {
        let Some((&mut item, before)) = items.get_mut(..=end).and_then(<[u64]>::split_last_mut)
        else {
            return false;
        };
        let places = before.iter().rev().take(left + 1).take_while(|&&other| other > item).count();
        if places == 0 {
            continue;
        }
        if places > left {
            return false;
        }
        left -= places;
        if let Some(moved) = items.get_mut(end - places..=end) {
            moved.rotate_right(1);
        }
    }
    true
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
