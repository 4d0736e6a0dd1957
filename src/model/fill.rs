//! Filling the prefix cache: what the network computes once.

use super::panels::{panel_of, panel_of_mut};
use super::prefix::Prefix;
use super::sparse::FirstLayer;
use super::{ForwardError, Parameters, Samples, SparseSamples};
use crate::error::ShapeError;
use crate::kernel::{Bag, Batch, Kernel, LANES, TOGETHER};
use crate::nn::{Kind, Layer, Stack};
use crate::slab::{Arena, Need};

impl<'a> Prefix<'a> {
    /// Memory for `samples` samples and changes of rank at most `rank`; `accumulate` when
    /// [`accumulate`](Self::accumulate) will be called.
    pub fn need(
        stack: &Stack,
        layer: usize,
        samples: usize,
        rank: usize,
        accumulate: bool,
    ) -> Need {
        Self::need_of(stack, layer, samples, rank, accumulate, false)
    }

    /// As [`need`](Self::need), for [`sparse`](Self::sparse) samples.
    pub fn sparse_need(
        stack: &Stack,
        layer: usize,
        samples: usize,
        rank: usize,
        accumulate: bool,
    ) -> Need {
        Self::need_of(stack, layer, samples, rank, accumulate, true)
    }

    fn need_of(
        stack: &Stack,
        layer: usize,
        samples: usize,
        rank: usize,
        accumulate: bool,
        sparse: bool,
    ) -> Need {
        let (batch, panel) = (Batch::lanes(samples), Batch::lanes(LANES));
        let together = Batch::lanes(TOGETHER * LANES);
        let Sizes { taken, given, thin, .. } = Sizes::of(stack, layer).unwrap_or_default();
        let outputs_kept = usize::from(thin) + usize::from(thin && accumulate);
        let group = if thin { together } else { panel };
        let first = stack.layers().first().map_or(0, Layer::outputs);
        let taken = match (sparse, layer) {
            (_, 0) => 0,
            (true, _) => batch.len(taken) + panel.len(first),
            (false, _) => batch.len(taken),
        };
        Need::f32s(
            taken
                + outputs_kept * batch.len(given)
                + if thin { together.len(rank) } else { 0 }
                + group.len(given)
                + group.len(stack.outputs())
                + stack.scratch_around(layer, panel),
        )
    }

    /// Runs the network up to `layer` over `samples`, which lie in panels of
    /// [`LANES`](crate::kernel::LANES).
    ///
    /// # Errors
    /// [`ForwardError`]: the layer has no weights, a slice has the wrong length, the arena is too
    /// small, or a label is not a class.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: impl Into<Parameters<'a>>,
        layer: usize,
        samples: Samples<'a>,
        rank: usize,
        accumulate: bool,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let mut prefix = Self::unrun(kernel, stack, parameters, samples);
        prefix.run(layer, rank, accumulate, arena)?;
        Ok(prefix)
    }

    /// As [`new`](Self::new) over sparse samples; the first layer is dense and takes them as they are.
    /// Where it is the edited one, its input stays sparse.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[allow(clippy::too_many_arguments)]
    pub fn sparse(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: impl Into<Parameters<'a>>,
        layer: usize,
        samples: SparseSamples<'a>,
        rank: usize,
        accumulate: bool,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let mut prefix = Self::unrun_sparse(kernel, stack, parameters, samples);
        prefix.run(layer, rank, accumulate, arena)?;
        Ok(prefix)
    }

    /// A network that has not been run. [`run`](Self::run) makes it in its place what [`new`](Self::new) gives, for
    /// machines with too little stack to move it.
    #[inline(always)]
    pub fn unrun(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: impl Into<Parameters<'a>>,
        samples: Samples<'a>,
    ) -> Self {
        Self::blank(kernel, stack, parameters.into(), samples, None, None)
    }

    /// As [`unrun`](Self::unrun) over [`sparse`](Self::sparse) samples.
    #[inline(always)]
    pub fn unrun_sparse(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: impl Into<Parameters<'a>>,
        samples: SparseSamples<'a>,
    ) -> Self {
        let SparseSamples { bag, labels, fixed } = samples;
        let samples = Samples { batch: Batch::lanes(bag.samples()), inputs: &[], labels };
        Self::blank(kernel, stack, parameters.into(), samples, Some(bag), fixed)
    }

    #[inline(always)]
    fn blank(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: Parameters<'a>,
        samples: Samples<'a>,
        bag: Option<Bag<'a>>,
        fixed: Option<&'a [f32]>,
    ) -> Self {
        Self {
            kernel,
            stack,
            parameters,
            layer: 0,
            taken: 0,
            given: 0,
            inputs: 0,
            outputs: 0,
            samples,
            bag,
            fixed,
            x: &[],
            base: &mut [],
            current: &mut [],
            thin: &mut [],
            hidden: &mut [],
            logits: &mut [],
            scratch: &mut [],
        }
    }

    /// Runs the network up to `layer`: once, with the arguments and the errors of [`new`](Self::new).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[inline(never)]
    pub fn run(
        &mut self,
        layer: usize,
        rank: usize,
        accumulate: bool,
        arena: &mut Arena<'a>,
    ) -> Result<(), ForwardError> {
        let first = self.first_layer()?;
        let [x, staged] = self.lay_out(layer, rank, accumulate, first.as_ref(), arena)?;
        for index in 0..self.samples.batch.panels() {
            self.run_panel(index, first.as_ref(), x, staged)?;
        }
        self.x = if layer == 0 { self.samples.inputs } else { x };
        if layer > 0 {
            (self.bag, self.fixed) = (None, None);
        }
        self.restore();
        Ok(())
    }

    /// Checks the samples' inputs; the first layer, where they are sparse.
    fn first_layer(&self) -> Result<Option<FirstLayer>, ForwardError> {
        let Self { stack, samples, .. } = self;
        let batch = samples.batch;
        let Some(bag) = self.bag else {
            ShapeError::check("samples of a panel", LANES, batch.width())?;
            ShapeError::check("input", batch.len(stack.inputs()), samples.inputs.len())?;
            return Ok(None);
        };
        ShapeError::check("input", stack.inputs(), bag.inputs())?;
        let first = stack.layers().first();
        if let Some(fixed) = self.fixed {
            let expected = batch.len(first.map_or(0, Layer::outputs));
            ShapeError::check("fixed part of the first layer", expected, fixed.len())?;
        }
        first.map(FirstLayer::of).transpose()
    }

    /// Sizes and memory. What is not the prefix's own yet: the layer's input, and a panel of the first layer's output
    /// where the samples are sparse and the layer is another one.
    fn lay_out(
        &mut self,
        layer: usize,
        rank: usize,
        accumulate: bool,
        first: Option<&FirstLayer>,
        arena: &mut Arena<'a>,
    ) -> Result<[&'a mut [f32]; 2], ForwardError> {
        let stack = self.stack;
        let Sizes { taken, given, inputs, outputs, thin } =
            Sizes::of(stack, layer).ok_or(ForwardError::NoWeights { layer })?;
        let (batch, panel) = (self.samples.batch, Batch::lanes(LANES));
        let together = Batch::lanes(TOGETHER * LANES);
        ShapeError::check("labels", batch.samples(), self.samples.labels.len())?;
        ShapeError::check("parameters", stack.parameters(), self.parameters.len())?;
        (self.layer, self.taken, self.given) = (layer, taken, given);
        (self.inputs, self.outputs) = (inputs, outputs);
        let group = if thin { together } else { panel };
        let x = arena.take(if layer == 0 { 0 } else { batch.len(taken) })?;
        self.base = arena.take(if thin { batch.len(given) } else { 0 })?;
        self.current = arena.take(if thin && accumulate { batch.len(given) } else { 0 })?;
        self.thin = arena.take(if thin { together.len(rank) } else { 0 })?;
        self.hidden = arena.take(group.len(given))?;
        self.logits = arena.take(group.len(stack.outputs()))?;
        self.scratch = arena.take(stack.scratch_around(layer, panel))?;
        let staged = match first {
            Some(first) if layer > 0 => arena.take(panel.len(first.outputs))?,
            _ => Default::default(),
        };
        Ok([x, staged])
    }

    /// What one panel gives to the layer, in `x`, and what the layer makes of it.
    fn run_panel(
        &mut self,
        index: usize,
        first: Option<&FirstLayer>,
        x: &mut [f32],
        staged: &mut [f32],
    ) -> Result<(), ForwardError> {
        let &mut Self { kernel, stack, layer, taken, given, samples, bag, fixed, .. } = self;
        let part = samples.batch.panel(index);
        let (parameters, scratch) = (&*self.parameters, &mut *self.scratch);
        let base = panel_of_mut(self.base, given, index);
        let x = panel_of_mut(x, taken, index);
        if let (Some(bag), Some(first)) = (bag, first) {
            let bag = bag.part(index * LANES, LANES);
            let to = if layer == 0 { &mut *base } else { &mut *staged };
            first.run(kernel, bag, fixed, index, parameters, to)?;
            if layer == 0 {
                return Ok(());
            }
            stack.forward(kernel, 1..layer, part, parameters, staged, scratch, x)?;
        } else if layer > 0 {
            let input = panel_of(samples.inputs, stack.inputs(), index);
            stack.forward(kernel, 0..layer, part, parameters, input, scratch, x)?;
        }
        // Without the thin form there is no base.
        if !base.is_empty() {
            let x = if layer == 0 { panel_of(samples.inputs, taken, index) } else { x };
            stack.forward(kernel, layer..layer + 1, part, parameters, x, scratch, base)?;
        }
        Ok(())
    }
}

/// Sizes of the edited layer.
#[derive(Clone, Copy, Default)]
struct Sizes {
    /// Features that it takes and gives.
    taken: usize,
    given: usize,
    /// Its weights as a matrix.
    inputs: usize,
    outputs: usize,
    /// Whether there is a thin form.
    thin: bool,
}

impl Sizes {
    fn of(stack: &Stack, layer: usize) -> Option<Self> {
        let layer = stack.layers().get(layer)?;
        let (inputs, outputs) = layer.kind().matrix()?;
        let thin = matches!(layer.kind(), Kind::Dense { .. });
        Some(Self { taken: layer.inputs(), given: layer.outputs(), inputs, outputs, thin })
    }
}
