//! Unlearning by gradients of the target: the methods of the literature that a reward-only edit is
//! compared with.
//!
//! What belongs here: one file per method, with its source, its settings and where it departs from the
//! reference code; and what they share, minibatches and gradients of losses on them ([`Learner`]). What
//! does not: losses (`autodiff`), optimisers (`optim`), training from scratch (`model`).
//!
//! All of them change the whole network, see the samples that trained it, and take no evaluation of the reward. They
//! say "forget" and "retain" for the training samples of the classes to forget and of all others.

mod ascent;
mod bad_teacher;
mod fine_tune;
mod fisher;
mod learner;
mod neggrad;
mod random_labels;
mod scrub;
mod ssd;
mod unsir;

pub(super) use ascent::GradientAscent;
pub(super) use bad_teacher::BadTeacher;
pub(super) use fine_tune::FineTune;
pub(super) use fisher::Fisher;
pub(super) use neggrad::NegGrad;
pub(super) use random_labels::RandomLabels;
pub(super) use scrub::Scrub;
pub(super) use ssd::Ssd;
pub(super) use unsir::Unsir;

use super::{EditError, Job, JobShape};
use learner::{Aim, Deck, Learner, need_of_learner};

use crate::error::ShapeError;
use crate::kernel::Batch;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use crate::task::ClassSet;

/// Memory of [`begin`], and of what the method needs beyond it given the number of parameters.
fn need(shape: &JobShape<'_>, minibatch: usize, beyond: impl FnOnce(usize) -> Need) -> Need {
    shape.training.map_or(Need::default(), |set| {
        let samples = set.samples.labels.len();
        let batch = Batch::lanes(minibatch.min(samples));
        need_of_learner(shape.stack, batch)
            .and(Need { f32s: 0, u32s: samples })
            .and(beyond(shape.stack.parameters()))
    })
}

/// What a method begins with.
struct Begin<'j, 'm> {
    learner: Learner<'j, 'm>,
    /// The parameters to change: the target's own at first.
    parameters: &'j mut [f32],
    forget: Deck<'m>,
    retain: Deck<'m>,
    /// The classes to forget; none where single samples are.
    classes: ClassSet,
    seed: u64,
}

/// Parts the samples that trained the network, and takes the memory of [`need`].
///
/// # Errors
/// [`EditError`] when there is no such network, its samples do not fit it, or a part is empty.
fn begin<'j, 'm>(
    job: &'j mut Job<'_>,
    minibatch: usize,
    arena: &mut Arena<'m>,
) -> Result<Begin<'j, 'm>, EditError> {
    let seed = job.seed();
    let network = job.network().ok_or(EditError::Unfit("there is no whole network to train"))?;
    let set =
        network.training.ok_or(EditError::Unfit("what the network was trained on is not known"))?;
    let (stack, samples, classes) = (network.stack, set.samples, network.forget);
    let count = samples.labels.len();
    ShapeError::check("samples of a panel", 1, samples.batch.width())?;
    ShapeError::check("labels", samples.batch.samples(), count)?;
    ShapeError::check("input", samples.batch.len(stack.inputs()), samples.inputs.len())?;
    ShapeError::check("parameters", stack.parameters(), network.parameters.len())?;
    let indices = arena.take_indices(count)?;
    let forgets = |(index, &label): (usize, &u8)| set.forgets(classes, index, label);
    let first = samples.labels.iter().enumerate().filter(|&sample| forgets(sample)).count();
    let (forget, retain) = indices.split_at_mut_checked(first).unwrap_or_default();
    if forget.is_empty() || retain.is_empty() {
        return Err(EditError::Unfit("it needs training samples to forget, and others"));
    }
    let (mut of_forget, mut of_retain) = (forget.iter_mut(), retain.iter_mut());
    for (index, &label) in (0u32..).zip(samples.labels) {
        let forgotten = set.forgets(classes, index as usize, label);
        let slot = if forgotten { of_forget.next() } else { of_retain.next() };
        if let Some(slot) = slot {
            *slot = index;
        }
    }
    let batch = Batch::lanes(minibatch.min(count));
    Ok(Begin {
        learner: Learner::new(network.kernel, stack, samples, batch, arena)?,
        parameters: &mut *network.parameters,
        forget: Deck::new(forget, Rng::new(seed, Purpose::Order)),
        retain: Deck::new(retain, Rng::new(seed, Purpose::Minibatch)),
        classes,
        seed,
    })
}
