//! What a reader sees of debiasing: tables, plots, words, examples.
//!
//! What belongs here: pure functions from [`DebiasResults`] to text, and one that writes them all. What
//! does not: taking a figure (`run`).

mod chart;
mod csv;
mod details;
mod front;
mod group;
mod html;
mod markdown;
mod repeat;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

pub use csv::debias_csv;
pub use front::front_svg;
pub use html::debias_html;
pub use markdown::debias_markdown;
pub use svg::groups_svg;
pub use table::debias_table;

use super::json::shorten;
use crate::run::debias::{DebiasResults, Debiased};
use crate::run::{RunError, Staged, save_text_networks};
use std::path::Path;

/// `results.json`: indented, with a newline at the end.
pub fn debias_json(results: &DebiasResults) -> String {
    let mut results = results.clone();
    results.config.values_mut().for_each(shorten);
    let mut text = serde_json::to_string_pretty(&results).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes `results.json`, `results.csv`, `report.md`, `report.html`, the plots and the edited networks to
/// the folder `dir`. All files are written under temporary names before the first replaces its predecessor.
///
/// # Errors
/// [`RunError`] for the first file that cannot be written.
pub fn write_debias(dir: &Path, debiased: &Debiased) -> Result<(), RunError> {
    save_text_networks(dir, debiased)?;
    write_debias_results(dir, &debiased.results)
}

/// The same without networks.
///
/// # Errors
/// As [`write_debias`].
pub fn write_debias_results(dir: &Path, results: &DebiasResults) -> Result<(), RunError> {
    let mut files = vec![
        ("results.json", debias_json(results)),
        ("results.csv", debias_csv(results)),
        ("report.md", debias_markdown(results)),
        ("report.html", debias_html(results)),
    ];
    files.extend(groups_svg(results).map(|svg| ("groups.svg", svg)));
    files.extend(front_svg(results).map(|svg| ("front.svg", svg)));
    let staged: Vec<Staged> = files
        .iter()
        .map(|(name, content)| Staged::write(&dir.join(name), content.as_bytes()))
        .collect::<Result<_, _>>()?;
    staged.into_iter().try_for_each(Staged::publish)
}
