//! Target networks: trained here, or loaded.

use super::error::RunError;
use super::prepare::Prepared;
use crate::data::Foreign;
use crate::kernel::Kernel;
use crate::model::{Progress, Training, digits_cnn_deeper, train, train_need};
use crate::nn::Stack;
use crate::num::Digest;
use crate::slab::Heap;
use crate::task::ClassSet;
use std::sync::Arc;

/// Which network is trained, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetConfig {
    /// Inputs × outputs of `fc2`.
    pub widths: (usize, usize),
    /// Units of another hidden layer behind `fc2`, if there is one.
    pub behind: Option<usize>,
    /// How it is trained.
    pub training: Training,
}

impl Default for TargetConfig {
    fn default() -> Self {
        Self { widths: (128, 32), behind: None, training: Training::DIGITS }
    }
}

impl TargetConfig {
    /// The widths as the command line takes them: "128x32", or "128x64x32" with a layer behind.
    pub fn widths_text(&self) -> String {
        let (inputs, outputs) = self.widths;
        let behind = self.behind.map_or(String::new(), |units| format!("x{units}"));
        format!("{inputs}x{outputs}{behind}")
    }
}

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name, for reports.
    pub name: String,
    /// Its layers.
    pub stack: Stack,
    /// Its parameters.
    pub parameters: Vec<f32>,
    /// The seed that it was trained with.
    pub seed: u64,
    /// What it was made from (see [`target_key`](super::target_key)).
    pub key: String,
    /// The file that it came from, for networks that others trained.
    pub foreign: Option<Arc<Foreign>>,
}

/// The architecture that is trained here.
pub(super) const NAME: &str = "digits-cnn";

impl Target {
    /// Mean and standard deviation: it takes (x − mean) / std for x in [0, 1].
    pub fn normalize(&self) -> (f32, f32) {
        self.foreign.as_ref().map_or((0.0, 1.0), |foreign| foreign.normalize)
    }

    /// The network from layer `layer` on, and where its parameters begin.
    pub(super) fn tail_from(&self, layer: usize) -> Result<(Self, usize), RunError> {
        let first = self.stack.layers().get(layer);
        let mut stack = Stack::new(first.map_or(self.stack.input(), |first| first.input_shape()));
        for layer in self.stack.layers().iter().skip(layer) {
            stack.add(layer.name(), *layer.kind()).map_err(RunError::stack)?;
        }
        let start = first.map_or(0, |first| first.range().start);
        let parameters = self.parameters.get(start..).unwrap_or_default().to_vec();
        Ok((Self { stack, parameters, ..self.clone() }, start))
    }

    /// Digest of all parameters, 16 hexadecimal digits.
    pub fn digest(&self) -> String {
        network_digest(&self.parameters)
    }
}

/// Digest of a network's parameters in stored order, 16 hexadecimal digits.
pub(super) fn network_digest(parameters: &[f32]) -> String {
    let mut digest = Digest::new();
    digest.values(parameters);
    format!("{:016x}", digest.finish())
}

/// Trains target `seed` on the train split, without the samples of the classes `without`.
///
/// # Errors
/// [`RunError`] when the widths make no network, or training diverges.
pub fn train_target(
    kernel: Kernel,
    config: &TargetConfig,
    data: &Prepared,
    without: ClassSet,
    seed: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Target, RunError> {
    let (inputs, outputs) = config.widths;
    let stack =
        digits_cnn_deeper(inputs, outputs, config.behind, data.classes).map_err(RunError::stack)?;
    let mut parameters = vec![0.0; stack.parameters()];
    let samples = data.train.samples();
    let mut heap = Heap::new(train_need(&stack, samples.batch.samples(), &config.training));
    train(
        kernel,
        &stack,
        &mut parameters,
        &samples,
        &|label| !without.contains(label),
        &config.training,
        seed,
        &mut heap.arena(),
        progress,
    )?;
    let key = super::target_key(config, data);
    Ok(Target { name: NAME.into(), stack, parameters, seed, key, foreign: None })
}
