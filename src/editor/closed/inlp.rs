//! `inlp`: linear classifiers of the forgotten classes taken out of the layer's inputs, one after the other.

use super::inputs::{Inputs, MAX_CLASSES, NO_NETWORK, Over, Pass, Source};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::num;
use crate::slab::{Arena, Need};

/// Iterative null-space projection (Ravfogel et al. 2020, arXiv 2004.07667): a linear classifier w tells forget from retain
/// samples by what is left of the layer's inputs, w is taken out of them, and so on, until a classifier is
/// right for no more than .55 of both kinds or [`ROUNDS`] directions are gone. `W ← W P`, P the projector
/// on what all of them leave; the bias stays.
///
/// The classifiers are least-squares ones on the reward split with 1e-3·tr/d·I added to the covariance, cut half-way
/// between the means of both kinds; several classes count as one kind. There linear support vector machines.
/// It is listed for honesty: a class that is told from all others by one cut is told from each of them by more, so
/// that eight directions leave .16 of it (class 7), where `leace` needs one.
pub(crate) struct Inlp;

/// Directions at most.
const ROUNDS: usize = 8;
/// Balanced accuracy at which a classifier is as good as none.
const CHANCE: f32 = 0.55;
/// Ridge in units of the mean diagonal entry.
const RIDGE: f32 = 1e-3;

impl Editor for Inlp {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let stack = shape.stack;
        let layers = stack.layers();
        let widest = layers.iter().map(|layer| layer.outputs()).fold(stack.inputs(), usize::max);
        let own = widest.saturating_mul(widest).saturating_add((ROUNDS + 3) * widest);
        let classes = stack.outputs().min(MAX_CLASSES);
        Inputs::need(stack).and(Pass::need(stack, widest)).and(Need::f32s(own + classes))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let source = Source::of(job)?;
        for &layer in job.layers() {
            let (inputs, outputs) = source.shape(layer)?;
            let classes = source.forget.len();
            let network = job.network().ok_or(NO_NETWORK)?;
            let mut work = arena.scratch();
            let (factor, along) = (work.take(inputs * inputs)?, work.take(outputs)?);
            let (w, cross) = (work.take(inputs)?, work.take(inputs)?);
            let taken = work.take(ROUNDS * inputs)?;
            let moments = Inputs::of(&source, network.parameters, layer, Over::All, &mut work)?;
            let mut pass = Pass::new(&source, layer, inputs, &mut work)?;
            // What the first classifier solves for: the covariance with "is forgotten".
            let means = moments.class.chunks_exact(classes.max(1));
            for ((cross, row), &mean) in cross.iter_mut().zip(means).zip(&*moments.all) {
                let terms = row.iter().zip(&moments.shares);
                *cross = terms.fold(0.0, |sum, (&own, &share)| sum + share * (own - mean));
            }
            for round in 0..ROUNDS {
                let mut trace = 0.0f64;
                for &entry in moments.second.iter().step_by(inputs + 1) {
                    trace += f64::from(entry);
                }
                factor.copy_from_slice(moments.second);
                let added = (f64::from(RIDGE) * trace / inputs.max(1) as f64) as f32;
                num::cholesky(factor, inputs, added);
                w.copy_from_slice(cross);
                num::cholesky_solve(factor, inputs, w, 1);
                // Rounding leaves a trace of the directions that are gone.
                for gone in taken.chunks_exact(inputs.max(1)).take(round) {
                    take_out(w, gone);
                }
                let length = num::norm(w);
                if !(length > 0.0 && length.is_finite()) {
                    break;
                }
                w.iter_mut().for_each(|value| *value /= length);
                if accuracy(&source, network.parameters, &moments, &mut pass, w)? <= CHANCE {
                    break;
                }
                deflate(moments.second, w, factor);
                take_out(cross, w);
                if let Some(slot) = taken.chunks_exact_mut(inputs.max(1)).nth(round) {
                    slot.copy_from_slice(w);
                }
            }
            // Only now: the passes above run the layers before this one, and the weights here are not among them.
            let range = source.stack.layers().get(layer).map(|layer| layer.weight_range());
            let weights =
                range.and_then(|range| network.parameters.get_mut(range)).ok_or(NO_NETWORK)?;
            for gone in taken.chunks_exact(inputs.max(1)) {
                along.fill(0.0);
                for (row, &entry) in weights.chunks_exact(outputs.max(1)).zip(gone) {
                    along.iter_mut().zip(row).for_each(|(sum, &weight)| *sum += entry * weight);
                }
                for (row, &entry) in weights.chunks_exact_mut(outputs.max(1)).zip(gone) {
                    row.iter_mut().zip(&*along).for_each(|(weight, &sum)| *weight -= entry * sum);
                }
            }
        }
        Ok(Outcome::Network)
    }
}

/// `values − (values·w)·w` for a unit vector w.
fn take_out(values: &mut [f32], w: &[f32]) {
    let along = product(values, w) as f32;
    values.iter_mut().zip(w).for_each(|(value, &w)| *value -= along * w);
}

/// `(I − w wᵀ) Σ (I − w wᵀ)` for a unit vector w; `scratch` holds a row at least.
fn deflate(second: &mut [f32], w: &[f32], scratch: &mut [f32]) {
    let image = scratch.get_mut(..w.len()).unwrap_or_default();
    for (to, row) in image.iter_mut().zip(second.chunks_exact(w.len().max(1))) {
        *to = product(row, w) as f32;
    }
    let within = product(image, w) as f32;
    let rows = second.chunks_exact_mut(w.len().max(1));
    for ((row, &own_w), &own_image) in rows.zip(w).zip(&*image) {
        for ((entry, &w), &image) in row.iter_mut().zip(w).zip(&*image) {
            *entry += within * own_w * w - own_w * image - own_image * w;
        }
    }
}

/// Mean of the shares of forget and of retain samples that w tells right, cut half-way between their means.
fn accuracy(
    source: &Source<'_>,
    parameters: &[f32],
    moments: &Inputs<'_>,
    pass: &mut Pass<'_>,
    w: &[f32],
) -> Result<f32, EditError> {
    let classes = moments.classes.max(1);
    let whole: f32 = moments.shares.iter().sum();
    let mut middle = 0.0f64;
    for ((&w, row), &retain) in
        w.iter().zip(moments.class.chunks_exact(classes)).zip(&*moments.retain)
    {
        let terms = row.iter().zip(&moments.shares);
        let gone = terms.fold(0.0, |sum, (&mean, &share)| sum + share / whole * mean);
        middle += 0.5 * f64::from(w) * (f64::from(gone) + f64::from(retain));
    }
    // Right and all, of retain and of forget samples.
    let mut counts = [[0u32; 2]; 2];
    pass.run(source, parameters, &mut |_, _, rows, labels| {
        for (row, &label) in rows.chunks_exact(w.len().max(1)).zip(labels) {
            let gone = source.forget.contains(label);
            let right = (product(row, w) > middle) == gone;
            if let Some([rights, all]) = counts.get_mut(usize::from(gone)) {
                *rights += u32::from(right);
                *all += 1;
            }
        }
        Ok(())
    })?;
    Ok(counts.iter().map(|&[right, all]| 0.5 * right as f32 / all.max(1) as f32).sum())
}

/// a·b, in f64 in rising order.
fn product(a: &[f32], b: &[f32]) -> f64 {
    let mut sum = 0.0f64;
    for (&a, &b) in a.iter().zip(b) {
        sum += f64::from(a) * f64::from(b);
    }
    sum
}
