//! The two worlds: environments whose action changes the weights of dense or convolutional layers.
//!
//! What belongs here: how an action becomes a change of weights, what is observed, and how a score
//! becomes a reward. What does not: what is scored (`task`), how the network is run (`model`), who
//! acts (`editor`, `ppo`).
//!
//! An action is a pair of factors with entries in [−1, 1]: U, `outputs × r`, laid out factor by
//! factor (`q · outputs + j`), then V, `inputs × r` (`i · r + q`). Their product D = U·Vᵀ/r has
//! entries in [−1, 1]. *MaskWorld* scales weights, `W ← W ∘ (1 + s·D)`; *ShiftWorld* adds to them,
//! `W ← W + s·u·D`, where the unit u is the layer's own rms (so that a rescale of the layer changes
//! nothing) or 1 (as in the paper, arXiv 2606.13461).

mod action;
mod columns;
mod config;
mod env;
mod error;
pub mod int8;
mod neuron;
mod part;
mod value;

pub use action::Change;
pub use columns::{COLUMN_FEATURES, ColumnContext, ColumnError, ColumnRequest, Columns};
pub use config::{Config, ConfigError, Observation, RewardForm, Unit, WorldKind};
pub use env::{MOST_LAYERS, World};
pub use error::WorldError;
pub use neuron::{
    FEATURE_VERSION, FeatureSet, LENGTHS, MAX_FORGET, MAX_RETAIN, NeuronContext, NeuronRequest,
    Neurons, PROBES,
};
