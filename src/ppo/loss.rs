//! The losses of one minibatch and their gradients by what the networks give.

use super::config::{Config, Normalise};
use crate::kernel::Batch;
use crate::num;

/// ln(2π)/2.
const HALF_LN_TAU: f32 = 0.918_938_5;

/// A Gaussian's deviations: their logarithms and reciprocals, one per entry of an action.
#[derive(Clone, Copy)]
pub(super) struct Deviation<'d> {
    pub(super) log: &'d [f32],
    pub(super) inverse: &'d [f32],
}

impl Deviation<'_> {
    /// Logarithm of the joint density of one action; the entries add up in rising order. `mean(i)`
    /// is the mean of entry i.
    pub(super) fn log_prob(self, action: &[f32], mean: impl Fn(usize) -> f32) -> f32 {
        let mut total = 0.0;
        let entries = action.iter().zip(self.log).zip(self.inverse).enumerate();
        for (index, ((&action, &log), &inverse)) in entries {
            let z = (action - mean(index)) * inverse;
            total += -0.5 * (z * z) - log - HALF_LN_TAU;
        }
        total
    }

    /// Entropy.
    pub(super) fn entropy(self) -> f32 {
        num::sum(self.log) + self.log.len() as f32 * (0.5 + HALF_LN_TAU)
    }
}

/// The rollout as flat slices, one entry (or row) a sample.
#[derive(Clone, Copy)]
pub(super) struct Samples<'r> {
    pub(super) actions: &'r [f32],
    pub(super) log_probs: &'r [f32],
    pub(super) advantages: &'r [f32],
    pub(super) returns: &'r [f32],
}

/// What one minibatch showed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct PolicyLoss {
    /// −E[min(r·A, clip(r)·A)].
    pub(super) loss: f32,
    /// E[(r − 1) − ln r].
    pub(super) approx_kl: f32,
    /// Share of samples with |r − 1| above the clip range.
    pub(super) clip_fraction: f32,
}

/// Mean and reciprocal deviation that advantages are normalised by.
pub(super) fn normaliser(config: &Config, advantages: &[f32], order: &[u32]) -> (f32, f32) {
    let count = order.len();
    if count < 2 || config.advantage == Normalise::Off {
        return (0.0, 1.0);
    }
    let at = |index: &u32| advantages.get(*index as usize).map_or(0.0, |&a| f64::from(a));
    let mean = order.iter().map(at).sum::<f64>() / count as f64;
    let square: f64 = order.iter().map(|index| (at(index) - mean) * (at(index) - mean)).sum();
    let divisor = if config.advantage == Normalise::Sample { count - 1 } else { count };
    let deviation = libm::sqrt(square / divisor as f64);
    (mean as f32, (1.0 / (deviation + 1e-8)) as f32)
}

/// The clipped surrogate (Schulman et al. 2017, equation 7) of the samples in `order`, and its
/// gradient by the mean (written, laid out as `batch`) and by the log-std (added).
///
/// `mean` is laid out as `batch`, which holds either as many samples as `order` or one that stands
/// for all.
#[allow(clippy::too_many_arguments)]
pub(super) fn policy(
    config: &Config,
    samples: Samples<'_>,
    order: &[u32],
    batch: Batch,
    mean: &[f32],
    deviation: Deviation<'_>,
    d_mean: &mut [f32],
    d_log_std: &mut [f32],
) -> PolicyLoss {
    let entries = deviation.log.len();
    let (shift, scale) = normaliser(config, samples.advantages, order);
    let share = 1.0 / order.len().max(1) as f32;
    let mut total = PolicyLoss::default();
    d_mean.fill(0.0);
    for (place, &sample) in order.iter().enumerate() {
        let sample = sample as usize;
        let row = if batch.samples() == 1 { 0 } else { place };
        let first = batch.at(entries, row, 0);
        let at = |entry: usize| first + entry * batch.width();
        let start = sample * entries;
        let action = samples.actions.get(start..start + entries).unwrap_or(&[]);
        let old = samples.log_probs.get(sample).copied().unwrap_or(0.0);
        let advantage = samples.advantages.get(sample).copied().unwrap_or(0.0);
        let advantage = (advantage - shift) * scale;

        let mean_of = |entry: usize| mean.get(at(entry)).copied().unwrap_or(0.0);
        let log_ratio = deviation.log_prob(action, mean_of) - old;
        let ratio = num::exp(log_ratio);
        let clipped = ratio.clamp(1.0 - config.clip, 1.0 + config.clip);
        let (free, bound) = (advantage * ratio, advantage * clipped);
        total.loss -= share * if free < bound { free } else { bound };
        total.approx_kl += share * ((ratio - 1.0) - log_ratio);
        if num::abs(ratio - 1.0) > config.clip {
            total.clip_fraction += share;
        }
        // Where the clipped term is the smaller one, nothing depends on the policy.
        if free > bound {
            continue;
        }
        let weight = -share * free;
        let rows = action.iter().zip(deviation.inverse).zip(d_log_std.iter_mut()).enumerate();
        for (entry, ((&action, &inverse), d_log_std)) in rows {
            let z = (action - mean_of(entry)) * inverse;
            if let Some(d_mean) = d_mean.get_mut(at(entry)) {
                *d_mean += weight * (z * inverse);
            }
            *d_log_std += weight * (z * z - 1.0);
        }
    }
    total
}

/// Mean squared error of the values against the returns, and `weight` times its gradient by the
/// values (written, laid out as `batch`; one sample may stand for all).
pub(super) fn value(
    weight: f32,
    samples: Samples<'_>,
    order: &[u32],
    batch: Batch,
    values: &[f32],
    d_values: &mut [f32],
) -> f32 {
    let share = 1.0 / order.len().max(1) as f32;
    let mut total = 0.0;
    d_values.fill(0.0);
    for (place, &sample) in order.iter().enumerate() {
        let at = batch.at(1, if batch.samples() == 1 { 0 } else { place }, 0);
        let target = samples.returns.get(sample as usize).copied().unwrap_or(0.0);
        let error = values.get(at).copied().unwrap_or(0.0) - target;
        total += share * (error * error);
        if let Some(d_value) = d_values.get_mut(at) {
            *d_value += weight * (2.0 * share * error);
        }
    }
    total
}
