//! The executable form of the contract.

mod edit;
mod errors;

use super::{Edited, End, Env, EnvError, Spec, Step, Violation};
use crate::error::TooSmall;
use crate::num::Digest;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};

/// Steps whose outcome is kept for comparison, and steps that are taken where no horizon is fixed.
const KEPT_STEPS: usize = 64;

/// Edited layers that are looked at, at most.
const MOST_PARTS: usize = 64;

/// Memory that [`check_env`] needs: for `spec`, and for edited layers of `weights` weights in all
/// (inputs × outputs each; 0 where the environment shows none).
pub const fn check_need(spec: &Spec, weights: usize) -> Need {
    let kept = kept_steps(spec);
    // Saturating, so that an absurd spec is too large for any slab instead of an overflow.
    let observations = spec.observation.len.saturating_add(1).saturating_mul(2);
    let f32s = spec.action.len.saturating_add(1).saturating_add(observations);
    Need {
        f32s: f32s.saturating_add(weights.saturating_mul(3)).saturating_add(kept),
        u32s: 2 * kept,
    }
}

const fn kept_steps(spec: &Spec) -> usize {
    match spec.horizon {
        Some(horizon) if horizon < KEPT_STEPS => horizon,
        _ => KEPT_STEPS,
    }
}

/// Tests an environment against the contract of [`Env`], and stops at the first rule it breaks.
///
/// The rules: the spec is stable and sane. A reset restores the exact bits of the first observation
/// and of the edited weights, whatever happened before. Observations are finite and inside their
/// bounds, rewards finite and inside the declared range, weights finite. The same seed and actions
/// give the same trajectory, bit for bit. An episode takes at least one step and ends by the
/// horizon; after it a step is [`EnvError::NotRunning`]. A buffer of another length, a NaN or an
/// infinite entry is an error; an action outside the space is an error or clipped; after an error
/// nothing has changed. Where weights are shown: the zero action (if the space holds it) leaves
/// them equal; a mask keeps zeros; a shift has at most the declared rank and step per entry, in every
/// edited layer; where
/// [`Env::rescale`] is supported, a rescale by 4 changes no bit of a reward.
///
/// Actions are drawn from `seed`; besides uniform ones, both corners of the space are tried. Without
/// a horizon, 64 steps are taken. The environment is left in the middle of an episode: reset it.
///
/// # Errors
/// The first [`Violation`]; [`Violation::TooSmall`] when the arena holds less than [`check_need`].
pub fn check_env(env: &mut dyn Env, seed: u64, arena: &mut Arena<'_>) -> Result<(), Violation> {
    let spec = env.spec();
    check_spec(&spec)?;
    let shape = shape(env);
    let weights = shape.map_or(0, |shape| shape.weights);
    let (need, left) = (check_need(&spec, weights), arena.left());
    if need.f32s > left.f32s {
        return Err(TooSmall { need: need.f32s, have: left.f32s }.into());
    }
    if need.u32s > left.u32s {
        return Err(TooSmall { need: need.u32s, have: left.u32s }.into());
    }
    let mut arena = arena.scratch();
    let kept = kept_steps(&spec);
    let mut checker = Checker {
        env,
        spec,
        seed,
        shape,
        action: arena.take(spec.action.len + 1)?,
        observation: arena.take(spec.observation.len + 1)?,
        first_observation: arena.take(spec.observation.len + 1)?,
        first_weights: arena.take(weights)?,
        before: arena.take(weights)?,
        change: arena.take(weights)?,
        rewards: arena.take(kept)?,
        digests: arena.take_indices(2 * kept)?,
        recorded: 0,
    };
    checker.lengths_of_reset()?;
    checker.reset(seed, true)?;
    checker.episode(Actions::Uniform, Against::Record)?;
    for disturbance in [Actions::Low, Actions::High] {
        checker.reset(seed ^ 1, false)?;
        checker.episode(disturbance, Against::Nothing)?;
        checker.reset(seed, false)?;
        checker.compare_reset()?;
        checker.episode(Actions::Uniform, Against::Recorded)?;
    }
    // From the middle of an episode as well.
    checker.reset(seed, false)?;
    checker.one_step()?;
    checker.reset(seed, false)?;
    checker.compare_reset()?;
    checker.episode(Actions::Uniform, Against::RecordedAmongErrors)?;
    checker.outside()?;
    checker.zero_action()?;
    checker.rescaled()
}

fn check_spec(spec: &Spec) -> Result<(), Violation> {
    let (action, observation) = (spec.action, spec.observation);
    let finite = action.low.is_finite() && action.high.is_finite();
    if action.len == 0 || !finite || action.low >= action.high {
        let (len, low, high) = (action.len, action.low, action.high);
        return Err(Violation::ActionSpace { len, low, high });
    }
    let ordered = observation.low < observation.high;
    if observation.len == 0 || !ordered {
        let (len, low, high) = (observation.len, observation.low, observation.high);
        return Err(Violation::ObservationSpace { len, low, high });
    }
    let (low, high) = spec.reward;
    if low.is_nan() || high.is_nan() || low > high {
        return Err(Violation::RewardRange { low, high });
    }
    if spec.horizon == Some(0) {
        return Err(Violation::HorizonZero);
    }
    Ok(())
}

/// What must not change of the layers that are edited.
#[derive(Clone, Copy, PartialEq)]
struct Shape {
    layers: usize,
    inputs: usize,
    outputs: usize,
    weights: usize,
}

fn shape(env: &dyn Env) -> Option<Shape> {
    let mut whole = Shape { layers: 0, inputs: 0, outputs: 0, weights: 0 };
    for edited in parts(env) {
        whole.layers += 1;
        whole.inputs = whole.inputs.saturating_add(edited.inputs);
        whole.outputs = whole.outputs.saturating_add(edited.outputs);
        let weights = edited.inputs.saturating_mul(edited.outputs);
        whole.weights = whole.weights.saturating_add(weights);
    }
    (whole.layers > 0).then_some(whole)
}

/// The layers that are edited.
fn parts(env: &dyn Env) -> impl Iterator<Item = Edited<'_>> {
    (0..MOST_PARTS).map_while(|index| env.edited_part(index))
}

/// Their weights, one layer after the other.
fn weights(env: &dyn Env) -> impl Iterator<Item = f32> {
    parts(env).flat_map(|edited| edited.weights.iter().copied())
}

/// Which actions an episode takes.
#[derive(Clone, Copy, PartialEq)]
enum Actions {
    /// Uniform over the space, always the same ones.
    Uniform,
    /// The low corner of the space.
    Low,
    /// The high corner.
    High,
}

/// What an episode is compared with.
#[derive(Clone, Copy, PartialEq)]
enum Against {
    /// Nothing; its outcome is the record.
    Record,
    /// Nothing at all.
    Nothing,
    /// The record.
    Recorded,
    /// The record, with every kind of bad action before each step.
    RecordedAmongErrors,
}

struct Checker<'c> {
    env: &'c mut dyn Env,
    spec: Spec,
    seed: u64,
    shape: Option<Shape>,
    /// One entry longer than the spec says, for actions that are too long; so are observations.
    action: &'c mut [f32],
    observation: &'c mut [f32],
    first_observation: &'c mut [f32],
    first_weights: &'c mut [f32],
    before: &'c mut [f32],
    change: &'c mut [f32],
    rewards: &'c mut [f32],
    digests: &'c mut [u32],
    recorded: usize,
}

impl Checker<'_> {
    fn lengths_of_reset(&mut self) -> Result<(), Violation> {
        for len in [self.spec.observation.len - 1, self.spec.observation.len + 1] {
            if self.env.reset(self.seed, &mut self.observation[..len]).is_ok() {
                return Err(Violation::ObservationLengthAccepted { call: "reset", len });
            }
        }
        Ok(())
    }

    fn reset(&mut self, seed: u64, first: bool) -> Result<(), Violation> {
        let len = self.spec.observation.len;
        self.env
            .reset(seed, &mut self.observation[..len])
            .map_err(|error| Violation::ResetFailed { error })?;
        self.check_state(0)?;
        if first {
            self.first_observation.copy_from_slice(self.observation);
            keep_weights(self.env, self.first_weights);
        }
        Ok(())
    }

    /// The state after a reset from the first seed, against that of the first reset.
    fn compare_reset(&self) -> Result<(), Violation> {
        let len = self.spec.observation.len;
        let pair = self.first_observation[..len].iter().zip(&self.observation[..len]);
        for (index, (&first, &again)) in pair.enumerate() {
            if first.to_bits() != again.to_bits() {
                return Err(Violation::ResetObservation { index, first, again });
            }
        }
        let pair = self.first_weights.iter().zip(weights(self.env));
        for (index, (&first, again)) in pair.enumerate() {
            if first.to_bits() != again.to_bits() {
                return Err(Violation::ResetWeights { index, first, again });
            }
        }
        Ok(())
    }

    /// What has to hold after every reset (step 0) and step.
    fn check_state(&self, step: usize) -> Result<(), Violation> {
        if self.env.spec() != self.spec || shape(self.env) != self.shape {
            return Err(Violation::SpecUnstable);
        }
        let space = self.spec.observation;
        for (index, &value) in self.observation[..space.len].iter().enumerate() {
            if !value.is_finite() {
                return Err(Violation::ObservationNotFinite { step, index });
            }
            if value < space.low || value > space.high {
                return Err(Violation::ObservationOutside { step, index, value });
            }
        }
        if weights(self.env).count() != self.before.len() {
            return Err(Violation::SpecUnstable);
        }
        match weights(self.env).position(|weight| !weight.is_finite()) {
            Some(index) => Err(Violation::WeightNotFinite { step, index }),
            None => Ok(()),
        }
    }

    fn fill_action(&mut self, actions: Actions, rng: &mut Rng) {
        let space = self.spec.action;
        for entry in self.action.iter_mut() {
            *entry = match actions {
                Actions::Uniform => rng.uniform(space.low, space.high).clamp(space.low, space.high),
                Actions::Low => space.low,
                Actions::High => space.high,
            };
        }
    }

    /// A step with the action that is held, and everything that has to hold after it.
    fn step(&mut self, step: usize) -> Result<Step, Violation> {
        keep_weights(self.env, self.before);
        let (action, observation) = (self.spec.action.len, self.spec.observation.len);
        let result = self.env.step(&self.action[..action], &mut self.observation[..observation]);
        let outcome = result.map_err(|error| match error {
            EnvError::NotRunning if step == 1 => Violation::EndedBeforeStep,
            error => Violation::StepFailed { step, error },
        })?;
        self.check_state(step)?;
        if !outcome.reward.is_finite() {
            return Err(Violation::RewardNotFinite { step });
        }
        let (low, high) = self.spec.reward;
        if outcome.reward < low || outcome.reward > high {
            return Err(Violation::RewardOutside { step, reward: outcome.reward });
        }
        self.check_edit(step)?;
        Ok(outcome)
    }

    fn one_step(&mut self) -> Result<Step, Violation> {
        self.fill_action(Actions::Uniform, &mut Rng::new(self.seed, Purpose::Action));
        self.step(1)
    }

    fn episode(&mut self, actions: Actions, against: Against) -> Result<(), Violation> {
        let mut rng = Rng::new(self.seed, Purpose::Action);
        let last = self.spec.horizon.unwrap_or(KEPT_STEPS);
        for step in 1..=last {
            if against == Against::RecordedAmongErrors {
                self.errors(step)?;
            }
            self.fill_action(actions, &mut rng);
            let outcome = match (self.step(step), against) {
                (Err(_), Against::RecordedAmongErrors) => {
                    return Err(Violation::ErrorChanged { step });
                }
                (outcome, _) => outcome?,
            };
            match against {
                Against::Record => self.record(step, &outcome),
                Against::Nothing => {}
                _ if self.repeats(step, &outcome) => {}
                Against::Recorded => return Err(Violation::NotRepeatable { step }),
                Against::RecordedAmongErrors => return Err(Violation::ErrorChanged { step }),
            }
            if outcome.end != End::Running {
                return self.after_end(step);
            }
        }
        match self.spec.horizon {
            Some(horizon) => Err(Violation::HorizonPassed { horizon }),
            None => Ok(()),
        }
    }

    fn record(&mut self, step: usize, outcome: &Step) {
        let digest = self.digest(outcome);
        let at = step - 1;
        if let Some(reward) = self.rewards.get_mut(at) {
            *reward = outcome.reward;
            self.digests[2 * at] = digest as u32;
            self.digests[2 * at + 1] = (digest >> 32) as u32;
            self.recorded = step;
        }
    }

    fn repeats(&self, step: usize, outcome: &Step) -> bool {
        let at = step - 1;
        if at >= self.rewards.len() {
            return true;
        }
        let digest = self.digest(outcome);
        at < self.recorded
            && self.digests[2 * at] == digest as u32
            && self.digests[2 * at + 1] == (digest >> 32) as u32
    }

    /// A digest of everything that a step shows.
    fn digest(&self, outcome: &Step) -> u64 {
        let mut digest = Digest::new();
        digest.value(outcome.reward);
        digest.bytes(&[outcome.end as u8]);
        digest.values(&self.observation[..self.spec.observation.len]);
        weights(self.env).for_each(|weight| digest.value(weight));
        digest.finish()
    }

    fn after_end(&mut self, step: usize) -> Result<(), Violation> {
        keep_weights(self.env, self.before);
        let (action, observation) = (self.spec.action.len, self.spec.observation.len);
        let result = self.env.step(&self.action[..action], &mut self.observation[..observation]);
        if result != Err(EnvError::NotRunning) {
            return Err(Violation::StepAfterEnd { step });
        }
        if self.weights_changed() {
            return Err(Violation::ErrorChanged { step: step + 1 });
        }
        Ok(())
    }

    fn weights_changed(&self) -> bool {
        weights(self.env).count() != self.before.len()
            || weights(self.env).zip(&*self.before).any(|(a, b)| a.to_bits() != b.to_bits())
    }
}

/// Copies the weights as they are now; a changed shape is left to `check_state`.
fn keep_weights(env: &dyn Env, into: &mut [f32]) {
    for (kept, weight) in into.iter_mut().zip(weights(env)) {
        *kept = weight;
    }
}

fn bits(values: &[f32]) -> u64 {
    let mut digest = Digest::new();
    digest.values(values);
    digest.finish()
}
