//! Proximal policy optimisation with [`FlatPolicy`](crate::ppo::FlatPolicy): the paper's agent.

use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::{End, Env, Spec};
use crate::ppo::{Baseline, Config, Ppo, PpoError, Watch};
use crate::slab::{Arena, Need};

/// `ppo`.
pub(crate) struct FlatPpo;

/// The hyper-parameters for a job: in episodes of several steps observations differ, so the policy
/// reads them, and a value network takes the place of a constant baseline.
fn fitting(config: &Config, spec: &Spec) -> Config {
    let mut config = *config;
    if spec.horizon != Some(1) {
        config.fixed_observation = false;
        config.baseline = Baseline::Network;
    }
    config
}

impl Editor for FlatPpo {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let episode = shape.spec.horizon.unwrap_or(1) * shape.spec.action.len;
        Ppo::need(&fitting(&shape.settings.ppo, &shape.spec), &shape.spec)
            .and(Need::f32s(episode + shape.spec.observation.len))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let (spec, settings, seed) = (job.spec(), job.settings(), job.seed());
        let config = fitting(&settings.ppo, &spec);
        if config.environments != 1 {
            return Err(EditError::Unfit(
                "an editing job has one environment: environments must be 1",
            ));
        }
        let horizon = job.horizon();
        let actions = arena.take(horizon * spec.action.len)?;
        let observation = arena.take(spec.observation.len)?;
        let mut ppo = Ppo::new(config, &spec, seed, arena)?.with_kernel(settings.kernel);
        // Later observations depend on the actions before them, so in episodes of several steps the
        // noise-free policy has to be played out, and that costs evaluations like any other.
        let reserved = if horizon > 1 { horizon as u64 } else { 0 };
        let budget = job.remaining().saturating_sub(reserved);
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        match ppo.train(&mut [&mut *job], budget, &mut |_| Watch::Continue) {
            Ok(_) => {}
            Err(PpoError::Budget { need, .. }) => {
                let need = need as u64 + reserved;
                return Err(EditError::Budget { need, have: job.remaining() });
            }
            Err(error) => return Err(error.into()),
        }
        job.reset(seed, observation)?;
        let mut steps = 0;
        for action in actions.chunks_exact_mut(spec.action.len.max(1)) {
            ppo.mean_action(observation, action)?;
            steps += 1;
            if horizon > 1 && job.step(action, observation)?.end != End::Running {
                break;
            }
        }
        job.set_policy(actions.get(..steps * spec.action.len).unwrap_or_default());
        Ok(Outcome::Actions)
    }
}
