//! The prefix cache: a quantised network with one layer under edit, run from that layer on.

use super::parameters::{Int8Network, factor};
use super::plain::{check_samples, panel};
use super::run::{View, Work, pack, packed_len, quantise_panel, view};
use super::stack::{Int8Layer, Int8Stack};
use crate::error::ShapeError;
use crate::kernel::{Kernel, LANES};
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
}

/// A quantised network whose layer `layer` is edited again and again, over fixed samples.
///
/// What the layer takes is computed once and kept in 8 bits. After a change of [`edited`](Self::edited) comes
/// [`commit`](Self::commit), then the network can be run: the layer and what stands behind it.
#[derive(Debug)]
pub struct Int8Prefix<'a> {
    kernel: Kernel,
    network: Int8Network<'a>,
    layer: usize,
    samples: Samples<'a>,
    packed: &'a [i32],
    /// Inputs of the layer, `[sample][feature]`.
    x: &'a mut [i8],
    edited: Int8Edited<'a>,
    work: Work<'a>,
    logits: &'a mut [f32],
}

impl<'a> Int8Prefix<'a> {
    /// Memory for editing layer `layer` of `stack` over `samples` samples; 0 where it has no weights.
    pub fn need(stack: &Int8Stack, layer: usize, samples: usize) -> (Need, IntNeed) {
        let Some((layer, (inputs, outputs))) =
            stack.layers().get(layer).and_then(|layer| Some((layer, layer.matrix()?)))
        else {
            return Default::default();
        };
        let own = IntNeed {
            i8s: samples * layer.inputs + inputs * outputs,
            i32s: packed_len(stack) + Kernel::packed_i8_len(inputs, outputs) + 3 * outputs,
        };
        (Need::f32s(outputs + LANES * stack.outputs()), Work::need(stack).and(own))
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
        network.check()?;
        let stack = network.stack;
        check_samples(stack, &samples)?;
        let found = stack.layers().get(layer).and_then(|layer| Some((layer, layer.matrix()?)));
        let (edited, (inputs, outputs)) = found.ok_or(ForwardError::NoWeights { layer })?;
        let packed = ints.take_i32(packed_len(stack))?;
        pack(kernel, &network, packed)?;
        let mut work = Work::new(stack, ints)?;
        let x = ints.take_i8(samples.batch.samples() * edited.inputs)?;
        for index in 0..samples.batch.panels() {
            let (batch, values) = panel(stack, &samples, index);
            quantise_panel(stack.input_scale(), batch.samples(), values, work.one);
            let layers = (0..layer).filter_map(|at| view(&network, packed, at));
            work.run(kernel, layers, batch.samples())?;
            let len = batch.samples() * edited.inputs;
            let from = work.one.get(..len).unwrap_or_default();
            let to = x.get_mut(index * LANES * edited.inputs..).unwrap_or_default();
            to.iter_mut().zip(from).for_each(|(to, &value)| *to = value);
        }
        let edited = Int8Edited {
            weights: ints.take_i8(inputs * outputs)?,
            bias: ints.take_i32(outputs)?,
            multipliers: ints.take_i32(outputs)?,
            shifts: ints.take_i32(outputs)?,
            scales: arena.take(outputs)?,
            packed: ints.take_i32(Kernel::packed_i8_len(inputs, outputs))?,
        };
        let logits = arena.take(LANES * stack.outputs())?;
        let mut prefix = Self { kernel, network, layer, samples, packed, x, edited, work, logits };
        prefix.restore();
        prefix.commit()?;
        Ok(prefix)
    }

    /// The quantised network, unedited.
    pub fn network(&self) -> &Int8Network<'a> {
        &self.network
    }

    /// The samples that the network is run on.
    pub fn samples(&self) -> Samples<'a> {
        self.samples
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
        let Int8Edited { weights, multipliers, shifts, scales, packed, .. } = &mut self.edited;
        let rows = multipliers.iter_mut().zip(shifts.iter_mut()).zip(scales.iter());
        for ((multiplier, shift), &scale) in rows {
            let factor = factor(layer, scale);
            (*multiplier, *shift) = (factor.multiplier, factor.shift);
        }
        self.kernel.pack_i8(inputs, outputs, weights, packed)
    }
}

fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}

impl Forward for Int8Prefix<'_> {
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
        let Some(layer) = stack.layers().get(self.layer) else { return Ok(()) };
        let edited = View {
            layer,
            weights: self.edited.weights,
            packed: self.edited.packed,
            bias: self.edited.bias,
            multipliers: self.edited.multipliers,
            shifts: self.edited.shifts,
            scales: self.edited.scales,
        };
        let at = |index: usize| match index == self.layer {
            true => Some(edited),
            false => view(&self.network, self.packed, index),
        };
        let Some(output) = at(last) else { return Ok(()) };
        for index in 0..self.samples.batch.panels() {
            let batch = self.samples.batch.panel(index);
            let len = batch.samples() * layer.inputs;
            let x = self.x.get(index * LANES * layer.inputs..).and_then(|x| x.get(..len));
            copy(self.work.one, x.unwrap_or_default());
            self.work.run(self.kernel, (self.layer..last).filter_map(at), batch.samples())?;
            self.work.logits(self.kernel, output, batch.samples(), self.logits)?;
            visit(Logits { first: index * LANES, batch, classes, values: self.logits });
        }
        Ok(())
    }
}
