//! `report.md`.
use crate::run::record::Results;

/// `report.md`.
pub fn markdown(results: &Results) -> String {
    format!("# {}\n", results.command)
}
