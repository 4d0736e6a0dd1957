//! Random labels: the forget samples are taught other classes at random, the retain samples their own
//! ("amnesiac": Graves et al. 2021, arXiv 2010.10981), and SalUn, which changes only the weights that
//! matter to the forget samples (Fan et al. 2024, arXiv 2310.12508).
//!
//! Labels are drawn anew for every minibatch from the classes that stay: `RL.py` in SalUn's code draws
//! from all classes, the true one included, `amnesiac` in the code of SSD leaves it out as here. Adam at
//! 1e-3 for 3 epochs, where those take SGD at .013 for 10, and Adam at 1e-4 for 3; of six pairs none was better by more
//! than .001 of accuracy on the reward split (classes 0 and 1, seeds 10 to 12). The retain and forget
//! samples of a step are one loss, each by its share.
//!
//! SalUn's mask holds the half of all parameters with the largest |Σ ∇CE| over the forget samples: the
//! sum is signed, then its size taken, and the ranks are over the whole network, as in
//! `generate_mask.py`. The others keep their bits: where the gradient is always 0, Adam takes no step.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::num;
use crate::optim::{Adam, AdamConfig};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

const MINIBATCH: usize = 64;
const EPOCHS: usize = 3;
const RATE: f32 = 1e-3;

/// `random-labels`, or `salun` with the share of weights that may change.
pub(crate) struct RandomLabels(pub(crate) Option<f32>);

impl Editor for RandomLabels {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let masked = self.0.is_some();
        need(shape, MINIBATCH, |parameters| {
            let mask = if masked { Need::f32s(2 * parameters) } else { Need::default() };
            Adam::need(parameters).and(mask)
        })
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut forget, mut retain, classes, seed } =
            begin(job, MINIBATCH, arena)?;
        let mut optimiser = Adam::new(AdamConfig::default(), parameters.len(), arena)?;
        let mask: &[f32] = match self.0 {
            None => &[],
            Some(share) => {
                learner.clear();
                for chosen in forget.all().chunks(MINIBATCH) {
                    learner.add(parameters, chosen, Aim::Own, chosen.len() as f32)?;
                }
                let (mask, sorted) = (arena.take(parameters.len())?, arena.take(parameters.len())?);
                most_salient(share, learner.gradients, mask, sorted);
                mask
            }
        };
        let mut rng = Rng::new(seed, Purpose::Unlearning);
        let outputs = learner.stack.outputs();
        let others = (0..=u8::MAX).take(outputs).filter(|&class| !classes.contains(class));
        let count = others.clone().count() as u32;
        let rounds = retain.rounds(MINIBATCH);
        // As many forget samples to a step as make one round of both last equally long.
        let few = forget.share(rounds).min(MINIBATCH);
        for _ in 0..EPOCHS * rounds {
            learner.clear();
            let (kept, gone) = (retain.deal(MINIBATCH), forget.deal(few));
            let whole = (kept.len() + gone.len()) as f32;
            learner.add(parameters, kept, Aim::Own, kept.len() as f32 / whole)?;
            let mut labels = [0u8; MINIBATCH];
            for label in labels.iter_mut().take(gone.len()) {
                *label = others.clone().nth(rng.below(count) as usize).unwrap_or(0);
            }
            let aim = Aim::Labels(labels.get(..gone.len()).unwrap_or_default());
            learner.add(parameters, gone, aim, gone.len() as f32 / whole)?;
            for (gradient, &kept) in learner.gradients.iter_mut().zip(mask) {
                *gradient *= kept;
            }
            optimiser.step(learner.kernel, RATE, learner.gradients, parameters)?;
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}

/// Sets `mask` to 1 where |gradient| is among the largest `share` of all, else 0. `sorted` is scratch of the
/// same length; of equal sizes at the border all are in.
fn most_salient(share: f32, gradients: &[f32], mask: &mut [f32], sorted: &mut [f32]) {
    for (to, &gradient) in sorted.iter_mut().zip(gradients) {
        *to = num::abs(gradient);
    }
    let left_out = ((1.0 - share) * sorted.len() as f32) as usize;
    if left_out >= sorted.len() {
        return;
    }
    let (_, &mut border, _) = sorted.select_nth_unstable_by(left_out, f32::total_cmp);
    for (to, &gradient) in mask.iter_mut().zip(gradients) {
        *to = if num::abs(gradient) >= border { 1.0 } else { 0.0 };
    }
}
