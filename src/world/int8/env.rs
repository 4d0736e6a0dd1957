//! MaskWorld and ShiftWorld over integers as an environment.

use super::form::Forming;
use super::{Int8Form, Int8Range};
use crate::env::{Edit, Edited, End, Env, EnvError, Space, Spec, Step};
use crate::kernel::{Bag, Kernel};
use crate::model::int8::{Int8Network, Int8Prefix, Int8Sparse, Int8Stack};
use crate::model::{ForwardError, Samples, Split};
use crate::num;
use crate::slab::{Arena, IntArena, IntNeed, Need};
use crate::task::{Score, Task};
use crate::world::action::carry_out;
use crate::world::{
    Change, Config, ConfigError, Observation, RewardForm, Unit, WorldError, WorldKind,
};
use core::fmt;

/// One layer of a quantised network under edit, paid by one task on the reward split.
///
/// What is observed, and what [`Env::edited`] shows, are the integers times their rows' scales.
pub struct Int8World<'a> {
    pub(super) config: Config,
    pub(super) forming: Forming,
    pub(super) prefix: Int8Prefix<'a>,
    pub(super) task: &'a mut dyn Task,
    /// The action as carried out (clipped, if so configured).
    pub(super) action: &'a mut [f32],
    /// Integers and scales as edited so far; those being tried stand in the prefix.
    pub(super) kept: &'a mut [i8],
    pub(super) scales: &'a mut [f32],
    /// The same as real numbers, inputs × outputs: the unedited, as edited so far, being tried.
    pub(super) original: &'a mut [f32],
    pub(super) weights: &'a mut [f32],
    pub(super) trial: &'a mut [f32],
    pub(super) row: &'a mut [f32],
    /// 1/rms of the unedited weights, for the observation; 1 for raw ones.
    pub(super) inverse: f32,
    pub(super) rms: f32,
    pub(super) time: Option<usize>,
    pub(super) value: f32,
    pub(super) score: Score,
}

impl fmt::Debug for Int8World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Int8World")
            .field("config", &self.config)
            .field("forming", &self.forming)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl<'a> Int8World<'a> {
    /// Memory of a world around layer `layer` of `stack` over `samples` reward samples.
    pub fn need(
        config: &Config,
        form: Int8Form,
        stack: &Int8Stack,
        layer: usize,
        samples: usize,
    ) -> (Need, IntNeed) {
        Self::need_around(config, form, stack, layer, Int8Prefix::need(stack, layer, samples))
    }

    /// Memory of a world around layer `layer` of `stack` over sparse reward samples.
    pub fn sparse_need(
        config: &Config,
        form: Int8Form,
        stack: &Int8Stack,
        layer: usize,
        bag: &Bag<'_>,
    ) -> (Need, IntNeed) {
        Self::need_around(config, form, stack, layer, Int8Prefix::sparse_need(stack, layer, bag))
    }

    fn need_around(
        config: &Config,
        form: Int8Form,
        stack: &Int8Stack,
        layer: usize,
        (prefix, ints): (Need, IntNeed),
    ) -> (Need, IntNeed) {
        let matrix = stack.layers().get(layer).and_then(|layer| layer.matrix());
        let Some((inputs, outputs)) = matrix else { return Default::default() };
        let change = Change::new(config, 1.0, inputs, outputs);
        let forming = Forming { change, form, range: Int8Range::Grow };
        let own = forming.action_len() + outputs + 3 * inputs * outputs + inputs;
        let kept = IntNeed { i8s: inputs * outputs, i32s: 0 };
        (prefix.and(Need::f32s(own)), ints.and(kept))
    }

    /// A world around layer `layer` (an index of the network's [`Int8Stack`]), paid by `task` on `samples`.
    ///
    /// # Errors
    /// [`WorldError`]: a setting out of range, shifts of row multipliers, a network, layer, task or arena that
    /// does not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        config: Config,
        how: (Int8Form, Int8Range),
        kernel: Kernel,
        network: Int8Network<'a>,
        layer: usize,
        samples: Samples<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, WorldError> {
        check(&config, how.0)?;
        let prefix = Int8Prefix::new(kernel, network, layer, samples, arena, ints)?;
        Self::around(config, how, prefix, task, arena, ints)
    }

    /// The same over sparse samples.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for weights of the first layer whose scales may grow
    /// ([`Int8Range::Grow`]): inputs that no row names share them.
    #[allow(clippy::too_many_arguments)]
    pub fn sparse(
        config: Config,
        how: (Int8Form, Int8Range),
        kernel: Kernel,
        network: Int8Network<'a>,
        layer: usize,
        samples: Int8Sparse<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, WorldError> {
        check(&config, how.0)?;
        if layer == 0 && how == (Int8Form::Weights, Int8Range::Grow) {
            let expected = "saturating ones: inputs that no sample names share the rows' scales";
            return Err(ConfigError { what: "weights over sparse rows", expected }.into());
        }
        let prefix = Int8Prefix::sparse(kernel, network, layer, samples, arena, ints)?;
        Self::around(config, how, prefix, task, arena, ints)
    }

    fn around(
        config: Config,
        (form, range): (Int8Form, Int8Range),
        prefix: Int8Prefix<'a>,
        task: &'a mut dyn Task,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, WorldError> {
        let matrix = prefix.layer().and_then(|layer| layer.matrix());
        let (inputs, outputs) =
            matrix.ok_or(ForwardError::Failed("the layer under edit has no weights"))?;
        let change = Change::new(&config, 1.0, inputs, outputs);
        let forming = Forming { change, form, range };
        let mut world = Self {
            config,
            forming,
            prefix,
            task,
            action: arena.take(forming.action_len())?,
            kept: ints.take_i8(inputs * outputs)?,
            scales: arena.take(outputs)?,
            original: arena.take(inputs * outputs)?,
            weights: arena.take(inputs * outputs)?,
            trial: arena.take(inputs * outputs)?,
            row: arena.take(inputs)?,
            inverse: 1.0,
            rms: 0.0,
            time: None,
            value: 0.0,
            score: Score::default(),
        };
        let now = world.prefix.now();
        real(now.weights, now.scales, inputs, world.original);
        world.rms = num::rms(world.original);
        world.forming.change = Change::new(&config, world.rms, inputs, outputs);
        if config.observation == Observation::Flat && world.rms > 0.0 {
            world.inverse = 1.0 / world.rms;
        }
        world.restore();
        world.score = world.task.score(&mut world.prefix, Split::Reward)?;
        if !world.reward_of(world.score).is_finite() {
            return Err(ForwardError::Failed("the unedited network's score is not finite").into());
        }
        Ok(world)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The change that an action asks for, before it is rounded; of row multipliers the step alone counts.
    pub fn change(&self) -> &Change {
        &self.forming.change
    }

    /// Score of the unedited network on the reward split.
    pub fn original_score(&self) -> Score {
        self.score
    }

    /// Weights of the unedited layer as real numbers, inputs × outputs.
    pub fn original_weights(&self) -> &[f32] {
        self.original
    }

    /// The integers as edited so far, row by row, and their rows' scales.
    pub fn integers(&self) -> (&[i8], &[f32]) {
        (self.kept, self.scales)
    }

    /// The rows' biases, multipliers and shifts that go with [`integers`](Self::integers) after
    /// [`apply`](Self::apply).
    pub fn rows(&self) -> (&[i32], &[i32], &[i32]) {
        let now = self.prefix.now();
        (now.bias, now.multipliers, now.shifts)
    }

    /// λ·utility + (1 − λ)·edit, without the size term.
    pub fn reward_of(&self, score: Score) -> f32 {
        let lambda = self.config.lambda;
        lambda * score.utility + (1.0 - lambda) * score.edit
    }

    /// Least and largest reward of a step: the bound of [`Config::reward_range`], widened by what rounding may
    /// add to the size of an edit.
    fn reward_range(&self) -> (f32, f32) {
        let unit = match self.config.unit {
            Unit::Rms => 1.0,
            Unit::Absolute if self.rms > 0.0 => 1.0 / f64::from(self.rms),
            Unit::Absolute => 0.0,
        };
        if self.config.size_penalty == 0.0 || self.rms <= 0.0 {
            return self.config.reward_range(unit);
        }
        let (horizon, step) = (self.config.horizon as f64, f64::from(self.config.step));
        let largest = |values: &[f32]| values.iter().fold(0.0, |a: f32, &b| a.max(num::abs(b)));
        let (scales, _) = self.prefix.original_rows();
        let own = f64::from(largest(self.original) / self.rms);
        let scale = f64::from(largest(scales) / self.rms);
        // Largest weight and largest change in units of the rms, step by step; a grown scale is at most 2/127.5 of
        // the row's largest weight.
        let (mut weight, mut total) = (own.max(127.0 * scale), 0.0);
        for _ in 0..self.config.horizon.min(64) {
            let wanted = match self.config.kind {
                WorldKind::Mask => weight * step,
                WorldKind::Shift => step * unit,
            };
            let change = wanted + (weight + wanted) / 127.5;
            (weight, total) = (weight + change, total + change);
        }
        let total = if horizon > 64.0 { f64::INFINITY } else { total };
        let price = (f64::from(self.config.size_penalty) * total * total * 1.001) as f32;
        match self.config.reward {
            RewardForm::Level => (-price, 1.0),
            RewardForm::Difference => (-1.0 - price, 1.0 + price),
        }
    }

    fn observe(&self, time: usize, observation: &mut [f32]) {
        let shown = match self.config.observation {
            Observation::None => &[],
            Observation::Flat | Observation::Raw => &*self.weights,
        };
        for (to, &weight) in observation.iter_mut().zip(shown) {
            *to = weight * self.inverse;
        }
        if let Some(last) = observation.get_mut(shown.len()) {
            *last = time as f32 / self.config.horizon as f32;
        }
    }

    fn check_observation(&self, observation: &[f32]) -> Result<(), EnvError> {
        let expected = self.config.observation_len(self.weights.len(), 1);
        match observation.len() {
            found if found == expected => Ok(()),
            found => Err(EnvError::Length { what: "the observation", expected, found }),
        }
    }
}

/// Checks the settings of a world.
fn check(config: &Config, form: Int8Form) -> Result<(), WorldError> {
    config.validate()?;
    if (form, config.kind) == (Int8Form::RowMultipliers, WorldKind::Shift) {
        let expected = "mask: row multipliers can be scaled, nothing can be added to them";
        return Err(ConfigError { what: "the world of row multipliers", expected }.into());
    }
    Ok(())
}

/// Rows of integers as real numbers, inputs × outputs.
pub(super) fn real(weights: &[i8], scales: &[f32], inputs: usize, to: &mut [f32]) {
    let outputs = scales.len().max(1);
    for (row, (weights, &scale)) in weights.chunks_exact(inputs.max(1)).zip(scales).enumerate() {
        let to = to.iter_mut().skip(row).step_by(outputs);
        to.zip(weights).for_each(|(to, &q)| *to = scale * f32::from(q));
    }
}

impl Env for Int8World<'_> {
    fn spec(&self) -> Spec {
        Spec {
            observation: Space {
                len: self.config.observation_len(self.original.len(), 1),
                low: f32::NEG_INFINITY,
                high: f32::INFINITY,
            },
            action: Space { len: self.action.len(), low: -1.0, high: 1.0 },
            reward: self.reward_range(),
            horizon: Some(self.config.horizon),
        }
    }

    fn reset(&mut self, _seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.check_observation(observation)?;
        self.restore();
        self.time = Some(0);
        self.value = self.reward_of(self.score);
        self.observe(0, observation);
        Ok(())
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        let time = self.time.ok_or(EnvError::NotRunning)?;
        self.check_observation(observation)?;
        carry_out(self.config.clip, action, self.action)?;
        self.form()?;
        let value = self.value_of_trial()?;
        self.keep();
        let reward = match self.config.reward {
            RewardForm::Level => value,
            RewardForm::Difference => value - self.value,
        };
        self.value = value;
        let last = time + 1 >= self.config.horizon;
        self.time = if last { None } else { Some(time + 1) };
        self.observe(time + 1, observation);
        Ok(Step { reward, end: if last { End::Terminated } else { End::Running } })
    }

    fn edited(&self) -> Option<Edited<'_>> {
        let Change { rank, step, inputs, outputs, .. } = self.forming.change;
        let edit = match self.config.kind {
            WorldKind::Mask => Edit::Mask,
            WorldKind::Shift => {
                let largest = self.scales.iter().fold(0.0, |a: f32, &b| if b > a { b } else { a });
                let rank = match self.forming.range {
                    Int8Range::Grow => rank,
                    Int8Range::Saturate => inputs.min(outputs),
                };
                Edit::Rounded { rank, step, rounding: 0.5 * largest }
            }
        };
        Some(Edited { weights: self.weights, inputs, outputs, edit })
    }
}
