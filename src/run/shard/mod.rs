//! Runs that are cut into shards, and taken up again after they were cut short.
//!
//! What belongs here: which units are whose, the folder that finished units are kept in, and the joining of
//! such folders. What does not: what a unit is (`compare`, `debias`), what a report says of it (`report`).
//!
//! A folder holds `plan.json`, which says what the run is, and one file per finished unit under `units/`.
//! Files are written whole or not at all, so a run that is killed loses the units that were under way.

mod book;
mod merge;
mod plan;

pub use book::{Book, Work};
pub use merge::{Merged, merge};
pub use plan::{RunPlan, Shard};
