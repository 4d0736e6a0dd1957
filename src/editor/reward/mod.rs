//! Methods that need the reward alone: forward passes, no gradient of the target, no training data.

mod es;
mod mean_match;
mod policy;
mod ppo;
mod random;
mod sep_cma_es;

pub(super) use es::OnePlusOne;
pub(super) use mean_match::MeanMatchWarm;
pub(super) use policy::{Transferred, Variant};
pub(super) use ppo::FlatPpo;
pub(super) use random::Random;
pub(super) use sep_cma_es::SepCma;

use super::{EditError, Job};
use crate::num;

/// Length of an episode's actions: what a search looks for.
fn dimensions(spec: &crate::env::Spec) -> usize {
    spec.horizon.unwrap_or(1) * spec.action.len
}

/// Fails when the budget does not pay for `candidates` episodes.
fn require(job: &Job<'_>, candidates: usize) -> Result<(), EditError> {
    let (need, have) = ((candidates * job.horizon()) as u64, job.remaining());
    if have < need { Err(EditError::Budget { need, have }) } else { Ok(()) }
}

/// Squashes a point of the search space into the action space, entry by entry.
fn squash(point: &[f32], action: &mut [f32]) {
    for (to, &from) in action.iter_mut().zip(point) {
        *to = num::tanh(from);
    }
}
