//! Dense layers: forward, gradient by the input, gradient by the weights.
//!
//! All are the same tile with other operands. With samples in the lanes, weights are spread and
//! samples are vectors ([`panels`]); with samples in rows, and for weight gradients, samples are
//! spread and outputs are vectors ([`columns`]). One form is left over, the input gradient of rows
//! ([`row_input_gradient`]).

// Loops over constants are counted, so that they unroll and what they fill stays in registers.
#![allow(clippy::needless_range_loop)]

use core::mem::MaybeUninit;

use super::Start;
use super::isa::Isa;
use super::layout::transpose;
use super::shape::LANES;
use super::tile::{Rows, Spread, Tile, column_tiles, from, from_mut, panel_tiles, split, zeroed};

/// Steps of the chains between two visits of the result: what a tile reads stays in the L1 cache.
const STEPS: usize = 128;
/// Rows of A that are packed together: a few tiles share what lies in the L1 cache of B.
const STRIP: usize = 24;
/// Panels that share a packed strip; a block of their samples stays in the L2 cache.
const GROUP: usize = 16;

/// Most steps for which the weight gradient walks along the rows of its result.
const FEW: usize = 8;

/// `c[panel][row][lane] = start + Σₖ a(row, k)·b[panel][k][lane]`.
///
/// With one tile of rows, it walks over all panels and whole chains. Otherwise chains are cut into
/// blocks, so that a block of B serves all rows from the L1 cache, and long rows of weights are
/// packed into strips first, so that neither lines nor sets of that cache are wasted.
#[inline(always)]
pub(super) fn panels<I: Isa>(
    isa: I,
    rows: usize,
    depth: usize,
    a: Spread<'_>,
    start: Start<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    // Of a result with values, every size is bounded by the length of some slice.
    if c.is_empty() {
        return;
    }
    let panels = c.len() / (rows * LANES);
    let tiles = rows.div_ceil(I::ROWS);
    if tiles == 1 {
        one_tile(isa, panels, rows, depth, a, start, b, c);
        return;
    }
    let pack = I::ROWS > 1
        && a.row == 1
        && a.step > 16
        && panels > 1
        && rows * depth > if panels < 16 { 4096 } else { 2048 };
    let mut scratch = if pack { Some(isa.scratch()) } else { None };
    let (group, strips) = if pack { (GROUP, rows.div_ceil(STRIP)) } else { (1, 1) };
    let blocks = depth.div_ceil(STEPS).max(1);
    for first in (0..panels).step_by(group) {
        for (k, block) in split(depth, blocks) {
            for (m, strip) in split(rows, strips) {
                let mut a = Spread { values: from(a.values, m * a.row + k * a.step), ..a };
                if let Some(scratch) = &mut scratch {
                    let values = pack_strip(block, a, scratch.as_mut());
                    a = Spread { values, row: 1, step: STRIP };
                }
                for panel in first..panels.min(first + group) {
                    let b = from(b, (panel * depth + k) * LANES);
                    for (row, height) in split(strip, strip.div_ceil(I::ROWS)) {
                        let at = (panel * rows + m + row) * LANES;
                        let start =
                            if k == 0 { First::new(start, m + row, at) } else { First::Continue };
                        let a = Spread { values: from(a.values, row * a.row), ..a };
                        let size = [1, block, 0, 0];
                        panel_tiles!(
                            I,
                            height,
                            panel_tile(isa, size, a, b, start, from_mut(c, at))
                        );
                    }
                }
            }
        }
    }
}

/// Copies `STRIP` neighbouring rows of A, so that the steps of the chain lie side by side. What lies
/// beyond the last row is copied too, and not used.
#[inline(always)]
fn pack_strip<'a>(depth: usize, a: Spread<'_>, to: &'a mut [MaybeUninit<f32>]) -> &'a [f32] {
    let (to, _) = to.as_chunks_mut::<STRIP>();
    let depth = depth.min(to.len());
    for (k, to) in to.iter_mut().enumerate().take(depth) {
        let values = from(a.values, k * a.step);
        match values.first_chunk::<STRIP>() {
            // SAFETY: `to` has room for STRIP values, and any may be written to it.
            Some(values) => unsafe {
                to.as_mut_ptr().cast::<[f32; STRIP]>().write_unaligned(*values)
            },
            None => {
                *to = [MaybeUninit::new(0.0); STRIP];
                for (to, &value) in to.iter_mut().zip(values) {
                    to.write(value);
                }
            }
        }
    }
    // SAFETY: every value of the first `depth` chunks, which exist, has just been written.
    unsafe { core::slice::from_raw_parts(to.as_ptr().cast(), depth * STRIP) }
}

/// [`panels`] where one tile holds all rows.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn one_tile<I: Isa>(
    isa: I,
    panels: usize,
    rows: usize,
    depth: usize,
    a: Spread<'_>,
    start: Start<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    let (b_panel, c_panel) = (depth * LANES, rows * LANES);
    // A single row has too few chains to keep the multipliers busy: eight vectors of several panels.
    let together = 8 * I::WIDTH / LANES;
    let wide = if rows == 1 && together > 1 { panels / together * together } else { 0 };
    for panel in (0..wide).step_by(together.max(1)) {
        let start = First::new(start, 0, panel * c_panel);
        let (b, c) = (from(b, panel * b_panel), from_mut(c, panel * c_panel));
        several_panels::<I, 8>(isa, depth, a, b, start, c);
    }
    if wide < panels {
        let start = First::new(start, 0, wide * c_panel);
        let (b, c) = (from(b, wide * b_panel), from_mut(c, wide * c_panel));
        let size = [panels - wide, depth, b_panel, c_panel];
        panel_tiles!(I, rows, panel_tile(isa, size, a, b, start, c));
    }
}

/// What the chains of one tile start from.
#[derive(Clone, Copy)]
enum First<'a> {
    Zero,
    PerRow(&'a [f32]),
    Rows(&'a [f32]),
    Continue,
}

impl<'a> First<'a> {
    /// The start of row `row`, whose values begin at `at`.
    #[inline(always)]
    fn new(start: Start<'a>, row: usize, at: usize) -> Self {
        match start {
            Start::Zero => Self::Zero,
            Start::Bias(bias) => Self::PerRow(from(bias, row)),
            Start::Values(values) => Self::Rows(from(values, at)),
        }
    }
}

/// One tile of rows over the lanes of every panel; `size` is the number of panels, the depth, and
/// the distances between panels of B and of C.
#[inline(always)]
fn panel_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    [panels, depth, b_panel, c_panel]: [usize; 4],
    a: Spread<'_>,
    b: &[f32],
    start: First<'_>,
    c: &mut [f32],
) {
    let columns = Tile::<I, M, V>::COLUMNS;
    for panel in 0..panels {
        for lane in (0..LANES).step_by(columns) {
            let at = panel * c_panel + lane;
            let mut tile = match start {
                First::Zero => Tile::<I, M, V>::zero(isa),
                First::PerRow(values) => Tile::spread(isa, values),
                First::Rows(values) => Tile::load(isa, from(values, at), LANES, LANES),
                First::Continue => Tile::load(isa, from(c, at), LANES, LANES),
            };
            let b = from(b, panel * b_panel + lane);
            tile.accumulate(depth, a, Rows { values: b, step: LANES, panel: LANES });
            tile.store(from_mut(c, at), LANES, LANES);
        }
    }
}

/// One row over the lanes of as many panels as `V` vectors span.
#[inline(always)]
fn several_panels<I: Isa, const V: usize>(
    isa: I,
    depth: usize,
    a: Spread<'_>,
    b: &[f32],
    start: First<'_>,
    c: &mut [f32],
) {
    let columns = Tile::<I, 1, V>::COLUMNS;
    let mut tile = match start {
        First::Zero => Tile::<I, 1, V>::zero(isa),
        First::PerRow(values) => Tile::spread(isa, values),
        First::Rows(values) => Tile::load(isa, values, 0, columns),
        First::Continue => Tile::load(isa, c, 0, columns),
    };
    tile.accumulate(depth, a, Rows { values: b, step: LANES, panel: depth * LANES });
    tile.store(c, 0, columns);
}

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
    // Many tiles share a strip of B: packed, its rows do not compete for the same lines.
    let pack = I::ROWS > 1 && rows >= 4 * I::ROWS && columns >= 96 && depth >= 16;
    let mut scratch = if pack { Some(isa.scratch()) } else { None };
    let mut k = 0;
    if a.step != 1 && rows > I::ROWS {
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
    for (m, c) in c.chunks_exact_mut(columns).enumerate() {
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
        12.. if vectors == 1 || I::ROWS >= 12 => 12,
        8.. if vectors == 1 || I::ROWS >= 12 => 8,
        6.. => 6,
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
    let mut scratch = isa.scratch();
    let scratch = zeroed(scratch.as_mut(), outputs.saturating_mul(I::WIDTH));
    let steps = (scratch.len() / I::WIDTH).max(1);
    for (group, dx) in dx.chunks_mut(inputs * I::WIDTH).enumerate() {
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
        for (to, &sum) in from_mut(dx, m).iter_mut().step_by(inputs).zip(sums) {
            *to = sum;
        }
    });
}
