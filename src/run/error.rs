//! What can end a command.

use crate::editor::{EditError, JobError};
use crate::env::EnvError;
use crate::model::ForwardError;
use crate::nn::StackError;
use crate::world::WorldError;
use std::fmt;

/// Why a command could not be carried out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RunError {
    /// What the command line alone shows to be wrong (exit code 2).
    Usage(String),
    /// What needed a file or data to be seen (exit code 1).
    Failed(String),
}

impl RunError {
    /// A network that cannot be built from the sizes that were asked for.
    pub(super) fn stack(error: StackError) -> Self {
        Self::Usage(format!("--widths: {error}"))
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for RunError {}

macro_rules! failed_from {
    ($($error:ty),*) => {$(
        impl From<$error> for RunError {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        }
    )*};
}

failed_from!(
    crate::error::ShapeError,
    crate::metric::MetricError,
    ForwardError,
    EnvError,
    WorldError,
    JobError,
    EditError
);
