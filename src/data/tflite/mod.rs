//! Networks in .tflite files: what is in them, their dense layers of 8-bit integers, and edits written back.
//!
//! What belongs here: the few tables of the format that describe one subgraph, read by hand. What does not:
//! running a network (`kernel::int8`, `model::int8`), changing it (`run`).
//!
//! A .tflite file is a FlatBuffer (<https://flatbuffers.dev/internals>) of TensorFlow Lite's schema, version 3:
//! tables that point at one another by offsets. Every offset is checked before it is followed, and nothing is
//! allocated by a length that the file claims: what can be long stays where it is and is read from there.

mod dense;
mod file;
mod names;
mod table;
mod write;

pub use dense::{Activation, TfChain, TfDense};
pub(crate) use file::is_tflite;
pub use file::{TfLite, TfOperator, TfTensor};
