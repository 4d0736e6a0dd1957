//! What the programs of `bin/` share: networks and samples in flash, runs that edit them, and the device.
//!
//! `data` and `runs` know nothing of the machine: a test of the library runs them on a host, and compares digests.
#![no_std]

pub mod data;
#[cfg(target_os = "none")]
pub mod device;
pub mod runs;
