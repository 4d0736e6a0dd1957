//! The policy: a Gaussian around what a network gives.

use super::config::{Baseline, Config, Initial, Squash};
use super::error::PpoError;
use super::shape::Shape;
use crate::env::{Space, Spec};
use crate::error::ShapeError;
use crate::nn::{Init, Stack};
use crate::num;
use crate::rng::Rng;
use core::ops::Range;

/// ln(2π)/2.
const HALF_LN_TAU: f32 = 0.918_938_5;

/// A multilayer perceptron over the whole observation gives the mean of a Gaussian over actions; the
/// logarithms of its deviations are learned numbers that no observation changes. A value network of
/// the same shape stands beside it unless the baseline is constant. This is the paper's agent, and
/// Stable-Baselines3's `MlpPolicy` with separate networks.
///
/// Holds sizes only. Parameters are one flat slice: the policy network's layers, the log-stds, then
/// the value network's layers (or the shifts of a fixed first layer); of each layer the weights
/// (in × out), then the biases.
///
/// # One observation that never changes
///
/// In editing episodes of one step the observation x is always the same, and a first layer of
/// 4096 × 64 weights computes 64 numbers. With [`Config::fixed_observation`] these are all that is
/// kept: the layer gives z + (‖x‖₁ + 1)·c, where z is what its initial weights made of x and the
/// shifts c, 64 numbers that start at 0, are learned. That is Adam on the whole layer but for ε and
/// rounding: the gradient of its weights is x ⊗ g, so Adam's moments are x ⊗ m and x² ⊗ v, every
/// weight moves by sign(x) times the step of its output's bias, and the output moves by ‖x‖₁ + 1
/// times that. The gradient of c is g, counted (‖x‖₂² + 1)-fold in the squared norm of all gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatPolicy {
    pub(super) network: Stack,
    pub(super) value: Option<Stack>,
    actions: Space,
    squash: Squash,
    fixed: bool,
}

/// Number of parameters, log-stds and shifts included.
pub(super) const fn parameters(config: &Config, spec: &Spec) -> usize {
    let network = Shape::new(config, spec.observation.len, spec.action.len);
    let value = match config.baseline {
        Baseline::Network => Shape::new(config, spec.observation.len, 1).parameters(),
        Baseline::Constant => 0,
    };
    let shifts = if config.fixed_observation { network.inputs() } else { 0 };
    network
        .parameters()
        .saturating_add(spec.action.len)
        .saturating_add(value)
        .saturating_add(shifts)
}

impl FlatPolicy {
    /// The policy that `config` describes for an environment.
    ///
    /// # Errors
    /// [`PpoError::ActionSpace`] or [`PpoError::ObservationSpace`] for spaces that cannot be acted
    /// in, [`PpoError::Config`] and [`PpoError::Network`] for networks that cannot be built.
    pub fn new(config: &Config, spec: &Spec) -> Result<Self, PpoError> {
        let mut policy = Self::EMPTY;
        policy.build(config, spec)?;
        Ok(policy)
    }

    /// Nothing, to be [built](Self::build).
    pub(super) const EMPTY: Self = Self {
        network: Stack::new([0; 3]),
        value: None,
        actions: Space { len: 0, low: 0.0, high: 0.0 },
        squash: Squash::Clip,
        fixed: false,
    };

    /// Builds the networks in their place.
    pub(super) fn build(&mut self, config: &Config, spec: &Spec) -> Result<(), PpoError> {
        config.validate()?;
        let Space { len, low, high } = spec.action;
        if len == 0 || !low.is_finite() || !high.is_finite() || low >= high {
            return Err(PpoError::ActionSpace);
        }
        if spec.observation.len == 0 {
            return Err(PpoError::ObservationSpace);
        }
        self.actions = spec.action;
        (self.squash, self.fixed) = (config.squash, config.fixed_observation);
        Shape::new(config, spec.observation.len, len).build(&mut self.network)?;
        if config.baseline == Baseline::Network {
            let value = self.value.insert(const { Stack::new([0; 3]) });
            Shape::new(config, spec.observation.len, 1).build(value)?;
        }
        Ok(())
    }

    /// Number of parameters, the log-stds and the value network's included.
    pub fn parameters(&self) -> usize {
        let value = self.value.as_ref().map_or(0, Stack::parameters);
        let shifts = if self.fixed { self.inputs() } else { 0 };
        self.log_std_range().end + value + shifts
    }

    /// The network of the mean, without its first layer where the observation is fixed.
    pub fn network(&self) -> &Stack {
        &self.network
    }

    /// The value network, if there is one.
    pub fn value(&self) -> Option<&Stack> {
        self.value.as_ref()
    }

    /// Entries of an action.
    pub fn actions(&self) -> usize {
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
        let start = self.log_std_range().end;
        start..start + self.value.as_ref().map_or(0, Stack::parameters)
    }

    /// Where the shifts of a fixed first layer lie; empty when there is none.
    pub fn shift_range(&self) -> Range<usize> {
        self.value_range().end..self.parameters()
    }

    /// Features that the networks take.
    pub(super) fn inputs(&self) -> usize {
        self.network.inputs()
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Initial parameters.
    pub(super) fn initialise(
        &self,
        config: &Config,
        rng: &mut Rng,
        params: &mut [f32],
    ) -> Result<(), ShapeError> {
        let rule = |last| match config.init {
            Initial::Orthogonal => Init::Orthogonal { hidden: core::f32::consts::SQRT_2, last },
            Initial::FanIn => Init::FanIn,
        };
        if let Some(own) = params.get_mut(self.network_range()) {
            self.network.initialise(rule(config.head_gain), own, rng)?;
            let head = self.network.layers().last().and_then(|layer| layer.bias_range());
            for bias in head.and_then(|range| own.get_mut(range)).unwrap_or_default() {
                *bias += rng.uniform(-config.initial_mean, config.initial_mean);
            }
        }
        if let Some(log_std) = params.get_mut(self.log_std_range()) {
            log_std.fill(config.log_std);
        }
        if let (Some(value), Some(own)) = (&self.value, params.get_mut(self.value_range())) {
            value.initialise(rule(1.0), own, rng)?;
        }
        Ok(())
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
}

/// A Gaussian's deviations as they act now: logarithms, values and reciprocals, one per entry.
#[derive(Clone, Copy)]
pub(super) struct Deviation<'d> {
    pub(super) log: &'d [f32],
    pub(super) std: &'d [f32],
    pub(super) inverse: &'d [f32],
}

impl Deviation<'_> {
    /// Draws a sample around `mean`, entry by entry, and returns its log-probability, in the
    /// arithmetic of [`Tape::gaussian_log_prob`](crate::autodiff::Tape::gaussian_log_prob), so that
    /// the first ratio of an update is exactly 1.
    pub(super) fn sample(self, mean: &[f32], rng: &mut Rng, sample: &mut [f32]) -> f32 {
        for ((sample, &mean), &std) in sample.iter_mut().zip(mean).zip(self.std) {
            *sample = mean + std * rng.normal();
        }
        let mut total = 0.0;
        let entries = sample.iter().zip(mean).zip(self.log.iter().zip(self.inverse));
        for ((&sample, &mean), (&log, &inverse)) in entries {
            let z = (sample - mean) * inverse;
            total += -0.5 * (z * z) - log - HALF_LN_TAU;
        }
        total
    }
}
