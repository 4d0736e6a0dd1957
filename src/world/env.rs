//! MaskWorld and ShiftWorld as an environment.

use super::action::Change;
use super::config::{Config, Observation, RewardForm, Unit, WorldKind};
use super::error::WorldError;
use super::part::{Part, parts_need};
use crate::env::{Edit, Edited, End, Env, EnvError, Space, Spec, Step};
use crate::kernel::Kernel;
use crate::model::{ForwardError, Parameters, Prefix, Samples, SparseSamples};
use crate::nn::Stack;
use crate::slab::{Arena, Need};
use crate::task::{Score, Task};
use core::fmt;
use heapless::Vec;

/// Layers that one world edits, at most: 8, or 2 where there is no operating system and so little memory.
pub const MOST_LAYERS: usize = if cfg!(target_os = "none") { 2 } else { 8 };

/// One layer of one network under edit, or several, paid by one task on the reward split.
///
/// With several layers an action is one after the other's, in the order of the layers, and so is an
/// observation; each layer has a unit of its own. The network is run from the first of them on.
///
/// It never sees the test split: it holds the reward split's samples only.
pub struct World<'a> {
    pub(super) config: Config,
    pub(super) kernel: Kernel,
    pub(super) change: Change,
    pub(super) prefix: Prefix<'a>,
    pub(super) task: &'a mut dyn Task,
    /// The layers that are edited, the prefix's first.
    pub(super) parts: Vec<Part<'a>, MOST_LAYERS>,
    /// Nothing has been edited since the last reset, so the weights are the original ones: a reset
    /// need not copy them.
    pub(super) pristine: bool,
    /// The action as carried out (clipped, if so configured); factors U of a shift are scaled as they are added, once
    /// weights have been formed.
    pub(super) action: &'a mut [f32],
    /// Steps taken in this episode; `None` when none is running.
    pub(super) time: Option<usize>,
    /// Value of the network as edited so far, and of the unedited one.
    pub(super) value: f32,
    pub(super) original: Score,
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

impl<'a> World<'a> {
    /// Memory of a world over `samples` reward samples.
    pub fn need(config: &Config, stack: &Stack, layer: usize, samples: usize) -> Need {
        Self::need_of(config, stack, &[layer], samples)
    }

    /// The same for several layers.
    pub fn need_of(config: &Config, stack: &Stack, layers: &[usize], samples: usize) -> Need {
        let first = layers.first().copied().unwrap_or(usize::MAX);
        Prefix::need(stack, first, samples, config.rank, accumulates(config))
            .and(parts_need(config, stack, layers))
    }

    /// Memory of a world over `samples` sparse reward samples.
    pub fn sparse_need(config: &Config, stack: &Stack, layer: usize, samples: usize) -> Need {
        let accumulate = accumulates(config);
        Prefix::sparse_need(stack, layer, samples, config.rank, accumulate).and(parts_need(
            config,
            stack,
            &[layer],
        ))
    }

    /// A world around layer `layer` of `stack`, dense or convolutional, paid by `task` on `samples`.
    ///
    /// The weights of a convolution are edited as a matrix, taps × channels.
    ///
    /// `parameters` are the network's own. They are changed only by [`Env::rescale`], which does nothing where they
    /// are lent to be read.
    ///
    /// # Errors
    /// [`WorldError`]: a setting out of range, a network, layer, task or arena that does not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        config: Config,
        kernel: Kernel,
        stack: &'a Stack,
        parameters: impl Into<Parameters<'a>>,
        layer: usize,
        samples: Samples<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
    ) -> Result<Self, WorldError> {
        Self::over(config, kernel, stack, parameters, &[layer], samples, task, arena)
    }

    /// A world around several layers, in rising order. The parameters must be writable for more than one.
    ///
    /// # Errors
    /// As [`new`](Self::new), or when the layers do not rise.
    #[allow(clippy::too_many_arguments)]
    pub fn over(
        config: Config,
        kernel: Kernel,
        stack: &'a Stack,
        parameters: impl Into<Parameters<'a>>,
        layers: &[usize],
        samples: Samples<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
    ) -> Result<Self, WorldError> {
        let mut world = Self::unopened(config, kernel, stack, parameters, samples, task);
        world.open(layers, arena)?;
        Ok(world)
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
        parameters: impl Into<Parameters<'a>>,
        layer: usize,
        samples: SparseSamples<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
    ) -> Result<Self, WorldError> {
        let prefix = Prefix::unrun_sparse(kernel, stack, parameters, samples);
        let mut world = Self::around(config, kernel, prefix, task);
        world.open(&[layer], arena)?;
        Ok(world)
    }

    /// A world that has not looked at its network. [`open`](Self::open) makes it in its place what [`new`](Self::new)
    /// gives, for machines with too little stack to move it.
    #[inline(always)]
    pub fn unopened(
        config: Config,
        kernel: Kernel,
        stack: &'a Stack,
        parameters: impl Into<Parameters<'a>>,
        samples: Samples<'a>,
        task: &'a mut dyn Task,
    ) -> Self {
        Self::around(config, kernel, Prefix::unrun(kernel, stack, parameters, samples), task)
    }

    #[inline(always)]
    fn around(config: Config, kernel: Kernel, prefix: Prefix<'a>, task: &'a mut dyn Task) -> Self {
        Self {
            config,
            kernel,
            change: Change::new(&config, 1.0, 0, 0),
            parts: Vec::new(),
            pristine: true,
            action: &mut [],
            prefix,
            task,
            time: None,
            value: 0.0,
            original: Score::default(),
        }
    }

    /// Runs the network up to the layers, in rising order, and scores it unedited: once.
    ///
    /// # Errors
    /// As [`over`](Self::over).
    pub fn open(&mut self, layers: &[usize], arena: &mut Arena<'a>) -> Result<(), WorldError> {
        self.config.validate()?;
        let first = layers.first().copied().ok_or(NO_LAYER)?;
        self.prefix.run(first, self.config.rank, accumulates(&self.config), arena)?;
        self.lay_out(layers, arena)?;
        Ok(self.measure()?)
    }

    /// Takes the memory of the layers.
    #[inline(never)]
    fn lay_out(&mut self, layers: &[usize], arena: &mut Arena<'a>) -> Result<(), WorldError> {
        let stack = self.prefix.stack();
        self.parts.clear();
        let mut actions = 0;
        for (index, &layer) in layers.iter().enumerate() {
            if layers.get(index + 1).is_some_and(|&next| next <= layer) {
                return Err(ForwardError::Failed("edited layers must be in rising order").into());
            }
            let kind = stack.layers().get(layer).map(|layer| layer.kind());
            let (inputs, outputs) =
                kind.and_then(|kind| kind.matrix()).ok_or(ForwardError::NoWeights { layer })?;
            let change = Change::new(&self.config, 1.0, inputs, outputs);
            actions += change.action_len();
            let part = Part::new(layer, change, index > 0, self.config.horizon, arena)?;
            self.parts.push(part).map_err(|_| TOO_MANY)?;
        }
        self.action = arena.take(actions)?;
        Ok(())
    }

    /// Takes units and the value of the unedited network anew.
    fn measure(&mut self) -> Result<(), ForwardError> {
        for part in &mut self.parts {
            let original = self.prefix.weights_of(part.layer);
            part.measure(&self.config, original);
        }
        if let Some(first) = self.parts.first() {
            self.change = first.change;
        }
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

    /// Indices of the edited layers, and the changes that their parts of an action make.
    pub fn changes(&self) -> impl Iterator<Item = (usize, &Change)> {
        self.parts.iter().map(|part| (part.layer, &part.change))
    }

    /// The change that an action makes to the first edited layer.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Score of the unedited network on the reward split.
    pub fn original_score(&self) -> Score {
        self.original
    }

    /// Weights of the unedited layer (of several the first), inputs × outputs.
    pub fn original_weights(&self) -> &[f32] {
        self.prefix.original()
    }

    /// λ·utility + (1 − λ)·edit, without the size term.
    pub fn reward_of(&self, score: Score) -> f32 {
        let lambda = self.config.lambda;
        lambda * score.utility + (1.0 - lambda) * score.edit
    }

    /// Weights of a part as edited so far.
    fn current<'w>(&'w self, part: &'w Part<'_>) -> &'w [f32] {
        // Between passes the prefix holds every layer as it was.
        if self.pristine { self.prefix.weights_of(part.layer) } else { part.weights }
    }

    /// Weights of all edited layers.
    fn weights(&self) -> usize {
        self.parts.iter().map(|part| part.weights.len()).sum()
    }

    fn observe(&self, time: usize, observation: &mut [f32]) {
        let mut rest = observation;
        let shown = if self.config.observation == Observation::None { &[] } else { &*self.parts };
        for part in shown {
            let current = self.current(part);
            let (own, after) = rest.split_at_mut_checked(current.len()).unwrap_or_default();
            for (to, &weight) in own.iter_mut().zip(current) {
                *to = weight * part.inverse;
            }
            rest = after;
        }
        if let Some(last) = rest.first_mut() {
            *last = time as f32 / self.config.horizon as f32;
        }
    }

    fn check_observation(&self, observation: &[f32]) -> Result<(), EnvError> {
        let expected = self.config.observation_len(self.weights(), 1);
        let found = observation.len();
        if expected == found {
            return Ok(());
        }
        Err(EnvError::Length { what: "the observation", expected, found })
    }
}

impl Env for World<'_> {
    fn spec(&self) -> Spec {
        // The largest price is that of the layer with the smallest weights.
        let inverses = self.parts.iter().map(|part| {
            let rms = crate::num::rms(self.prefix.weights_of(part.layer));
            if rms > 0.0 { 1.0 / f64::from(rms) } else { 0.0 }
        });
        let unit = match self.config.unit {
            Unit::Rms => 1.0,
            Unit::Absolute => inverses.fold(0.0, f64::max),
        };
        Spec {
            observation: Space {
                len: self.config.observation_len(self.weights(), 1),
                low: f32::NEG_INFINITY,
                high: f32::INFINITY,
            },
            action: Space { len: self.action.len(), low: -1.0, high: 1.0 },
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
        if accumulates(&self.config) && !last && self.prefix.is_thin() {
            let own = self.action.get(..self.change.action_len()).unwrap_or_default();
            let (u, v) = self.change.factors(own);
            self.prefix
                .accumulate(self.change.rank, u, v)
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
        self.edited_part(0)
    }

    fn edited_part(&self, index: usize) -> Option<Edited<'_>> {
        let part = self.parts.get(index)?;
        let Change { kind, rank, step, inputs, outputs } = part.change;
        let edit = match kind {
            WorldKind::Mask => Edit::Mask,
            WorldKind::Shift => Edit::Shift { rank, step },
        };
        Some(Edited { weights: self.current(part), inputs, outputs, edit })
    }

    fn rescale(&mut self, factor: f32) -> bool {
        // A step in absolute units does notice the layer's scale.
        let units_of_the_layer =
            self.config.kind == WorldKind::Mask || self.config.unit == Unit::Rms;
        units_of_the_layer && self.prefix.rescale(factor) && self.measure().is_ok()
    }
}

const TOO_MANY: WorldError =
    WorldError::Forward(ForwardError::Failed("too many layers are edited"));

const NO_LAYER: WorldError = WorldError::Forward(ForwardError::Failed("there is no layer to edit"));

/// Whether steps of an episode build on the cached output: shifts of several steps.
fn accumulates(config: &Config) -> bool {
    config.kind == WorldKind::Shift && config.horizon > 1
}
