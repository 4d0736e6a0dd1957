//! The sizes of everything that training holds: the one place where they are computed.

use super::config::{Baseline, Config};
use super::policy::parameters;
use super::shape::Shape;
use crate::autodiff::Tape;
use crate::env::Spec;
use crate::error::TooSmall;
use crate::kernel::Batch;
use crate::optim::{Adam, AdamConfig};
use crate::slab::{Arena, Need};

/// Lengths of all buffers.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    parameters: usize,
    actions: usize,
    observations: usize,
    /// Entries of a stored observation; 0 where it is fixed.
    stored: usize,
    /// What the networks are fed with, if it is not the observation.
    fixed: usize,
    samples: usize,
    minibatch: usize,
    environments: usize,
    input: usize,
    scratch: usize,
    output: usize,
    tape: usize,
    /// The sizes cannot be addressed; no slab is large enough.
    absurd: bool,
}

impl Sizes {
    pub(super) const fn new(config: &Config, spec: &Spec) -> Self {
        let (observations, actions) = (spec.observation.len, spec.action.len);
        let network = Shape::new(config, observations, actions);
        let value = Shape::new(config, observations, 1);
        let samples = config.samples();
        let minibatch = smaller(config.minibatch, samples);
        let fixed = config.fixed_observation;
        let mut sizes = Self {
            parameters: parameters(config, spec),
            actions,
            observations,
            stored: if fixed { 0 } else { observations },
            fixed: if fixed { network.inputs() } else { 0 },
            samples,
            minibatch,
            environments: config.environments,
            input: 0,
            scratch: 0,
            output: 0,
            tape: 0,
            absurd: true,
        };
        // An upper bound of every length below; beyond it their arithmetic could overflow.
        let widest = larger(network.widest(), observations);
        let all = samples.saturating_add(config.environments).saturating_add(64);
        let bound = all.saturating_mul(widest.saturating_add(16)).saturating_mul(64);
        if bound >= isize::MAX as usize || sizes.parameters >= isize::MAX as usize / 64 {
            return sizes;
        }
        let (batch, side) = (Batch::fitting(minibatch), Batch::rows(config.environments));
        let most = larger(batch.len(1), side.len(1));
        sizes.input = most * network.inputs();
        sizes.scratch = 2 * most * network.widest();
        sizes.output = most;
        sizes.tape = larger(
            network.tape(batch)
                + Tape::parameter_need(actions).f32s
                + Tape::log_prob_need(minibatch, actions).f32s
                + Tape::surrogate_need(minibatch).f32s
                + 2 * Tape::scalar_need().f32s,
            match config.baseline {
                Baseline::Network => {
                    value.tape(batch)
                        + Tape::squared_error_need(minibatch).f32s
                        + Tape::scalar_need().f32s
                }
                Baseline::Constant => 0,
            },
        );
        sizes.absurd = false;
        sizes
    }

    pub(super) const fn need(&self) -> Need {
        if self.absurd {
            // Not the largest number, so that a caller's own needs can still be added.
            return Need { f32s: usize::MAX / 4, u32s: usize::MAX / 4 };
        }
        let f32s = 3 * self.parameters
            + Adam::need(self.parameters).f32s
            + 4 * self.actions
            + 3 * self.observations
            + self.fixed
            + (self.stored + self.actions + 6) * self.samples
            + (self.actions + 3) * self.minibatch
            + (self.observations + self.actions) * self.environments
            + self.input
            + self.scratch
            + self.output
            + self.tape;
        Need { f32s, u32s: 2 * self.samples }
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

const fn smaller(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

/// All buffers, cut from one slab.
#[derive(Default)]
pub(super) struct Memory<'a> {
    pub(super) params: &'a mut [f32],
    /// The parameters before the update that runs.
    pub(super) good: &'a mut [f32],
    pub(super) gradient: &'a mut [f32],
    pub(super) adam: Adam<'a>,
    /// ln σ with its offset, σ and 1/σ, as they act now.
    pub(super) log_std: &'a mut [f32],
    pub(super) std: &'a mut [f32],
    pub(super) inverse_std: &'a mut [f32],
    /// The action that an environment carries out.
    pub(super) action: &'a mut [f32],
    /// Mean and reciprocal deviation of observations, where they are standardised.
    pub(super) centre: &'a mut [f32],
    pub(super) spread: &'a mut [f32],
    /// One observation as the networks see it; the only one, where it is fixed.
    pub(super) seen: &'a mut [f32],
    /// What the first layer made of a fixed observation at the start.
    pub(super) z: &'a mut [f32],
    /// The rollout, `[environment][step]`.
    pub(super) observations: &'a mut [f32],
    pub(super) actions: &'a mut [f32],
    pub(super) rewards: &'a mut [f32],
    pub(super) values: &'a mut [f32],
    pub(super) bootstrap: &'a mut [f32],
    pub(super) advantages: &'a mut [f32],
    pub(super) returns: &'a mut [f32],
    pub(super) log_probs: &'a mut [f32],
    pub(super) ends: &'a mut [u32],
    pub(super) order: &'a mut [u32],
    pub(super) batch: Minibatch<'a>,
    /// What the environments showed last, and the means for it.
    pub(super) current: &'a mut [f32],
    pub(super) means: &'a mut [f32],
    /// Work space of a forward pass, and of a recorded one.
    pub(super) input: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
    pub(super) output: &'a mut [f32],
    pub(super) tape: &'a mut [f32],
}

/// The samples of one gradient step, gathered in order.
#[derive(Default)]
pub(super) struct Minibatch<'a> {
    pub(super) actions: &'a mut [f32],
    pub(super) log_probs: &'a mut [f32],
    pub(super) advantages: &'a mut [f32],
    pub(super) returns: &'a mut [f32],
}

impl<'a> Memory<'a> {
    /// Cuts everything, or takes nothing.
    pub(super) fn carve(
        &mut self,
        sizes: &Sizes,
        adam: AdamConfig,
        arena: &mut Arena<'a>,
    ) -> Result<(), TooSmall> {
        let (need, left) = (sizes.need(), arena.left());
        if need.f32s > left.f32s {
            return Err(TooSmall { need: need.f32s, have: left.f32s });
        }
        if need.u32s > left.u32s {
            return Err(TooSmall { need: need.u32s, have: left.u32s });
        }
        let samples = sizes.samples;
        *self = Self {
            params: arena.take(sizes.parameters)?,
            good: arena.take(sizes.parameters)?,
            gradient: arena.take(sizes.parameters)?,
            adam: Adam::new(adam, sizes.parameters, arena)?,
            log_std: arena.take(sizes.actions)?,
            std: arena.take(sizes.actions)?,
            inverse_std: arena.take(sizes.actions)?,
            action: arena.take(sizes.actions)?,
            centre: arena.take(sizes.observations)?,
            spread: arena.take(sizes.observations)?,
            seen: arena.take(sizes.observations)?,
            z: arena.take(sizes.fixed)?,
            observations: arena.take(samples * sizes.stored)?,
            actions: arena.take(samples * sizes.actions)?,
            rewards: arena.take(samples)?,
            values: arena.take(samples)?,
            bootstrap: arena.take(samples)?,
            advantages: arena.take(samples)?,
            returns: arena.take(samples)?,
            log_probs: arena.take(samples)?,
            ends: arena.take_indices(samples)?,
            order: arena.take_indices(samples)?,
            batch: Minibatch {
                actions: arena.take(sizes.minibatch * sizes.actions)?,
                log_probs: arena.take(sizes.minibatch)?,
                advantages: arena.take(sizes.minibatch)?,
                returns: arena.take(sizes.minibatch)?,
            },
            current: arena.take(sizes.environments * sizes.observations)?,
            means: arena.take(sizes.environments * sizes.actions)?,
            input: arena.take(sizes.input)?,
            scratch: arena.take(sizes.scratch)?,
            output: arena.take(sizes.output)?,
            tape: arena.take(sizes.tape)?,
        };
        Ok(())
    }
}

/// A range of a buffer whose sizes agree by construction.
pub(super) fn part(
    values: &[f32],
    range: core::ops::Range<usize>,
) -> Result<&[f32], crate::error::ShapeError> {
    let error =
        crate::error::ShapeError { what: "buffer", expected: range.end, found: values.len() };
    values.get(range).ok_or(error)
}

/// As [`part`], writable.
pub(super) fn part_mut(
    values: &mut [f32],
    range: core::ops::Range<usize>,
) -> Result<&mut [f32], crate::error::ShapeError> {
    let error =
        crate::error::ShapeError { what: "buffer", expected: range.end, found: values.len() };
    values.get_mut(range).ok_or(error)
}
