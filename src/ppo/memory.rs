//! The sizes of everything that training holds: the one place where they are computed.

use super::config::Config;
use super::mlp::len;
use super::policy::FlatPolicy;
use crate::env::Spec;
use crate::error::TooSmall;
use crate::kernel::Batch;
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
    environments: usize,
    input: usize,
    layers: usize,
    panel: usize,
    rows: usize,
}

impl Sizes {
    pub(super) const fn new(config: &Config, spec: &Spec) -> Self {
        let policy = FlatPolicy::new(config, spec);
        let samples = config.samples();
        let minibatch = if config.minibatch < samples { config.minibatch } else { samples };
        // More could not be addressed; the rollout itself then needs more than any slab holds.
        let minibatch = if minibatch < MOST { minibatch } else { MOST };
        let (batch, side) = (Batch::fitting(minibatch), Batch::rows(config.environments));
        let widest = policy.widest();
        let observations = spec.observation.len;
        let fixed = config.fixed_observation;
        Self {
            parameters: policy.parameters(),
            actions: spec.action.len,
            observations,
            stored: if fixed { 0 } else { observations },
            fixed: if fixed { policy.inputs() } else { 0 },
            samples,
            environments: config.environments,
            input: larger(len(batch, policy.inputs()), len(side, policy.inputs())),
            layers: larger(policy.activations(batch), policy.activations(side)),
            panel: len(batch, widest),
            rows: minibatch.saturating_mul(widest),
        }
    }

    pub(super) const fn need(&self) -> Need {
        let per_sample = self.stored.saturating_add(self.actions).saturating_add(6);
        let per_environment = self.observations.saturating_add(self.actions);
        let parts = [
            self.parameters.saturating_mul(5),
            self.actions.saturating_mul(3),
            self.observations.saturating_mul(3),
            self.fixed,
            per_sample.saturating_mul(self.samples),
            per_environment.saturating_mul(self.environments),
            self.input,
            self.layers,
            self.panel.saturating_mul(2),
            self.rows,
        ];
        let (mut f32s, mut index) = (0usize, 0);
        while index < parts.len() {
            f32s = f32s.saturating_add(parts[index]);
            index += 1;
        }
        Need { f32s, u32s: self.samples.saturating_mul(2) }
    }
}

/// Far above any real minibatch, far below an overflow of a buffer's length in bytes.
const MOST: usize = usize::MAX / 64;

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// All buffers, cut from one slab.
pub(super) struct Memory<'a> {
    pub(super) params: &'a mut [f32],
    /// The parameters before the update that runs.
    pub(super) good: &'a mut [f32],
    pub(super) gradient: &'a mut [f32],
    pub(super) moment1: &'a mut [f32],
    pub(super) moment2: &'a mut [f32],
    /// Log-std with its offset, and 1/std, as they act now.
    pub(super) log_std: &'a mut [f32],
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
    /// What the environments showed last, and the means for it.
    pub(super) current: &'a mut [f32],
    pub(super) means: &'a mut [f32],
    /// Work space of a batch.
    pub(super) input: &'a mut [f32],
    pub(super) layers: &'a mut [f32],
    pub(super) dy: &'a mut [f32],
    pub(super) dx: &'a mut [f32],
    pub(super) rows: &'a mut [f32],
}

impl<'a> Memory<'a> {
    /// Cuts everything, or takes nothing.
    pub(super) fn carve(sizes: &Sizes, arena: &mut Arena<'a>) -> Result<Self, TooSmall> {
        let (need, left) = (sizes.need(), arena.left());
        if need.f32s > left.f32s {
            return Err(TooSmall { need: need.f32s, have: left.f32s });
        }
        if need.u32s > left.u32s {
            return Err(TooSmall { need: need.u32s, have: left.u32s });
        }
        let samples = sizes.samples;
        Ok(Self {
            params: arena.take(sizes.parameters)?,
            good: arena.take(sizes.parameters)?,
            gradient: arena.take(sizes.parameters)?,
            moment1: arena.take(sizes.parameters)?,
            moment2: arena.take(sizes.parameters)?,
            log_std: arena.take(sizes.actions)?,
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
            current: arena.take(sizes.environments * sizes.observations)?,
            means: arena.take(sizes.environments * sizes.actions)?,
            input: arena.take(sizes.input)?,
            layers: arena.take(sizes.layers)?,
            dy: arena.take(sizes.panel)?,
            dx: arena.take(sizes.panel)?,
            rows: arena.take(sizes.rows)?,
        })
    }
}
