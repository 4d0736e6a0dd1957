//! A dense layer changed by a matrix of low rank: samples in the lanes.

// Loops over V are counted, so that they unroll and a tile stays in registers.
#![allow(clippy::needless_range_loop)]

use super::isa::Isa;
use super::panels::panels;
use super::shape::LANES;
use super::tile::{Spread, Tile, from, from_mut};
use super::{LowRank, Start, element};

/// `y = before + (x·V)·U`, then ReLU where `relu` says so. `thin` is working memory for x·V.
///
/// U's part is bound by reading and writing, so x·V of half a panel waits in registers while every
/// output is read, continued, rectified and written once.
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
            if relu {
                spread_out::<I, R, V, true>(&tile, outputs, u, before, y);
            } else {
                spread_out::<I, R, V, false>(&tile, outputs, u, before, y);
            }
        }
    }
}

/// `y[j] = before[j] + Σ_q u[q][j]·row q` for `outputs` rows that are `LANES` apart, q rising.
#[inline(always)]
fn spread_out<I: Isa, const R: usize, const V: usize, const RELU: bool>(
    thin: &Tile<I, R, V>,
    outputs: usize,
    u: &[f32],
    before: &[f32],
    y: &mut [f32],
) {
    if outputs == 0 {
        return;
    }
    let end = (outputs - 1) * LANES + Tile::<I, R, V>::COLUMNS;
    let fits = outputs * R <= u.len() && end <= before.len() && end <= y.len();
    debug_assert!(fits, "a tile reads beyond its operands");
    if !fits {
        return;
    }
    let isa = thin.isa;
    let (u, before, y) = (u.as_ptr(), before.as_ptr(), y.as_mut_ptr());
    for j in 0..outputs {
        let mut sums = [isa.splat(0.0); V];
        for v in 0..V {
            // SAFETY: ends at `end` at most, inside `before`.
            sums[v] = unsafe { isa.load(before.add(j * LANES + v * I::WIDTH)) };
        }
        for q in 0..R {
            // SAFETY: q·outputs + j is below R·outputs, inside U.
            let factor = isa.splat(unsafe { *u.add(q * outputs + j) });
            for v in 0..V {
                sums[v] = isa.fma(factor, thin.sums[q][v], sums[v]);
            }
        }
        for v in 0..V {
            let sum = if RELU { isa.relu(sums[v]) } else { sums[v] };
            // SAFETY: ends at `end` at most, inside `y`.
            unsafe { isa.store(y.add(j * LANES + v * I::WIDTH), sum) };
        }
    }
}
