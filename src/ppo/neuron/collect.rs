//! Sampling: the actions of one update, their rewards, and the advantages that these come to.

use super::memory::part_mut;
use super::policy::Side;
use super::surrogate::log_probability;
use super::train::{Context, NeuronPpo, NeuronUpdate};
use crate::kernel::Batch;
use crate::num;
use crate::ppo::PpoError;
use crate::rng::Rng;

impl NeuronPpo<'_> {
    /// Samples actions and takes their rewards.
    pub(super) fn collect(
        &mut self,
        contexts: &mut [&mut dyn Context],
    ) -> Result<NeuronUpdate, PpoError> {
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
