//! Dense layers: forward, gradient by the input, gradient by the weights.
//!
//! All are the same tile with other operands. With samples in the lanes, weights are spread and
//! samples are vectors ([`panels`]); with samples in rows, and for weight gradients, samples are
//! spread and outputs are vectors ([`columns`]).

use super::isa::Isa;
use super::shape::LANES;
use super::tile::{Rows, Spread, Tile, column_tiles, from, from_mut, panel_tiles, split};
use super::{Batch, Start};

/// Steps of the chains between two visits of the result: what a tile reads stays in the L1 cache.
const STEPS: usize = 128;
/// Steps when a strip of the spread operand is packed.
const PACKED_STEPS: usize = 256;
/// Panels that share one packed strip.
const PACKED_PANELS: usize = 8;

#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn forward<I: Isa>(
    isa: I,
    batch: Batch,
    inputs: usize,
    outputs: usize,
    weights: &[f32],
    start: Start<'_>,
    x: &[f32],
    y: &mut [f32],
) {
    let w = Spread { values: weights, row: 1, step: outputs };
    if batch.width() == LANES {
        panels(isa, outputs, inputs, w, start, x, y);
    } else {
        let a = Runs { values: x, row: inputs, step: 1, run: inputs, jump: 0 };
        columns(isa, batch.samples(), outputs, inputs, a, weights, start, y);
    }
}

/// True where [`forward_packed`] is faster: rows of weights are longer than a line of the cache, and
/// all of them do not fit into half of it.
#[inline]
pub(super) fn wants_packing(batch: Batch, inputs: usize, outputs: usize) -> bool {
    batch.width() == LANES && outputs > 16 && inputs * outputs > 4096
}

/// [`forward`] in panels, for weights whose rows are long: strips of them are packed first, so that
/// neither the sets of the L1 cache nor its lines are wasted.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn forward_packed<I: Isa>(
    isa: I,
    inputs: usize,
    outputs: usize,
    weights: &[f32],
    start: Start<'_>,
    x: &[f32],
    y: &mut [f32],
) {
    let mut scratch = isa.scratch();
    let scratch = scratch.as_mut();
    let tiles = outputs.div_ceil(I::ROWS);
    let blocks = inputs.div_ceil(PACKED_STEPS);
    let group = PACKED_PANELS;
    let x_groups = x.chunks(inputs * LANES * group);
    let y_groups = y.chunks_mut(outputs * LANES * group);
    for (index, (x, y)) in x_groups.zip(y_groups).enumerate() {
        for (k, depth) in split(inputs, blocks) {
            for (o, height) in split(outputs, tiles) {
                for (to, row) in scratch
                    .chunks_exact_mut(height)
                    .zip(from(weights, k * outputs + o).chunks(outputs))
                    .take(depth)
                {
                    for (to, &value) in to.iter_mut().zip(row) {
                        *to = value;
                    }
                }
                let w = Spread { values: scratch, row: 1, step: height };
                let x_panels = x.chunks_exact(inputs * LANES);
                let y_panels = y.chunks_exact_mut(outputs * LANES);
                for (panel, (x, y)) in x_panels.zip(y_panels).enumerate() {
                    let start = match (k, start) {
                        (0, Start::Zero) => First::Zero,
                        (0, Start::Bias(bias)) => First::PerRow(from(bias, o)),
                        (0, Start::Values(values)) => {
                            let panel = index * group + panel;
                            First::Rows(from(values, (panel * outputs + o) * LANES))
                        }
                        _ => First::Continue,
                    };
                    let x = from(x, k * LANES);
                    let y = from_mut(y, o * LANES);
                    panel_tiles!(I, height, panel_tile(isa, depth, w, x, start, y));
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn input_gradient<I: Isa>(
    isa: I,
    batch: Batch,
    inputs: usize,
    outputs: usize,
    weights: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let w = Spread { values: weights, row: outputs, step: 1 };
    if batch.width() == LANES {
        panels(isa, inputs, outputs, w, Start::Zero, dy, dx);
    } else {
        row_input_gradient(isa, inputs, outputs, w, dy, dx);
    }
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn weight_gradient<I: Isa>(
    isa: I,
    batch: Batch,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    dy_rows: &[f32],
    dw: &mut [f32],
) {
    let samples = batch.samples();
    let a = if batch.width() == LANES {
        Runs { values: x, row: LANES, step: 1, run: LANES, jump: inputs * LANES }
    } else {
        Runs { values: x, row: 1, step: inputs, run: samples, jump: 0 }
    };
    columns_in_place(isa, inputs, outputs, samples, a, dy_rows, dw);
}

/// What the chains of one tile start from.
#[derive(Clone, Copy)]
enum First<'a> {
    Zero,
    PerRow(&'a [f32]),
    Rows(&'a [f32]),
    Continue,
}

/// `c[panel][row][lane] = start + Σₖ a(row, k)·b[panel][k][lane]`.
#[inline(always)]
fn panels<I: Isa>(
    isa: I,
    rows: usize,
    depth: usize,
    a: Spread<'_>,
    start: Start<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    if rows == 0 {
        return;
    }
    let tiles = rows.div_ceil(I::ROWS);
    let blocks = if tiles == 1 { 1 } else { depth.div_ceil(STEPS).max(1) };
    for (panel, c) in c.chunks_exact_mut(rows * LANES).enumerate() {
        let b = from(b, panel * depth * LANES);
        for (k, depth) in split(depth, blocks) {
            let b = from(b, k * LANES);
            for (m, height) in split(rows, tiles) {
                let start = match (k, start) {
                    (0, Start::Zero) => First::Zero,
                    (0, Start::Bias(bias)) => First::PerRow(from(bias, m)),
                    (0, Start::Values(values)) => {
                        First::Rows(from(values, (panel * rows + m) * LANES))
                    }
                    _ => First::Continue,
                };
                let a = Spread { values: from(a.values, m * a.row + k * a.step), ..a };
                let c = from_mut(c, m * LANES);
                panel_tiles!(I, height, panel_tile(isa, depth, a, b, start, c));
            }
        }
    }
}

/// One tile of rows over the lanes of a panel.
#[inline(always)]
fn panel_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    depth: usize,
    a: Spread<'_>,
    b: &[f32],
    start: First<'_>,
    c: &mut [f32],
) {
    let columns = Tile::<I, M, V>::COLUMNS;
    for lane in (0..LANES).step_by(columns) {
        let mut tile = match start {
            First::Zero => Tile::<I, M, V>::zero(isa),
            First::PerRow(values) => Tile::spread(isa, values),
            First::Rows(values) => Tile::load(isa, from(values, lane), LANES, columns),
            First::Continue => Tile::load(isa, from(c, lane), LANES, columns),
        };
        tile.accumulate(depth, a, Rows { values: from(b, lane), step: LANES });
        tile.store(from_mut(c, lane), LANES, columns);
    }
}

/// A spread operand whose chain runs through panels: `values[row·m + jump·(k / run) + step·(k % run)]`.
#[derive(Clone, Copy)]
struct Runs<'a> {
    values: &'a [f32],
    row: usize,
    step: usize,
    run: usize,
    jump: usize,
}

/// `c[row][column] = start + Σₖ a(row, k)·b[k][column]`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn columns<I: Isa>(
    isa: I,
    rows: usize,
    columns: usize,
    depth: usize,
    a: Runs<'_>,
    b: &[f32],
    start: Start<'_>,
    c: &mut [f32],
) {
    match start {
        Start::Zero => c.fill(0.0),
        Start::Bias(bias) => {
            if columns > 0 {
                c.chunks_exact_mut(columns).for_each(|row| row.copy_from_slice(bias));
            }
        }
        Start::Values(values) => c.copy_from_slice(values),
    }
    columns_in_place(isa, rows, columns, depth, a, b, c);
}

/// `c[row][column] += Σₖ a(row, k)·b[k][column]`, as a continued chain.
#[inline(always)]
fn columns_in_place<I: Isa>(
    isa: I,
    rows: usize,
    columns: usize,
    depth: usize,
    a: Runs<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    let mut k = 0;
    while k < depth {
        let block = STEPS.min(depth - k);
        let b = from(b, k * columns);
        let a = Runs { values: from(a.values, k / a.run * a.jump + k % a.run * a.step), ..a };
        let mut n = 0;
        while n < columns {
            let left = columns - n;
            let vectors = match left.div_ceil(I::WIDTH) {
                1 => 1,
                5.. if rows == 1 || I::ROWS == 1 => 8,
                3.. if rows == 1 || I::ROWS == 1 => 4,
                _ => 2,
            };
            let valid = left.min(vectors * I::WIDTH);
            let tallest = if vectors == 1 && I::ROWS > 1 { 12 } else { I::ROWS };
            for (m, height) in split(rows, rows.div_ceil(tallest)) {
                let a = Runs { values: from(a.values, m * a.row), ..a };
                let b = Rows { values: from(b, n), step: columns };
                let c = from_mut(c, m * columns + n);
                column_tiles!(I, height, vectors, column_tile(isa, block, a, b, valid, c));
            }
            n += valid;
        }
        k += block;
    }
}

/// One tile of rows over a strip of `valid` columns.
#[inline(always)]
fn column_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    depth: usize,
    a: Runs<'_>,
    b: Rows<'_>,
    valid: usize,
    c: &mut [f32],
) {
    let mut tile = Tile::<I, M, V>::load(isa, c, b.step, valid);
    let mut k = 0;
    while k < depth {
        let run = a.run.min(depth - k);
        let spread =
            Spread { values: from(a.values, k / a.run * a.jump), row: a.row, step: a.step };
        let b = Rows { values: from(b.values, k * b.step), ..b };
        if valid == Tile::<I, M, V>::COLUMNS {
            tile.accumulate(run, spread, b);
        } else {
            tile.accumulate_ragged(run, spread, b);
        }
        k += run;
    }
    tile.store(c, b.step, valid);
}

/// `dx[sample][input] = Σₒ dy[sample][output]·w(input, output)` with samples in rows: a vector holds
/// as many samples, taken from a transposed copy of dy.
#[inline(always)]
fn row_input_gradient<I: Isa>(
    isa: I,
    inputs: usize,
    outputs: usize,
    w: Spread<'_>,
    dy: &[f32],
    dx: &mut [f32],
) {
    if inputs == 0 {
        return;
    }
    dx.fill(0.0);
    let mut scratch = isa.scratch();
    let scratch = scratch.as_mut();
    let steps = scratch.len() / I::WIDTH;
    let tallest = if I::ROWS > 1 { 12 } else { 1 };
    for (group, dx) in dx.chunks_mut(inputs * I::WIDTH).enumerate() {
        let dy = from(dy, group * I::WIDTH * outputs);
        let mut k = 0;
        while k < outputs {
            let depth = steps.min(outputs - k);
            for (sample, row) in dy.chunks_exact(outputs).take(dx.len() / inputs).enumerate() {
                let to = from_mut(scratch, sample).iter_mut().step_by(I::WIDTH);
                for (to, &value) in to.zip(from(row, k)).take(depth) {
                    *to = value;
                }
            }
            for (m, height) in split(inputs, inputs.div_ceil(tallest)) {
                let w = Spread { values: from(w.values, m * w.row + k), ..w };
                let dx = from_mut(dx, m);
                column_tiles!(I, height, 1, row_gradient_tile(isa, depth, w, scratch, inputs, dx));
            }
            k += depth;
        }
    }
}

/// One tile of inputs over as many samples as a vector holds, continued from `dx`.
#[inline(always)]
fn row_gradient_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    depth: usize,
    w: Spread<'_>,
    dy: &[f32],
    inputs: usize,
    dx: &mut [f32],
) {
    let mut tile = Tile::<I, M, V>::gather(isa, |m, n| dx.get(n * inputs + m).copied());
    tile.accumulate(depth, w, Rows { values: dy, step: I::WIDTH });
    tile.visit(|m, sums| {
        for (to, &sum) in from_mut(dx, m).iter_mut().step_by(inputs).zip(sums) {
            *to = sum;
        }
    });
}
