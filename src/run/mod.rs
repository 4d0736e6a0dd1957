//! Running editors on targets: jobs, seeds, threads, and the records that reports are made of.
//!
//! What belongs here: what happens between the command line and an editor. What does not: how an
//! editor works (`editor`), how a record is shown (`report`).
//!
//! A *unit* of work is one editor on one target in one world with one seed. Units share no state, so
//! the number of threads changes no figure.

mod ablate;
mod apply;
mod assign;
mod bench;
mod compare;
mod config;
pub mod debias;
mod edits;
mod erase;
mod error;
mod evaluate;
mod files;
pub mod int8;
mod layers;
mod lira;
mod loaded;
mod measure;
mod observer;
mod plan;
mod policy;
mod pool;
mod prepare;
pub mod record;
pub mod repair;
mod scrutiny;
pub mod shard;
mod subset;
mod target;
mod transfer;
mod unit;
mod unlearn;
mod worlds;

pub use ablate::{AblateConfig, Ablated, ablate_unlearn, ablated_results};
pub use apply::{Applied, AppliedRow, ApplyConfig, Edits, apply_transfer};
pub use bench::{
    EvaluationTiming, PolicyTiming, RunTiming, time_evaluations, time_policies, time_runs,
};
pub use compare::{CompareConfig, Compared, compare_unlearn, compared_results};
pub use config::{DEFAULT_EDITORS, Preset, TARGET_VALUE, UnlearnConfig};
pub use debias::save_text_networks;
pub use edits::apply_edit;
pub use erase::Erase;
pub use error::RunError;
pub use evaluate::{Evaluation, PartAccuracy, evaluate};
pub(crate) use files::Staged;
pub use files::{Store, inspect, load_network, save_network, target_key, write_file};
pub use loaded::{
    check_writable, editors_for, extension, load_any_model, load_model, near_chance, save_model,
};
pub use observer::{Observer, Silent};
pub use policy::{BUILT_IN_POLICIES, TrainedPolicy};
pub use prepare::{Part, Prepared};
pub use target::{Target, TargetConfig, train_target};
pub use transfer::{
    SOURCE_SEED, SourceShape, Transfer, TransferConfig, TransferPoint, train_on, train_transfer,
};
pub use unlearn::{Artifact, Unlearned, unlearn};
