//! `reweight merge`.

use super::common::print;
use reweight::report;
use reweight::run::record::RunRecord;
use reweight::run::shard::{self, Book};
use reweight::run::{self, RunError};
use std::path::PathBuf;

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
    let (plan, out) = (&merged.plan, &args.out);
    let bad = |error: serde_json::Error| RunError::Failed(format!("a unit's record: {error}"));
    let runs = merged.units.into_iter().map(serde_json::from_value);
    let runs = runs.collect::<Result<Vec<RunRecord>, _>>().map_err(bad)?;
    let book = Book::open(Some(out), plan.clone(), false)?;
    for (name, run) in plan.units.iter().zip(&runs) {
        book.write(name, run)?;
    }
    let mut results = run::compared_results(plan, runs);
    results.summary = report::summarise(&results.runs);
    report::write_all(out, &results).map_err(|error| RunError::Failed(error.to_string()))?;
    if args.json {
        return print(&report::json(&results));
    }
    print(&report::table(&results))?;
    print(&format!("\nWritten to {}: report.md, results.json, results.csv\n", out.display()))
}
