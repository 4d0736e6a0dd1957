//! A picture of an edit.

use crate::nn::Layer;
use crate::num;
use crate::run::record::Heat;

/// Rows and columns of a picture at most, where the whole layer would be larger than their product.
const SIDE: usize = 128;

/// The change of `layer` from `original` to `edited`, rows are outputs: in whole, or where it has more than
/// 16,384 entries as means over blocks. `None` for a layer without weights.
pub(in crate::run) fn heat(layer: &Layer, original: &[f32], edited: &[f32]) -> Option<Heat> {
    let (cols, rows) = layer.kind().matrix()?;
    let (old, new) = (original.get(layer.weight_range())?, edited.get(layer.weight_range())?);
    let (tall, wide) = match rows * cols {
        0 => return None,
        small if small <= SIDE * SIDE => (1, 1),
        _ => (rows.div_ceil(SIDE), cols.div_ceil(SIDE)),
    };
    let (shown_rows, shown_cols) = (rows.div_ceil(tall), cols.div_ceil(wide));
    let mut changes = vec![0.0f64; shown_rows * shown_cols];
    let mut counts = vec![0.0f64; shown_rows * shown_cols];
    for (index, (new, old)) in new.iter().zip(old).enumerate() {
        // Weights lie inputs × outputs.
        let (row, col) = (index % rows, index / rows);
        let block = row / tall * shown_cols + col / wide;
        changes[block] += f64::from(*new) - f64::from(*old);
        counts[block] += 1.0;
    }
    changes.iter_mut().zip(&counts).for_each(|(change, count)| *change /= count);
    let largest = changes.iter().fold(0.0, |most: f64, change| most.max(change.abs()));
    let unit = f64::from(num::rms(old));
    let scale = if unit > 0.0 { largest / unit } else { 0.0 };
    let step = |change: &f64| if largest > 0.0 { (change / largest * 127.0).round() } else { 0.0 };
    Some(Heat {
        rows: shown_rows,
        cols: shown_cols,
        scale: scale as f32,
        values: changes.iter().map(|change| step(change) as i8).collect(),
    })
}
