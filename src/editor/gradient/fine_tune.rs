//! Fine-tuning on the retain samples, all layers, in the hope that the rest is forgotten on the way.
//!
//! Settings of `FT.py` in Fan et al.'s code (SalUn, arXiv 2310.12508): SGD at .01, momentum .9, weight decay 5e-4,
//! 10 epochs; minibatches of 64 here, without its warm-up and multi-step decay.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::optim::{Sgd, SgdConfig};
use crate::slab::{Arena, Need};

const MINIBATCH: usize = 64;
const EPOCHS: usize = 10;
const RATE: f32 = 0.01;
const SGD: SgdConfig = SgdConfig { momentum: 0.9, weight_decay: 5e-4 };

/// `fine-tune`.
pub(crate) struct FineTune;

impl Editor for FineTune {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        need(shape, MINIBATCH, Sgd::need)
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut retain, .. } = begin(job, MINIBATCH, arena)?;
        let mut optimiser = Sgd::new(SGD, parameters.len(), arena)?;
        for _ in 0..EPOCHS * retain.rounds(MINIBATCH) {
            learner.clear();
            learner.add(parameters, retain.deal(MINIBATCH), Aim::Own, 1.0)?;
            optimiser.step(RATE, learner.gradients, parameters)?;
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
