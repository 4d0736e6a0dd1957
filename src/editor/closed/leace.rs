//! `leace`: least-squares concept erasure of the forgotten classes, folded into the layer.

use super::inputs::{Inputs, MAX_CLASSES, NO_NETWORK, Over, Source};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::slab::{Arena, Need};

/// `W ← W (I − Q)`, `b ← b + W Q μ` with the projector `Q = S (Sᵀ Σ⁻¹ S)⁻¹ Sᵀ Σ⁻¹`: Σ the covariance of the
/// layer's inputs + 1e-3·tr/d·I, S their covariance with "is of class c", one column per forgotten class
/// (Belrose et al. 2023, arXiv 2306.03819, theorems 4.2 and 4.3). No linear probe of the layer's inputs finds the
/// class afterwards; the layer sees them so. Several layers are folded one after the other.
pub(crate) struct Leace;

/// Ridge in units of the mean diagonal entry.
const RIDGE: f32 = 1e-3;

impl Editor for Leace {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let inputs = shape.stack.layers().iter().map(|layer| layer.outputs()).max().unwrap_or(0);
        Inputs::need(shape.stack).and(Need::f32s(inputs.saturating_mul(MAX_CLASSES)))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let source = Source::of(job)?;
        for &layer in job.layers() {
            let (_, outputs) = source.shape(layer)?;
            let classes = source.forget.len();
            let network = job.network().ok_or(NO_NETWORK)?;
            let mut work = arena.scratch();
            let along = work.take(outputs * classes)?;
            let mut moments = Inputs::of(&source, network.parameters, layer, Over::All, &mut work)?;
            let of = source.stack.layers().get(layer).ok_or(NO_NETWORK)?;
            let bias =
                of.bias_range().ok_or(EditError::Unfit("the layer has no bias to fold into"))?;
            // S = E[x z] − μ E[z].
            let directions = core::mem::take(&mut moments.class);
            for (row, &mean) in directions.chunks_exact_mut(classes.max(1)).zip(&*moments.all) {
                for (value, &share) in row.iter_mut().zip(&moments.shares) {
                    *value = share * (*value - mean);
                }
            }
            let weights = network.parameters.get_mut(of.weight_range()).ok_or(NO_NETWORK)?;
            // W S, class by class.
            for (row, direction) in
                weights.chunks_exact(outputs.max(1)).zip(directions.chunks(classes.max(1)))
            {
                for (own, &factor) in along.chunks_exact_mut(outputs.max(1)).zip(direction) {
                    own.iter_mut().zip(row).for_each(|(to, &weight)| *to += factor * weight);
                }
            }
            let mut shift = [0.0f32; MAX_CLASSES];
            let means = core::mem::take(&mut moments.all);
            let dual = moments.dual(RIDGE, directions).chunks_exact(classes.max(1));
            for ((row, dual), &mean) in
                weights.chunks_exact_mut(outputs.max(1)).zip(dual).zip(&*means)
            {
                for ((own, &factor), sum) in
                    along.chunks_exact(outputs.max(1)).zip(dual).zip(&mut shift)
                {
                    row.iter_mut().zip(own).for_each(|(weight, &to)| *weight -= factor * to);
                    *sum += factor * mean;
                }
            }
            let biases = network.parameters.get_mut(bias).ok_or(NO_NETWORK)?;
            for (own, &factor) in along.chunks_exact(outputs.max(1)).zip(&shift) {
                biases.iter_mut().zip(own).for_each(|(bias, &to)| *bias += factor * to);
            }
        }
        Ok(Outcome::Network)
    }
}
