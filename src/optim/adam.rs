//! Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1).

use crate::error::{ShapeError, TooSmall};
use crate::kernel::{AdamStep, Kernel};
use crate::slab::{Arena, Need};

/// Adam's settings besides the learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Decay of the first moment, in [0, 1).
    pub beta1: f32,
    /// Decay of the second moment, in [0, 1).
    pub beta2: f32,
    /// Added to the root of the corrected second moment, above 0.
    pub epsilon: f32,
}

impl Default for AdamConfig {
    /// The paper's (and PyTorch's): β .9 and .999, ε 1e-8.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// Adam's state for one slice of parameters.
///
/// That of no parameters is the default.
#[derive(Debug, Default)]
pub struct Adam<'a> {
    config: AdamConfig,
    m: &'a mut [f32],
    v: &'a mut [f32],
    /// β₁ᵗ and β₂ᵗ, in f64 so that 1 − βᵗ keeps its digits.
    powers: [f64; 2],
}

impl<'a> Adam<'a> {
    /// Both moments.
    pub const fn need(parameters: usize) -> Need {
        Need::f32s(2 * parameters)
    }

    /// A fresh state for `parameters` parameters.
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(
        config: AdamConfig,
        parameters: usize,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        let (m, v) = (arena.take(parameters)?, arena.take(parameters)?);
        Ok(Self { config, m, v, powers: [1.0; 2] })
    }

    /// One step down the gradient with learning rate `rate`.
    ///
    /// # Errors
    /// [`ShapeError`] for slices of another length than the state's.
    pub fn step(
        &mut self,
        kernel: Kernel,
        rate: f32,
        gradients: &[f32],
        parameters: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("parameters", self.m.len(), parameters.len())?;
        let AdamConfig { beta1, beta2, epsilon } = self.config;
        let powers = [self.powers[0] * f64::from(beta1), self.powers[1] * f64::from(beta2)];
        let step = AdamStep {
            rate,
            beta1,
            beta2,
            epsilon,
            correction1: (1.0 - powers[0]) as f32,
            correction2: (1.0 - powers[1]) as f32,
        };
        kernel.adam(&step, gradients, self.m, self.v, parameters)?;
        self.powers = powers;
        Ok(())
    }

    /// Both moments, first and second, for tests and snapshots.
    pub fn moments(&self) -> (&[f32], &[f32]) {
        (self.m, self.v)
    }
}
