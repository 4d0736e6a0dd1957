//! Collecting a rollout.

use super::error::PpoError;
use super::memory::{part, part_mut};
use super::policy::Deviation;
use super::{Ppo, init};
use crate::env::{End, Env};
use crate::kernel::Batch;
use crate::num;

impl Ppo<'_> {
    /// Steps every environment [`rollout`](super::Config::rollout) times and stores what happened.
    /// Episodes run on from one rollout to the next; one that has ended is reset from the seed's
    /// own stream.
    ///
    /// Where no observation has changed since the last step, the means are not computed again.
    ///
    /// # Errors
    /// [`PpoError::Environments`], [`PpoError::OtherSpaces`], [`PpoError::ObservationVaries`],
    /// [`PpoError::NotFinite`], and whatever an environment answers.
    // Where there is little stack, that of the parts of an update is not added up.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn collect(&mut self, envs: &mut [&mut dyn Env]) -> Result<(), PpoError> {
        self.check_environments(envs)?;
        if !self.started {
            for (index, env) in envs.iter_mut().enumerate() {
                self.reset(index, *env)?;
            }
            self.started = true;
        }
        self.refresh_deviation();
        self.constant = true;
        for step in 0..self.config.rollout {
            let mut changed = step == 0;
            for index in 0..envs.len() {
                changed |= self.observe(index, step)?;
            }
            if changed {
                self.compute_means(step)?;
            }
            for (index, env) in envs.iter_mut().enumerate() {
                self.act_in(index, step, *env)?;
            }
        }
        Ok(())
    }

    fn check_environments(&self, envs: &[&mut dyn Env]) -> Result<(), PpoError> {
        let (expected, found) = (self.config.environments, envs.len());
        if expected != found {
            return Err(PpoError::Environments { expected, found });
        }
        for (index, env) in envs.iter().enumerate() {
            let spec = env.spec();
            if spec.action != self.spec.action || spec.observation.len != self.spec.observation.len
            {
                return Err(PpoError::OtherSpaces { index });
            }
        }
        Ok(())
    }

    fn reset(&mut self, index: usize, env: &mut dyn Env) -> Result<(), PpoError> {
        let seed = self.environment_rng.bits();
        let len = self.spec.observation.len;
        env.reset(seed, part_mut(self.memory.current, index * len..(index + 1) * len)?)?;
        Ok(())
    }

    /// Stores what an environment shows now. True when it differs from the step before.
    #[cfg_attr(target_os = "none", inline(never))]
    fn observe(&mut self, index: usize, step: usize) -> Result<bool, PpoError> {
        let len = self.spec.observation.len;
        let memory = &mut self.memory;
        let raw = part(memory.current, index * len..(index + 1) * len)?;
        if self.policy.is_fixed() {
            if !self.observed {
                if !num::all_finite(raw) {
                    return Err(PpoError::NotFinite { what: "observation" });
                }
                memory.seen.copy_from_slice(raw);
                self.fixed = init::fixed(&self.config, raw, &mut self.policy_rng, memory.z);
                self.observed = true;
            } else if !same_bits(raw, memory.seen) {
                return Err(PpoError::ObservationVaries);
            }
            return Ok(false);
        }
        let at = (index * self.config.rollout + step) * len;
        let (before, rest) = memory.observations.split_at_mut(at);
        let row = part_mut(rest, 0..len)?;
        standardise(raw, memory.centre, memory.spread, row);
        if !num::all_finite(row) {
            return Err(PpoError::NotFinite { what: "observation" });
        }
        let first = before.get(..len).unwrap_or(row);
        self.constant &= same_bits(first, row);
        Ok(step > 0 && !same_bits(part(before, at - len..at)?, row))
    }

    /// The means of all environments for the observations of a step.
    #[cfg_attr(target_os = "none", inline(never))]
    fn compute_means(&mut self, step: usize) -> Result<(), PpoError> {
        let (len, actions) = (self.spec.observation.len, self.spec.action.len);
        let environments = self.config.environments;
        let memory = &mut self.memory;
        let batch = match self.policy.is_fixed() {
            true => Batch::rows(1),
            false => Batch::rows(environments),
        };
        let input = part_mut(memory.input, 0..batch.len(self.policy.inputs()))?;
        if self.policy.is_fixed() {
            let shifts = part(memory.params, self.policy.shift_range())?;
            shift(memory.z, self.fixed.scale, shifts, input);
        } else {
            for (index, row) in input.chunks_exact_mut(len).enumerate() {
                let at = (index * self.config.rollout + step) * len;
                row.copy_from_slice(part(memory.observations, at..at + len)?);
            }
        }
        let (network, range) = (&self.policy.network, self.policy.network_range());
        let params = part(memory.params, range)?;
        let means = part_mut(memory.means, 0..batch.len(actions))?;
        let layers = 0..network.layers().len();
        network.forward(self.kernel, layers, batch, params, input, memory.scratch, means)?;
        // One pass of a fixed observation stands for all environments.
        for index in batch.samples()..environments {
            memory.means.copy_within(..actions, index * actions);
        }
        Ok(())
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn act_in(&mut self, index: usize, step: usize, env: &mut dyn Env) -> Result<(), PpoError> {
        let (len, actions) = (self.spec.observation.len, self.spec.action.len);
        let sample = index * self.config.rollout + step;
        let memory = &mut self.memory;
        let mean = part(memory.means, index * actions..(index + 1) * actions)?;
        let deviation =
            Deviation { log: memory.log_std, std: memory.std, inverse: memory.inverse_std };
        let raw = part_mut(memory.actions, sample * actions..(sample + 1) * actions)?;
        let log_prob = deviation.sample(mean, &mut self.action_rng, raw);
        self.policy.squash(raw, memory.action);
        let shown = part_mut(memory.current, index * len..(index + 1) * len)?;
        let outcome = env.step(memory.action, shown)?;
        if !outcome.reward.is_finite() {
            return Err(PpoError::NotFinite { what: "reward" });
        }
        self.steps += 1;
        self.episodes += usize::from(outcome.end != End::Running);
        let last = step + 1 == self.config.rollout;
        let bootstrap = match outcome.end {
            End::Truncated => self.value_of_current(index)?,
            End::Running if last => self.value_of_current(index)?,
            _ => 0.0,
        };
        let memory = &mut self.memory;
        for (slot, value) in [
            (memory.rewards.get_mut(sample), outcome.reward),
            (memory.log_probs.get_mut(sample), log_prob),
            (memory.bootstrap.get_mut(sample), bootstrap),
        ] {
            if let Some(slot) = slot {
                *slot = value;
            }
        }
        if let Some(end) = memory.ends.get_mut(sample) {
            *end = end_code(outcome.end);
        }
        if outcome.end != End::Running {
            self.reset(index, env)?;
        }
        Ok(())
    }

    /// The value network's answer to what an environment shows now; 0 without one.
    pub(super) fn value_of_current(&mut self, index: usize) -> Result<f32, PpoError> {
        let Some(value) = &self.policy.value else { return Ok(0.0) };
        let len = self.spec.observation.len;
        let memory = &mut self.memory;
        let raw = part(memory.current, index * len..(index + 1) * len)?;
        standardise(raw, memory.centre, memory.spread, memory.seen);
        if !num::all_finite(memory.seen) {
            return Err(PpoError::NotFinite { what: "observation" });
        }
        let (batch, layers) = (Batch::rows(1), 0..value.layers().len());
        let params = part(memory.params, self.policy.value_range())?;
        let output = part_mut(memory.output, 0..1)?;
        let (x, scratch) = (&*memory.seen, &mut *memory.scratch);
        value.forward(self.kernel, layers, batch, params, x, scratch, output)?;
        Ok(output.first().copied().unwrap_or(0.0))
    }

    /// Log-std as it acts now, with the offset of this update.
    pub(super) fn refresh_deviation(&mut self) {
        let memory = &mut self.memory;
        let learned = memory.params.get(self.policy.log_std_range()).unwrap_or(&[]);
        let slots = memory.log_std.iter_mut().zip(memory.std.iter_mut());
        for (((log, std), inverse), &learned) in
            slots.zip(memory.inverse_std.iter_mut()).zip(learned)
        {
            *log = learned + self.offset;
            *std = num::exp(*log);
            *inverse = num::exp(-*log);
        }
    }

    /// Takes mean and deviation of the rollout's observations as those to standardise by.
    pub(super) fn measure_observations(&mut self) {
        let len = self.spec.observation.len;
        let memory = &mut self.memory;
        let samples = self.config.samples().max(1) as f64;
        for feature in 0..len {
            let column = || memory.observations.iter().skip(feature).step_by(len);
            let mean = column().map(|&value| f64::from(value)).sum::<f64>() / samples;
            let square: f64 =
                column().map(|&value| (f64::from(value) - mean) * (f64::from(value) - mean)).sum();
            let deviation = libm::sqrt(square / samples);
            if let (Some(centre), Some(spread)) =
                (memory.centre.get_mut(feature), memory.spread.get_mut(feature))
            {
                *centre = mean as f32;
                // An entry that never changes stays as far from its mean as it is: 0.
                *spread = if deviation > 0.0 { (1.0 / deviation) as f32 } else { 1.0 };
            }
        }
        self.observed = true;
    }
}

pub(super) fn standardise(raw: &[f32], centre: &[f32], spread: &[f32], into: &mut [f32]) {
    for (((into, &raw), &centre), &spread) in into.iter_mut().zip(raw).zip(centre).zip(spread) {
        *into = (raw - centre) * spread;
    }
}

/// What a fixed first layer gives, moved by its shifts.
pub(super) fn shift(z: &[f32], scale: f32, shifts: &[f32], into: &mut [f32]) {
    for ((into, &z), &shift) in into.iter_mut().zip(z).zip(shifts) {
        *into = z + scale * shift;
    }
}

pub(super) const fn end_code(end: End) -> u32 {
    match end {
        End::Running => 0,
        End::Terminated => 1,
        End::Truncated => 2,
    }
}

pub(super) const fn end_of(code: u32) -> End {
    match code {
        0 => End::Running,
        1 => End::Terminated,
        _ => End::Truncated,
    }
}

/// Whether two rows hold the same bits. Goes by pieces, so that it can be vectorised.
pub(super) fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len()
        && a.chunks(64).zip(b.chunks(64)).all(|(a, b)| {
            let differ = |(a, b): (&f32, &f32)| a.to_bits() ^ b.to_bits();
            a.iter().zip(b).map(differ).fold(0, |all, one| all | one) == 0
        })
}
