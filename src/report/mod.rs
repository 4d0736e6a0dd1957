//! Exporters over run records (stub until the room lands).
use crate::run::record::*;
#[allow(missing_docs)]
pub fn summarise(_: &[RunRecord]) -> Vec<SummaryRecord> {
    vec![]
}
#[allow(missing_docs)]
pub fn json(r: &Results) -> String {
    serde_json::to_string_pretty(r).unwrap_or_default()
}
#[allow(missing_docs)]
pub fn table(r: &Results) -> String {
    r.runs.iter().map(|r| format!("{} {:?} {} F {:.4}->{:.4} R {:.4}->{:.4} policy {:?} reward {:.4} evals {} to {:?} tow {:?} js {:?} norm {:?} {:.2}s {} {:?}\n", r.editor, r.world, r.seed, r.before.forget_test, r.after.forget_test, r.before.retain_test, r.after.retain_test, r.policy.map(|p| (p.forget_test,p.retain_test,p.reward)), r.after.reward, r.evaluations, r.evaluations_to_target, r.tow, r.js_to_retrained, r.edit_norm, r.seconds, r.digest, r.note)).collect()
}
#[allow(missing_docs)]
pub fn write_all(_: &std::path::Path, _: &Results) -> Result<(), String> {
    Ok(())
}
