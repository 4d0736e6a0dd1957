//! MaskWorld and ShiftWorld as an environment.

use super::action::Change;
use super::config::{Config, ConfigError, Observation, RewardForm, Unit, WorldKind};
use crate::env::{Edit, Edited, End, Env, EnvError, Space, Spec, Step};
use crate::kernel::Kernel;
use crate::model::{self, ForwardError, Prefix, Samples, SparseSamples, Split};
use crate::nn::Stack;
use crate::num;
use crate::slab::{Arena, Need};
use crate::task::{Score, Task};
use core::fmt;

/// One layer of one network under edit, paid by one task on the reward split.
///
/// It never sees the test split: it holds the reward split's samples only.
pub struct World<'a> {
    config: Config,
    kernel: Kernel,
    change: Change,
    prefix: Prefix<'a>,
    task: &'a mut dyn Task,
    /// Weights as edited so far; stale while `pristine`.
    weights: &'a mut [f32],
    /// Nothing has been edited since the last reset, so the weights are the original ones: a reset
    /// need not copy them.
    pristine: bool,
    /// Weights being formed by a step.
    trial: &'a mut [f32],
    scratch: &'a mut [f32],
    /// The action as carried out (clipped, if so configured).
    action: &'a mut [f32],
    /// 1/rms of the unedited weights, for the observation; 1 for raw observations.
    inverse: f32,
    /// Steps taken in this episode; `None` when none is running.
    time: Option<usize>,
    /// Value of the network as edited so far, and of the unedited one.
    value: f32,
    original: Score,
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("config", &self.config)
            .field("change", &self.change)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// Why a world could not be built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WorldError {
    /// A setting is out of range.
    Config(ConfigError),
    /// The network cannot be run, or the task does not fit it.
    Forward(ForwardError),
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Forward(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WorldError {}

impl From<ConfigError> for WorldError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl<E: Into<ForwardError>> From<E> for WorldError {
    fn from(error: E) -> Self {
        Self::Forward(error.into())
    }
}

impl<'a> World<'a> {
    /// Memory of a world over `samples` reward samples.
    pub fn need(config: &Config, stack: &Stack, layer: usize, samples: usize) -> Need {
        let accumulate = accumulates(config);
        Prefix::need(stack, layer, samples, config.rank, accumulate)
            .and(own_need(config, stack, layer))
    }

    /// Memory of a world over `samples` sparse reward samples.
    pub fn sparse_need(config: &Config, stack: &Stack, layer: usize, samples: usize) -> Need {
        let accumulate = accumulates(config);
        Prefix::sparse_need(stack, layer, samples, config.rank, accumulate)
            .and(own_need(config, stack, layer))
    }

    /// A world around layer `layer` of `stack`, dense or convolutional, paid by `task` on `samples`.
    ///
    /// The weights of a convolution are edited as a matrix, taps × channels.
    ///
    /// `parameters` are the network's own; they are changed only by [`Env::rescale`].
    ///
    /// # Errors
    /// [`WorldError`]: a setting out of range, a network, layer, task or arena that does not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        config: Config,
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a mut [f32],
        layer: usize,
        samples: Samples<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
    ) -> Result<Self, WorldError> {
        config.validate()?;
        let (rank, accumulate) = (config.rank, accumulates(&config));
        let prefix =
            Prefix::new(kernel, stack, parameters, layer, samples, rank, accumulate, arena)?;
        Self::around(config, kernel, prefix, task, arena)
    }

    /// As [`new`](Self::new) over sparse samples; the first layer is dense and takes them as they are.
    ///
    /// All columns of the first layer can be edited. Those that no sample has change no reward, and
    /// their weights count in the unit and the size term: leave them out of the network that is edited.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[allow(clippy::too_many_arguments)]
    pub fn sparse(
        config: Config,
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a mut [f32],
        layer: usize,
        samples: SparseSamples<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
    ) -> Result<Self, WorldError> {
        config.validate()?;
        let (rank, accumulate) = (config.rank, accumulates(&config));
        let prefix =
            Prefix::sparse(kernel, stack, parameters, layer, samples, rank, accumulate, arena)?;
        Self::around(config, kernel, prefix, task, arena)
    }

    fn around(
        config: Config,
        kernel: Kernel,
        prefix: Prefix<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
    ) -> Result<Self, WorldError> {
        let (inputs, outputs) = (prefix.inputs(), prefix.outputs());
        let change = Change::new(&config, num::rms(prefix.original()), inputs, outputs);
        let mut world = Self {
            config,
            kernel,
            change,
            weights: arena.take(inputs * outputs)?,
            pristine: true,
            trial: arena.take(inputs * outputs)?,
            scratch: arena.take(change.need().f32s)?,
            action: arena.take(change.action_len())?,
            prefix,
            task,
            inverse: 1.0,
            time: None,
            value: 0.0,
            original: Score::default(),
        };
        world.measure()?;
        Ok(world)
    }

    /// Takes units and the value of the unedited network anew.
    fn measure(&mut self) -> Result<(), ForwardError> {
        let original = self.prefix.original();
        let rms = num::rms(original);
        self.change = Change::new(&self.config, rms, self.change.inputs, self.change.outputs);
        self.inverse = match self.config.observation {
            Observation::Flat if rms > 0.0 => 1.0 / rms,
            Observation::Flat | Observation::Raw => 1.0,
        };
        self.pristine = true;
        self.time = None;
        self.original = self.score_formed()?;
        if self.reward_of(self.original).is_finite() {
            Ok(())
        } else {
            Err(ForwardError::Failed(
                "the unedited network's score is not finite: its logits overflow",
            ))
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The change that an action makes.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Score of the unedited network on the reward split.
    pub fn original_score(&self) -> Score {
        self.original
    }

    /// Weights of the unedited layer, inputs × outputs.
    pub fn original_weights(&self) -> &[f32] {
        self.prefix.original()
    }

    /// λ·utility + (1 − λ)·edit, without the size term.
    pub fn reward_of(&self, score: Score) -> f32 {
        let lambda = self.config.lambda;
        lambda * score.utility + (1.0 - lambda) * score.edit
    }

    /// Applies actions of one episode to the unedited weights; afterwards [`Env::edited`] shows the
    /// result. Takes no evaluation and ends any running episode.
    ///
    /// # Errors
    /// [`EnvError`] when an action does not fit the action space or a weight is not finite.
    pub fn apply(&mut self, actions: &[f32]) -> Result<(), EnvError> {
        self.time = None;
        self.pristine = true;
        for action in actions.chunks(self.change.action_len().max(1)) {
            self.take(action)?;
            self.form()?;
            self.keep_trial();
        }
        Ok(())
    }

    /// The reward of one action on the unedited network, as a first [`Env::step`] of an episode gives
    /// it, without observations. Ends any running episode and leaves the network unedited.
    ///
    /// # Errors
    /// [`EnvError`] as for a step.
    pub fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        self.time = None;
        self.pristine = true;
        self.prefix.restore();
        self.take(action)?;
        self.form()?;
        let value = self.value_of_trial()?;
        Ok(match self.config.reward {
            RewardForm::Level => value,
            RewardForm::Difference => value - self.reward_of(self.original),
        })
    }

    /// Score on the reward split of the weights that [`Env::edited`] shows, run as formed.
    ///
    /// # Errors
    /// [`ForwardError`] when the network cannot be run.
    pub fn score_formed(&mut self) -> Result<Score, ForwardError> {
        if self.pristine {
            self.weights.copy_from_slice(self.prefix.original());
        }
        let mut net = self.prefix.with(model::Change::Weights(self.weights));
        self.task.score(&mut net, Split::Reward)
    }

    /// Weights as edited so far.
    fn current(&self) -> &[f32] {
        if self.pristine { self.prefix.original() } else { self.weights }
    }

    fn keep_trial(&mut self) {
        core::mem::swap(&mut self.weights, &mut self.trial);
        self.pristine = false;
    }

    /// Checks an action and keeps it as it will be carried out.
    fn take(&mut self, action: &[f32]) -> Result<(), EnvError> {
        let (expected, found) = (self.action.len(), action.len());
        if expected != found {
            return Err(EnvError::Length { what: "the action", expected, found });
        }
        // No early exit, so that the loop takes vectors: actions are seldom out of range.
        let inside = |value: &f32| (*value >= -1.0) & (*value <= 1.0);
        if action.iter().fold(true, |all, value| all & inside(value)) {
            self.action.copy_from_slice(action);
            return Ok(());
        }
        if let Some(index) = action.iter().position(|value| !value.is_finite()) {
            return Err(EnvError::NotFinite { index });
        }
        let outside = action.iter().position(|value| !inside(value));
        match (outside, self.config.clip) {
            (Some(index), false) => {
                let value = action.get(index).copied().unwrap_or_default();
                return Err(EnvError::OutOfRange { index, value });
            }
            (Some(_), true) => {
                for (to, &from) in self.action.iter_mut().zip(action) {
                    *to = from.clamp(-1.0, 1.0);
                }
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// Forms the weights after the action that was taken, in `trial`.
    fn form(&mut self) -> Result<(), EnvError> {
        let weights = if self.pristine { self.prefix.original() } else { &*self.weights };
        self.change
            .form(self.kernel, self.action, weights, self.scratch, self.trial)
            .map_err(|_| EnvError::Failed("the action does not fit the layer"))?;
        if num::all_finite(self.trial) { Ok(()) } else { Err(EnvError::Diverged) }
    }

    /// Value of the network after the action: the thin form for a shift of a dense layer, else the formed
    /// one.
    fn value_of_trial(&mut self) -> Result<f32, EnvError> {
        let change = match self.config.kind {
            WorldKind::Shift if self.prefix.is_thin() => {
                let (_, v) = self.change.factors(self.action);
                model::Change::LowRank { rank: self.change.rank, u: self.scratch, v }
            }
            _ => model::Change::Weights(self.trial),
        };
        let mut net = self.prefix.with(change);
        let score = self
            .task
            .score(&mut net, Split::Reward)
            .map_err(|_| EnvError::Failed("the edited network could not be scored"))?;
        let value = self.reward_of(score) - self.price(self.trial);
        if value.is_finite() { Ok(value) } else { Err(EnvError::Diverged) }
    }

    /// μ·‖W′ − W‖²/‖W‖².
    fn price(&self, weights: &[f32]) -> f32 {
        if self.config.size_penalty == 0.0 {
            return 0.0;
        }
        let (mut change, mut whole) = (0.0f64, 0.0f64);
        for (&new, &old) in weights.iter().zip(self.prefix.original()) {
            let difference = f64::from(new) - f64::from(old);
            change += difference * difference;
            whole += f64::from(old) * f64::from(old);
        }
        if whole > 0.0 { self.config.size_penalty * (change / whole) as f32 } else { 0.0 }
    }

    fn observe(&self, time: usize, observation: &mut [f32]) {
        for (to, &weight) in observation.iter_mut().zip(self.current()) {
            *to = weight * self.inverse;
        }
        if let Some(last) = observation.get_mut(self.weights.len()) {
            *last = time as f32 / self.config.horizon as f32;
        }
    }

    fn check_observation(&self, observation: &[f32]) -> Result<(), EnvError> {
        let expected = self.config.observation_len(self.change.inputs, self.change.outputs);
        let found = observation.len();
        if expected == found {
            return Ok(());
        }
        Err(EnvError::Length { what: "the observation", expected, found })
    }
}

impl Env for World<'_> {
    fn spec(&self) -> Spec {
        let Change { inputs, outputs, .. } = self.change;
        let rms = num::rms(self.prefix.original());
        let unit = match self.config.unit {
            Unit::Rms => 1.0,
            Unit::Absolute if rms > 0.0 => 1.0 / f64::from(rms),
            Unit::Absolute => 0.0,
        };
        Spec {
            observation: Space {
                len: self.config.observation_len(inputs, outputs),
                low: f32::NEG_INFINITY,
                high: f32::INFINITY,
            },
            action: Space { len: self.change.action_len(), low: -1.0, high: 1.0 },
            reward: self.config.reward_range(unit),
            horizon: Some(self.config.horizon),
        }
    }

    fn reset(&mut self, _seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.check_observation(observation)?;
        self.pristine = true;
        self.prefix.restore();
        self.time = Some(0);
        self.value = self.reward_of(self.original);
        self.observe(0, observation);
        Ok(())
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        let time = self.time.ok_or(EnvError::NotRunning)?;
        self.check_observation(observation)?;
        self.take(action)?;
        self.form()?;
        let value = self.value_of_trial()?;
        let last = time + 1 >= self.config.horizon;
        if accumulates(&self.config) && self.prefix.is_thin() && !last {
            let (_, v) = self.change.factors(self.action);
            self.prefix
                .accumulate(self.change.rank, self.scratch, v)
                .map_err(|_| EnvError::Failed("the action does not fit the layer"))?;
        }
        self.keep_trial();
        let reward = match self.config.reward {
            RewardForm::Level => value,
            RewardForm::Difference => value - self.value,
        };
        self.value = value;
        self.time = if last { None } else { Some(time + 1) };
        self.observe(time + 1, observation);
        Ok(Step { reward, end: if last { End::Terminated } else { End::Running } })
    }

    fn edited(&self) -> Option<Edited<'_>> {
        let Change { kind, rank, step, inputs, outputs } = self.change;
        let edit = match kind {
            WorldKind::Mask => Edit::Mask,
            WorldKind::Shift => Edit::Shift { rank, step },
        };
        Some(Edited { weights: self.current(), inputs, outputs, edit })
    }

    fn rescale(&mut self, factor: f32) -> bool {
        // A step in absolute units does notice the layer's scale.
        let units_of_the_layer =
            self.config.kind == WorldKind::Mask || self.config.unit == Unit::Rms;
        units_of_the_layer && self.prefix.rescale(factor) && self.measure().is_ok()
    }
}

/// Memory of a world beside its prefix.
fn own_need(config: &Config, stack: &Stack, layer: usize) -> Need {
    let edited = stack.layers().get(layer);
    let (inputs, outputs) = edited.and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0));
    let change = Change::new(config, 1.0, inputs, outputs);
    change.need().and(Need::f32s(2 * inputs * outputs + change.action_len()))
}

/// Whether steps of an episode build on the cached output: shifts of several steps.
fn accumulates(config: &Config) -> bool {
    config.kind == WorldKind::Shift && config.horizon > 1
}
