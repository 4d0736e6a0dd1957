//! Fine-tuning on the retain samples, in the hope that the rest is forgotten on the way: of all layers, or of
//! the last one alone.
//!
//! Settings of `FT.py` in Fan et al.'s code (SalUn, arXiv 2310.12508): SGD at .01, momentum .9, weight decay 5e-4,
//! 10 epochs; minibatches of 64 here, without its warm-up and multi-step decay. The last layer alone is "CF-k"
//! with k = 1 (Goel et al. 2022, arXiv 2201.06640), at the same settings: it cannot change what the network knows
//! before it, only how that is read.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::nn::{Kind, Stack};
use crate::optim::{Sgd, SgdConfig};
use crate::slab::{Arena, Need};
use core::ops::Range;

const MINIBATCH: usize = 64;
const EPOCHS: usize = 10;
const RATE: f32 = 0.01;
const SGD: SgdConfig = SgdConfig { momentum: 0.9, weight_decay: 5e-4 };

/// `fine-tune`, or `fine-tune-last`.
pub(crate) struct FineTune {
    pub(crate) last: bool,
}

impl FineTune {
    /// The parameters that train; none where there is no dense layer.
    fn trained(&self, stack: &Stack) -> Range<usize> {
        let dense = |kind: &Kind| matches!(kind, Kind::Dense { .. });
        match self.last {
            false => 0..stack.parameters(),
            true => {
                let mut layers = stack.layers().iter().rev();
                layers.find(|layer| dense(layer.kind())).map_or(0..0, |layer| layer.range())
            }
        }
    }
}

impl Editor for FineTune {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        need(shape, MINIBATCH, |_| Sgd::need(self.trained(shape.stack).len()))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut retain, .. } = begin(job, MINIBATCH, arena)?;
        let trained = self.trained(learner.stack);
        if trained.is_empty() {
            return Err(EditError::Unfit("the network has no dense layer to train"));
        }
        let mut optimiser = Sgd::new(SGD, trained.len(), arena)?;
        for _ in 0..EPOCHS * retain.rounds(MINIBATCH) {
            learner.clear();
            learner.add(parameters, retain.deal(MINIBATCH), Aim::Own, 1.0)?;
            let gradients = learner.gradients.get(trained.clone()).unwrap_or_default();
            let own = parameters.get_mut(trained.clone()).unwrap_or_default();
            optimiser.step(RATE, gradients, own)?;
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
