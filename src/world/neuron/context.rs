//! A world and what is known of its layer: what a policy is trained on.

use super::build::Neurons;
use crate::env::EnvError;
use crate::ppo::Context;
use crate::world::World;

/// A [`World`] of one step with the [`Neurons`] of the same layer, class and samples.
#[derive(Debug)]
pub struct NeuronContext<'a> {
    /// The world that pays.
    pub world: World<'a>,
    /// What is known of its layer.
    pub neurons: Neurons<'a>,
}

impl Context for NeuronContext<'_> {
    fn rows(&self) -> usize {
        self.neurons.outputs()
    }

    fn columns(&self) -> usize {
        self.neurons.inputs()
    }

    fn column_features(&self) -> &[f32] {
        self.neurons.column_features()
    }

    fn row_features(&mut self, v: &[f32], features: &mut [f32]) -> Result<(), EnvError> {
        self.neurons
            .row_features(v, features)
            .map_err(|_| EnvError::Failed("the rows' features could not be taken"))
    }

    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        self.world.evaluate(action)
    }
}
