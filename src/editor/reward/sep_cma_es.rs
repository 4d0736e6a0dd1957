//! Separable CMA-ES on the action, squashed by tanh: start N(0, .1²), σ₀ = .3.

use super::{dimensions, require, scatter, squash};
use crate::editor::search::SepCmaEs;
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::Env;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use heapless::Vec;

/// `sep-cma-es`.
pub(crate) struct SepCma;

/// Spread of the start around 0, which is a saddle of the product U·Vᵀ and so no place to start at.
pub(super) const START_SPREAD: f32 = 0.1;

/// Initial step size, in units of the action before it is squashed.
pub(super) const INITIAL_SIGMA: f32 = 0.3;

impl Editor for SepCma {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let n = dimensions(&shape.spec);
        SepCmaEs::need(n).and(Need::f32s(n))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let n = dimensions(&job.spec());
        let mut rng = Rng::new(job.seed(), Purpose::Search);
        let actions = arena.take(n)?;
        scatter(&mut rng, START_SPREAD, actions);
        let sigma = job.settings().sigma.unwrap_or(INITIAL_SIGMA);
        let mut search = SepCmaEs::new(arena, actions, sigma)?;
        let population = search.population();
        require(job, population)?;
        while job.remaining() >= (population * job.horizon()) as u64 {
            search.ask(&mut rng);
            let mut values: Vec<f32, 64> = Vec::new();
            for index in 0..population {
                squash(search.candidate(index), actions);
                let value = job.try_actions(actions)?;
                let _ = values.push(value);
            }
            search.tell(&values);
        }
        squash(search.mean(), actions);
        job.set_policy(actions);
        Ok(Outcome::Actions)
    }
}
