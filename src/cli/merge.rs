//! `reweight merge`.

use super::common::print;
use reweight::report;
use reweight::run::debias::compared_debias_results;
use reweight::run::shard::{self, Book, Merged};
use reweight::run::{self, RunError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Options of `merge`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Folders of the shards of one run
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// Folder for the joined results: a new one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print results.json instead of the table
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let merged = shard::merge(&args.dirs)?;
    let out = &args.out;
    let failed = |error: report::ReportError| RunError::Failed(error.to_string());
    let plan = &merged.plan;
    let text = match plan.command.as_str() {
        "compare unlearn" => {
            let mut results = run::compared_results(plan, records(&merged)?);
            keep(&merged, &args.out)?;
            results.summary = report::summarise(&results.runs);
            report::write_all(out, &results).map_err(failed)?;
            if args.json { report::json(&results) } else { report::table(&results) }
        }
        "compare debias" => {
            let results = compared_debias_results(plan, records(&merged)?);
            keep(&merged, &args.out)?;
            report::write_debias_results(out, &results)?;
            if args.json { report::debias_json(&results) } else { report::debias_table(&results) }
        }
        "ablate unlearn" => {
            let results = run::ablated_results(plan, records(&merged)?);
            keep(&merged, &args.out)?;
            report::write_ablate(out, &results).map_err(failed)?;
            if args.json { report::ablate_json(&results) } else { report::ablate_text(&results) }
        }
        other => {
            return Err(RunError::Failed(format!(
                "shards of {other:?} are not known to this program"
            )));
        }
    };
    print(&text)?;
    if args.json {
        return Ok(());
    }
    print(&format!(
        "\nWritten to {}: report.html, report.md, results.json, results.csv\n",
        out.display()
    ))
}

/// The units' records in their own type.
fn records<R: DeserializeOwned>(merged: &Merged) -> Result<Vec<R>, RunError> {
    let record = |(name, unit): (&String, &Value)| {
        R::deserialize(unit).map_err(|error| RunError::Failed(format!("{name}: {error}")))
    };
    merged.plan.units.iter().zip(&merged.units).map(record).collect()
}

/// Keeps plan and units in the new folder, so that it can be merged and gone on with like any other.
fn keep(merged: &Merged, out: &Path) -> Result<(), RunError> {
    let book = Book::open(Some(out), merged.plan.clone(), false)?;
    let mut units = merged.plan.units.iter().zip(&merged.units);
    units.try_for_each(|(name, unit)| book.write(name, unit))
}
