//! `memit`: the layer taught to answer forget samples as it answers those of their runner-up class.

use super::inputs::{NO_NETWORK, Source};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::kernel::{Batch, LANES};
use crate::nn::Kind;
use crate::num;
use crate::slab::{Arena, Need};

/// `W ← W + R Kᵀ (λC + K Kᵀ)⁻¹` (Meng et al. 2023, arXiv 2210.07229, equation 14) on the reward split. Columns of K
/// are the layer's inputs k on forget samples, with a 1 for the bias; `R = V* − W K`, v* the layer's mean
/// output on retain samples of the class that is the sample's likeliest among those that stay;
/// `λC = .1·Σ k kᵀ` over the retain samples. To the matrix in brackets 1e-4·tr/d·I is added.
///
/// There v* is found by gradients, C comes from 100,000 samples, and the change is spread over some layers. The
/// factor .1 is fixed: choosing it by reward (.1, 1 or 10) would mean to score weights that are no action. Several
/// layers are edited one after the other.
pub(crate) struct Memit;

/// λ in units of the number of retain samples.
const SHARE: f32 = 0.1;
/// Ridge in units of the mean diagonal entry.
const RIDGE: f32 = 1e-4;
/// Labels that there can be.
const LABELS: usize = 256;

impl Editor for Memit {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let stack = shape.stack;
        let dense = stack.layers().iter().filter_map(|layer| match *layer.kind() {
            Kind::Dense { inputs, outputs, .. } => Some((inputs, outputs)),
            _ => None,
        });
        let of = |(inputs, outputs)| Need::f32s(Work::sizes(inputs, outputs, stack).iter().sum());
        dense.map(of).fold(Need::default(), Need::or)
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let source = Source::of(job)?;
        for &layer in job.layers() {
            let network = job.network().ok_or(NO_NETWORK)?;
            let (inputs, outputs) = source.shape(layer)?;
            let mut arena = arena.scratch();
            let mut work = Work::new(inputs, outputs, source.stack, &mut arena)?;
            work.keys_and_means(&source, network.parameters, layer)?;
            work.residuals(&source, network.parameters, layer)?;
            work.apply(&source, network.parameters, layer)?;
        }
        Ok(Outcome::Network)
    }
}

/// Memory for one layer; d inputs, and d + 1 keys.
struct Work<'m> {
    inputs: usize,
    outputs: usize,
    classes: usize,
    /// λC + K Kᵀ, keys × keys; then its factor.
    square: &'m mut [f32],
    /// K Rᵀ, keys × outputs; then the change.
    change: &'m mut [f32],
    /// The layer's mean output on retain samples of each class.
    means: &'m mut [f32],
    counts: [u32; LABELS],
    /// One panel: keys, outputs and logits, and each of them sample by sample.
    keys: &'m mut [f32],
    key_rows: &'m mut [f32],
    given: &'m mut [f32],
    given_rows: &'m mut [f32],
    logits: &'m mut [f32],
    logit_rows: &'m mut [f32],
    scratch: &'m mut [f32],
}

impl<'m> Work<'m> {
    /// Lengths of its pieces, in order.
    fn sizes(inputs: usize, outputs: usize, stack: &crate::nn::Stack) -> [usize; 10] {
        let (panel, keys, classes) = (Batch::lanes(LANES), inputs + 1, stack.outputs());
        [
            keys.saturating_mul(keys),
            keys.saturating_mul(outputs),
            classes.saturating_mul(outputs),
            panel.len(keys),
            LANES * keys,
            panel.len(outputs),
            LANES * outputs,
            panel.len(classes),
            LANES * classes,
            stack.scratch(panel),
        ]
    }

    fn new(
        inputs: usize,
        outputs: usize,
        stack: &crate::nn::Stack,
        arena: &mut Arena<'m>,
    ) -> Result<Self, EditError> {
        let mut sizes = Self::sizes(inputs, outputs, stack).into_iter();
        let mut take = || arena.take(sizes.next().unwrap_or(0));
        Ok(Self {
            inputs,
            outputs,
            classes: stack.outputs(),
            square: take()?,
            change: take()?,
            means: take()?,
            counts: [0; LABELS],
            keys: take()?,
            key_rows: take()?,
            given: take()?,
            given_rows: take()?,
            logits: take()?,
            logit_rows: take()?,
            scratch: take()?,
        })
    }

    /// Leaves keys and outputs of panel `index`, both also sample by sample.
    fn run(
        &mut self,
        source: &Source<'_>,
        parameters: &[f32],
        layer: usize,
        index: usize,
    ) -> Result<Batch, EditError> {
        let Source { kernel, stack, samples, .. } = *source;
        let part = samples.batch.panel(index);
        let len = Batch::lanes(LANES).len(stack.inputs());
        let input = samples.inputs.get(index * len..).unwrap_or_default();
        let input = input.get(..part.len(stack.inputs())).unwrap_or_default();
        let (keys, ones) =
            self.keys.split_at_mut_checked(part.len(self.inputs)).unwrap_or_default();
        stack.forward(kernel, 0..layer, part, parameters, input, self.scratch, keys)?;
        ones.fill(1.0);
        let given = self.given.get_mut(..part.len(self.outputs)).unwrap_or_default();
        stack.forward(kernel, layer..layer + 1, part, parameters, keys, self.scratch, given)?;
        let rows = self.given_rows.get_mut(..part.samples() * self.outputs).unwrap_or_default();
        kernel.to_rows(part, self.outputs, 1, given, rows)?;
        let keys = self.inputs + 1;
        let rows = self.key_rows.get_mut(..part.samples() * keys).unwrap_or_default();
        kernel.to_rows(part, keys, 1, self.keys.get(..part.len(keys)).unwrap_or_default(), rows)?;
        Ok(part)
    }

    /// The first pass: λC + K Kᵀ, and the classes' mean outputs.
    fn keys_and_means(
        &mut self,
        source: &Source<'_>,
        parameters: &[f32],
        layer: usize,
    ) -> Result<(), EditError> {
        let (keys, outputs) = (self.inputs + 1, self.outputs);
        let mut gone = 0u32;
        for (index, labels) in source.samples.labels.chunks(LANES).enumerate() {
            let part = self.run(source, parameters, layer, index)?;
            let given = self.given_rows.chunks_exact(outputs.max(1));
            for ((row, given), &label) in
                self.key_rows.chunks_exact_mut(keys).zip(given).zip(labels)
            {
                if source.forget.contains(label) {
                    gone += 1;
                    continue;
                }
                row.iter_mut().for_each(|key| *key *= SHARE);
                if let Some(count) = self.counts.get_mut(usize::from(label)) {
                    *count += 1;
                }
                let own = self.means.chunks_exact_mut(outputs.max(1)).nth(usize::from(label));
                own.unwrap_or_default().iter_mut().zip(given).for_each(|(sum, &z)| *sum += z);
            }
            let rows = self.key_rows.get(..part.samples() * keys).unwrap_or_default();
            let x = self.keys.get(..part.len(keys)).unwrap_or_default();
            source.kernel.dense_weight_gradient(part, keys, keys, x, rows, self.square)?;
        }
        if gone == 0 || self.counts.iter().all(|&count| count == 0) {
            return Err(EditError::Unfit("the retain or the forget set has no samples"));
        }
        for (mean, &count) in self.means.chunks_exact_mut(outputs.max(1)).zip(&self.counts) {
            mean.iter_mut().for_each(|sum| *sum /= count.max(1) as f32);
        }
        Ok(())
    }

    /// The second pass: K Rᵀ.
    fn residuals(
        &mut self,
        source: &Source<'_>,
        parameters: &[f32],
        layer: usize,
    ) -> Result<(), EditError> {
        let (keys, outputs, classes) = (self.inputs + 1, self.outputs, self.classes);
        let (kernel, stack) = (source.kernel, source.stack);
        for (index, labels) in source.samples.labels.chunks(LANES).enumerate() {
            let part = self.run(source, parameters, layer, index)?;
            let given = self.given.get(..part.len(outputs)).unwrap_or_default();
            let logits = self.logits.get_mut(..part.len(classes)).unwrap_or_default();
            let rest = layer + 1..stack.layers().len();
            stack.forward(kernel, rest, part, parameters, given, self.scratch, logits)?;
            let rows = self.logit_rows.get_mut(..part.samples() * classes).unwrap_or_default();
            kernel.to_rows(part, classes, 1, logits, rows)?;
            let rows = self.given_rows.chunks_exact_mut(outputs.max(1));
            let logits = self.logit_rows.chunks_exact(classes.max(1));
            for ((row, logits), &label) in rows.zip(logits).zip(labels) {
                if !source.forget.contains(label) {
                    row.fill(0.0);
                    continue;
                }
                let mut best = None::<(usize, f32)>;
                for ((class, &logit), label) in logits.iter().enumerate().zip(0..=u8::MAX) {
                    let seen = self.counts.get(class).is_some_and(|&count| count > 0);
                    let ahead = best.is_none_or(|(_, held)| logit > held);
                    if seen && ahead && !source.forget.contains(label) {
                        best = Some((class, logit));
                    }
                }
                let class = best.map_or(0, |(class, _)| class);
                let aim = self.means.chunks_exact(outputs.max(1)).nth(class).unwrap_or_default();
                row.iter_mut().zip(aim).for_each(|(z, &aim)| *z = aim - *z);
            }
            let rows = self.given_rows.get(..part.samples() * outputs).unwrap_or_default();
            let x = self.keys.get(..part.len(keys)).unwrap_or_default();
            kernel.dense_weight_gradient(part, keys, outputs, x, rows, self.change)?;
        }
        Ok(())
    }

    /// Solves, and adds the change to weights and biases.
    fn apply(
        &mut self,
        source: &Source<'_>,
        parameters: &mut [f32],
        layer: usize,
    ) -> Result<(), EditError> {
        let keys = self.inputs + 1;
        let mut trace = 0.0f64;
        for &entry in self.square.iter().step_by(keys + 1) {
            trace += f64::from(entry);
        }
        let added = (f64::from(RIDGE) * trace / keys as f64) as f32;
        num::cholesky(self.square, keys, added);
        num::cholesky_solve(self.square, keys, self.change, self.outputs);
        if !num::all_finite(self.change) {
            return Err(EditError::Unfit("the layer's inputs are too large to be solved for"));
        }
        let of = source.stack.layers().get(layer).ok_or(NO_NETWORK)?;
        let bias = of.bias_range().ok_or(EditError::Unfit("the layer has no bias to edit"))?;
        let (for_weights, for_bias) =
            self.change.split_at_mut_checked(self.inputs * self.outputs).unwrap_or_default();
        for (range, change) in [(of.weight_range(), for_weights), (bias, for_bias)] {
            let own = parameters.get_mut(range).ok_or(NO_NETWORK)?;
            own.iter_mut().zip(change).for_each(|(own, &mut change)| *own += change);
        }
        Ok(())
    }
}
