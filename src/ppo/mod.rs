//! Proximal policy optimisation: the agent that learns an edit, or any other continuous action.
//!
//! What belongs here: the hyper-parameters ([`Config`]), advantage estimation ([`gae`]), the policy,
//! the rollout and the update. What does not: derivatives and optimisers (`autodiff`, `optim`),
//! environments (`env`, `world`).

mod config;
mod error;
mod gae;
mod init;
mod memory;
mod neuron;
mod policy;
mod rollout;
mod settings;
mod shape;
#[cfg(test)]
mod tests;
mod train;
mod update;

pub use config::{Activation, Baseline, Config, Initial, MAX_HIDDEN, Normalise, Squash};
pub use error::PpoError;
pub use gae::gae;
pub use neuron::{Context, NeuronConfig, NeuronPolicy, NeuronPpo, NeuronUpdate, Side};
pub use policy::FlatPolicy;
pub use settings::{ConfigError, SETTINGS};
pub use train::{Ppo, Statistics, Watch};
