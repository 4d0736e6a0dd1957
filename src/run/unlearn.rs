//! The command `unlearn`: every editor × world × seed on targets that are trained here, or on one that
//! was loaded.

use super::assign::{Assignment, Reference, assign, fit_layers};
use super::config::UnlearnConfig;
use super::error::RunError;
use super::layers::editable_layers;
use super::lira;
use super::loaded;
use super::measure::Gauge;
use super::observer::Observer;
use super::pool;
use super::prepare::Prepared;
use super::record::{DataRecord, Results, SCHEMA};
use super::scrutiny::ProbeCache;
use super::subset::Drawn;
use super::target::{Target, train_target};
use crate::nn::Stack;
use crate::task::{ClassSet, Unlearning};
use crate::world::Config;

/// An edit that was found, for files.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Name of the editor.
    pub editor: String,
    /// The world; `None` for editors that use neither.
    pub world: Option<Config>,
    /// Seed of target and editor.
    pub seed: u64,
    /// Indices of the edited layers, rising.
    pub layers: Vec<usize>,
    /// Classes whose outputs were switched off afterwards.
    pub masked: Vec<u8>,
    /// Parameters of the edited network.
    pub parameters: Vec<f32>,
    /// The actions that made it, for editors that act.
    pub actions: Option<Vec<f32>>,
}

/// What `unlearn` returns.
#[derive(Clone, Debug)]
pub struct Unlearned {
    /// The records.
    pub results: Results,
    /// The targets, one per seed.
    pub targets: Vec<Target>,
    /// One per run, in the order of the records.
    pub artifacts: Vec<Artifact>,
}

/// Runs `unlearn` on `data`. `cached` holds targets that need not be trained again; with
/// [`UnlearnConfig::model`] nothing is trained.
///
/// # Errors
/// [`RunError`]: a class, layer or editor that does not exist, a budget that pays for nothing, or
/// training that diverges.
pub fn unlearn(
    config: &UnlearnConfig,
    data: &Prepared,
    cached: &dyn Fn(u64) -> Option<Target>,
    observer: &dyn Observer,
) -> Result<Unlearned, RunError> {
    let plan = config.plan(data)?;
    let policies = config.policies(&plan)?;
    let targets = targets(config, data, cached, observer)?;
    let Some(stack) = targets.first().map(|target| &target.stack) else {
        return Err(RunError::Usage("--seeds is 0".into()));
    };
    let layers = &*editable_layers(stack, config.layer_name())?;
    fit_layers(&plan, layers)?;
    let dealt = data;
    let drawn = config.forget_random.map(|share| Drawn::new(dealt, share, config.split_seed));
    let data = drawn.as_ref().map_or(dealt, |drawn| &drawn.data);
    let labels = [data.train.labels(), data.reward.labels(), data.test.labels()];
    let task = match &drawn {
        None => Unlearning::new(plan.forget, plan.reward, labels),
        Some(drawn) => Unlearning::of_samples(drawn.subset(), plan.reward, labels),
    };
    let mut notes: Vec<String> = drawn.iter().map(Drawn::note).collect();
    notes.extend(remarks(config, data, stack, task, observer)?);
    notes.extend(config.policy_notes(&policies, stack, layers));
    let units = assign(config, &plan, data, task, layers, &policies, &targets);
    observer.phase("editing", units.len());
    let found = pool::map(&units, config.threads, |unit| unit.run(observer))?;

    observer.phase("scrutinising the edits", units.len());
    let cache = ProbeCache::default();
    let pairs: Vec<_> = units.iter().zip(&found).collect();
    let examined = pool::map(&pairs, config.threads, |(unit, found)| {
        let scrutiny = unit.scrutinise(&found.parameters, &cache);
        observer.finished("");
        scrutiny
    })?;
    let attacked = match config.lira {
        Some(networks) => lira::attack(config, &units, &found, networks, observer)?,
        None => vec![None; units.len()],
    };
    let all: Vec<_> = pairs.iter().zip(&examined).collect();
    let mut runs = pool::map(&all, config.threads, |((unit, found), scrutiny)| {
        let reference = all.iter().find(|((other, _), _)| {
            other.unit.editor.name == "retrain" && other.unit.target.seed == unit.unit.target.seed
        });
        let reference = reference
            .map(|((_, found), scrutiny)| Reference { parameters: &found.parameters, scrutiny });
        unit.record(config, found, scrutiny, reference)
    })?;
    for (run, lira) in runs.iter_mut().zip(attacked) {
        run.lira = lira;
        observer.recorded(run);
    }
    let artifacts = units
        .iter()
        .zip(&found)
        .map(|(Assignment { world, unit }, found)| Artifact {
            editor: unit.editor.name.into(),
            world: world.map(|_| unit.world),
            seed: unit.target.seed,
            layers: layers.to_vec(),
            masked: if unit.masks() { plan.forget.iter().collect() } else { Vec::new() },
            parameters: found.parameters.clone(),
            actions: found.actions.clone(),
        })
        .collect();
    let results = Results {
        schema: SCHEMA,
        command: "unlearn".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config: config.record(),
        data: data_record(dealt),
        runs,
        summary: Vec::new(),
        notes,
    };
    Ok(Unlearned { results, targets, artifacts })
}

/// What has to be said of a network that was loaded; warns of one that is hardly above chance.
pub(super) fn remarks(
    config: &UnlearnConfig,
    data: &Prepared,
    stack: &Stack,
    task: Unlearning<'_>,
    observer: &dyn Observer,
) -> Result<Vec<String>, RunError> {
    let mut notes = config.notes();
    let Some(model) = &config.model else { return Ok(notes) };
    notes.extend(loaded::notes(model, &data.digest));
    let gauge = Gauge { kernel: config.kernel, stack, data, task, lambda: config.lambda };
    let accuracy = gauge.test(&model.parameters)?.all();
    if let Some(warning) = loaded::near_chance(&model.name, accuracy.into(), stack.outputs()) {
        observer.warning(&warning);
        notes.push(format!("Before any edit {warning}"));
    }
    Ok(notes)
}

/// The data, for records.
pub(super) fn data_record(data: &Prepared) -> DataRecord {
    DataRecord {
        name: data.name.clone(),
        train: data.train.len(),
        reward: data.reward.len(),
        test: data.test.len(),
        digest: data.digest.clone(),
    }
}

/// The targets, one per seed.
pub(super) fn targets(
    config: &UnlearnConfig,
    data: &Prepared,
    cached: &dyn Fn(u64) -> Option<Target>,
    observer: &dyn Observer,
) -> Result<Vec<Target>, RunError> {
    let seeds: Vec<u64> = (config.seed..config.seed + config.seeds).collect();
    if let Some(model) = &config.model {
        let of_seed = |&seed: &u64| Target { seed, ..Target::clone(model) };
        return Ok(seeds.iter().map(of_seed).collect());
    }
    let ready: Vec<(u64, Option<Target>)> =
        seeds.iter().map(|&seed| (seed, cached(seed))).collect();
    let missing = ready.iter().filter(|(_, target)| target.is_none()).count();
    observer.phase("training the target networks", missing);
    pool::map(&ready, config.threads, |(seed, target)| match target {
        Some(target) => Ok(target.clone()),
        None => {
            let mut shown = 0;
            let trained = train_target(
                config.kernel,
                &config.target,
                data,
                ClassSet::EMPTY,
                *seed,
                &mut |step| {
                    if (step.step - shown) * 20 >= step.steps || step.step == step.steps {
                        observer.advanced((step.step - shown) as f64 / step.steps as f64);
                        shown = step.step;
                    }
                },
            );
            observer.finished(&format!("target {seed}"));
            trained
        }
    })
}
