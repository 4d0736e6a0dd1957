//! Selective synaptic dampening (Foster et al. 2024, arXiv 2308.07707).
//!
//! With I the importance of a weight, its mean squared gradient of the cross-entropy on the samples' own
//! labels: where `I(forget) > α·I(all)`, the weight is multiplied by `min(λ·I(all) / I(forget), 1)`.
//! α = 10 and λ = 1, the authors' for ResNets. As in their code the gradients that are squared are means
//! of minibatches of 64, not those of single samples, so α goes with that size, and the minibatches of
//! I(all) mix all classes.

use super::{Aim, Begin, Deck, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

const MINIBATCH: usize = 64;
const ALPHA: f32 = 10.0;
const LAMBDA: f32 = 1.0;

/// `ssd`.
pub(crate) struct Ssd;

impl Editor for Ssd {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let samples = shape.training.map_or(0, |set| set.samples.labels.len());
        need(shape, MINIBATCH, |parameters| Need { f32s: 2 * parameters, u32s: samples })
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, forget, seed, .. } = begin(job, MINIBATCH, arena)?;
        let indices = arena.take_indices(learner.samples.labels.len())?;
        for (slot, index) in indices.iter_mut().zip(0u32..) {
            *slot = index;
        }
        let mut all = Deck::new(indices, Rng::new(seed, Purpose::Unlearning));
        all.keep(usize::MAX);
        let (of_forget, of_all) = (arena.take(parameters.len())?, arena.take(parameters.len())?);
        let mut importance = |indices: &[u32], means: &mut [f32]| {
            let share = 1.0 / indices.len().div_ceil(MINIBATCH) as f32;
            for chosen in indices.chunks(MINIBATCH) {
                learner.clear();
                learner.add(parameters, chosen, Aim::Own, 1.0)?;
                for (mean, &gradient) in means.iter_mut().zip(&*learner.gradients) {
                    *mean += share * gradient * gradient;
                }
            }
            Ok::<(), EditError>(())
        };
        importance(forget.all(), of_forget)?;
        importance(all.all(), of_all)?;
        for ((weight, &forget), &all) in parameters.iter_mut().zip(&*of_forget).zip(&*of_all) {
            if forget > ALPHA * all {
                *weight *= (LAMBDA * all / forget).min(1.0);
            }
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
