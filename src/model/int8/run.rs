//! Layers over a panel's samples, which lie in rows, `[sample][feature]`.

use super::source::{Source, rows_of};
use super::stack::{Int8Layer, Int8Scale, Int8Stack};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::int8::{DenseI8, OutputI8, SparseI8, StartI8};
use crate::kernel::{Conv2d, Kernel, LANES, Pool2d};
use crate::nn::Kind;
use crate::slab::{IntArena, IntNeed};

/// One layer with its parameters.
#[derive(Clone, Copy)]
pub(super) struct View<'p> {
    pub(super) layer: &'p Int8Layer,
    pub(super) weights: &'p [i8],
    /// The same with those of an input side by side, of a layer that takes sparse rows; else empty.
    pub(super) words: &'p [i8],
    pub(super) packed: &'p [i32],
    pub(super) bias: &'p [i32],
    pub(super) multipliers: &'p [i32],
    pub(super) shifts: &'p [i32],
    pub(super) scales: &'p [f32],
}

/// Working memory of one panel.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// Activations, in turn.
    pub(super) one: &'a mut [i8],
    other: &'a mut [i8],
    /// What a convolution's positions take, and what they give.
    patches: &'a mut [i8],
    sums: &'a mut [i32],
}

impl<'a> Work<'a> {
    pub(super) fn need(stack: &Int8Stack, sparse: bool) -> IntNeed {
        let patches = |layer: &Int8Layer| match layer.kind {
            Kind::Conv2d { conv, .. } => {
                let [channels, rows, cols] = conv.output();
                (conv.taps() + channels) * rows * cols
            }
            _ => 0,
        };
        let patches = stack.layers().iter().map(patches).fold(0, usize::max);
        let widest = Self::widest(stack, sparse);
        IntNeed { i8s: 2 * LANES * widest + patches, i32s: LANES * stack.outputs() }
    }

    /// Features of the widest activation that is held: sparse rows are not.
    fn widest(stack: &Int8Stack, sparse: bool) -> usize {
        let inputs = if sparse { 0 } else { stack.inputs() };
        stack.layers().iter().map(|layer| layer.outputs).fold(inputs, usize::max)
    }

    pub(super) fn new(
        stack: &Int8Stack,
        sparse: bool,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, TooSmall> {
        let widest = Self::widest(stack, sparse);
        let patches = Self::need(stack, sparse).i8s - 2 * LANES * widest;
        Ok(Self {
            one: ints.take_i8(LANES * widest)?,
            other: ints.take_i8(LANES * widest)?,
            patches: ints.take_i8(patches)?,
            sums: ints.take_i32(LANES * stack.outputs())?,
        })
    }

    /// Leaves in `one` what panel `index` of the samples brings to the first layer; of sparse rows what that layer,
    /// `first`, gives for them. Returns the layer that comes next.
    pub(super) fn enter(
        &mut self,
        kernel: Kernel,
        source: &Source<'_>,
        index: usize,
        (scale, first): (Int8Scale, Option<View<'_>>),
    ) -> Result<usize, ShapeError> {
        match (source, first) {
            (Source::Panels(samples), _) => {
                let batch = samples.batch.panel(index);
                let len = samples.inputs.len().checked_div(samples.batch.panels()).unwrap_or(0);
                let inputs = samples.inputs.get(index * len..).and_then(|inputs| inputs.get(..len));
                quantise_panel(scale, batch.samples(), inputs.unwrap_or_default(), self.one);
                Ok(0)
            }
            (Source::Rows { bag, fixed }, Some(view)) => {
                let outputs = view.layer.outputs;
                let (part, start) = rows_of(bag, *fixed, view.bias, index, outputs);
                let y = self.one.get_mut(..part.rows.samples() * outputs).unwrap_or_default();
                kernel.sparse_i8(part, sparse(view, start), output(view), y)?;
                Ok(1)
            }
            (Source::Rows { .. }, None) => Ok(1),
        }
    }

    /// The logits of panel `index` of the samples, run through all layers, which are those that `at` knows.
    pub(super) fn whole<'p>(
        &mut self,
        kernel: Kernel,
        source: &Source<'_>,
        index: usize,
        (scale, last): (Int8Scale, usize),
        at: impl Fn(usize) -> Option<View<'p>>,
        logits: &mut [f32],
    ) -> Result<(), ShapeError> {
        let Some(view) = at(last) else { return Ok(()) };
        let samples = source.batch().panel(index).samples();
        if let (Source::Rows { bag, fixed }, 0) = (source, last) {
            let classes = view.layer.outputs;
            let (part, start) = rows_of(bag, *fixed, view.bias, index, classes);
            let sums = self.sums.get_mut(..samples * classes).unwrap_or_default();
            kernel.sparse_i8_sums(part, sparse(view, start), sums)?;
            real(view, sums, logits);
            return Ok(());
        }
        let next = self.enter(kernel, source, index, (scale, at(0)))?;
        self.run(kernel, (next..last).filter_map(at), samples)?;
        self.logits(kernel, view, samples, logits)
    }

    /// Runs `layers` on what lies in `one`, for `samples` samples, and leaves what they give there.
    pub(super) fn run<'p>(
        &mut self,
        kernel: Kernel,
        layers: impl Iterator<Item = View<'p>>,
        samples: usize,
    ) -> Result<(), ShapeError> {
        for view in layers {
            let x = self.one.get(..samples * view.layer.inputs).unwrap_or_default();
            let y = self.other.get_mut(..samples * view.layer.outputs).unwrap_or_default();
            apply(kernel, view, samples, x, self.patches, y)?;
            core::mem::swap(&mut self.one, &mut self.other);
        }
        Ok(())
    }

    /// Runs the last layer on what lies in `one`: its sums as real numbers, `[class][lane]`.
    pub(super) fn logits(
        &mut self,
        kernel: Kernel,
        view: View<'_>,
        samples: usize,
        logits: &mut [f32],
    ) -> Result<(), ShapeError> {
        let (inputs, classes) = (view.layer.inputs, view.layer.outputs);
        let x = self.one.get(..samples * inputs).unwrap_or_default();
        let sums = self.sums.get_mut(..samples * classes).unwrap_or_default();
        kernel.dense_i8_sums(samples, dense(view, inputs, classes), x, sums)?;
        real(view, sums, logits);
        Ok(())
    }
}

/// Sums of the last layer as real numbers, `[class][lane]`.
fn real(view: View<'_>, sums: &[i32], logits: &mut [f32]) {
    let rows = logits.chunks_exact_mut(LANES).zip(view.scales).enumerate();
    for (class, (lanes, scale)) in rows {
        let unit = view.layer.input.scale * scale;
        let sums = sums.iter().skip(class).step_by(view.layer.outputs.max(1));
        for (to, &sum) in lanes.iter_mut().zip(sums) {
            *to = unit * sum as f32;
        }
    }
}

fn sparse<'p>(view: View<'p>, start: StartI8<'p>) -> SparseI8<'p> {
    let View { layer, words, .. } = view;
    SparseI8 { outputs: layer.outputs, weights: words, start, zero: layer.input.zero }
}

/// What becomes of a layer's sums.
fn output(view: View<'_>) -> OutputI8<'_> {
    let View { layer, multipliers, shifts, .. } = view;
    let low = if layer.relu { layer.output.zero } else { i8::MIN };
    OutputI8 { multipliers, shifts, zero: layer.output.zero, low, high: i8::MAX }
}

fn dense<'p>(view: View<'p>, inputs: usize, outputs: usize) -> DenseI8<'p> {
    let View { layer, weights, packed, bias, .. } = view;
    DenseI8 { inputs, outputs, weights, packed, bias, zero: layer.input.zero }
}

/// One layer over rows of samples.
pub(super) fn apply(
    kernel: Kernel,
    view: View<'_>,
    samples: usize,
    x: &[i8],
    patches: &mut [i8],
    y: &mut [i8],
) -> Result<(), ShapeError> {
    let (layer, output) = (view.layer, output(view));
    match layer.kind {
        Kind::Dense { inputs, outputs, .. } => {
            kernel.dense_i8(samples, dense(view, inputs, outputs), output, x, y)
        }
        Kind::Conv2d { conv, .. } => {
            let [channels, rows, cols] = conv.output();
            let (positions, taps) = (rows * cols, conv.taps());
            let (patches, given) =
                patches.split_at_mut_checked(positions * taps).unwrap_or_default();
            let given = given.get_mut(..positions * channels).unwrap_or_default();
            let samples = x.chunks_exact(layer.inputs.max(1));
            for (x, y) in samples.zip(y.chunks_exact_mut(layer.outputs.max(1))) {
                gather(&conv, layer.input.zero, x, patches);
                let layer = dense(view, taps, channels);
                kernel.dense_i8(positions, layer, output, patches, given)?;
                for (channel, y) in y.chunks_exact_mut(positions.max(1)).enumerate() {
                    let values = given.iter().skip(channel).step_by(channels.max(1));
                    y.iter_mut().zip(values).for_each(|(to, &value)| *to = value);
                }
            }
            Ok(())
        }
        Kind::MaxPool(pool) => {
            let samples = x.chunks_exact(layer.inputs.max(1));
            for (x, y) in samples.zip(y.chunks_exact_mut(layer.outputs.max(1))) {
                max_pool(&pool, output.low, x, y);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What every position of a convolution takes, `[position][tap]`; the zero point where it is padding.
fn gather(conv: &Conv2d, zero: i8, x: &[i8], patches: &mut [i8]) {
    let [_, _, cols] = conv.output();
    let [_, height, width] = conv.input;
    let [kernel_rows, kernel_cols] = conv.kernel;
    for (position, patch) in patches.chunks_exact_mut(conv.taps().max(1)).enumerate() {
        let (row, col) = (position / cols.max(1), position % cols.max(1));
        // Where the kernel begins, counted from the first row and column of padding.
        let (top, left) = (row * conv.stride[0], col * conv.stride[1]);
        for (line, to) in patch.chunks_exact_mut(kernel_cols.max(1)).enumerate() {
            let (channel, kernel_row) = (line / kernel_rows.max(1), line % kernel_rows.max(1));
            let y = (top + kernel_row).checked_sub(conv.padding[0]).filter(|&y| y < height);
            let image = y.and_then(|y| x.get((channel * height + y) * width..)?.get(..width));
            for (kernel_col, to) in to.iter_mut().enumerate() {
                let at = (left + kernel_col).checked_sub(conv.padding[1]);
                let value = at.and_then(|at| image?.get(at).copied());
                *to = value.unwrap_or(zero);
            }
        }
    }
}

/// Largest value of each window, and at least `low`.
fn max_pool(pool: &Pool2d, low: i8, x: &[i8], y: &mut [i8]) {
    let [_, rows, cols] = pool.output();
    let [_, height, width] = pool.input;
    for (at, to) in y.iter_mut().enumerate() {
        let (channel, position) = (at / (rows * cols).max(1), at % (rows * cols).max(1));
        let (top, left) =
            (position / cols.max(1) * pool.stride[0], position % cols.max(1) * pool.stride[1]);
        let lines = (top..top + pool.window[0]).map(|y| (channel * height + y) * width + left);
        let values = lines.filter_map(|at| x.get(at..at + pool.window[1])).flatten();
        *to = values.fold(low, |largest, &value| largest.max(value));
    }
}

/// A panel of real numbers, `[feature][lane]`, as rows of 8-bit ones.
fn quantise_panel(scale: Int8Scale, samples: usize, panel: &[f32], rows: &mut [i8]) {
    let features = panel.len() / LANES;
    for (feature, lanes) in panel.chunks_exact(LANES).enumerate() {
        let to = rows.iter_mut().skip(feature).step_by(features.max(1));
        for (to, &value) in to.zip(lanes).take(samples) {
            *to = scale.quantise(value);
        }
    }
}
