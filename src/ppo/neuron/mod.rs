//! A policy that acts on every row and every column of a layer alike, and so on layers of any size.
//!
//! What belongs here: the two small networks of [`NeuronPolicy`], and [`NeuronPpo`], which trains
//! them over many layers at once. What does not: what is known of a row or a column (the features,
//! `world`), files (`snapshot`).

mod collect;
mod config;
mod memory;
mod policy;
mod surrogate;
#[cfg(test)]
mod tests;
mod train;

pub use config::NeuronConfig;
pub use policy::{NeuronPolicy, Side};
pub use train::{Context, NeuronPpo, NeuronUpdate};
