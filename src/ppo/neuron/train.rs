//! Training over many layers: a mean baseline per context, no value network, ratios clipped per
//! neuron.

use super::policy::{NeuronPolicy, Side};
use crate::env::EnvError;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES};
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

    /// Features of the columns, in panels of [`LANES`].
    fn column_features(&self) -> &[f32];

    /// Writes the features of the rows, in panels of [`LANES`]. `v` is the columns' part of the action
    /// that was just chosen, for features that are a response to it.
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

/// Hyper-parameters. Defaults as measured for this crate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronConfig {
    /// Contexts of one update, at least 1; 8.
    pub contexts: usize,
    /// Actions per context of one update, at least 2; 16.
    pub samples: usize,
    /// Passes over the samples of one update, each one Adam step on all of them; 6.
    pub epochs: usize,
    /// Adam's learning rate at the first update; 1e-2.
    pub learning_rate: f32,
    /// The learning rate at the last update as a fraction of the first, linear between; .1.
    pub learning_rate_end: f32,
    /// Each neuron's ratio of probabilities is clipped to [1 − clip, 1 + clip]; .2.
    pub clip: f32,
    /// Largest norm of the gradient; 1.
    pub max_grad_norm: f32,
    /// Initial log-std; −1.
    pub log_std: f32,
    /// Least log-std; −3.
    pub log_std_low: f32,
    /// Largest log-std; .5.
    pub log_std_high: f32,
    /// Whether rows' features may depend on the columns' choice, and so are kept for every action. Without, those
    /// of a context are kept once, which takes little memory; yes.
    pub responds: bool,
}

impl Default for NeuronConfig {
    fn default() -> Self {
        Self {
            contexts: 8,
            samples: 16,
            epochs: 6,
            learning_rate: 1e-2,
            learning_rate_end: 0.1,
            clip: 0.2,
            max_grad_norm: 1.0,
            log_std: -1.0,
            log_std_low: -3.0,
            log_std_high: 0.5,
            responds: true,
        }
    }
}

impl NeuronConfig {
    /// Evaluations of one update.
    pub const fn evaluations(&self) -> usize {
        self.contexts.saturating_mul(self.samples)
    }

    /// Row features that are kept: of every action, or of every context.
    const fn kept(&self) -> usize {
        if self.responds { self.evaluations() } else { self.contexts }
    }
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
    policy: NeuronPolicy,
    config: NeuronConfig,
    kernel: Kernel,
    noise: Rng,
    choice: Rng,
    adam: Adam<'a>,
    /// Largest layer.
    rows: usize,
    columns: usize,
    parameters: &'a mut [f32],
    good: &'a mut [f32],
    gradient: &'a mut [f32],
    order: &'a mut [u32],
    /// Pre-tanh actions and old log-probabilities of every slot (context × sample), rows first.
    actions: &'a mut [f32],
    old: &'a mut [f32],
    advantages: &'a mut [f32],
    /// Row features of every slot, or of every context.
    features: &'a mut [f32],
    means: &'a mut [f32],
    action: &'a mut [f32],
    work: Work<'a>,
}

/// Buffers of one panel.
#[derive(Debug)]
pub(super) struct Work<'a> {
    hidden: &'a mut [f32],
    output: &'a mut [f32],
    /// Means, then their gradients, `[neuron][rank]`.
    mean_rows: &'a mut [f32],
    gradient_rows: &'a mut [f32],
    gradient_panel: &'a mut [f32],
    hidden_gradient: &'a mut [f32],
    hidden_rows: &'a mut [f32],
    ratios: &'a mut [f32],
}

impl<'a> Work<'a> {
    pub(super) const fn need(policy: &NeuronPolicy) -> Need {
        Need::f32s((4 * policy.hidden + 3 * policy.rank + 1) * LANES + policy.rank * BLOCK)
    }

    pub(super) fn new(policy: &NeuronPolicy, arena: &mut Arena<'a>) -> Result<Self, PpoError> {
        let (hidden, rank) = (policy.hidden * LANES, policy.rank * LANES);
        let taken = Self {
            hidden: arena.take(hidden)?,
            output: arena.take(rank)?,
            mean_rows: arena.take(policy.rank * BLOCK)?,
            gradient_rows: arena.take(rank)?,
            gradient_panel: arena.take(rank)?,
            hidden_gradient: arena.take(2 * hidden)?,
            hidden_rows: arena.take(hidden)?,
            ratios: arena.take(LANES)?,
        };
        Ok(taken)
    }
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
    fn slot(&self, slot: usize, side: Side, count: usize, each: usize) -> Range<usize> {
        let start = slot * (self.rows + self.columns) * each;
        let start = match side {
            Side::Rows => start,
            Side::Columns => start + self.rows * each,
        };
        start..start + count * each
    }

    fn check(&self, rows: usize, columns: usize) -> Result<(), PpoError> {
        if rows > self.rows || columns > self.columns {
            let (expected, found) = (self.rows + self.columns, rows + columns);
            return Err(ShapeError { what: "a context's layer", expected, found }.into());
        }
        Ok(())
    }

    /// Samples actions and takes their rewards.
    fn collect(&mut self, contexts: &mut [&mut dyn Context]) -> Result<NeuronUpdate, PpoError> {
        let (policy, kernel, rank) = (self.policy, self.kernel, self.policy.rank);
        let samples = self.config.samples;
        let mut total = 0.0f64;
        let mut best = f32::NEG_INFINITY;
        for place in 0..self.config.contexts {
            let index = self.order.get(place).map_or(0, |&index| index as usize);
            let Some(context) = contexts.get_mut(index) else { continue };
            let (rows, columns) = (context.rows(), context.columns());
            self.check(rows, columns)?;
            let feature_len = Batch::lanes(rows).len(policy.row_features);
            let stride = Batch::lanes(self.rows).len(policy.row_features);
            let mut sum = 0.0f64;
            for sample in 0..samples {
                let slot = place * samples + sample;
                let ranges = [
                    self.slot(slot, Side::Rows, rows, rank),
                    self.slot(slot, Side::Columns, columns, rank),
                ];
                let old = [
                    self.slot(slot, Side::Rows, rows, 1),
                    self.slot(slot, Side::Columns, columns, 1),
                ];
                let [row_range, column_range] = ranges;
                let [row_old, column_old] = old;
                let action = part_mut(self.action, 0..(rows + columns) * rank)?;
                // Columns first: rows may answer to them.
                let scratch = &mut *self.work.hidden_gradient;
                let scratch = part_mut(scratch, 0..policy.scratch())?;
                let means = part_mut(self.means, 0..columns * rank)?;
                let features = context.column_features();
                let side = Side::Columns;
                policy.means(kernel, self.parameters, side, columns, features, scratch, means)?;
                let chosen = part_mut(self.actions, column_range)?;
                let old = part_mut(self.old, column_old)?;
                let log_std = self.parameters.get(policy.log_std(side)).copied().unwrap_or(0.0);
                draw(&mut self.noise, log_std, rank, means, chosen, old);
                let v = part_mut(action, rows * rank..(rows + columns) * rank)?;
                for (to, &from) in v.iter_mut().zip(&*chosen) {
                    *to = num::tanh(from);
                }
                let kept = if self.config.responds { slot } else { place };
                let features = part_mut(self.features, kept * stride..kept * stride + feature_len)?;
                if self.config.responds || sample == 0 {
                    context.row_features(v, features)?;
                }
                let means = part_mut(self.means, 0..rows * rank)?;
                let side = Side::Rows;
                policy.means(kernel, self.parameters, side, rows, features, scratch, means)?;
                let log_std = self.parameters.get(policy.log_std(side)).copied().unwrap_or(0.0);
                let old = part_mut(self.old, row_old)?;
                let chosen = part_mut(self.actions, row_range)?;
                draw(&mut self.noise, log_std, rank, means, chosen, old);
                let u = part_mut(action, 0..rows * rank)?;
                for (at, &value) in chosen.iter().enumerate() {
                    if let Some(to) = u.get_mut(at % rank * rows + at / rank) {
                        *to = num::tanh(value);
                    }
                }
                let reward = context.evaluate(action)?;
                if !reward.is_finite() {
                    return Err(PpoError::NotFinite { what: "reward" });
                }
                sum += f64::from(reward);
                if reward > best {
                    best = reward;
                }
                if let Some(advantage) = self.advantages.get_mut(slot) {
                    *advantage = reward;
                }
            }
            total += sum;
            let mean = (sum / samples as f64) as f32;
            let own = part_mut(self.advantages, place * samples..(place + 1) * samples)?;
            own.iter_mut().for_each(|value| *value -= mean);
        }
        // Each context's mean is 0 now, so the deviation of all is their rms.
        let scale = 1.0 / (num::rms(self.advantages) + 1e-8);
        self.advantages.iter_mut().for_each(|value| *value *= scale);
        let slots = self.config.evaluations() as f64;
        Ok(NeuronUpdate { reward: (total / slots) as f32, best, ..NeuronUpdate::default() })
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

/// Draws actions around their means and notes their log-probabilities, without the constant.
fn draw(
    noise: &mut Rng,
    log_std: f32,
    rank: usize,
    means: &[f32],
    chosen: &mut [f32],
    old: &mut [f32],
) {
    let (deviation, inverse) = (num::exp(log_std), num::exp(-log_std));
    for (to, &mean) in chosen.iter_mut().zip(means) {
        *to = mean + deviation * noise.normal();
    }
    let pairs = chosen.chunks_exact(rank).zip(means.chunks_exact(rank));
    for (to, (chosen, means)) in old.iter_mut().zip(pairs) {
        *to = log_probability(chosen, means, inverse, log_std);
    }
}

fn log_probability(chosen: &[f32], means: &[f32], inverse: f32, log_std: f32) -> f32 {
    let mut total = 0.0;
    for (&value, &mean) in chosen.iter().zip(means) {
        let z = (value - mean) * inverse;
        total += -0.5 * (z * z) - log_std;
    }
    total
}

/// The clipped surrogate over `advantages.len()` actions of the same `count` neurons.
pub(super) struct Surrogate<'s> {
    pub(super) side: Side,
    pub(super) count: usize,
    /// In panels.
    pub(super) features: &'s [f32],
    /// Pre-tanh actions: `[sample · action_stride + neuron · rank + q]`.
    pub(super) actions: &'s [f32],
    /// Old log-probabilities: `[sample · old_stride + neuron]`.
    pub(super) old: &'s [f32],
    pub(super) action_stride: usize,
    pub(super) old_stride: usize,
    pub(super) advantages: &'s [f32],
    pub(super) clip: f32,
    /// 1 / number of (neuron, action) pairs of the whole loss.
    pub(super) weight: f32,
}

/// Neurons whose terms of the log-std's gradient are added sample by sample: a panel of the wide targets. Narrower
/// panels must not change the order.
const BLOCK: usize = 32;

const _: () = assert!(LANES <= BLOCK);

impl Surrogate<'_> {
    /// The gradient by the log-std, block by block, sample by sample, neuron by neuron.
    fn log_std_in_blocks(
        &self,
        policy: &NeuronPolicy,
        kernel: Kernel,
        parameters: &[f32],
        work: &mut Work<'_>,
    ) -> Result<f32, PpoError> {
        let (rank, layout) = (policy.rank, policy.layout(self.side));
        let log_std = parameters.get(policy.log_std(self.side)).copied().unwrap_or(0.0);
        let inverse = num::exp(-log_std);
        let (batch, panel_len) = (Batch::lanes(self.count), layout.features * LANES);
        let (low, high) = (1.0 - self.clip, 1.0 + self.clip);
        let mut gradient = 0.0f32;
        for block in (0..self.count).step_by(BLOCK) {
            let neurons = BLOCK.min(self.count - block);
            for first in (block..block + neurons).step_by(LANES) {
                let (index, Work { hidden, output, mean_rows, .. }) = (first / LANES, &mut *work);
                let panel = batch.panel(index);
                let features = part(self.features, index * panel_len..(index + 1) * panel_len)?;
                policy.panel(kernel, parameters, self.side, panel, features, hidden, output)?;
                let at = (first - block) * rank;
                let means = part_mut(mean_rows, at..at + panel.samples() * rank)?;
                kernel.to_rows(panel, rank, 1, output, means)?;
            }
            let means = part(work.mean_rows, 0..neurons * rank)?;
            for (sample, &advantage) in self.advantages.iter().enumerate() {
                let at = sample * self.action_stride + block * rank;
                let actions = part(self.actions, at..at + neurons * rank)?;
                let at = sample * self.old_stride + block;
                let old = part(self.old, at..at + neurons)?;
                let pairs = actions.chunks_exact(rank).zip(means.chunks_exact(rank));
                for (&old, (actions, means)) in old.iter().zip(pairs) {
                    let ratio = num::exp(log_probability(actions, means, inverse, log_std) - old);
                    let held = if advantage > 0.0 { ratio > high } else { ratio < low };
                    let flow = if held { 0.0 } else { -self.weight * advantage * ratio };
                    for (&action, &mean) in actions.iter().zip(means) {
                        let z = (action - mean) * inverse;
                        gradient += flow * (z * z - 1.0);
                    }
                }
            }
        }
        Ok(gradient)
    }

    /// Adds the gradient of `−weight · Σ min(r·A, clip(r)·A)`.
    pub(super) fn gradient(
        &self,
        policy: &NeuronPolicy,
        kernel: Kernel,
        parameters: &[f32],
        work: &mut Work<'_>,
        gradient: &mut [f32],
    ) -> Result<(), PpoError> {
        let (rank, layout) = (policy.rank, policy.layout(self.side));
        let log_std_at = policy.log_std(self.side);
        let log_std = parameters.get(log_std_at).copied().unwrap_or(0.0);
        let inverse = num::exp(-log_std);
        let batch = Batch::lanes(self.count);
        let panel_len = layout.features * LANES;
        // One sum over all neurons, so its order is fixed: narrower panels take it beforehand.
        let mut log_std_gradient = if LANES < BLOCK {
            self.log_std_in_blocks(policy, kernel, parameters, work)?
        } else {
            0.0
        };
        for index in 0..batch.panels() {
            let panel = batch.panel(index);
            let (first, lanes) = (index * LANES, panel.samples());
            let features = part(self.features, index * panel_len..(index + 1) * panel_len)?;
            let Work {
                hidden,
                output,
                mean_rows,
                gradient_rows,
                gradient_panel,
                hidden_gradient,
                hidden_rows,
                ratios,
            } = &mut *work;
            policy.panel(kernel, parameters, self.side, panel, features, hidden, output)?;
            let means = part_mut(mean_rows, 0..lanes * rank)?;
            kernel.to_rows(panel, rank, 1, output, means)?;
            let rows = part_mut(gradient_rows, 0..lanes * rank)?;
            rows.fill(0.0);
            for (sample, &advantage) in self.advantages.iter().enumerate() {
                let at = sample * self.action_stride + first * rank;
                let actions = part(self.actions, at..at + lanes * rank)?;
                let at = sample * self.old_stride + first;
                let old = part(self.old, at..at + lanes)?;
                let ratios = part_mut(ratios, 0..lanes)?;
                let pairs = actions.chunks_exact(rank).zip(means.chunks_exact(rank));
                for ((ratio, &old), (actions, means)) in ratios.iter_mut().zip(old).zip(pairs) {
                    *ratio = log_probability(actions, means, inverse, log_std) - old;
                }
                kernel.exp(ratios);
                let (low, high) = (1.0 - self.clip, 1.0 + self.clip);
                for ratio in ratios.iter_mut() {
                    // Beyond the clip on the side that the advantage pushes to, nothing flows.
                    let held = if advantage > 0.0 { *ratio > high } else { *ratio < low };
                    *ratio = if held { 0.0 } else { -self.weight * advantage * *ratio };
                }
                let values = actions.iter().zip(&*means).zip(rows.iter_mut());
                let flows = ratios.iter().flat_map(|flow| core::iter::repeat_n(flow, rank));
                for (((&action, &mean), to), &flow) in values.zip(flows) {
                    let z = (action - mean) * inverse;
                    *to += flow * (z * inverse);
                    if LANES >= BLOCK {
                        log_std_gradient += flow * (z * z - 1.0);
                    }
                }
            }
            // Back through the network.
            kernel.to_panels(panel, rank, rows, gradient_panel)?;
            let (before, after) = hidden_gradient.split_at_mut(policy.hidden * LANES);
            let w2 = part(parameters, layout.w2.clone())?;
            kernel.dense_input_gradient(panel, policy.hidden, rank, w2, gradient_panel, before)?;
            kernel.tanh_gradient(hidden, before, after)?;
            let hidden_rows = part_mut(hidden_rows, 0..lanes * policy.hidden)?;
            kernel.to_rows(panel, policy.hidden, 1, after, hidden_rows)?;
            kernel.dense_weight_gradient(
                panel,
                policy.hidden,
                rank,
                hidden,
                rows,
                part_mut(gradient, layout.w2.clone())?,
            )?;
            kernel.bias_gradient(lanes, rank, rows, part_mut(gradient, layout.b2.clone())?)?;
            kernel.dense_weight_gradient(
                panel,
                layout.features,
                policy.hidden,
                features,
                hidden_rows,
                part_mut(gradient, layout.w1.clone())?,
            )?;
            let b1 = part_mut(gradient, layout.b1.clone())?;
            kernel.bias_gradient(lanes, policy.hidden, hidden_rows, b1)?;
        }
        if let Some(to) = gradient.get_mut(log_std_at) {
            *to += log_std_gradient;
        }
        Ok(())
    }
}

fn part(values: &[f32], range: Range<usize>) -> Result<&[f32], ShapeError> {
    let short = ShapeError { what: "a buffer", expected: range.end, found: values.len() };
    values.get(range).ok_or(short)
}

fn part_mut(values: &mut [f32], range: Range<usize>) -> Result<&mut [f32], ShapeError> {
    let short = ShapeError { what: "a buffer", expected: range.end, found: values.len() };
    values.get_mut(range).ok_or(short)
}
