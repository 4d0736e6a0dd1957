//! The policy: a Gaussian around what a network gives.

use super::config::{Baseline, Config, Squash};
use super::error::PpoError;
use super::init;
use super::loss::Deviation;
use super::mlp::{Fixed, Mlp, len, part, part_mut};
use crate::env::{Space, Spec};
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel};
use crate::num;
use crate::rng::{Purpose, Rng};
use core::ops::Range;

/// A multilayer perceptron over the whole observation gives the mean of a Gaussian over actions; the
/// logarithms of its deviations are learned numbers that no observation changes. A value network of
/// the same shape stands beside it unless the baseline is constant. This is the paper's agent, and
/// Stable-Baselines3's `MlpPolicy` with separate networks.
///
/// Holds sizes only. Parameters are one flat slice: the policy's layers, the log-stds, the value
/// network's layers; of each layer the weights (in × out), then the biases.
///
/// # One observation that never changes
///
/// In editing episodes of one step the observation x is always the same, and a first layer of
/// 4096 × 64 weights computes 64 numbers. With [`Config::fixed_observation`] these are all that is
/// kept: the layer gives z + (‖x‖₁ + 1)·c, where z is what its initial weights made of x and c,
/// 64 numbers that start at 0, is learned. That is Adam on the whole layer but for ε and rounding: the
/// gradient of its weights is x ⊗ g, so Adam's moments are x ⊗ m and x² ⊗ v, every weight moves by
/// sign(x) times the step of its output's bias, and the output moves by ‖x‖₁ + 1 times that. The
/// gradient of c is g, counted (‖x‖₂² + 1)-fold in the norm that limits all gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlatPolicy {
    pub(super) network: Mlp,
    pub(super) value: Option<Mlp>,
    observations: usize,
    actions: Space,
    squash: Squash,
    fixed: bool,
}

impl FlatPolicy {
    /// The sizes of the policy that `config` describes for an environment.
    pub const fn new(config: &Config, spec: &Spec) -> Self {
        let value = match config.baseline {
            Baseline::Network => Some(Mlp::new(config, spec.observation.len, 1)),
            Baseline::Constant => None,
        };
        Self {
            network: Mlp::new(config, spec.observation.len, spec.action.len),
            value,
            observations: spec.observation.len,
            actions: spec.action,
            squash: config.squash,
            fixed: config.fixed_observation,
        }
    }

    /// Number of parameters, the value network's included.
    pub const fn parameters(&self) -> usize {
        let value = match &self.value {
            Some(value) => value.parameters(),
            None => 0,
        };
        self.network.parameters().saturating_add(self.actions.len).saturating_add(value)
    }

    /// Entries of an observation.
    pub const fn observations(&self) -> usize {
        self.observations
    }

    /// Entries of an action.
    pub const fn actions(&self) -> usize {
        self.actions.len
    }

    /// Where the policy network's parameters lie.
    pub fn network_range(&self) -> Range<usize> {
        0..self.network.parameters()
    }

    /// Where the log-stds lie.
    pub fn log_std_range(&self) -> Range<usize> {
        let start = self.network.parameters();
        start..start + self.actions.len
    }

    /// Where the value network's parameters lie; empty when there is none.
    pub fn value_range(&self) -> Range<usize> {
        self.log_std_range().end..self.parameters()
    }

    /// Entries of what the first layer's place in the network is fed with: the observation, or z
    /// where it is fixed.
    pub(super) const fn inputs(&self) -> usize {
        self.network.inputs()
    }

    /// Features of the widest layer of either network.
    pub(super) const fn widest(&self) -> usize {
        // The value network has the policy's hidden layers and one output.
        self.network.widest()
    }

    /// Values that the layers of one network take for a batch.
    pub(super) const fn activations(&self, batch: Batch) -> usize {
        match &self.value {
            Some(value) if value.activations(batch) > self.network.activations(batch) => {
                value.activations(batch)
            }
            _ => self.network.activations(batch),
        }
    }

    /// Initial parameters, from the seed's stream for policies.
    pub(super) fn initialise(&self, config: &Config, rng: &mut Rng, params: &mut [f32]) {
        if let Some(own) = params.get_mut(self.network_range()) {
            init::network(config, &self.network, config.head_gain, rng, own);
            let (_, head) = self.network.ranges(self.network.layers() - 1);
            for bias in own.get_mut(head).unwrap_or(&mut []) {
                *bias += rng.uniform(-config.initial_mean, config.initial_mean);
            }
        }
        if let Some(log_std) = params.get_mut(self.log_std_range()) {
            log_std.fill(config.log_std);
        }
        if let (Some(value), Some(own)) = (&self.value, params.get_mut(self.value_range())) {
            init::network(config, value, 1.0, rng, own);
        }
    }

    /// The means of a batch, the end of the `activations` that are filled.
    pub(super) fn means<'x>(
        &self,
        kernel: Kernel,
        batch: Batch,
        params: &[f32],
        fixed: Fixed,
        x: &[f32],
        activations: &'x mut [f32],
    ) -> Result<&'x [f32], ShapeError> {
        let own = part(params, self.network_range())?;
        self.network.forward(kernel, batch, own, fixed, x, activations)?;
        Ok(self.network.output(batch, activations))
    }

    /// The values of a batch; 0 for all where there is no value network.
    pub(super) fn values<'x>(
        &self,
        kernel: Kernel,
        batch: Batch,
        params: &[f32],
        fixed: Fixed,
        x: &[f32],
        activations: &'x mut [f32],
    ) -> Result<&'x [f32], ShapeError> {
        let Some(value) = &self.value else {
            let zeros = part_mut(activations, 0..len(batch, 1))?;
            zeros.fill(0.0);
            return Ok(zeros);
        };
        value.forward(kernel, batch, part(params, self.value_range())?, fixed, x, activations)?;
        Ok(value.output(batch, activations))
    }

    /// The action inside the space that a sample (or the mean) of the Gaussian stands for.
    pub fn squash(&self, sample: &[f32], action: &mut [f32]) {
        let Space { low, high, .. } = self.actions;
        for (action, &sample) in action.iter_mut().zip(sample) {
            *action = match self.squash {
                Squash::Clip if sample < low => low,
                Squash::Clip if sample > high => high,
                Squash::Clip => sample,
                Squash::Tanh => {
                    let value = 0.5 * (low + high) + 0.5 * (high - low) * num::tanh(sample);
                    // Rounding may lead out of the space by one step.
                    if value < low {
                        low
                    } else if value > high {
                        high
                    } else {
                        value
                    }
                }
            };
        }
    }

    /// Draws a sample for one mean, in rising order of the entries, and returns its log-probability.
    pub(super) fn sample(
        &self,
        mean: &[f32],
        deviation: Deviation<'_>,
        rng: &mut Rng,
        sample: &mut [f32],
    ) -> f32 {
        for ((sample, &mean), &log) in sample.iter_mut().zip(mean).zip(deviation.log) {
            *sample = mean + num::exp(log) * rng.normal();
        }
        deviation.log_prob(sample, |entry| mean.get(entry).copied().unwrap_or(0.0))
    }

    /// Checks that the spaces can be acted in.
    pub(super) fn check(spec: &Spec) -> Result<(), PpoError> {
        let Space { len, low, high } = spec.action;
        if len == 0 || !low.is_finite() || !high.is_finite() || low >= high {
            return Err(PpoError::ActionSpace);
        }
        if spec.observation.len == 0 {
            return Err(PpoError::ObservationSpace);
        }
        Ok(())
    }

    pub(super) const fn is_fixed(&self) -> bool {
        self.fixed
    }

    pub(super) fn rng(seed: u64) -> Rng {
        Rng::new(seed, Purpose::Policy)
    }
}
