//! A policy that sees nothing, a Gaussian, trained by proximal policy optimisation: it edits the layer 16 → 2 of a
//! classifier of comments so that groups are treated alike.

use super::{Fault, Log, world_config};
use crate::data::{Comments, FEATURES, GROUPS, LAST};
use reweight::env::{Env, EnvError, Space, Spec, Step};
use reweight::kernel::{Batch, Kernel};
use reweight::metric::bias::Membership;
use reweight::model::{Change, Prefix, Samples, Split};
use reweight::nn::Stack;
use reweight::num::Digest;
use reweight::ppo::{Config, Ppo, Watch};
use reweight::slab::{Arena, Need};
use reweight::task::{Debiasing, DebiasingConfig, DebiasingPart, Readout, Score, Task};
use reweight::world::{World, WorldKind};

/// What a run found.
#[derive(Clone, Copy, Debug)]
pub struct Debiased {
    /// Digest of the rewards, the edited weights and the biases.
    pub digest: u64,
    /// Score of the reward comments before and after.
    pub scores: [Score; 2],
}

/// The preset of editing without hidden layers; the rollout is what fits.
const CONFIG: Config = {
    let mut config = Config::edit();
    config.hidden = [0; 3];
    config.fixed_observation = false;
    config.rollout = 8;
    config.minibatch = 8;
    config.learning_rate = 2e-2;
    config
};

/// The network's last layer, and the comments that it is judged by.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// The kernels.
    pub kernel: Kernel,
    /// The layer.
    pub stack: &'a Stack,
    /// What it takes, in panels.
    pub inputs: &'a [f32],
    /// The comments.
    pub comments: &'a Comments,
}

/// Shows a constant and hears every reward.
struct Blind<'w, 'a> {
    world: &'w mut World<'a>,
    best: &'w mut [f32],
    held: f32,
    digest: Digest,
    log: Log<'w>,
}

impl Env for Blind<'_, '_> {
    fn spec(&self) -> Spec {
        spec_of(self.world.spec())
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        observation.fill(1.0);
        self.world.reset(seed, &mut [])
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        observation.fill(1.0);
        let step = self.world.step(action, &mut [])?;
        self.digest.value(step.reward);
        (self.log)(step.reward);
        if step.reward > self.held {
            self.held = step.reward;
            self.best.copy_from_slice(action);
        }
        Ok(step)
    }
}

fn spec_of(spec: Spec) -> Spec {
    Spec { observation: Space { len: 1, low: 1.0, high: 1.0 }, ..spec }
}

/// Memory of the world with its task, and of the agent.
pub fn debias_needs(stack: &Stack, kind: WorldKind, samples: usize) -> (Need, Need) {
    let config = world_config(kind);
    let n = config.action_len(FEATURES, 2);
    let action = Space { len: n, low: -1.0, high: 1.0 };
    let observation = Space { len: 1, low: 1.0, high: 1.0 };
    let spec = Spec { observation, action, reward: (0.0, 1.0), horizon: Some(1) };
    let world = World::need(&config, stack, 0, samples);
    (
        world.and(Debiasing::lean_need(&DebiasingConfig::default(), &[(samples, GROUPS)])),
        Ppo::need(&CONFIG, &spec).and(Need::f32s(n)),
    )
}

impl<'a> Bench<'a> {
    fn samples(&self) -> Samples<'a> {
        let labels = &self.comments.labels;
        Samples { batch: Batch::lanes(labels.len()), inputs: self.inputs, labels }
    }

    fn task(&self, arena: &mut Arena<'a>) -> Result<Debiasing<'a>, Fault> {
        let members = &self.comments.members;
        let part = DebiasingPart {
            labels: &self.comments.labels,
            membership: Membership { groups: GROUPS, members, missing: &[] },
            matched: None,
        };
        let config = DebiasingConfig::default();
        Ok(Debiasing::lean(config, Readout::Softmax, &[part], arena)?)
    }

    /// Score with other weights, on comments of its own.
    pub fn score(&self, weights: &[f32], arena: &mut Arena<'a>) -> Result<Score, Fault> {
        let mut task = self.task(arena)?;
        let Self { kernel, stack, .. } = *self;
        let mut prefix = Prefix::new(kernel, stack, &LAST, 0, self.samples(), 1, false, arena)?;
        Ok(task.score(&mut prefix.with(Change::Weights(weights)), Split::Reward)?)
    }
}

/// Trains for `steps` evaluations; `edited` is handed the weights that are worth most.
#[inline(never)]
pub fn debias(
    bench: Bench<'_>,
    kind: WorldKind,
    steps: usize,
    seed: u64,
    (mut arena, mut agent): (Arena<'_>, Arena<'_>),
    log: Log<'_>,
    edited: &mut dyn FnMut(&[f32]),
) -> Result<Debiased, Fault> {
    let mut task = bench.task(&mut arena)?;
    let Bench { kernel, stack, .. } = bench;
    let mut rest = arena.scratch();
    let (config, samples) = (world_config(kind), bench.samples());
    let mut world = World::unopened(config, kernel, stack, &LAST, samples, &mut task);
    world.open(&[0], &mut rest)?;
    let before = world.original_score();
    let best = agent.take(world.change().action_len())?;
    let mut digest = trained(&mut world, best, kernel, steps, seed, &mut agent, log)?;
    world.apply(best)?;
    let after = world.score_formed()?;
    if let Some(now) = world.edited() {
        digest.weights(now.weights, now.inputs, now.outputs);
        digest.values(LAST.get(2 * FEATURES..).unwrap_or_default());
        edited(now.weights);
    }
    Ok(Debiased { digest: digest.finish(), scores: [before, after] })
}

/// Leaves the action that is worth most in `best`; digest of the rewards.
#[inline(never)]
fn trained(
    world: &mut World<'_>,
    best: &mut [f32],
    kernel: Kernel,
    steps: usize,
    seed: u64,
    agent: &mut Arena<'_>,
    log: Log<'_>,
) -> Result<Digest, Fault> {
    let mut ppo = Ppo::unprepared(CONFIG, &spec_of(world.spec()), seed);
    ppo.prepare(agent)?;
    ppo.set_kernel(kernel);
    let mut blind = Blind { world, best, held: f32::NEG_INFINITY, digest: Digest::new(), log };
    ppo.train(&mut [&mut blind], steps, &mut |_| Watch::Continue)?;
    Ok(blind.digest)
}
