//! The command `unlearn`: every editor × world × seed on targets that are trained here.

use super::error::RunError;
use super::measure::{Gauge, to_retrained};
use super::observer::Observer;
use super::pool;
use super::prepare::Prepared;
use super::record::{DataRecord, Results, RunRecord, SCHEMA, TargetRecord};
use super::target::{Target, TargetConfig, network_digest, train_target};
use super::unit::{Found, Unit};
use crate::editor::{self, EditorInfo, EditorKind, Settings};
use crate::kernel::Kernel;
use crate::nn::{Kind, Stack};
use crate::ppo;
use crate::task::{ClassSet, RewardKind, Unlearning};
use crate::world::{Config, Unit as StepUnit, WorldKind};
use serde_json::json;
use std::collections::BTreeMap;

/// The editors that `unlearn` runs unless told otherwise.
pub const DEFAULT_EDITORS: &[&str] =
    &["ppo", "sep-cma-es", "random", "logit-mask", "none", "retrain"];

/// The value whose first reach is recorded as `evaluations_to_target`.
pub const TARGET_VALUE: f32 = 0.975;

/// A set of hyper-parameters for PPO and the world around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// What works: see [`ppo::Config::edit`].
    #[default]
    Edit,
    /// Stable-Baselines3's defaults in the paper's world: [`ppo::Config::paper`], absolute unit, raw
    /// weights, accuracy.
    Paper,
}

/// Everything that decides the figures of `unlearn`, and how it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct UnlearnConfig {
    /// The target networks.
    pub target: TargetConfig,
    /// Name of the edited layer; `None` for `fc2`.
    pub layer: Option<String>,
    /// The worlds, in the order of the report.
    pub worlds: Vec<WorldKind>,
    /// Classes to forget.
    pub forget: Vec<u8>,
    /// Names of editors.
    pub editors: Vec<String>,
    /// Hyper-parameters.
    pub preset: Preset,
    /// Single hyper-parameters of PPO, name and value.
    pub set: Vec<(String, String)>,
    /// Reward evaluations of each editor; `None` for the defaults (2,000 shift, 5,000 mask; 10,240 with
    /// the paper preset, five whole rollouts).
    pub budget: Option<u64>,
    /// Rank of the action.
    pub rank: usize,
    /// Step; `None` for the world's own.
    pub step: Option<f32>,
    /// Unit of the step; `None` for the preset's.
    pub unit: Option<StepUnit>,
    /// λ.
    pub lambda: f32,
    /// What pays; `None` for the preset's.
    pub reward: Option<RewardKind>,
    /// T.
    pub episode_length: usize,
    /// Number of seeds.
    pub seeds: u64,
    /// First seed.
    pub seed: u64,
    /// Seed of the split (recorded; the data come already split).
    pub split_seed: u64,
    /// Threads. Changes no figure.
    pub threads: usize,
    /// Kernels. Changes no figure.
    pub kernel: Kernel,
}

impl Default for UnlearnConfig {
    fn default() -> Self {
        Self {
            target: TargetConfig::default(),
            layer: None,
            worlds: vec![WorldKind::Shift, WorldKind::Mask],
            forget: vec![7],
            editors: DEFAULT_EDITORS.iter().map(ToString::to_string).collect(),
            preset: Preset::Edit,
            set: Vec::new(),
            budget: None,
            rank: 1,
            step: None,
            unit: None,
            lambda: 0.5,
            reward: None,
            episode_length: 1,
            seeds: 5,
            seed: 0,
            split_seed: 0,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: Kernel::auto(),
        }
    }
}

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

/// A configuration that has been checked against the data.
struct Plan {
    editors: Vec<&'static EditorInfo>,
    settings: Settings,
    reward: RewardKind,
    forget: ClassSet,
}

impl UnlearnConfig {
    fn reward_kind(&self) -> RewardKind {
        self.reward.unwrap_or(match self.preset {
            Preset::Edit => RewardKind::Probability,
            Preset::Paper => RewardKind::Accuracy,
        })
    }

    /// The world of `kind` under this configuration.
    pub fn world(&self, kind: WorldKind) -> Config {
        let mut world = match self.preset {
            Preset::Edit => Config::new(kind),
            Preset::Paper => Config::paper(kind),
        };
        if let Some(unit) = self.unit {
            world.unit = unit;
        }
        world.step = self.step.unwrap_or(match (kind, world.unit) {
            (WorldKind::Mask, _) if self.preset == Preset::Paper => 1.0,
            (WorldKind::Shift, StepUnit::Absolute) => ABSOLUTE_STEP,
            _ => world.step,
        });
        world.rank = self.rank;
        world.lambda = self.lambda;
        world.horizon = self.episode_length;
        world
    }

    fn budget_of(&self, kind: WorldKind) -> u64 {
        self.budget.unwrap_or(match (self.preset, kind) {
            (Preset::Paper, _) => 10_240,
            (Preset::Edit, WorldKind::Shift) => 2_000,
            (Preset::Edit, WorldKind::Mask) => 5_000,
        })
    }

    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        let usage = |message: String| Err(RunError::Usage(message));
        if self.budget == Some(0) {
            return usage("--budget is 0: an editor needs at least 1 evaluation".into());
        }
        if self.seeds == 0 {
            return usage("--seeds is 0: at least 1 seed is needed".into());
        }
        if self.editors.is_empty() || self.worlds.is_empty() || self.forget.is_empty() {
            return usage(
                "at least one editor, one world and one class to forget are needed".into(),
            );
        }
        for name in &self.editors {
            if editor::find(name).is_none() {
                return usage(unknown_editor(name));
            }
        }
        for &kind in &self.worlds {
            if let Err(error) = self.world(kind).validate() {
                return usage(error.to_string());
            }
        }
        self.settings().map(|_| ())
    }

    fn settings(&self) -> Result<Settings, RunError> {
        let mut ppo = match self.preset {
            Preset::Edit => ppo::Config::edit(),
            Preset::Paper => ppo::Config::paper(),
        };
        for (key, value) in &self.set {
            ppo.set(key, value).map_err(|error| RunError::Usage(format!("--set: {error}")))?;
        }
        ppo.validate().map_err(|error| RunError::Usage(format!("--set: {error}")))?;
        Ok(Settings { ppo, kernel: self.kernel })
    }

    fn plan(&self, data: &Prepared) -> Result<Plan, RunError> {
        self.validate()?;
        if let Some(class) = self.forget.iter().find(|&&class| usize::from(class) >= data.classes) {
            return Err(RunError::Failed(format!(
                "--forget {class}: {} has the classes 0 to {}",
                data.name,
                data.classes.saturating_sub(1)
            )));
        }
        let forget = ClassSet::of(&self.forget);
        if forget.len() >= data.classes {
            return Err(RunError::Failed("--forget names every class: nothing is left".into()));
        }
        Ok(Plan {
            editors: self.editors.iter().filter_map(|name| editor::find(name)).collect(),
            settings: self.settings()?,
            reward: self.reward_kind(),
            forget,
        })
    }

    /// Every setting that can change a figure.
    fn record(&self) -> BTreeMap<String, serde_json::Value> {
        let world = |kind| {
            let world = self.world(kind);
            json!({
                "budget": self.budget_of(kind),
                "rank": world.rank,
                "step": world.step,
                "unit": match world.unit { StepUnit::Rms => "rms", StepUnit::Absolute => "absolute" },
                "lambda": world.lambda,
                "episode_length": world.horizon,
            })
        };
        let reward = match self.reward_kind() {
            RewardKind::Probability => "probability",
            RewardKind::Accuracy => "accuracy",
        };
        let preset = match self.preset {
            Preset::Edit => "edit",
            Preset::Paper => "paper",
        };
        let mut config = BTreeMap::from([
            ("target".into(), json!("digits-cnn")),
            ("widths".into(), json!(format!("{}x{}", self.target.widths.0, self.target.widths.1))),
            ("layer".into(), json!(self.layer.as_deref().unwrap_or(DEFAULT_LAYER))),
            ("epochs".into(), json!(self.target.training.epochs)),
            ("forget".into(), json!(self.forget)),
            ("editors".into(), json!(self.editors)),
            ("preset".into(), json!(preset)),
            ("set".into(), json!(self.set)),
            ("reward".into(), json!(reward)),
            ("seeds".into(), json!(self.seeds)),
            ("seed".into(), json!(self.seed)),
            ("split_seed".into(), json!(self.split_seed)),
        ]);
        for &kind in &self.worlds {
            config.insert(format!("world_{}", kind.name()), world(kind));
        }
        config
    }
}

/// The layer that is edited by default.
const DEFAULT_LAYER: &str = "fc2";

/// ShiftWorld's step in absolute units: what 1.5 × rms is for the layer 128 × 32 of `digits-cnn`.
const ABSOLUTE_STEP: f32 = 0.2;

/// Index of the dense layer `name` of `stack`.
///
/// # Errors
/// [`RunError::Failed`] lists the layers that can be edited.
pub(super) fn editable_layer(stack: &Stack, name: &str) -> Result<usize, RunError> {
    let dense = |index: &usize| {
        stack.layers().get(*index).is_some_and(|layer| matches!(layer.kind(), Kind::Dense { .. }))
    };
    stack.find(name).filter(dense).ok_or_else(|| {
        let names: Vec<_> = stack
            .layers()
            .iter()
            .filter(|layer| matches!(layer.kind(), Kind::Dense { .. }))
            .map(|layer| layer.name())
            .collect();
        RunError::Failed(format!(
            "--layer {name}: the network has no dense layer of that name (it has {})",
            names.join(", ")
        ))
    })
}

fn unknown_editor(name: &str) -> String {
    let names: Vec<_> = editor::EDITORS.iter().map(|editor| editor.name).collect();
    let nearest = names.iter().min_by_key(|known| edit_distance(known, name));
    let hint = nearest
        .filter(|known| edit_distance(known, name) <= 3)
        .map_or(String::new(), |known| format!("; did you mean {known}?"));
    format!("--editor {name}: no such editor{hint} (editors: {})", names.join(", "))
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Runs `unlearn` on `data`. `cached` holds targets that need not be trained again.
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
    let seeds: Vec<u64> = (config.seed..config.seed + config.seeds).collect();
    let ready: Vec<(u64, Option<Target>)> =
        seeds.iter().map(|&seed| (seed, cached(seed))).collect();
    let missing = ready.iter().filter(|(_, target)| target.is_none()).count();
    observer.phase("training the target networks", missing);
    let targets = pool::map(&ready, config.threads, |(seed, target)| match target {
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
    })?;
    let Some(stack) = targets.first().map(|target| &target.stack) else {
        return Err(RunError::Usage("--seeds is 0".into()));
    };
    let layer = editable_layer(stack, config.layer.as_deref().unwrap_or(DEFAULT_LAYER))?;
    let task = Unlearning::new(
        plan.forget,
        plan.reward,
        [data.train.labels(), data.reward.labels(), data.test.labels()],
    );

    let mut units: Vec<(Option<WorldKind>, Unit<'_>)> = Vec::new();
    for &editor in &plan.editors {
        let worlds: Vec<Option<WorldKind>> = match editor.kind {
            EditorKind::Reward => config.worlds.iter().copied().map(Some).collect(),
            _ => vec![None],
        };
        for world in worlds {
            let kind = world.unwrap_or(WorldKind::Shift);
            for target in &targets {
                units.push((
                    world,
                    Unit {
                        kernel: config.kernel,
                        data,
                        task,
                        target,
                        training: config.target.training,
                        layer,
                        world: config.world(kind),
                        settings: &plan.settings,
                        editor,
                        budget: if world.is_some() { config.budget_of(kind) } else { 0 },
                        target_value: TARGET_VALUE,
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

    observer.phase("comparing with retraining", units.len());
    let pairs: Vec<_> = units.iter().zip(&found).collect();
    let distances = pool::map(&pairs, config.threads, |((_, unit), found)| {
        let retrained = pairs.iter().find(|((_, other), _)| {
            other.editor.name == "retrain" && other.target.seed == unit.target.seed
        });
        let gauge = Gauge { kernel: unit.kernel, stack, data, task, lambda: unit.world.lambda };
        let distance = retrained
            .map(|(_, retrained)| to_retrained(&gauge, &found.parameters, &retrained.parameters))
            .transpose();
        observer.finished("");
        distance
    })?;

    let mut runs = Vec::with_capacity(units.len());
    let mut artifacts = Vec::with_capacity(units.len());
    for (((world, unit), found), distance) in units.iter().zip(&found).zip(distances) {
        let run = run_record(config, data, *world, unit, found, distance)?;
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
            reward: data.reward.len(),
            test: data.test.len(),
            digest: data.digest.clone(),
        },
        runs,
        summary: Vec::new(),
    };
    Ok(Unlearned { results, targets, artifacts })
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
    let (cols, rows) = layer.map_or((0, 0), |layer| (layer.inputs(), layer.outputs()));
    let gauge =
        Gauge { kernel: unit.kernel, stack, data, task: unit.task, lambda: unit.world.lambda };
    let acts = world.is_some();
    Ok(RunRecord {
        target: TargetRecord {
            name: "digits-cnn".into(),
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
        forget: config.forget.iter().map(|&class| u32::from(class)).collect(),
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
        probe_recovery: None,
        relearn_steps: None,
        mia: None,
        edit_norm: Some(found.edit_norm),
        digest: format!("{:016x}", found.digest),
        curve: found.curve.clone(),
        note: note(config, unit, found),
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
