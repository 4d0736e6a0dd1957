//! Why a world could not be built.

use super::config::ConfigError;
use crate::model::ForwardError;
use core::fmt;

/// Why a world could not be built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WorldError {
    /// A setting is out of range.
    Config(ConfigError),
    /// The network cannot be run, or the task does not fit it.
    Forward(ForwardError),
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Forward(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WorldError {}

impl From<ConfigError> for WorldError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl<E: Into<ForwardError>> From<E> for WorldError {
    fn from(error: E) -> Self {
        Self::Forward(error.into())
    }
}
