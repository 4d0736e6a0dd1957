//! How rows respond to the columns' choice, and the step that the network's confidence asks for.

use super::build::Neurons;
use super::features::{RESPONSES, put, rmsn, std1};
use super::solve::solve_ridge;
use super::statistics::deviation;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES, Start};
use crate::model::ForwardError;
use crate::num;
use crate::world::WorldKind;

/// Working memory of a response.
pub(super) const fn need(inputs: usize, outputs: usize, forget: usize, retain: usize) -> usize {
    inputs * outputs
        + Batch::lanes(forget).len(outputs)
        + Batch::lanes(retain).len(outputs)
        + retain * outputs
        + outputs * outputs
        + 6 * outputs
}

/// The ridge of the rows' system, relative to its mean diagonal.
const RIDGE: f32 = 0.1;

/// The step is raised at most by this.
pub(super) const MOST: f32 = 5.0;

/// How much more than its mean and two deviations the margin is to fall in ShiftWorld, where a little
/// more costs nothing: what spreads the margins of single samples after an edit is not in the prediction.
const CERTAINTY: f64 = 1.08;

impl Neurons<'_> {
    /// Writes the features of the rows, in panels of [`LANES`]; those of the response need `v`, the
    /// columns' part of a rank-1 action.
    ///
    /// With `T_j(x) = Σ_i W_ji v_i x_i` (mask) or `Σ_i v_i x_i` (shift) and `a_j(x) = [P_j > 0]`, the response
    /// of row j is: rmsn of the forget mean of aT, rmsn of its contrast, rmsn of −g with `g_j = gp_j · f(aT_j)`,
    /// std1 of √M_jj, and rmsn of `−(M + .1·tr/d·I)⁻¹ g`, where `M = (OcᵀOc) ∘ E_r[(aT)(aT)ᵀ]` and Oc is the
    /// effective layer without its mean over the classes.
    ///
    /// # Errors
    /// [`ForwardError`] for a slice that does not fit.
    pub fn row_features(&mut self, v: &[f32], features: &mut [f32]) -> Result<(), ForwardError> {
        ShapeError::check("row features", self.row_features.len(), features.len())?;
        features.copy_from_slice(self.row_features);
        if !self.request.features.responds() {
            return Ok(());
        }
        let (outputs, count) = (self.outputs, self.request.features.rows());
        let first = count - RESPONSES;
        self.respond(v, &mut |index, values| put(features, count, first + index, values))?;
        debug_assert!(features.len() >= outputs);
        Ok(())
    }

    /// The solution of the rows' system for `v`, `−(M + .1·tr/d·I)⁻¹ g`, normalised by its rms.
    ///
    /// # Errors
    /// [`ForwardError`] for a slice that does not fit, or features that keep no inputs.
    pub fn row_solution(&mut self, v: &[f32], u: &mut [f32]) -> Result<(), ForwardError> {
        ShapeError::check("rows", self.outputs, u.len())?;
        self.respond(v, &mut |index, values| {
            if index == RESPONSES - 1 {
                u.copy_from_slice(values);
            }
        })
    }

    /// Shows the five features of the response, one after the other.
    pub(super) fn respond(
        &mut self,
        v: &[f32],
        show: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), ForwardError> {
        let (inputs, outputs, kernel) = (self.inputs, self.outputs, self.kernel);
        ShapeError::check("columns", inputs, v.len())?;
        let missing = ForwardError::Failed("these features keep nothing to respond with");
        if !self.request.features.responds() {
            return Err(missing);
        }
        let (Some(forget), Some(retain)) = (&self.forget, &self.retain) else {
            return Err(missing);
        };
        let (forget_count, retain_count) = (forget.batch.samples(), retain.batch.samples());
        let expected = need(inputs, outputs, forget_count, retain_count);
        let short = ShapeError { what: "working memory", expected, found: self.work.len() };
        let (weights, work) = self.work.split_at_mut_checked(inputs * outputs).ok_or(short)?;
        let (t_forget, work) = work.split_at_mut_checked(forget.batch.len(outputs)).ok_or(short)?;
        let (t_retain, work) = work.split_at_mut_checked(retain.batch.len(outputs)).ok_or(short)?;
        let (rows, work) = work.split_at_mut_checked(retain_count * outputs).ok_or(short)?;
        let (matrix, work) = work.split_at_mut_checked(outputs * outputs).ok_or(short)?;
        let (mean, work) = work.split_at_mut_checked(outputs).ok_or(short)?;
        let (g, work) = work.split_at_mut_checked(outputs).ok_or(short)?;
        let (spread, work) = work.split_at_mut_checked(outputs).ok_or(short)?;
        let values = work.get_mut(..outputs).ok_or(short)?;
        let each = weights.chunks_exact_mut(outputs.max(1));
        for (index, (to, &v)) in each.zip(v).enumerate() {
            let from = self.weights.get(index * outputs..(index + 1) * outputs).unwrap_or_default();
            match self.request.kind {
                WorldKind::Mask => {
                    for (to, &weight) in to.iter_mut().zip(from) {
                        *to = weight * v;
                    }
                }
                WorldKind::Shift => to.fill(v),
            }
        }
        let gated = |kept: &super::build::Kept<'_>, t: &mut [f32]| -> Result<(), ShapeError> {
            kernel.dense_forward(kept.batch, inputs, outputs, weights, Start::Zero, kept.x, t)?;
            for (t, &gate) in t.iter_mut().zip(&*kept.gates) {
                *t *= gate;
            }
            Ok(())
        };
        gated(forget, t_forget)?;
        gated(retain, t_retain)?;
        // Forget mean; contrast against the retain samples.
        let sums = |batch: Batch, t: &[f32], row: usize| {
            let (mut sum, mut square) = (0.0f32, 0.0f32);
            for index in 0..batch.panels() {
                let at = (index * outputs + row) * LANES;
                let lanes = t.get(at..at + batch.panel(index).samples()).unwrap_or_default();
                for &value in lanes {
                    sum += value;
                    square += value * value;
                }
            }
            let scale = 1.0 / batch.samples().max(1) as f32;
            (sum * scale, square * scale)
        };
        for (row, ((mean, value), spread)) in
            mean.iter_mut().zip(values.iter_mut()).zip(spread.iter_mut()).enumerate()
        {
            *mean = sums(forget.batch, t_forget, row).0;
            let (of_retain, square) = sums(retain.batch, t_retain, row);
            *value = *mean - of_retain;
            *spread = deviation(square, of_retain);
        }
        let floor = 0.1 * num::mean(spread);
        for (value, &spread) in values.iter_mut().zip(&*spread) {
            let scale = spread + floor;
            *value = if scale > 0.0 { *value / scale } else { 0.0 };
        }
        for ((to, &mean), &gp) in g.iter_mut().zip(&*mean).zip(&*self.sensitivity) {
            *to = gp * mean;
        }
        rmsn(mean);
        show(0, mean);
        rmsn(values);
        show(1, values);
        for (to, &g) in values.iter_mut().zip(&*g) {
            *to = -g;
        }
        rmsn(values);
        show(2, values);
        kernel.to_rows(retain.batch, outputs, 1, t_retain, rows)?;
        matrix.fill(0.0);
        kernel.dense_weight_gradient(retain.batch, outputs, outputs, t_retain, rows, matrix)?;
        let scale = 1.0 / retain_count.max(1) as f32;
        for (value, &product) in matrix.iter_mut().zip(&*self.products) {
            *value *= scale * product;
        }
        for (row, to) in values.iter_mut().enumerate() {
            let diagonal = matrix.get(row * outputs + row).copied().unwrap_or(0.0);
            *to = if diagonal > 0.0 { num::sqrt(diagonal) } else { 0.0 };
        }
        std1(values);
        show(3, values);
        for (to, &g) in values.iter_mut().zip(&*g) {
            *to = -g;
        }
        solve_ridge(matrix, RIDGE, values);
        rmsn(values);
        show(4, values);
        Ok(())
    }

    /// The factor m of the step that makes the rank-1 action (u, v) forget: the smallest that is predicted to
    /// lower the forget samples' margin by its mean and two deviations (in ShiftWorld 1.08 times that). At
    /// most 5; 1 where the action is not predicted to lower it. No edit is evaluated.
    ///
    /// The prediction is `−Σ_j gp_j · E[change of H_j]`. Row j is moved by `Δ_j = m·s·u_j (v·f(x))` times the
    /// layer's rms (shift) or by `m·s·u_j Σ_i W_ji v_i f(x_i)` (mask). Without a ReLU H_j changes by Δ_j; with one
    /// by `E[max(0, P + Δ_j)] − E[max(0, P)]`, P taken as normal with its moments over forget samples.
    #[inline(never)]
    pub fn calibration(&self, step: f32, u: &[f32], v: &[f32]) -> f32 {
        let outputs = self.outputs.max(1);
        let mut along = 0.0f64;
        for (&v, &mean) in v.iter().zip(&*self.x.forget) {
            along += f64::from(v) * f64::from(mean);
        }
        along *= f64::from(num::rms(self.weights));
        let [mean, spread] = self.margin();
        let certainty = match self.request.kind {
            WorldKind::Shift => CERTAINTY,
            WorldKind::Mask => 1.0,
        };
        let wanted = certainty * (f64::from(mean) + 2.0 * f64::from(spread));
        // How far a row is moved by a factor of 1.
        let moved = |row: usize| {
            let by = match self.request.kind {
                WorldKind::Shift => along,
                WorldKind::Mask => {
                    let weights = self.weights.iter().skip(row).step_by(outputs.max(1));
                    let mut sum = 0.0f64;
                    for ((&weight, &v), &mean) in weights.zip(v).zip(&*self.x.forget) {
                        sum += f64::from(weight) * f64::from(v) * f64::from(mean);
                    }
                    sum
                }
            };
            f64::from(step) * f64::from(u.get(row).copied().unwrap_or(0.0)) * by
        };
        let of = |values: &[f32], row: usize| f64::from(values.get(row).copied().unwrap_or(0.0));
        let drop = |factor: f64| {
            let mut drop = 0.0f64;
            for (row, &gp) in self.sensitivity.iter().enumerate() {
                let by = factor * moved(row);
                let change = if self.gated {
                    let mean = of(self.p.forget, row);
                    let square = of(self.square, row) - mean * mean;
                    let spread = if square > 0.0 { libm::sqrt(square) } else { 0.0 };
                    rectified(mean + by, spread) - rectified(mean, spread)
                } else {
                    by
                };
                drop -= f64::from(gp) * change;
            }
            drop
        };
        if !(wanted > 0.0 && drop(1e-3) > 0.0) {
            return 1.0;
        }
        let (mut low, mut high) = (0.0f64, f64::from(MOST));
        if drop(high) < wanted {
            return MOST;
        }
        for _ in 0..24 {
            let middle = 0.5 * (low + high);
            if drop(middle) < wanted { low = middle } else { high = middle }
        }
        high as f32
    }

    /// The kernels that it runs on.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }
}

/// E[max(0, X)] for a normal X.
fn rectified(mean: f64, spread: f64) -> f64 {
    if spread <= 0.0 {
        return if mean > 0.0 { mean } else { 0.0 };
    }
    let z = mean / spread;
    let above = 0.5 * (1.0 + libm::erf(z * core::f64::consts::FRAC_1_SQRT_2));
    mean * above + spread * libm::exp(-0.5 * z * z) * FRAC_1_SQRT_TAU
}

/// 1/√(2π).
const FRAC_1_SQRT_TAU: f64 = 0.398_942_280_401_432_7;
