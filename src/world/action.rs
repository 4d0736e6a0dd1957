//! How an action changes weights.

use super::config::{Config, Unit, WorldKind};
use crate::env::EnvError;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, Start};
use crate::slab::Need;

/// The change that one world makes to weights of one shape, without the network around them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Mask or shift.
    pub kind: WorldKind,
    /// Rank r of the action.
    pub rank: usize,
    /// s for a mask, s·u for a shift.
    pub step: f32,
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
}

impl Change {
    /// The change that `config` makes to a layer whose weights have the given rms.
    pub fn new(config: &Config, rms: f32, inputs: usize, outputs: usize) -> Self {
        let unit = match (config.kind, config.unit) {
            (WorldKind::Mask, _) | (WorldKind::Shift, Unit::Absolute) => 1.0,
            (WorldKind::Shift, Unit::Rms) => rms,
        };
        Self { kind: config.kind, rank: config.rank, step: config.step * unit, inputs, outputs }
    }

    /// Length of an action.
    pub const fn action_len(&self) -> usize {
        self.rank * (self.inputs + self.outputs)
    }

    /// Working memory of [`form`](Self::form): scaled factors of a shift.
    pub const fn need(&self) -> Need {
        Need::f32s(match self.kind {
            WorldKind::Mask => 0,
            WorldKind::Shift => self.rank * self.outputs,
        })
    }

    /// U of an action, `r × outputs`, and V, `inputs × r`.
    pub fn factors<'f>(&self, action: &'f [f32]) -> (&'f [f32], &'f [f32]) {
        action.split_at_checked(self.rank * self.outputs).unwrap_or_default()
    }

    /// For a shift: `U·s·u/r`, so that `V · scaled U` is what is added.
    pub fn scale(&self, u: &[f32], scaled: &mut [f32]) {
        let factor = self.factor();
        for (to, &from) in scaled.iter_mut().zip(u) {
            *to = factor * from;
        }
    }

    /// Forms the changed weights (all inputs × outputs) in `out`.
    ///
    /// A mask is `w · (1 + (s/r)·d)` with d one chain over the rank; a shift continues the chain of w
    /// over the rank, `fma(V[i][q], U[q][j]·s·u/r, w)`.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has another length than the change's shape; `scratch` is of the
    /// length that [`need`](Self::need) says.
    pub fn form(
        &self,
        kernel: Kernel,
        action: &[f32],
        weights: &[f32],
        scratch: &mut [f32],
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("action", self.action_len(), action.len())?;
        ShapeError::check("scratch", self.need().f32s, scratch.len())?;
        let (u, v) = self.factors(action);
        if self.kind == WorldKind::Shift {
            self.scale(u, scratch);
        }
        let u = if self.kind == WorldKind::Shift { scratch } else { u };
        self.form_of(kernel, u, v, weights, out)
    }

    /// As [`form`](Self::form), in no other memory: a shift leaves U scaled in the action.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has another length than the change's shape.
    pub fn form_in_place(
        &self,
        kernel: Kernel,
        action: &mut [f32],
        weights: &[f32],
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("action", self.action_len(), action.len())?;
        if self.kind == WorldKind::Shift {
            let factor = self.factor();
            action.iter_mut().take(self.rank * self.outputs).for_each(|value| *value *= factor);
        }
        let (u, v) = self.factors(action);
        self.form_of(kernel, u, v, weights, out)
    }

    /// U is scaled for a shift.
    fn form_of(
        &self,
        kernel: Kernel,
        u: &[f32],
        v: &[f32],
        weights: &[f32],
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        let (rows, rank, outputs) = (Batch::rows(self.inputs), self.rank, self.outputs);
        let start = match self.kind {
            WorldKind::Mask => Start::Zero,
            WorldKind::Shift => Start::Values(weights),
        };
        kernel.dense_forward(rows, rank, outputs, u, start, v, out)?;
        match self.kind {
            WorldKind::Mask => kernel.mask(weights, self.step / rank as f32, out),
            WorldKind::Shift => Ok(()),
        }
    }

    /// s·u/r of a shift.
    fn factor(&self) -> f32 {
        self.step / self.rank as f32
    }
}

/// Checks an action and keeps it as it will be carried out.
pub(super) fn carry_out(clip: bool, action: &[f32], to: &mut [f32]) -> Result<(), EnvError> {
    let (expected, found) = (to.len(), action.len());
    if expected != found {
        return Err(EnvError::Length { what: "the action", expected, found });
    }
    to.copy_from_slice(action);
    keep_inside(clip, to)
}

/// Checks an action and makes it what will be carried out.
pub(super) fn keep_inside(clip: bool, action: &mut [f32]) -> Result<(), EnvError> {
    // No early exit, so that the loop takes vectors: actions are seldom out of range.
    let inside = |value: &f32| (*value >= -1.0) & (*value <= 1.0);
    if action.iter().fold(true, |all, value| all & inside(value)) {
        return Ok(());
    }
    if let Some(index) = action.iter().position(|value| !value.is_finite()) {
        return Err(EnvError::NotFinite { index });
    }
    if clip {
        action.iter_mut().for_each(|value| *value = value.clamp(-1.0, 1.0));
        return Ok(());
    }
    match action.iter().enumerate().find(|(_, value)| !inside(value)) {
        Some((index, &value)) => Err(EnvError::OutOfRange { index, value }),
        None => Ok(()),
    }
}
