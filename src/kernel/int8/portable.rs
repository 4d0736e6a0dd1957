//! Plain Rust, which every other form is compared with.

use super::DenseI8;

/// Writes `finish(row, sum)` for every sample and row.
#[inline(always)]
pub(super) fn dense<T>(
    layer: &DenseI8<'_>,
    x: &[i8],
    y: &mut [T],
    finish: impl Fn(usize, i32) -> T,
) {
    let inputs = layer.inputs;
    for (sample, y) in y.chunks_exact_mut(layer.outputs.max(1)).enumerate() {
        let x = x.get(sample * inputs..(sample + 1) * inputs).unwrap_or_default();
        for (row, (y, &bias)) in y.iter_mut().zip(layer.bias).enumerate() {
            let weights = layer.weights.get(row * inputs..(row + 1) * inputs).unwrap_or_default();
            *y = finish(row, bias.wrapping_add(dot(x, weights, layer.zero)));
        }
    }
}

/// `Σₖ (x[k] − zero) · w[k]` modulo 2³².
#[inline(always)]
fn dot(x: &[i8], w: &[i8], zero: i8) -> i32 {
    let zero = i32::from(zero);
    let products = x.iter().zip(w).map(|(&x, &w)| (i32::from(x) - zero) * i32::from(w));
    products.fold(0, i32::wrapping_add)
}
