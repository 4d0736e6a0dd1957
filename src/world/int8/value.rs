//! What an action makes of a world's integers, and what the network is then worth.

use super::Int8Form;
use super::env::{Int8World, real};
use super::form::Row;
use crate::env::EnvError;
use crate::model::int8::Int8Edited;
use crate::model::{ForwardError, Split};
use crate::num;
use crate::task::Score;
use crate::world::RewardForm;
use crate::world::action::{carry_out, keep_inside};

impl Int8World<'_> {
    /// Applies actions of one episode to the unedited layer. Takes no evaluation and ends any running episode.
    ///
    /// # Errors
    /// [`EnvError`] when an action does not fit the action space or a scale is not finite.
    pub fn apply(&mut self, actions: &[f32]) -> Result<(), EnvError> {
        self.time = None;
        self.restore();
        for action in actions.chunks(self.action.len().max(1)) {
            carry_out(self.config.clip, action, self.action)?;
            self.form()?;
            self.keep();
        }
        self.put_back()
    }

    /// The reward of one action on the unedited layer, as a first [`Env::step`](crate::env::Env::step) of an episode gives it, without
    /// observations. Ends any running episode and leaves the layer unedited.
    ///
    /// # Errors
    /// [`EnvError`] as for a step.
    pub fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        carry_out(self.config.clip, action, self.action)?;
        self.evaluate_taken()
    }

    /// As [`evaluate`](Self::evaluate), of the action that `draw` writes where the world keeps its own: agents with
    /// little memory need no second place for it.
    ///
    /// # Errors
    /// [`EnvError`] as for a step.
    pub fn evaluate_drawn(&mut self, draw: &mut dyn FnMut(&mut [f32])) -> Result<f32, EnvError> {
        draw(self.action);
        keep_inside(self.config.clip, self.action)?;
        self.evaluate_taken()
    }

    fn evaluate_taken(&mut self) -> Result<f32, EnvError> {
        self.time = None;
        self.restore();
        self.form()?;
        let value = self.value_of_trial()?;
        Ok(match self.config.reward {
            RewardForm::Level => value,
            RewardForm::Difference => value - self.reward_of(self.score),
        })
    }

    /// Score on the reward split of the layer as edited so far.
    ///
    /// # Errors
    /// [`ForwardError`] when the network cannot be run.
    pub fn score_formed(&mut self) -> Result<Score, ForwardError> {
        self.put_back().map_err(|_| ForwardError::Failed("the edited layer does not fit"))?;
        self.task.score(&mut self.prefix, Split::Reward)
    }

    /// Everything as unedited.
    pub(super) fn restore(&mut self) {
        self.prefix.restore();
        let now = self.prefix.now();
        copy(self.kept, now.weights);
        copy(self.scales, now.scales);
        copy(self.weights, self.original);
        // Lengths are right by construction.
        let _ = self.prefix.commit();
    }

    /// Puts the layer as edited so far into the prefix, ready to be run.
    fn put_back(&mut self) -> Result<(), EnvError> {
        let edited = self.prefix.edited();
        copy(edited.weights, self.kept);
        copy(edited.scales, self.scales);
        self.encode()
    }

    /// Biases and factors of the rows from their scales, and packed weights.
    fn encode(&mut self) -> Result<(), EnvError> {
        let (original, biases) = self.prefix.original_rows();
        // A factor multiplies the bias as well; a scale that grew does not.
        if self.forming.form == Int8Form::Weights {
            let Int8Edited { bias, scales, .. } = self.prefix.edited();
            let rows = bias.iter_mut().zip(biases).zip(original.iter().zip(scales.iter()));
            for ((to, &bias), (&before, &after)) in rows {
                *to = match before == after {
                    true => bias,
                    false => {
                        libm::round(f64::from(bias) * f64::from(before) / f64::from(after)) as i32
                    }
                };
            }
        }
        self.prefix.commit().map_err(|_| EnvError::Failed("the edited layer does not fit"))
    }

    /// Forms the layer after the action that was taken, in the prefix and in `trial`.
    pub(super) fn form(&mut self) -> Result<(), EnvError> {
        let inputs = self.forming.change.inputs;
        let edited = self.prefix.edited();
        let rows = self.kept.chunks_exact(inputs.max(1)).zip(&*self.scales);
        let to = edited.weights.chunks_exact_mut(inputs.max(1)).zip(edited.scales.iter_mut());
        for (index, ((weights, &scale), (to, to_scale))) in rows.zip(to).enumerate() {
            let row = Row { index, weights, scale };
            let formed = self.forming.row(self.action, row, self.row, to);
            *to_scale = formed.ok_or(EnvError::Diverged)?;
        }
        real(edited.weights, edited.scales, inputs, self.trial);
        if num::all_finite(self.trial) { Ok(()) } else { Err(EnvError::Diverged) }
    }

    /// Value of the network that is tried.
    pub(super) fn value_of_trial(&mut self) -> Result<f32, EnvError> {
        self.encode()?;
        let score = self.task.score(&mut self.prefix, Split::Reward);
        let score =
            score.map_err(|_| EnvError::Failed("the edited network could not be scored"))?;
        let value = self.reward_of(score) - self.price();
        if value.is_finite() { Ok(value) } else { Err(EnvError::Diverged) }
    }

    pub(super) fn keep(&mut self) {
        let now = self.prefix.now();
        copy(self.kept, now.weights);
        copy(self.scales, now.scales);
        core::mem::swap(&mut self.weights, &mut self.trial);
    }

    /// μ·‖W′ − W‖²/‖W‖² of what is tried, as real numbers.
    fn price(&self) -> f32 {
        if self.config.size_penalty == 0.0 {
            return 0.0;
        }
        let (mut change, mut whole) = (0.0f64, 0.0f64);
        for (&new, &old) in self.trial.iter().zip(&*self.original) {
            let difference = f64::from(new) - f64::from(old);
            change += difference * difference;
            whole += f64::from(old) * f64::from(old);
        }
        if whole > 0.0 { self.config.size_penalty * (change / whole) as f32 } else { 0.0 }
    }
}

fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}
