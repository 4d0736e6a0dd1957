//! Proximal policy optimisation: the agent that learns an edit, or any other continuous action.
//!
//! What belongs here: the hyper-parameters ([`Config`]), advantage estimation ([`gae`]), the policy,
//! the rollout and the update. What does not: derivatives and optimisers (`autodiff`, `optim`),
//! environments (`env`, `world`).

mod config;
mod gae;
mod settings;

pub use config::{Activation, Baseline, Config, Initial, MAX_HIDDEN, Normalise, Squash};
pub use gae::gae;
pub use settings::{ConfigError, SETTINGS};
