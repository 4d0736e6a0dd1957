//! A quantised network as it is, run from its inputs.

use super::parameters::Int8Network;
use super::run::Work;
use super::source::{Int8Sparse, Packed, Source};
use super::stack::Int8Stack;
use crate::kernel::{Bag, Kernel, LANES};
use crate::model::{Forward, ForwardError, Logits, Samples};
use crate::slab::{Arena, IntArena, IntNeed, Need};

/// A quantised network and the samples to run it on, panel by panel.
#[derive(Debug)]
pub struct Int8Plain<'a> {
    kernel: Kernel,
    network: Int8Network<'a>,
    source: Source<'a>,
    packed: Packed<'a>,
    work: Work<'a>,
    logits: &'a mut [f32],
}

impl<'a> Int8Plain<'a> {
    /// Memory for running `stack`: the packed weights, two activations of one panel, its logits.
    pub fn need(stack: &Int8Stack) -> (Need, IntNeed) {
        Self::need_of(stack, false)
    }

    /// Memory for running `stack` on sparse rows: the same, and the rows in 8 bits.
    pub fn sparse_need(stack: &Int8Stack, bag: &Bag<'_>) -> (Need, IntNeed) {
        let (need, ints) = Self::need_of(stack, true);
        (need, ints.and(Source::rows_need(bag)))
    }

    fn need_of(stack: &Int8Stack, sparse: bool) -> (Need, IntNeed) {
        let ints = Work::need(stack, sparse).and(Packed::need(stack, sparse));
        (Need::f32s(LANES * stack.outputs()), ints)
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
        let source = Source::panels(network.stack, samples)?;
        Self::on(kernel, network, source, arena, ints)
    }

    /// The network on sparse samples.
    ///
    /// # Errors
    /// [`ForwardError`]: a first layer that is not dense or not quantised, slices that do not fit, arenas that are
    /// too small.
    pub fn sparse(
        kernel: Kernel,
        network: Int8Network<'a>,
        samples: Int8Sparse<'a>,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        let source = Source::rows(network.stack, samples, ints)?;
        Self::on(kernel, network, source, arena, ints)
    }

    fn on(
        kernel: Kernel,
        network: Int8Network<'a>,
        source: Source<'a>,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        network.check()?;
        let packed = Packed::new(kernel, &network, source.is_sparse(), ints)?;
        let work = Work::new(network.stack, source.is_sparse(), ints)?;
        let logits = arena.take(LANES * network.stack.outputs())?;
        Ok(Self { kernel, network, source, packed, work, logits })
    }
}

impl Forward for Int8Plain<'_> {
    fn samples(&self) -> usize {
        self.source.batch().samples()
    }

    fn classes(&self) -> usize {
        self.network.stack.outputs()
    }

    fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn for_each_logits(&mut self, visit: &mut dyn FnMut(Logits<'_>)) -> Result<(), ForwardError> {
        let Self { kernel, network, source, packed, work, logits } = self;
        let stack = network.stack;
        let end = (stack.input_scale(), stack.layers().len().saturating_sub(1));
        for index in 0..source.batch().panels() {
            let at = |layer| packed.view(network, layer);
            work.whole(*kernel, source, index, end, at, logits)?;
            let (batch, classes) = (source.batch().panel(index), stack.outputs());
            visit(Logits { first: index * LANES, batch, classes, values: logits });
        }
        Ok(())
    }
}
