//! A quantised network as it is, run from its inputs.

use super::parameters::Int8Network;
use super::run::{Work, pack, packed_len, quantise_panel, view};
use super::stack::Int8Stack;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES};
use crate::model::{Forward, ForwardError, Logits, Samples};
use crate::slab::{Arena, IntArena, IntNeed, Need};

/// A quantised network and the samples to run it on, panel by panel.
#[derive(Debug)]
pub struct Int8Plain<'a> {
    kernel: Kernel,
    network: Int8Network<'a>,
    samples: Samples<'a>,
    packed: &'a [i32],
    work: Work<'a>,
    logits: &'a mut [f32],
}

impl<'a> Int8Plain<'a> {
    /// Memory for running `stack`: the packed weights, two activations of one panel, its logits.
    pub fn need(stack: &Int8Stack) -> (Need, IntNeed) {
        let packed = IntNeed { i8s: 0, i32s: packed_len(stack) };
        (Need::f32s(LANES * stack.outputs()), Work::need(stack).and(packed))
    }

    /// The network on `samples`: real inputs of its first quantised layer, in panels of
    /// [`LANES`](crate::kernel::LANES).
    ///
    /// # Errors
    /// [`ForwardError`]: slices that do not fit the network, arenas that are too small.
    pub fn new(
        kernel: Kernel,
        network: Int8Network<'a>,
        samples: Samples<'a>,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        network.check()?;
        check_samples(network.stack, &samples)?;
        let packed = ints.take_i32(packed_len(network.stack))?;
        pack(kernel, &network, packed)?;
        let work = Work::new(network.stack, ints)?;
        let logits = arena.take(LANES * network.stack.outputs())?;
        Ok(Self { kernel, network, samples, packed, work, logits })
    }
}

/// Checks that samples lie in panels and fit the network.
pub(super) fn check_samples(stack: &Int8Stack, samples: &Samples<'_>) -> Result<(), ShapeError> {
    ShapeError::check("samples of a panel", LANES, samples.batch.width())?;
    ShapeError::check("input", samples.batch.len(stack.inputs()), samples.inputs.len())?;
    ShapeError::check("labels", samples.batch.samples(), samples.labels.len())
}

/// Panel `index` of samples that [`check_samples`] has seen.
pub(super) fn panel<'s>(
    stack: &Int8Stack,
    samples: &Samples<'s>,
    index: usize,
) -> (Batch, &'s [f32]) {
    let len = LANES * stack.inputs();
    let inputs = samples.inputs.get(index * len..(index + 1) * len).unwrap_or_default();
    (samples.batch.panel(index), inputs)
}

impl Forward for Int8Plain<'_> {
    fn samples(&self) -> usize {
        self.samples.batch.samples()
    }

    fn classes(&self) -> usize {
        self.network.stack.outputs()
    }

    fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn for_each_logits(&mut self, visit: &mut dyn FnMut(Logits<'_>)) -> Result<(), ForwardError> {
        let stack = self.network.stack;
        let (classes, last) = (stack.outputs(), stack.layers().len().saturating_sub(1));
        let Some(output) = view(&self.network, self.packed, last) else { return Ok(()) };
        for index in 0..self.samples.batch.panels() {
            let (batch, inputs) = panel(stack, &self.samples, index);
            quantise_panel(stack.input_scale(), batch.samples(), inputs, self.work.one);
            let layers = (0..last).filter_map(|at| view(&self.network, self.packed, at));
            self.work.run(self.kernel, layers, batch.samples())?;
            self.work.logits(self.kernel, output, batch.samples(), self.logits)?;
            visit(Logits { first: index * LANES, batch, classes, values: self.logits });
        }
        Ok(())
    }
}
