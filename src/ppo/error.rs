//! What can go wrong in training.

use super::settings::ConfigError;
use crate::autodiff::TapeError;
use crate::env::EnvError;
use crate::error::{ShapeError, TooSmall};
use crate::nn::StackError;
use core::fmt;

/// Why a policy cannot be made or trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PpoError {
    /// A hyper-parameter is out of range.
    Config(ConfigError),
    /// The arena holds less than [`Ppo::need`](super::Ppo::need).
    TooSmall(TooSmall),
    /// A slice of a wrong length.
    Shape(ShapeError),
    /// The networks cannot be built.
    Network(StackError),
    /// The tape refused an operation.
    Tape(TapeError),
    /// The action space is empty or not bounded.
    ActionSpace,
    /// The observation space is empty.
    ObservationSpace,
    /// There are fewer or more environments than the configuration says.
    Environments {
        /// The configuration's number.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// An environment has other spaces than the policy was made for.
    OtherSpaces {
        /// Which environment.
        index: usize,
    },
    /// The budget does not hold one rollout (two where observations are standardised).
    Budget {
        /// Steps that are needed.
        need: usize,
        /// Steps that the budget holds.
        have: usize,
    },
    /// An environment failed.
    Env(EnvError),
    /// An observation or a reward is not finite.
    NotFinite {
        /// "observation" or "reward".
        what: &'static str,
    },
    /// The observation differs from the first one, although it was declared to be fixed.
    ObservationVaries,
    /// Nothing has been observed yet, so the policy of a fixed or standardised observation is not
    /// complete.
    NothingObserved,
    /// A loss, gradient or parameter became infinite or NaN. The parameters are those from before
    /// the update in which it happened.
    Diverged {
        /// Which update, from 0.
        update: usize,
        /// "loss", "gradient" or "parameters".
        what: &'static str,
    },
}

impl fmt::Display for PpoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::TooSmall(error) => error.fmt(f),
            Self::Shape(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
            Self::Tape(error) => error.fmt(f),
            Self::ActionSpace => f.write_str("the action space is empty or has no finite bounds"),
            Self::ObservationSpace => f.write_str("the observation space is empty"),
            Self::Environments { expected, found } => {
                write!(f, "{found} environments were given, the configuration says {expected}")
            }
            Self::OtherSpaces { index } => {
                write!(f, "environment {index} has other spaces than the policy was made for")
            }
            Self::Budget { need, have } => write!(
                f,
                "a budget of {have} steps is too small: training needs {need} with these rollouts"
            ),
            Self::Env(error) => error.fmt(f),
            Self::NotFinite { what } => {
                write!(f, "the environment gave a {what} that is not finite")
            }
            Self::ObservationVaries => f.write_str(
                "the observation changed, but fixed_observation is set: set it to false",
            ),
            Self::NothingObserved => {
                f.write_str("the policy has not observed anything yet: train it first")
            }
            Self::Diverged { update, what } => write!(
                f,
                "update {update} diverged: its {what} became infinite or NaN; the parameters from \
                 before it are kept"
            ),
        }
    }
}

impl core::error::Error for PpoError {}

impl From<ConfigError> for PpoError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<TooSmall> for PpoError {
    fn from(error: TooSmall) -> Self {
        Self::TooSmall(error)
    }
}

impl From<ShapeError> for PpoError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl From<StackError> for PpoError {
    fn from(error: StackError) -> Self {
        Self::Network(error)
    }
}

impl From<TapeError> for PpoError {
    fn from(error: TapeError) -> Self {
        Self::Tape(error)
    }
}

impl From<EnvError> for PpoError {
    fn from(error: EnvError) -> Self {
        Self::Env(error)
    }
}
