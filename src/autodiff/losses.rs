//! Losses, log-probabilities and sums: operations that end in numbers.

use super::node::{Node, Op, Var};
use super::tape::{Tape, TapeError};
use crate::error::ShapeError;
use crate::kernel::Batch;
use crate::num;
use crate::slab::Need;

/// `Σ ln(1 − tanh² u)` over the entries of an action before squashing: what the log-probability of
/// `tanh u` is below that of `u`.
///
/// Computed as `2 (ln 2 − u − softplus(−2u))`, which stays finite where tanh rounds to ±1 (Haarnoja
/// et al. 2018, arXiv 1812.05905, appendix C, in the form that does not cancel). It depends on the
/// action alone, so no gradient flows through it and it cancels in every probability ratio.
pub fn squash_correction(u: &[f32]) -> f32 {
    let mut total = 0.0;
    for &u in u {
        let size = num::abs(u);
        // softplus(−2u) + u = |u| + ln(1 + e^−2|u|)
        total += 2.0 * (core::f32::consts::LN_2 - size - num::ln(1.0 + num::exp(-2.0 * size)));
    }
    total
}

/// ln(2π)/2.
const HALF_LN_TAU: f32 = 0.918_938_5;

impl Tape<'_> {
    /// Memory of a [`softmax_cross_entropy`](Self::softmax_cross_entropy).
    pub const fn cross_entropy_need(batch: Batch, classes: usize) -> Need {
        let kept = batch.samples().saturating_mul(2);
        Need::f32s(batch.len(classes).saturating_add(kept).saturating_add(2))
    }

    /// Memory of a [`kl_divergence`](Self::kl_divergence).
    pub const fn kl_divergence_need(batch: Batch, classes: usize) -> Need {
        Need::f32s(batch.len(classes).saturating_mul(2).saturating_add(2))
    }

    /// Memory of a [`mean_squared_error`](Self::mean_squared_error) over `values` values.
    pub const fn squared_error_need(values: usize) -> Need {
        Need::f32s(values.saturating_add(2))
    }

    /// Memory of a [`gaussian_log_prob`](Self::gaussian_log_prob) of `actions` actions.
    pub const fn log_prob_need(actions: usize, entries: usize) -> Need {
        let kept = actions.saturating_add(1).saturating_mul(entries);
        Need::f32s(actions.saturating_mul(2).saturating_add(kept))
    }

    /// Memory of a [`clipped_surrogate`](Self::clipped_surrogate) of `actions` actions.
    pub const fn surrogate_need(actions: usize) -> Need {
        Need::f32s(actions.saturating_mul(2).saturating_add(2))
    }

    /// Memory of a [`gaussian_entropy`](Self::gaussian_entropy) or [`weighted_sum`](Self::weighted_sum).
    pub const fn scalar_need() -> Need {
        Need::f32s(2)
    }

    /// Mean over the samples of `−ln softmax(logits)[label]`, in nats.
    ///
    /// # Errors
    /// [`TapeError`]: it does not fit, there are not as many labels as samples, or a label is not a
    /// class.
    pub fn softmax_cross_entropy(&mut self, logits: Var, labels: &[u8]) -> Result<Var, TapeError> {
        self.weighted_cross_entropy(logits, labels, None)
    }

    /// `Σ wᵢ·(−ln softmax(logitsᵢ)[labelᵢ]) / n` over n samples, in nats: the mean with one weight per
    /// sample, all 1 when left out.
    ///
    /// # Errors
    /// As [`softmax_cross_entropy`](Self::softmax_cross_entropy); or there are not as many weights as
    /// samples.
    pub fn weighted_cross_entropy(
        &mut self,
        logits: Var,
        labels: &[u8],
        weights: Option<&[f32]>,
    ) -> Result<Var, TapeError> {
        let &Node { batch, features: classes, len, .. } = self.node(logits)?;
        ShapeError::check("labels", batch.samples(), labels.len())?;
        if let Some(&label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
            return Err(TapeError::Label { label, classes });
        }
        if let Some(weights) = weights {
            ShapeError::check("weights of samples", labels.len(), weights.len())?;
        }
        let weight = |sample: usize| weights.map_or(1.0, |weights| at(weights, sample));
        let extra = len + 2 * labels.len();
        let var = self.push(Op::CrossEntropy { logits }, Batch::rows(1), 1, true, extra)?;
        let kernel = self.kernel;
        let (values, memory) = self.operand_and_last(logits);
        let mut total = 0.0f64;
        for (sample, &label) in labels.iter().enumerate() {
            let z = |class: usize| at(values, batch.at(classes, sample, class));
            let largest = (0..classes).map(z).fold(f32::NEG_INFINITY, larger);
            let sum: f32 = (0..classes).map(|class| num::exp(z(class) - largest)).sum();
            let surprise = num::ln(sum) - (z(usize::from(label)) - largest);
            total += f64::from(weight(sample)) * f64::from(surprise);
        }
        let (numbers, remembered) = memory.split_at_mut_checked(2).unwrap_or_default();
        let (softmax, kept) = remembered.split_at_mut_checked(len).unwrap_or_default();
        softmax.copy_from_slice(values);
        kernel.softmax(batch, classes, softmax)?;
        let (kept, of_samples) = kept.split_at_mut_checked(labels.len()).unwrap_or_default();
        for (sample, (to, &label)) in kept.iter_mut().zip(labels).enumerate() {
            *to = f32::from(label);
            if let Some(to) = of_samples.get_mut(sample) {
                *to = weight(sample);
            }
        }
        if let Some(value) = numbers.first_mut() {
            *value = (total / labels.len().max(1) as f64) as f32;
        }
        Ok(var)
    }

    /// Mean over the samples of `KL(q ‖ softmax(logits / temperature))`, in nats, for the probabilities
    /// q of another network: the loss of distillation (Hinton et al. 2015, arXiv 1503.02531), without
    /// the factor temperature².
    ///
    /// `targets` are laid out as the logits; no gradient flows into them.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn kl_divergence(
        &mut self,
        logits: Var,
        targets: &[f32],
        temperature: f32,
    ) -> Result<Var, TapeError> {
        let &Node { batch, features: classes, len, .. } = self.node(logits)?;
        ShapeError::check("target probabilities", len, targets.len())?;
        let op = Op::KlDivergence { logits, temperature };
        let var = self.push(op, Batch::rows(1), 1, true, 2 * len)?;
        let kernel = self.kernel;
        let (values, memory) = self.operand_and_last(logits);
        let mut total = 0.0f64;
        for sample in 0..batch.samples() {
            let place = |class: usize| batch.at(classes, sample, class);
            let z = |class: usize| at(values, place(class)) / temperature;
            let largest = (0..classes).map(z).fold(f32::NEG_INFINITY, larger);
            let sum: f32 = (0..classes).map(|class| num::exp(z(class) - largest)).sum();
            let log_sum = num::ln(sum);
            for class in 0..classes {
                let target = at(targets, place(class));
                // q ln q tends to 0 with q.
                if target != 0.0 {
                    let log_ratio = num::ln(target) - (z(class) - largest - log_sum);
                    total += f64::from(target) * f64::from(log_ratio);
                }
            }
        }
        let (numbers, kept) = memory.split_at_mut_checked(2).unwrap_or_default();
        let (softmax, kept) = kept.split_at_mut_checked(len).unwrap_or_default();
        for (to, &value) in softmax.iter_mut().zip(values) {
            *to = value / temperature;
        }
        kernel.softmax(batch, classes, softmax)?;
        kept.copy_from_slice(targets);
        if let Some(value) = numbers.first_mut() {
            *value = (total / batch.samples().max(1) as f64) as f32;
        }
        Ok(var)
    }

    /// Mean over all values of `(prediction − target)²`; targets are row-major.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn mean_squared_error(
        &mut self,
        prediction: Var,
        targets: &[f32],
    ) -> Result<Var, TapeError> {
        let &Node { batch, features, .. } = self.node(prediction)?;
        ShapeError::check("targets", batch.samples().saturating_mul(features), targets.len())?;
        let op = Op::SquaredError { prediction };
        let var = self.push(op, Batch::rows(1), 1, true, targets.len())?;
        let (values, memory) = self.operand_and_last(prediction);
        let mut total = 0.0f64;
        for (index, &target) in targets.iter().enumerate() {
            let value =
                at(values, batch.at(features, index / features.max(1), index % features.max(1)));
            let error = f64::from(value) - f64::from(target);
            total += error * error;
        }
        let (numbers, kept) = memory.split_at_mut_checked(2).unwrap_or_default();
        kept.copy_from_slice(targets);
        if let Some(value) = numbers.first_mut() {
            *value = (total / targets.len().max(1) as f64) as f32;
        }
        Ok(var)
    }

    /// Log-probability of every action under independent Gaussians: n values of one feature.
    ///
    /// `actions` is row-major `[sample][entry]`. When `mean` holds one sample and there are n actions,
    /// it is the mean of all of them, and its gradient is summed in the order of the actions.
    /// A policy that squashes its samples passes them unsquashed: the correction of the density,
    /// `Σ ln(1 − tanh² u)`, depends on the action alone and cancels in every ratio.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn gaussian_log_prob(
        &mut self,
        mean: Var,
        log_std: Var,
        actions: &[f32],
    ) -> Result<Var, TapeError> {
        let &Node { batch, features: entries, .. } = self.node(mean)?;
        ShapeError::check("log-std", entries, self.node(log_std)?.len)?;
        let count =
            if batch.samples() == 1 { actions.len() / entries.max(1) } else { batch.samples() };
        ShapeError::check("actions", count.saturating_mul(entries), actions.len())?;
        let op = Op::LogProbability { mean, log_std };
        let var = self.push(op, Batch::rows(count), 1, true, actions.len() + entries)?;
        let start = self.node(var)?.start;
        let (mean_at, std_at) = (self.node(mean)?.start, self.node(log_std)?.start);
        let (before, memory) = self.slab.split_at_mut(start);
        let (log_probs, rest) = memory.split_at_mut_checked(count).unwrap_or_default();
        let kept = rest.get_mut(count..).unwrap_or_default();
        let (kept, inverses) = kept.split_at_mut_checked(actions.len()).unwrap_or_default();
        kept.copy_from_slice(actions);
        let log_std = before.get(std_at..std_at + entries).unwrap_or_default();
        for (inverse, &log_std) in inverses.iter_mut().zip(log_std) {
            *inverse = num::exp(-log_std);
        }
        let stride = batch.width();
        for (sample, (to, action)) in
            log_probs.iter_mut().zip(actions.chunks_exact(entries.max(1))).enumerate()
        {
            let row = if batch.samples() == 1 { 0 } else { sample };
            let means = before.get(mean_at + batch.at(entries, row, 0)..).unwrap_or_default();
            let mut total = 0.0;
            let deviations = log_std.iter().zip(inverses.iter());
            let means = means.iter().step_by(stride);
            for ((&action, &mean), (&log_std, &inverse)) in action.iter().zip(means).zip(deviations)
            {
                let z = (action - mean) * inverse;
                total += -0.5 * (z * z) - log_std - HALF_LN_TAU;
            }
            *to = total;
        }
        Ok(var)
    }

    /// Entropy of independent Gaussians, summed over the entries, in nats.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn gaussian_entropy(&mut self, log_std: Var) -> Result<Var, TapeError> {
        self.node(log_std)?;
        let var = self.push(Op::Entropy { log_std }, Batch::rows(1), 1, true, 0)?;
        let (values, memory) = self.operand_and_last(log_std);
        let mut total = 0.0;
        for &value in values {
            total += value + (HALF_LN_TAU + 0.5);
        }
        if let Some(value) = memory.first_mut() {
            *value = total;
        }
        Ok(var)
    }

    /// The clipped surrogate as a loss: `−mean(min(r·A, clip(r, 1 − ε, 1 + ε)·A))` with
    /// `r = exp(log_probability − old)` (Schulman et al. 2017, equation 7).
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn clipped_surrogate(
        &mut self,
        log_probability: Var,
        old: &[f32],
        advantages: &[f32],
        clip: f32,
    ) -> Result<Var, TapeError> {
        let count = self.node(log_probability)?.len;
        ShapeError::check("old log-probabilities", count, old.len())?;
        ShapeError::check("advantages", count, advantages.len())?;
        let op = Op::Surrogate { log_probability, clip };
        let var = self.push(op, Batch::rows(1), 1, true, 2 * count)?;
        let (values, memory) = self.operand_and_last(log_probability);
        let mut total = 0.0f64;
        for ((&new, &old), &advantage) in values.iter().zip(old).zip(advantages) {
            let ratio = num::exp(new - old);
            let clipped = held(ratio, clip);
            let (free, bound) = (ratio * advantage, clipped * advantage);
            total += f64::from(if bound < free { bound } else { free });
        }
        let (numbers, kept) = memory.split_at_mut_checked(2).unwrap_or_default();
        let (kept_old, kept_advantages) = kept.split_at_mut_checked(count).unwrap_or_default();
        kept_old.copy_from_slice(old);
        kept_advantages.copy_from_slice(advantages);
        if let Some(value) = numbers.first_mut() {
            *value = (-total / count.max(1) as f64) as f32;
        }
        Ok(var)
    }

    /// `Σ weight · scalar`, at most four terms.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit or a term is not one number.
    pub fn weighted_sum(&mut self, terms: &[(Var, f32)]) -> Result<Var, TapeError> {
        let mut total = 0.0;
        for &(var, weight) in terms {
            ShapeError::check("a term", 1, self.node(var)?.len)?;
            total += weight * self.scalar(var);
        }
        let terms = heapless::Vec::from_slice(terms).map_err(|_| TapeError::TooManyTerms)?;
        let var = self.push(Op::WeightedSum { terms }, Batch::rows(1), 1, true, 0)?;
        if let Some(value) = self.value_mut(var).first_mut() {
            *value = total;
        }
        Ok(var)
    }
}

pub(super) fn at(values: &[f32], index: usize) -> f32 {
    values.get(index).copied().unwrap_or(f32::NAN)
}

/// `ratio` held to 1 ± `clip`; NaN stays NaN, whatever the clip.
pub(super) fn held(ratio: f32, clip: f32) -> f32 {
    let (low, high) = (1.0 - clip, 1.0 + clip);
    let above = if ratio < low { low } else { ratio };
    if above > high { high } else { above }
}

fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}
