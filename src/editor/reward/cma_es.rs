//! CMA-ES with a whole covariance matrix on the action, squashed by tanh: start and σ₀ as `sep-cma-es`.

use super::sep_cma_es::{INITIAL_SIGMA, START_SPREAD};
use super::{dimensions, require, scatter, squash};
use crate::editor::search::{CmaEs, MAX_POPULATION};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::Env;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use heapless::Vec;

/// `cma-es`.
pub(crate) struct Cma;

/// Numbers that are searched for at most: 3 MB, and some 200 ms for a decomposition.
const MOST: usize = 600;

impl Editor for Cma {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        match dimensions(&shape.spec) {
            n if n > MOST => Need::default(),
            n => CmaEs::need(n).and(Need::f32s(n)),
        }
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let n = dimensions(&job.spec());
        if n > MOST {
            return Err(EditError::Unfit(
                "its matrix is for actions of at most 600 numbers, rank × (inputs + outputs) × steps; \
                 sep-cma-es takes more",
            ));
        }
        let mut rng = Rng::new(job.seed(), Purpose::Search);
        let actions = arena.take(n)?;
        scatter(&mut rng, START_SPREAD, actions);
        let mut search = CmaEs::new(arena, actions, INITIAL_SIGMA)?;
        let population = search.population();
        require(job, population)?;
        while job.remaining() >= (population * job.horizon()) as u64 {
            search.ask(&mut rng);
            let mut values: Vec<f32, MAX_POPULATION> = Vec::new();
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
