//! A classifier as it is run: in real numbers, or in integers.

use super::target::TextTarget;
use crate::data::text::BagSet;
use crate::kernel::Kernel;
use crate::model::int8::Int8Sparse;
use crate::model::{Forward, ForwardError, Plain, SparseSamples};
use crate::nn::Stack;
use crate::run::error::RunError;
use crate::run::int8::Quantised;
use crate::slab::Heap;

/// A classifier's weights.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// As real numbers; of a quantised network its integers times their scales.
    pub(super) real: Vec<f32>,
    /// The integers that answer, where it is quantised.
    pub(super) integers: Option<Quantised>,
}

impl Weights {
    /// Weights that an editor wrote as real numbers, for networks like `target`: a quantised one's are rounded.
    pub(super) fn written(target: &TextTarget, real: Vec<f32>) -> Result<Self, RunError> {
        match &target.integers {
            None => Ok(Self { real, integers: None }),
            Some(before) => Self::of_integers(target, before.rounded(&target.stack, &real)),
        }
    }

    /// Those of integers.
    pub(super) fn of_integers(target: &TextTarget, integers: Quantised) -> Result<Self, RunError> {
        Ok(Self { real: integers.real(&target.stack)?, integers: Some(integers) })
    }

    /// The network with these weights.
    pub(super) fn net<'n>(&'n self, target: &'n TextTarget) -> Net<'n> {
        Net { stack: &target.stack, real: &self.real, integers: self.integers.as_ref() }
    }
}

/// A classifier that can be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net<'n> {
    pub(super) stack: &'n Stack,
    real: &'n [f32],
    integers: Option<&'n Quantised>,
}

impl<'n> Net<'n> {
    /// The unedited network.
    pub(super) fn of(target: &'n TextTarget) -> Self {
        let (stack, real) = (&target.stack, &target.parameters[..]);
        Self { stack, real, integers: target.integers.as_deref() }
    }

    /// A network of real numbers.
    pub(super) fn of_numbers(stack: &'n Stack, real: &'n [f32]) -> Self {
        Self { stack, real, integers: None }
    }

    /// Hands the network on `bag` to `look`.
    pub(super) fn on<R>(
        &self,
        kernel: Kernel,
        bag: &BagSet,
        labels: &[u8],
        look: impl FnOnce(&mut dyn Forward) -> Result<R, ForwardError>,
    ) -> Result<R, RunError> {
        let bag = bag.view(self.stack.inputs())?;
        if let Some(integers) = self.integers {
            return integers.on_rows(kernel, Int8Sparse { bag, labels, fixed: None }, look);
        }
        let samples = SparseSamples { bag, labels, fixed: None };
        let mut heap = Heap::new(Plain::sparse_need(self.stack));
        let mut arena = heap.arena();
        let mut net = Plain::sparse(kernel, self.stack, self.real, samples, &mut arena)?;
        Ok(look(&mut net)?)
    }
}
