//! Training over many layers: a mean baseline per context, no value network, ratios clipped per
//! neuron.
//!
//! What belongs here: the trainer, its memory, and the order of an update. What does not: sampling
//! (`collect`), the loss of one layer (`surrogate`).

use super::config::NeuronConfig;
use super::memory::{Work, part};
use super::policy::{NeuronPolicy, Side};
use super::surrogate::Surrogate;
use crate::env::EnvError;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel};
use crate::num;
use crate::optim::{Adam, AdamConfig, Schedule, clip_global_norm};
use crate::ppo::PpoError;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use core::ops::Range;

/// One layer of one network with one edit that is asked for: what a policy is trained on.
pub trait Context {
    /// Outputs of the layer.
    fn rows(&self) -> usize;

    /// Inputs of the layer.
    fn columns(&self) -> usize;

    /// Features of the columns, in panels of [`LANES`](crate::kernel::LANES).
    fn column_features(&self) -> &[f32];

    /// Writes the features of the rows, in panels of [`LANES`](crate::kernel::LANES). `v` is the columns' part of
    /// the action that was just chosen, for features that are a response to it.
    ///
    /// # Errors
    /// [`EnvError`] when a slice does not fit or the network cannot be run.
    fn row_features(&mut self, v: &[f32], features: &mut [f32]) -> Result<(), EnvError>;

    /// The reward of an action (U, then V): one evaluation.
    ///
    /// # Errors
    /// [`EnvError`].
    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError>;
}

/// What one update saw.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NeuronUpdate {
    /// Mean reward of the actions, noise included.
    pub reward: f32,
    /// Best reward of the actions.
    pub best: f32,
    /// Norm of the last gradient, before it was clipped.
    pub gradient_norm: f32,
    /// Deviations of rows and columns after the update.
    pub std: [f32; 2],
}

/// PPO for [`NeuronPolicy`].
///
/// The advantage is the reward minus its context's mean, over the deviation of all samples; every
/// row and column has a ratio of its own (the joint ratio of hundreds of them would always be clipped).
#[derive(Debug)]
pub struct NeuronPpo<'a> {
    pub(super) policy: NeuronPolicy,
    pub(super) config: NeuronConfig,
    pub(super) kernel: Kernel,
    pub(super) noise: Rng,
    choice: Rng,
    adam: Adam<'a>,
    /// Largest layer.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) parameters: &'a mut [f32],
    good: &'a mut [f32],
    gradient: &'a mut [f32],
    pub(super) order: &'a mut [u32],
    /// Pre-tanh actions and old log-probabilities of every slot (context × sample), rows first.
    pub(super) actions: &'a mut [f32],
    pub(super) old: &'a mut [f32],
    pub(super) advantages: &'a mut [f32],
    /// Row features of every slot, or of every context.
    pub(super) features: &'a mut [f32],
    pub(super) means: &'a mut [f32],
    pub(super) action: &'a mut [f32],
    pub(super) work: Work<'a>,
}

impl<'a> NeuronPpo<'a> {
    /// Memory for training on `contexts` layers of at most `rows` × `columns` (outputs × inputs).
    pub const fn need(
        policy: &NeuronPolicy,
        config: &NeuronConfig,
        (rows, columns): (usize, usize),
        contexts: usize,
    ) -> Need {
        let slots = config.evaluations();
        let neurons = rows + columns;
        let parameters = policy.parameters();
        let per_slot = neurons * (policy.rank + 1) + 1;
        let features = config.kept() * Batch::lanes(rows).len(policy.row_features);
        let f32s = 3 * parameters + slots * per_slot + features + 2 * neurons * policy.rank;
        Need { f32s, u32s: contexts }.and(Adam::need(parameters)).and(Work::need(policy))
    }

    /// A fresh policy from `seed`, with `contexts` contexts to choose from.
    ///
    /// # Errors
    /// [`PpoError`]: sizes of 0, fewer contexts than one update takes, or an arena that holds less
    /// than [`need`](Self::need).
    pub fn new(
        policy: NeuronPolicy,
        config: NeuronConfig,
        kernel: Kernel,
        (rows, columns): (usize, usize),
        contexts: usize,
        seed: u64,
        arena: &mut Arena<'a>,
    ) -> Result<Self, PpoError> {
        let slots = config.evaluations();
        let neurons = rows + columns;
        if policy.rank == 0 || policy.hidden == 0 || neurons == 0 {
            return Err(PpoError::ActionSpace);
        }
        if config.contexts == 0 || config.samples < 2 || contexts < config.contexts {
            let expected = config.contexts.max(1);
            return Err(PpoError::Environments { expected, found: contexts });
        }
        let count = policy.parameters();
        let ppo = Self {
            policy,
            config,
            kernel,
            noise: Rng::new(seed, Purpose::Action),
            choice: Rng::new(seed, Purpose::Minibatch),
            adam: Adam::new(AdamConfig::default(), count, arena)?,
            rows,
            columns,
            parameters: arena.take(count)?,
            good: arena.take(count)?,
            gradient: arena.take(count)?,
            order: arena.take_indices(contexts)?,
            actions: arena.take(slots * neurons * policy.rank)?,
            old: arena.take(slots * neurons)?,
            advantages: arena.take(slots)?,
            features: arena.take(config.kept() * Batch::lanes(rows).len(policy.row_features))?,
            means: arena.take(neurons * policy.rank)?,
            action: arena.take(neurons * policy.rank)?,
            work: Work::new(&policy, arena)?,
        };
        for (index, place) in ppo.order.iter_mut().enumerate() {
            *place = index as u32;
        }
        policy.initialise(config.log_std, seed, ppo.parameters)?;
        Ok(ppo)
    }

    /// The policy's parameters.
    pub fn parameters(&self) -> &[f32] {
        self.parameters
    }

    /// One update: [`NeuronConfig::evaluations`] evaluations on contexts drawn without repetition,
    /// then the epochs. `progress` in [0, 1] places the learning rate.
    ///
    /// # Errors
    /// [`PpoError`]; the parameters are then as before.
    pub fn update(
        &mut self,
        contexts: &mut [&mut dyn Context],
        progress: f32,
    ) -> Result<NeuronUpdate, PpoError> {
        if contexts.len() != self.order.len() {
            let (expected, found) = (self.order.len(), contexts.len());
            return Err(PpoError::Environments { expected, found });
        }
        self.good.copy_from_slice(self.parameters);
        let result = self.try_update(contexts, progress);
        if result.is_err() {
            self.parameters.copy_from_slice(self.good);
        }
        result
    }

    fn try_update(
        &mut self,
        contexts: &mut [&mut dyn Context],
        progress: f32,
    ) -> Result<NeuronUpdate, PpoError> {
        self.choice.shuffle(self.order);
        let mut seen = self.collect(contexts)?;
        let schedule = Schedule::Linear { to: self.config.learning_rate_end };
        let rate = self.config.learning_rate * schedule.factor(progress);
        for _ in 0..self.config.epochs {
            self.gradient.fill(0.0);
            self.gradient_of(contexts)?;
            seen.gradient_norm = clip_global_norm(self.gradient, self.config.max_grad_norm);
            self.adam.step(self.kernel, rate, self.gradient, self.parameters)?;
            for side in [Side::Rows, Side::Columns] {
                if let Some(value) = self.parameters.get_mut(self.policy.log_std(side)) {
                    *value = value.clamp(self.config.log_std_low, self.config.log_std_high);
                }
            }
        }
        if !num::all_finite(self.parameters) {
            return Err(PpoError::NotFinite { what: "parameter" });
        }
        let std = |side| {
            self.parameters.get(self.policy.log_std(side)).map_or(0.0, |&value| num::exp(value))
        };
        seen.std = [std(Side::Rows), std(Side::Columns)];
        Ok(seen)
    }

    /// Where a slot's values of both sides lie, `each` per neuron.
    pub(super) fn slot(&self, slot: usize, side: Side, count: usize, each: usize) -> Range<usize> {
        let start = slot * (self.rows + self.columns) * each;
        let start = match side {
            Side::Rows => start,
            Side::Columns => start + self.rows * each,
        };
        start..start + count * each
    }

    pub(super) fn check(&self, rows: usize, columns: usize) -> Result<(), PpoError> {
        if rows > self.rows || columns > self.columns {
            let (expected, found) = (self.rows + self.columns, rows + columns);
            return Err(ShapeError { what: "a context's layer", expected, found }.into());
        }
        Ok(())
    }

    /// Adds the gradient of the loss over all slots.
    fn gradient_of(&mut self, contexts: &mut [&mut dyn Context]) -> Result<(), PpoError> {
        let (policy, rank, samples) = (self.policy, self.policy.rank, self.config.samples);
        let mut neurons = [0usize; 2];
        for place in 0..self.config.contexts {
            let index = self.order.get(place).map_or(0, |&index| index as usize);
            let Some(context) = contexts.get(index) else { continue };
            neurons[0] += samples * context.rows();
            neurons[1] += samples * context.columns();
        }
        let stride = Batch::lanes(self.rows).len(policy.row_features);
        for slot in 0..self.config.evaluations() {
            let (place, first) = (slot / samples, slot % samples == 0);
            let index = self.order.get(place).map_or(0, |&index| index as usize);
            let Some(context) = contexts.get(index) else { continue };
            let (rows, columns) = (context.rows(), context.columns());
            let feature_len = Batch::lanes(rows).len(policy.row_features);
            for (side, count, total) in
                [(Side::Rows, rows, neurons[0]), (Side::Columns, columns, neurons[1])]
            {
                // All samples of a context share the columns' features, and the rows' where those do not
                // respond: one pass for all of them.
                let taken = match side {
                    Side::Rows if self.config.responds => 1,
                    _ if first => samples,
                    _ => continue,
                };
                let kept = if self.config.responds { slot } else { place };
                let each = (self.rows + self.columns) * rank;
                let actions = self.slot(slot, side, count, rank).start;
                let old = self.slot(slot, side, count, 1).start;
                let features = match side {
                    Side::Rows => part(self.features, kept * stride..kept * stride + feature_len)?,
                    Side::Columns => context.column_features(),
                };
                let batch = Surrogate {
                    side,
                    count,
                    features,
                    actions: part(self.actions, actions..self.actions.len())?,
                    old: part(self.old, old..self.old.len())?,
                    action_stride: each,
                    old_stride: self.rows + self.columns,
                    advantages: part(self.advantages, slot..slot + taken)?,
                    clip: self.config.clip,
                    weight: 1.0 / total.max(1) as f32,
                };
                batch.gradient(
                    &policy,
                    self.kernel,
                    self.parameters,
                    &mut self.work,
                    self.gradient,
                )?;
            }
        }
        Ok(())
    }
}
