//! The prefix cache: a quantised network with one layer under edit, run from that layer on.

use super::parameters::{Int8Network, factor};
use super::run::{View, Work};
use super::source::{Int8Sparse, Packed, Source, side_by_side, words_len};
use super::stack::{Int8Layer, Int8Stack};
use crate::error::ShapeError;
use crate::kernel::{Bag, Kernel, LANES};
use crate::model::{Forward, ForwardError, Logits, Samples};
use crate::slab::{Arena, IntArena, IntNeed, Need};

/// The layer under edit: a copy of its own of all that can be changed.
#[derive(Debug)]
pub struct Int8Edited<'a> {
    /// Weights, `outputs × inputs`, row by row.
    pub weights: &'a mut [i8],
    /// One per row, in units of the input's scale times the row's.
    pub bias: &'a mut [i32],
    /// Multipliers of the rows' factors, which [`Int8Prefix::commit`] takes from the scales.
    pub multipliers: &'a mut [i32],
    /// Their shifts.
    pub shifts: &'a mut [i32],
    /// Scale of each row.
    pub scales: &'a mut [f32],
    packed: &'a mut [i32],
    words: &'a mut [i8],
}

/// A quantised network whose layer `layer` is edited again and again, over fixed samples.
///
/// What the layer takes is computed once and kept in 8 bits; sparse rows are kept as they are. After a change of [`edited`](Self::edited) comes
/// [`commit`](Self::commit), then the network can be run: the layer and what stands behind it.
#[derive(Debug)]
pub struct Int8Prefix<'a> {
    kernel: Kernel,
    network: Int8Network<'a>,
    layer: usize,
    source: Source<'a>,
    packed: Packed<'a>,
    /// Inputs of the layer, `[sample][feature]`; none where it takes sparse rows.
    x: &'a mut [i8],
    edited: Int8Edited<'a>,
    work: Work<'a>,
    logits: &'a mut [f32],
}

impl<'a> Int8Prefix<'a> {
    /// Memory for editing layer `layer` of `stack` over `samples` samples; 0 where it has no weights.
    pub fn need(stack: &Int8Stack, layer: usize, samples: usize) -> (Need, IntNeed) {
        Self::need_of(stack, layer, samples, false)
    }

    /// Memory for editing layer `layer` of `stack` over sparse rows; 0 where it has no weights.
    pub fn sparse_need(stack: &Int8Stack, layer: usize, bag: &Bag<'_>) -> (Need, IntNeed) {
        let (need, ints) = Self::need_of(stack, layer, bag.samples(), true);
        (need, ints.and(Source::rows_need(bag)))
    }

    fn need_of(stack: &Int8Stack, layer: usize, samples: usize, sparse: bool) -> (Need, IntNeed) {
        let Some((edited, (inputs, outputs))) =
            stack.layers().get(layer).and_then(|layer| Some((layer, layer.matrix()?)))
        else {
            return Default::default();
        };
        let rows = sparse && layer == 0;
        let (kept, words) =
            if rows { (0, words_len(stack, sparse)) } else { (samples * edited.inputs, 0) };
        let panels = if rows { 0 } else { Kernel::packed_i8_len(inputs, outputs) };
        let own = IntNeed { i8s: kept + words + inputs * outputs, i32s: panels + 3 * outputs };
        let ints = Work::need(stack, sparse).and(Packed::need(stack, sparse)).and(own);
        (Need::f32s(outputs + LANES * stack.outputs()), ints)
    }

    /// Runs the network up to `layer` (an index of its [`Int8Stack`]) over `samples`, real inputs of its first
    /// quantised layer in panels of [`LANES`](crate::kernel::LANES).
    ///
    /// # Errors
    /// [`ForwardError`]: the layer has no weights, slices do not fit, arenas are too small.
    pub fn new(
        kernel: Kernel,
        network: Int8Network<'a>,
        layer: usize,
        samples: Samples<'a>,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        let source = Source::panels(network.stack, samples)?;
        Self::on(kernel, network, layer, source, arena, ints)
    }

    /// The same over sparse samples.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for a first layer that is not dense or not quantised.
    pub fn sparse(
        kernel: Kernel,
        network: Int8Network<'a>,
        layer: usize,
        samples: Int8Sparse<'a>,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        let source = Source::rows(network.stack, samples, ints)?;
        Self::on(kernel, network, layer, source, arena, ints)
    }

    fn on(
        kernel: Kernel,
        network: Int8Network<'a>,
        layer: usize,
        source: Source<'a>,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        network.check()?;
        let (stack, sparse) = (network.stack, source.is_sparse());
        let found = stack.layers().get(layer).and_then(|layer| Some((layer, layer.matrix()?)));
        let (edited, (inputs, outputs)) = found.ok_or(ForwardError::NoWeights { layer })?;
        let packed = Packed::new(kernel, &network, sparse, ints)?;
        let mut work = Work::new(stack, sparse, ints)?;
        // Sparse rows are there already: nothing is kept of them.
        let (rows, batch) = (sparse && layer == 0, source.batch());
        let (kept, panels) = if rows { (0, 0) } else { (batch.samples(), batch.panels()) };
        let x = ints.take_i8(kept * edited.inputs)?;
        for index in 0..panels {
            let samples = batch.panel(index).samples();
            let first = (stack.input_scale(), packed.view(&network, 0));
            let next = work.enter(kernel, &source, index, first)?;
            let layers = (next..layer).filter_map(|at| packed.view(&network, at));
            work.run(kernel, layers, samples)?;
            let from = work.one.get(..samples * edited.inputs).unwrap_or_default();
            copy(x.get_mut(index * LANES * edited.inputs..).unwrap_or_default(), from);
        }
        let edited = Int8Edited {
            weights: ints.take_i8(inputs * outputs)?,
            bias: ints.take_i32(outputs)?,
            multipliers: ints.take_i32(outputs)?,
            shifts: ints.take_i32(outputs)?,
            scales: arena.take(outputs)?,
            packed: ints.take_i32(if rows { 0 } else { Kernel::packed_i8_len(inputs, outputs) })?,
            words: ints.take_i8(if rows { words_len(stack, sparse) } else { 0 })?,
        };
        let logits = arena.take(LANES * stack.outputs())?;
        let mut prefix = Self { kernel, network, layer, source, packed, x, edited, work, logits };
        prefix.restore();
        prefix.commit()?;
        Ok(prefix)
    }

    /// Whether the layer under edit takes sparse rows.
    fn takes_rows(&self) -> bool {
        self.source.is_sparse() && self.layer == 0
    }

    /// The quantised network, unedited.
    pub fn network(&self) -> &Int8Network<'a> {
        &self.network
    }

    /// The layer's place in the network; its sizes and scales of activations.
    pub fn layer(&self) -> Option<&'a Int8Layer> {
        self.network.stack.layers().get(self.layer)
    }

    /// The layer as edited so far, to be changed.
    pub fn edited(&mut self) -> &mut Int8Edited<'a> {
        &mut self.edited
    }

    /// The layer as edited so far.
    pub fn now(&self) -> &Int8Edited<'a> {
        &self.edited
    }

    /// The unedited layer's weights, row by row.
    pub fn original(&self) -> &'a [i8] {
        self.layer()
            .and_then(|layer| self.network.weights.get(layer.weight_range()))
            .unwrap_or_default()
    }

    /// The unedited layer's scales and biases.
    pub fn original_rows(&self) -> (&'a [f32], &'a [i32]) {
        let rows = self.layer().map_or(0..0, Int8Layer::row_range);
        let scales = self.network.scales.get(rows.clone()).unwrap_or_default();
        (scales, self.network.bias.get(rows).unwrap_or_default())
    }

    /// Undoes every edit.
    pub fn restore(&mut self) {
        let (scales, bias) = self.original_rows();
        copy(self.edited.weights, self.original());
        copy(self.edited.bias, bias);
        copy(self.edited.scales, scales);
    }

    /// Takes factors from scales and packs the weights: before a run, after a change.
    ///
    /// # Errors
    /// None that a prefix could give rise to.
    pub fn commit(&mut self) -> Result<(), ShapeError> {
        let Some((layer, (inputs, outputs))) =
            self.layer().and_then(|layer| Some((layer, layer.matrix()?)))
        else {
            return Ok(());
        };
        let rows = self.takes_rows();
        let Int8Edited { weights, multipliers, shifts, scales, packed, words, .. } =
            &mut self.edited;
        let factors = multipliers.iter_mut().zip(shifts.iter_mut()).zip(scales.iter());
        for ((multiplier, shift), &scale) in factors {
            let factor = factor(layer, scale);
            (*multiplier, *shift) = (factor.multiplier, factor.shift);
        }
        if rows {
            side_by_side(inputs, outputs, weights, words);
            return Ok(());
        }
        self.kernel.pack_i8(inputs, outputs, weights, packed)
    }
}

fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}

impl Forward for Int8Prefix<'_> {
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
        let rows = self.takes_rows();
        let Self { kernel, network, layer: edited_at, source, packed, x, edited, work, logits } =
            self;
        let stack = network.stack;
        let (classes, last) = (stack.outputs(), stack.layers().len().saturating_sub(1));
        let Some(layer) = stack.layers().get(*edited_at) else { return Ok(()) };
        let edited = View {
            layer,
            weights: edited.weights,
            words: edited.words,
            packed: edited.packed,
            bias: edited.bias,
            multipliers: edited.multipliers,
            shifts: edited.shifts,
            scales: edited.scales,
        };
        let at = |index: usize| match index == *edited_at {
            true => Some(edited),
            false => packed.view(network, index),
        };
        let Some(output) = at(last) else { return Ok(()) };
        for index in 0..source.batch().panels() {
            let batch = source.batch().panel(index);
            if rows {
                work.whole(*kernel, source, index, (stack.input_scale(), last), at, logits)?;
            } else {
                let len = batch.samples() * layer.inputs;
                let x = x.get(index * LANES * layer.inputs..).and_then(|x| x.get(..len));
                copy(work.one, x.unwrap_or_default());
                work.run(*kernel, (*edited_at..last).filter_map(at), batch.samples())?;
                work.logits(*kernel, output, batch.samples(), logits)?;
            }
            visit(Logits { first: index * LANES, batch, classes, values: logits });
        }
        Ok(())
    }
}
