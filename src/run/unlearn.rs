//! The command `unlearn`: every editor × world × seed on targets that are trained here, or on one that
//! was loaded.

use super::config::{Preset, TARGET_VALUE, UnlearnConfig, editable_layer};
use super::error::RunError;
use super::lira;
use super::loaded;
use super::measure::{Gauge, to_retrained};
use super::observer::Observer;
use super::pool;
use super::prepare::Prepared;
use super::record::{DataRecord, Results, RunRecord, SCHEMA, TargetRecord};
use super::scrutiny::{ProbeCache, classwise, heat, scrutinise};
use super::subset::Drawn;
use super::target::{Target, network_digest, train_target};
use super::unit::{Found, Unit};
use crate::editor::{Acts, View};
use crate::task::{ClassSet, Unlearning};
use crate::world::{Config, WorldKind};

/// An edit that was found, for files.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Name of the editor.
    pub editor: String,
    /// The world; `None` for editors that use neither.
    pub world: Option<Config>,
    /// Seed of target and editor.
    pub seed: u64,
    /// Index of the edited layer.
    pub layer: usize,
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
    let layer = editable_layer(stack, config.layer_name())?;
    let dealt = data;
    let drawn = config.forget_random.map(|share| Drawn::new(dealt, share, config.split_seed));
    let data = drawn.as_ref().map_or(dealt, |drawn| &drawn.data);
    let labels = [data.train.labels(), data.reward.labels(), data.test.labels()];
    let task = match &drawn {
        None => Unlearning::new(plan.forget, plan.reward, labels),
        Some(drawn) => Unlearning::of_samples(drawn.subset(), plan.reward, labels),
    };
    let mut notes: Vec<String> = drawn.iter().map(Drawn::note).collect();
    if let Some(model) = &config.model {
        notes.extend(loaded::notes(model, &data.digest));
        let gauge = Gauge { kernel: config.kernel, stack, data, task, lambda: config.lambda };
        let accuracy = gauge.test(&model.parameters)?.all();
        if let Some(warning) = loaded::near_chance(&model.name, accuracy.into(), stack.outputs()) {
            observer.warning(&warning);
            notes.push(format!("Before any edit {warning}"));
        }
    }
    let mut units: Vec<(Option<WorldKind>, Unit<'_>)> = Vec::new();
    for &editor in &plan.editors {
        let worlds: Vec<Option<WorldKind>> = match editor.acts {
            Acts::Neither => vec![None],
            acts => {
                let kinds = config.worlds.iter().copied();
                kinds.filter(|&kind| acts.within(kind)).map(Some).collect()
            }
        };
        for world in worlds {
            let kind = world.unwrap_or(WorldKind::Shift);
            for target in &targets {
                let sees = editor.view != View::None;
                let policy = policies.iter().find(|policy| policy.kind == kind);
                units.push((
                    world,
                    Unit {
                        kernel: config.kernel,
                        data,
                        task,
                        target,
                        training: config.model.is_none().then_some(config.target.training),
                        layer,
                        world: if sees { config.world_of_view(kind) } else { config.world(kind) },
                        settings: &plan.settings,
                        editor,
                        budget: if world.is_some() { config.budget_for(editor, kind) } else { 0 },
                        target_value: TARGET_VALUE,
                        view: sees.then(|| {
                            let policy = policy.filter(|_| editor.view == View::Policy);
                            (config.step_of_view(kind), policy)
                        }),
                    },
                ));
            }
        }
    }
    observer.phase("editing", units.len());
    let found = pool::map(&units, config.threads, |(world, unit)| {
        let found = unit.run(observer);
        observer.finished(&format!(
            "{}{} on target {}",
            unit.editor.name,
            world.map_or(String::new(), |world| format!(" in {} world", world.name())),
            unit.target.seed
        ));
        found
    })?;

    observer.phase("scrutinising the edits", units.len());
    let pairs: Vec<_> = units.iter().zip(&found).collect();
    let probes = ProbeCache::default();
    let retrain_of = |unit: &Unit<'_>| {
        let seed = unit.target.seed;
        units
            .iter()
            .position(|(_, other)| other.editor.name == "retrain" && other.target.seed == seed)
    };
    let examined = pool::map(&pairs, config.threads, |((_, unit), found)| {
        let gauge = Gauge { kernel: unit.kernel, stack, data, task, lambda: unit.world.lambda };
        let (target, seed) = (unit.target, unit.target.seed);
        let retrained = retrain_of(unit).and_then(|index| pairs.get(index));
        let distance = retrained
            .map(|(_, retrained)| to_retrained(&gauge, &found.parameters, &retrained.parameters))
            .transpose()?;
        let scrutiny = scrutinise(&gauge, target, &found.parameters, seed, &probes)?;
        observer.finished("");
        Ok::<_, RunError>((distance, scrutiny))
    })?;

    let attacked = match config.lira {
        Some(networks) => lira::attack(config, &units, &found, networks, observer)?,
        None => vec![None; units.len()],
    };

    let mut runs = Vec::with_capacity(units.len());
    let mut artifacts = Vec::with_capacity(units.len());
    for ((((world, unit), found), (distance, scrutiny)), lira) in
        units.iter().zip(&found).zip(&examined).zip(attacked)
    {
        let mut run = run_record(config, data, *world, unit, found, *distance)?;
        let retrained = retrain_of(unit).and_then(|index| examined.get(index));
        scrutiny.record(retrained.map(|(_, scrutiny)| scrutiny), &mut run);
        run.lira = lira;
        observer.recorded(&run);
        runs.push(run);
        artifacts.push(Artifact {
            editor: unit.editor.name.into(),
            world: world.map(|_| unit.world),
            seed: unit.target.seed,
            layer,
            parameters: found.parameters.clone(),
            actions: found.actions.clone(),
        });
    }
    let results = Results {
        schema: SCHEMA,
        command: "unlearn".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config: config.record(),
        data: DataRecord {
            name: data.name.clone(),
            train: data.train.len(),
            reward: dealt.reward.len(),
            test: data.test.len(),
            digest: data.digest.clone(),
        },
        runs,
        summary: Vec::new(),
        notes,
    };
    Ok(Unlearned { results, targets, artifacts })
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

fn run_record(
    config: &UnlearnConfig,
    data: &Prepared,
    world: Option<WorldKind>,
    unit: &Unit<'_>,
    found: &Found,
    distance: Option<(f64, f64)>,
) -> Result<RunRecord, RunError> {
    let stack = &unit.target.stack;
    let layer = stack.layers().get(unit.layer);
    let (cols, rows) = layer.and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0));
    let gauge =
        Gauge { kernel: unit.kernel, stack, data, task: unit.task, lambda: unit.world.lambda };
    let acts = world.is_some();
    Ok(RunRecord {
        target: TargetRecord {
            name: unit.target.name.clone(),
            layer: layer.map_or(String::new(), |layer| layer.name().to_string()),
            rows,
            cols,
            test_accuracy: gauge.test(&unit.target.parameters)?.all(),
            digest: network_digest(&unit.target.parameters),
        },
        editor: unit.editor.name.into(),
        kind: unit.editor.kind.name().into(),
        world: world.map(|world| world.name().into()),
        seed: unit.target.seed,
        forget: config.classes().iter().map(|&class| u32::from(class)).collect(),
        budget: unit.budget,
        evaluations: found.evaluations,
        evaluations_to_target: found.evaluations_to_target.filter(|_| acts),
        seconds: found.seconds,
        peak_bytes: Some(found.peak_bytes),
        before: found.before,
        after: found.after,
        policy: found.policy,
        tow: distance.map(|(tow, _)| tow),
        js_to_retrained: distance.map(|(_, js)| js),
        edit_norm: Some(found.edit_norm),
        digest: format!("{:016x}", found.digest),
        curve: found.curve.clone(),
        classwise: Some(classwise(&gauge, &unit.target.parameters, &found.parameters)?),
        heat: layer
            .filter(|_| unit.target.seed == config.seed)
            .and_then(|layer| heat(layer, &unit.target.parameters, &found.parameters)),
        note: note(config, unit, found),
        ..RunRecord::default()
    })
}

/// What has to be said of a run in one line.
fn note(config: &UnlearnConfig, unit: &Unit<'_>, found: &Found) -> Option<String> {
    let policy = found.policy?;
    if config.preset != Preset::Paper || unit.editor.name != "ppo" {
        return None;
    }
    let gained = policy.reward - found.before.reward;
    let best = found.after.reward;
    Some(if gained < 0.01 {
        format!(
            "Stable-Baselines3's defaults learned nothing: the noise-free policy still scores {:.3} \
             (unedited {:.3}), because U = V = 0 is a saddle — (U, V) and (−U, −V) give the same edit, so \
             a policy with mean zero has no expected gradient; the best edit ({best:.3}) is what its \
             initial noise hit upon",
            policy.reward, found.before.reward
        )
    } else {
        format!(
            "Stable-Baselines3's defaults left the saddle at U = V = 0 by noise: the noise-free policy \
             scores {:.3} (unedited {:.3}), the best edit {best:.3}",
            policy.reward, found.before.reward
        )
    })
}
