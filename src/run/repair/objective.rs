//! From a change to a reward.

use super::record::Errors;
use super::samples::{Part, Samples};
use crate::data::tflite::TfChain;
use crate::kernel::Kernel;
use crate::model::int8::{Int8Link, chain_need, run_chain};
use crate::run::RunError;

/// Beyond this a bias could make sums of products wrap around.
const MOST_BIAS: f64 = 1_073_741_824.0;

/// A network that is being changed, with the memory to run it.
pub(super) struct Objective<'s> {
    kernel: Kernel,
    samples: &'s Samples,
    original: &'s TfChain,
    chain: TfChain,
    /// Whether each layer is edited.
    edited: &'s [bool],
    packed: Vec<Vec<i32>>,
    work: Vec<i8>,
    outputs: Vec<i8>,
    /// Rewards that were computed.
    pub(super) evaluations: u64,
}

impl<'s> Objective<'s> {
    pub(super) fn new(
        kernel: Kernel,
        samples: &'s Samples,
        original: &'s TfChain,
        edited: &'s [bool],
    ) -> Self {
        let len = |layer: &crate::data::tflite::TfDense| {
            vec![0; Kernel::packed_i8_len(layer.inputs, layer.outputs)]
        };
        Self {
            kernel,
            samples,
            original,
            chain: original.clone(),
            edited,
            packed: original.layers.iter().map(len).collect(),
            work: Vec::new(),
            outputs: Vec::new(),
            evaluations: 0,
        }
    }

    /// Numbers of a change.
    pub(super) fn len(&self) -> usize {
        let layers = self.original.layers.iter().zip(self.edited);
        let len = |layer: &crate::data::tflite::TfDense| {
            layer.weights.len() + if layer.has_bias() { layer.bias.len() } else { 0 }
        };
        layers.filter(|(_, edited)| **edited).map(|(layer, _)| len(layer)).sum()
    }

    /// Puts a change into effect.
    pub(super) fn apply(&mut self, change: &[f32]) {
        let mut changes = change.iter().map(|&change| f64::from(change));
        let layers = self.chain.layers.iter_mut().zip(&self.original.layers).zip(self.edited);
        for ((layer, original), _) in layers.filter(|(_, edited)| **edited) {
            for (to, &weight) in layer.weights.iter_mut().zip(&original.weights) {
                let change = libm::round(changes.next().unwrap_or(0.0));
                // A weight of −128 that is not changed stays one.
                *to = if change == 0.0 {
                    weight
                } else {
                    (f64::from(weight) + change).clamp(-127.0, 127.0) as i8
                };
            }
            if !original.has_bias() {
                continue;
            }
            let step = f64::from(original.output.scale) / f64::from(original.input.scale);
            for (row, (to, &bias)) in layer.bias.iter_mut().zip(&original.bias).enumerate() {
                let unit = step / f64::from(original.scale(row));
                let change = libm::round(changes.next().unwrap_or(0.0) * unit);
                *to = if change == 0.0 {
                    bias
                } else {
                    (f64::from(bias) + change).clamp(-MOST_BIAS, MOST_BIAS) as i32
                };
            }
        }
    }

    /// What the network gives on `part`, as it is now.
    pub(super) fn run(&mut self, part: &Part) -> Result<&[i8], RunError> {
        for (layer, packed) in self.chain.layers.iter().zip(&mut self.packed) {
            self.kernel.pack_i8(layer.inputs, layer.outputs, &layer.weights, packed)?;
        }
        let layers = self.chain.layers.iter().zip(&self.packed);
        let links: Vec<Int8Link<'_>> = layers.map(|(layer, packed)| layer.link(packed)).collect();
        self.work.resize(chain_need(&links, part.count), 0);
        self.outputs.resize(part.y.len(), 0);
        run_chain(self.kernel, &links, part.count, &part.x, &mut self.work, &mut self.outputs)?;
        Ok(&self.outputs)
    }

    /// Errors on `part`, as the network is now.
    pub(super) fn errors(&mut self, part: &Part) -> Result<Errors, RunError> {
        let (_, scale) = self.original.ends();
        Ok(part.errors(self.run(part)?, scale))
    }

    /// The reward of a change.
    pub(super) fn reward(&mut self, change: &[f32]) -> Result<f32, RunError> {
        self.evaluations += 1;
        self.apply(change);
        let samples = self.samples;
        let errors = self.errors(&samples.reward)?;
        Ok(self.rate(errors) as f32)
    }

    /// The reward of these errors on the reward samples.
    pub(super) fn rate(&self, errors: Errors) -> f64 {
        1.0 / (1.0 + (errors.max + 2.0 * errors.rms) / self.samples.half)
    }

    /// The network as it is now.
    pub(super) fn chain(&self) -> &TfChain {
        &self.chain
    }

    /// Weights and biases that are others than in the file.
    pub(super) fn changed(&self) -> (usize, usize) {
        let layers = || self.chain.layers.iter().zip(&self.original.layers);
        let weights = layers().flat_map(|(new, old)| new.weights.iter().zip(&old.weights));
        let biases = layers().flat_map(|(new, old)| new.bias.iter().zip(&old.bias));
        (
            weights.filter(|(new, old)| new != old).count(),
            biases.filter(|(new, old)| new != old).count(),
        )
    }
}
