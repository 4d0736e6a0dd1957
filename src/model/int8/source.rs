//! What the first quantised layer takes: real numbers in panels, or sparse rows.

use super::parameters::Int8Network;
use super::run::View;
use super::stack::{Int8Layer, Int8Scale, Int8Stack};
use crate::error::ShapeError;
use crate::kernel::int8::{BagI8, SparseI8, StartI8};
use crate::kernel::{Bag, Batch, Kernel, LANES};
use crate::model::{ForwardError, Samples};
use crate::nn::Kind;
use crate::slab::{IntArena, IntNeed};
use core::ops::Range;

/// Samples of one split as sparse rows, which a network whose first quantised layer is its first layer of all
/// reads as they are.
#[derive(Clone, Copy, Debug)]
pub struct Int8Sparse<'a> {
    /// Inputs as real numbers; in 8 bits they are made once. What a row does not name is 0.
    pub bag: Bag<'a>,
    /// Class of each sample.
    pub labels: &'a [u8],
    /// What the sums of the first layer come to over inputs that are not in the bag, its bias included:
    /// `[sample][output]`, in units of the input's scale times the row's.
    pub fixed: Option<&'a [i32]>,
}

/// Samples as a network is run on them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Panels(Samples<'a>),
    Rows { bag: BagI8<'a>, fixed: Option<&'a [i32]> },
}

impl<'a> Source<'a> {
    /// Checks that samples lie in panels and fit the network.
    pub(super) fn panels(stack: &Int8Stack, samples: Samples<'a>) -> Result<Self, ShapeError> {
        ShapeError::check("samples of a panel", LANES, samples.batch.width())?;
        ShapeError::check("input", samples.batch.len(stack.inputs()), samples.inputs.len())?;
        ShapeError::check("labels", samples.batch.samples(), samples.labels.len())?;
        Ok(Self::Panels(samples))
    }

    /// Memory of [`rows`](Self::rows): the bag in 8 bits.
    pub(super) fn rows_need(bag: &Bag<'_>) -> IntNeed {
        IntNeed { i8s: bag.all_values().len(), i32s: 0 }
    }

    /// Checks that sparse rows fit the network, and makes 8-bit numbers of them.
    pub(super) fn rows(
        stack: &Int8Stack,
        samples: Int8Sparse<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        let Int8Sparse { bag, labels, fixed } = samples;
        let (_, _, outputs) = first(stack)?;
        ShapeError::check("input", stack.inputs(), bag.inputs())?;
        ShapeError::check("labels", bag.samples(), labels.len())?;
        if let Some(fixed) = fixed {
            let len = bag.samples().saturating_mul(outputs);
            ShapeError::check("fixed part of the first layer", len, fixed.len())?;
        }
        let values = quantised(stack.input_scale(), &bag, ints.take_i8(Self::rows_need(&bag).i8s)?);
        Ok(Self::Rows { bag: BagI8 { rows: bag, values }, fixed })
    }

    /// How many samples there are, and how their logits lie.
    pub(super) fn batch(&self) -> Batch {
        match self {
            Self::Panels(samples) => samples.batch,
            Self::Rows { bag, .. } => Batch::lanes(bag.rows.samples()),
        }
    }

    /// Whether the first layer walks through rows.
    pub(super) fn is_sparse(&self) -> bool {
        matches!(self, Self::Rows { .. })
    }
}

impl Int8Network<'_> {
    /// Memory of [`first_sums`](Self::first_sums): the first layer's weights and the bag in 8 bits.
    pub fn first_sums_need(stack: &Int8Stack, bag: &Bag<'_>) -> IntNeed {
        let words = IntNeed { i8s: words_len(stack, true), i32s: 0 };
        words.and(Source::rows_need(bag))
    }

    /// Sums of the first layer over the rows of `bag`, its bias included, `[sample][output]`: of inputs that are not
    /// edited they are [`Int8Sparse::fixed`].
    ///
    /// # Errors
    /// [`ForwardError`]: a first layer that is not dense or not quantised, slices that do not fit, an arena that is too
    /// small.
    pub fn first_sums(
        &self,
        kernel: Kernel,
        bag: Bag<'_>,
        ints: &mut IntArena<'_>,
        sums: &mut [i32],
    ) -> Result<(), ForwardError> {
        self.check()?;
        let (layer, inputs, outputs) = first(self.stack)?;
        let words = ints.take_i8(words_len(self.stack, true))?;
        let values = quantised(layer.input, &bag, ints.take_i8(Source::rows_need(&bag).i8s)?);
        let weights = self.weights.get(layer.weight_range()).unwrap_or_default();
        side_by_side(inputs, outputs, weights, words);
        let start = StartI8::Bias(self.bias.get(layer.row_range()).unwrap_or_default());
        let layer = SparseI8 { outputs, weights: words, start, zero: layer.input.zero };
        Ok(kernel.sparse_i8_sums(BagI8 { rows: bag, values }, layer, sums)?)
    }
}

/// The first layer of all, quantised, with its inputs and outputs.
fn first(stack: &Int8Stack) -> Result<(&Int8Layer, usize, usize), ForwardError> {
    match (stack.first(), stack.layers().first()) {
        (0, Some(layer @ Int8Layer { kind: Kind::Dense { inputs, outputs, .. }, .. })) => {
            Ok((layer, *inputs, *outputs))
        }
        _ => Err(ForwardError::Failed(
            "sparse samples are for a first layer that is dense and quantised",
        )),
    }
}

/// A bag's values as 8-bit numbers.
fn quantised<'i>(scale: Int8Scale, bag: &Bag<'_>, to: &'i mut [i8]) -> &'i [i8] {
    for (to, &value) in to.iter_mut().zip(bag.all_values()) {
        *to = scale.quantise(value);
    }
    to
}

/// Rows of panel `index`, and what their sums begin with.
pub(super) fn rows_of<'s>(
    bag: &BagI8<'s>,
    fixed: Option<&'s [i32]>,
    bias: &'s [i32],
    index: usize,
    outputs: usize,
) -> (BagI8<'s>, StartI8<'s>) {
    let part = bag.part(index * LANES, LANES);
    let start = match fixed {
        None => StartI8::Bias(bias),
        Some(fixed) => {
            let fixed = fixed.get(index * LANES * outputs..).unwrap_or_default();
            let fixed = fixed.get(..part.rows.samples() * outputs).unwrap_or_default();
            StartI8::Values(fixed)
        }
    };
    (part, start)
}

/// A network's weights as kernels take them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a> {
    /// Those of a layer over rows, an input's side by side; empty where the first layer takes panels.
    words: &'a [i8],
    panels: &'a [i32],
}

impl<'a> Packed<'a> {
    /// Memory of [`new`](Self::new).
    pub(super) fn need(stack: &Int8Stack, sparse: bool) -> IntNeed {
        let end = range(stack, sparse, stack.layers().len()).start;
        IntNeed { i8s: words_len(stack, sparse), i32s: end }
    }

    /// The weights of all layers.
    pub(super) fn new(
        kernel: Kernel,
        network: &Int8Network<'_>,
        sparse: bool,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, ForwardError> {
        let stack = network.stack;
        let IntNeed { i8s, i32s } = Self::need(stack, sparse);
        let (words, panels) = (ints.take_i8(i8s)?, ints.take_i32(i32s)?);
        for (index, layer) in stack.layers().iter().enumerate() {
            let Some((inputs, outputs)) = layer.matrix() else { continue };
            let weights = network.weights.get(layer.weight_range()).unwrap_or_default();
            if sparse && index == 0 {
                side_by_side(inputs, outputs, weights, words);
                continue;
            }
            let to = panels.get_mut(range(stack, sparse, index)).unwrap_or_default();
            kernel.pack_i8(inputs, outputs, weights, to)?;
        }
        Ok(Self { words, panels })
    }

    /// Layer `index` as the network has it.
    pub(super) fn view<'p>(&self, network: &Int8Network<'p>, index: usize) -> Option<View<'p>>
    where
        'a: 'p,
    {
        let layer = network.stack.layers().get(index)?;
        let rows = layer.row_range();
        let sparse = !self.words.is_empty();
        Some(View {
            layer,
            weights: network.weights.get(layer.weight_range())?,
            words: if index == 0 { self.words } else { &[] },
            packed: self.panels.get(range(network.stack, sparse, index))?,
            bias: network.bias.get(rows.clone())?,
            multipliers: network.multipliers.get(rows.clone())?,
            shifts: network.shifts.get(rows.clone())?,
            scales: network.scales.get(rows)?,
        })
    }
}

/// Weights of a first layer over rows.
pub(super) fn words_len(stack: &Int8Stack, sparse: bool) -> usize {
    let first = stack.layers().first().filter(|_| sparse);
    first.map_or(0, |layer| layer.weight_range().len())
}

/// Weights row by row (`outputs × inputs`) with those of an input side by side.
pub(super) fn side_by_side(inputs: usize, outputs: usize, weights: &[i8], words: &mut [i8]) {
    for (row, weights) in weights.chunks_exact(inputs.max(1)).enumerate() {
        let to = words.iter_mut().skip(row).step_by(outputs.max(1));
        to.zip(weights).for_each(|(to, &weight)| *to = weight);
    }
}

/// Where the packed weights of layer `index` lie.
fn range(stack: &Int8Stack, sparse: bool, index: usize) -> Range<usize> {
    let len = |at: usize| match stack.layers().get(at).and_then(|layer| layer.matrix()) {
        Some((inputs, outputs)) if !(sparse && at == 0) => Kernel::packed_i8_len(inputs, outputs),
        _ => 0,
    };
    let start = (0..index).map(len).sum();
    start..start + len(index)
}
