//! Buffers of one panel, and ranges of buffers.

use super::policy::NeuronPolicy;
use super::surrogate::BLOCK;
use crate::error::ShapeError;
use crate::kernel::LANES;
use crate::ppo::PpoError;
use crate::slab::{Arena, Need};
use core::ops::Range;

/// Buffers of one panel.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) hidden: &'a mut [f32],
    pub(super) output: &'a mut [f32],
    /// Means, then their gradients, `[neuron][rank]`.
    pub(super) mean_rows: &'a mut [f32],
    pub(super) gradient_rows: &'a mut [f32],
    pub(super) gradient_panel: &'a mut [f32],
    pub(super) hidden_gradient: &'a mut [f32],
    pub(super) hidden_rows: &'a mut [f32],
    pub(super) ratios: &'a mut [f32],
}

impl<'a> Work<'a> {
    pub(super) const fn need(policy: &NeuronPolicy) -> Need {
        Need::f32s((4 * policy.hidden + 3 * policy.rank + 1) * LANES + policy.rank * BLOCK)
    }

    pub(super) fn new(policy: &NeuronPolicy, arena: &mut Arena<'a>) -> Result<Self, PpoError> {
        let (hidden, rank) = (policy.hidden * LANES, policy.rank * LANES);
        let taken = Self {
            hidden: arena.take(hidden)?,
            output: arena.take(rank)?,
            mean_rows: arena.take(policy.rank * BLOCK)?,
            gradient_rows: arena.take(rank)?,
            gradient_panel: arena.take(rank)?,
            hidden_gradient: arena.take(2 * hidden)?,
            hidden_rows: arena.take(hidden)?,
            ratios: arena.take(LANES)?,
        };
        Ok(taken)
    }
}

pub(super) fn part(values: &[f32], range: Range<usize>) -> Result<&[f32], ShapeError> {
    let short = ShapeError { what: "a buffer", expected: range.end, found: values.len() };
    values.get(range).ok_or(short)
}

pub(super) fn part_mut(values: &mut [f32], range: Range<usize>) -> Result<&mut [f32], ShapeError> {
    let short = ShapeError { what: "a buffer", expected: range.end, found: values.len() };
    values.get_mut(range).ok_or(short)
}
