//! Products over a few steps that continue values: bound by reading and writing, so the few rows wait
//! in registers while every value is read, continued and written once.

// Loops over V are counted, so that they unroll and a tile stays in registers.
#![allow(clippy::needless_range_loop)]

use super::isa::Isa;
use super::panels::panels;
use super::shape::LANES;
use super::tile::{Spread, Tile, from, from_mut};
use super::{LowRank, Start, element};

/// `y = before + (x·V)·U`, then ReLU where `relu` says so, samples in the lanes. `thin` is working
/// memory for x·V.
#[inline(always)]
pub(super) fn low_rank<I: Isa>(
    isa: I,
    change: LowRank<'_>,
    relu: bool,
    before: &[f32],
    x: &[f32],
    thin: &mut [f32],
    y: &mut [f32],
) {
    if y.is_empty() {
        return;
    }
    let LowRank { inputs, rank, outputs, v, u } = change;
    panels(isa, rank, inputs, Spread { values: v, row: 1, step: rank }, Start::Zero, x, thin);
    let thin = &*thin;
    match (LANES / I::WIDTH, rank) {
        (4, 1) => second::<I, 1, 4>(isa, outputs, u, relu, before, thin, y),
        (4, 2) => second::<I, 2, 4>(isa, outputs, u, relu, before, thin, y),
        (4, 3) => second::<I, 3, 2>(isa, outputs, u, relu, before, thin, y),
        (4, 4) => second::<I, 4, 2>(isa, outputs, u, relu, before, thin, y),
        (2, 1) => second::<I, 1, 2>(isa, outputs, u, relu, before, thin, y),
        (2, 2) => second::<I, 2, 2>(isa, outputs, u, relu, before, thin, y),
        (2, 3) => second::<I, 3, 2>(isa, outputs, u, relu, before, thin, y),
        (2, 4) => second::<I, 4, 2>(isa, outputs, u, relu, before, thin, y),
        (8, 1) if I::ROWS >= 6 => second::<I, 1, 8>(isa, outputs, u, relu, before, thin, y),
        (8, 2) if I::ROWS >= 6 => second::<I, 2, 8>(isa, outputs, u, relu, before, thin, y),
        (8, 3) if I::ROWS >= 6 => second::<I, 3, 4>(isa, outputs, u, relu, before, thin, y),
        (8, 4) if I::ROWS >= 6 => second::<I, 4, 4>(isa, outputs, u, relu, before, thin, y),
        _ => {
            let u = Spread { values: u, row: 1, step: outputs };
            panels(isa, outputs, rank, u, Start::Values(before), thin, y);
            if relu {
                element::relu(isa, y);
            }
        }
    }
}

/// The second product for rank `R`, `V` vectors of samples at a time.
#[inline(always)]
fn second<I: Isa, const R: usize, const V: usize>(
    isa: I,
    outputs: usize,
    u: &[f32],
    relu: bool,
    before: &[f32],
    thin: &[f32],
    y: &mut [f32],
) {
    let columns = Tile::<I, R, V>::COLUMNS;
    for (panel, thin) in thin.chunks_exact(R * LANES).enumerate() {
        for lane in (0..LANES).step_by(columns) {
            let tile = Tile::<I, R, V>::load(isa, from(thin, lane), LANES, columns);
            let at = panel * outputs * LANES + lane;
            let (before, y) = (from(before, at), from_mut(y, at));
            let a = Spread { values: u, row: 1, step: outputs };
            if relu {
                spread_out::<I, R, V, true>(&tile, outputs, LANES, a, before, y);
            } else {
                spread_out::<I, R, V, false>(&tile, outputs, LANES, a, before, y);
            }
        }
    }
}

/// `y = before + x·W` in rows, for few inputs. False, and nothing done, for sizes that `columns` does
/// better.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn update_rows<I: Isa>(
    isa: I,
    samples: usize,
    inputs: usize,
    outputs: usize,
    weights: &[f32],
    before: &[f32],
    x: &[f32],
    y: &mut [f32],
) -> bool {
    if samples < 8 || I::ROWS == 1 || outputs == 0 || !outputs.is_multiple_of(2 * I::WIDTH) {
        return false;
    }
    match (LANES / I::WIDTH, inputs) {
        (2 | 4 | 8, 1) => update::<I, 1>(isa, samples, outputs, weights, before, x, y),
        (2 | 4 | 8, 2) => update::<I, 2>(isa, samples, outputs, weights, before, x, y),
        (2 | 4 | 8, 3) => update::<I, 3>(isa, samples, outputs, weights, before, x, y),
        (2 | 4 | 8, 4) => update::<I, 4>(isa, samples, outputs, weights, before, x, y),
        _ => return false,
    }
    true
}

/// [`update_rows`] for `R` inputs, two vectors of outputs at a time.
#[inline(always)]
fn update<I: Isa, const R: usize>(
    isa: I,
    samples: usize,
    outputs: usize,
    weights: &[f32],
    before: &[f32],
    x: &[f32],
    y: &mut [f32],
) {
    let columns = Tile::<I, R, 2>::COLUMNS;
    for column in (0..outputs).step_by(columns) {
        let tile = Tile::<I, R, 2>::load(isa, from(weights, column), outputs, columns);
        let (before, y) = (from(before, column), from_mut(y, column));
        let a = Spread { values: x, row: R, step: 1 };
        spread_out::<I, R, 2, false>(&tile, samples, outputs, a, before, y);
    }
}

/// `y[j] = before[j] + Σ_q a(j, q)·row q of the tile`, q rising, for `rows` rows that are `row` apart.
#[inline(always)]
fn spread_out<I: Isa, const R: usize, const V: usize, const RELU: bool>(
    tile: &Tile<I, R, V>,
    rows: usize,
    row: usize,
    a: Spread<'_>,
    before: &[f32],
    y: &mut [f32],
) {
    if rows == 0 {
        return;
    }
    let end = (rows - 1) * row + Tile::<I, R, V>::COLUMNS;
    let fits = (rows - 1) * a.row + (R - 1) * a.step < a.values.len()
        && end <= before.len()
        && end <= y.len();
    debug_assert!(fits, "a tile reads beyond its operands");
    if !fits {
        return;
    }
    let isa = tile.isa;
    let (factors, before, y) = (a.values.as_ptr(), before.as_ptr(), y.as_mut_ptr());
    for j in 0..rows {
        let mut sums = [isa.splat(0.0); V];
        for v in 0..V {
            // SAFETY: ends at `end` at most, inside `before`.
            sums[v] = unsafe { isa.load(before.add(j * row + v * I::WIDTH)) };
        }
        for q in 0..R {
            // SAFETY: the last row's last step lies inside A, as `fits` says.
            let factor = isa.splat(unsafe { *factors.add(j * a.row + q * a.step) });
            for v in 0..V {
                sums[v] = isa.fma(factor, tile.sums[q][v], sums[v]);
            }
        }
        for v in 0..V {
            let sum = if RELU { isa.relu(sums[v]) } else { sums[v] };
            // SAFETY: ends at `end` at most, inside `y`.
            unsafe { isa.store(y.add(j * row + v * I::WIDTH), sum) };
        }
    }
}
