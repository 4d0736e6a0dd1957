//! SCRUB (Kurmanji et al. 2023, arXiv 2302.09880, algorithm 1): away from the former network on the forget samples, back to
//! it and to the labels on the retain samples, by turns.
//!
//! Settings of the authors' large-scale notebook: forget minibatches of 32, retain minibatches of 128, temperature 4
//! (the divergence times 16), γ = .99 for the labels and α = .001 for the teacher, 2 epochs with a maximising half, 3 in all.
//! Theirs is SGD at 5e-4 with decay at epochs 3, 5 and 9; Adam at 5e-4 here. The rewinding variant SCRUB+R, which picks a checkpoint, is not
//! here.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::optim::{Adam, AdamConfig};
use crate::slab::{Arena, Need};

const FORGET_MINIBATCH: usize = 32;
const RETAIN_MINIBATCH: usize = 128;
const EPOCHS: usize = 3;
/// Epochs that begin by maximising.
const MAXIMISING: usize = 2;
const RATE: f32 = 5e-4;
const TEMPERATURE: f32 = 4.0;
const GAMMA: f32 = 0.99;
const ALPHA: f32 = 0.001;

/// `scrub`.
pub(crate) struct Scrub;

impl Editor for Scrub {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        need(shape, RETAIN_MINIBATCH, |parameters| {
            Adam::need(parameters).and(Need::f32s(parameters))
        })
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut forget, mut retain, .. } =
            begin(job, RETAIN_MINIBATCH, arena)?;
        let mut optimiser = Adam::new(AdamConfig::default(), parameters.len(), arena)?;
        let teacher = arena.take(parameters.len())?;
        teacher.copy_from_slice(parameters);
        let teacher = Aim::Teacher(teacher, TEMPERATURE);
        for epoch in 0..EPOCHS {
            let maximising = if epoch < MAXIMISING { forget.rounds(FORGET_MINIBATCH) } else { 0 };
            for _ in 0..maximising {
                learner.clear();
                learner.add(parameters, forget.deal(FORGET_MINIBATCH), teacher, -1.0)?;
                optimiser.step(learner.kernel, RATE, learner.gradients, parameters)?;
            }
            for _ in 0..retain.rounds(RETAIN_MINIBATCH) {
                learner.clear();
                let chosen = retain.deal(RETAIN_MINIBATCH);
                learner.add(parameters, chosen, Aim::Own, GAMMA)?;
                learner.add(parameters, chosen, teacher, ALPHA)?;
                optimiser.step(learner.kernel, RATE, learner.gradients, parameters)?;
            }
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
