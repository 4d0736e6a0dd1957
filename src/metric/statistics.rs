//! Statistics over runs, in f64: mean, deviation, interquartile mean, bootstrap interval.
//!
//! Sums are taken in the order of the slice. An undefined statistic is `None`; one NaN among the
//! values makes every statistic that is defined NaN.

mod stratified;
#[cfg(all(test, feature = "std"))]
mod stratified_tests;

pub use stratified::{
    Aggregate, improvement, improvement_interval, paired_improvement, paired_improvement_interval,
};

use super::carve;
use crate::error::TooSmall;
use crate::rng::Rng;

/// Arithmetic mean; `None` for an empty slice.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    Some(sum(values) / values.len() as f64)
}

/// Sample standard deviation, sqrt(Σ(x − mean)² / (n − 1)); `None` below two values.
pub fn sample_std(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let centre = mean(values)?;
    let mut total = 0.0;
    for &value in values {
        total += (value - centre) * (value - centre);
    }
    Some(libm::sqrt(total / (values.len() - 1) as f64))
}

/// Interquartile mean: the mean after ⌊n/4⌋ values were cut at each end of the sorted values
/// (Agarwal et al., "Deep RL at the edge of the statistical precipice", 2108.13264).
/// `None` for an empty slice; below four values nothing is cut.
///
/// `scratch` holds at least n values and is overwritten; one value less is `TooSmall`.
pub fn interquartile_mean(values: &[f64], scratch: &mut [f64]) -> Result<Option<f64>, TooSmall> {
    let sorted = carve(scratch, values.len())?;
    sorted.copy_from_slice(values);
    sorted.sort_unstable_by(f64::total_cmp);
    // A NaN that sorting moved to an end must not be cut away.
    if values.iter().any(|value| value.is_nan()) {
        return Ok(Some(f64::NAN));
    }
    let cut = values.len() / 4;
    Ok(mean(sorted.get(cut..values.len() - cut).unwrap_or(&[])))
}

/// 95 % percentile-bootstrap interval of the mean, `[low, high]`; `None` below two values or without
/// replicates.
///
/// Draws `replicates` samples of n values with replacement from `rng` (a stream for
/// [`Purpose::Bootstrap`](crate::rng::Purpose::Bootstrap)) and takes the 2.5 % and 97.5 % quantiles
/// of their means, interpolated linearly between the nearest two (Efron, 1979; quantile type 7 of
/// Hyndman and Fan). Slices beyond 2³² − 1 values are resampled among their first 2³² − 1.
///
/// `scratch` holds at least `replicates` values and is overwritten; one value less is `TooSmall`.
pub fn bootstrap_mean_interval(
    values: &[f64],
    replicates: usize,
    rng: &mut Rng,
    scratch: &mut [f64],
) -> Result<Option<[f64; 2]>, TooSmall> {
    let means = carve(scratch, replicates)?;
    if values.len() < 2 || replicates == 0 {
        return Ok(None);
    }
    let bound = u32::try_from(values.len()).unwrap_or(u32::MAX);
    for slot in means.iter_mut() {
        let mut total = 0.0;
        for _ in 0..values.len() {
            // The index is always inside; NaN would show if it were not.
            total += values.get(rng.below(bound) as usize).copied().unwrap_or(f64::NAN);
        }
        *slot = total / values.len() as f64;
    }
    if values.iter().any(|value| value.is_nan()) {
        return Ok(Some([f64::NAN; 2]));
    }
    means.sort_unstable_by(f64::total_cmp);
    Ok(quantile(means, 0.025).zip(quantile(means, 0.975)).map(|(low, high)| [low, high]))
}

/// The quantile at `share` in [0, 1] of sorted values, by linear interpolation; `None` when empty.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    // A cast of a float to an index saturates, and `min` keeps it inside.
    let below = (position as usize).min(last);
    let low = *sorted.get(below)?;
    let high = *sorted.get((below + 1).min(last))?;
    // Equal neighbours, infinite ones too, need no interpolation.
    Some(if low == high { low } else { low + (high - low) * (position - below as f64) })
}

fn sum(values: &[f64]) -> f64 {
    let mut total = 0.0;
    for &value in values {
        total += value;
    }
    total
}
