//! Directions in closed form, from the same samples that the features come from.

use super::build::{Kept, Neurons};
use super::covariance::{inverse_covariance, inverse_need};
use super::solve::solve_ridge;
use crate::error::ShapeError;
use crate::kernel::{Batch, LANES};
use crate::model::ForwardError;
use crate::world::WorldKind;

/// Ridge of the discriminant, relative to the mean diagonal.
const DISCRIMINANT: f32 = 0.03;

/// Ridge of the activation-aware form.
const ACTIVATION: f32 = 0.1;

/// Beyond so many inputs MaskWorld's activation-aware form keeps the diagonal of its matrix only.
const WIDEST: usize = 1_024;

/// Working memory of the directions.
pub(super) fn need(inputs: usize, outputs: usize, forget: usize, retain: usize) -> usize {
    let batch = Batch::lanes(forget.max(retain));
    inverse_need(inputs, retain)
        + batch.len(inputs)
        + 2 * batch.len(outputs)
        + batch.len(1)
        + if inputs <= WIDEST { inputs * inputs } else { inputs }
        + retain * inputs
}

const MISSING: ForwardError = ForwardError::Failed("these features keep no inputs");

impl Neurons<'_> {
    /// The direction of linear discriminant analysis in the layer's inputs, `(E_r[x xᵀ] + .03·tr/d·I)⁻¹ f(x)`
    /// up to a positive factor.
    ///
    /// # Errors
    /// [`ForwardError`] for features that keep no inputs.
    pub fn discriminant(&mut self, v: &mut [f32]) -> Result<(), ForwardError> {
        ShapeError::check("columns", self.inputs, v.len())?;
        v.copy_from_slice(self.x.forget);
        let retain = self.retain.as_ref().ok_or(MISSING)?;
        inverse_covariance(self.kernel, retain, self.inputs, DISCRIMINANT, self.work, v)
    }

    /// For each column the sign in which more of it pushes the forget class when the rows change by −gp:
    /// of `Σ_j gp_j² P(H_j > 0 on forget) W_ji`. 1 where that is 0.
    pub fn column_signs(&self, signs: &mut [f32]) {
        let rows = self.weights.chunks_exact(self.outputs.max(1));
        for (to, weights) in signs.iter_mut().zip(rows) {
            let mut sum = 0.0;
            for (row, (&weight, &gp)) in weights.iter().zip(&*self.sensitivity).enumerate() {
                sum += gp * gp * self.share(row) * weight;
            }
            *to = if sum < 0.0 { -1.0 } else { 1.0 };
        }
    }

    /// The columns that answer best to the rows `u` when the pattern of active rows stays as it is, up to a
    /// positive factor: `v = −(M + .1·tr/d·I)⁻¹ g`. ShiftWorld: `g = f(x Σ_j gp_j a_j u_j)` and
    /// `M = E_r[w x xᵀ]` with `w(x) = |Oc (a∘u)|²`. MaskWorld: `g_i = f(x_i Σ_j gp_j a_j u_j W_ji)` and
    /// `M = Σ_k E_r[(x∘B_k)(x∘B_k)ᵀ]` with `B_ki = Σ_j Oc_kj a_j u_j W_ji`; only M's diagonal beyond 1,024
    /// inputs.
    ///
    /// # Errors
    /// [`ForwardError`] for features that keep no inputs or a slice that does not fit.
    pub fn activation_columns(&mut self, u: &[f32], v: &mut [f32]) -> Result<(), ForwardError> {
        ShapeError::check("rows", self.outputs, u.len())?;
        ShapeError::check("columns", self.inputs, v.len())?;
        let (inputs, outputs, classes) = (self.inputs, self.outputs, self.classes);
        let (kernel, kind, gone) = (self.kernel, self.request.kind, self.request.gone);
        let (Some(forget), Some(retain)) = (&self.forget, &self.retain) else {
            return Err(MISSING);
        };
        let expected = need(inputs, outputs, forget.batch.samples(), retain.batch.samples());
        let short = ShapeError { what: "working memory", expected, found: self.work.len() };
        let largest = Batch::lanes(forget.batch.samples().max(retain.batch.samples()));
        let (y, work) = self.work.split_at_mut_checked(largest.len(inputs)).ok_or(short)?;
        let (rows, work) = work.split_at_mut_checked(largest.len(outputs)).ok_or(short)?;
        // How strongly each row would push: c_j a_j(x) u_j, in panels.
        let weigh = |kept: &Kept<'_>, factor: &dyn Fn(usize) -> f32, to: &mut [f32]| {
            let panels =
                kept.gates.chunks_exact(outputs * LANES).zip(to.chunks_exact_mut(outputs * LANES));
            for (gates, to) in panels {
                let lanes = gates.chunks_exact(LANES).zip(to.chunks_exact_mut(LANES));
                for (row, (gates, to)) in lanes.enumerate() {
                    let factor = factor(row) * u.get(row).copied().unwrap_or(0.0);
                    for (to, &gate) in to.iter_mut().zip(gates) {
                        *to = factor * gate;
                    }
                }
            }
        };
        // g.
        let own = rows.get_mut(..forget.batch.len(outputs)).ok_or(short)?;
        weigh(forget, &|row| self.sensitivity.get(row).copied().unwrap_or(0.0), own);
        let pushed = y.get_mut(..forget.batch.len(inputs)).ok_or(short)?;
        match kind {
            WorldKind::Mask => kernel.dense_input_gradient(
                forget.batch,
                inputs,
                outputs,
                self.weights,
                own,
                pushed,
            )?,
            WorldKind::Shift => spread(own, outputs, pushed, inputs, &|sum, row| sum + row),
        }
        for (column, to) in v.iter_mut().enumerate() {
            let mut sum = 0.0f32;
            for sample in 0..forget.batch.samples() {
                let at = forget.batch.at(inputs, sample, column);
                sum += pushed.get(at).copied().unwrap_or(0.0)
                    * forget.x.get(at).copied().unwrap_or(0.0);
            }
            *to = -sum / forget.batch.samples().max(1) as f32;
        }
        // M.
        let left = |k: &usize| u8::try_from(*k).is_ok_and(|k| !gone.contains(k));
        let count = (0..classes).filter(left).count().max(1) as f32;
        let centred = |row: usize, k: usize| {
            let weights =
                self.effective.get(row * classes..(row + 1) * classes).unwrap_or_default();
            let of = |k: usize| weights.get(k).copied().unwrap_or(0.0);
            of(k) - (0..classes).filter(left).map(of).sum::<f32>() / count
        };
        let own = rows.get_mut(..retain.batch.len(outputs)).ok_or(short)?;
        let y = y.get_mut(..retain.batch.len(inputs)).ok_or(short)?;
        if kind == WorldKind::Shift {
            let (weight, work) = work.split_at_mut_checked(retain.batch.len(1)).ok_or(short)?;
            weight.fill(0.0);
            for k in (0..classes).filter(left) {
                weigh(retain, &|row| centred(row, k), own);
                let panels = own.chunks_exact(outputs * LANES).zip(weight.chunks_exact_mut(LANES));
                for (panel, weight) in panels {
                    let mut sums = [0.0f32; LANES];
                    for lanes in panel.chunks_exact(LANES) {
                        sums.iter_mut().zip(lanes).for_each(|(sum, &lane)| *sum += lane);
                    }
                    weight.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum * sum);
                }
            }
            let panels =
                retain.x.chunks_exact(inputs * LANES).zip(y.chunks_exact_mut(inputs * LANES));
            for ((x, y), weight) in panels.zip(weight.chunks_exact(LANES)) {
                for (x, y) in x.chunks_exact(LANES).zip(y.chunks_exact_mut(LANES)) {
                    for ((y, &x), &weight) in y.iter_mut().zip(x).zip(weight) {
                        *y = crate::num::sqrt(weight) * x;
                    }
                }
            }
            let scaled = Kept { batch: retain.batch, x: y, gates: &mut [], labels: &mut [] };
            return inverse_covariance(kernel, &scaled, inputs, ACTIVATION, work, v);
        }
        let whole = inputs <= WIDEST;
        let size = if whole { inputs * inputs } else { inputs };
        let (matrix, work) = work.split_at_mut_checked(size).ok_or(short)?;
        let row_major = work.get_mut(..retain.batch.samples() * inputs).ok_or(short)?;
        matrix.fill(0.0);
        for k in (0..classes).filter(left) {
            weigh(retain, &|row| centred(row, k), own);
            kernel.dense_input_gradient(retain.batch, inputs, outputs, self.weights, own, y)?;
            y.iter_mut().zip(&*retain.x).for_each(|(y, &x)| *y *= x);
            kernel.to_rows(retain.batch, inputs, 1, y, row_major)?;
            if whole {
                kernel.dense_weight_gradient(retain.batch, inputs, inputs, y, row_major, matrix)?;
            } else {
                for row in row_major.chunks_exact(inputs) {
                    matrix.iter_mut().zip(row).for_each(|(to, &value)| *to += value * value);
                }
            }
        }
        if whole {
            solve_ridge(matrix, ACTIVATION, v);
        } else {
            let floor = ACTIVATION * crate::num::mean(matrix);
            for (to, &diagonal) in v.iter_mut().zip(&*matrix) {
                let below = diagonal + floor;
                *to = if below > 0.0 { *to / below } else { 0.0 };
            }
        }
        Ok(())
    }
}

/// Writes the same value to all columns of a sample: what `join` makes of its rows, in rising order.
fn spread(
    rows: &[f32],
    outputs: usize,
    columns: &mut [f32],
    inputs: usize,
    join: &dyn Fn(f32, f32) -> f32,
) {
    let panels = rows.chunks_exact(outputs * LANES).zip(columns.chunks_exact_mut(inputs * LANES));
    for (rows, columns) in panels {
        let mut sums = [0.0f32; LANES];
        for lanes in rows.chunks_exact(LANES) {
            sums.iter_mut().zip(lanes).for_each(|(sum, &lane)| *sum = join(*sum, lane));
        }
        columns.chunks_exact_mut(LANES).for_each(|lanes| lanes.copy_from_slice(&sums));
    }
}
