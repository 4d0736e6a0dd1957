//! Augmented random search on the action, squashed by tanh: m = 16, b = 8, α = ν = .1, start N(0, .4²).

use super::{START_SPREAD, dimensions, require, scatter, squash};
use crate::editor::search::{self, ArsConfig, MAX_POPULATION};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::Env;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use heapless::Vec;

/// `ars`.
pub(crate) struct Ars;

const CONFIG: ArsConfig = ArsConfig { directions: 16, kept: 8, rate: 0.1, noise: 0.1 };

impl Editor for Ars {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let n = dimensions(&shape.spec);
        search::Ars::need(&CONFIG, n).and(Need::f32s(n))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let mut rng = Rng::new(job.seed(), Purpose::Search);
        let actions = arena.take(dimensions(&job.spec()))?;
        scatter(&mut rng, START_SPREAD, actions);
        let mut search = search::Ars::new(CONFIG, actions, arena)?;
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
