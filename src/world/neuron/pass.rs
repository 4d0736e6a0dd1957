//! The network, run panel by panel, and the probes of what lies behind the layer.

use super::build::{NO_ROWS, larger_of};
use super::positions::Positions;
use crate::kernel::{Batch, Kernel, LANES, copy};
use crate::model::{ForwardError, Samples};
use crate::nn::{Kind, Stack};
use crate::num;
use crate::slab::Arena;
use crate::task::ClassSet;

/// The network, run panel by panel.
pub(super) struct Pass<'s, 'p> {
    pub(super) stack: &'s Stack,
    pub(super) parameters: &'s [f32],
    pub(super) kernel: Kernel,
    pub(super) layer: usize,
    pub(super) positions: Positions<'s>,
    /// First layer after the activations that follow the edited one.
    pub(super) tail: usize,
    pub(super) gated: bool,
    /// Empty where the layer takes the network's own input.
    x: &'p mut [f32],
    /// P after [`run_layer`](Self::run_layer), H after [`run_rest`](Self::run_rest).
    pub(super) h: &'p mut [f32],
    z: &'p mut [f32],
    bumped: &'p mut [f32],
    pub(super) scratch: &'p mut [f32],
    pub(super) forget_square: &'p mut [f32],
    /// Summed softmax over the other classes.
    pub(super) others: &'p mut [f32],
    /// Sum and sum of squares of the margins.
    pub(super) margin: [f32; 2],
    probe_h: &'p mut [f32],
    pub(super) probes: usize,
}

impl<'s, 'p> Pass<'s, 'p> {
    pub(super) fn new(
        stack: &'s Stack,
        parameters: &'s [f32],
        layer: usize,
        kernel: Kernel,
        probes: usize,
        arena: &mut Arena<'p>,
    ) -> Result<Self, ForwardError> {
        let positions = Positions::of(stack, layer).ok_or(NO_ROWS)?;
        let (inputs, outputs) = positions.features();
        let (classes, panel) = (stack.outputs(), Batch::lanes(LANES));
        let layers = stack.layers();
        let tail = stack.behind(layer);
        let gated = layers
            .get(layer + 1..tail)
            .is_some_and(|run| run.iter().any(|layer| matches!(layer.kind(), Kind::Relu)));
        Ok(Self {
            stack,
            parameters,
            kernel,
            layer,
            positions,
            tail,
            gated,
            x: arena.take(if layer == 0 { 0 } else { panel.len(inputs) })?,
            h: arena.take(panel.len(outputs))?,
            z: arena.take(panel.len(classes))?,
            bumped: arena.take(panel.len(classes))?,
            scratch: arena.take(stack.scratch_around(layer, panel))?,
            forget_square: arena.take(positions.sizes().1)?,
            others: arena.take(classes)?,
            margin: [0.0; 2],
            probe_h: arena.take(Batch::lanes(probes).len(outputs))?,
            probes: 0,
        })
    }

    /// Memory for as many probes.
    pub(super) fn need(
        stack: &Stack,
        layer: usize,
        positions: Positions<'_>,
        probes: usize,
    ) -> usize {
        let (inputs, outputs) = positions.features();
        let (classes, panel) = (stack.outputs(), Batch::lanes(LANES));
        let taken = if layer == 0 { 0 } else { inputs };
        panel.len(taken + outputs + 2 * classes)
            + stack.scratch_around(layer, panel)
            + Batch::lanes(probes).len(outputs)
            + positions.sizes().1
            + classes
    }

    /// The network's input of one panel of samples.
    pub(super) fn input<'i>(&self, samples: Samples<'i>, index: usize) -> &'i [f32] {
        let width = self.stack.inputs() * LANES;
        samples.inputs.get(index * width..(index + 1) * width).unwrap_or_default()
    }

    /// What the layer takes of a panel that was [`run`](Self::run) on `input`.
    pub(super) fn x<'x>(&'x self, input: &'x [f32]) -> &'x [f32] {
        if self.layer == 0 { input } else { self.x }
    }

    /// x and P of one panel.
    #[inline(never)]
    pub(super) fn run_layer(&mut self, part: Batch, input: &[f32]) -> Result<(), ForwardError> {
        let Self { stack, parameters, kernel, layer, .. } = *self;
        if layer > 0 {
            stack.forward(kernel, 0..layer, part, parameters, input, self.scratch, self.x)?;
        }
        let x = if layer == 0 { input } else { &*self.x };
        stack.forward(kernel, layer..layer + 1, part, parameters, x, self.scratch, self.h)?;
        Ok(())
    }

    /// What is behind the layer: P becomes H, and the logits follow.
    #[inline(never)]
    pub(super) fn run_rest(&mut self, part: Batch) -> Result<(), ForwardError> {
        let Self { stack, parameters, kernel, layer, tail, .. } = *self;
        stack.activate(kernel, layer + 1..tail, self.h);
        let rest = tail..stack.layers().len();
        stack.forward(kernel, rest, part, parameters, self.h, self.scratch, self.z)?;
        Ok(())
    }

    /// What a forget sample adds: its margin and the other classes' shares.
    pub(super) fn of_forget(&mut self, lane: usize, class: u8, gone: &ClassSet) {
        let classes = self.stack.outputs();
        let z = |k: usize| self.z.get(k * LANES + lane).copied().unwrap_or(0.0);
        let class = usize::from(class);
        let counts = |k: &usize| *k != class && u8::try_from(*k).is_ok_and(|k| !gone.contains(k));
        let largest = (0..classes).filter(counts).map(z).fold(f32::NEG_INFINITY, larger_of);
        let mut sum = 0.0;
        for k in (0..classes).filter(counts) {
            sum += num::exp(z(k) - largest);
        }
        let margin = z(class) - (largest + num::ln(sum));
        self.margin[0] += margin;
        self.margin[1] += margin * margin;
        for (k, share) in self.others.iter_mut().enumerate() {
            if counts(&k) {
                let z = self.z.get(k * LANES + lane).copied().unwrap_or(0.0);
                *share += num::exp(z - largest) / sum;
            }
        }
    }

    /// Keeps a forget sample as a probe while there is room.
    pub(super) fn keep_probe(&mut self, lane: usize) {
        let outputs = self.h.len() / LANES;
        if (self.probes + 1) * outputs <= self.probe_h.len() {
            copy_lane(self.h, lane, self.probe_h, outputs, self.probes);
            self.probes += 1;
        }
    }

    /// Adds to `effective` (outputs × classes) how the logits of the probes move when every output in its turn is
    /// raised, at every position, by what [`forget_square`](Self::forget_square) then holds. Leaves H where the layer
    /// is dense, not the logits.
    #[inline(never)]
    pub(super) fn bump(&mut self, effective: &mut [f32]) -> Result<(), ForwardError> {
        let Self { stack, parameters, kernel, tail, positions, .. } = *self;
        let (width, classes, each) = (self.h.len(), stack.outputs(), positions.size());
        let all = Batch::lanes(self.probes);
        for index in 0..all.panels() {
            let part = all.panel(index);
            let h = self.probe_h.get_mut(index * width..(index + 1) * width).unwrap_or_default();
            let run = |h: &[f32], scratch: &mut [f32], z: &mut [f32]| {
                stack.forward(kernel, tail..stack.layers().len(), part, parameters, h, scratch, z)
            };
            run(h, self.scratch, self.z)?;
            for (row, to) in effective.chunks_exact_mut(classes.max(1)).enumerate() {
                let delta = self.forget_square.get(row).copied().unwrap_or(0.0);
                if delta <= 0.0 {
                    continue;
                }
                if positions.is_dense() {
                    // In place, and back: memory is dear where layers are dense.
                    let mut kept = [0.0; LANES];
                    if let Some(lanes) = h.chunks_exact_mut(LANES).nth(row) {
                        copy(&mut kept, lanes);
                        lanes.iter_mut().for_each(|value| *value += delta);
                    }
                    run(h, self.scratch, self.bumped)?;
                    if let Some(lanes) = h.chunks_exact_mut(LANES).nth(row) {
                        copy(lanes, &kept);
                    }
                } else {
                    copy(self.h, h);
                    let raised = self.h.iter_mut().skip(row * each).take(each);
                    raised.for_each(|value| *value += delta);
                    run(self.h, self.scratch, self.bumped)?;
                }
                let lanes = self.bumped.chunks_exact(LANES).zip(self.z.chunks_exact(LANES));
                for (to, (after, before)) in to.iter_mut().zip(lanes) {
                    for (&after, &before) in after.iter().zip(before).take(part.samples()) {
                        *to += after - before;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Copies one lane of a panel to sample `sample` of panels of the same features.
pub(super) fn copy_lane(
    panel: &[f32],
    lane: usize,
    to: &mut [f32],
    features: usize,
    sample: usize,
) {
    let batch = Batch::lanes(sample + 1);
    for feature in 0..features {
        let value = panel.get(feature * LANES + lane).copied().unwrap_or(0.0);
        if let Some(slot) = to.get_mut(batch.at(features, sample, feature)) {
            *slot = value;
        }
    }
}
