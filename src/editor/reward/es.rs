//! The (1+1) evolution strategy on the action, squashed by tanh.

use super::{dimensions, require, squash};
use crate::editor::search::OnePlusOneEs;
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::Env;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

/// `es`.
pub(crate) struct OnePlusOne;

impl Editor for OnePlusOne {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let n = dimensions(&shape.spec);
        OnePlusOneEs::need(n).and(Need::f32s(n))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        require(job, 1)?;
        let n = dimensions(&job.spec());
        let mut rng = Rng::new(job.seed(), Purpose::Search);
        let mut search = OnePlusOneEs::new(n, arena)?;
        let actions = arena.take(n)?;
        while job.remaining() >= job.horizon() as u64 {
            search.ask(&mut rng);
            squash(search.candidate(), actions);
            let value = job.try_actions(actions)?;
            search.tell(value);
        }
        squash(search.mean(), actions);
        job.set_policy(actions);
        Ok(Outcome::Actions)
    }
}
