//! The command `debias`, and `evaluate` for its networks: classifiers of texts, their data, the edits and their figures.
//!
//! What belongs here: how comments, networks, editors and figures are put together for this task. What
//! does not: what pays an editor (`task`), the methods (`editor`), how results look (`report`).

mod act;
mod bench;
mod case;
mod compact;
mod compare;
mod config;
mod evaluate;
mod examples;
mod files;
mod front;
mod integers;
mod judge;
mod language;
mod material;
mod measure;
mod net;
mod plan;
mod pooled;
mod record;
mod target;
mod transfer;
mod unit;

pub use bench::{DebiasTiming, time_debiasing};
pub use compare::{CompareDebiasConfig, ComparedDebias, compare_debias, compared_debias_results};
pub use config::{DEFAULT_DEBIAS_EDITORS, DebiasConfig, DebiasTarget, debias_layers};
pub use evaluate::{TextEvaluation, evaluate_text, open_text};
pub use files::save_text_networks;
pub use language::Language;
pub use material::{Material, TextPart};
pub use plan::{Debiased, debias};
pub use record::{
    ChangedWord, DebiasArtifact, DebiasFigures, DebiasResults, DebiasRun, ExampleText, FrontPoint,
    GroupFigures, KindFigures, PooledRun, RewardFigures, TextActions,
};
pub use target::{TextTarget, text_target_key};
pub use transfer::{DebiasTransferConfig, train_debias};
