//! Moving values between panels and rows, and sums over rows.

use super::Batch;
use super::isa::Isa;
use super::shape::LANES;
use super::tile::{from, from_mut};

/// Values that are moved together, so that both sides of a transposition stay in the L1 cache.
const BLOCK: usize = 16;

#[inline(always)]
pub(super) fn to_rows<I: Isa>(
    _: I,
    batch: Batch,
    channels: usize,
    positions: usize,
    panels: &[f32],
    rows: &mut [f32],
) {
    if rows.is_empty() {
        return;
    }
    let features = channels * positions;
    let width = batch.width();
    for (panel, rows) in
        panels.chunks_exact(features * width).zip(rows.chunks_mut(features * width))
    {
        for position in 0..positions {
            for first in (0..channels).step_by(BLOCK) {
                let block = BLOCK.min(channels - first);
                for (lane, row) in rows.chunks_exact_mut(features).enumerate() {
                    let to = from_mut(row, position * channels + first);
                    let values = from(panel, (first * positions + position) * width + lane);
                    let values = values.iter().step_by(positions * width);
                    for (to, &value) in to.iter_mut().zip(values).take(block) {
                        *to = value;
                    }
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn to_panels<I: Isa>(
    _: I,
    batch: Batch,
    features: usize,
    rows: &[f32],
    panels: &mut [f32],
) {
    if panels.is_empty() {
        return;
    }
    let width = batch.width();
    for (panel, rows) in
        panels.chunks_exact_mut(features * width).zip(rows.chunks(features * width))
    {
        if rows.len() < panel.len() {
            panel.fill(0.0);
        }
        for first in (0..features).step_by(BLOCK) {
            let block = BLOCK.min(features - first);
            for (lane, row) in rows.chunks_exact(features).enumerate() {
                let to = from_mut(panel, first * width + lane).iter_mut().step_by(width);
                for (to, &value) in to.zip(from(row, first)).take(block) {
                    *to = value;
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn bias_gradient<I: Isa>(_: I, outputs: usize, dy_rows: &[f32], db: &mut [f32]) {
    let mut first = 0;
    while first < db.len() {
        let db = from_mut(db, first);
        let dy = from(dy_rows, first);
        first += match db.len() {
            LANES.. => add_rows::<LANES>(outputs, dy, db),
            8.. => add_rows::<8>(outputs, dy, db),
            _ => add_rows::<1>(outputs, dy, db),
        };
    }
}

/// Adds the first `N` values of all rows; returns `N`.
#[inline(always)]
fn add_rows<const N: usize>(outputs: usize, dy_rows: &[f32], db: &mut [f32]) -> usize {
    if let Some(db) = db.first_chunk_mut::<N>() {
        let mut sums = *db;
        for row in dy_rows.chunks(outputs) {
            if let Some(row) = row.first_chunk::<N>() {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
        *db = sums;
    }
    N
}
