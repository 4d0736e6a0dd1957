//! Image sets: built-in digits and IDX files, dealt into train, reward and test; and networks that
//! others trained.
//!
//! What belongs here: reading files of the standard formats, checking them, resampling, dealing
//! samples into parts. What does not: how samples are laid out for a network (`run`), what a
//! network makes of them (`model`).
//!
//! Nothing that a file claims about its own size is believed: sizes are checked against limits
//! before anything is allocated, memory grows with the bytes that are really there, and a
//! compressed file is unpacked to at most one byte more than its header calls for.

mod arch;
mod assemble;
mod builtin;
mod dir;
mod error;
mod foreign;
pub mod idx;
mod near;
mod pairs;
mod resample;
mod safetensors;
mod set;
mod split;
pub mod text;
pub mod tflite;
mod unpacked;

#[cfg(test)]
mod tests;

pub use arch::{Arch, ArchKind, ArchLayer, ArchText, Optional};
pub use builtin::{DIGITS_DIGEST, builtin_digits};
pub use dir::load_dir;
pub use error::{DataError, Problem};
pub use foreign::Foreign;
pub(crate) use near::edit_distance;
pub use pairs::{Pairs, load_pairs};
pub use safetensors::{SafeTensors, Tensor};
pub use set::Images;
pub use split::Parts;
