//! The features, made of the moments and the probes.

use super::build::Neurons;
use super::covariance::inverse_covariance;
use super::features::{Norm, Normal, normal_of, put, rmsn};
use crate::kernel::{LANES, copy};
use crate::model::ForwardError;
use crate::num;
use crate::rng::Rng;

/// Normalisation of the features of a column that every set has, in their order.
pub(super) const COLUMN_NORMS: [Norm; 7] =
    [Norm::Std1, Norm::Std1, Norm::Std1, Norm::Std1, Norm::Rmsn, Norm::Rmsn, Norm::Rmsn];

/// The same of a row.
pub(super) const ROW_NORMS: [Norm; 13] = [
    Norm::Std1,
    Norm::Std1,
    Norm::Std1,
    Norm::Std1,
    Norm::Rmsn,
    Norm::Rmsn,
    Norm::Rmsn,
    Norm::Rmsn,
    Norm::Rmsn,
    Norm::Rmsn,
    Norm::Std1,
    Norm::Rmsn,
    Norm::None,
];

impl Neurons<'_> {
    /// Feature `feature` of column `index` before it is normalised.
    fn column_value(&self, feature: usize, index: usize) -> f32 {
        let of = |values: &[f32]| values.get(index).copied().unwrap_or(0.0);
        let outputs = self.outputs;
        let weights =
            || self.weights.get(index * outputs..(index + 1) * outputs).unwrap_or_default();
        match feature {
            0 => of(self.x.forget),
            1 => of(self.x.retain),
            2 => of(self.x.deviation),
            3 => num::norm(weights()),
            4 => num::mean(weights()),
            5 => self.x.contrast_of(index),
            _ => {
                let flows = self.sensitivity.iter().enumerate();
                let flows = flows.map(|(row, &gp)| gp * self.share(row));
                weights().iter().zip(flows).map(|(&weight, flow)| weight * flow).sum()
            }
        }
    }

    /// Feature `feature` of row `row` before it is normalised.
    fn row_value(&self, feature: usize, row: usize) -> f32 {
        let of = |values: &[f32]| values.get(row).copied().unwrap_or(0.0);
        let column = || self.weights.iter().skip(row).step_by(self.outputs.max(1));
        let class = usize::from(self.request.class);
        match feature {
            0 => of(self.h.forget),
            1 => of(self.h.retain),
            2 => of(self.h.deviation),
            3 => {
                let square = |&weight: &f32| f64::from(weight) * f64::from(weight);
                libm::sqrt(column().map(square).sum::<f64>()) as f32
            }
            4 => {
                let sum: f64 = column().map(|&weight| f64::from(weight)).sum();
                (sum / self.inputs.max(1) as f64) as f32
            }
            5 => self.h.contrast_of(row),
            6 => of(self.p.forget) - of(self.p.retain),
            7 => self.effect(row, class) - self.mean_other(row),
            8 => of(self.sensitivity),
            9 => self.effect(row, class),
            10 => {
                let mean = self.mean_other(row);
                let square = |k| (self.effect(row, k) - mean) * (self.effect(row, k) - mean);
                num::sqrt(self.others().map(square).sum::<f32>() / self.other_count())
            }
            11 => {
                let rise = |(&forget, &retain): (&f32, &f32)| num::relu(forget - retain);
                let rises = self.x.forget.iter().zip(&*self.x.retain).map(rise);
                column().zip(rises).fold(0.0, |sum, (&weight, rise)| sum + weight * rise)
            }
            _ => of(self.active.forget) - of(self.active.retain),
        }
    }

    /// The effective next layer: how output `row` moves logit `k`.
    fn effect(&self, row: usize, k: usize) -> f32 {
        self.effective.get(row * self.classes + k).copied().unwrap_or(0.0)
    }

    /// The classes that are neither forgotten now nor were before.
    fn others(&self) -> impl Iterator<Item = usize> {
        let (class, gone) = (usize::from(self.request.class), self.request.gone);
        (0..self.classes)
            .filter(move |&k| k != class && u8::try_from(k).is_ok_and(|k| !gone.contains(k)))
    }

    fn other_count(&self) -> f32 {
        self.others().count().max(1) as f32
    }

    fn mean_other(&self, row: usize) -> f32 {
        self.others().map(|k| self.effect(row, k)).sum::<f32>() / self.other_count()
    }

    /// Numbers that normalise the features, for those who make them when they are asked for; `values` holds one
    /// value per neuron of the larger side.
    #[inline(never)]
    pub(super) fn normalise(&mut self, values: &mut [f32]) {
        for (feature, norm) in COLUMN_NORMS.into_iter().enumerate() {
            let values = values.get_mut(..self.inputs).unwrap_or_default();
            for (index, value) in values.iter_mut().enumerate() {
                *value = self.column_value(feature, index);
            }
            self.set_normal(feature, norm.measure(values));
        }
        for (feature, norm) in ROW_NORMS.into_iter().enumerate() {
            let values = values.get_mut(..self.outputs).unwrap_or_default();
            for (row, value) in values.iter_mut().enumerate() {
                *value = self.row_value(feature, row);
            }
            self.set_normal(COLUMN_NORMS.len() + feature, norm.measure(values));
        }
    }

    fn set_normal(&mut self, at: usize, normal: Normal) {
        if let Some(to) = self.normals.as_chunks_mut().0.get_mut(at) {
            *to = normal;
        }
    }

    /// Features of the columns from panel `index` on, as many panels as `panels` holds, made anew.
    pub(super) fn make_columns(&self, index: usize, panels: &mut [f32]) {
        self.make(0, COLUMN_NORMS.len(), self.inputs, index, panels);
    }

    /// The same of the rows.
    pub(super) fn make_rows(&self, index: usize, panels: &mut [f32]) {
        self.make(COLUMN_NORMS.len(), ROW_NORMS.len(), self.outputs, index, panels);
    }

    fn make(&self, first: usize, count: usize, neurons: usize, index: usize, panels: &mut [f32]) {
        let (normals, _) = self.normals.as_chunks();
        let normals = normals.get(first..first + count).unwrap_or_default();
        for (panel, to) in panels.chunks_exact_mut(count * LANES).enumerate() {
            for (feature, (lanes, normal)) in to.chunks_exact_mut(LANES).zip(normals).enumerate() {
                for (lane, value) in lanes.iter_mut().enumerate() {
                    let neuron = (index + panel) * LANES + lane;
                    *value = match neuron < neurons {
                        true if first == 0 => {
                            normal_of(self.column_value(feature, neuron), *normal)
                        }
                        true => normal_of(self.row_value(feature, neuron), *normal),
                        false => 0.0,
                    };
                }
            }
        }
    }

    pub(super) fn of_columns(&mut self, one: &mut [f32]) -> Result<(), ForwardError> {
        let (set, inputs) = (self.request.features, self.inputs);
        let features = set.columns();
        let Some(values) = one.get_mut(..inputs) else { return Ok(()) };
        for (feature, norm) in COLUMN_NORMS.into_iter().enumerate() {
            for (index, to) in values.iter_mut().enumerate() {
                *to = self.column_value(feature, index);
            }
            norm.apply(values);
            put(self.column_features, features, feature, values);
        }
        if let Some(retain) = self.retain.as_ref() {
            copy(values, self.x.forget);
            inverse_covariance(self.kernel, retain, inputs, set.ridge(), self.work, values)?;
            rmsn(values);
            put(self.column_features, features, COLUMN_NORMS.len(), values);
            // `lf` of the rows needs it.
            if let Some(slot) = self.work.get_mut(..inputs) {
                copy(slot, values);
            }
        }
        Ok(())
    }

    pub(super) fn of_rows(&mut self, one: &mut [f32]) {
        let (set, outputs) = (self.request.features, self.outputs);
        let features = set.rows();
        let Some(values) = one.get_mut(..outputs) else { return };
        for (feature, norm) in ROW_NORMS.into_iter().enumerate() {
            for (row, to) in values.iter_mut().enumerate() {
                *to = self.row_value(feature, row);
            }
            norm.apply(values);
            put(self.row_features, features, feature, values);
        }
        if set.responds() {
            // Σ_i W_ji · abs(lda_i) f(x_i), the weights read in stored order.
            let lda = self.work.get(..self.inputs).unwrap_or_default();
            let factors = lda.iter().zip(&*self.x.forget);
            let factors = factors.map(|(&lda, &forget)| num::abs(lda) * forget);
            values.fill(0.0);
            for (weights, factor) in self.weights.chunks_exact(outputs.max(1)).zip(factors) {
                for (to, &weight) in values.iter_mut().zip(weights) {
                    *to += weight * factor;
                }
            }
            rmsn(values);
            put(self.row_features, features, ROW_NORMS.len(), values);
            self.next_layer_products();
        }
    }

    /// OcᵀOc, Oc the effective layer without its mean over the classes that are left.
    fn next_layer_products(&mut self) {
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

impl Neurons<'_> {
    /// Adds constants with this deviation to the features of columns that describe them (`mf` to `z`; not `flow` and
    /// the discriminant, which aim), one constant for each feature: a policy that practises at many levels of them does
    /// not come to lean on those that its own networks happen to have (domain randomisation). For features that are
    /// kept; none after [`sparing`](Self::sparing).
    pub fn jitter(&mut self, deviation: f32, rng: &mut Rng) {
        let set = self.request.features;
        let features = set.columns().max(1);
        for feature in 0..set.descriptive() {
            let by = deviation * rng.normal();
            let panels = self.column_features.chunks_exact_mut(LANES);
            for lanes in panels.skip(feature).step_by(features) {
                lanes.iter_mut().for_each(|value| *value += by);
            }
        }
    }
}
