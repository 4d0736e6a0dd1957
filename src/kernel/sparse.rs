//! Products of sparse rows: every sample walks through its own few inputs, outputs in the lanes.

// Loops over V are counted, so that they unroll and the sums stay in registers.
#![allow(clippy::needless_range_loop)]

use super::isa::{Isa, Operand};
use super::shape::LANES;
use super::tile::from;
use super::{Bag, Start};

/// `y = start + x·W` with y in panels, every output one chain over the inputs that occur.
#[inline(always)]
pub(super) fn forward<I: Isa>(
    isa: I,
    bag: Bag<'_>,
    outputs: usize,
    weights: &[f32],
    start: Start<'_>,
    y: &mut [f32],
) {
    let mut column = 0;
    while column < outputs {
        let left = outputs - column;
        let vectors = match left.div_ceil(I::WIDTH) {
            8.. => 8,
            4.. => 4,
            2.. => 2,
            _ => 1,
        };
        match vectors {
            8 => strip::<I, 8>(isa, bag, outputs, column, weights, start, y),
            4 => strip::<I, 4>(isa, bag, outputs, column, weights, start, y),
            2 => strip::<I, 2>(isa, bag, outputs, column, weights, start, y),
            _ => strip::<I, 1>(isa, bag, outputs, column, weights, start, y),
        }
        column += left.min(vectors * I::WIDTH);
    }
}

/// The widest vector of any instruction set here.
const WIDEST: usize = 16;

/// `V` vectors of outputs from `column` on.
#[inline(always)]
fn strip<I: Isa, const V: usize>(
    isa: I,
    bag: Bag<'_>,
    outputs: usize,
    column: usize,
    weights: &[f32],
    start: Start<'_>,
    y: &mut [f32],
) {
    const { assert!(I::WIDTH <= WIDEST && V <= 8) };
    let valid = (outputs - column).min(V * I::WIDTH);
    let mut sums = [0.0f32; 8 * WIDEST];
    for sample in 0..bag.samples() {
        let at = |output: usize| ((sample / LANES) * outputs + output) * LANES + sample % LANES;
        match start {
            Start::Zero => sums.fill(0.0),
            Start::Bias(bias) => {
                for (to, &value) in sums.iter_mut().zip(from(bias, column)).take(valid) {
                    *to = value;
                }
            }
            Start::Values(values) => {
                for (output, to) in sums.iter_mut().enumerate().take(valid) {
                    *to = values.get(at(column + output)).copied().unwrap_or(0.0);
                }
            }
        }
        let (columns, values) = bag.row(sample);
        chains::<I, V>(isa, columns, values, outputs, column, weights, &mut sums);
        for (output, &sum) in sums.iter().enumerate().take(valid) {
            if let Some(to) = y.get_mut(at(column + output)) {
                *to = sum;
            }
        }
    }
}

/// Continues `V` vectors of sums over the inputs of one sample.
#[inline(always)]
fn chains<I: Isa, const V: usize>(
    isa: I,
    columns: &[u32],
    values: &[f32],
    outputs: usize,
    column: usize,
    weights: &[f32],
    sums: &mut [f32; 8 * WIDEST],
) {
    let mut tile = [[isa.splat(0.0); V]];
    let vectors = |v| v * I::WIDTH;
    for v in 0..V {
        // SAFETY: V ≤ 8 vectors of at most WIDEST values lie inside `sums`.
        tile[0][v] = unsafe { isa.load(sums.as_ptr().add(vectors(v))) };
    }
    for (&input, &value) in columns.iter().zip(values) {
        let first = input as usize * outputs + column;
        let factor = Operand { at: &value, step: 0, offset: |_| 0 };
        let row = from(weights, first);
        if row.len() >= V * I::WIDTH {
            let weights = Operand { at: row.as_ptr(), step: 0, offset: vectors };
            // SAFETY: `row` holds V vectors. Where the strip is ragged its last lanes read the next
            // input's weights; nothing keeps what comes of them.
            unsafe { isa.chains(&mut tile, 1, factor, weights) };
        } else {
            let mut padded = [0.0f32; 8 * WIDEST];
            for (to, &weight) in padded.iter_mut().zip(row) {
                *to = weight;
            }
            let weights = Operand { at: padded.as_ptr(), step: 0, offset: vectors };
            // SAFETY: as for `sums`.
            unsafe { isa.chains(&mut tile, 1, factor, weights) };
        }
    }
    for v in 0..V {
        // SAFETY: as for the load above.
        unsafe { isa.store(sums.as_mut_ptr().add(vectors(v)), tile[0][v]) };
    }
}
