//! What is done value by value or sample by sample: activations, softmax, argmax, the mask, Adam.
//!
//! All unfused, in plain loops that the compiler vectorises with the instructions of each wrapper.

use super::isa::Isa;
use super::shape::LANES;
use super::{AdamStep, Batch};
use crate::num;

#[inline(always)]
pub(super) fn relu<I: Isa>(isa: I, values: &mut [f32]) {
    // Not left to the compiler: of a choice in place it makes stores under a mask, which some
    // processors do slowly.
    let mut blocks = values.chunks_exact_mut(I::WIDTH);
    for block in &mut blocks {
        let at = block.as_mut_ptr();
        // SAFETY: a block has WIDTH values.
        unsafe { isa.store(at, isa.relu(isa.load(at))) };
    }
    for value in blocks.into_remainder() {
        *value = num::relu(*value);
    }
}

#[inline(always)]
pub(super) fn relu_gradient<I: Isa>(_: I, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *dx = if y > 0.0 { dy } else { 0.0 };
    }
}

#[inline(always)]
pub(super) fn tanh<I: Isa>(_: I, values: &mut [f32]) {
    for value in values {
        *value = num::tanh(*value);
    }
}

#[inline(always)]
pub(super) fn tanh_gradient<I: Isa>(_: I, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *dx = dy * (1.0 - y * y);
    }
}

#[inline(always)]
pub(super) fn exp<I: Isa>(_: I, values: &mut [f32]) {
    for value in values {
        *value = num::exp(*value);
    }
}

#[inline(always)]
pub(super) fn mask<I: Isa>(_: I, w: &[f32], scale: f32, d: &mut [f32]) {
    for (d, &w) in d.iter_mut().zip(w) {
        *d = w * (1.0 + scale * *d);
    }
}

#[inline(always)]
pub(super) fn adam<I: Isa>(
    isa: I,
    step: &AdamStep,
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    parameters: &mut [f32],
) {
    let (keep1, keep2) = (1.0 - step.beta1, 1.0 - step.beta2);
    let (unbias1, unbias2) = (1.0 / step.correction1, 1.0 / step.correction2);
    for (((parameter, m), v), &gradient) in parameters.iter_mut().zip(m).zip(v).zip(gradient) {
        *m = step.beta1 * *m + keep1 * gradient;
        *v = step.beta2 * *v + keep2 * (gradient * gradient);
        let deviation = isa.sqrt(*v * unbias2) + step.epsilon;
        *parameter -= step.rate * ((*m * unbias1) / deviation);
    }
}

#[inline(always)]
pub(super) fn softmax<I: Isa>(_: I, batch: Batch, features: usize, values: &mut [f32]) {
    if values.is_empty() {
        return;
    }
    if batch.width() == LANES {
        let (rows, _) = values.as_chunks_mut::<LANES>();
        rows.chunks_exact_mut(features.max(1)).for_each(softmax_rows);
    } else {
        for values in values.chunks_exact_mut(features.max(1)) {
            let (rows, _) = values.as_chunks_mut::<1>();
            softmax_rows(rows);
        }
    }
}

/// Softmax of `W` samples side by side.
#[inline(always)]
fn softmax_rows<const W: usize>(rows: &mut [[f32; W]]) {
    let mut largest = [f32::NEG_INFINITY; W];
    for row in rows.iter() {
        for (largest, &value) in largest.iter_mut().zip(row) {
            *largest = if value > *largest { value } else { *largest };
        }
    }
    let mut total = [0.0; W];
    for row in rows.iter_mut() {
        for (value, largest) in row.iter_mut().zip(largest) {
            *value = num::exp(*value - largest);
        }
    }
    for row in rows.iter() {
        for (total, &power) in total.iter_mut().zip(row) {
            *total += power;
        }
    }
    for row in rows.iter_mut() {
        for (value, total) in row.iter_mut().zip(total) {
            *value /= total;
        }
    }
}

#[inline(always)]
pub(super) fn argmax<I: Isa>(
    _: I,
    batch: Batch,
    features: usize,
    values: &[f32],
    classes: &mut [u32],
) {
    if values.is_empty() {
        classes.fill(0);
    } else if batch.width() == LANES {
        let (rows, _) = values.as_chunks::<LANES>();
        for (rows, classes) in rows.chunks_exact(features.max(1)).zip(classes.chunks_mut(LANES)) {
            let best = argmax_rows(rows);
            classes.iter_mut().zip(best).for_each(|(class, best)| *class = best);
        }
    } else {
        for (values, class) in values.chunks_exact(features.max(1)).zip(classes) {
            let (rows, _) = values.as_chunks::<1>();
            [*class] = argmax_rows(rows);
        }
    }
}

/// Samples whose running maximum is kept in registers: one vector of the narrowest wide set.
const ARGMAX_LANES: usize = 8;

/// The first of the largest of `W` samples side by side.
#[inline(always)]
fn argmax_rows<const W: usize>(rows: &[[f32; W]]) -> [u32; W] {
    let mut classes = [0; W];
    let (blocks, rest) = classes.as_chunks_mut::<ARGMAX_LANES>();
    let (done, tail) = (blocks.len() * ARGMAX_LANES, rest.len());
    for (index, block) in blocks.iter_mut().enumerate() {
        *block = argmax_block(rows, index * ARGMAX_LANES);
    }
    for (lane, class) in (done..done + tail).zip(rest) {
        [*class] = argmax_block(rows, lane);
    }
    classes
}

/// The first of the largest of the `B` samples from `lane` on.
#[inline(always)]
fn argmax_block<const W: usize, const B: usize>(rows: &[[f32; W]], lane: usize) -> [u32; B] {
    let block = |row: &[f32; W]| -> [f32; B] {
        row.get(lane..).and_then(|row| row.first_chunk()).copied().unwrap_or([0.0; B])
    };
    let mut classes = [0; B];
    let Some((first, rest)) = rows.split_first() else { return classes };
    let mut largest = block(first);
    for (class, row) in (1u32..).zip(rest) {
        let row = block(row);
        for lane in 0..B {
            let above = row[lane] > largest[lane];
            largest[lane] = if above { row[lane] } else { largest[lane] };
            classes[lane] = if above { class } else { classes[lane] };
        }
    }
    classes
}
