//! One of the layers that a world edits.

use super::action::Change;
use super::config::{Config, Observation};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::Kernel;
use crate::nn::Stack;
use crate::num;
use crate::slab::{Arena, Need};

/// A layer under edit.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) layer: usize,
    pub(super) change: Change,
    /// Weights as edited so far; stale while nothing has been edited.
    pub(super) weights: &'a mut [f32],
    /// Weights being formed by a step; empty in episodes of one step, which begin at the unedited weights and so
    /// form theirs in `weights`.
    trial: &'a mut [f32],
    /// Weights before the edit, for layers that the prefix cache runs with weights put into it; empty for its
    /// own.
    pub(super) original: &'a mut [f32],
    /// 1/rms of the unedited weights, for the observation; 1 for raw observations.
    pub(super) inverse: f32,
}

impl<'a> Part<'a> {
    pub(super) fn new(
        layer: usize,
        change: Change,
        behind: bool,
        horizon: usize,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        let len = change.inputs * change.outputs;
        Ok(Self {
            layer,
            change,
            weights: arena.take(len)?,
            trial: arena.take(if horizon > 1 { len } else { 0 })?,
            original: arena.take(if behind { len } else { 0 })?,
            inverse: 1.0,
        })
    }

    /// Takes units anew from the unedited weights.
    pub(super) fn measure(&mut self, config: &Config, original: &[f32]) {
        let rms = num::rms(original);
        self.change = Change::new(config, rms, self.change.inputs, self.change.outputs);
        self.inverse = match config.observation {
            Observation::Flat if rms > 0.0 => 1.0 / rms,
            Observation::Flat | Observation::Raw | Observation::None => 1.0,
        };
        if self.original.len() == original.len() {
            self.original.copy_from_slice(original);
        }
    }

    /// The weights that a step is forming.
    pub(super) fn tried(&self) -> &[f32] {
        if self.trial.is_empty() { self.weights } else { self.trial }
    }

    /// Forms the weights after `action`, which a shift leaves scaled: on the unedited ones, which `unedited` holds for the prefix's own layer, or
    /// with `None` on the weights as edited so far.
    pub(super) fn form(
        &mut self,
        kernel: Kernel,
        action: &mut [f32],
        unedited: Option<&[f32]>,
    ) -> Result<(), ShapeError> {
        let Self { change, weights, trial, original, .. } = self;
        match unedited {
            Some(unedited) => {
                let unedited = if original.is_empty() { unedited } else { original };
                let out = if trial.is_empty() { weights } else { trial };
                change.form_in_place(kernel, action, unedited, out)
            }
            None => change.form_in_place(kernel, action, weights, trial),
        }
    }

    pub(super) fn keep_trial(&mut self) {
        if !self.trial.is_empty() {
            core::mem::swap(&mut self.weights, &mut self.trial);
        }
    }
}

/// Memory of a world beside its prefix.
pub(super) fn parts_need(config: &Config, stack: &Stack, layers: &[usize]) -> Need {
    let shapes = layers.iter().map(|&layer| {
        stack.layers().get(layer).and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0))
    });
    shapes
        .enumerate()
        .map(|(index, (inputs, outputs))| {
            let change = Change::new(config, 1.0, inputs, outputs);
            let copies = 1 + usize::from(config.horizon > 1) + usize::from(index > 0);
            Need::f32s(copies * inputs * outputs + change.action_len())
        })
        .fold(Need::default(), Need::and)
}
