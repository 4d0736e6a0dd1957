//! Minibatches of the training samples, and gradients of losses on them.

use crate::autodiff::{Tape, Var};
use crate::error::TooSmall;
use crate::kernel::{Batch, Kernel};
use crate::model::{ForwardError, Samples};
use crate::nn::Stack;
use crate::num;
use crate::rng::Rng;
use crate::slab::{Arena, Need};

/// Largest minibatch of any method, so that its labels fit on the stack.
pub(super) const MOST: usize = 256;

/// Sample indices, dealt in minibatches; shuffled anew whenever all have been dealt.
pub(super) struct Deck<'m> {
    indices: &'m mut [u32],
    next: usize,
    rng: Rng,
}

impl<'m> Deck<'m> {
    pub(super) fn new(indices: &'m mut [u32], rng: Rng) -> Self {
        Self { indices, next: 0, rng }
    }

    /// The next `count` indices; fewer at the end of a round, at least 1.
    pub(super) fn deal(&mut self, count: usize) -> &[u32] {
        if self.next >= self.indices.len() {
            self.next = 0;
        }
        if self.next == 0 {
            self.rng.shuffle(self.indices);
        }
        let first = self.next;
        self.next = first.saturating_add(count.max(1)).min(self.indices.len());
        self.indices.get(first..self.next).unwrap_or_default()
    }

    /// Minibatches of a round.
    pub(super) fn rounds(&self, count: usize) -> usize {
        self.indices.len().div_ceil(count.max(1))
    }

    /// Samples of a minibatch when a round is to last `rounds` of them.
    pub(super) fn share(&self, rounds: usize) -> usize {
        self.indices.len().div_ceil(rounds.max(1))
    }

    /// Leaves out all but `count` samples, drawn at random.
    pub(super) fn keep(&mut self, count: usize) {
        self.rng.shuffle(self.indices);
        let indices = core::mem::take(&mut self.indices);
        let count = count.min(indices.len());
        self.indices = indices.split_at_mut(count).0;
        self.next = 0;
    }

    /// All indices, in the present order.
    pub(super) fn all(&self) -> &[u32] {
        self.indices
    }
}

/// What the network is to give for a minibatch.
#[derive(Clone, Copy)]
pub(super) enum Aim<'t> {
    /// The samples' own labels: cross-entropy.
    Own,
    /// These labels, one per sample: cross-entropy.
    Labels(&'t [u8]),
    /// The outputs of a network with these parameters: T²·KL(teacher ‖ network) at temperature T.
    Teacher(&'t [f32], f32),
}

/// Memory of a [`Learner`] for minibatches of `batch` at most.
pub(super) fn need_of_learner(stack: &Stack, batch: Batch) -> Need {
    let own = stack.parameters() + batch.len(stack.outputs()) + stack.scratch(batch);
    need_of_tape(stack, batch).and(Need::f32s(own))
}

/// A pass that is differentiated with respect to its input as well.
fn need_of_tape(stack: &Stack, batch: Batch) -> Need {
    let classes = stack.outputs();
    let loss =
        Tape::cross_entropy_need(batch, classes).or(Tape::kl_divergence_need(batch, classes));
    let input_gradient = Need::f32s(batch.len(stack.inputs()));
    let sums = Tape::scalar_need().and(Tape::scalar_need());
    stack.tape_need(batch).and(loss).and(sums).and(input_gradient)
}

/// Takes gradients of one network's losses.
pub(super) struct Learner<'j, 'm> {
    pub(super) kernel: Kernel,
    pub(super) stack: &'j Stack,
    pub(super) samples: Samples<'j>,
    /// The sum of what was added since [`clear`](Self::clear).
    pub(super) gradients: &'m mut [f32],
    targets: &'m mut [f32],
    scratch: &'m mut [f32],
    tape: &'m mut [f32],
    /// Passes so far, for messages.
    passes: usize,
}

impl<'j, 'm> Learner<'j, 'm> {
    pub(super) fn new(
        kernel: Kernel,
        stack: &'j Stack,
        samples: Samples<'j>,
        batch: Batch,
        arena: &mut Arena<'m>,
    ) -> Result<Self, TooSmall> {
        Ok(Self {
            kernel,
            stack,
            samples,
            gradients: arena.take(stack.parameters())?,
            targets: arena.take(batch.len(stack.outputs()))?,
            scratch: arena.take(stack.scratch(batch))?,
            tape: arena.take(need_of_tape(stack, batch).f32s)?,
            passes: 0,
        })
    }

    /// Sets the gradients to 0.
    pub(super) fn clear(&mut self) {
        self.gradients.fill(0.0);
    }

    /// Adds `scale` times the gradient of the mean loss on the chosen samples, and returns the loss.
    ///
    /// # Errors
    /// [`ForwardError`]: something does not fit, or the loss is not finite.
    pub(super) fn add(
        &mut self,
        parameters: &[f32],
        chosen: &[u32],
        aim: Aim<'_>,
        scale: f32,
    ) -> Result<f32, ForwardError> {
        self.add_up_to(parameters, chosen, aim, scale, f32::INFINITY)
    }

    /// As [`add`](Self::add), but adds nothing when the loss is above `cap`.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(super) fn add_up_to(
        &mut self,
        parameters: &[f32],
        chosen: &[u32],
        aim: Aim<'_>,
        scale: f32,
        cap: f32,
    ) -> Result<f32, ForwardError> {
        let batch = fitting(chosen.len());
        let mut tape = Tape::new(self.kernel, self.tape);
        let x = tape.input(batch, self.stack.inputs())?;
        fill(&mut tape, x, &self.samples, self.stack.inputs(), chosen);
        let logits = self.stack.record(&mut tape, parameters, x)?;
        let loss = match aim {
            Aim::Own => {
                let mut labels = [0u8; MOST];
                for (to, &index) in labels.iter_mut().zip(chosen) {
                    *to = self.samples.labels.get(index as usize).copied().unwrap_or(0);
                }
                tape.softmax_cross_entropy(logits, labels.get(..chosen.len()).unwrap_or(&[]))?
            }
            Aim::Labels(labels) => tape.softmax_cross_entropy(logits, labels)?,
            Aim::Teacher(teacher, temperature) => {
                let (layers, classes) = (0..self.stack.layers().len(), self.stack.outputs());
                let targets = self.targets.get_mut(..batch.len(classes)).unwrap_or_default();
                let (kernel, input) = (self.kernel, tape.value(x));
                let scratch = &mut *self.scratch;
                self.stack.forward(kernel, layers, batch, teacher, input, scratch, targets)?;
                targets.iter_mut().for_each(|value| *value /= temperature);
                kernel.softmax(batch, classes, targets)?;
                let loss = tape.kl_divergence(logits, targets, temperature)?;
                tape.weighted_sum(&[(loss, temperature * temperature)])?
            }
        };
        let value = tape.scalar(loss);
        self.passes += 1;
        if !value.is_finite() {
            return Err(ForwardError::NotFinite { step: self.passes });
        }
        if value <= cap {
            // The tape adds gradients as they are: the scale is applied to the loss.
            let loss = tape.weighted_sum(&[(loss, scale)])?;
            tape.backward(loss, parameters, self.gradients)?;
        }
        Ok(value)
    }

    /// Cross-entropy of inputs that are no samples, laid out as `batch`, to `labels`: adds `scale` times its
    /// gradient with respect to the parameters, writes that with respect to the inputs to `of_inputs`.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_inputs(
        &mut self,
        parameters: &[f32],
        batch: Batch,
        inputs: &[f32],
        labels: &[u8],
        scale: f32,
        of_inputs: Option<&mut [f32]>,
    ) -> Result<f32, ForwardError> {
        let mut tape = Tape::new(self.kernel, self.tape);
        let features = self.stack.inputs();
        let x = match of_inputs {
            Some(_) => tape.differentiable_input(batch, features)?,
            None => tape.input(batch, features)?,
        };
        for (to, &from) in tape.value_mut(x).iter_mut().zip(inputs) {
            *to = from;
        }
        let logits = self.stack.record(&mut tape, parameters, x)?;
        let loss = tape.softmax_cross_entropy(logits, labels)?;
        let value = tape.scalar(loss);
        self.passes += 1;
        if !value.is_finite() {
            return Err(ForwardError::NotFinite { step: self.passes });
        }
        let scaled = tape.weighted_sum(&[(loss, scale)])?;
        tape.backward(scaled, parameters, self.gradients)?;
        for (to, &from) in of_inputs.unwrap_or_default().iter_mut().zip(tape.gradient(x)) {
            *to = from;
        }
        Ok(value)
    }

    /// Softmax of one sample's logits into `probabilities`, one value per class.
    ///
    /// # Errors
    /// [`ForwardError`]: something does not fit.
    pub(super) fn probabilities(
        &mut self,
        parameters: &[f32],
        index: u32,
        probabilities: &mut [f32],
    ) -> Result<(), ForwardError> {
        let (features, at) = (self.stack.inputs(), index as usize);
        let input = self.samples.inputs.get(at * features..(at + 1) * features).unwrap_or(&[]);
        let (batch, layers) = (Batch::rows(1), 0..self.stack.layers().len());
        let (kernel, scratch) = (self.kernel, &mut *self.scratch);
        self.stack.forward(kernel, layers, batch, parameters, input, scratch, probabilities)?;
        Ok(kernel.softmax(batch, self.stack.outputs(), probabilities)?)
    }

    /// Share of these samples whose largest logit (the first of equals) is their own label, in [0, 1].
    ///
    /// # Errors
    /// [`ForwardError`]: something does not fit.
    pub(super) fn accuracy(
        &mut self,
        parameters: &[f32],
        chosen: &[u32],
        minibatch: usize,
    ) -> Result<f32, ForwardError> {
        let (features, classes) = (self.stack.inputs(), self.stack.outputs());
        let mut right = 0u32;
        for chosen in chosen.chunks(minibatch.max(1)) {
            let mut tape = Tape::new(self.kernel, self.tape);
            let batch = fitting(chosen.len());
            let x = tape.input(batch, features)?;
            fill(&mut tape, x, &self.samples, features, chosen);
            let logits = self.stack.record(&mut tape, parameters, x)?;
            let values = tape.value(logits);
            for (sample, &index) in chosen.iter().enumerate() {
                let z = |class| values.get(batch.at(classes, sample, class)).copied();
                let own =
                    usize::from(self.samples.labels.get(index as usize).copied().unwrap_or(0));
                let beaten =
                    |class| if class < own { z(class) >= z(own) } else { z(class) > z(own) };
                right += u32::from(!(0..classes).any(beaten));
            }
        }
        Ok(right as f32 / chosen.len().max(1) as f32)
    }

    /// Refuses parameters that are infinite or NaN.
    ///
    /// # Errors
    /// [`ForwardError::NotFinite`].
    pub(super) fn finish(&self, parameters: &[f32]) -> Result<(), ForwardError> {
        match num::all_finite(parameters) {
            true => Ok(()),
            false => Err(ForwardError::NotFinite { step: self.passes }),
        }
    }
}

/// A single sample in rows, as its gradient is cheaper there; more in lanes.
fn fitting(samples: usize) -> Batch {
    if samples == 1 { Batch::rows(1) } else { Batch::lanes(samples) }
}

/// Copies samples into an input.
fn fill(tape: &mut Tape<'_>, x: Var, samples: &Samples<'_>, features: usize, chosen: &[u32]) {
    let batch = tape.batch(x);
    let input = tape.value_mut(x);
    for (slot, &index) in chosen.iter().enumerate() {
        let at = index as usize;
        let row = samples.inputs.get(at * features..(at + 1) * features).unwrap_or_default();
        let lane = input.get_mut(batch.at(features, slot, 0)..).unwrap_or_default();
        for (to, &from) in lane.iter_mut().step_by(batch.width()).zip(row) {
            *to = from;
        }
    }
}
