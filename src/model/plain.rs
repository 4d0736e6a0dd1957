//! A network as it is, run from its inputs.

use super::sparse::FirstLayer;
use super::tap::{Tap, check_taps, run_tapped};
use super::{Forward, ForwardError, Logits, Samples, SparseSamples};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::{Bag, Batch, Kernel, LANES};
use crate::nn::Stack;
use crate::slab::{Arena, Need};

/// A network and the samples to run it on, panel by panel.
#[derive(Debug)]
pub struct Plain<'a> {
    kernel: Kernel,
    stack: &'a Stack,
    parameters: &'a [f32],
    samples: Samples<'a>,
    /// Inputs where they are sparse; then `samples` has none, and `first` holds a panel of the first
    /// layer's output.
    bag: Option<Bag<'a>>,
    fixed: Option<&'a [f32]>,
    first: &'a mut [f32],
    scratch: &'a mut [f32],
    logits: &'a mut [f32],
}

impl<'a> Plain<'a> {
    /// Memory for running `stack`: two activations of one panel, and its logits.
    pub fn need(stack: &Stack) -> Need {
        let panel = Batch::lanes(LANES);
        Need::f32s(stack.scratch(panel) + panel.len(stack.outputs()))
    }

    /// The network `stack` with `parameters` on `samples` (in panels of
    /// [`LANES`](crate::kernel::LANES)).
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a [f32],
        samples: Samples<'a>,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        let panel = Batch::lanes(LANES);
        let scratch = arena.take(stack.scratch(panel))?;
        let logits = arena.take(panel.len(stack.outputs()))?;
        let first = Default::default();
        Ok(Self {
            kernel,
            stack,
            parameters,
            samples,
            bag: None,
            fixed: None,
            first,
            scratch,
            logits,
        })
    }

    /// Memory for running `stack` over [`sparse`](Self::sparse) samples.
    pub fn sparse_need(stack: &Stack) -> Need {
        let first = stack.layers().first().map_or(0, |layer| layer.outputs());
        Self::need(stack).and(Need::f32s(Batch::lanes(LANES).len(first)))
    }

    /// The network `stack` with `parameters` on sparse samples; its first layer is dense.
    ///
    /// # Errors
    /// [`ForwardError`]: the bag does not fit the network, or the arena is too small.
    pub fn sparse(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a [f32],
        samples: SparseSamples<'a>,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        ShapeError::check("input", stack.inputs(), samples.bag.inputs())?;
        let outputs = stack.layers().first().map_or(0, |layer| layer.outputs());
        let batch = Batch::lanes(samples.bag.samples());
        if let Some(fixed) = samples.fixed {
            ShapeError::check("fixed part of the first layer", batch.len(outputs), fixed.len())?;
        }
        let dense = Samples { batch, inputs: &[], labels: samples.labels };
        let plain = Self::new(kernel, stack, parameters, dense, arena)?;
        let first = arena.take(Batch::lanes(LANES).len(outputs))?;
        Ok(Self { bag: Some(samples.bag), fixed: samples.fixed, first, ..plain })
    }
}

impl Forward for Plain<'_> {
    fn samples(&self) -> usize {
        self.samples.batch.samples()
    }

    fn classes(&self) -> usize {
        self.stack.outputs()
    }

    fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn for_each_logits(&mut self, visit: &mut dyn FnMut(Logits<'_>)) -> Result<(), ForwardError> {
        self.for_each_tapped(&mut [], visit)
    }

    fn for_each_tapped(
        &mut self,
        taps: &mut [Tap<'_>],
        visit: &mut dyn FnMut(Logits<'_>),
    ) -> Result<(), ForwardError> {
        check_taps(self.stack, self.samples.batch, taps)?;
        let classes = self.stack.outputs();
        if let Some(bag) = self.bag {
            if taps.iter().any(|tap| tap.layer == 0) {
                return Err(ForwardError::Failed("sparse inputs are not shown as activations"));
            }
            let layer = self.stack.layers().first();
            let layer = layer.ok_or(ForwardError::Failed("the network has no layers"))?;
            let layer = FirstLayer::of(layer)?;
            let whole = self.samples.batch;
            for panel in 0..whole.panels() {
                let batch = whole.panel(panel);
                let rows = bag.part(panel * LANES, LANES);
                layer.run(self.kernel, rows, self.fixed, panel, self.parameters, self.first)?;
                let scratch = self.scratch.get_mut(..self.stack.scratch(batch)).unwrap_or_default();
                let values = self.logits.get_mut(..batch.len(classes)).unwrap_or_default();
                run_tapped(
                    self.kernel,
                    self.stack,
                    1,
                    batch,
                    self.parameters,
                    panel,
                    self.first,
                    taps,
                    scratch,
                    values,
                )?;
                visit(Logits { first: panel * LANES, batch, classes, values });
            }
            return Ok(());
        }
        for (panel, (batch, first, inputs)) in
            panels(&self.samples, self.stack.inputs()).enumerate()
        {
            let scratch = self.scratch.get_mut(..self.stack.scratch(batch)).unwrap_or_default();
            let values = self.logits.get_mut(..batch.len(classes)).unwrap_or_default();
            run_tapped(
                self.kernel,
                self.stack,
                0,
                batch,
                self.parameters,
                panel,
                inputs,
                taps,
                scratch,
                values,
            )?;
            visit(Logits { first, batch, classes, values });
        }
        Ok(())
    }
}

/// The panels of samples: each with its batch, the index of its first sample, and its inputs.
fn panels<'s>(
    samples: &Samples<'s>,
    features: usize,
) -> impl Iterator<Item = (Batch, usize, &'s [f32])> {
    let batch = samples.batch;
    let whole = samples.inputs.chunks_exact((features * batch.width()).max(1));
    whole
        .zip(0..batch.panels())
        .map(move |(inputs, panel)| (batch.panel(panel), panel * batch.width(), inputs))
}
