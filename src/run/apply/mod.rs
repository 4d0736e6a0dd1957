//! The command `transfer apply`: a trained policy on networks and classes that it never saw, beside its
//! controls.
//!
//! What belongs here: which edits are made by whom, one after the other, and what came of each. What does not:
//! how one editor runs on one target (`unit`), how policies are trained (`transfer`).
//!
//! What lies before the edited layer is run once per network, so an edit costs what its own layer and
//! the rest of the network cost.

mod chain;
mod config;
mod entry;
mod measure;
mod record;
mod retrained;
mod run;

pub use config::{ApplyConfig, Edits};
pub use record::{Applied, AppliedRow};
pub use run::apply_transfer;
