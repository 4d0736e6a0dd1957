//! What an editor is given: an environment with a budget, and what it found so far.

use super::{Settings, Sight};
use crate::env::{Edited, End, Env, EnvError, Spec, Step};
use crate::kernel::Kernel;
use crate::model::{Samples, Training};
use crate::nn::Stack;
use crate::num::Digest;
use crate::slab::{Arena, Need};
use crate::task::ClassSet;
use core::fmt;

/// One paid evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Evaluations so far, this one included.
    pub evaluations: u64,
    /// Value of the network that was just evaluated.
    pub value: f32,
    /// Best value so far.
    pub best: f32,
}

/// Somebody who watches evaluations.
pub trait Trace {
    /// Called after every evaluation.
    fn point(&mut self, point: Point);
}

impl<F: FnMut(Point)> Trace for F {
    fn point(&mut self, point: Point) {
        self(point);
    }
}

/// The samples and settings that trained the target.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSet<'a> {
    /// Samples in row-major order.
    pub samples: Samples<'a>,
    /// How the target was trained.
    pub training: Training,
    /// The seed that it was trained with.
    pub seed: u64,
    /// Of every sample, whether it is to be forgotten; `None` where whole classes are.
    pub chosen: Option<&'a [bool]>,
}

impl TrainingSet<'_> {
    /// Whether sample `index`, which has this label, is to be forgotten when `classes` are.
    pub fn forgets(&self, classes: ClassSet, index: usize, label: u8) -> bool {
        match self.chosen {
            None => classes.contains(label),
            Some(chosen) => chosen.get(index).copied().unwrap_or(false),
        }
    }
}

/// A whole network, for editors that change more than one layer by actions.
#[derive(Debug)]
pub struct Network<'a> {
    /// The kernels to run it on.
    pub kernel: Kernel,
    /// Its layers.
    pub stack: &'a Stack,
    /// Its parameters: the target's own at first, the edited ones at the end.
    pub parameters: &'a mut [f32],
    /// Classes to forget.
    pub forget: ClassSet,
    /// What trained it; `None` for networks that others trained.
    pub training: Option<TrainingSet<'a>>,
    /// The reward split, in panels, for editors that look at activations.
    pub reward: Option<Samples<'a>>,
}

/// Why a job could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobError {
    /// An editor edits episodes of a fixed length only.
    NoHorizon,
    /// The slab is too small.
    TooSmall(crate::error::TooSmall),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHorizon => f.write_str("the environment has no fixed horizon"),
            Self::TooSmall(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for JobError {}

/// The memory of a job, carved from an arena.
#[derive(Debug)]
pub struct JobMemory<'a> {
    episode: &'a mut [f32],
    best: &'a mut [f32],
    policy: &'a mut [f32],
    observation: &'a mut [f32],
}

impl<'a> JobMemory<'a> {
    /// Three episodes of actions and one observation.
    pub fn need(spec: &Spec) -> Need {
        Need::f32s(3 * spec.horizon.unwrap_or(0) * spec.action.len + spec.observation.len)
    }

    /// Carves the memory of a job on an environment with this spec.
    ///
    /// # Errors
    /// [`JobError`] without a horizon, or when the arena is too small.
    pub fn new(spec: &Spec, arena: &mut Arena<'a>) -> Result<Self, JobError> {
        let len = spec.horizon.ok_or(JobError::NoHorizon)? * spec.action.len;
        let mut take = |len| arena.take(len).map_err(JobError::TooSmall);
        Ok(Self {
            episode: take(len)?,
            best: take(len)?,
            policy: take(len)?,
            observation: take(spec.observation.len)?,
        })
    }
}

/// An environment with a budget of evaluations.
///
/// A job is itself an [`Env`]: every step is counted, watched and digested, the best network so far
/// is remembered by the actions that made it, and a step past the budget is
/// [`EnvError::BudgetSpent`]. It holds the reward split alone, so an editor can neither overrun its
/// budget nor see test data.
pub struct Job<'a> {
    env: &'a mut dyn Env,
    spec: Spec,
    horizon: usize,
    cumulative: bool,
    settings: &'a Settings,
    seed: u64,
    budget: u64,
    evaluations: u64,
    target: f32,
    evaluations_to_target: Option<u64>,
    trace: &'a mut dyn Trace,
    digest: Digest,
    memory: JobMemory<'a>,
    taken: usize,
    value: f32,
    best: Option<f32>,
    best_steps: usize,
    policy_steps: usize,
    network: Option<Network<'a>>,
    sight: Option<Sight<'a>>,
    layers: &'a [usize],
}

impl fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("spec", &self.spec)
            .field("budget", &self.budget)
            .field("evaluations", &self.evaluations)
            .field("best", &self.best)
            .finish_non_exhaustive()
    }
}

impl<'a> Job<'a> {
    /// A job on `env` with `budget` evaluations.
    ///
    /// `cumulative` says that rewards are differences, so that the value of a network is their sum
    /// over the episode (a world's [`RewardForm::Difference`](crate::world::RewardForm)); `target` is
    /// the value whose first reach is recorded.
    ///
    /// # Errors
    /// [`JobError::NoHorizon`] for an environment without a fixed horizon.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        env: &'a mut dyn Env,
        cumulative: bool,
        settings: &'a Settings,
        seed: u64,
        budget: u64,
        target: f32,
        trace: &'a mut dyn Trace,
        memory: JobMemory<'a>,
        network: Option<Network<'a>>,
    ) -> Result<Self, JobError> {
        let spec = env.spec();
        Ok(Self {
            horizon: spec.horizon.ok_or(JobError::NoHorizon)?,
            env,
            spec,
            cumulative,
            settings,
            seed,
            budget,
            evaluations: 0,
            target,
            evaluations_to_target: None,
            trace,
            digest: Digest::new(),
            memory,
            taken: 0,
            value: 0.0,
            best: None,
            best_steps: 0,
            policy_steps: 0,
            network,
            sight: None,
            layers: &[],
        })
    }

    /// The same job with a view of the edited layer.
    pub fn with_sight(mut self, sight: Sight<'a>) -> Self {
        self.sight = Some(sight);
        self
    }

    /// The same job, knowing which layers of the network its environment edits.
    pub fn with_layers(mut self, layers: &'a [usize]) -> Self {
        self.layers = layers;
        self
    }

    /// Indices of the layers that are edited, in the order of their parts of an action; empty when they are
    /// not known.
    pub fn layers(&self) -> &'a [usize] {
        self.layers
    }

    /// The view of the edited layer, for editors that look at it.
    pub fn sight(&mut self) -> Option<&mut Sight<'a>> {
        self.sight.as_mut()
    }

    /// Steps of an episode.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// The editors' settings.
    pub fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// Seed of this run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Evaluations that are allowed.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Evaluations that were used.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Evaluations that are left.
    pub fn remaining(&self) -> u64 {
        self.budget - self.evaluations
    }

    /// Evaluations until the target value was first reached.
    pub fn evaluations_to_target(&self) -> Option<u64> {
        self.evaluations_to_target
    }

    /// Digest of the rewards so far, in evaluation order.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The network, for editors that change more than one layer by actions.
    pub fn network(&mut self) -> Option<&mut Network<'a>> {
        self.network.as_mut()
    }

    /// The best value so far and the actions that reached it.
    pub fn best(&self) -> Option<(f32, &[f32])> {
        let len = self.best_steps * self.spec.action.len;
        Some((self.best?, self.memory.best.get(..len)?))
    }

    /// The actions of the noise-free policy or distribution mean, if the editor left any.
    pub fn policy(&self) -> Option<&[f32]> {
        let len = self.policy_steps * self.spec.action.len;
        if len == 0 { None } else { self.memory.policy.get(..len) }
    }

    /// Leaves the actions of a noise-free policy or distribution mean, clipped to the action space.
    pub fn set_policy(&mut self, actions: &[f32]) {
        let (low, high) = (self.spec.action.low, self.spec.action.high);
        for (to, &from) in self.memory.policy.iter_mut().zip(actions) {
            *to = from.clamp(low, high);
        }
        self.policy_steps = actions.len() / self.spec.action.len.max(1);
    }

    /// Evaluates the actions of one whole episode (horizon × action length) and returns the value
    /// that the network has at its end. Costs as many evaluations as there are steps.
    ///
    /// # Errors
    /// [`EnvError`]; [`EnvError::BudgetSpent`] when the episode does not fit what is left.
    pub fn try_actions(&mut self, actions: &[f32]) -> Result<f32, EnvError> {
        let (expected, found) = (self.horizon * self.spec.action.len, actions.len());
        if expected != found {
            return Err(EnvError::Length { what: "the episode's actions", expected, found });
        }
        if self.remaining() < self.horizon as u64 {
            return Err(EnvError::BudgetSpent);
        }
        let observation = core::mem::take(&mut self.memory.observation);
        let result = self.run_episode(actions, observation);
        self.memory.observation = observation;
        result.map(|()| self.value)
    }

    fn run_episode(&mut self, actions: &[f32], observation: &mut [f32]) -> Result<(), EnvError> {
        self.reset(self.seed, observation)?;
        for action in actions.chunks_exact(self.spec.action.len.max(1)) {
            if self.step(action, observation)?.end != End::Running {
                break;
            }
        }
        Ok(())
    }

    fn record(&mut self, action: &[f32], reward: f32) {
        self.evaluations += 1;
        self.digest.value(reward);
        self.value = if self.cumulative && self.taken > 0 { self.value + reward } else { reward };
        let len = self.spec.action.len;
        let slot = self.memory.episode.get_mut(self.taken * len..(self.taken + 1) * len);
        if let Some(slot) = slot {
            slot.copy_from_slice(action);
            self.taken += 1;
        }
        if self.best.is_none_or(|best| self.value > best) {
            self.best = Some(self.value);
            self.best_steps = self.taken;
            let len = self.taken * len;
            if let (Some(to), Some(from)) =
                (self.memory.best.get_mut(..len), self.memory.episode.get(..len))
            {
                to.copy_from_slice(from);
            }
        }
        if self.evaluations_to_target.is_none() && self.value >= self.target {
            self.evaluations_to_target = Some(self.evaluations);
        }
        let best = self.best.unwrap_or(self.value);
        self.trace.point(Point { evaluations: self.evaluations, value: self.value, best });
    }
}

impl Env for Job<'_> {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.taken = 0;
        self.value = 0.0;
        self.env.reset(seed, observation)
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        if self.evaluations >= self.budget {
            return Err(EnvError::BudgetSpent);
        }
        let step = self.env.step(action, observation)?;
        self.record(action, step.reward);
        Ok(step)
    }

    fn edited(&self) -> Option<Edited<'_>> {
        self.env.edited()
    }

    fn edited_part(&self, index: usize) -> Option<Edited<'_>> {
        self.env.edited_part(index)
    }
}
