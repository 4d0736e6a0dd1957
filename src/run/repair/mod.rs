//! Repairing a network of 8-bit integers, as it lies in a .tflite file, by the values that it should give.
//!
//! What belongs here: samples of a function, the reward, searches over integers, records of runs. What does not:
//! the file (`data::tflite`), how a record is shown (`report`).
//!
//! # Space
//!
//! A point is a change, one number for each weight and each bias of the edited layers, 0 for the file as it is.
//! Weights are in units of themselves, biases in units of what moves the layer's output by one step. A change is
//! rounded to integers; weights stay in −127 … 127, biases within ±2³⁰.
//!
//! # Reward
//!
//! `1 / (1 + (max + 2 rms) / h)` in (0, 1], with the largest absolute error and the root of the mean squared one on
//! the reward samples, and half the range of the function's values there as h. The largest error alone is
//! flat almost everywhere, the squared one alone lets single points go.

mod config;
mod describe;
mod objective;
mod record;
mod samples;
mod search;

pub use config::{EDITORS, Function, RepairConfig, repair};
pub(super) use describe::describe;
pub use record::{Errors, RepairRun, Repaired};
