//! Moving values between panels and rows, and sums over rows.

use super::Batch;
use super::isa::Isa;
use super::shape::LANES;
use super::tile::{copy, from, from_mut};

/// `to[to_row·j + i] = values[row·i + j]` for `rows` rows i of `cols` values j.
#[inline(always)]
pub(super) fn transpose<I: Isa>(
    isa: I,
    [rows, cols]: [usize; 2],
    (values, row): (&[f32], usize),
    (to, to_row): (&mut [f32], usize),
) {
    if rows == 0 || cols == 0 {
        return;
    }
    let fits = (rows - 1) * row + cols <= values.len() && (cols - 1) * to_row + rows <= to.len();
    debug_assert!(fits, "a transposition reads or writes beyond its operands");
    if !fits {
        return;
    }
    let (whole_rows, whole_cols) = (rows / 8 * 8, cols / 8 * 8);
    for i in (0..whole_rows).step_by(8) {
        for j in (0..whole_cols).step_by(8) {
            // SAFETY: i + 8 ≤ rows and j + 8 ≤ cols, so the block ends inside both, as tested above.
            unsafe {
                let (from, to) = (values.as_ptr().add(row * i + j), to.as_mut_ptr());
                isa.transpose(from, row, to.add(to_row * j + i), to_row);
            }
        }
    }
    // What is left: the last columns of all rows, the last rows of the other columns.
    for (i, first) in (0..rows).map(|i| (i, if i < whole_rows { whole_cols } else { 0 })) {
        let values = from(values, row * i + first).iter().take(cols - first);
        let to = from_mut(to, to_row * first + i).iter_mut().step_by(to_row.max(1));
        for (to, &value) in to.zip(values) {
            *to = value;
        }
    }
}

#[inline(always)]
pub(super) fn to_rows<I: Isa>(
    isa: I,
    batch: Batch,
    channels: usize,
    positions: usize,
    panels: &[f32],
    rows: &mut [f32],
) {
    if rows.is_empty() {
        return;
    }
    let (width, features) = (batch.width(), (channels * positions).max(1));
    if width == 1 && (positions == 1 || channels == 1) {
        copy(rows, panels);
        return;
    }
    let size = (features * width).max(1);
    for (panel, rows) in panels.chunks_exact(size).zip(rows.chunks_mut(size)) {
        let samples = rows.len() / features;
        for position in 0..positions {
            let values = (from(panel, position * width), positions * width);
            let to = (from_mut(rows, position * channels), features);
            transpose(isa, [channels, samples], values, to);
        }
    }
}

#[inline(always)]
pub(super) fn to_panels<I: Isa>(
    isa: I,
    batch: Batch,
    features: usize,
    rows: &[f32],
    panels: &mut [f32],
) {
    if panels.is_empty() {
        return;
    }
    let (width, features) = (batch.width(), features.max(1));
    if width == 1 {
        copy(panels, rows);
        return;
    }
    let size = (features * width).max(1);
    for (panel, rows) in panels.chunks_exact_mut(size).zip(rows.chunks(size)) {
        if rows.len() < panel.len() {
            panel.fill(0.0);
        }
        transpose(isa, [rows.len() / features, features], (rows, features), (panel, width));
    }
}

#[inline(always)]
pub(super) fn bias_gradient<I: Isa>(_: I, outputs: usize, dy_rows: &[f32], db: &mut [f32]) {
    let mut first = 0;
    while first < db.len() {
        let db = from_mut(db, first);
        let dy = from(dy_rows, first);
        first += match db.len() {
            count if count >= LANES => add_rows::<LANES>(outputs, dy, db),
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
        for row in dy_rows.chunks(outputs.max(1)) {
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
