//! The units of a run, and what they come to.

use super::case::Case;
use super::config::{DebiasConfig, DebiasTarget, Method};
use super::front::front;
use super::integers;
use super::material::{Material, Sources, loaded_target};
use super::pooled::pooled;
use super::record::{DebiasArtifact, DebiasResults, DebiasRun};
use super::target::{TextTarget, text_target_key};
use super::unit::{Found, Work};
use crate::editor::text::{LEACE_INPUTS, TextEditorInfo};
use crate::editor::{Settings, View};
use crate::nn::{Kind, Stack};
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::policy::TrainedPolicy;
use crate::run::pool;
use crate::run::record::{DataRecord, SCHEMA, TargetRecord};
use crate::world::WorldKind;

/// What `debias` returns.
#[derive(Clone, Debug)]
pub struct Debiased {
    /// The records.
    pub results: DebiasResults,
    /// The targets, one per seed or fold.
    pub targets: Vec<TextTarget>,
    /// One per run, in the order of the records.
    pub artifacts: Vec<DebiasArtifact>,
}

/// Runs `debias`.
///
/// # Errors
/// [`RunError`]: a file, layer, group or editor that does not exist, comments of one class, a budget that
/// pays for nothing, or training that diverges.
pub fn debias(config: &DebiasConfig, observer: &dyn Observer) -> Result<Debiased, RunError> {
    let stage = Stage::new(config, false, observer)?;
    let units = stage.units(config)?;
    observer.phase("editing", units.len());
    let found = pool::map(&units, config.threads, |unit| unit.run_watched(observer))?;

    let mut runs = Vec::new();
    let mut artifacts = Vec::new();
    for (unit, found) in units.iter().zip(&found) {
        runs.push(run_record(unit, found));
        artifacts.push(DebiasArtifact {
            editor: unit.method.name().into(),
            world: unit.kind.map(|kind| kind.name().into()),
            layer: unit.layer_name().into(),
            seed: unit.case.seed,
            parameters: found.weights.real.clone(),
            integers: found.weights.integers.clone(),
            threshold: found.cuts.threshold,
            actions: found.actions.clone(),
        });
    }
    let pooled = match config.folds {
        None => Vec::new(),
        Some(_) => pooled(&units, &found)?,
    };
    let front = match stage.cases.first() {
        Some(first) if config.front => front(config, first, &stage.settings, observer)?,
        _ => Vec::new(),
    };
    let results = DebiasResults {
        schema: SCHEMA,
        command: "debias".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config: config.record(),
        data: stage.data(config),
        runs,
        pooled,
        front,
        notes: stage.notes.clone(),
    };
    let targets = stage.cases.into_iter().map(|case| case.target).collect();
    Ok(Debiased { results, targets, artifacts })
}

/// What the units of a run have in common.
pub(super) struct Stage {
    /// A network and its data per seed or fold.
    pub(super) cases: Vec<Case>,
    /// Editors that can edit it.
    pub(super) methods: Vec<Method>,
    settings: Settings,
    policies: Vec<TrainedPolicy>,
    /// What has to be said of all runs.
    pub(super) notes: Vec<String>,
    /// Editors that cannot edit it, and why.
    pub(super) left_out: Vec<(&'static str, &'static str)>,
}

impl Stage {
    /// Reads the data, trains or judges the networks, and picks the editors: with `every` all that there
    /// are and that can edit them, unless some are named.
    pub(super) fn new(
        config: &DebiasConfig,
        every: bool,
        observer: &dyn Observer,
    ) -> Result<Self, RunError> {
        config.validate()?;
        let settings = config.settings()?;
        let loaded = loaded_target(config)?;
        let mut sources = Sources::read(config, observer)?;
        let seeds: Vec<u64> = match config.folds {
            Some(folds) => (0..folds as u64).collect(),
            None => (config.seed..config.seed + config.seeds).collect(),
        };
        let shared = Material::shared(config, &sources, loaded.as_deref())?;
        if shared.is_some() {
            // Their texts have become bags; files of comments are large.
            sources.forget_texts();
        }
        let trains = loaded.is_none();
        observer.phase(
            if trains { "training the target networks" } else { "judging the target" },
            seeds.len(),
        );
        let cases = pool::map(&seeds, config.threads, |&seed| {
            let shared = shared.as_ref();
            let material = Material::new(config, &sources, loaded.as_deref(), shared, seed)?;
            let target = match (&loaded, &material.train, material.training) {
                (Some(target), ..) => TextTarget { seed, ..TextTarget::clone(target) },
                (None, Some(train), Some(training)) => {
                    let words = &material.language.vocabulary;
                    let key = text_target_key(words, &material.data.digest, &training);
                    let language = &material.language;
                    TextTarget::train(config.kernel, language, train, &training, seed, &key)?
                }
                _ => return Err(RunError::Failed("there is nothing to train on".into())),
            };
            let target = match config.int8 {
                None => target,
                Some(_) => target.quantised(config.kernel, material.calibration())?,
            };
            let case = Case::new(config, seed, material, target);
            observer.finished(&format!("target {seed}"));
            case
        })?;
        let Some(first) = cases.first() else {
            return Err(RunError::Usage("--seeds is 0: at least 1 seed is needed".into()));
        };
        let (chosen, named) = config.methods(every)?;
        let (mut methods, mut left_out) = (Vec::new(), Vec::new());
        let mut impossible = Vec::new();
        for method in chosen {
            let integers = config.int8.and_then(|(form, _)| integers::refusal(form, method));
            impossible.extend(integers.map(|why| (method.name(), why)));
            match integers.or_else(|| unfit(method, first, &config.layer_name())) {
                Some(why) if named => {
                    return Err(RunError::Failed(format!("--editor {}: {why}", method.name())));
                }
                Some(why) => left_out.push((method.name(), why)),
                None => methods.push(method),
            }
        }
        let policies = policies(config, &methods)?;
        let mut notes = notes(config, &sources, first);
        notes.extend(integers::notes(config, first, &impossible));
        Ok(Self { cases, methods, settings, policies, notes, left_out })
    }

    /// The units, in the order of the report.
    pub(super) fn units<'a>(&'a self, config: &'a DebiasConfig) -> Result<Vec<Work<'a>>, RunError> {
        units(config, &self.cases, &self.methods, &self.settings, &self.policies)
    }

    /// The data, for records.
    pub(super) fn data(&self, config: &DebiasConfig) -> DataRecord {
        let Some(first) = self.cases.first() else { return DataRecord::default() };
        match config.folds {
            None => first.material.data.clone(),
            Some(_) => DataRecord {
                test: self.cases.iter().map(|case| case.material.test.comments.len()).sum(),
                ..first.material.data.clone()
            },
        }
    }
}

impl Work<'_> {
    /// Edits, and tells the observer.
    pub(super) fn run_watched(&self, observer: &dyn Observer) -> Result<Found, RunError> {
        let found = self.run(observer);
        let world = self.kind.map_or(String::new(), |world| format!(" in {} world", world.name()));
        observer.finished(&format!("{}{world} on target {}", self.method.name(), self.case.seed));
        found
    }
}

fn units<'a>(
    config: &'a DebiasConfig,
    cases: &'a [Case],
    methods: &[Method],
    settings: &'a Settings,
    policies: &'a [TrainedPolicy],
) -> Result<Vec<Work<'a>>, RunError> {
    let index = |name: &str, stack: &Stack| {
        stack.find(name).ok_or_else(|| RunError::Failed(format!("--layer {name}: no such layer")))
    };
    let chosen = config.layer_name();
    let mut layers = vec![chosen.clone()];
    // The paper's layer stands in every report.
    if matches!(config.target, DebiasTarget::Toxicity) && chosen != PAPER_LAYER {
        layers.push(PAPER_LAYER.into());
    }
    let mut units = Vec::new();
    for &method in methods {
        for name in &layers {
            let worlds: Vec<Option<WorldKind>> = match method {
                Method::World(editor) if *name == chosen || editor.name == "ppo" => {
                    config.worlds.iter().copied().map(Some).collect()
                }
                Method::Text(_) if *name == chosen => vec![None],
                _ => Vec::new(),
            };
            for kind in worlds {
                for case in cases {
                    let (budget, policy) = match (method, kind) {
                        (Method::World(editor), Some(kind)) => (
                            config.budget_of(editor, kind),
                            policies
                                .iter()
                                .find(|policy| policy.kind == kind)
                                .filter(|_| editor.view == View::Policy),
                        ),
                        _ => (config.budget_of_reference(), None),
                    };
                    let layer = index(name, &case.target.stack)?;
                    let prices = None;
                    units.push(Work {
                        config,
                        case,
                        method,
                        layer,
                        kind,
                        prices,
                        budget,
                        settings,
                        policy,
                    });
                }
            }
        }
    }
    Ok(units)
}

/// The layer that the paper edits.
const PAPER_LAYER: &str = "16x2";

/// Why a method cannot edit a target.
fn unfit(method: Method, case: &Case, layer: &str) -> Option<&'static str> {
    let Case { target, material, .. } = case;
    let layers = target.stack.layers();
    match method {
        Method::World(editor) if editor.view == View::Policy && !target.is_linear() => {
            Some("it acts on words of a classifier of one layer")
        }
        Method::World(_) => None,
        Method::Text(TextEditorInfo { name, gradients, training_data, words, .. }) => {
            let two = target.stack.outputs() == 2;
            let ends =
                matches!(layers.last().map(|l| *l.kind()), Some(Kind::Dense { outputs: 2, .. }));
            if *training_data && material.train.is_none() {
                Some("what the network was trained on is not known")
            } else if *name == "retrain" && material.unbiased.is_none() {
                Some("labels without a planted bias are not known")
            } else if *gradients && !two {
                Some("its outputs are not the two classes, so it cannot be trained")
            } else if *name == "refit" && !(ends && layers.len() > 1) {
                Some("it does not end in a layer of two classes")
            } else if *words && material.words.iter().all(Vec::is_empty) {
                Some("no word that names a group is in the vocabulary")
            } else if matches!(*name, "leace" | "inlp")
                && target.stack.find(layer) == Some(0)
                && crowded(case)
            {
                Some("its first layer has too many words for their covariance to be solved")
            } else {
                None
            }
        }
    }
}

/// Whether more words occur in the reward split than can be solved for.
fn crowded(case: &Case) -> bool {
    let mut columns = case.material.reward.bag.columns().to_vec();
    columns.sort_unstable();
    columns.dedup();
    columns.len() > LEACE_INPUTS
}

fn policies(config: &DebiasConfig, methods: &[Method]) -> Result<Vec<TrainedPolicy>, RunError> {
    let acts = |method: &Method| matches!(method, Method::World(e) if e.view == View::Policy);
    if !methods.iter().any(acts) {
        return Ok(Vec::new());
    }
    let load = |&kind: &WorldKind| {
        let default = format!("debias-{}", kind.name());
        let policy = TrainedPolicy::load(config.policy.as_deref().unwrap_or(&default))?;
        if policy.kind == kind {
            return Ok(policy);
        }
        Err(RunError::Failed(format!(
            "{}: a policy for {} world, --world asks for {} world",
            policy.name,
            policy.kind.name(),
            kind.name()
        )))
    };
    config.worlds.iter().map(load).collect()
}

pub(super) fn run_record(unit: &Work<'_>, found: &Found) -> DebiasRun {
    let Case { target, material, before, elsewhere, seed, .. } = unit.case;
    let layer = target.stack.layers().get(unit.layer);
    let (cols, rows) = layer.and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0));
    let names = material.elsewhere.iter().map(|(name, _)| name.clone());
    DebiasRun {
        target: TargetRecord {
            name: target.name.clone(),
            layer: unit.layer_name().into(),
            rows,
            cols,
            test_accuracy: before.accuracy.map_or(f32::NAN, |accuracy| accuracy as f32),
            digest: target.digest(),
        },
        editor: unit.method.name().into(),
        kind: unit.method.kind().name().into(),
        world: unit.kind.map(|kind| kind.name().into()),
        seed: *seed,
        budget: if unit.kind.is_some() { unit.budget } else { found.evaluations },
        evaluations: found.evaluations,
        seconds: found.seconds,
        before: before.clone(),
        after: found.after.clone(),
        edit: found.edit.map(str::to_string),
        other: found.other.clone(),
        elsewhere: names
            .zip(elsewhere.iter().zip(&found.elsewhere))
            .map(|(name, (before, after))| (name, before.clone(), after.clone()))
            .collect(),
        edit_norm: found.edit_norm,
        digest: format!("{:016x}", found.digest),
        curve: found.curve.clone(),
        words: found.words.clone(),
        examples: found.examples.clone(),
    }
}

/// What has to be said of all runs.
fn notes(config: &DebiasConfig, sources: &Sources, case: &Case) -> Vec<String> {
    let mut notes = Vec::new();
    if !matches!(config.target, DebiasTarget::Toxicity) {
        notes.push(format!(
            "All seeds edit one network, {}, which was loaded; each has a reward split of its own. What \
             the network was trained on is not known here.",
            case.target.name
        ));
    }
    let skipped = sources.comments.iter().chain(&sources.elsewhere);
    for comments in skipped {
        for line in &comments.skipped {
            notes.push(format!("{}: {line}", comments.name));
        }
    }
    notes
}
