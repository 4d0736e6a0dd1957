//! A quantised network that owns its integers.

use crate::kernel::{Bag, Kernel};
use crate::model::int8::{Int8Network, Int8Parameters, Int8Plain, Int8Sparse, Int8Stack};
use crate::model::{Forward, ForwardError, Samples};
use crate::nn::Stack;
use crate::run::error::RunError;
use crate::slab::{Heap, IntHeap};

/// A quantised network.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::run) struct Quantised {
    pub(in crate::run) stack: Int8Stack,
    pub(in crate::run) weights: Vec<i8>,
    pub(in crate::run) bias: Vec<i32>,
    pub(in crate::run) multipliers: Vec<i32>,
    pub(in crate::run) shifts: Vec<i32>,
    pub(in crate::run) scales: Vec<f32>,
}

impl Quantised {
    /// Room for the integers of these layers.
    pub(in crate::run) fn zeros(stack: Int8Stack) -> Self {
        let (weights, rows) = (stack.weights(), stack.rows());
        Self {
            stack,
            weights: vec![0; weights],
            bias: vec![0; rows],
            multipliers: vec![0; rows],
            shifts: vec![0; rows],
            scales: vec![0.0; rows],
        }
    }

    /// Quantises a whole network by the ranges of its activations on `samples`.
    pub(in crate::run) fn of(
        kernel: Kernel,
        source: &Stack,
        parameters: &[f32],
        samples: Samples<'_>,
    ) -> Result<Self, RunError> {
        let mut heap = Heap::new(Int8Stack::calibration_need(source));
        let how = Default::default();
        let mut arena = heap.arena();
        let stack = Int8Stack::calibrated(kernel, source, parameters, 0, samples, how, &mut arena)?;
        Self::with_scales(stack, source, parameters)
    }

    /// Quantises a whole network over words by the ranges of its activations on `bag`.
    pub(in crate::run) fn of_bag(
        kernel: Kernel,
        source: &Stack,
        parameters: &[f32],
        bag: Bag<'_>,
    ) -> Result<Self, RunError> {
        let mut heap = Heap::new(Int8Stack::calibration_need(source));
        let (how, mut arena) = (Default::default(), heap.arena());
        let stack = Int8Stack::calibrated_sparse(kernel, source, parameters, bag, how, &mut arena)?;
        Self::with_scales(stack, source, parameters)
    }

    /// Quantises by these scales of activations.
    fn with_scales(stack: Int8Stack, source: &Stack, parameters: &[f32]) -> Result<Self, RunError> {
        let mut made = Self::zeros(stack.clone());
        made.parameters().quantise(&stack, source, parameters)?;
        Ok(made)
    }

    /// The network of `parameters`, real numbers, with the scales of this one: weights and biases are rounded to
    /// their rows' units, weights held to ±127. Those that were integers times their scales are what they were.
    pub(in crate::run) fn rounded(&self, source: &Stack, parameters: &[f32]) -> Self {
        let mut made = self.clone();
        for layer in self.stack.layers() {
            let Some((inputs, outputs)) = layer.matrix() else { continue };
            let Some(original) = source.layers().get(layer.source) else { continue };
            let real = parameters.get(original.weight_range()).unwrap_or_default();
            let biases = original.bias_range().and_then(|range| parameters.get(range));
            let weights = made.weights.get_mut(layer.weight_range()).unwrap_or_default();
            let rows = weights.chunks_exact_mut(inputs.max(1)).zip(layer.row_range());
            for (row, (weights, at)) in rows.enumerate() {
                let scale = f64::from(self.scales.get(at).copied().unwrap_or(1.0));
                let column = real.iter().skip(row).step_by(outputs.max(1));
                for (to, &weight) in weights.iter_mut().zip(column) {
                    *to = (f64::from(weight) / scale).round().clamp(-127.0, 127.0) as i8;
                }
                let bias = biases.and_then(|biases| biases.get(row));
                if let (Some(&bias), Some(slot)) = (bias, made.bias.get_mut(at)) {
                    let unit = f64::from(layer.input.scale) * scale;
                    *slot = (f64::from(bias) / unit).round() as i32;
                }
            }
        }
        made
    }

    /// The integers, to be written.
    pub(in crate::run) fn parameters(&mut self) -> Int8Parameters<'_> {
        let Self { weights, bias, multipliers, shifts, scales, .. } = self;
        Int8Parameters { weights, bias, multipliers, shifts, scales }
    }

    /// The network.
    pub(in crate::run) fn network(&self) -> Int8Network<'_> {
        let Self { stack, weights, bias, multipliers, shifts, scales } = self;
        Int8Network { stack, weights, bias, multipliers, shifts, scales }
    }

    /// The network as real numbers, for networks like `source`.
    pub(in crate::run) fn real(&self, source: &Stack) -> Result<Vec<f32>, RunError> {
        let mut parameters = vec![0.0; source.parameters()];
        self.network().dequantise(source, &mut parameters)?;
        Ok(parameters)
    }

    /// Hands the network on `samples` to `look`.
    pub(in crate::run) fn on<R>(
        &self,
        kernel: Kernel,
        samples: Samples<'_>,
        look: impl FnOnce(&mut dyn Forward) -> Result<R, ForwardError>,
    ) -> Result<R, RunError> {
        let (need, int_need) = Int8Plain::need(&self.stack);
        let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(int_need));
        let (mut arena, mut ints) = (heap.arena(), ints.arena());
        let mut net = Int8Plain::new(kernel, self.network(), samples, &mut arena, &mut ints)?;
        Ok(look(&mut net)?)
    }

    /// Hands the network on sparse samples to `look`.
    pub(in crate::run) fn on_rows<R>(
        &self,
        kernel: Kernel,
        samples: Int8Sparse<'_>,
        look: impl FnOnce(&mut dyn Forward) -> Result<R, ForwardError>,
    ) -> Result<R, RunError> {
        let (need, int_need) = Int8Plain::sparse_need(&self.stack, &samples.bag);
        let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(int_need));
        let (mut arena, mut ints) = (heap.arena(), ints.arena());
        let mut net = Int8Plain::sparse(kernel, self.network(), samples, &mut arena, &mut ints)?;
        Ok(look(&mut net)?)
    }
}
