//! Stochastic gradient descent with momentum, in PyTorch's form.

use crate::error::{ShapeError, TooSmall};
use crate::slab::{Arena, Need};

/// SGD's settings besides the learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SgdConfig {
    /// Momentum μ, in [0, 1).
    pub momentum: f32,
    /// Weight decay, at least 0; added to the gradient.
    pub weight_decay: f32,
}

/// SGD's state for one slice of parameters.
#[derive(Debug)]
pub struct Sgd<'a> {
    config: SgdConfig,
    velocity: &'a mut [f32],
    started: bool,
}

impl<'a> Sgd<'a> {
    /// One velocity per parameter.
    pub const fn need(parameters: usize) -> Need {
        Need::f32s(parameters)
    }

    /// A fresh state for `parameters` parameters.
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(
        config: SgdConfig,
        parameters: usize,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        Ok(Self { config, velocity: arena.take(parameters)?, started: false })
    }

    /// One step: `v ← μ·v + g` (v ← g at first), `θ ← θ − rate·v`, with g the gradient plus decay·θ.
    ///
    /// # Errors
    /// [`ShapeError`] for slices of another length than the state's.
    pub fn step(
        &mut self,
        rate: f32,
        gradients: &[f32],
        parameters: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("parameters", self.velocity.len(), parameters.len())?;
        ShapeError::check("gradient", self.velocity.len(), gradients.len())?;
        let SgdConfig { momentum, weight_decay } = self.config;
        let momentum = if self.started { momentum } else { 0.0 };
        let states = self.velocity.iter_mut().zip(gradients);
        for (parameter, (velocity, &gradient)) in parameters.iter_mut().zip(states) {
            let gradient = gradient + weight_decay * *parameter;
            *velocity = momentum * *velocity + gradient;
            *parameter -= rate * *velocity;
        }
        self.started = true;
        Ok(())
    }
}
