//! Dense layers with outputs in the lanes: samples are spread, weights or gradients are vectors.
//!
//! The forward product of samples in rows and every gradient by the weights are the same product.
//! One form is left over, the gradient of rows by their input.

// Loops over constants are counted, so that they unroll and what they fill stays in registers.
#![allow(clippy::needless_range_loop)]

use core::mem::MaybeUninit;

use super::isa::Isa;
use super::layout::transpose;
use super::shape::LANES;
use super::tile::{Rows, STEPS, Spread, Tile, column_tiles, from, from_mut, zeroed};

/// Most steps for which the weight gradient walks along the rows of its result.
const FEW: usize = 8;

/// A spread operand whose chain runs through panels: `values[row·m + jump·(k / run) + step·(k % run)]`.
#[derive(Clone, Copy)]
pub(super) struct Runs<'a> {
    /// From the first row and step on.
    pub(super) values: &'a [f32],
    /// Distance from one row to the next.
    pub(super) row: usize,
    /// Distance from one step of the chain to the next, within a run.
    pub(super) step: usize,
    /// Steps of a run.
    pub(super) run: usize,
    /// Distance from one run to the next.
    pub(super) jump: usize,
}

/// `c[row][column] += Σₖ a(row, k)·b[k][column]`, as a continued chain.
#[inline(always)]
pub(super) fn columns<I: Isa>(
    isa: I,
    rows: usize,
    columns: usize,
    depth: usize,
    a: Runs<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    if c.is_empty() {
        return;
    }
    let a = Runs { run: a.run.max(1), ..a };
    // Many tiles share a strip of B: packed, its rows do not compete for the same lines.
    let pack = I::CACHED && I::ROWS > 1 && rows >= 4 * I::ROWS && columns >= 96 && depth >= 16;
    let mut scratch = if pack { Some(isa.scratch()) } else { None };
    let mut k = 0;
    if I::CACHED && a.step != 1 && rows > I::ROWS {
        // The weight gradient of a few samples: C is walked through line by line.
        while depth - k >= 4 && depth <= FEW {
            k += outer_product::<I, 4>(isa, columns, k, a, b, c);
        }
        while k < depth && depth <= FEW {
            k += outer_product::<I, 1>(isa, columns, k, a, b, c);
        }
    }
    while k < depth {
        let block = STEPS.min(depth - k);
        let b = from(b, k * columns);
        let a = Runs { values: from(a.values, k / a.run * a.jump + k % a.run * a.step), ..a };
        let mut n = 0;
        while n < columns {
            let left = columns - n;
            let vectors = match left.div_ceil(I::WIDTH) {
                1 => 1,
                // Tiles are one vector wide, or four of a single row.
                4.. if I::SMALL && rows == 1 => 4,
                _ if I::SMALL => 1,
                5.. if rows == 1 || I::ROWS == 1 => 8,
                3.. if rows == 1 || I::ROWS == 1 => 4,
                _ => 2,
            };
            let valid = left.min(vectors * I::WIDTH);
            let mut b = Rows { values: from(b, n), step: columns, panel: LANES };
            if let Some(scratch) = &mut scratch {
                let values = pack_columns(isa, block, b, vectors, valid, scratch.as_mut());
                b = Rows { values, step: vectors * I::WIDTH, panel: LANES };
            }
            let mut m = 0;
            while m < rows {
                let height = height::<I>(rows - m, vectors);
                let a = Runs { values: from(a.values, m * a.row), ..a };
                let size = [block, columns, valid];
                let c = from_mut(c, m * columns + n);
                column_tiles!(I, height, vectors, column_tile(isa, size, a, b, c));
                m += height;
            }
            n += valid;
        }
        k += block;
    }
}

/// `c[row][column] += Σ a(row, k)·b[k][column]` over `D` steps from `k`, whole rows of C at a time.
/// Returns `D`.
#[inline(always)]
fn outer_product<I: Isa, const D: usize>(
    isa: I,
    columns: usize,
    k: usize,
    a: Runs<'_>,
    b: &[f32],
    c: &mut [f32],
) -> usize {
    let whole = columns / I::WIDTH * I::WIDTH;
    let b = from(b, k * columns);
    if b.len() < D * columns {
        return D;
    }
    for (m, c) in c.chunks_exact_mut(columns.max(1)).enumerate() {
        let values = from(a.values, m * a.row + k * a.step);
        let mut factors = [isa.splat(0.0); D];
        for d in 0..D {
            factors[d] = isa.splat(values.get(d * a.step).copied().unwrap_or(0.0));
        }
        for n in (0..whole).step_by(I::WIDTH) {
            // SAFETY: n + WIDTH ≤ columns, the length of `c`; `b` has D rows of as many.
            unsafe {
                let mut sum = isa.load(c.as_ptr().add(n));
                for d in 0..D {
                    sum = isa.fma(factors[d], isa.load(b.as_ptr().add(d * columns + n)), sum);
                }
                isa.store(c.as_mut_ptr().add(n), sum);
            }
        }
        if whole < columns {
            let c = from_mut(c, whole);
            let mut tile = Tile::<I, 1, 1>::load(isa, c, 0, columns - whole);
            let a = Spread { values, row: 0, step: a.step };
            tile.accumulate_ragged(
                D,
                a,
                Rows { values: from(b, whole), step: columns, panel: LANES },
            );
            tile.store(c, 0, columns - whole);
        }
    }
    D
}

/// The tallest tile of `vectors` vectors for `rows` rows.
#[inline(always)]
pub(super) fn height<I: Isa>(rows: usize, vectors: usize) -> usize {
    match rows {
        _ if I::ROWS == 1 => 1,
        0..4 if I::SMALL => 1,
        12.. if I::ROWS >= 12 || I::ROWS >= 6 && vectors == 1 => 12,
        8.. if I::ROWS >= 12 || I::ROWS >= 6 && vectors == 1 => 8,
        6.. if I::ROWS >= 6 => 6,
        4.. => 4,
        rows => rows,
    }
}

/// Copies a strip of `vectors` vectors, of which `valid` columns are there, so that its rows lie side
/// by side; spare columns become 0.
#[inline(always)]
fn pack_columns<'a, I: Isa>(
    isa: I,
    depth: usize,
    b: Rows<'_>,
    vectors: usize,
    valid: usize,
    to: &'a mut [MaybeUninit<f32>],
) -> &'a [f32] {
    let width = vectors * I::WIDTH;
    let mut rows = 0;
    for (k, to) in to.chunks_exact_mut(width).enumerate().take(depth) {
        let row = from(b.values, k * b.step);
        if valid == width && row.len() >= width {
            for at in (0..width).step_by(I::WIDTH) {
                // SAFETY: `row` and `to` have `width` values, and at + WIDTH is at most that.
                unsafe {
                    let vector = isa.load(row.as_ptr().add(at));
                    isa.store(to.as_mut_ptr().cast::<f32>().add(at), vector);
                }
            }
        } else {
            to.fill(MaybeUninit::new(0.0));
            for (to, &value) in to.iter_mut().zip(row).take(valid) {
                to.write(value);
            }
        }
        rows = k + 1;
    }
    // SAFETY: all values of the first `rows` rows, which exist, have just been written.
    unsafe { core::slice::from_raw_parts(to.as_ptr().cast(), rows * width) }
}

/// One tile of rows over a strip of columns; `size` is the depth, the columns of C, and those of the
/// strip.
#[inline(always)]
fn column_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    [depth, columns, valid]: [usize; 3],
    a: Runs<'_>,
    b: Rows<'_>,
    c: &mut [f32],
) {
    let mut tile = Tile::<I, M, V>::load(isa, c, columns, valid);
    let (mut k, mut at) = (0, 0);
    while k < depth {
        let run = a.run.min(depth - k);
        let spread = Spread { values: from(a.values, at), row: a.row, step: a.step };
        let b = Rows { values: from(b.values, k * b.step), ..b };
        tile.accumulate_ragged(run, spread, b);
        k += run;
        at += a.jump;
    }
    tile.store(c, columns, valid);
}

/// `dx[sample][input] = Σₒ dy[sample][output]·w[input][output]` with samples in rows: a vector holds
/// as many samples, taken from a transposed copy of dy.
#[inline(always)]
pub(super) fn row_input_gradient<I: Isa>(
    isa: I,
    inputs: usize,
    outputs: usize,
    weights: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    if dx.is_empty() {
        return;
    }
    dx.fill(0.0);
    let inputs = inputs.max(1);
    let mut scratch = isa.scratch();
    let scratch = zeroed(scratch.as_mut(), outputs.saturating_mul(I::WIDTH));
    let steps = (scratch.len() / I::WIDTH).max(1);
    for (group, dx) in dx.chunks_mut((inputs * I::WIDTH).max(1)).enumerate() {
        let dy = from(dy, group * I::WIDTH * outputs);
        let mut k = 0;
        while k < outputs {
            let depth = steps.min(outputs - k);
            let samples = dx.len() / inputs;
            transpose(isa, [samples, depth], (from(dy, k), outputs), (scratch, I::WIDTH));
            let mut m = 0;
            while m < inputs {
                let height = height::<I>(inputs - m, 1);
                let w = Spread { values: from(weights, m * outputs + k), row: outputs, step: 1 };
                let dx = from_mut(dx, m);
                column_tiles!(I, height, 1, row_gradient_tile(isa, depth, w, scratch, inputs, dx));
                m += height;
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
    tile.accumulate(depth, w, Rows { values: dy, step: I::WIDTH, panel: LANES });
    tile.visit(|m, sums| {
        for (to, &sum) in from_mut(dx, m).iter_mut().step_by(inputs.max(1)).zip(sums) {
            *to = sum;
        }
    });
}
