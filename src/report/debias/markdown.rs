//! `report.md` of debiasing.
use crate::run::debias::DebiasResults;
/// The report.
pub fn debias_markdown(_: &DebiasResults) -> String {
    String::new()
}
