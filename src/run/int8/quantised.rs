//! A quantised network that owns its integers.

use crate::kernel::Kernel;
use crate::model::int8::{Int8Network, Int8Parameters, Int8Plain, Int8Stack};
use crate::model::{Forward, ForwardError, Samples};
use crate::nn::Stack;
use crate::run::error::RunError;
use crate::slab::{Heap, IntHeap};

/// A quantised network.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantised {
    pub(super) stack: Int8Stack,
    pub(super) weights: Vec<i8>,
    pub(super) bias: Vec<i32>,
    pub(super) multipliers: Vec<i32>,
    pub(super) shifts: Vec<i32>,
    pub(super) scales: Vec<f32>,
}

impl Quantised {
    /// Room for the integers of these layers.
    pub(super) fn zeros(stack: Int8Stack) -> Self {
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
    pub(super) fn of(
        kernel: Kernel,
        source: &Stack,
        parameters: &[f32],
        samples: Samples<'_>,
    ) -> Result<Self, RunError> {
        let mut heap = Heap::new(Int8Stack::calibration_need(source));
        let how = Default::default();
        let mut arena = heap.arena();
        let stack = Int8Stack::calibrated(kernel, source, parameters, 0, samples, how, &mut arena)?;
        let mut made = Self::zeros(stack);
        let stack = made.stack.clone();
        made.parameters().quantise(&stack, source, parameters)?;
        Ok(made)
    }

    /// The integers, to be written.
    pub(super) fn parameters(&mut self) -> Int8Parameters<'_> {
        let Self { weights, bias, multipliers, shifts, scales, .. } = self;
        Int8Parameters { weights, bias, multipliers, shifts, scales }
    }

    /// The network.
    pub(super) fn network(&self) -> Int8Network<'_> {
        let Self { stack, weights, bias, multipliers, shifts, scales } = self;
        Int8Network { stack, weights, bias, multipliers, shifts, scales }
    }

    /// The network as real numbers, for networks like `source`.
    pub(super) fn real(&self, source: &Stack) -> Result<Vec<f32>, RunError> {
        let mut parameters = vec![0.0; source.parameters()];
        self.network().dequantise(source, &mut parameters)?;
        Ok(parameters)
    }

    /// Hands the network on `samples` to `look`.
    pub(super) fn on<R>(
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
}
