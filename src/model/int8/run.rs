//! Layers over a panel's samples, which lie in rows, `[sample][feature]`.

use super::parameters::Int8Network;
use super::stack::{Int8Layer, Int8Scale, Int8Stack};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::int8::{DenseI8, OutputI8};
use crate::kernel::{Conv2d, Kernel, LANES, Pool2d};
use crate::nn::Kind;
use crate::slab::{IntArena, IntNeed};
use core::ops::Range;

/// One layer with its parameters.
#[derive(Clone, Copy)]
pub(super) struct View<'p> {
    pub(super) layer: &'p Int8Layer,
    pub(super) weights: &'p [i8],
    pub(super) packed: &'p [i32],
    pub(super) bias: &'p [i32],
    pub(super) multipliers: &'p [i32],
    pub(super) shifts: &'p [i32],
    pub(super) scales: &'p [f32],
}

/// Packed weights of all layers that are run as the network has them.
pub(super) fn packed_len(stack: &Int8Stack) -> usize {
    packed_range(stack, stack.layers().len()).start
}

fn packed_range(stack: &Int8Stack, index: usize) -> Range<usize> {
    let len = |layer: &Int8Layer| {
        layer.matrix().map_or(0, |(inputs, outputs)| Kernel::packed_i8_len(inputs, outputs))
    };
    let start = stack.layers().iter().take(index).map(len).sum();
    start..start + stack.layers().get(index).map_or(0, len)
}

/// Packs the weights of all layers.
pub(super) fn pack(
    kernel: Kernel,
    network: &Int8Network<'_>,
    packed: &mut [i32],
) -> Result<(), ShapeError> {
    for (index, layer) in network.stack.layers().iter().enumerate() {
        let Some((inputs, outputs)) = layer.matrix() else { continue };
        let weights = network.weights.get(layer.weight_range()).unwrap_or_default();
        let to = packed.get_mut(packed_range(network.stack, index)).unwrap_or_default();
        kernel.pack_i8(inputs, outputs, weights, to)?;
    }
    Ok(())
}

/// Layer `index` as the network has it.
pub(super) fn view<'p>(
    network: &Int8Network<'p>,
    packed: &'p [i32],
    index: usize,
) -> Option<View<'p>> {
    let layer = network.stack.layers().get(index)?;
    let rows = layer.row_range();
    Some(View {
        layer,
        weights: network.weights.get(layer.weight_range())?,
        packed: packed.get(packed_range(network.stack, index))?,
        bias: network.bias.get(rows.clone())?,
        multipliers: network.multipliers.get(rows.clone())?,
        shifts: network.shifts.get(rows.clone())?,
        scales: network.scales.get(rows)?,
    })
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
    pub(super) fn need(stack: &Int8Stack) -> IntNeed {
        let widest =
            stack.layers().iter().map(|layer| layer.outputs).fold(stack.inputs(), usize::max);
        let patches = |layer: &Int8Layer| match layer.kind {
            Kind::Conv2d { conv, .. } => {
                let [channels, rows, cols] = conv.output();
                (conv.taps() + channels) * rows * cols
            }
            _ => 0,
        };
        let patches = stack.layers().iter().map(patches).fold(0, usize::max);
        IntNeed { i8s: 2 * LANES * widest + patches, i32s: LANES * stack.outputs() }
    }

    pub(super) fn new(stack: &Int8Stack, ints: &mut IntArena<'a>) -> Result<Self, TooSmall> {
        let widest =
            stack.layers().iter().map(|layer| layer.outputs).fold(stack.inputs(), usize::max);
        let patches = Self::need(stack).i8s - 2 * LANES * widest;
        Ok(Self {
            one: ints.take_i8(LANES * widest)?,
            other: ints.take_i8(LANES * widest)?,
            patches: ints.take_i8(patches)?,
            sums: ints.take_i32(LANES * stack.outputs())?,
        })
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
        let rows = logits.chunks_exact_mut(LANES).zip(view.scales).enumerate();
        for (class, (lanes, scale)) in rows {
            let unit = view.layer.input.scale * scale;
            let sums = sums.iter().skip(class).step_by(classes.max(1));
            for (to, &sum) in lanes.iter_mut().zip(sums) {
                *to = unit * sum as f32;
            }
        }
        Ok(())
    }
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
    let layer = view.layer;
    let low = if layer.relu { layer.output.zero } else { i8::MIN };
    let View { multipliers, shifts, .. } = view;
    let output = OutputI8 { multipliers, shifts, zero: layer.output.zero, low, high: i8::MAX };
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
                max_pool(&pool, low, x, y);
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
pub(super) fn quantise_panel(scale: Int8Scale, samples: usize, panel: &[f32], rows: &mut [i8]) {
    let features = panel.len() / LANES;
    for (feature, lanes) in panel.chunks_exact(LANES).enumerate() {
        let to = rows.iter_mut().skip(feature).step_by(features.max(1));
        for (to, &value) in to.zip(lanes).take(samples) {
            *to = scale.quantise(value);
        }
    }
}
