//! The command `compare unlearn`: every editor on the same targets, classes, budget and seeds.

use super::assign::{Assignment, Reference, assign, fit_layers};
use super::config::UnlearnConfig;
use super::error::RunError;
use super::layers::editable_layers;
use super::observer::Observer;
use super::plan::Plan;
use super::pool;
use super::prepare::Prepared;
use super::record::{Results, RunRecord, SCHEMA};
use super::scrutiny::{ProbeCache, Scrutiny};
use super::shard::{Book, RunPlan, Shard};
use super::target::Target;
use super::unit::Found;
use super::unlearn::{data_record, remarks, targets};
use crate::editor::EDITORS;
use crate::task::Unlearning;
use serde_json::json;
use std::path::PathBuf;

/// What is compared, and which part of it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareConfig {
    /// Everything but the classes: `forget` is not looked at, no `editors` means all.
    pub unlearn: UnlearnConfig,
    /// Each is forgotten by itself.
    pub classes: Vec<u8>,
    /// The units that are run.
    pub shard: Shard,
    /// Where finished units are kept; nowhere when `None`.
    pub out: Option<PathBuf>,
    /// Whether a folder with units of this very run is gone on with.
    pub resume: bool,
}

/// What `compare unlearn` returns.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What the whole run is.
    pub plan: RunPlan,
    /// Units of the shard.
    pub units: usize,
    /// Those of them that had been done before.
    pub resumed: usize,
    /// The results, where the shard is the whole run.
    pub results: Option<Results>,
    /// The targets that were needed, one per seed.
    pub targets: Vec<Target>,
}

/// One class, and the plan for it.
struct Class {
    config: UnlearnConfig,
    plan: Plan,
}

impl CompareConfig {
    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        if self.classes.is_empty() {
            return Err(RunError::Usage("--classes names no class".into()));
        }
        let mut seen = [false; 256];
        for &class in &self.classes {
            if std::mem::replace(&mut seen[usize::from(class)], true) {
                return Err(RunError::Usage(format!("--classes names {class} twice")));
            }
        }
        self.of_class(self.classes[0]).validate()
    }

    /// The settings of `unlearn` for one class.
    fn of_class(&self, class: u8) -> UnlearnConfig {
        let mut config = UnlearnConfig { forget: vec![class], ..self.unlearn.clone() };
        if config.editors.is_empty() {
            let all: Vec<&str> = EDITORS.iter().map(|editor| editor.name).collect();
            config.editors = match &config.model {
                None => all.iter().map(ToString::to_string).collect(),
                Some(model) => super::editors_for(model, &all),
            };
        }
        config
    }
}

/// Runs the units of a shard that are not done yet. `cached` holds targets that need not be trained again.
///
/// # Errors
/// [`RunError`]: as [`unlearn`](super::unlearn()), and as [`Book::open`].
pub fn compare_unlearn(
    config: &CompareConfig,
    data: &Prepared,
    cached: &dyn Fn(u64) -> Option<Target>,
    observer: &dyn Observer,
) -> Result<Compared, RunError> {
    config.validate()?;
    let classes = config
        .classes
        .iter()
        .map(|&class| {
            let config = config.of_class(class);
            let plan = config.plan(data)?;
            Ok(Class { config, plan })
        })
        .collect::<Result<Vec<_>, RunError>>()?;
    let Some(first) = classes.first() else {
        return Err(RunError::Usage("--classes names no class".into()));
    };
    let policies = first.config.policies(&first.plan)?;
    let kept = &config.unlearn;
    let targets = targets(kept, data, cached, observer)?;
    let Some(stack) = targets.first().map(|target| &target.stack) else {
        return Err(RunError::Usage("--seeds is 0".into()));
    };
    let layers = &*editable_layers(stack, first.config.layer_name())?;
    fit_layers(&first.plan, layers)?;
    let task = |class: &Class| {
        let labels = [data.train.labels(), data.reward.labels(), data.test.labels()];
        Unlearning::new(class.plan.forget, class.plan.reward, labels)
    };
    let mut notes = remarks(kept, data, stack, task(first), observer)?;
    notes.extend(first.config.policy_notes(&policies, stack, layers));
    if kept.model.is_some() && kept.editors.is_empty() {
        let known = EDITORS.iter().map(|editor| editor.name);
        let absent: Vec<_> =
            known.filter(|name| !first.config.editors.iter().any(|ours| ours == name)).collect();
        notes.push(format!(
            "These need the samples that trained the network, and take no part: {}.",
            absent.join(", ")
        ));
    }
    let mut all: Vec<(&Class, Assignment<'_>)> = Vec::new();
    for class in &classes {
        let units =
            assign(&class.config, &class.plan, data, task(class), layers, &policies, &targets);
        all.extend(units.into_iter().map(|unit| (class, unit)));
    }
    let book = Book::open(
        config.out.as_deref(),
        run_plan(config, &first.config, data, notes, &all),
        config.resume,
    )?;

    let work = book.work::<RunRecord>(config.shard)?;
    let (units, resumed) = (work.units(), work.resumed);
    let cache = ProbeCache::default();
    let references = references(&all, &work.missing, kept.threads, &cache, observer)?;
    observer.phase("editing", work.missing.len());
    let whole = book.finish(work, kept.threads, |index| {
        let (class, assignment) = &all[index];
        let known = references.iter().find(|known| same_reference(&all[known.unit], &all[index]));
        let reference = known.map(|known| Reference {
            parameters: &known.found.parameters,
            scrutiny: &known.scrutiny,
        });
        let mut record = match known {
            Some(known) if assignment.unit.editor.name == "retrain" => {
                observer.finished("");
                assignment.record(&class.config, &known.found, &known.scrutiny, reference)?
            }
            _ => {
                let found = assignment.run(observer)?;
                let scrutiny = assignment.scrutinise(&found.parameters, &cache)?;
                assignment.record(&class.config, &found, &scrutiny, reference)?
            }
        };
        // One picture of every editor is enough.
        record.heat = record.heat.filter(|_| assignment.unit.task.forget() == first.plan.forget);
        observer.recorded(&record);
        Ok(record)
    })?;
    let plan = book.plan().clone();
    let results = whole.map(|runs| compared_results(&plan, runs));
    Ok(Compared { plan, units, resumed, results, targets })
}

/// A network that was trained without a class.
struct Retrained {
    /// The unit that it is the result of.
    unit: usize,
    found: Found,
    scrutiny: Scrutiny,
}

/// The networks that were trained without the class, for every class and target that a missing unit needs.
fn references(
    all: &[(&Class, Assignment<'_>)],
    missing: &[usize],
    threads: usize,
    cache: &ProbeCache,
    observer: &dyn Observer,
) -> Result<Vec<Retrained>, RunError> {
    let wanted: Vec<usize> = (0..all.len())
        .filter(|&unit| all[unit].1.unit.editor.name == "retrain")
        .filter(|&unit| missing.iter().any(|&other| same_reference(&all[unit], &all[other])))
        .collect();
    observer.phase("retraining", wanted.len());
    pool::map(&wanted, threads, |&unit| {
        let assignment = &all[unit].1;
        let found = assignment.run(observer)?;
        let scrutiny = assignment.scrutinise(&found.parameters, cache)?;
        Ok(Retrained { unit, found, scrutiny })
    })
}

/// Whether two units have the same target and forget the same.
fn same_reference(one: &(&Class, Assignment<'_>), other: &(&Class, Assignment<'_>)) -> bool {
    let (one, other) = (&one.1.unit, &other.1.unit);
    one.target.seed == other.target.seed && one.task.forget() == other.task.forget()
}

fn run_plan(
    config: &CompareConfig,
    of_class: &UnlearnConfig,
    data: &Prepared,
    notes: Vec<String>,
    all: &[(&Class, Assignment<'_>)],
) -> RunPlan {
    let mut settings = of_class.record();
    settings.remove("forget");
    settings.insert("classes".into(), json!(config.classes));
    let name = |(_, Assignment { world, unit }): &(&Class, Assignment<'_>)| {
        let classes: Vec<String> =
            unit.task.forget().iter().map(|class| class.to_string()).collect();
        format!(
            "{}/{}/forget{}/seed{}",
            unit.editor.name,
            world.map_or("network", |world| world.name()),
            classes.join("+"),
            unit.target.seed
        )
    };
    RunPlan {
        schema: SCHEMA,
        command: "compare unlearn".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config: settings,
        data: data_record(data),
        notes,
        units: all.iter().map(name).collect(),
    }
}

/// The results of a run all of whose units are done.
pub fn compared_results(plan: &RunPlan, runs: Vec<RunRecord>) -> Results {
    Results {
        schema: plan.schema,
        command: plan.command.clone(),
        version: plan.version.clone(),
        config: plan.config.clone(),
        data: plan.data.clone(),
        runs,
        summary: Vec::new(),
        notes: plan.notes.clone(),
    }
}
