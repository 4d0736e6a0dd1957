//! Files: networks, edits and policies, versioned and checksummed.
//!
//! What belongs here: how a value becomes bytes and how bytes are checked before anything is believed.
//! What does not: paths and disks (`run`), what the values mean.
//!
//! A file is a head of 14 bytes (magic `RWT`, kind, version, length of the body, CRC-32 of all else)
//! and a body: postcard records, then f32 values, little-endian. A newer version, a cut file, a
//! flipped bit or a value that is not finite is an error, never a wrong network.

mod container;
mod edit;
mod edits;
mod int8;
mod network;
mod policy;

pub use container::{FileKind, HEAD, Head, MAGIC, SnapshotError, VERSION, peek};
pub use edit::{EditFile, encode_columns};
pub use edits::{EditsFile, MOST_EDITS};
pub use int8::Int8File;
pub use network::NetworkFile;
pub use policy::PolicyFile;
