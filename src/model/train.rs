//! Training a target network from its inputs: minibatch Adam on the cross-entropy.

use super::{ForwardError, Samples};
use crate::autodiff::Tape;
use crate::error::ShapeError;
use crate::kernel::{Bag, Batch, Kernel};
use crate::nn::{Init, Stack};
use crate::optim::{Adam, AdamConfig, Schedule};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use core::ops::Range;

/// How a target network is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// Passes over the samples.
    pub epochs: usize,
    /// Samples per step.
    pub minibatch: usize,
    /// Learning rate at the start.
    pub rate: f32,
    /// How the learning rate goes on over the steps.
    pub schedule: Schedule,
}

impl Training {
    /// The settings of `digits-cnn`: 12 epochs of minibatches of 64, Adam at 2e-3, falling to 2 %.
    pub const DIGITS: Self =
        Self { epochs: 12, minibatch: 64, rate: 2e-3, schedule: Schedule::Linear { to: 0.02 } };

    /// The settings of `toxicity-mlp` on generated comments: 6 epochs of minibatches of 64, Adam at 2e-3.
    pub const TOXICITY: Self =
        Self { epochs: 6, minibatch: 64, rate: 2e-3, schedule: Schedule::Constant };

    /// The same on comments of a file: 2 epochs, more overfit.
    pub const COMMENTS: Self = Self { epochs: 2, ..Self::TOXICITY };
}

/// What training has come to.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps taken.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Cross-entropy of the last minibatch, in nats.
    pub loss: f32,
}

/// Memory for [`train`] on `samples` samples.
pub fn train_need(stack: &Stack, samples: usize, training: &Training) -> Need {
    let batch = Batch::lanes(training.minibatch.min(samples));
    stack
        .tape_need(batch)
        .and(Tape::cross_entropy_need(batch, stack.outputs()))
        .and(Adam::need(stack.parameters()))
        .and(Need { f32s: stack.parameters(), u32s: samples })
}

/// Trains `stack` from scratch on the samples for which `keep(label)` holds.
///
/// Samples are row-major ([`Batch::rows`]). The initial weights come from stream (seed, weights), the
/// order from stream (seed, order): it is drawn over *all* samples and then filtered, so that a
/// network that is retrained without some samples sees the others in the same order.
///
/// # Errors
/// [`ForwardError`]: a slice or label does not fit, the arena is too small, nothing is kept, or a
/// value became infinite or NaN.
#[allow(clippy::too_many_arguments)]
pub fn train(
    kernel: Kernel,
    stack: &Stack,
    parameters: &mut [f32],
    samples: &Samples<'_>,
    keep: &dyn Fn(u8) -> bool,
    training: &Training,
    seed: u64,
    arena: &mut Arena<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ForwardError> {
    let kept = |index: usize| samples.labels.get(index).is_some_and(|&label| keep(label));
    train_where(kernel, stack, parameters, samples, &kept, training, seed, arena, progress)
}

/// The same on the samples (by index) for which `keep` holds.
///
/// # Errors
/// As [`train`].
#[allow(clippy::too_many_arguments)]
pub fn train_where(
    kernel: Kernel,
    stack: &Stack,
    parameters: &mut [f32],
    samples: &Samples<'_>,
    keep: &dyn Fn(usize) -> bool,
    training: &Training,
    seed: u64,
    arena: &mut Arena<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ForwardError> {
    ShapeError::check("samples of a panel", 1, samples.batch.width())?;
    ShapeError::check("input", samples.batch.len(stack.inputs()), samples.inputs.len())?;
    ShapeError::check("labels", samples.batch.samples(), samples.labels.len())?;
    stack.initialise(Init::HeUniform, parameters, &mut Rng::new(seed, Purpose::Weights))?;
    let lesson = Lesson {
        inputs: Rows::Dense(samples.inputs),
        labels: samples.labels,
        weights: None,
        trained: 0..stack.parameters(),
    };
    train_on(kernel, stack, parameters, &lesson, keep, training, seed, arena, progress)
}

/// Inputs of the samples to train on.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Features of one sample after another.
    Dense(&'a [f32]),
    /// Sparse rows.
    Sparse(Bag<'a>),
}

/// What [`train_on`] teaches.
#[derive(Clone, Debug)]
pub struct Lesson<'a> {
    /// Inputs, one row per label.
    pub inputs: Rows<'a>,
    /// Class of each sample.
    pub labels: &'a [u8],
    /// Weight of each sample in the loss; all 1 when left out.
    pub weights: Option<&'a [f32]>,
    /// The parameters that change; all others are held.
    pub trained: Range<usize>,
}

/// Trains on from `parameters` as they are, on the samples (by index) for which `keep` holds, in an order
/// from stream (seed, order) that is drawn over all samples and then filtered.
///
/// # Errors
/// As [`train`].
#[allow(clippy::too_many_arguments)]
pub fn train_on(
    kernel: Kernel,
    stack: &Stack,
    parameters: &mut [f32],
    lesson: &Lesson<'_>,
    keep: &dyn Fn(usize) -> bool,
    training: &Training,
    seed: u64,
    arena: &mut Arena<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ForwardError> {
    let (features, total) = (stack.inputs(), lesson.labels.len());
    ShapeError::check("parameters", stack.parameters(), parameters.len())?;
    match lesson.inputs {
        Rows::Dense(rows) => ShapeError::check("input", total.saturating_mul(features), rows.len()),
        Rows::Sparse(bag) => ShapeError::check("input", features, bag.inputs())
            .and_then(|()| ShapeError::check("samples", total, bag.samples())),
    }?;
    if let Some(weights) = lesson.weights {
        ShapeError::check("weights of samples", total, weights.len())?;
    }
    let trained = lesson.trained.clone();
    if trained.end > parameters.len() || trained.start > trained.end {
        let (expected, found) = (parameters.len(), trained.end);
        return Err(ShapeError { what: "trained parameters", expected, found }.into());
    }
    let classes = stack.outputs();
    if let Some(&label) = lesson.labels.iter().find(|&&label| usize::from(label) >= classes) {
        return Err(ForwardError::Label { label, classes });
    }
    let kept = (0..total).filter(|&index| keep(index)).count();
    let minibatch = training.minibatch.min(kept);
    if minibatch == 0 {
        return Err(ForwardError::NoSamples);
    }
    let mut optimiser = Adam::new(AdamConfig::default(), trained.len(), arena)?;
    let gradients = arena.take(stack.parameters())?;
    let order = arena.take_indices(total)?;
    let mut shuffler = Rng::new(seed, Purpose::Order);
    let left = arena.left().f32s;
    let mut tape = Tape::new(kernel, arena.take(left)?);
    let (mut labels, mut weights) = ([0u8; MAX_MINIBATCH], [1.0f32; MAX_MINIBATCH]);
    let too_many =
        ForwardError::Failed("a minibatch of a target network holds at most 1,024 samples");
    let labels = labels.get_mut(..minibatch).ok_or(too_many)?;
    let per_epoch = kept.div_ceil(minibatch);
    let steps = per_epoch * training.epochs;
    let mut step = 0;
    for _ in 0..training.epochs {
        for (slot, index) in order.iter_mut().zip(0u32..) {
            *slot = index;
        }
        shuffler.shuffle(order);
        let mut rest = order.iter().map(|&index| index as usize).filter(|&index| keep(index));
        for _ in 0..per_epoch {
            tape.clear();
            let count = minibatch.min(kept - (step % per_epoch) * minibatch);
            let batch = Batch::lanes(count);
            let x = tape.input(batch, features)?;
            let input = tape.value_mut(x);
            if let Rows::Sparse(_) = lesson.inputs {
                input.fill(0.0);
            }
            for (slot, label) in labels.iter_mut().take(count).enumerate() {
                let Some(index) = rest.next() else { break };
                fill(&lesson.inputs, index, batch, features, slot, input);
                *label = lesson.labels.get(index).copied().unwrap_or(0);
                if let (Some(to), Some(from)) = (weights.get_mut(slot), lesson.weights) {
                    *to = from.get(index).copied().unwrap_or(0.0);
                }
            }
            let logits = stack.record(&mut tape, parameters, x)?;
            let chosen = labels.get(..count).unwrap_or_default();
            let loss = tape.weighted_cross_entropy(logits, chosen, weights.get(..count))?;
            gradients.fill(0.0);
            tape.backward(loss, parameters, gradients)?;
            let value = tape.scalar(loss);
            if !value.is_finite() {
                return Err(ForwardError::NotFinite { step });
            }
            let done = step as f32 / steps.max(1) as f32;
            let rate = training.rate * training.schedule.factor(done);
            let ours = gradients.get(trained.clone()).unwrap_or_default();
            let changed = parameters.get_mut(trained.clone()).unwrap_or_default();
            optimiser.step(kernel, rate, ours, changed)?;
            step += 1;
            progress(Progress { step, steps, loss: value });
        }
    }
    if !crate::num::all_finite(parameters) {
        return Err(ForwardError::NotFinite { step });
    }
    Ok(())
}

/// Copies sample `index` into lane `slot` of a cleared batch.
fn fill(
    rows: &Rows<'_>,
    index: usize,
    batch: Batch,
    features: usize,
    slot: usize,
    input: &mut [f32],
) {
    match rows {
        Rows::Dense(rows) => {
            let row = rows.get(index * features..(index + 1) * features);
            let start = batch.at(features, slot, 0);
            let lane = input.get_mut(start..).unwrap_or_default();
            for (to, &from) in lane.iter_mut().step_by(batch.width()).zip(row.unwrap_or_default()) {
                *to = from;
            }
        }
        Rows::Sparse(bag) => {
            let (columns, values) = bag.row(index);
            for (&column, &value) in columns.iter().zip(values) {
                if let Some(to) = input.get_mut(batch.at(features, slot, column as usize)) {
                    *to = value;
                }
            }
        }
    }
}

/// Largest minibatch, so that its labels fit on the stack.
const MAX_MINIBATCH: usize = 1024;
