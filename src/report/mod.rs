//! What a person or another program reads of [run records](crate::run::record).
//!
//! What belongs here: statistics over seeds, and pure functions from [`Results`] to text (JSON, CSV,
//! Markdown, SVG, the terminal's table), with one function that writes them. What does not: taking a
//! figure (`run`, `metric`), printing and options (`cli`).
//!
//! Seconds and bytes of memory stand in `results.json` and `timings.csv` only: every other output is
//! the same bytes however a run was threaded.

mod ablate;
mod csv;
mod debias;
mod hiding;
mod html;
mod json;
mod markdown;
mod repair;
mod summary;
mod svg;
mod terminal;
#[cfg(test)]
mod tests;
mod training;
mod transfer;
mod versus;
mod words;

pub use ablate::{
    ablate_csv, ablate_html, ablate_json, ablate_markdown, ablate_text, write_ablate,
};
pub use csv::{csv, timings};
pub use debias::{
    debias_csv, debias_html, debias_json, debias_markdown, debias_table, front_svg, groups_svg,
    write_debias, write_debias_results,
};
pub use html::html;
pub use json::{json, read_json};
pub use markdown::markdown;
pub use repair::{repair_json, repair_markdown, repair_svg, repair_text, write_repair};
pub use summary::summarise;
pub use svg::curves_svg;
pub use terminal::table;
pub use training::{training_svg, training_text, write_training};
pub use transfer::{transfer_markdown, transfer_text};

use crate::run::record::Results;
use crate::run::{self, Applied, RunError};
use std::fmt;
use std::path::{Path, PathBuf};

/// A file of the report that could not be written.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportError {
    path: PathBuf,
    error: RunError,
}

impl ReportError {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The error names the path.
        self.error.fmt(f)
    }
}

impl std::error::Error for ReportError {}

/// Writes `results.json`, `results.csv`, `timings.csv`, `report.md`, `report.html` and one `curves-<world>.svg` per
/// world to the folder `dir`, and returns their paths in that order.
///
/// All files are written under temporary names before the first replaces its predecessor, so a full
/// disk, say, leaves the old report as it was. Each file is replaced whole or not at all.
///
/// # Errors
/// [`ReportError`] for the first file that cannot be written.
pub fn write_all(dir: &Path, results: &Results) -> Result<Vec<PathBuf>, ReportError> {
    let mut files = vec![
        ("results.json".to_string(), json(results)),
        ("results.csv".to_string(), csv(results)),
        ("timings.csv".to_string(), timings(results)),
        ("report.md".to_string(), markdown(results)),
        ("report.html".to_string(), html(results)),
    ];
    for world in summary::worlds(&results.runs) {
        if let Some(svg) = curves_svg(results, world) {
            files.push((words::curve_file(world), svg));
        }
    }
    write_files(dir, files)
}

/// Writes `results.json`, `results.csv`, `timings.csv` and `report.md` of a policy's edits to the folder
/// `dir`, and returns their paths in that order. As careful as [`write_all`].
///
/// # Errors
/// [`ReportError`] for the first file that cannot be written.
pub fn write_transfer(dir: &Path, applied: &Applied) -> Result<Vec<PathBuf>, ReportError> {
    let results = &applied.results;
    let files = vec![
        ("results.json".to_string(), json(results)),
        ("results.csv".to_string(), csv(results)),
        ("timings.csv".to_string(), timings(results)),
        ("report.md".to_string(), transfer_markdown(applied)),
    ];
    write_files(dir, files)
}

fn write_files(
    dir: &Path,
    files: Vec<(String, impl AsRef<[u8]>)>,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut staged = Vec::with_capacity(files.len());
    for (name, content) in files {
        let path = dir.join(name);
        match run::Staged::write(&path, content.as_ref()) {
            Ok(file) => staged.push((path, file)),
            Err(error) => return Err(ReportError { path, error }),
        }
    }
    staged
        .into_iter()
        .map(|(path, file)| match file.publish() {
            Ok(()) => Ok(path),
            Err(error) => Err(ReportError { path, error }),
        })
        .collect()
}
