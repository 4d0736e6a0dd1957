//! Uniform random search: actions drawn from U[−1, 1], the best one kept.

use super::{dimensions, require};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

/// `random`.
pub(crate) struct Random;

impl Editor for Random {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        Need::f32s(dimensions(&shape.spec))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        require(job, 1)?;
        let mut rng = Rng::new(job.seed(), Purpose::Search);
        let actions = arena.take(dimensions(&crate::env::Env::spec(job)))?;
        while job.remaining() >= job.horizon() as u64 {
            for entry in actions.iter_mut() {
                *entry = rng.uniform(-1.0, 1.0);
            }
            job.try_actions(actions)?;
        }
        Ok(Outcome::Actions)
    }
}
