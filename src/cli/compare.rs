//! `reweight compare`.

use super::common::{class_list, print};
use super::debias;
use super::progress::Progress;
use super::unlearn::{Common, Forget, key};
use clap::Subcommand;
use reweight::editor::EDITORS;
use reweight::report;
use reweight::run::debias::{CompareDebiasConfig, compare_debias};
use reweight::run::shard::Shard;
use reweight::run::{self, CompareConfig, RunError};
use std::path::{Path, PathBuf};

/// What is compared.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Forget single classes: every editor on the same targets, with the same budget and seeds
    Unlearn(Box<UnlearnArgs>),
    /// Debias classifiers of comments: every editor on the same targets, with the same budget and seeds
    Debias(Box<DebiasArgs>),
}

/// Options of `compare debias`.
#[derive(clap::Args, Debug)]
pub(super) struct DebiasArgs {
    #[command(flatten)]
    common: debias::Common,
    #[command(flatten)]
    part: PartArgs,
}

/// Options of `compare unlearn`.
#[derive(clap::Args, Debug)]
pub(super) struct UnlearnArgs {
    /// Classes, each forgotten by itself
    #[arg(long, value_name = "LIST", default_value = "0-9")]
    classes: String,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    part: PartArgs,
}

/// Which part of a run, and where it is kept.
#[derive(clap::Args, Debug)]
pub(super) struct PartArgs {
    /// Every n-th unit of work, from the i-th: shards are joined by merge
    #[arg(long, value_name = "i/n", default_value = "0/1", requires = "out")]
    pub(super) shard: Shard,
    /// Go on with the run that the folder holds
    #[arg(long, requires = "out")]
    pub(super) resume: bool,
    /// Folder for finished units, results and report
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

impl PartArgs {
    pub(super) fn out(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Says what a shard has done.
    pub(super) fn done(&self, units: usize, all: usize, resumed: usize) -> Result<(), RunError> {
        let Shard { index, of } = self.shard;
        print(&format!(
            "shard {index}/{of}: {units} of {all} units done ({resumed} before); reweight merge joins the shards\n"
        ))
    }

    /// Says what was written where.
    pub(super) fn written(&self) -> Result<(), RunError> {
        match &self.out {
            None => Ok(()),
            Some(dir) => print(&format!(
                "\nWritten to {}: report.html, report.md, results.json, results.csv\n",
                dir.display()
            )),
        }
    }
}

/// Runs the subcommand.
pub(super) fn run(command: &Command) -> Result<(), RunError> {
    match command {
        Command::Unlearn(args) => unlearn(args),
        Command::Debias(args) => debiasing(args),
    }
}

fn unlearn(args: &UnlearnArgs) -> Result<(), RunError> {
    let UnlearnArgs { classes, common, part } = args;
    let classes = class_list(classes)
        .map_err(|error| RunError::Usage(format!("--classes {classes}: {error}")))?;
    let all: Vec<&str> = EDITORS.iter().map(|editor| editor.name).collect();
    let first = classes.get(..1).unwrap_or_default();
    common.only_real()?;
    let (unlearn, data) =
        common.load(Forget { classes: first, ..Forget::default() }, &all, false)?;
    let store = part.out.as_deref().map(run::Store::of_targets).transpose()?;
    let progress = Progress::new(common.machine.quiet);
    let key = key(&unlearn, &data);
    let cached = |seed| store.as_ref().and_then(|store| store.target(&key, seed));
    let trained = unlearn.model.is_none();
    let config = CompareConfig {
        unlearn,
        classes,
        shard: part.shard,
        out: part.out.clone(),
        resume: part.resume,
    };
    let compared = run::compare_unlearn(&config, &data, &cached, &progress)?;
    progress.clear();
    if let Some(store) = store.as_ref().filter(|_| trained) {
        store.save_targets(&key, &compared.targets)?;
    }
    let Some(mut results) = compared.results else {
        return part.done(compared.units, compared.plan.units.len(), compared.resumed);
    };
    results.summary = report::summarise(&results.runs);
    if let Some(dir) = &part.out {
        report::write_all(dir, &results).map_err(|error| RunError::Failed(error.to_string()))?;
    }
    if common.json {
        return print(&report::json(&results));
    }
    print(&report::table(&results))?;
    part.written()
}

fn debiasing(args: &DebiasArgs) -> Result<(), RunError> {
    let DebiasArgs { common, part } = args;
    let config = CompareDebiasConfig {
        debias: common.config()?,
        shard: part.shard,
        out: part.out.clone(),
        resume: part.resume,
    };
    let progress = Progress::new(common.machine.quiet);
    let compared = compare_debias(&config, &progress)?;
    progress.clear();
    let Some(results) = compared.results else {
        return part.done(compared.units, compared.plan.units.len(), compared.resumed);
    };
    if let Some(dir) = part.out() {
        report::write_debias_results(dir, &results)?;
    }
    if common.json {
        return print(&report::debias_json(&results));
    }
    print(&report::debias_table(&results))?;
    part.written()
}
