//! The command `compare debias`: every editor on the same targets, with the same budget and seeds.

use super::config::DebiasConfig;
use super::plan::{Stage, run_record};
use super::record::{DebiasResults, DebiasRun};
use super::unit::Work;
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::record::SCHEMA;
use crate::run::shard::{Book, RunPlan, Shard};
use std::path::PathBuf;

/// What is compared, and which part of it is run.
#[derive(Clone, Debug)]
pub struct CompareDebiasConfig {
    /// The settings; no `editors` means every one that can edit the target.
    pub debias: DebiasConfig,
    /// The units that are run.
    pub shard: Shard,
    /// Where finished units are kept; nowhere when `None`.
    pub out: Option<PathBuf>,
    /// Whether a folder with units of this very run is gone on with.
    pub resume: bool,
}

/// What `compare debias` returns.
#[derive(Clone, Debug)]
pub struct ComparedDebias {
    /// What the whole run is.
    pub plan: RunPlan,
    /// Units of the shard.
    pub units: usize,
    /// Those of them that had been done before.
    pub resumed: usize,
    /// The results, where the shard is the whole run.
    pub results: Option<DebiasResults>,
}

impl CompareDebiasConfig {
    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        if self.debias.folds.is_some() || self.debias.front {
            return Err(RunError::Usage("folds and fronts are for debias alone".into()));
        }
        self.debias.validate()
    }
}

/// Runs the units of a shard that are not done yet.
///
/// # Errors
/// [`RunError`]: as [`debias`](super::debias()), and as [`Book::open`].
pub fn compare_debias(
    config: &CompareDebiasConfig,
    observer: &dyn Observer,
) -> Result<ComparedDebias, RunError> {
    config.validate()?;
    let kept = &config.debias;
    let stage = Stage::new(kept, true, observer)?;
    let all = stage.units(kept)?;
    let mut notes = stage.notes.clone();
    if !stage.left_out.is_empty() {
        let why: Vec<_> =
            stage.left_out.iter().map(|(name, why)| format!("{name} ({why})")).collect();
        notes.push(format!("Editors that cannot edit this target: {}.", why.join("; ")));
    }
    let plan = RunPlan {
        schema: SCHEMA,
        command: "compare debias".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config: kept.record(),
        data: stage.data(kept),
        notes,
        units: all.iter().map(name).collect(),
    };
    let book = Book::open(config.out.as_deref(), plan, config.resume)?;
    let work = book.work::<DebiasRun>(config.shard)?;
    let (units, resumed) = (work.units(), work.resumed);
    observer.phase("editing", work.missing.len());
    let whole = book.finish(work, kept.threads, |index| {
        let unit = &all[index];
        Ok(run_record(unit, &unit.run_watched(observer)?))
    })?;
    let plan = book.plan().clone();
    let results = whole.map(|runs| compared_debias_results(&plan, runs));
    Ok(ComparedDebias { units, resumed, results, plan })
}

fn name(unit: &Work<'_>) -> String {
    format!(
        "{}/{}/{}/seed{}",
        unit.method.name(),
        unit.kind.map_or("network", |world| world.name()),
        unit.layer_name(),
        unit.case.seed
    )
}

/// The results of a run all of whose units are done.
pub fn compared_debias_results(plan: &RunPlan, runs: Vec<DebiasRun>) -> DebiasResults {
    DebiasResults {
        schema: plan.schema,
        command: plan.command.clone(),
        version: plan.version.clone(),
        config: plan.config.clone(),
        data: plan.data.clone(),
        runs,
        pooled: Vec::new(),
        front: Vec::new(),
        notes: plan.notes.clone(),
    }
}
