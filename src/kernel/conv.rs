//! Convolutions without an unrolled copy of the input: a tile walks over the taps in place.

use super::columns::height;
use super::isa::Isa;
use super::layout::transpose;
use super::shape::LANES;
use super::tile::{Rows, Spread, Tile, column_tiles, from, from_mut, heights, panel_tiles, zeroed};
use super::{Batch, Conv2d};

/// The taps along one axis that lie inside the input, for one output position: the first of them,
/// their number, and the input position of the first.
#[inline(always)]
fn inside(out: usize, axis: usize, conv: &Conv2d) -> (usize, usize, usize) {
    let at = out * conv.stride[axis];
    let first = conv.padding[axis].saturating_sub(at);
    let end = conv.input[axis + 1]
        .saturating_add(conv.padding[axis])
        .saturating_sub(at)
        .min(conv.kernel[axis]);
    (first, end.saturating_sub(first), (at + first).saturating_sub(conv.padding[axis]))
}

#[inline(always)]
pub(super) fn forward<I: Isa>(
    isa: I,
    batch: Batch,
    conv: &Conv2d,
    weights: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    y: &mut [f32],
) {
    let [channels, rows, cols] = conv.output();
    // Of a result with values, every size is bounded by the length of some slice.
    if y.is_empty() {
        return;
    }
    let (inputs, outputs) = (conv.input_len(), conv.output_len());
    let width = batch.width();
    for (panel, y) in y.chunks_exact_mut((outputs * width).max(1)).enumerate() {
        let x = from(x, panel * inputs * width);
        for row in 0..rows {
            for col in 0..cols {
                let walk = Walk { conv, row: inside(row, 0, conv), col: inside(col, 1, conv) };
                let y = from_mut(y, (row * cols + col) * width);
                if width == LANES {
                    for (channel, height) in heights::<I>(channels) {
                        let w = from(weights, channel);
                        let bias = bias.map(|bias| from(bias, channel));
                        let y = from_mut(y, channel * rows * cols * LANES);
                        panel_tiles!(
                            I,
                            height,
                            forward_tile(isa, walk, w, bias, x, rows * cols, y)
                        );
                    }
                } else {
                    forward_row(isa, walk, weights, bias, x, rows * cols, y);
                }
            }
        }
    }
}

/// The taps of one output position.
#[derive(Clone, Copy)]
struct Walk<'a> {
    conv: &'a Conv2d,
    row: (usize, usize, usize),
    col: (usize, usize, usize),
}

impl Walk<'_> {
    /// Calls `visit(first tap, first input feature, taps)` for every run of neighbouring taps.
    #[inline(always)]
    fn runs(self, mut visit: impl FnMut(usize, usize, usize)) {
        let [channels, height, width] = self.conv.input;
        let [kernel_rows, kernel_cols] = self.conv.kernel;
        let (tap_x, count, x) = self.col;
        let (tap_y, tap_rows, y) = self.row;
        for channel in 0..channels {
            for row in 0..tap_rows {
                let tap = (channel * kernel_rows + tap_y + row) * kernel_cols + tap_x;
                visit(tap, (channel * height + y + row) * width + x, count);
            }
        }
    }
}

/// One tile of output channels over the lanes of a panel, at one position.
#[inline(always)]
fn forward_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    walk: Walk<'_>,
    weights: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    positions: usize,
    y: &mut [f32],
) {
    let columns = Tile::<I, M, V>::COLUMNS;
    let channels = walk.conv.channels;
    for lane in (0..LANES).step_by(columns) {
        let mut tile = match bias {
            Some(bias) => Tile::<I, M, V>::spread(isa, bias),
            None => Tile::zero(isa),
        };
        walk.runs(|tap, feature, count| {
            let w = Spread { values: from(weights, tap * channels), row: 1, step: channels };
            let x = Rows { values: from(x, feature * LANES + lane), step: LANES, panel: LANES };
            tile.accumulate(count, w, x);
        });
        tile.store(from_mut(y, lane), positions * LANES, columns);
    }
}

/// All output channels of one sample at one position, channels in the lanes.
#[inline(always)]
fn forward_row<I: Isa>(
    isa: I,
    walk: Walk<'_>,
    weights: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    positions: usize,
    y: &mut [f32],
) {
    let channels = walk.conv.channels;
    let mut channel = 0;
    while channel < channels {
        let mut tile = match bias {
            Some(bias) => Tile::<I, 1, 1>::load(isa, from(bias, channel), 0, channels - channel),
            None => Tile::zero(isa),
        };
        walk.runs(|tap, feature, count| {
            let x = Spread { values: from(x, feature), row: 0, step: 1 };
            let w = Rows {
                values: from(weights, tap * channels + channel),
                step: channels,
                panel: LANES,
            };
            tile.accumulate_ragged(count, x, w);
        });
        tile.visit(|_, sums| {
            let to = from_mut(y, channel * positions).iter_mut().step_by(positions.max(1));
            for (to, &sum) in to.zip(sums).take(channels - channel) {
                *to = sum;
            }
        });
        channel += I::WIDTH;
    }
}

#[inline(always)]
pub(super) fn input_gradient<I: Isa>(
    isa: I,
    batch: Batch,
    conv: &Conv2d,
    weights: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    if dx.is_empty() || dy.is_empty() {
        dx.fill(0.0);
        return;
    }
    let (inputs, outputs) = (conv.input_len(), conv.output_len());
    let [input_channels, height, width] = conv.input;
    let lanes = batch.width();
    for (panel, dx) in dx.chunks_exact_mut((inputs * lanes).max(1)).enumerate() {
        let dy = from(dy, panel * outputs * lanes);
        for y in 0..height {
            for x in 0..width {
                let dx = from_mut(dx, (y * width + x) * lanes);
                let back = Back { conv, at: [y, x] };
                if lanes == LANES {
                    for (channel, height) in heights::<I>(input_channels) {
                        let w = from(weights, channel * back.taps() * conv.channels);
                        let dx = from_mut(dx, channel * back.positions() * LANES);
                        panel_tiles!(I, height, input_gradient_tile(isa, back, w, dy, dx));
                    }
                } else {
                    for channel in 0..input_channels {
                        let w = from(weights, channel * back.taps() * conv.channels);
                        if let Some(dx) = dx.get_mut(channel * back.positions()) {
                            *dx = input_gradient_value(isa, back, w, dy);
                        }
                    }
                }
            }
        }
    }
}

/// The output positions that one input position reaches.
#[derive(Clone, Copy)]
struct Back<'a> {
    conv: &'a Conv2d,
    at: [usize; 2],
}

impl Back<'_> {
    /// Taps of one input channel.
    #[inline(always)]
    fn taps(self) -> usize {
        self.conv.kernel[0] * self.conv.kernel[1]
    }

    /// Positions of one input channel.
    #[inline(always)]
    fn positions(self) -> usize {
        self.conv.input[1] * self.conv.input[2]
    }

    /// (tap, output position) along one axis, taps rising.
    #[inline(always)]
    fn along(self, axis: usize, count: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
        let at = self.at[axis].saturating_add(self.conv.padding[axis]);
        let stride = self.conv.stride[axis].max(1);
        (at % stride..self.conv.kernel[axis].min(at.saturating_add(1)))
            .step_by(stride)
            .map(move |tap| (tap, (at - tap) / stride))
            .filter(move |&(_, out)| out < count)
    }

    /// Calls `visit(weight, output feature)` for every term of the chain.
    #[inline(always)]
    fn terms(self, mut visit: impl FnMut(usize, usize)) {
        let [channels, rows, cols] = self.conv.output();
        for channel in 0..channels {
            for (ky, row) in self.along(0, rows) {
                for (kx, col) in self.along(1, cols) {
                    let weight = (ky * self.conv.kernel[1] + kx) * channels + channel;
                    visit(weight, (channel * rows + row) * cols + col);
                }
            }
        }
    }
}

/// One tile of input channels over the lanes of a panel, at one position.
#[inline(always)]
fn input_gradient_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    back: Back<'_>,
    weights: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let columns = Tile::<I, M, V>::COLUMNS;
    for lane in (0..LANES).step_by(columns) {
        let mut tile = Tile::<I, M, V>::zero(isa);
        back.terms(|weight, feature| {
            let row = back.taps() * back.conv.channels;
            let w = Spread { values: from(weights, weight), row, step: 0 };
            tile.accumulate(
                1,
                w,
                Rows { values: from(dy, feature * LANES + lane), step: 0, panel: LANES },
            );
        });
        tile.store(from_mut(dx, lane), back.positions() * LANES, columns);
    }
}

/// One value of the input gradient of one sample.
#[inline(always)]
fn input_gradient_value<I: Isa>(isa: I, back: Back<'_>, weights: &[f32], dy: &[f32]) -> f32 {
    let mut tile = Tile::<I, 1, 1>::zero(isa);
    back.terms(|weight, feature| {
        let w = Spread { values: from(weights, weight), row: 0, step: 0 };
        tile.accumulate_ragged(1, w, Rows { values: from(dy, feature), step: 0, panel: LANES });
    });
    let mut value = 0.0;
    tile.visit(|_, sums| value = sums.first().copied().unwrap_or(0.0));
    value
}

#[inline(always)]
pub(super) fn weight_gradient<I: Isa>(
    isa: I,
    batch: Batch,
    conv: &Conv2d,
    x: &[f32],
    dy_rows: &[f32],
    dw: &mut [f32],
) {
    if x.is_empty() || dy_rows.is_empty() || dw.is_empty() {
        return;
    }
    let (inputs, outputs) = (conv.input_len().max(1), conv.output_len());
    let width = batch.width();
    let mut scratch = isa.scratch();
    let scratch = scratch.as_mut();
    let group = (scratch.len() / inputs).min(8);
    let scratch = zeroed(scratch, group * inputs);
    // Samples that fit the scratch are copied out of the lanes, so that neighbouring pixels share a
    // line of the cache.
    let mut sample = 0;
    while sample < batch.samples() {
        let (panel, lane) = (sample / width, sample % width);
        let x = from(x, panel * inputs * width + lane);
        let dy = from(dy_rows, sample * outputs);
        if width == 1 || group == 0 {
            sample_gradient(isa, conv, width, x, dy, dw);
            sample += 1;
        } else {
            let count = group.min(width - lane).min(batch.samples() - sample);
            transpose(isa, [inputs, count], (x, width), (scratch, inputs));
            for (index, x) in scratch.chunks_exact(inputs).take(count).enumerate() {
                sample_gradient(isa, conv, 1, x, from(dy, index * outputs), dw);
            }
            sample += count;
        }
    }
}

/// Continues all chains by one sample whose features are `width` apart.
#[inline(always)]
fn sample_gradient<I: Isa>(
    isa: I,
    conv: &Conv2d,
    width: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    let [channels, rows, cols] = conv.output();
    let [kernel_rows, kernel_cols] = conv.kernel;
    // Without padding every tap meets every position, so that neighbouring taps can share a tile:
    // those of a kernel row, or of two where that fills the lanes and leaves no rest.
    let shared = conv.padding == [0, 0] && I::ROWS > 1;
    let two = I::ROWS >= 6
        && shared
        && channels % I::WIDTH == 0
        && height::<I>(kernel_cols.min(6), 1) == kernel_cols;
    for channel in 0..conv.input[0] {
        let mut ky = 0;
        while ky < kernel_rows {
            let lines = if two && ky + 1 < kernel_rows { 2 } else { 1 };
            let mut kx = 0;
            while kx < kernel_cols {
                let count = if shared { height::<I>((kernel_cols - kx).min(6), 1) } else { 1 };
                let taps = Taps { conv, channel, ky, kx, width, lines };
                let tap = (channel * kernel_rows + ky) * kernel_cols + kx;
                for first in (0..channels).step_by(I::WIDTH) {
                    let dw = from_mut(dw, tap * channels + first);
                    let dy = from(dy, first);
                    let size = (rows, cols, I::WIDTH.min(channels - first));
                    column_tiles!(I, count * lines, 1, taps_tile(isa, taps, size, x, dy, dw));
                }
                kx += count;
            }
            ky += lines;
        }
    }
}

/// Neighbouring taps of one kernel row, or of two.
#[derive(Clone, Copy)]
struct Taps<'a> {
    conv: &'a Conv2d,
    channel: usize,
    ky: usize,
    kx: usize,
    width: usize,
    lines: usize,
}

/// One tile of taps over a strip of output channels; `size` is the output rows, the output columns
/// and the channels of the strip.
#[inline(always)]
fn taps_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    taps: Taps<'_>,
    size: (usize, usize, usize),
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    let Taps { conv, channel, ky, kx, width, lines } = taps;
    let (rows, cols, valid) = size;
    let [_, height, line] = conv.input;
    let mut tile = Tile::<I, M, V>::load(isa, dw, conv.channels, valid);
    // Output columns whose tap lies inside the input.
    let step = conv.stride[1].max(1);
    let first = conv.padding[1].saturating_sub(kx).div_ceil(step);
    let end = line.saturating_add(conv.padding[1]).saturating_sub(kx).div_ceil(step).min(cols);
    for row in 0..rows {
        let Some(y) = (row * conv.stride[0] + ky).checked_sub(conv.padding[0]) else { continue };
        if y >= height || first >= end {
            continue;
        }
        let at = first * conv.stride[1] + kx - conv.padding[1];
        let values = from(x, ((channel * height + y) * line + at) * width);
        let a = Spread { values, row: width, step: conv.stride[1] * width };
        let values = from(dy, (row * cols + first) * conv.channels);
        let b = Rows { values, step: conv.channels, panel: LANES };
        if lines == 2 {
            // A kernel row of pixels lies one image row beyond the other.
            tile.accumulate_halves(end - first, line * width, a, b);
        } else {
            tile.accumulate_ragged(end - first, a, b);
        }
    }
    tile.store(dw, conv.channels, valid);
}
