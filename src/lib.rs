//! reweight edits trained neural networks by reward alone.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![deny(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "std")]
pub mod data;
pub mod env;
pub mod error;
pub mod kernel;
pub mod num;
pub mod rng;
#[cfg(feature = "std")]
pub mod run;
pub mod slab;
