//! UNSIR (Tarun et al. 2023, arXiv 2111.08947): noise that the network takes least for the forgotten
//! class is taught to it as that class (impair), then the retain samples alone are (repair).
//!
//! As the authors' code: inputs N are drawn from a normal distribution and climb
//! `CE(N, class) − .1·mean ‖N‖²` by 40 steps of Adam at .1; an epoch of noise (a third of the loss) and
//! retain samples; an epoch of retain samples; the impairing rate is twice the repairing one. Theirs are
//! .02 and .01; here 6e-3 and 3e-3, the best of 15 pairs by accuracy on the reward split (classes 0 and 1, seeds 10 to
//! 12). Theirs takes up to
//! 1,000 retain samples of each class, here all take part. One minibatch of 32 noises, in turn for each
//! class to forget, is used throughout; theirs are 256.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::kernel::Batch;
use crate::optim::{Adam, AdamConfig};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

const MINIBATCH: usize = 64;
/// Inputs of noise; fewer when there are fewer samples.
const NOISE: usize = 32;
const NOISE_STEPS: usize = 40;
const NOISE_RATE: f32 = 0.1;
/// Weight of the mean squared length of the noise.
const LENGTH: f32 = 0.1;
const IMPAIR_RATE: f32 = 6e-3;
const REPAIR_RATE: f32 = 3e-3;

/// `unsir`.
pub(crate) struct Unsir;

/// How the noise lies.
fn noise_batch(samples: usize) -> Batch {
    Batch::lanes(NOISE.min(samples))
}

impl Editor for Unsir {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let samples = shape.training.map_or(0, |set| set.samples.labels.len());
        let noise = noise_batch(samples).len(shape.stack.inputs());
        need(shape, MINIBATCH, |parameters| {
            let moments = Adam::need(noise).and(Adam::need(parameters)).and(Adam::need(parameters));
            Need::f32s(2 * noise).and(moments)
        })
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut retain, classes, seed, .. } =
            begin(job, MINIBATCH, arena)?;
        let kernel = learner.kernel;
        let batch = noise_batch(learner.samples.labels.len());
        let size = batch.len(learner.stack.inputs());
        let (noise, slope) = (arena.take(size)?, arena.take(size)?);
        let mut rng = Rng::new(seed, Purpose::Unlearning);
        noise.iter_mut().for_each(|value| *value = rng.normal());
        let mut labels = [0u8; NOISE];
        for (sample, label) in labels.iter_mut().enumerate() {
            *label = classes.iter().nth(sample % classes.len().max(1)).unwrap_or(0);
        }
        let labels = labels.get(..batch.samples()).unwrap_or_default();
        let mut optimiser = Adam::new(AdamConfig::default(), size, arena)?;
        for _ in 0..NOISE_STEPS {
            learner.add_inputs(parameters, batch, noise, labels, -1.0, Some(&mut *slope))?;
            let pull = 2.0 * LENGTH / batch.samples() as f32;
            for (slope, &value) in slope.iter_mut().zip(&*noise) {
                *slope += pull * value;
            }
            optimiser.step(kernel, NOISE_RATE, slope, noise)?;
        }
        for (impairs, rate) in [(true, IMPAIR_RATE), (false, REPAIR_RATE)] {
            let mut optimiser = Adam::new(AdamConfig::default(), parameters.len(), arena)?;
            for _ in 0..retain.rounds(MINIBATCH) {
                learner.clear();
                let share = if impairs { 2.0 / 3.0 } else { 1.0 };
                learner.add(parameters, retain.deal(MINIBATCH), Aim::Own, share)?;
                if impairs {
                    learner.add_inputs(parameters, batch, noise, labels, 1.0 - share, None)?;
                }
                optimiser.step(kernel, rate, learner.gradients, parameters)?;
            }
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}
