//! The update: advantages, epochs over minibatches, one Adam step each.

use super::config::Baseline;
use super::error::PpoError;
use super::loss::{self, Deviation, PolicyLoss, Samples};
use super::mlp::{part, part_mut};
use super::rollout::end_of;
use super::train::Statistics;
use super::{Ppo, gae};
use crate::kernel::{AdamStep, Batch};
use crate::num;

impl Ppo<'_> {
    /// Learns from the rollout that was collected last.
    ///
    /// # Errors
    /// [`PpoError::Diverged`]; the parameters are then as before the call.
    pub fn learn(&mut self) -> Result<Statistics, PpoError> {
        self.memory.good.copy_from_slice(self.memory.params);
        let result = self.try_learn();
        if result.is_err() {
            self.memory.params.copy_from_slice(self.memory.good);
            self.refresh_deviation();
        }
        result
    }

    fn try_learn(&mut self) -> Result<Statistics, PpoError> {
        self.evaluate()?;
        self.advantages()?;
        let samples = self.config.samples();
        let minibatch = self.config.minibatch.min(samples);
        for (index, place) in self.memory.order.iter_mut().enumerate() {
            *place = index as u32;
        }
        let mut sums = Sums::default();
        'epochs: for _ in 0..self.config.epochs {
            if minibatch < samples {
                self.minibatch_rng.shuffle(self.memory.order);
            }
            let mut start = 0;
            while start < samples {
                let end = (start + minibatch).min(samples);
                let seen = self.gradient_of(start..end)?;
                sums.add(&seen);
                let limit = self.config.target_kl.map_or(f32::INFINITY, |target| 1.5 * target);
                if seen.policy.approx_kl > limit {
                    sums.stopped = true;
                    break 'epochs;
                }
                sums.gradient_norm += self.step()?;
                sums.steps += 1;
                start = end;
            }
        }
        if !num::all_finite(self.memory.params) {
            return Err(self.diverged("parameters"));
        }
        let statistics = self.statistics(&sums);
        self.update += 1;
        Ok(statistics)
    }

    fn diverged(&self, what: &'static str) -> PpoError {
        PpoError::Diverged { update: self.update, what }
    }

    /// Values of all observations of the rollout.
    fn evaluate(&mut self) -> Result<(), PpoError> {
        let len = self.spec.observation.len;
        let samples = self.config.samples();
        let memory = &mut self.memory;
        if self.policy.value.is_none() {
            memory.values.fill(0.0);
            return Ok(());
        }
        let params = &*memory.params;
        let piece = if self.constant { 1 } else { self.config.minibatch.min(samples) };
        let mut start = 0;
        while start < samples {
            let count = piece.min(samples - start);
            let batch = Batch::fitting(count);
            let input = part_mut(memory.input, 0..batch.len(len))?;
            let rows = part(memory.observations, start * len..(start + count) * len)?;
            self.kernel.to_panels(batch, len, rows, input)?;
            let fixed = self.fixed;
            let values =
                self.policy.values(self.kernel, batch, params, fixed, input, memory.layers)?;
            if self.constant {
                memory.values.fill(values.first().copied().unwrap_or(0.0));
                return Ok(());
            }
            let slots = memory.values.iter_mut().skip(start).take(count);
            for (sample, slot) in slots.enumerate() {
                *slot = values.get(batch.at(1, sample, 0)).copied().unwrap_or(0.0);
            }
            start += count;
        }
        Ok(())
    }

    /// Advantages and returns of the whole rollout.
    fn advantages(&mut self) -> Result<(), PpoError> {
        let (config, memory) = (&self.config, &mut self.memory);
        let constant = config.baseline == Baseline::Constant;
        // Without a value function only λ = 1 gives returns.
        let lambda = if constant { 1.0 } else { config.lambda };
        for index in 0..config.environments {
            let (start, end) = (index * config.rollout, (index + 1) * config.rollout);
            let ends = memory.ends.get(start..end).unwrap_or(&[]);
            gae(
                part(memory.rewards, start..end)?,
                part(memory.values, start..end)?,
                |step| end_of(ends.get(step).copied().unwrap_or(0)),
                part(memory.bootstrap, start..end)?,
                config.gamma,
                lambda,
                part_mut(memory.advantages, start..end)?,
            )?;
        }
        let advantages = memory.advantages.iter_mut().zip(memory.values.iter());
        for (slot, (advantage, &value)) in memory.returns.iter_mut().zip(advantages) {
            *slot = *advantage + value;
        }
        if constant {
            let mean = num::mean(memory.returns);
            memory.advantages.iter_mut().for_each(|advantage| *advantage -= mean);
        }
        Ok(())
    }

    /// The gradient of one minibatch, a range of the order.
    pub(super) fn gradient_of(&mut self, range: core::ops::Range<usize>) -> Result<Seen, PpoError> {
        self.refresh_deviation();
        let policy = &self.policy;
        let (config, fixed, kernel) = (&self.config, self.fixed, self.kernel);
        let (len, actions) = (policy.inputs(), policy.actions());
        let memory = &mut self.memory;
        let order = memory.order.get(range).unwrap_or(&[]);
        let batch = if self.constant { Batch::rows(1) } else { Batch::fitting(order.len()) };
        let input = part_mut(memory.input, 0..batch.len(len))?;
        if policy.is_fixed() {
            input.copy_from_slice(memory.z);
        } else {
            for (place, &sample) in order.iter().take(batch.samples()).enumerate() {
                let start = sample as usize * len;
                let row = part(memory.observations, start..start + len)?;
                let first = batch.at(len, place, 0);
                let slots = input.iter_mut().skip(first).step_by(batch.width());
                for (slot, &value) in slots.zip(row) {
                    *slot = value;
                }
            }
        }
        memory.gradient.fill(0.0);
        let samples = Samples {
            actions: memory.actions,
            log_probs: memory.log_probs,
            advantages: memory.advantages,
            returns: memory.returns,
        };
        let deviation = Deviation { log: memory.log_std, inverse: memory.inverse_std };
        let params = &*memory.params;
        let means = policy.means(kernel, batch, params, fixed, input, memory.layers)?;
        let d_log_std = part_mut(memory.gradient, policy.log_std_range())?;
        let d_mean = part_mut(memory.dy, 0..batch.len(actions))?;
        let seen = loss::policy(config, samples, order, batch, means, deviation, d_mean, d_log_std);
        let entropy = deviation.entropy();
        for slot in d_log_std {
            *slot = if config.log_std_learned { *slot - config.entropy } else { 0.0 };
        }
        policy.network.backward(
            kernel,
            batch,
            part(params, policy.network_range())?,
            input,
            memory.layers,
            memory.dy,
            memory.dx,
            memory.rows,
            part_mut(memory.gradient, policy.network_range())?,
        )?;
        let mut value = 0.0;
        if let Some(network) = &policy.value {
            let values = policy.values(kernel, batch, params, fixed, input, memory.layers)?;
            let d_value = part_mut(memory.dy, 0..batch.len(1))?;
            value = loss::value(config.value, samples, order, batch, values, d_value);
            network.backward(
                kernel,
                batch,
                part(params, policy.value_range())?,
                input,
                memory.layers,
                memory.dy,
                memory.dx,
                memory.rows,
                part_mut(memory.gradient, policy.value_range())?,
            )?;
        }
        let total = seen.loss - config.entropy * entropy + config.value * value;
        if !total.is_finite() {
            return Err(self.diverged("loss"));
        }
        Ok(Seen { policy: seen, value, entropy })
    }

    /// Limits the gradient and takes one Adam step. Returns the gradient's norm before the limit.
    pub(super) fn step(&mut self) -> Result<f32, PpoError> {
        let (config, memory) = (&self.config, &mut self.memory);
        // A fixed network begins with its shifts, which stand for whole columns of weights.
        let shifts = if self.policy.is_fixed() { self.policy.inputs() } else { 0 };
        let (shifts, rest) = memory.gradient.split_at(shifts.min(memory.gradient.len()));
        let weight = f64::from(self.fixed.norm_weight);
        let norm = libm::sqrt(weight * square_sum(shifts) + square_sum(rest));
        if !norm.is_finite() {
            return Err(self.diverged("gradient"));
        }
        if let Some(limit) = config.max_grad_norm {
            // As torch.nn.utils.clip_grad_norm_ does it.
            let factor = (f64::from(limit) / (norm + 1e-6)) as f32;
            if factor < 1.0 {
                memory.gradient.iter_mut().for_each(|value| *value *= factor);
            }
        }
        self.beta1_power *= f64::from(config.adam_beta1);
        self.beta2_power *= f64::from(config.adam_beta2);
        let step = AdamStep {
            rate: self.rate,
            beta1: config.adam_beta1,
            beta2: config.adam_beta2,
            epsilon: config.adam_epsilon,
            correction1: (1.0 - self.beta1_power) as f32,
            correction2: (1.0 - self.beta2_power) as f32,
        };
        let (m, v) = (&mut *memory.moment1, &mut *memory.moment2);
        self.kernel.adam(&step, memory.gradient, m, v, memory.params)?;
        for log_std in memory.params.get_mut(self.policy.log_std_range()).unwrap_or(&mut []) {
            if *log_std < config.log_std_low {
                *log_std = config.log_std_low;
            } else if *log_std > config.log_std_high {
                *log_std = config.log_std_high;
            }
        }
        Ok(norm as f32)
    }

    fn statistics(&mut self, sums: &Sums) -> Statistics {
        self.refresh_deviation();
        let memory = &self.memory;
        let over = |total: f32, count: usize| total / count.max(1) as f32;
        Statistics {
            update: self.update,
            steps: self.steps,
            episodes: self.episodes,
            mean_reward: num::mean(memory.rewards),
            policy_loss: over(sums.policy.loss, sums.batches),
            value_loss: over(sums.value, sums.batches),
            entropy: over(sums.entropy, sums.batches),
            approx_kl: over(sums.policy.approx_kl, sums.batches),
            clip_fraction: over(sums.policy.clip_fraction, sums.batches),
            gradient_norm: over(sums.gradient_norm, sums.steps),
            gradient_steps: sums.steps,
            stopped_early: sums.stopped,
            learning_rate: self.rate,
            log_std: num::mean(memory.log_std),
            explained_variance: explained_variance(memory.values, memory.returns),
        }
    }
}

/// What one minibatch showed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) policy: PolicyLoss,
    pub(super) value: f32,
    pub(super) entropy: f32,
}

#[derive(Default)]
struct Sums {
    policy: PolicyLoss,
    value: f32,
    entropy: f32,
    gradient_norm: f32,
    batches: usize,
    steps: usize,
    stopped: bool,
}

impl Sums {
    fn add(&mut self, seen: &Seen) {
        self.policy.loss += seen.policy.loss;
        self.policy.approx_kl += seen.policy.approx_kl;
        self.policy.clip_fraction += seen.policy.clip_fraction;
        self.value += seen.value;
        self.entropy += seen.entropy;
        self.batches += 1;
    }
}

/// Σx² in eight fixed lanes, joined in order.
fn square_sum(values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let mut pieces = values.chunks_exact(8);
    for piece in &mut pieces {
        for (lane, &value) in lanes.iter_mut().zip(piece) {
            *lane += f64::from(value) * f64::from(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(pieces.remainder()) {
        *lane += f64::from(value) * f64::from(value);
    }
    lanes.iter().sum()
}

/// `1 − Var[returns − values] / Var[returns]`; 0 where the returns do not vary.
fn explained_variance(values: &[f32], returns: &[f32]) -> f32 {
    let count = returns.len().max(1) as f64;
    let pairs =
        || values.iter().zip(returns).map(|(&v, &r)| (f64::from(r) - f64::from(v), f64::from(r)));
    let (mut error_mean, mut mean) = (0.0, 0.0);
    for (error, target) in pairs() {
        error_mean += error / count;
        mean += target / count;
    }
    let (mut error_square, mut square) = (0.0, 0.0);
    for (error, target) in pairs() {
        error_square += (error - error_mean) * (error - error_mean);
        square += (target - mean) * (target - mean);
    }
    if square > 0.0 { (1.0 - error_square / square) as f32 } else { 0.0 }
}
