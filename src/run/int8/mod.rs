//! Unlearning on integers: `digits-cnn-int8`, a network that was quantised after its training.
//!
//! What belongs here: what differs from `unlearn` on real numbers. What does not: worlds, editors, and what
//! both share (`run`).
//!
//! Editors that act by reward alone run as they are, on a [`world::int8`](crate::world::int8). What looks
//! at the layer by forward passes (a transferred policy, closed forms that act) is shown the
//! dequantised network: the same integers times their scales. `retrain` is quantised as the target is, by ranges
//! of its own training samples. Gradients do not exist here, and what writes real weights has no place to
//! put them: such editors are refused, and the report names them with the reason.

mod files;
mod gauge;
mod quantised;
mod unit;
mod unlearn;

pub use files::{Int8Model, load_int8};
pub(in crate::run) use files::{affine, save_int8};
pub(in crate::run) use quantised::Quantised;
pub use unlearn::{Int8Unlearned, NAME, refusal, save, unlearn};
pub(in crate::run) use unlearn::{impossible, name_of};
