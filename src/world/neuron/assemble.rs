//! The features, made of the moments and the probes.

use super::build::Neurons;
use super::covariance::inverse_covariance;
use super::features::{put, rmsn, std1};
use crate::kernel::copy;
use crate::model::ForwardError;
use crate::num;

impl Neurons<'_> {
    pub(super) fn of_columns(
        &mut self,
        one: &mut [f32],
        other: &mut [f32],
    ) -> Result<(), ForwardError> {
        let (set, inputs, outputs) = (self.request.features, self.inputs, self.outputs);
        let features = set.columns();
        let Some(values) = one.get_mut(..inputs) else { return Ok(()) };
        let rows = |index: usize| self.weights.get(index * outputs..(index + 1) * outputs);
        let panels = &mut *self.column_features;
        let mut next = 0;
        let mut keep = |values: &[f32]| {
            put(panels, features, next, values);
            next += 1;
        };
        for moment in [&*self.x.forget, &*self.x.retain, &*self.x.deviation] {
            copy(values, moment);
            std1(values);
            keep(values);
        }
        for (index, to) in values.iter_mut().enumerate() {
            *to = num::norm(rows(index).unwrap_or_default());
        }
        std1(values);
        keep(values);
        for (index, to) in values.iter_mut().enumerate() {
            *to = num::mean(rows(index).unwrap_or_default());
        }
        rmsn(values);
        keep(values);
        self.x.contrast(values);
        rmsn(values);
        keep(values);
        let share = |row: usize| {
            if self.gated { self.active.forget.get(row).copied().unwrap_or(0.0) } else { 1.0 }
        };
        for (row, (to, &gp)) in other.iter_mut().zip(&*self.sensitivity).enumerate() {
            *to = gp * share(row);
        }
        for (index, to) in values.iter_mut().enumerate() {
            let weights = rows(index).unwrap_or_default();
            *to = weights.iter().zip(&*other).map(|(&weight, &flow)| weight * flow).sum();
        }
        rmsn(values);
        keep(values);
        if let Some(retain) = self.retain.as_ref() {
            copy(values, self.x.forget);
            inverse_covariance(self.kernel, retain, inputs, set.ridge(), self.work, values)?;
            rmsn(values);
            keep(values);
            // `lf` of the rows needs it.
            if let Some(slot) = self.work.get_mut(..inputs) {
                copy(slot, values);
            }
        }
        Ok(())
    }

    pub(super) fn of_rows(&mut self, one: &mut [f32], other: &mut [f32]) {
        let (inputs, outputs, classes) = (self.inputs, self.outputs, self.classes);
        let (set, class) = (self.request.features, usize::from(self.request.class));
        let features = set.rows();
        let Some(values) = one.get_mut(..outputs) else { return };
        let panels = &mut *self.row_features;
        let mut next = 0;
        let mut keep = |values: &[f32]| {
            put(panels, features, next, values);
            next += 1;
        };
        for moment in [&*self.h.forget, &*self.h.retain, &*self.h.deviation] {
            copy(values, moment);
            std1(values);
            keep(values);
        }
        let column = |row: usize| self.weights.iter().skip(row).step_by(outputs.max(1));
        for (row, to) in values.iter_mut().enumerate() {
            let mut sum = 0.0f64;
            for &weight in column(row) {
                sum += f64::from(weight) * f64::from(weight);
            }
            *to = libm::sqrt(sum) as f32;
        }
        std1(values);
        keep(values);
        for (row, to) in values.iter_mut().enumerate() {
            let mut sum = 0.0f64;
            for &weight in column(row) {
                sum += f64::from(weight);
            }
            *to = (sum / inputs.max(1) as f64) as f32;
        }
        rmsn(values);
        keep(values);
        self.h.contrast(values);
        rmsn(values);
        keep(values);
        for (to, (&forget, &retain)) in
            values.iter_mut().zip(self.p.forget.iter().zip(&*self.p.retain))
        {
            *to = forget - retain;
        }
        rmsn(values);
        keep(values);
        let gone = self.request.gone;
        let others = |k: &usize| *k != class && u8::try_from(*k).is_ok_and(|k| !gone.contains(k));
        let other_count = (0..classes).filter(others).count().max(1) as f32;
        let weight =
            |row: usize, k: usize| self.effective.get(row * classes + k).copied().unwrap_or(0.0);
        let mean_other = |row: usize| {
            (0..classes).filter(others).map(|k| weight(row, k)).sum::<f32>() / other_count
        };
        for (row, to) in values.iter_mut().enumerate() {
            *to = weight(row, class) - mean_other(row);
        }
        rmsn(values);
        keep(values);
        copy(values, self.sensitivity);
        rmsn(values);
        keep(values);
        for (row, to) in values.iter_mut().enumerate() {
            *to = weight(row, class);
        }
        rmsn(values);
        keep(values);
        for (row, to) in values.iter_mut().enumerate() {
            let mean = mean_other(row);
            let square = |k| (weight(row, k) - mean) * (weight(row, k) - mean);
            *to = num::sqrt((0..classes).filter(others).map(square).sum::<f32>() / other_count);
        }
        std1(values);
        keep(values);
        // Σ_i W_ji · (something of the columns), the weights read in stored order.
        let weighted = |values: &mut [f32], columns: &[f32]| {
            values.fill(0.0);
            for (weights, &factor) in self.weights.chunks_exact(outputs.max(1)).zip(columns) {
                for (to, &weight) in values.iter_mut().zip(weights) {
                    *to += weight * factor;
                }
            }
        };
        let more = other.get_mut(..inputs).unwrap_or_default();
        for (to, (&forget, &retain)) in
            more.iter_mut().zip(self.x.forget.iter().zip(&*self.x.retain))
        {
            *to = num::relu(forget - retain);
        }
        weighted(values, more);
        rmsn(values);
        keep(values);
        let shares = self.active.forget.iter().zip(&*self.active.retain);
        for (to, (&forget, &retain)) in values.iter_mut().zip(shares) {
            *to = forget - retain;
        }
        keep(values);
        if set.responds() {
            let lda = self.work.get(..inputs).unwrap_or_default();
            for (to, (&lda, &forget)) in more.iter_mut().zip(lda.iter().zip(&*self.x.forget)) {
                *to = num::abs(lda) * forget;
            }
            weighted(values, more);
            rmsn(values);
            keep(values);
            self.next_layer_products(other);
        }
    }

    /// OcᵀOc, Oc the effective layer without its mean over the classes that are left.
    fn next_layer_products(&mut self, _: &mut [f32]) {
        let (outputs, classes, gone) = (self.outputs, self.classes, self.request.gone);
        let left = |k: &usize| u8::try_from(*k).is_ok_and(|k| !gone.contains(k));
        let count = (0..classes).filter(left).count().max(1) as f32;
        let row = |index: usize| self.effective.get(index * classes..(index + 1) * classes);
        let mean = |weights: &[f32]| {
            (0..classes).filter(left).map(|k| weights.get(k).copied().unwrap_or(0.0)).sum::<f32>()
                / count
        };
        for (index, to) in self.products.iter_mut().enumerate() {
            let (one, other) = (index / outputs.max(1), index % outputs.max(1));
            let (Some(one), Some(other)) = (row(one), row(other)) else { continue };
            let (mean_one, mean_other) = (mean(one), mean(other));
            let mut sum = 0.0;
            for k in (0..classes).filter(left) {
                let a = one.get(k).copied().unwrap_or(0.0) - mean_one;
                let b = other.get(k).copied().unwrap_or(0.0) - mean_other;
                sum += a * b;
            }
            *to = sum;
        }
    }
}
