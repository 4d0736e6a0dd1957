//! Networks as values without memory: which layers there are, and where each finds its parameters.
//!
//! What belongs here: the list of layers ([`Stack`]), their sizes, initial weights, the plain
//! forward pass and recording on a tape. What does not: derivatives (`autodiff`), steps (`optim`),
//! networks that know what they are for (`model`).
//!
//! Parameters are one flat slice that the caller owns: for every layer in order its weights, then
//! its biases. Weights are stored in × out, for convolutions `[taps][output channels]`; features
//! are ordered `[channel][row][column]`.

/// The value of a `Result`, or of an `Option` with the error that its absence is; returns the error. `?` cannot be
/// used where the compiler evaluates.
macro_rules! ok {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
    ($option:expr, $error:expr) => {
        match $option {
            Some(value) => value,
            None => return Err($error),
        }
    };
}

mod error;
mod forward;
mod init;
mod layer;
mod record;
mod stack;

pub use error::StackError;
pub use init::Init;
pub use layer::{Kind, Layer};
pub use stack::{MAX_LAYERS, Stack};

#[cfg(test)]
mod tests;
