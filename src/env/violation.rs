//! What [`check_env`](super::check_env) can find wrong: one variant and one sentence per rule.

use super::EnvError;
use crate::error::TooSmall;
use core::fmt;

/// A rule of the contract that an environment breaks. Its text says where, and what to change.
///
/// Steps are counted from 1 within their episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Violation {
    /// No rule: the checker's own slab is too small.
    TooSmall(TooSmall),
    /// `spec`, or the shape that `edited` shows, is not the same at every call.
    SpecUnstable,
    /// The action space is empty, not finite, or its bounds are not in order.
    ActionSpace {
        /// Number of entries.
        len: usize,
        /// Least value.
        low: f32,
        /// Largest value.
        high: f32,
    },
    /// The observation space is empty, or its bounds are NaN or not in order.
    ObservationSpace {
        /// Number of entries.
        len: usize,
        /// Least value.
        low: f32,
        /// Largest value.
        high: f32,
    },
    /// The declared reward range is NaN or not in order.
    RewardRange {
        /// Least reward.
        low: f32,
        /// Largest reward.
        high: f32,
    },
    /// The declared horizon is 0.
    HorizonZero,
    /// `reset` failed although its buffer had the spec's length.
    ResetFailed {
        /// What it answered.
        error: EnvError,
    },
    /// `reset` or `step` took an observation buffer of another length than the spec's.
    ObservationLengthAccepted {
        /// "reset" or "step".
        call: &'static str,
        /// Length of the buffer.
        len: usize,
    },
    /// Two resets from the same seed gave different observations.
    ResetObservation {
        /// First entry that differs.
        index: usize,
        /// What the first reset gave.
        first: f32,
        /// What the later reset gave.
        again: f32,
    },
    /// Two resets from the same seed gave different weights.
    ResetWeights {
        /// First weight that differs.
        index: usize,
        /// What the first reset gave.
        first: f32,
        /// What the later reset gave.
        again: f32,
    },
    /// The first step after `reset` found no running episode.
    EndedBeforeStep,
    /// A step with an action inside the space failed.
    StepFailed {
        /// Which step.
        step: usize,
        /// What it answered.
        error: EnvError,
    },
    /// An entry of an observation is NaN or infinite.
    ObservationNotFinite {
        /// After which step; 0 is the reset.
        step: usize,
        /// Which entry.
        index: usize,
    },
    /// An entry of an observation lies outside the declared bounds.
    ObservationOutside {
        /// After which step; 0 is the reset.
        step: usize,
        /// Which entry.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A reward is NaN or infinite.
    RewardNotFinite {
        /// Of which step.
        step: usize,
    },
    /// A reward lies outside the declared range.
    RewardOutside {
        /// Of which step.
        step: usize,
        /// Its value.
        reward: f32,
    },
    /// A weight became NaN or infinite.
    WeightNotFinite {
        /// After which step.
        step: usize,
        /// Which weight.
        index: usize,
    },
    /// The same seed and the same actions gave another trajectory.
    NotRepeatable {
        /// First step that differs.
        step: usize,
    },
    /// The episode still runs after as many steps as the horizon allows.
    HorizonPassed {
        /// The declared horizon.
        horizon: usize,
    },
    /// A step after the end of the episode was not answered with [`EnvError::NotRunning`].
    StepAfterEnd {
        /// Steps that the episode had.
        step: usize,
    },
    /// An action of the wrong length was carried out.
    LengthAccepted {
        /// Length of the action.
        len: usize,
    },
    /// An action with an entry that is NaN or infinite was carried out.
    NotFiniteAccepted {
        /// Which entry.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// An action outside the space was carried out, and not as if it had been clipped.
    OutsideAccepted {
        /// Which entry.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A step that returned an error changed the state, the weights or the observation buffer.
    ErrorChanged {
        /// The step that should have been refused without a trace.
        step: usize,
    },
    /// The zero action changed a weight.
    ZeroAction {
        /// Which weight.
        index: usize,
        /// Its value before.
        before: f32,
        /// Its value after.
        after: f32,
    },
    /// A mask made a zero weight non-zero.
    MaskedZero {
        /// After which step.
        step: usize,
        /// Which weight.
        index: usize,
        /// Its value now.
        after: f32,
    },
    /// A shift changed the weights by a matrix of a larger rank than it declares.
    ShiftRank {
        /// Which step.
        step: usize,
        /// The declared rank.
        rank: usize,
        /// Largest entry that is left once that many ranks are taken out.
        rest: f32,
    },
    /// A shift changed a weight by more than it declares.
    ShiftStep {
        /// Which step.
        step: usize,
        /// Which weight.
        index: usize,
        /// The change.
        change: f32,
        /// The declared largest change.
        limit: f32,
    },
    /// After a rescale that changes no function, the same actions gave other rewards.
    RescaleNoticed {
        /// First step that differs.
        step: usize,
        /// Its reward before.
        before: f32,
        /// Its reward after.
        after: f32,
    },
}

impl From<TooSmall> for Violation {
    fn from(error: TooSmall) -> Self {
        Self::TooSmall(error)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall(error) => write!(f, "{error} by the checker (see check_need)"),
            Self::SpecUnstable => f.write_str(
                "spec() or the shape in edited() changed between two calls; return the same value always",
            ),
            Self::ActionSpace { len, low, high } => write!(
                f,
                "the action space has {len} entries in [{low}, {high}]; declare at least one entry \
                 and finite bounds with low < high"
            ),
            Self::ObservationSpace { len, low, high } => write!(
                f,
                "the observation space has {len} entries in [{low}, {high}]; declare at least one \
                 entry and low < high (infinite where there is no bound)"
            ),
            Self::RewardRange { low, high } => {
                write!(f, "the reward range is [{low}, {high}]; declare numbers with low <= high")
            }
            Self::HorizonZero => {
                f.write_str("the horizon is 0; declare at least one step, or None where it is not fixed")
            }
            Self::ResetFailed { error } => write!(
                f,
                "reset failed ({error}); it has to work at any time, during an episode as well"
            ),
            Self::ObservationLengthAccepted { call, len } => write!(
                f,
                "{call} took an observation buffer of {len} values; return EnvError::Length unless \
                 the buffer has the spec's length"
            ),
            Self::ResetObservation { index, first, again } => write!(
                f,
                "observation {index} was {first:e} after one reset and {again:e} after another from \
                 the same seed; reset everything that step changes"
            ),
            Self::ResetWeights { index, first, again } => write!(
                f,
                "weight {index} was {first:e} after one reset and {again:e} after another from the \
                 same seed; copy the original weights back instead of undoing the edit"
            ),
            Self::EndedBeforeStep => f.write_str(
                "the first step after reset found no running episode; reset has to start one",
            ),
            Self::StepFailed { step, error } => {
                write!(f, "step {step} failed ({error}) although its action lies in the space")
            }
            Self::ObservationNotFinite { step, index } => {
                write!(f, "observation {index} after step {step} is not finite; guard the division or root")
            }
            Self::ObservationOutside { step, index, value } => write!(
                f,
                "observation {index} after step {step} is {value}, outside the declared bounds; \
                 widen them or clip"
            ),
            Self::RewardNotFinite { step } => write!(
                f,
                "the reward of step {step} is not finite; return EnvError::Diverged instead and keep the state"
            ),
            Self::RewardOutside { step, reward } => write!(
                f,
                "the reward of step {step} is {reward}, outside the declared range; widen the range"
            ),
            Self::WeightNotFinite { step, index } => write!(
                f,
                "weight {index} after step {step} is not finite; return EnvError::Diverged instead \
                 and keep the weights"
            ),
            Self::NotRepeatable { step } => write!(
                f,
                "step {step} differs between two runs with the same seed and actions; draw all \
                 randomness from the seed that reset receives"
            ),
            Self::HorizonPassed { horizon } => {
                write!(f, "the episode still runs after {horizon} steps, its horizon; end it there")
            }
            Self::StepAfterEnd { step } => write!(
                f,
                "a step after the end (step {step}) was not refused; return EnvError::NotRunning until reset"
            ),
            Self::LengthAccepted { len } => {
                write!(f, "an action of {len} entries was carried out; return EnvError::Length")
            }
            Self::NotFiniteAccepted { index, value } => write!(
                f,
                "an action with entry {index} = {value} was carried out; return EnvError::NotFinite"
            ),
            Self::OutsideAccepted { index, value } => write!(
                f,
                "an action with entry {index} = {value}, outside the space, was carried out as it \
                 is; return EnvError::OutOfRange or clip it"
            ),
            Self::ErrorChanged { step } => write!(
                f,
                "an attempt at step {step} that returned an error left a trace in the state, the \
                 weights or the observation buffer; check the action before anything is written"
            ),
            Self::ZeroAction { index, before, after } => write!(
                f,
                "the zero action changed weight {index} from {before:e} to {after:e}; zero has to \
                 mean no edit"
            ),
            Self::MaskedZero { step, index, after } => write!(
                f,
                "step {step} made weight {index} {after:e}, it was 0; a mask has to multiply"
            ),
            Self::ShiftRank { step, rank, rest } => write!(
                f,
                "the change of step {step} has a rank above {rank} (entries up to {rest:e} are left); \
                 declare the rank that the action can reach"
            ),
            Self::ShiftStep { step, index, change, limit } => write!(
                f,
                "step {step} changed weight {index} by {change:e}, more than the declared {limit:e}; \
                 declare the largest change or bound it"
            ),
            Self::RescaleNoticed { step, before, after } => write!(
                f,
                "after a rescale of the layer the reward of step {step} became {after:e}, it was \
                 {before:e}; measure the step in units of the layer, or let rescale return false"
            ),
        }
    }
}

impl core::error::Error for Violation {}
