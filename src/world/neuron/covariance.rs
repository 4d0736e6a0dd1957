//! The inverse of the inputs' second moments, in the space of inputs or of samples.

use super::build::Kept;
use super::solve::solve_ridge;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, Start};
use crate::model::ForwardError;

/// Working memory of [`inverse_covariance`].
pub(super) const fn inverse_need(inputs: usize, kept: usize) -> usize {
    let small = if inputs < kept { inputs } else { kept };
    // The matrix, its panel form, inputs row by row and transposed, two vectors.
    Batch::lanes(kept).len(small) + small * small + 2 * kept * inputs + kept + inputs
}

/// `b ← (E[x xᵀ] + ρ·tr/d·I)⁻¹ b` over the kept samples, up to a positive factor.
pub(super) fn inverse_covariance(
    kernel: Kernel,
    kept: &Kept<'_>,
    inputs: usize,
    ridge: f32,
    work: &mut [f32],
    b: &mut [f32],
) -> Result<(), ForwardError> {
    let count = kept.batch.samples();
    let short = ShapeError {
        what: "working memory",
        expected: inverse_need(inputs, count),
        found: work.len(),
    };
    let (rows, work) = work.split_at_mut_checked(count * inputs).ok_or(short)?;
    kernel.to_rows(kept.batch, inputs, 1, kept.x, rows)?;
    if inputs <= count {
        let matrix = work.get_mut(..inputs * inputs).ok_or(short)?;
        matrix.fill(0.0);
        kernel.dense_weight_gradient(kept.batch, inputs, inputs, kept.x, rows, matrix)?;
        solve_ridge(matrix, ridge, b);
        return Ok(());
    }
    // In sample space (Woodbury): (ρ·t/d·I + XᵀX)⁻¹ b ∝ b − Xᵀ (ρ·t/d·I + XXᵀ)⁻¹ X b, t the trace.
    let (across, work) = work.split_at_mut_checked(count * inputs).ok_or(short)?;
    let (panels, work) = work.split_at_mut_checked(kept.batch.len(count)).ok_or(short)?;
    let (matrix, work) = work.split_at_mut_checked(count * count).ok_or(short)?;
    let response = work.get_mut(..count).ok_or(short)?;
    for (sample, row) in rows.chunks_exact(inputs.max(1)).enumerate() {
        for (to, &value) in across.iter_mut().skip(sample).step_by(count.max(1)).zip(row) {
            *to = value;
        }
    }
    kernel.dense_forward(kept.batch, inputs, count, across, Start::Zero, kept.x, panels)?;
    kernel.to_rows(kept.batch, count, 1, panels, matrix)?;
    for (to, row) in response.iter_mut().zip(rows.chunks_exact(inputs.max(1))) {
        let mut sum = 0.0f64;
        for (&x, &b) in row.iter().zip(&*b) {
            sum += f64::from(x) * f64::from(b);
        }
        *to = sum as f32;
    }
    // The solver's ridge is relative to the trace over its own size.
    let relative = ridge * count as f32 / inputs as f32;
    solve_ridge(matrix, relative, response);
    for (row, &factor) in rows.chunks_exact(inputs.max(1)).zip(&*response) {
        for (to, &x) in b.iter_mut().zip(row) {
            *to -= factor * x;
        }
    }
    Ok(())
}
