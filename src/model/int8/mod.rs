//! Networks in 8-bit integers: quantised after training, run, and run again from an edited layer on.
//!
//! What belongs here: how a network of `nn` becomes integers, and the two ways to run it, each a
//! [`Forward`](super::Forward). What does not: products (`kernel::int8`), how weights are edited (`world`).
//!
//! # Form
//!
//! As TensorFlow Lite has it (Jacob et al. 2018, arXiv 1712.05877): weights are symmetric with one scale for
//! each output row, `w = scale · q`, |q| ≤ 127; activations are `scale · (q − zero)` with one scale for a
//! layer, taken from the least and the largest value on samples ([`Int8Stack::calibrated`]); a bias is i32 in
//! units of the input's scale times the row's. Sums become i8 by a fixed-point factor for each row. A ReLU
//! costs nothing: its zero is the least output, with a zero point of −128 it has the whole range.
//!
//! Logits are the last layer's sums as real numbers: they never become i8.
//!
//! # What there is
//!
//! Dense and convolutional layers, max pooling, and ReLU behind any of them; features keep their order
//! (`[channel][row][column]`). A dense first layer also takes sparse rows ([`Int8Sparse`]): a bag's values become 8-bit
//! numbers as other inputs do, and what a row does not name has the zero point's value, which is 0. Layers before the
//! first quantised one stay in f32.

mod calibrate;
mod chain;
mod parameters;
mod plain;
mod prefix;
mod run;
mod source;
mod stack;

pub use chain::{Int8Link, chain_need, run_chain};
pub use parameters::{Int8Network, Int8Parameters};
pub use plain::Int8Plain;
pub use prefix::{Int8Edited, Int8Prefix};
pub use source::Int8Sparse;
pub use stack::{Int8Activations, Int8Layer, Int8Scale, Int8Stack};
