//! The update: advantages, epochs over minibatches, one Adam step each.

use super::config::{Baseline, Normalise};
use super::error::PpoError;
use super::memory::{part, part_mut};
use super::rollout::{end_of, shift};
use super::train::Statistics;
use super::{Ppo, gae};
use crate::autodiff::Tape;
use crate::kernel::Batch;
use crate::num;
use core::ops::Range;

impl Ppo<'_> {
    /// Learns from the rollout that was collected last.
    ///
    /// # Errors
    /// [`PpoError::Diverged`]; the parameters are then as before the call.
    #[cfg_attr(target_os = "none", inline(never))]
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
                if seen.approx_kl > limit {
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
    #[cfg_attr(target_os = "none", inline(never))]
    fn evaluate(&mut self) -> Result<(), PpoError> {
        let len = self.spec.observation.len;
        let samples = self.config.samples();
        let memory = &mut self.memory;
        let Some(network) = &self.policy.value else {
            memory.values.fill(0.0);
            return Ok(());
        };
        let params = part(memory.params, self.policy.value_range())?;
        let piece = if self.constant { 1 } else { self.config.minibatch.min(samples) };
        let mut start = 0;
        while start < samples {
            let count = piece.min(samples - start);
            let batch = Batch::fitting(count);
            let input = part_mut(memory.input, 0..batch.len(len))?;
            let rows = part(memory.observations, start * len..(start + count) * len)?;
            self.kernel.to_panels(batch, len, rows, input)?;
            let (layers, scratch) = (0..network.layers().len(), &mut *memory.scratch);
            let output = part_mut(memory.output, 0..batch.len(1))?;
            network.forward(self.kernel, layers, batch, params, input, scratch, output)?;
            if self.constant {
                memory.values.fill(output.first().copied().unwrap_or(0.0));
                return Ok(());
            }
            let slots = memory.values.iter_mut().skip(start).take(count);
            for (sample, slot) in slots.enumerate() {
                *slot = output.get(batch.at(1, sample, 0)).copied().unwrap_or(0.0);
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
    pub(super) fn gradient_of(&mut self, range: Range<usize>) -> Result<Seen, PpoError> {
        self.gather(range.clone());
        self.memory.gradient.fill(0.0);
        let batch = match self.constant {
            true => Batch::rows(1),
            false => Batch::fitting(range.len()),
        };
        let mut seen = self.policy_gradient(range.clone(), batch)?;
        seen.value = self.value_gradient(range, batch)?;
        let config = &self.config;
        let total = seen.policy_loss - config.entropy * seen.entropy + config.value * seen.value;
        if total.is_finite() { Ok(seen) } else { Err(self.diverged("loss")) }
    }

    /// Brings the samples of a minibatch together and normalises their advantages.
    fn gather(&mut self, range: Range<usize>) {
        let (actions, memory) = (self.policy.actions(), &mut self.memory);
        let count = range.len();
        let order = memory.order.get(range).unwrap_or_default();
        let batch = &mut memory.batch;
        let rows = batch.actions.chunks_exact_mut(actions.max(1));
        for (row, &sample) in rows.zip(order) {
            let start = sample as usize * actions;
            row.copy_from_slice(memory.actions.get(start..start + actions).unwrap_or_default());
        }
        for (to, from) in [
            (&mut *batch.log_probs, &*memory.log_probs),
            (&mut *batch.advantages, &*memory.advantages),
            (&mut *batch.returns, &*memory.returns),
        ] {
            for (to, &sample) in to.iter_mut().zip(order) {
                *to = from.get(sample as usize).copied().unwrap_or(0.0);
            }
        }
        let advantages = batch.advantages.get_mut(..count).unwrap_or_default();
        normalise(self.config.advantage, advantages);
    }

    /// The surrogate's and the entropy's gradient.
    #[cfg_attr(target_os = "none", inline(never))]
    fn policy_gradient(&mut self, range: Range<usize>, batch: Batch) -> Result<Seen, PpoError> {
        let (policy, memory) = (&self.policy, &mut self.memory);
        let (config, count, actions) = (&self.config, range.len(), policy.actions());
        let params = &*memory.params;
        let mut tape = Tape::new(self.kernel, memory.tape);
        let x = if policy.is_fixed() {
            let x = tape.differentiable_input(batch, policy.inputs())?;
            let shifts = part(params, policy.shift_range())?;
            shift(memory.z, self.fixed.scale, shifts, tape.value_mut(x));
            x
        } else {
            let x = tape.input(batch, policy.inputs())?;
            let order = memory.order.get(range).unwrap_or_default();
            fill(batch, policy.inputs(), memory.observations, order, tape.value_mut(x));
            x
        };
        let mean = policy.network.record(&mut tape, params, x)?;
        let log_std = tape.parameter(params, policy.log_std_range())?;
        // The offset is a constant: the gradient of the sum is that of the parameter.
        tape.value_mut(log_std).iter_mut().for_each(|value| *value += self.offset);
        let minibatch = &memory.batch;
        let old = part(minibatch.log_probs, 0..count)?;
        let advantages = part(minibatch.advantages, 0..count)?;
        let taken = part(minibatch.actions, 0..count * actions)?;
        let log_prob = tape.gaussian_log_prob(mean, log_std, taken)?;
        let surrogate = tape.clipped_surrogate(log_prob, old, advantages, config.clip)?;
        let entropy = tape.gaussian_entropy(log_std)?;
        let loss = tape.weighted_sum(&[(surrogate, 1.0), (entropy, -config.entropy)])?;
        let (approx_kl, clip_fraction) = distance(tape.value(log_prob), old, config.clip);
        let (policy_loss, entropy) = (tape.scalar(surrogate), tape.scalar(entropy));
        tape.backward(loss, params, memory.gradient)?;
        if policy.is_fixed() {
            part_mut(memory.gradient, policy.shift_range())?.copy_from_slice(tape.gradient(x));
        }
        if !config.log_std_learned {
            part_mut(memory.gradient, policy.log_std_range())?.fill(0.0);
        }
        Ok(Seen { policy_loss, approx_kl, clip_fraction, entropy, value: 0.0 })
    }

    /// The gradient of the value loss, and the loss.
    #[cfg_attr(target_os = "none", inline(never))]
    fn value_gradient(&mut self, range: Range<usize>, batch: Batch) -> Result<f32, PpoError> {
        let (policy, memory) = (&self.policy, &mut self.memory);
        let Some(network) = &policy.value else { return Ok(0.0) };
        let count = range.len();
        let params = part(memory.params, policy.value_range())?;
        let mut tape = Tape::new(self.kernel, memory.tape);
        let x = tape.input(batch, policy.inputs())?;
        let order = memory.order.get(range).unwrap_or_default();
        fill(batch, policy.inputs(), memory.observations, order, tape.value_mut(x));
        let values = network.record(&mut tape, params, x)?;
        let returns = part(memory.batch.returns, 0..count)?;
        // Where one value stands for all, the mean return gives the same gradient, and the loss
        // lacks the returns' variance.
        let mean = [num::mean(returns)];
        let one = batch.samples() == 1;
        let error = tape.mean_squared_error(values, if one { &mean } else { returns })?;
        let loss = tape.weighted_sum(&[(error, self.config.value)])?;
        let gradient = part_mut(memory.gradient, policy.value_range())?;
        tape.backward(loss, params, gradient)?;
        let rest = if one { spread(returns, mean[0]) / count.max(1) as f64 } else { 0.0 };
        Ok(tape.scalar(error) + rest as f32)
    }

    /// Limits the gradient and takes one Adam step. Returns the gradient's norm before the limit.
    pub(super) fn step(&mut self) -> Result<f32, PpoError> {
        let (config, policy, memory) = (&self.config, &self.policy, &mut self.memory);
        // A shift stands for a whole column of weights.
        let shifts = square_sum(part(memory.gradient, policy.shift_range())?);
        let rest = square_sum(part(memory.gradient, 0..policy.shift_range().start)?);
        let norm = libm::sqrt(self.fixed.norm_weight * shifts + rest);
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
        memory.adam.step(self.kernel, self.rate, memory.gradient, memory.params)?;
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
            policy_loss: over(sums.seen.policy_loss, sums.batches),
            value_loss: over(sums.seen.value, sums.batches),
            entropy: over(sums.seen.entropy, sums.batches),
            approx_kl: over(sums.seen.approx_kl, sums.batches),
            clip_fraction: over(sums.seen.clip_fraction, sums.batches),
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
    pub(super) policy_loss: f32,
    pub(super) approx_kl: f32,
    pub(super) clip_fraction: f32,
    pub(super) value: f32,
    pub(super) entropy: f32,
}

#[derive(Default)]
struct Sums {
    seen: Seen,
    gradient_norm: f32,
    batches: usize,
    steps: usize,
    stopped: bool,
}

impl Sums {
    fn add(&mut self, seen: &Seen) {
        let sum = &mut self.seen;
        sum.policy_loss += seen.policy_loss;
        sum.approx_kl += seen.approx_kl;
        sum.clip_fraction += seen.clip_fraction;
        sum.value += seen.value;
        sum.entropy += seen.entropy;
        self.batches += 1;
    }
}

/// Lays the observations of as many samples as `batch` holds out for the networks.
fn fill(batch: Batch, len: usize, observations: &[f32], order: &[u32], panels: &mut [f32]) {
    for (place, &sample) in order.iter().take(batch.samples()).enumerate() {
        let start = sample as usize * len;
        let row = observations.get(start..start + len).unwrap_or_default();
        let slots = panels.get_mut(batch.at(len, place, 0)..).unwrap_or_default();
        for (slot, &value) in slots.iter_mut().step_by(batch.width()).zip(row) {
            *slot = value;
        }
    }
}

/// Normalises in place, with sums in rising order in f64; a single advantage stays as it is.
fn normalise(how: Normalise, advantages: &mut [f32]) {
    let count = advantages.len();
    if count < 2 || how == Normalise::Off {
        return;
    }
    let mean = num::mean(advantages);
    let divisor = if how == Normalise::Sample { count - 1 } else { count };
    let deviation = libm::sqrt(spread(advantages, mean) / divisor as f64) as f32;
    let scale = 1.0 / (deviation + 1e-8);
    for advantage in advantages {
        *advantage = (*advantage - mean) * scale;
    }
}

/// Σ(x − mean)².
fn spread(values: &[f32], mean: f32) -> f64 {
    let mut total = 0.0;
    for &value in values {
        let distance = f64::from(value) - f64::from(mean);
        total += distance * distance;
    }
    total
}

/// E[(r − 1) − ln r], and the share of samples with |r − 1| above the clip range.
fn distance(new: &[f32], old: &[f32], clip: f32) -> (f32, f32) {
    let (mut kl, mut clipped) = (0.0f64, 0usize);
    for (&new, &old) in new.iter().zip(old) {
        let log_ratio = new - old;
        let ratio = num::exp(log_ratio);
        kl += f64::from(ratio - 1.0) - f64::from(log_ratio);
        clipped += usize::from(num::abs(ratio - 1.0) > clip);
    }
    let count = old.len().max(1);
    ((kl / count as f64) as f32, clipped as f32 / count as f32)
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
