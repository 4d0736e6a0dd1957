//! A network that learns after the edit: a probe, or the edited network itself.

use crate::autodiff::Tape;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel};
use crate::model::ForwardError;
use crate::nn::Stack;
use crate::optim::{Adam, AdamConfig};
use crate::rng::Rng;
use crate::run::error::RunError;
use crate::slab::{Heap, Need};

/// Sees the number of steps and the parameters, and says whether to go on.
pub(super) type After<'f> = dyn FnMut(usize, &[f32]) -> Result<bool, RunError> + 'f;

/// What is learned, and how: Adam on the cross-entropy of minibatches.
pub(super) struct Course<'a> {
    pub(super) kernel: Kernel,
    pub(super) stack: &'a Stack,
    /// Inputs, row by row.
    pub(super) rows: &'a [f32],
    pub(super) labels: &'a [u8],
    pub(super) minibatch: usize,
    pub(super) rate: f32,
    /// Steps at most.
    pub(super) steps: usize,
}

impl Course<'_> {
    /// Steps of a pass over all samples.
    pub(super) fn steps_per_epoch(&self) -> usize {
        self.labels.len().div_ceil(self.minibatch.max(1))
    }

    /// Trains `parameters`; orders come from `rng`. `after` is called after every step.
    pub(super) fn follow(
        &self,
        parameters: &mut [f32],
        mut rng: Rng,
        after: &mut After<'_>,
    ) -> Result<(), RunError> {
        let Self { kernel, stack, rows, labels, .. } = *self;
        let features = stack.inputs();
        ShapeError::check("input", labels.len().saturating_mul(features), rows.len())?;
        let minibatch = self.minibatch.min(labels.len()).max(1);
        let whole = Batch::lanes(minibatch);
        let need = stack
            .tape_need(whole)
            .and(Tape::cross_entropy_need(whole, stack.outputs()))
            .and(Adam::need(stack.parameters()))
            .and(Need::f32s(stack.parameters() + minibatch * features));
        let mut heap = Heap::new(need);
        let mut arena = heap.arena();
        let mut memory = |count| arena.take(count).map_err(ForwardError::from);
        let gradients = memory(stack.parameters())?;
        let taken = memory(minibatch * features)?;
        let mut adam = Adam::new(AdamConfig::default(), stack.parameters(), &mut arena)
            .map_err(ForwardError::from)?;
        let left = arena.left().f32s;
        let mut tape = Tape::new(kernel, arena.take(left).map_err(ForwardError::from)?);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        let mut step = 0;
        while step < self.steps && !order.is_empty() {
            rng.shuffle(&mut order);
            for chosen in order.chunks(minibatch).take(self.steps - step) {
                tape.clear();
                let batch = Batch::lanes(chosen.len());
                let taken = &mut taken[..chosen.len() * features];
                for (to, &from) in taken.chunks_mut(features.max(1)).zip(chosen) {
                    to.copy_from_slice(&rows[from * features..(from + 1) * features]);
                }
                let x = tape.input(batch, features).map_err(ForwardError::from)?;
                kernel.to_panels(batch, features, taken, tape.value_mut(x))?;
                let own: Vec<u8> = chosen.iter().map(|&index| labels[index]).collect();
                let logits = stack.record(&mut tape, parameters, x).map_err(ForwardError::from)?;
                let loss = tape.softmax_cross_entropy(logits, &own).map_err(ForwardError::from)?;
                gradients.fill(0.0);
                tape.backward(loss, parameters, gradients).map_err(ForwardError::from)?;
                adam.step(kernel, self.rate, gradients, parameters)?;
                step += 1;
                if !after(step, parameters)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
