//! What an action makes of a world's weights, and what the network is then worth.

use super::action::{carry_out, keep_inside};
use super::config::{RewardForm, WorldKind};
use super::env::World;
use super::part::Part;
use crate::env::EnvError;
use crate::model::{self, ForwardError, Split};
use crate::num;
use crate::task::Score;

impl World<'_> {
    /// Applies actions of one episode to the unedited weights; afterwards [`Env::edited`](crate::env::Env::edited) shows the
    /// result. Takes no evaluation and ends any running episode.
    ///
    /// # Errors
    /// [`EnvError`] when an action does not fit the action space, there are more of them than an episode has, or
    /// a weight is not finite.
    pub fn apply(&mut self, actions: &[f32]) -> Result<(), EnvError> {
        let (most, found) = (self.config.horizon * self.action.len(), actions.len());
        if found > most {
            return Err(EnvError::Length { what: "the episode's actions", expected: most, found });
        }
        self.time = None;
        self.pristine = true;
        for action in actions.chunks(self.action.len().max(1)) {
            self.take(action)?;
            self.form()?;
            self.keep_trial();
        }
        Ok(())
    }

    /// The reward of one action on the unedited network, as a first [`Env::step`](crate::env::Env::step) of an episode gives
    /// it, without observations. Ends any running episode and leaves the network unedited.
    ///
    /// # Errors
    /// [`EnvError`] as for a step.
    pub fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        self.take(action)?;
        self.evaluate_taken()
    }

    /// As [`evaluate`](Self::evaluate), of the action that `draw` writes where the world keeps its own: agents with
    /// little memory need no second place for it.
    ///
    /// # Errors
    /// [`EnvError`] as for a step.
    pub fn evaluate_drawn(&mut self, draw: &mut dyn FnMut(&mut [f32])) -> Result<f32, EnvError> {
        self.draw(draw)?;
        self.evaluate_taken()
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn draw(&mut self, draw: &mut dyn FnMut(&mut [f32])) -> Result<(), EnvError> {
        draw(self.action);
        keep_inside(self.config.clip, self.action)
    }

    fn evaluate_taken(&mut self) -> Result<f32, EnvError> {
        self.time = None;
        self.pristine = true;
        self.prefix.restore();
        self.form()?;
        let value = self.value_of_trial()?;
        Ok(match self.config.reward {
            RewardForm::Level => value,
            RewardForm::Difference => value - self.reward_of(self.original),
        })
    }

    /// Score on the reward split of the weights that [`Env::edited`](crate::env::Env::edited) shows, run as formed.
    ///
    /// # Errors
    /// [`ForwardError`] when the network cannot be run.
    pub fn score_formed(&mut self) -> Result<Score, ForwardError> {
        if self.pristine {
            for (index, part) in self.parts.iter_mut().enumerate() {
                let original = if index == 0 { self.prefix.original() } else { &*part.original };
                part.weights.copy_from_slice(original);
            }
        }
        self.score(false, false)
    }

    /// Score of the network with the weights that stand in the parts: those being tried, or those as edited
    /// so far. `thin` says that the first layer's change is carried out so, which takes what is tried.
    fn score(&mut self, trial: bool, thin: bool) -> Result<Score, ForwardError> {
        self.put_behind(|part| if trial { part.tried() } else { part.weights })?;
        let score = self.score_first(trial, thin);
        self.put_behind(|part| part.original)?;
        score
    }

    /// Gives weights to the edited layers behind the first.
    fn put_behind(
        &mut self,
        weights: impl for<'p> Fn(&'p Part<'_>) -> &'p [f32],
    ) -> Result<(), ForwardError> {
        for part in self.parts.iter().skip(1) {
            self.prefix.put(part.layer, weights(part))?;
        }
        Ok(())
    }

    fn score_first(&mut self, trial: bool, thin: bool) -> Result<Score, ForwardError> {
        let first = self.parts.first().ok_or(ForwardError::NoSamples)?;
        let change = if thin {
            let own = self.action.get(..self.change.action_len()).unwrap_or_default();
            let (u, v) = self.change.factors(own);
            model::Change::LowRank { rank: self.change.rank, u, v }
        } else {
            model::Change::Weights(if trial { first.tried() } else { first.weights })
        };
        self.task.score(&mut self.prefix.with(change), Split::Reward)
    }

    pub(super) fn keep_trial(&mut self) {
        for part in &mut self.parts {
            part.keep_trial();
        }
        self.pristine = false;
    }

    /// Checks an action and keeps it as it will be carried out.
    pub(super) fn take(&mut self, action: &[f32]) -> Result<(), EnvError> {
        carry_out(self.config.clip, action, self.action)
    }

    /// Forms the weights after the action that was taken, in every part's `trial`.
    pub(super) fn form(&mut self) -> Result<(), EnvError> {
        let mut rest = &mut *self.action;
        let unedited = self.pristine.then(|| self.prefix.original());
        for part in &mut self.parts {
            let (own, after) =
                rest.split_at_mut_checked(part.change.action_len()).unwrap_or_default();
            rest = after;
            part.form(self.kernel, own, unedited)
                .map_err(|_| EnvError::Failed("the action does not fit the layer"))?;
            if !num::all_finite(part.tried()) {
                return Err(EnvError::Diverged);
            }
        }
        Ok(())
    }

    /// Value of the network after the action: the first layer in its thin form for a shift of a dense one,
    /// else as formed.
    pub(super) fn value_of_trial(&mut self) -> Result<f32, EnvError> {
        let failed = |_| EnvError::Failed("the edited network could not be scored");
        let thin = self.config.kind == WorldKind::Shift && self.prefix.is_thin();
        let score = self.score(true, thin).map_err(failed)?;
        let value = self.reward_of(score) - self.price();
        if value.is_finite() { Ok(value) } else { Err(EnvError::Diverged) }
    }

    /// μ·‖W′ − W‖²/‖W‖² of what is tried, the mean over the edited layers: each in units of its own, so that
    /// a rescale of one of them changes nothing.
    #[cfg_attr(target_os = "none", inline(never))]
    fn price(&self) -> f32 {
        if self.config.size_penalty == 0.0 {
            return 0.0;
        }
        let mut total = 0.0f64;
        for part in &self.parts {
            let (mut change, mut whole) = (0.0f64, 0.0f64);
            for (&new, &old) in part.tried().iter().zip(self.prefix.weights_of(part.layer)) {
                let difference = f64::from(new) - f64::from(old);
                change += difference * difference;
                whole += f64::from(old) * f64::from(old);
            }
            total += if whole > 0.0 { change / whole } else { 0.0 };
        }
        self.config.size_penalty * (total / self.parts.len().max(1) as f64) as f32
    }
}
