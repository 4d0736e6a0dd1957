//! All edits of all entries on all targets.

use super::chain::{Chain, run_chain};
use super::config::{ApplyConfig, Edits};
use super::measure::{Edited, Tail, gauge, labels};
use super::record::Applied;
use super::retrained::references;
use crate::nn::Kind;
use crate::run::error::RunError;
use crate::run::layers::editable_layer;
use crate::run::loaded;
use crate::run::observer::Observer;
use crate::run::policy::policy_notes;
use crate::run::pool;
use crate::run::prepare::Prepared;
use crate::run::record::{DataRecord, Results, SCHEMA};
use crate::run::target::Target;
use crate::run::unlearn::targets;
use crate::task::{ClassSet, RewardKind, Unlearning};

/// Runs `transfer apply` on `data`. `cached` holds targets that need not be trained again.
///
/// # Errors
/// [`RunError`]: as [`unlearn`](crate::run::unlearn()), and a policy that does not fit the world.
pub fn apply_transfer(
    config: &ApplyConfig,
    data: &Prepared,
    cached: &dyn Fn(u64) -> Option<Target>,
    observer: &dyn Observer,
) -> Result<Applied, RunError> {
    config.validate()?;
    let kind = config.kind();
    let policy = config.base.policy_of(kind)?;
    let seeds = policy.policies()?.seeds();
    if let Some(seed) = config.policy_seeds.iter().find(|&&seed| seed >= seeds) {
        return Err(RunError::Failed(format!(
            "--policy-seed {seed}: {} holds the policies 0 to {}",
            policy.name,
            seeds - 1
        )));
    }
    let every = ClassSet::of(&config.edits.sets().concat());
    for class in every.iter() {
        if usize::from(class) >= data.classes {
            return Err(RunError::Failed(format!(
                "--forget {class}: {} has the classes 0 to {}",
                data.name,
                data.classes.saturating_sub(1)
            )));
        }
    }
    let together = match &config.edits {
        Edits::Each(sets) => sets.iter().map(Vec::len).max().unwrap_or(0),
        Edits::Sequence(_) => every.len(),
    };
    if together >= data.classes {
        return Err(RunError::Failed("every class is named: nothing is left".into()));
    }
    let targets = targets(&config.base, data, cached, observer)?;
    let mut notes = Vec::new();
    let mut tails = Vec::new();
    for target in &targets {
        let layer = editable_layer(&target.stack, config.base.layer_name())?;
        // A loaded target is the same for every seed.
        if let (Some(_), Some(first)) = (&config.base.model, tails.first()) {
            let first: &Tail = first;
            tails.push(Tail {
                whole: target.clone(),
                tail: Target { seed: target.seed, ..first.tail.clone() },
                data: first.data.clone(),
                start: first.start,
            });
            continue;
        }
        let (tail, start) = target.tail_from(layer)?;
        let data = data.before(config.base.kernel, target, layer)?;
        tails.push(Tail { whole: target.clone(), tail, data, start });
    }
    if let (Some(model), Some(tail)) = (&config.base.model, tails.first()) {
        notes = loaded::notes(model, &data.digest);
        let task = Unlearning::new(every, RewardKind::Probability, labels(&tail.data));
        let accuracy = gauge(config, tail, task).test(&tail.tail.parameters)?.all();
        if let Some(warning) =
            loaded::near_chance(&model.name, accuracy.into(), model.stack.outputs())
        {
            observer.warning(&warning);
            notes.push(format!("Before any edit {warning}"));
        }
    }
    let entries = config.entries()?;
    let mut chains = Vec::new();
    for entry in &entries {
        for tail in &tails {
            match &config.edits {
                Edits::Sequence(sets) => chains.push(Chain { entry, tail, sets: sets.clone() }),
                Edits::Each(sets) => chains.extend(sets.iter().map(|set| Chain {
                    entry,
                    tail,
                    sets: vec![set.clone()],
                })),
            }
        }
    }
    observer.phase("editing", chains.len());
    let done = pool::map(&chains, config.base.threads, |chain| {
        let done = run_chain(config, &policy, chain, observer);
        observer.finished(&format!("{} on target {}", chain.entry.label, chain.tail.tail.seed));
        done
    })?;
    let mut all: Vec<Edited> = done.into_iter().flatten().collect();
    all.extend(references(config, data, &tails, observer)?);
    let edited = tails.first().and_then(|tail| tail.tail.stack.layers().first());
    let edited = edited.map(|layer| layer.kind());
    let probe_passes = edited.and_then(Kind::matrix).map_or(0, |(_, rows)| rows);
    if let Some(edited) = edited {
        notes.extend(policy_notes(&policy, edited, config.length(config.refine())));
    }
    let mut applied = Applied {
        results: Results {
            schema: SCHEMA,
            command: "transfer apply".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            config: config.record(&policy),
            data: DataRecord {
                name: data.name.clone(),
                train: data.train.len(),
                reward: data.reward.len(),
                test: data.test.len(),
                digest: data.digest.clone(),
            },
            runs: Vec::new(),
            summary: Vec::new(),
            notes,
        },
        rows: Vec::new(),
        policy,
        targets,
        artifacts: Vec::new(),
        probe_passes: probe_passes * every.len().min(together.max(1)),
    };
    for Edited { row, record, artifact } in all {
        observer.recorded(&record);
        applied.rows.push(row);
        applied.results.runs.push(record);
        applied.artifacts.push(artifact);
    }
    Ok(applied)
}
