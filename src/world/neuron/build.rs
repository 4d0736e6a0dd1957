//! One pass over the samples, the probes of the tail, and the features made of both.

use super::features::{FeatureSet, put, rmsn, std1};
use super::solve::solve_ridge;
use super::statistics::{Moments, Roles, deviation};
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES, Start};
use crate::model::{ForwardError, Samples};
use crate::nn::{Kind, Stack};
use crate::num;
use crate::slab::{Arena, Need};
use crate::task::ClassSet;
use crate::world::WorldKind;

/// Forget samples on which the tail is probed, at most.
pub const PROBES: usize = 64;

/// Forget samples whose inputs are kept for systems of equations and responses, at most.
pub const MAX_FORGET: usize = 200;

/// Retain samples that are kept, at most.
pub const MAX_RETAIN: usize = 600;

const NOT_DENSE: ForwardError =
    ForwardError::Failed("rows and columns can be looked at in a dense layer; this one is not");

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronRequest {
    /// The world that will be acted in.
    pub kind: WorldKind,
    /// The features.
    pub features: FeatureSet,
    /// The class to forget.
    pub class: u8,
    /// Classes that were forgotten earlier: their samples count for nothing and their logits are left
    /// out of every softmax.
    pub gone: ClassSet,
}

/// Inputs of the layer that were kept, forget and retain apart, and where its outputs were active.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) batch: Batch,
    pub(super) x: &'a mut [f32],
    pub(super) gates: &'a mut [f32],
}

/// What forward passes show of the rows and columns of one dense layer, for one forget class.
#[derive(Debug)]
pub struct Neurons<'a> {
    pub(super) kernel: Kernel,
    pub(super) request: NeuronRequest,
    pub(super) weights: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) classes: usize,
    pub(super) x: Moments<'a>,
    pub(super) h: Moments<'a>,
    pub(super) p: Moments<'a>,
    /// Share of forget and of retain samples on which an output is active.
    pub(super) active: Moments<'a>,
    /// O, outputs × classes.
    pub(super) effective: &'a mut [f32],
    /// Mean square of P over forget samples.
    pub(super) square: &'a mut [f32],
    /// gp, not normalised.
    pub(super) sensitivity: &'a mut [f32],
    pub(super) column_features: &'a mut [f32],
    /// Without the response.
    pub(super) row_features: &'a mut [f32],
    pub(super) forget: Option<Kept<'a>>,
    pub(super) retain: Option<Kept<'a>>,
    /// OcᵀOc, outputs × outputs, for responses.
    pub(super) products: &'a mut [f32],
    pub(super) work: &'a mut [f32],
    /// Whether the layer's outputs pass through a ReLU.
    pub(super) gated: bool,
    margin: [f32; 2],
    probe_passes: usize,
    counts: [usize; 2],
}

impl<'a> Neurons<'a> {
    /// Memory for `samples` samples.
    pub fn need(stack: &Stack, layer: usize, samples: usize, request: &NeuronRequest) -> Need {
        let Some((inputs, outputs)) = sizes(stack, layer) else { return Need::default() };
        let (classes, features) = (stack.outputs(), request.features);
        let panel = Batch::lanes(LANES);
        let kept = |most: usize| Batch::lanes(samples.min(most));
        let mut need = Moments::need(inputs)
            + 3 * Moments::need(outputs)
            + outputs * (classes + 2)
            + Batch::lanes(inputs).len(features.columns())
            + Batch::lanes(outputs).len(features.rows());
        if features.keeps() {
            need += kept(MAX_RETAIN).len(inputs + outputs) + kept(MAX_FORGET).len(inputs + outputs);
            need += work(features, inputs, outputs, samples);
        }
        if features.responds() {
            need += outputs * outputs;
        }
        // While building: one panel of everything, the probes, and normalised copies.
        let building = panel.len(inputs + 2 * outputs + 2 * classes)
            + stack.scratch(panel)
            + Batch::lanes(PROBES).len(outputs + classes)
            + 3 * classes
            + outputs
            + 2 * larger(inputs, outputs);
        Need::f32s(need + building)
    }

    /// Streams over `samples` (in panels of [`LANES`]).
    ///
    /// # Errors
    /// [`ForwardError`]: the layer is not dense, a slice does not fit, the arena holds less than
    /// [`need`](Self::need), or the forget class or the retain set has no samples.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        kernel: Kernel,
        stack: &Stack,
        parameters: &'a [f32],
        layer: usize,
        samples: Samples<'_>,
        request: NeuronRequest,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let (inputs, outputs) = sizes(stack, layer).ok_or(NOT_DENSE)?;
        let (classes, features, batch) = (stack.outputs(), request.features, samples.batch);
        ShapeError::check("samples of a panel", LANES, batch.width())?;
        ShapeError::check("input", batch.len(stack.inputs()), samples.inputs.len())?;
        ShapeError::check("labels", batch.samples(), samples.labels.len())?;
        ShapeError::check("parameters", stack.parameters(), parameters.len())?;
        if usize::from(request.class) >= classes {
            return Err(ForwardError::Label { label: request.class, classes });
        }
        let weights = stack.layers().get(layer).map(|layer| layer.weight_range());
        let count = |role: &dyn Fn(u8) -> bool, most: usize| {
            samples.labels.iter().filter(|&&label| role(label)).count().min(most)
        };
        let is_forget = |label: u8| label == request.class;
        let is_retain = |label: u8| label != request.class && !request.gone.contains(label);
        let keep = |count: usize, arena: &mut Arena<'a>| -> Result<_, ForwardError> {
            if !features.keeps() {
                return Ok(None);
            }
            let batch = Batch::lanes(count);
            let (x, gates) = (arena.take(batch.len(inputs))?, arena.take(batch.len(outputs))?);
            Ok(Some(Kept { batch, x, gates }))
        };
        let mut neurons = Self {
            kernel,
            request,
            weights: parameters.get(weights.unwrap_or_default()).unwrap_or_default(),
            inputs,
            outputs,
            classes,
            x: Moments::new(inputs, arena)?,
            h: Moments::new(outputs, arena)?,
            p: Moments::new(outputs, arena)?,
            active: Moments::new(outputs, arena)?,
            effective: arena.take(outputs * classes)?,
            square: arena.take(outputs)?,
            sensitivity: arena.take(outputs)?,
            column_features: arena.take(Batch::lanes(inputs).len(features.columns()))?,
            row_features: arena.take(Batch::lanes(outputs).len(features.rows()))?,
            forget: keep(count(&is_forget, MAX_FORGET), arena)?,
            retain: keep(count(&is_retain, MAX_RETAIN), arena)?,
            products: arena.take(if features.responds() { outputs * outputs } else { 0 })?,
            work: arena.take(if features.keeps() {
                work(features, inputs, outputs, batch.samples())
            } else {
                0
            })?,
            gated: false,
            margin: [0.0; 2],
            probe_passes: 0,
            counts: [0; 2],
        };
        let mut scratch = arena.scratch();
        let mut seen = Pass::new(stack, parameters, layer, kernel, &mut scratch)?;
        neurons.gated = seen.gated;
        neurons.stream(&mut seen, samples)?;
        neurons.probe(&mut seen)?;
        let one = scratch.take(larger(inputs, outputs))?;
        let other = scratch.take(larger(inputs, outputs))?;
        neurons.of_columns(one, other)?;
        neurons.of_rows(one, other);
        Ok(neurons)
    }

    /// Inputs of the layer: columns.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of the layer: rows.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// What was asked for.
    pub fn request(&self) -> &NeuronRequest {
        &self.request
    }

    /// Features of the columns, in panels of [`LANES`].
    pub fn column_features(&self) -> &[f32] {
        self.column_features
    }

    /// Passes of the rest of the network over [`PROBES`] samples that its effective layer cost.
    pub fn probe_passes(&self) -> usize {
        self.probe_passes
    }

    /// Mean and deviation over forget samples of the unedited network's margin, `z_c` minus the
    /// log-sum-exp of the other logits.
    pub fn margin(&self) -> [f32; 2] {
        self.margin
    }

    /// The effective next layer, outputs × classes.
    pub fn effective(&self) -> &[f32] {
        self.effective
    }

    /// gp: how much each row pushes the forget class against the others, not normalised.
    pub fn sensitivity(&self) -> &[f32] {
        self.sensitivity
    }

    /// Mean of the layer's inputs over forget samples.
    pub fn mean_forget(&self) -> &[f32] {
        self.x.forget
    }

    /// Contrast of the layer's inputs between forget and retain samples.
    pub fn contrast(&self, out: &mut [f32]) {
        self.x.contrast(out);
    }

    /// Share of forget samples on which a row acts; 1 where no ReLU follows.
    pub(super) fn share(&self, row: usize) -> f32 {
        if self.gated { self.active.forget.get(row).copied().unwrap_or(0.0) } else { 1.0 }
    }

    fn stream(
        &mut self,
        seen: &mut Pass<'_, '_>,
        samples: Samples<'_>,
    ) -> Result<(), ForwardError> {
        let (class, gone) = (self.request.class, self.request.gone);
        let mut kept = [0usize; 2];
        for index in 0..samples.batch.panels() {
            let part = samples.batch.panel(index);
            let width = seen.stack.inputs() * LANES;
            let input = samples.inputs.get(index * width..(index + 1) * width).unwrap_or_default();
            seen.run(part, input)?;
            let mut roles = Roles { forget: [0.0; LANES], retain: [0.0; LANES] };
            let labels = samples.labels.get(index * LANES..).unwrap_or_default();
            for (lane, &label) in labels.iter().take(part.samples()).enumerate() {
                let (role, keep) = if label == class {
                    (&mut roles.forget, 0)
                } else if gone.contains(label) {
                    continue;
                } else {
                    (&mut roles.retain, 1)
                };
                role[lane] = 1.0;
                self.counts[keep] += 1;
                let into = if keep == 0 { &mut self.forget } else { &mut self.retain };
                if let Some(into) = into.as_mut().filter(|into| kept[keep] < into.batch.samples()) {
                    copy_lane(seen.x, lane, into.x, self.inputs, kept[keep]);
                    for row in 0..self.outputs {
                        let on = seen.p.get(row * LANES + lane).is_some_and(|&p| p > 0.0);
                        let at = into.batch.at(self.outputs, kept[keep], row);
                        if let Some(gate) = into.gates.get_mut(at) {
                            *gate = if on || !self.gated { 1.0 } else { 0.0 };
                        }
                    }
                    kept[keep] += 1;
                }
                if keep == 0 {
                    seen.of_forget(lane, class, &gone);
                }
            }
            self.x.add(&roles, seen.x);
            self.p.add(&roles, seen.p);
            self.h.add(&roles, seen.h);
            // The second moment of H over forget samples sets the size of the probes.
            for (row, h) in seen.h.chunks_exact(LANES).enumerate() {
                if let Some(sum) = seen.forget_square.get_mut(row) {
                    for (&h, &role) in h.iter().zip(&roles.forget) {
                        *sum += role * (h * h);
                    }
                }
            }
            for (sum, p) in self.square.iter_mut().zip(seen.p.chunks_exact(LANES)) {
                for (&p, &role) in p.iter().zip(&roles.forget) {
                    *sum += role * (p * p);
                }
            }
            for value in seen.p.iter_mut() {
                *value = if *value > 0.0 { 1.0 } else { 0.0 };
            }
            self.active.add(&roles, seen.p);
        }
        let [forget, retain] = self.counts;
        if forget == 0 {
            return Err(ForwardError::Failed(
                "the forget class has no samples in the reward split",
            ));
        }
        if retain == 0 {
            return Err(ForwardError::Failed("the retain set has no samples in the reward split"));
        }
        for moments in [&mut self.x, &mut self.p, &mut self.h, &mut self.active] {
            moments.finish(forget, retain);
        }
        let scale = 1.0 / forget as f32;
        let mean = seen.margin[0] * scale;
        self.margin = [mean, deviation(seen.margin[1] * scale, mean)];
        let others: f32 = num::sum(seen.others);
        for share in seen.others.iter_mut() {
            *share = if others > 0.0 { *share / others } else { 0.0 };
        }
        Ok(())
    }

    /// The effective next layer and the sensitivity to the forget class.
    fn probe(&mut self, seen: &mut Pass<'_, '_>) -> Result<(), ForwardError> {
        let (classes, count) = (self.classes, seen.probes);
        let scale = 1.0 / self.counts[0] as f32;
        self.square.iter_mut().for_each(|sum| *sum *= scale);
        let deviation_of = |seen: &Pass<'_, '_>, forget: &[f32], row: usize| {
            let square = seen.forget_square.get(row).copied().unwrap_or(0.0) * scale;
            deviation(square, forget.get(row).copied().unwrap_or(0.0))
        };
        let mut total = 0.0f64;
        for row in 0..self.outputs {
            total += f64::from(deviation_of(seen, self.h.forget, row));
        }
        let floor = (0.2 * total / self.outputs.max(1) as f64) as f32;
        for row in 0..self.outputs {
            let own = deviation_of(seen, self.h.forget, row);
            let delta = 0.5 * if own > floor { own } else { floor };
            let to = self.effective.get_mut(row * classes..(row + 1) * classes).unwrap_or_default();
            if delta > 0.0 {
                seen.bump(row, delta, to)?;
                let divide = 1.0 / (delta * count as f32);
                to.iter_mut().for_each(|value| *value *= divide);
            }
        }
        self.probe_passes = self.outputs + 1;
        let class = usize::from(self.request.class);
        let rows = self.effective.chunks_exact(classes.max(1));
        for (to, weights) in self.sensitivity.iter_mut().zip(rows) {
            let mut sum = weights.get(class).copied().unwrap_or(0.0);
            for (&weight, &share) in weights.iter().zip(&*seen.others) {
                sum -= share * weight;
            }
            *to = sum;
        }
        Ok(())
    }

    fn of_columns(&mut self, one: &mut [f32], other: &mut [f32]) -> Result<(), ForwardError> {
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
            values.copy_from_slice(moment);
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
            values.copy_from_slice(self.x.forget);
            inverse_covariance(self.kernel, retain, inputs, set.ridge(), self.work, values)?;
            rmsn(values);
            keep(values);
            // `lf` of the rows needs it.
            if let Some(slot) = self.work.get_mut(..inputs) {
                slot.copy_from_slice(values);
            }
        }
        Ok(())
    }

    fn of_rows(&mut self, one: &mut [f32], other: &mut [f32]) {
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
            values.copy_from_slice(moment);
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
        values.copy_from_slice(self.sensitivity);
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

/// Working memory of systems of equations and responses.
fn work(features: FeatureSet, inputs: usize, outputs: usize, samples: usize) -> usize {
    let kept = samples.min(MAX_RETAIN);
    let lda = inverse_need(inputs, kept);
    if !features.responds() {
        return larger(lda, inputs);
    }
    let forget = samples.min(MAX_FORGET);
    larger(lda, inputs)
        .max(super::response::need(inputs, outputs, forget, kept))
        .max(super::closed::need(inputs, outputs, forget, kept))
}

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
    for (sample, row) in rows.chunks_exact(inputs).enumerate() {
        for (to, &value) in across.iter_mut().skip(sample).step_by(count).zip(row) {
            *to = value;
        }
    }
    kernel.dense_forward(kept.batch, inputs, count, across, Start::Zero, kept.x, panels)?;
    kernel.to_rows(kept.batch, count, 1, panels, matrix)?;
    for (to, row) in response.iter_mut().zip(rows.chunks_exact(inputs)) {
        let mut sum = 0.0f64;
        for (&x, &b) in row.iter().zip(&*b) {
            sum += f64::from(x) * f64::from(b);
        }
        *to = sum as f32;
    }
    // The solver's ridge is relative to the trace over its own size.
    let relative = ridge * count as f32 / inputs as f32;
    solve_ridge(matrix, relative, response);
    for (row, &factor) in rows.chunks_exact(inputs).zip(&*response) {
        for (to, &x) in b.iter_mut().zip(row) {
            *to -= factor * x;
        }
    }
    Ok(())
}

/// The network, run panel by panel.
struct Pass<'s, 'p> {
    stack: &'s Stack,
    parameters: &'s [f32],
    kernel: Kernel,
    layer: usize,
    /// First layer after the activations that follow the edited one.
    tail: usize,
    gated: bool,
    x: &'p mut [f32],
    p: &'p mut [f32],
    h: &'p mut [f32],
    z: &'p mut [f32],
    bumped: &'p mut [f32],
    scratch: &'p mut [f32],
    forget_square: &'p mut [f32],
    /// Summed softmax over the other classes.
    others: &'p mut [f32],
    /// Sum and sum of squares of the margins.
    margin: [f32; 2],
    probe_h: &'p mut [f32],
    probe_z: &'p mut [f32],
    probes: usize,
}

impl<'s, 'p> Pass<'s, 'p> {
    fn new(
        stack: &'s Stack,
        parameters: &'s [f32],
        layer: usize,
        kernel: Kernel,
        arena: &mut Arena<'p>,
    ) -> Result<Self, ForwardError> {
        let (inputs, outputs) = sizes(stack, layer).ok_or(NOT_DENSE)?;
        let (classes, panel) = (stack.outputs(), Batch::lanes(LANES));
        let layers = stack.layers();
        let tail = (layer + 1..layers.len())
            .find(|&index| layers.get(index).is_none_or(|layer| !layer.kind().is_activation()))
            .unwrap_or(layers.len());
        let gated = layers
            .get(layer + 1..tail)
            .is_some_and(|run| run.iter().any(|layer| matches!(layer.kind(), Kind::Relu)));
        Ok(Self {
            stack,
            parameters,
            kernel,
            layer,
            tail,
            gated,
            x: arena.take(panel.len(inputs))?,
            p: arena.take(panel.len(outputs))?,
            h: arena.take(panel.len(outputs))?,
            z: arena.take(panel.len(classes))?,
            bumped: arena.take(panel.len(classes))?,
            scratch: arena.take(stack.scratch(panel))?,
            forget_square: arena.take(outputs)?,
            others: arena.take(classes)?,
            margin: [0.0; 2],
            probe_h: arena.take(Batch::lanes(PROBES).len(outputs))?,
            probe_z: arena.take(Batch::lanes(PROBES).len(classes))?,
            probes: 0,
        })
    }

    /// x, P, H and the logits of one panel.
    fn run(&mut self, part: Batch, input: &[f32]) -> Result<(), ForwardError> {
        let Self { stack, parameters, kernel, layer, tail, .. } = *self;
        stack.forward(kernel, 0..layer, part, parameters, input, self.scratch, self.x)?;
        stack.forward(kernel, layer..layer + 1, part, parameters, self.x, self.scratch, self.p)?;
        stack.forward(kernel, layer + 1..tail, part, parameters, self.p, self.scratch, self.h)?;
        let rest = tail..stack.layers().len();
        stack.forward(kernel, rest, part, parameters, self.h, self.scratch, self.z)?;
        Ok(())
    }

    /// What a forget sample adds: its margin, the other classes' shares, and a probe while there is room.
    fn of_forget(&mut self, lane: usize, class: u8, gone: &ClassSet) {
        let classes = self.stack.outputs();
        let z = |k: usize| self.z.get(k * LANES + lane).copied().unwrap_or(0.0);
        let class = usize::from(class);
        let counts = |k: &usize| *k != class && u8::try_from(*k).is_ok_and(|k| !gone.contains(k));
        let largest = (0..classes).filter(counts).map(z).fold(f32::NEG_INFINITY, larger_of);
        let mut sum = 0.0;
        for k in (0..classes).filter(counts) {
            sum += num::exp(z(k) - largest);
        }
        let margin = z(class) - (largest + num::ln(sum));
        self.margin[0] += margin;
        self.margin[1] += margin * margin;
        for (k, share) in self.others.iter_mut().enumerate() {
            if counts(&k) {
                let z = self.z.get(k * LANES + lane).copied().unwrap_or(0.0);
                *share += num::exp(z - largest) / sum;
            }
        }
        if self.probes < PROBES {
            let outputs = self.h.len() / LANES;
            copy_lane(self.h, lane, self.probe_h, outputs, self.probes);
            copy_lane(self.z, lane, self.probe_z, classes, self.probes);
            self.probes += 1;
        }
    }

    /// Sums over the probes of how the logits move when output `row` is raised by `delta`.
    fn bump(&mut self, row: usize, delta: f32, to: &mut [f32]) -> Result<(), ForwardError> {
        let Self { stack, parameters, kernel, tail, .. } = *self;
        let (outputs, classes) = (self.h.len() / LANES, stack.outputs());
        let all = Batch::lanes(self.probes);
        to.fill(0.0);
        for index in 0..all.panels() {
            let part = all.panel(index);
            let width = outputs * LANES;
            let h = self.probe_h.get(index * width..(index + 1) * width).unwrap_or_default();
            self.h.copy_from_slice(h);
            for value in self.h.iter_mut().skip(row * LANES).take(LANES) {
                *value += delta;
            }
            let rest = tail..stack.layers().len();
            stack.forward(kernel, rest, part, parameters, self.h, self.scratch, self.bumped)?;
            let width = classes * LANES;
            let before = self.probe_z.get(index * width..(index + 1) * width).unwrap_or_default();
            let lanes = self.bumped.chunks_exact(LANES).zip(before.chunks_exact(LANES));
            for (to, (after, before)) in to.iter_mut().zip(lanes) {
                for (&after, &before) in after.iter().zip(before).take(part.samples()) {
                    *to += after - before;
                }
            }
        }
        Ok(())
    }
}

/// Copies one lane of a panel to sample `sample` of panels of the same features.
fn copy_lane(panel: &[f32], lane: usize, to: &mut [f32], features: usize, sample: usize) {
    let batch = Batch::lanes(sample + 1);
    for feature in 0..features {
        let value = panel.get(feature * LANES + lane).copied().unwrap_or(0.0);
        if let Some(slot) = to.get_mut(batch.at(features, sample, feature)) {
            *slot = value;
        }
    }
}

/// Inputs and outputs of a dense layer.
fn sizes(stack: &Stack, layer: usize) -> Option<(usize, usize)> {
    match stack.layers().get(layer)?.kind() {
        Kind::Dense { inputs, outputs, .. } => Some((*inputs, *outputs)),
        _ => None,
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

fn larger_of(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}
