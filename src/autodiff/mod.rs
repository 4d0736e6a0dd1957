//! Reverse-mode differentiation on a tape in a borrowed slab.
//!
//! What belongs here: the tape and its operations, each the size of a layer or of a loss, forward and
//! backward. What does not: parameters and their layout (`nn`), steps (`optim`), any network.
//!
//! Values and gradients of all nodes lie in one slab, nodes in a list of fixed capacity. Parameters and
//! their gradients are flat slices of the caller's; an operation names its part by offset.

mod backward;
mod losses;
mod node;
mod tape;

pub use losses::squash_correction;
pub use node::{Dense, Var};
pub use tape::{MAX_NODES, Tape, TapeError};

#[cfg(test)]
mod tests;
