//! Bad teaching (Chundawat et al. 2023, arXiv 2205.08096): on the forget samples the network learns the
//! outputs of one that knows nothing, on retain samples those of its former self.
//!
//! As the authors' code: the incompetent teacher has initial weights, 30 % of the retain samples take
//! part, temperature 1, Adam, 1 epoch. There minibatches of 256 at 1e-4, with a loss that is divided by
//! the number of classes as well; here minibatches of 64 at 2e-4 and the divergence per sample. Rate and epochs
//! are the best of 15 pairs by accuracy on the reward split (classes 0 and 1, seeds 10 to 12). Forget and
//! retain samples of a step are one loss, each by its share.
//!
//! The bad teacher calls some samples by the forgotten class itself; the better it is followed, the more of
//! them stay.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::nn::Init;
use crate::optim::{Adam, AdamConfig};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

const MINIBATCH: usize = 64;
const EPOCHS: usize = 1;
const RATE: f32 = 2e-4;
/// Share of the retain samples that take part, in percent.
const RETAINED: usize = 30;
const TEMPERATURE: f32 = 1.0;

/// `bad-teacher`.
pub(crate) struct BadTeacher;

impl Editor for BadTeacher {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        need(shape, MINIBATCH, |parameters| Adam::need(parameters).and(Need::f32s(2 * parameters)))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut forget, mut retain, seed, .. } =
            begin(job, MINIBATCH, arena)?;
        let mut optimiser = Adam::new(AdamConfig::default(), parameters.len(), arena)?;
        let (good, bad) = (arena.take(parameters.len())?, arena.take(parameters.len())?);
        good.copy_from_slice(parameters);
        let mut rng = Rng::new(seed, Purpose::Unlearning);
        learner.stack.initialise(Init::HeUniform, bad, &mut rng)?;
        retain.keep(retain.all().len() * RETAINED / 100);
        let rounds = (retain.all().len() + forget.all().len()).div_ceil(MINIBATCH);
        let (of_retain, of_forget) = (retain.share(rounds), forget.share(rounds));
        for _ in 0..EPOCHS * rounds {
            learner.clear();
            let (kept, gone) = (retain.deal(of_retain), forget.deal(of_forget));
            let whole = (kept.len() + gone.len()) as f32;
            let shares = [(kept, &*good), (gone, &*bad)];
            for (chosen, teacher) in shares {
                let aim = Aim::Teacher(teacher, TEMPERATURE);
                learner.add(parameters, chosen, aim, chosen.len() as f32 / whole)?;
            }
            optimiser.step(learner.kernel, RATE, learner.gradients, parameters)?;
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
