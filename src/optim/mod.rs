//! Steps along gradients: Adam, SGD with momentum, schedules, and the clip of the global norm.
//!
//! What belongs here: rules that turn gradients into changes of a flat parameter slice, and their
//! state. What does not: where gradients come from (`autodiff`), how often a step is taken.

mod adam;
mod clip;
mod schedule;
mod sgd;

pub use adam::{Adam, AdamConfig};
pub use clip::clip_global_norm;
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdConfig};
