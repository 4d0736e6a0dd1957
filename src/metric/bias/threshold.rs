//! The threshold at which two networks flag the same share of negatives.
//!
//! At a fixed threshold an edit lowers every gap by flagging less. At matched thresholds a shift of
//! all scores gains nothing.

use crate::error::ShapeError;
use crate::metric::auc::{key, score};
use crate::metric::{MetricError, carve};

/// Values of scratch that [`matched_threshold`] needs.
pub const fn matched_threshold_scratch(samples: usize) -> usize {
    samples
}

/// The threshold at which the false positive rate is nearest to `wanted_fpr`; `None` without
/// negatives.
///
/// Only the numbers of negatives at or above some score are possible. Of the two that enclose the
/// wanted one the nearer is taken, the lower rate (the higher threshold) when both are as near. The
/// thresholds that give it are an interval (a, b] between two scores of negatives, and of these the
/// one nearest to `near` is given. So with the original's scores, its threshold as `near` and its rate
/// at that threshold, the answer is that threshold, and every prediction is the original's; with
/// other scores the threshold moves no further than it has to. It may be infinite when `near` or a
/// score is. Rates outside [0, 1] are taken as 0 or 1.
///
/// `scratch` holds at least [`matched_threshold_scratch`] values and is overwritten. Errors: `Shape`
/// when the lengths differ, `Nan` for a NaN score, rate or `near`, `Scratch`.
pub fn matched_threshold(
    scores: &[f32],
    labels: &[u8],
    wanted_fpr: f64,
    near: f32,
    scratch: &mut [u32],
) -> Result<Option<f32>, MetricError> {
    ShapeError::check("labels", scores.len(), labels.len())?;
    MetricError::check_nan("scores", scores)?;
    MetricError::check_nan("near", &[near])?;
    if wanted_fpr.is_nan() {
        return Err(MetricError::Nan { what: "wanted_fpr", index: 0 });
    }
    let keys = carve(scratch, matched_threshold_scratch(scores.len()))?;
    let negatives = scores.iter().zip(labels).filter(|&(_, &label)| label != 1);
    let mut count = 0;
    for (slot, (&score, _)) in keys.iter_mut().zip(negatives) {
        *slot = key(score);
        count += 1;
    }
    let Some(keys) = keys.get_mut(..count).filter(|keys| !keys.is_empty()) else {
        return Ok(None);
    };

    // The middle one: fewer negatives than wanted lie above it, at least as many at or above it.
    let wanted = wanted_fpr.clamp(0.0, 1.0) * count as f64;
    let rank = (libm::ceil(wanted) as usize).clamp(1, count);
    let (_, &mut middle, _) = keys.select_nth_unstable(count - rank);

    let (mut above, mut at_or_above) = (0usize, 0usize);
    let (mut next_below, mut next_above) = (None, None);
    for &key in keys.iter() {
        above += usize::from(key > middle);
        at_or_above += usize::from(key >= middle);
        if key < middle {
            next_below = next_below.max(Some(key));
        } else if key > middle {
            next_above = Some(next_above.map_or(key, |next: u32| next.min(key)));
        }
    }
    // Sums of counts, not differences of rates, so that a tie is exact.
    let fewer = 2.0 * wanted <= above as f64 + at_or_above as f64;
    // Nothing is above an infinite score.
    let (low, high) = if fewer && middle < key(f32::INFINITY) {
        (middle + 1, next_above.unwrap_or(key(f32::INFINITY)))
    } else {
        (next_below.map_or(key(f32::NEG_INFINITY), |below: u32| below + 1), middle)
    };
    // Both ends lie between the keys of −∞ and ∞.
    Ok(Some(score(key(near).max(low).min(high))))
}
