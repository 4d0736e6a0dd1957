//! The command `unlearn` on quantised networks.

use super::files::save_int8;
use super::gauge::Gauge;
use super::quantised::Quantised;
use super::unit::{self, Found};
use crate::editor::{Acts, EDITORS, EditorInfo, EditorKind, View};
use crate::metric;
use crate::run::assign::{Assignment, assign};
use crate::run::config::UnlearnConfig;
use crate::run::error::RunError;
use crate::run::files::Store;
use crate::run::layers::editable_layers;
use crate::run::observer::Observer;
use crate::run::pool;
use crate::run::prepare::Prepared;
use crate::run::record::{Results, RunRecord, SCHEMA, TargetRecord, TrainFigures};
use crate::run::scrutiny::heat;
use crate::run::target::{Target, network_digest};
use crate::run::unit::edit_norm;
use crate::run::unlearn::{data_record, targets};
use crate::task::Unlearning;
use crate::world::WorldKind;
use crate::world::int8::{Int8Form, Int8Range};
use serde_json::json;

/// Name of the target.
pub const NAME: &str = "digits-cnn-int8";

/// What [`unlearn`] returns.
#[derive(Clone, Debug)]
pub struct Int8Unlearned {
    /// The records.
    pub results: Results,
    /// The networks before they became integers, one per seed.
    pub targets: Vec<Target>,
    /// Of every editor × world on the first seed, its name and the edited network; the unedited one first.
    networks: Vec<(String, Quantised)>,
}

/// Why an editor cannot edit integers; `None` where it can.
pub fn refusal(editor: &EditorInfo) -> Option<&'static str> {
    match (editor.kind, editor.acts, editor.gradients) {
        (EditorKind::Reference, ..) => None,
        (_, _, true) => Some("it needs gradients of the target, and integers have none"),
        (_, Acts::Neither, _) => Some("it writes real weights, which integers cannot hold"),
        _ => None,
    }
}

/// Checks what cannot be had on integers.
fn validate(config: &UnlearnConfig, form: Int8Form) -> Result<(), RunError> {
    let usage = |message: String| Err(RunError::Usage(format!("--target {NAME}: {message}")));
    for info in config.editors.iter().filter_map(|name| crate::editor::find(name)) {
        if let Some(reason) = refusal(info) {
            return usage(format!("--editor {} is impossible: {reason}", info.name));
        }
        let whole = info.view != View::None || info.acts == Acts::MaskEach;
        if form == Int8Form::RowMultipliers && whole {
            return usage(format!(
                "--editor {}: it acts on weights, not on row multipliers",
                info.name
            ));
        }
    }
    let unfit = [
        (config.model.is_some(), "--model"),
        (config.erase.is_some(), "--erase"),
        (config.then_mask, "--then-mask"),
        (config.forget_random.is_some(), "--forget-random"),
        (
            config.layer.as_ref().is_some_and(|layer| layer.contains(',')),
            "--layer with several layers",
        ),
    ];
    if form == Int8Form::RowMultipliers && config.worlds.contains(&WorldKind::Shift) {
        return usage("row multipliers can be scaled alone (--world mask)".into());
    }
    match unfit.iter().find(|(given, _)| *given) {
        Some((_, option)) => usage(format!("{option} is for networks of real numbers")),
        None => Ok(()),
    }
}

/// What is edited, as options and records name it.
pub(in crate::run) fn name_of(how: (Int8Form, Int8Range)) -> &'static str {
    match how {
        (Int8Form::Weights, Int8Range::Grow) => "weights",
        (Int8Form::Weights, Int8Range::Saturate) => "weights-saturating",
        (Int8Form::RowMultipliers, _) => "row-multipliers",
    }
}

/// The paragraph that names editors and why they are impossible; `None` where all are possible.
pub(in crate::run) fn impossible<'n>(
    refused: impl Iterator<Item = (&'n str, &'n str)>,
) -> Option<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, reason) in refused {
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name),
            None => groups.push((reason, vec![name])),
        }
    }
    let parts: Vec<String> =
        groups.iter().map(|(reason, names)| format!("{} ({reason})", names.join(", "))).collect();
    (!parts.is_empty()).then(|| format!("Impossible on integers: {}.", parts.join("; ")))
}

/// Runs `unlearn` on targets that are trained (or `cached`), then quantised after their training. `how` says
/// what of the layer is edited, and what becomes of weights beyond ±127.
///
/// # Errors
/// As [`run::unlearn`](crate::run::unlearn), and for editors and options that integers do not allow.
pub fn unlearn(
    config: &UnlearnConfig,
    how: (Int8Form, Int8Range),
    data: &Prepared,
    cached: &dyn Fn(u64) -> Option<Target>,
    observer: &dyn Observer,
) -> Result<Int8Unlearned, RunError> {
    validate(config, how.0)?;
    let plan = config.plan(data)?;
    let policies = config.policies(&plan)?;
    let targets = targets(config, data, cached, observer)?;
    let stack = targets.first().map(|target| &target.stack);
    let stack = stack.ok_or_else(|| RunError::Usage("--seeds is 0".into()))?;
    let layers = &*editable_layers(stack, config.layer_name())?;
    let samples = data.train_panels.samples();
    let nets: Vec<Quantised> = pool::map(&targets, config.threads, |target| {
        Quantised::of(config.kernel, &target.stack, &target.parameters, samples)
    })?;
    // What editors that look at activations see: the same integers as real numbers.
    let mut shown = targets.clone();
    for (target, net) in shown.iter_mut().zip(&nets) {
        (target.name, target.parameters) = (NAME.into(), net.real(&target.stack)?);
    }
    let labels = [data.train.labels(), data.reward.labels(), data.test.labels()];
    let task = Unlearning::new(plan.forget, plan.reward, labels);
    let units = assign(config, &plan, data, task, layers, &policies, &shown);
    let net_of = |unit: &Assignment<'_>| {
        let seed = unit.unit.target.seed;
        nets.iter().zip(&targets).find(|(_, target)| target.seed == seed).map(|(net, _)| net)
    };
    observer.phase("editing", units.len());
    let found = pool::map(&units, config.threads, |assignment| {
        let net =
            net_of(assignment).ok_or_else(|| RunError::Failed("a target is missing".into()))?;
        unit::run(assignment, how, net, &config.target, observer)
    })?;
    let pairs: Vec<_> = units.iter().zip(&found).collect();
    let runs = pool::map(&pairs, config.threads, |(assignment, found)| {
        let retrained = pairs.iter().find(|(other, _)| {
            other.unit.editor.name == "retrain"
                && other.unit.target.seed == assignment.unit.target.seed
        });
        let net =
            net_of(assignment).ok_or_else(|| RunError::Failed("a target is missing".into()))?;
        let run =
            record(config, assignment, net, found, retrained.map(|(_, found)| &found.edited))?;
        observer.recorded(&run);
        Ok::<_, RunError>(run)
    })?;
    let mut record = config.record();
    record.insert("target".into(), json!(NAME));
    record.insert("int8".into(), json!(name_of(how)));
    let mut networks: Vec<(String, Quantised)> =
        nets.first().map(|net| ("target".into(), net.clone())).into_iter().collect();
    for (Assignment { world, unit }, found) in &pairs {
        if unit.target.seed == config.seed && unit.editor.name != "none" {
            let world = world.map_or(String::new(), |world| format!("-{}", world.name()));
            networks.push((format!("{}{world}", unit.editor.name), found.edited.clone()));
        }
    }
    let mut notes = vec![
        "The target is quantised after its training: 8-bit weights with one scale for each row, 8-bit activations by \
         their ranges on the training samples, sums in 32 bits. Edits are made to the integers."
            .into(),
    ];
    let refused = EDITORS.iter().filter_map(|editor| Some((editor.name, refusal(editor)?)));
    notes.extend(impossible(refused));
    notes.extend(config.policy_notes(&policies, stack, layers));
    let results = Results {
        schema: SCHEMA,
        command: "unlearn".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config: record,
        data: data_record(data),
        runs,
        summary: Vec::new(),
        notes,
    };
    Ok(Int8Unlearned { results, targets, networks })
}

/// The record of one unit. Probes, relearning and attacks on membership read features and gradients of real
/// networks: they stay null.
fn record(
    config: &UnlearnConfig,
    assignment: &Assignment<'_>,
    net: &Quantised,
    found: &Found,
    retrained: Option<&Quantised>,
) -> Result<RunRecord, RunError> {
    let Assignment { world, unit } = assignment;
    let (kernel, data, lambda) = (unit.kernel, unit.data, unit.world.lambda);
    let gauge = Gauge { kernel, data, task: unit.task, lambda };
    let (stack, before) = (&unit.target.stack, &unit.target.parameters);
    let after = found.edited.real(stack)?;
    let layer = unit.layers.first().and_then(|&layer| stack.layers().get(layer));
    let (cols, rows) = layer.and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0));
    let train = gauge.accuracies(&found.edited)?;
    let tow = match retrained {
        Some(retrained) => Some(metric::tug_of_war(train, gauge.accuracies(retrained)?)),
        None => None,
    };
    let js = match retrained {
        Some(retrained) => {
            let (ours, theirs) =
                (gauge.forget_outputs(&found.edited)?, gauge.forget_outputs(retrained)?);
            let js = metric::js_divergence(&ours, &theirs, stack.outputs());
            Some(js.map_err(|error| RunError::Failed(format!("divergence: {error}")))?)
        }
        None => None,
    };
    let ranges: Vec<_> = layer.iter().map(|layer| layer.weight_range()).collect();
    Ok(RunRecord {
        target: TargetRecord {
            name: NAME.into(),
            layer: layer.map_or(String::new(), |layer| layer.name().into()),
            rows,
            cols,
            test_accuracy: gauge.test(net)?.all(),
            digest: network_digest(before),
        },
        editor: unit.editor.name.into(),
        kind: unit.editor.kind.name().into(),
        world: world.map(|world| world.name().into()),
        seed: unit.target.seed,
        forget: unit.task.forget().iter().map(u32::from).collect(),
        budget: unit.budget,
        evaluations: found.evaluations,
        evaluations_to_target: found.evaluations_to_target,
        seconds: found.seconds,
        peak_bytes: Some(found.peak_bytes),
        before: gauge.figures(net)?,
        after: gauge.figures(&found.edited)?,
        after_train: Some(TrainFigures {
            retain: train.retain_train as f32,
            forget: train.forget_train as f32,
        }),
        policy: found.policy,
        tow,
        js_to_retrained: js,
        edit_norm: Some(edit_norm(before, &after, &ranges)),
        digest: format!("{:016x}", found.digest),
        curve: found.curve.clone(),
        classwise: Some(gauge.classwise(net, &found.edited)?),
        heat: layer
            .filter(|_| unit.target.seed == config.seed)
            .and_then(|layer| heat(layer, before, &after)),
        ..RunRecord::default()
    })
}

/// Saves the trained networks (`target-SEED.rwn`) and, of the first seed, the quantised and the edited ones
/// (`NAME-SEED.rwq`).
///
/// # Errors
/// [`RunError::Failed`] names the file.
pub fn save(store: &Store, origin: &str, unlearned: &Int8Unlearned) -> Result<(), RunError> {
    store.save_targets(origin, &unlearned.targets)?;
    let Some(target) = unlearned.targets.first() else { return Ok(()) };
    for (name, net) in &unlearned.networks {
        let path = store.networks().join(format!("{name}-{}.rwq", target.seed));
        save_int8(&path, NAME, origin, target, net)?;
    }
    Ok(())
}
