//! Random perturbation of every weight, the best one kept (Savani et al. 2020, arXiv 2006.08564, algorithm 1).
//!
//! `w ← w·(1 + ξ)` with ξ ~ N(0, .1²) for each weight, always from the unedited network. There 101 trials on all
//! layers, each with its best threshold; here as many as the budget allows, on the edited layer, and no
//! threshold. It is MaskWorld searched at random, published before the paper, so it acts in a MaskWorld of
//! full rank: one of the factors is the identity matrix, the other holds the layer's ξ.

use super::require;
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::Env;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

/// `savani`.
pub(crate) struct Savani;

/// Standard deviation of ξ.
const DEVIATION: f32 = 0.1;

/// Deviations at which ξ is cut: actions are bounded. One draw in 1.7 million lies beyond.
const REACH: f32 = 5.0;

/// Step s of the MaskWorld of full rank `rank` that `savani` acts in: an entry of 1 stands for a change of
/// half a weight, five of the method's standard deviations.
pub const fn full_rank_step(rank: usize) -> f32 {
    DEVIATION * REACH * rank as f32
}

impl Editor for Savani {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        Need::f32s(shape.spec.action.len)
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        require(job, 1)?;
        let len = job.spec().action.len;
        let (inputs, outputs) = job.edited().map_or((0, 0), |layer| (layer.inputs, layer.outputs));
        let rank = if inputs < outputs { inputs } else { outputs };
        if rank == 0 || job.horizon() != 1 || rank.checked_mul(inputs + outputs) != Some(len) {
            return Err(EditError::Unfit(
                "it perturbs single weights: its world must be of full rank and of one step",
            ));
        }
        let mut rng = Rng::new(job.seed(), Purpose::Search);
        let action = arena.take(len)?;
        // U is rank × outputs, V is inputs × rank: the square one of them becomes the identity.
        let (u, v) = action.split_at_mut_checked(rank * outputs).unwrap_or_default();
        let (identity, free) = if rank == outputs { (u, v) } else { (v, u) };
        identity.iter_mut().step_by(rank + 1).for_each(|diagonal| *diagonal = 1.0);
        let free = free.len();
        let first = if rank == outputs { len - free } else { 0 };
        while job.remaining() > 0 {
            for entry in action.iter_mut().skip(first).take(free) {
                *entry = (rng.normal() / REACH).clamp(-1.0, 1.0);
            }
            job.try_actions(action)?;
        }
        Ok(Outcome::Actions)
    }
}
