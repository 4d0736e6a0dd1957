//! Methods that need the reward alone: forward passes, no gradient of the target, no training data.

mod ars;
mod cma_es;
mod es;
mod mean_match;
mod openai_es;
mod policy;
mod ppo;
mod ppo_neuron;
mod random;
mod savani;
mod sep_cma_es;

pub(super) use ars::Ars;
pub(super) use cma_es::Cma;
pub(super) use es::OnePlusOne;
pub(super) use mean_match::MeanMatchWarm;
pub(super) use openai_es::OpenAi;
pub(super) use policy::{Transferred, Variant};
pub(super) use ppo::FlatPpo;
pub(super) use ppo_neuron::PpoNeuron;
pub(super) use random::Random;
pub(super) use savani::Savani;
pub use savani::full_rank_step;
pub(super) use sep_cma_es::SepCma;

use super::{EditError, Job};
use crate::num;
use crate::rng::Rng;

/// Spread of a start around 0 for searches whose step is fixed: 0 is a saddle of the product U·Vᵀ, which they
/// are slow to leave.
const START_SPREAD: f32 = 0.4;

/// Length of an episode's actions: what a search looks for.
fn dimensions(spec: &crate::env::Spec) -> usize {
    spec.horizon.unwrap_or(1) * spec.action.len
}

/// Fails when the budget does not pay for `candidates` episodes.
fn require(job: &Job<'_>, candidates: usize) -> Result<(), EditError> {
    let (need, have) = ((candidates * job.horizon()) as u64, job.remaining());
    if have < need { Err(EditError::Budget { need, have }) } else { Ok(()) }
}

/// Draws a start from N(0, `spread`²).
fn scatter(rng: &mut Rng, spread: f32, point: &mut [f32]) {
    for entry in point {
        *entry = spread * rng.normal();
    }
}

/// Squashes a point of the search space into the action space, entry by entry.
fn squash(point: &[f32], action: &mut [f32]) {
    for (to, &from) in action.iter_mut().zip(point) {
        *to = num::tanh(from);
    }
}
