//! The trainer: what it holds, and the loop of rollouts and updates.

use super::config::Config;
use super::error::PpoError;
use super::init::Fixed;
use super::memory::{Memory, Sizes, part, part_mut};
use super::policy::{Deviation, FlatPolicy};
use super::rollout::{same_bits, shift, standardise};
use crate::env::{Env, Spec};
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel};
use crate::num;
use crate::optim::{AdamConfig, Schedule};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

/// What one update showed. Losses are means over its gradient steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Which update, from 0.
    pub update: usize,
    /// Steps that all environments have taken since the start.
    pub steps: usize,
    /// Episodes that have ended since the start.
    pub episodes: usize,
    /// Mean reward of a step of this rollout.
    pub mean_reward: f32,
    /// The clipped surrogate, with the sign that is minimised.
    pub policy_loss: f32,
    /// Mean squared error of the value network; 0 without one.
    pub value_loss: f32,
    /// Entropy of the Gaussian, summed over the entries of an action.
    pub entropy: f32,
    /// E[(r − 1) − ln r], an estimate of KL(old ‖ new).
    pub approx_kl: f32,
    /// Share of samples whose ratio left the clip range.
    pub clip_fraction: f32,
    /// Norm of the gradient before it was limited.
    pub gradient_norm: f32,
    /// Gradient steps that were taken.
    pub gradient_steps: usize,
    /// Whether the KL target ended the update.
    pub stopped_early: bool,
    /// The learning rate of this update.
    pub learning_rate: f32,
    /// Mean log-std after the update, offset included.
    pub log_std: f32,
    /// `1 − Var[returns − values] / Var[returns]` before the update.
    pub explained_variance: f32,
}

/// An observer's answer after an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Train on.
    Continue,
    /// Stop here.
    Stop,
}

/// Proximal policy optimisation (Schulman et al. 2017) of a [`FlatPolicy`].
///
/// Everything it holds is cut from one arena at the start; training allocates nothing. The same
/// seed, configuration and environments give the same bits on every machine.
///
/// ```
/// use reweight::env::{End, Env, EnvError, Space, Spec, Step};
/// use reweight::ppo::{Config, Ppo, Watch};
/// use reweight::slab::Heap;
///
/// /// Pays for an action near .25.
/// struct Guess;
///
/// impl Env for Guess {
///     fn spec(&self) -> Spec {
///         let observation = Space { len: 1, low: 0.0, high: 1.0 };
///         let action = Space { len: 1, low: -1.0, high: 1.0 };
///         Spec { observation, action, reward: (-4.0, 0.0), horizon: Some(1) }
///     }
///     fn reset(&mut self, _: u64, observation: &mut [f32]) -> Result<(), EnvError> {
///         observation.fill(1.0);
///         Ok(())
///     }
///     fn step(&mut self, action: &[f32], _: &mut [f32]) -> Result<Step, EnvError> {
///         let miss = action[0] - 0.25;
///         Ok(Step { reward: -miss * miss, end: End::Terminated })
///     }
/// }
///
/// # fn main() -> Result<(), reweight::ppo::PpoError> {
/// let (config, spec) = (Config::edit(), Guess.spec());
/// let mut heap = Heap::new(Ppo::need(&config, &spec));
/// let mut ppo = Ppo::new(config, &spec, 0, &mut heap.arena())?;
/// ppo.train(&mut [&mut Guess], 1_000, &mut |_| Watch::Continue)?;
/// let mut action = [0.0];
/// ppo.mean_action(&[1.0], &mut action)?;
/// assert!((action[0] - 0.25).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
pub struct Ppo<'a> {
    pub(super) config: Config,
    pub(super) spec: Spec,
    pub(super) policy: FlatPolicy,
    pub(super) kernel: Kernel,
    pub(super) memory: Memory<'a>,
    pub(super) fixed: Fixed,
    pub(super) policy_rng: Rng,
    pub(super) action_rng: Rng,
    pub(super) minibatch_rng: Rng,
    pub(super) environment_rng: Rng,
    /// The environments have been reset.
    pub(super) started: bool,
    /// A fixed observation has been seen, or the statistics of observations been taken.
    pub(super) observed: bool,
    /// All observations of the rollout are the same.
    pub(super) constant: bool,
    pub(super) rate: f32,
    pub(super) offset: f32,
    pub(super) update: usize,
    pub(super) steps: usize,
    pub(super) episodes: usize,
}

impl<'a> Ppo<'a> {
    /// Memory that training needs, exactly.
    pub const fn need(config: &Config, spec: &Spec) -> Need {
        Sizes::new(config, spec).need()
    }

    /// A fresh policy and its trainer, on the fastest kernel of this processor.
    ///
    /// # Errors
    /// [`PpoError::Config`] for a hyper-parameter out of range, [`PpoError::ActionSpace`] or
    /// [`PpoError::ObservationSpace`] for spaces that cannot be acted in, [`PpoError::TooSmall`].
    pub fn new(
        config: Config,
        spec: &Spec,
        seed: u64,
        arena: &mut Arena<'a>,
    ) -> Result<Self, PpoError> {
        let mut ppo = Self::unprepared(config, spec, seed);
        ppo.prepare(arena)?;
        Ok(ppo)
    }

    /// A trainer without networks and memory. [`prepare`](Self::prepare) makes it in its place what [`new`](Self::new)
    /// gives, for machines with too little stack to move it.
    #[inline(always)]
    pub fn unprepared(config: Config, spec: &Spec, seed: u64) -> Self {
        Self {
            policy: FlatPolicy::EMPTY,
            spec: *spec,
            kernel: Kernel::auto(),
            memory: Memory::default(),
            fixed: Fixed { scale: 1.0, norm_weight: 1.0 },
            policy_rng: Rng::new(seed, Purpose::Policy),
            action_rng: Rng::new(seed, Purpose::Action),
            minibatch_rng: Rng::new(seed, Purpose::Minibatch),
            environment_rng: Rng::new(seed, Purpose::Environment),
            started: false,
            observed: false,
            constant: false,
            rate: config.learning_rate,
            offset: 0.0,
            update: 0,
            steps: 0,
            episodes: 0,
            config,
        }
    }

    /// Builds the networks, takes all memory and draws initial parameters: once, before training.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[inline(never)]
    pub fn prepare(&mut self, arena: &mut Arena<'a>) -> Result<(), PpoError> {
        let Self { config, spec, policy, memory, policy_rng, .. } = self;
        policy.build(config, spec)?;
        let &mut Config { adam_beta1, adam_beta2, adam_epsilon, .. } = config;
        let adam = AdamConfig { beta1: adam_beta1, beta2: adam_beta2, epsilon: adam_epsilon };
        memory.carve(&Sizes::new(config, spec), adam, arena)?;
        policy.initialise(config, policy_rng, memory.params)?;
        memory.spread.fill(1.0);
        self.schedule(0.0);
        Ok(())
    }

    /// Runs on another kernel; no bit changes.
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.set_kernel(kernel);
        self
    }

    /// As [`with_kernel`](Self::with_kernel), in its place.
    pub fn set_kernel(&mut self, kernel: Kernel) {
        self.kernel = kernel;
    }

    /// Sets learning rate and noise for an update that lies at `progress` (0 the first, 1 the last)
    /// of the training. Call it before [`collect`](Self::collect), not between it and
    /// [`learn`](Self::learn).
    pub fn schedule(&mut self, progress: f32) {
        let fall = Schedule::Linear { to: self.config.learning_rate_end };
        self.rate = self.config.learning_rate * fall.factor(progress);
        let rise = Schedule::Linear { to: 0.0 };
        self.offset = self.config.log_std_end * (1.0 - rise.factor(progress));
        self.refresh_deviation();
    }

    /// Trains within a budget of steps over all environments and calls `observer` after each update.
    /// A rollout that does not fit the budget is not started; the schedules know the number of
    /// updates from the start. Returns the number of updates.
    ///
    /// # Errors
    /// [`PpoError::Budget`] when no update fits, before anything is run; errors of
    /// [`collect`](Self::collect) and [`learn`](Self::learn). The parameters are then the last
    /// that were finite.
    pub fn train(
        &mut self,
        envs: &mut [&mut dyn Env],
        budget: usize,
        observer: &mut dyn FnMut(&Statistics) -> Watch,
    ) -> Result<usize, PpoError> {
        let samples = self.config.samples();
        let first = usize::from(self.config.standardise && !self.observed);
        let updates = budget.checked_div(samples).unwrap_or(0).saturating_sub(first);
        if updates == 0 {
            let need = samples.saturating_mul(1 + first);
            return Err(PpoError::Budget { need, have: budget });
        }
        self.schedule(0.0);
        if first == 1 {
            self.collect(envs)?;
            self.measure_observations();
        }
        for update in 0..updates {
            let last = (updates - 1).max(1);
            self.schedule(update as f32 / last as f32);
            self.collect(envs)?;
            let statistics = self.learn()?;
            if observer(&statistics) == Watch::Stop {
                return Ok(update + 1);
            }
        }
        Ok(updates)
    }

    /// The noise-free policy: the mean for an observation, moved inside the action space.
    ///
    /// # Errors
    /// [`PpoError::Shape`]; [`PpoError::ObservationVaries`] or [`PpoError::NothingObserved`] where
    /// the observation is fixed.
    pub fn mean_action(&mut self, observation: &[f32], action: &mut [f32]) -> Result<(), PpoError> {
        ShapeError::check("action", self.policy.actions(), action.len())?;
        self.mean(observation)?;
        let mean = part(self.memory.means, 0..self.policy.actions())?;
        self.policy.squash(mean, action);
        Ok(())
    }

    /// Draws an action for an observation from the policy with its present noise, and returns the
    /// log-probability of the sample that it was made from.
    ///
    /// # Errors
    /// As [`mean_action`](Self::mean_action).
    pub fn act(&mut self, observation: &[f32], action: &mut [f32]) -> Result<f32, PpoError> {
        ShapeError::check("action", self.policy.actions(), action.len())?;
        self.mean(observation)?;
        let memory = &mut self.memory;
        let deviation =
            Deviation { log: memory.log_std, std: memory.std, inverse: memory.inverse_std };
        let mean = part(memory.means, 0..self.policy.actions())?;
        let log_prob = deviation.sample(mean, &mut self.action_rng, memory.action);
        self.policy.squash(memory.action, action);
        Ok(log_prob)
    }

    /// The mean for an observation, left at the front of the means.
    fn mean(&mut self, observation: &[f32]) -> Result<(), PpoError> {
        ShapeError::check("observation", self.spec.observation.len, observation.len())?;
        let memory = &mut self.memory;
        let input = part_mut(memory.input, 0..self.policy.inputs())?;
        if self.policy.is_fixed() {
            if !self.observed {
                return Err(PpoError::NothingObserved);
            }
            if !same_bits(observation, memory.seen) {
                return Err(PpoError::ObservationVaries);
            }
            let shifts = part(memory.params, self.policy.shift_range())?;
            shift(memory.z, self.fixed.scale, shifts, input);
        } else {
            standardise(observation, memory.centre, memory.spread, input);
        }
        let network = &self.policy.network;
        let params = part(memory.params, self.policy.network_range())?;
        let means = part_mut(memory.means, 0..self.policy.actions())?;
        let (batch, layers) = (Batch::rows(1), 0..network.layers().len());
        network.forward(self.kernel, layers, batch, params, input, memory.scratch, means)?;
        Ok(())
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The policy's sizes: where its parameters lie.
    pub fn policy(&self) -> &FlatPolicy {
        &self.policy
    }

    /// All parameters, in the order that [`FlatPolicy`] states.
    pub fn parameters(&self) -> &[f32] {
        self.memory.params
    }

    /// All parameters, writable: to start from others than the initial ones.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        self.memory.params
    }

    /// True when no parameter is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        num::all_finite(self.memory.params)
    }
}
