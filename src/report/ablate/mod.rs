//! What a reader sees of an ablation: which settings matter, and heat maps of the whole grid.
//!
//! What belongs here: pure functions from [`AblateResults`] to text, and one that writes them all. What
//! does not: running cells (`run`).

mod cells;
mod html;
mod markdown;
#[cfg(test)]
mod tests;
mod words;

pub use html::ablate_html;
pub use markdown::{ablate_markdown, ablate_text};

use super::json::shorten;
use super::{ReportError, write_files};
use crate::run::record::AblateResults;
use std::path::{Path, PathBuf};

/// `results.json`: indented, with a newline at the end.
pub fn ablate_json(results: &AblateResults) -> String {
    let mut results = results.clone();
    results.config.values_mut().for_each(shorten);
    // Fails for maps whose keys are no strings only; there are none.
    let mut text = serde_json::to_string_pretty(&results).unwrap_or_default();
    text.push('\n');
    text
}

/// `results.csv`: one row per cell and seed.
pub fn ablate_csv(results: &AblateResults) -> String {
    let mut text = String::from(
        "world,episode_length,rank,step,lambda,reward,initial_mean,log_std,seed,evaluations,\
         before_retain_test,before_forget_test,after_retain_test,after_forget_test,after_reward,\
         policy_retain_test,policy_forget_test,policy_reward,evaluations_to_target,edit_norm,digest\n",
    );
    for run in &results.runs {
        let cell = &run.setting;
        let policy = run.policy.map_or(",,".into(), |policy| {
            format!("{},{},{}", policy.retain_test, policy.forget_test, policy.reward)
        });
        text.push_str(&format!(
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{policy},{},{},{}\n",
            cell.world,
            cell.episode_length,
            cell.rank,
            cell.step,
            cell.lambda,
            cell.reward,
            cell.initial_mean,
            cell.log_std,
            run.seed,
            run.evaluations,
            run.before.retain_test,
            run.before.forget_test,
            run.after.retain_test,
            run.after.forget_test,
            run.after.reward,
            run.evaluations_to_target.map_or(String::new(), |count| count.to_string()),
            run.edit_norm,
            run.digest
        ));
    }
    text
}

/// Writes `results.json`, `results.csv`, `report.md` and `report.html` to the folder `dir`, and returns
/// their paths in that order. As careful as [`write_all`](super::write_all).
///
/// # Errors
/// [`ReportError`] for the first file that cannot be written.
pub fn write_ablate(dir: &Path, results: &AblateResults) -> Result<Vec<PathBuf>, ReportError> {
    let files = vec![
        ("results.json".to_string(), ablate_json(results)),
        ("results.csv".to_string(), ablate_csv(results)),
        ("report.md".to_string(), ablate_markdown(results)),
        ("report.html".to_string(), ablate_html(results)),
    ];
    write_files(dir, files)
}
