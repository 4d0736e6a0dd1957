//! Images of another size: area means downwards, bilinear upwards.

use super::error::{DataError, Problem};
use super::idx::{MAX_BYTES, MAX_SIDE};

/// Checks the size of a result before anything is allocated.
pub(super) fn check(name: &str, count: usize, rows: usize, cols: usize) -> Result<(), DataError> {
    for (what, side) in [("rows", rows), ("columns", cols)] {
        let found = u32::try_from(side).unwrap_or(u32::MAX);
        if !(1..=MAX_SIDE).contains(&found) {
            return Err(DataError::new(
                name,
                Problem::NewSide { what, found: side, limit: MAX_SIDE },
            ));
        }
    }
    let found = count as u128 * rows as u128 * cols as u128;
    if found > u128::from(MAX_BYTES) {
        return Err(DataError::new(name, Problem::TooLarge { found, limit: MAX_BYTES }));
    }
    Ok(())
}

/// What one new pixel takes of the old ones along an axis: weights of a stretch from `first` on.
struct Taps {
    first: usize,
    weights: Vec<u64>,
}

/// The taps of each of `new` pixels over `old`, and what each one's weights sum to.
fn taps(old: usize, new: usize) -> (Vec<Taps>, u64) {
    if new <= old {
        // In units of 1/new of an old pixel: the new one covers [t·old, (t + 1)·old).
        let cover = |t: usize| {
            let (from, to) = (t * old, (t + 1) * old);
            let first = from / new;
            let weight = |s: usize| (to.min((s + 1) * new) - from.max(s * new)) as u64;
            Taps { first, weights: (first..to.div_ceil(new)).map(weight).collect() }
        };
        ((0..new).map(cover).collect(), old as u64)
    } else {
        // In units of 1/(2·new) of an old pixel: the new centre lies `at` past the first old
        // centre, outer half pixels clamped.
        let between = |t: usize| {
            let last = 2 * new * (old - 1);
            let at = ((2 * t + 1) * old).saturating_sub(new).min(last);
            let (first, part) = (at / (2 * new), at % (2 * new));
            let weights = [2 * new - part, part].map(|weight| weight as u64);
            // On the last centre there is no second pixel, and its weight is 0.
            let taken = if part == 0 { &weights[..1] } else { &weights[..] };
            Taps { first, weights: taken.to_vec() }
        };
        ((0..new).map(between).collect(), 2 * new as u64)
    }
}

/// `pixels` holds whole images of `old` rows and columns, each side at least 1; returns them with
/// `new` rows and columns.
pub(super) fn resample(pixels: &[u8], old: [usize; 2], new: [usize; 2]) -> Vec<u8> {
    if old == new {
        return pixels.to_vec();
    }
    let [(down, row_sum), (across, col_sum)] = [0, 1].map(|axis| taps(old[axis], new[axis]));
    let whole = row_sum * col_sum;
    let [old_rows, old_cols] = old;
    let mut out = Vec::with_capacity(pixels.len() / (old_rows * old_cols).max(1) * new[0] * new[1]);
    // Row by row into sums along the columns' axis, then across.
    let mut sums = vec![0u64; old_cols];
    for image in pixels.chunks_exact((old_rows * old_cols).max(1)) {
        for row in &down {
            sums.fill(0);
            let lines = image.chunks_exact(old_cols).skip(row.first);
            for (line, &weight) in lines.zip(&row.weights) {
                for (sum, &pixel) in sums.iter_mut().zip(line) {
                    *sum += weight * u64::from(pixel);
                }
            }
            for col in &across {
                let taken = sums.iter().skip(col.first).zip(&col.weights);
                let sum: u64 = taken.map(|(sum, weight)| sum * weight).sum();
                // A mean of bytes is a byte.
                out.push(((2 * sum + whole) / (2 * whole)) as u8);
            }
        }
    }
    out
}
