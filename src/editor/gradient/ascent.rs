//! Gradient ascent on the cross-entropy of the forget samples.
//!
//! As `GA.py` in Fan et al.'s code (SalUn, arXiv 2310.12508): learning rate 1e-4, 5 epochs, which no other of six pairs beats by
//! more than .002 of accuracy on the reward split (classes 0 and 1, seeds 10 to 12). Two departures:
//! Adam instead of SGD, and a stop. The ascent has no bottom and can spoil everything when it goes on
//! ("Ascent fails to forget", arXiv 2509.26427), so it ends as soon as at most 1 % of the forget samples
//! are classified as before, checked before every step.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::optim::{Adam, AdamConfig};
use crate::slab::{Arena, Need};

const MINIBATCH: usize = 64;
const EPOCHS: usize = 5;
const RATE: f32 = 1e-4;
/// Accuracy on the forget samples at which it ends.
const ENOUGH: f32 = 0.01;

/// `gradient-ascent`.
pub(crate) struct GradientAscent;

impl Editor for GradientAscent {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        need(shape, MINIBATCH, Adam::need)
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut forget, .. } = begin(job, MINIBATCH, arena)?;
        let mut optimiser = Adam::new(AdamConfig::default(), parameters.len(), arena)?;
        for _ in 0..EPOCHS * forget.rounds(MINIBATCH) {
            if learner.accuracy(parameters, forget.all(), MINIBATCH)? <= ENOUGH {
                break;
            }
            learner.clear();
            learner.add(parameters, forget.deal(MINIBATCH), Aim::Own, -1.0)?;
            optimiser.step(learner.kernel, RATE, learner.gradients, parameters)?;
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
