//! The clipped surrogate: probabilities of actions, and the gradient by the policy's parameters.

use super::memory::{Work, part, part_mut};
use super::policy::{NeuronPolicy, Side};
use crate::kernel::{Batch, Kernel, LANES};
use crate::num;
use crate::ppo::PpoError;

pub(super) fn log_probability(chosen: &[f32], means: &[f32], inverse: f32, log_std: f32) -> f32 {
    let mut total = 0.0;
    for (&value, &mean) in chosen.iter().zip(means) {
        let z = (value - mean) * inverse;
        total += -0.5 * (z * z) - log_std;
    }
    total
}

/// The clipped surrogate over `advantages.len()` actions of the same `count` neurons.
pub(super) struct Surrogate<'s> {
    pub(super) side: Side,
    pub(super) count: usize,
    /// In panels.
    pub(super) features: &'s [f32],
    /// Pre-tanh actions: `[sample · action_stride + neuron · rank + q]`.
    pub(super) actions: &'s [f32],
    /// Old log-probabilities: `[sample · old_stride + neuron]`.
    pub(super) old: &'s [f32],
    pub(super) action_stride: usize,
    pub(super) old_stride: usize,
    pub(super) advantages: &'s [f32],
    pub(super) clip: f32,
    /// 1 / number of (neuron, action) pairs of the whole loss.
    pub(super) weight: f32,
}

/// Neurons whose terms of the log-std's gradient are added sample by sample: a panel of the wide targets. Narrower
/// panels must not change the order.
pub(super) const BLOCK: usize = 32;

const _: () = assert!(LANES <= BLOCK);

impl Surrogate<'_> {
    /// The gradient by the log-std, block by block, sample by sample, neuron by neuron.
    fn log_std_in_blocks(
        &self,
        policy: &NeuronPolicy,
        kernel: Kernel,
        parameters: &[f32],
        work: &mut Work<'_>,
    ) -> Result<f32, PpoError> {
        let (rank, layout) = (policy.rank, policy.layout(self.side));
        let log_std = parameters.get(policy.log_std(self.side)).copied().unwrap_or(0.0);
        let inverse = num::exp(-log_std);
        let (batch, panel_len) = (Batch::lanes(self.count), layout.features * LANES);
        let (low, high) = (1.0 - self.clip, 1.0 + self.clip);
        let mut gradient = 0.0f32;
        for block in (0..self.count).step_by(BLOCK) {
            let neurons = BLOCK.min(self.count - block);
            for first in (block..block + neurons).step_by(LANES) {
                let (index, Work { hidden, output, mean_rows, .. }) = (first / LANES, &mut *work);
                let panel = batch.panel(index);
                let features = part(self.features, index * panel_len..(index + 1) * panel_len)?;
                policy.panel(kernel, parameters, self.side, panel, features, hidden, output)?;
                let at = (first - block) * rank;
                let means = part_mut(mean_rows, at..at + panel.samples() * rank)?;
                kernel.to_rows(panel, rank, 1, output, means)?;
            }
            let means = part(work.mean_rows, 0..neurons * rank)?;
            for (sample, &advantage) in self.advantages.iter().enumerate() {
                let at = sample * self.action_stride + block * rank;
                let actions = part(self.actions, at..at + neurons * rank)?;
                let at = sample * self.old_stride + block;
                let old = part(self.old, at..at + neurons)?;
                let pairs = actions.chunks_exact(rank).zip(means.chunks_exact(rank));
                for (&old, (actions, means)) in old.iter().zip(pairs) {
                    let ratio = num::exp(log_probability(actions, means, inverse, log_std) - old);
                    let held = if advantage > 0.0 { ratio > high } else { ratio < low };
                    let flow = if held { 0.0 } else { -self.weight * advantage * ratio };
                    for (&action, &mean) in actions.iter().zip(means) {
                        let z = (action - mean) * inverse;
                        gradient += flow * (z * z - 1.0);
                    }
                }
            }
        }
        Ok(gradient)
    }

    /// Adds the gradient of `−weight · Σ min(r·A, clip(r)·A)`.
    pub(super) fn gradient(
        &self,
        policy: &NeuronPolicy,
        kernel: Kernel,
        parameters: &[f32],
        work: &mut Work<'_>,
        gradient: &mut [f32],
    ) -> Result<(), PpoError> {
        let (rank, layout) = (policy.rank, policy.layout(self.side));
        let log_std_at = policy.log_std(self.side);
        let log_std = parameters.get(log_std_at).copied().unwrap_or(0.0);
        let inverse = num::exp(-log_std);
        let batch = Batch::lanes(self.count);
        let panel_len = layout.features * LANES;
        // One sum over all neurons, so its order is fixed: narrower panels take it beforehand.
        let mut log_std_gradient = if LANES < BLOCK {
            self.log_std_in_blocks(policy, kernel, parameters, work)?
        } else {
            0.0
        };
        for index in 0..batch.panels() {
            let panel = batch.panel(index);
            let (first, lanes) = (index * LANES, panel.samples());
            let features = part(self.features, index * panel_len..(index + 1) * panel_len)?;
            let Work {
                hidden,
                output,
                mean_rows,
                gradient_rows,
                gradient_panel,
                hidden_gradient,
                hidden_rows,
                ratios,
            } = &mut *work;
            policy.panel(kernel, parameters, self.side, panel, features, hidden, output)?;
            let means = part_mut(mean_rows, 0..lanes * rank)?;
            kernel.to_rows(panel, rank, 1, output, means)?;
            let rows = part_mut(gradient_rows, 0..lanes * rank)?;
            rows.fill(0.0);
            for (sample, &advantage) in self.advantages.iter().enumerate() {
                let at = sample * self.action_stride + first * rank;
                let actions = part(self.actions, at..at + lanes * rank)?;
                let at = sample * self.old_stride + first;
                let old = part(self.old, at..at + lanes)?;
                let ratios = part_mut(ratios, 0..lanes)?;
                let pairs = actions.chunks_exact(rank).zip(means.chunks_exact(rank));
                for ((ratio, &old), (actions, means)) in ratios.iter_mut().zip(old).zip(pairs) {
                    *ratio = log_probability(actions, means, inverse, log_std) - old;
                }
                kernel.exp(ratios);
                let (low, high) = (1.0 - self.clip, 1.0 + self.clip);
                for ratio in ratios.iter_mut() {
                    // Beyond the clip on the side that the advantage pushes to, nothing flows.
                    let held = if advantage > 0.0 { *ratio > high } else { *ratio < low };
                    *ratio = if held { 0.0 } else { -self.weight * advantage * *ratio };
                }
                let values = actions.iter().zip(&*means).zip(rows.iter_mut());
                let flows = ratios.iter().flat_map(|flow| core::iter::repeat_n(flow, rank));
                for (((&action, &mean), to), &flow) in values.zip(flows) {
                    let z = (action - mean) * inverse;
                    *to += flow * (z * inverse);
                    if LANES >= BLOCK {
                        log_std_gradient += flow * (z * z - 1.0);
                    }
                }
            }
            // Back through the network.
            kernel.to_panels(panel, rank, rows, gradient_panel)?;
            let (before, after) = hidden_gradient.split_at_mut(policy.hidden * LANES);
            let w2 = part(parameters, layout.w2.clone())?;
            kernel.dense_input_gradient(panel, policy.hidden, rank, w2, gradient_panel, before)?;
            kernel.tanh_gradient(hidden, before, after)?;
            let hidden_rows = part_mut(hidden_rows, 0..lanes * policy.hidden)?;
            kernel.to_rows(panel, policy.hidden, 1, after, hidden_rows)?;
            kernel.dense_weight_gradient(
                panel,
                policy.hidden,
                rank,
                hidden,
                rows,
                part_mut(gradient, layout.w2.clone())?,
            )?;
            kernel.bias_gradient(lanes, rank, rows, part_mut(gradient, layout.b2.clone())?)?;
            kernel.dense_weight_gradient(
                panel,
                layout.features,
                policy.hidden,
                features,
                hidden_rows,
                part_mut(gradient, layout.w1.clone())?,
            )?;
            let b1 = part_mut(gradient, layout.b1.clone())?;
            kernel.bias_gradient(lanes, policy.hidden, hidden_rows, b1)?;
        }
        if let Some(to) = gradient.get_mut(log_std_at) {
            *to += log_std_gradient;
        }
        Ok(())
    }
}
