//! NegGrad+: descent on the retain samples and ascent on the forget samples in one step (Kurmanji
//! et al. 2023, arXiv 2302.09880).
//!
//! `α·CE(retain) − (1 − α)·CE(forget)` with α = .95, the forget samples dealt again and again until the
//! retain samples are through, as `train_negrad` in the authors' code: SGD at .01. There 10 epochs; 2
//! here, with momentum .9. Their forget term has no bound; here a forget minibatch whose loss is above
//! [`CAP`] is left out.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::optim::{Sgd, SgdConfig};
use crate::slab::{Arena, Need};

const MINIBATCH: usize = 64;
const EPOCHS: usize = 2;
const RATE: f32 = 0.01;
const SGD: SgdConfig = SgdConfig { momentum: 0.9, weight_decay: 0.0 };
/// Share of the retain samples in the loss.
const ALPHA: f32 = 0.95;
/// Cross-entropy in nats above which the forget samples push no further.
const CAP: f32 = 10.0;

/// `neggrad`.
pub(crate) struct NegGrad;

impl Editor for NegGrad {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        need(shape, MINIBATCH, Sgd::need)
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut forget, mut retain, .. } =
            begin(job, MINIBATCH, arena)?;
        let mut optimiser = Sgd::new(SGD, parameters.len(), arena)?;
        for _ in 0..EPOCHS * retain.rounds(MINIBATCH) {
            learner.clear();
            learner.add(parameters, retain.deal(MINIBATCH), Aim::Own, ALPHA)?;
            let chosen = forget.deal(MINIBATCH);
            learner.add_up_to(parameters, chosen, Aim::Own, ALPHA - 1.0, CAP)?;
            optimiser.step(RATE, learner.gradients, parameters)?;
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
