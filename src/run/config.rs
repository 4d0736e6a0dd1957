//! The settings of `unlearn`: what they may be, and what they come to.

use super::erase::{COLD_BUDGET, COLD_SIGMA, Erase, WARM_BUDGET};
use super::error::RunError;
use super::loaded::default_layer;
use super::policy::{TrainedPolicy, policy_notes};
use super::prepare::Prepared;
use super::subset;
use super::target::{NAME, Target, TargetConfig};
use crate::data::edit_distance;
use crate::editor::{
    self, EditorInfo, EditorKind, Length, REACH, Refine, Settings, View, full_rank_step,
};
use crate::kernel::Kernel;
use crate::nn::Stack;
use crate::ppo;
use crate::task::{ClassSet, ErasureConfig, Refit, RewardKind};
use crate::world::{Config, Unit as StepUnit, WorldKind};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// The target networks, where they are trained.
    pub target: TargetConfig,
    /// A network that was loaded: the target of every seed, in place of networks that are trained.
    pub model: Option<Arc<Target>>,
    /// Name of the edited layer, or names of several with commas between them; `None` for `fc2`, or of a loaded network its last hidden dense layer.
    pub layer: Option<String>,
    /// The worlds, in the order of the report.
    pub worlds: Vec<WorldKind>,
    /// Classes to forget; not read when samples are forgotten.
    pub forget: Vec<u8>,
    /// Share of the training samples (drawn by `split_seed`) to forget in place of classes, in (0, 1).
    pub forget_random: Option<f64>,
    /// Networks of either kind for U-LiRA on the samples to forget; `None`: no such attack.
    pub lira: Option<usize>,
    /// Names of editors.
    pub editors: Vec<String>,
    /// Hyper-parameters.
    pub preset: Preset,
    /// Single hyper-parameters of PPO, name and value.
    pub set: Vec<(String, String)>,
    /// Reward evaluations of each editor; `None` for the defaults (2,000 shift, 5,000 mask; 10,240 with
    /// the paper preset, five whole rollouts).
    pub budget: Option<u64>,
    /// The trained policy that `policy` acts by: a built-in name or a path; `None` for the world's own.
    pub policy: Option<String>,
    /// The policy of the file that acts; `None` for the first one or all of them.
    pub policy_seed: Option<usize>,
    /// What `policy` does after its first action; `None` for the world's own.
    pub refine: Option<Refine>,
    /// Where the length of its first step comes from; `None` for what goes with what follows.
    pub length: Option<Length>,
    /// Rank of the action.
    pub rank: usize,
    /// Step; `None` for the world's own.
    pub step: Option<f32>,
    /// Unit of the step; `None` for the preset's.
    pub unit: Option<StepUnit>,
    /// λ.
    pub lambda: f32,
    /// Whether and how features are made to forget too. [`erasing`](Self::erasing) sets what goes with it.
    pub erase: Option<Erase>,
    /// How the last layer is fitted anew for erasure; `None` for what goes with [`erase`](Self::erase).
    pub refit: Option<Refit>,
    /// Whether a refit looks at every hidden layer behind the first edited one; `None`: where it is a softmax.
    pub deep: Option<bool>,
    /// Initial step size of the editors that are separable CMA-ES; `None` for their own.
    pub sigma: Option<f32>,
    /// Whether the forgotten classes' outputs are switched off after every edit, references aside.
    pub then_mask: bool,
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
            model: None,
            layer: None,
            worlds: vec![WorldKind::Shift, WorldKind::Mask],
            forget: vec![7],
            forget_random: None,
            lira: None,
            editors: DEFAULT_EDITORS.iter().map(ToString::to_string).collect(),
            preset: Preset::Edit,
            set: Vec::new(),
            budget: None,
            policy: None,
            policy_seed: None,
            refine: None,
            length: None,
            rank: 1,
            step: None,
            unit: None,
            lambda: 0.5,
            erase: None,
            refit: None,
            deep: None,
            sigma: None,
            then_mask: false,
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

/// A configuration that has been checked against the data.
pub(super) struct Plan {
    pub(super) editors: Vec<&'static EditorInfo>,
    pub(super) settings: Settings,
    pub(super) reward: RewardKind,
    pub(super) forget: ClassSet,
    pub(super) erasure: Option<ErasureConfig>,
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
            _ if matches!(self.erase, Some(Erase::Cold | Erase::Off)) => {
                // The entries of D shrink as 1/√r.
                world.step * (self.rank as f32).sqrt()
            }
            _ => world.step,
        });
        world.rank = self.rank;
        world.lambda = self.lambda;
        world.horizon = self.episode_length;
        world
    }

    /// The world of an editor that sees the layer: its step reaches further, its rank is the number of
    /// classes.
    pub(super) fn world_of_view(&self, kind: WorldKind) -> Config {
        let mut world = Config::new(kind);
        world.lambda = self.lambda;
        world.rank = self.forget.len().max(1);
        world.step = self.step_of_view(kind) * REACH * world.rank as f32;
        world
    }

    /// The world of an editor that scales single weights of a layer of inputs × outputs: a mask of full rank.
    pub(super) fn world_of_weights(&self, (inputs, outputs): (usize, usize)) -> Config {
        let mut world = Config::new(WorldKind::Mask);
        world.lambda = self.lambda;
        world.rank = inputs.min(outputs).max(1);
        world.step = full_rank_step(world.rank);
        world
    }

    /// The step of such an editor before its world's reach.
    pub(super) fn step_of_view(&self, kind: WorldKind) -> f32 {
        self.step.unwrap_or(Config::new(kind).step)
    }

    /// Evaluations of an editor in a world.
    pub(super) fn budget_for(&self, editor: &EditorInfo, kind: WorldKind) -> u64 {
        match editor.view {
            View::None => self.budget_of(kind),
            View::Inputs if editor.kind == EditorKind::Closed => 0,
            View::Inputs => self.budget.unwrap_or(WARM_BUDGET),
            // A policy that learns here needs what searches need.
            View::Neurons if editor.kind == EditorKind::Reward => self.budget_of(kind),
            View::Neurons | View::Policy => self.budget.unwrap_or(VIEW_BUDGET),
        }
    }

    pub(super) fn budget_of(&self, kind: WorldKind) -> u64 {
        self.budget.unwrap_or(match (self.preset, kind) {
            _ if self.erase == Some(Erase::Warm) => WARM_BUDGET,
            _ if self.erase.is_some() => COLD_BUDGET,
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
        let nothing = self.forget.is_empty() && self.forget_random.is_none();
        if self.editors.is_empty() || self.worlds.is_empty() || nothing {
            return usage(
                "at least one editor, one world and one class to forget are needed".into(),
            );
        }
        subset::validate(self)?;
        for name in &self.editors {
            let Some(editor) = editor::find(name) else { return usage(unknown_editor(name)) };
            if self.model.is_some() && editor.training_data {
                return usage(format!(
                    "--editor {name}: it needs the samples that trained the network, and what the network \
                     of --model was trained on is not known"
                ));
            }
        }
        if self.erase.is_none() && (self.refit.is_some() || self.deep.is_some()) {
            return usage("--refit and --deep say how --erase pays: they need it".into());
        }
        if self.sigma.is_some_and(|sigma| !(sigma > 0.0 && sigma.is_finite())) {
            return usage("--sigma must be a number above 0".into());
        }
        for &kind in &self.worlds {
            if let Err(error) = self.world(kind).validate() {
                return usage(error.to_string());
            }
        }
        self.settings().map(|_| ())
    }

    /// The classes to forget; none when samples are forgotten.
    pub(super) fn classes(&self) -> &[u8] {
        if self.forget_random.is_some() { &[] } else { &self.forget }
    }

    fn settings(&self) -> Result<Settings, RunError> {
        let mut ppo = match self.preset {
            Preset::Edit => ppo::Config::edit(),
            Preset::Paper => ppo::Config::paper(),
        };
        for (key, value) in &self.set {
            ppo.set(key, value)
                .map_err(|error| RunError::Usage(format!("--set {key}={value}: {error}")))?;
        }
        ppo.validate().map_err(|error| RunError::Usage(format!("--set: {error}")))?;
        Ok(Settings {
            ppo,
            kernel: self.kernel,
            refine: self.refine,
            length: self.length,
            policy_seed: self.policy_seed,
            sigma: self.sigma.or(match self.erase {
                Some(Erase::Cold | Erase::Off) => Some(COLD_SIGMA),
                _ => None,
            }),
            warm_sigma: self.sigma,
        })
    }

    pub(super) fn plan(&self, data: &Prepared) -> Result<Plan, RunError> {
        self.validate()?;
        let classes = self.classes();
        if let Some(class) = classes.iter().find(|&&class| usize::from(class) >= data.classes) {
            return Err(RunError::Failed(format!(
                "--forget {class}: {} has the classes 0 to {}",
                data.name,
                data.classes.saturating_sub(1)
            )));
        }
        let forget = ClassSet::of(classes);
        if forget.len() >= data.classes {
            return Err(RunError::Failed("--forget names every class: nothing is left".into()));
        }
        Ok(Plan {
            editors: self.editors.iter().filter_map(|name| editor::find(name)).collect(),
            settings: self.settings()?,
            reward: self.reward_kind(),
            forget,
            erasure: self.erasure(),
        })
    }

    /// The trained policy for a world.
    pub(super) fn policy_of(&self, kind: WorldKind) -> Result<TrainedPolicy, RunError> {
        let policy = TrainedPolicy::load(self.policy.as_deref().unwrap_or(kind.name()))?;
        if policy.kind == kind {
            return Ok(policy);
        }
        Err(RunError::Failed(format!(
            "{}: a policy for {} world, --world asks for {} world",
            policy.name,
            policy.kind.name(),
            kind.name()
        )))
    }

    /// The trained policies that the planned editors need, one per world.
    pub(super) fn policies(&self, plan: &Plan) -> Result<Vec<TrainedPolicy>, RunError> {
        if plan.editors.iter().all(|editor| editor.view != View::Policy) {
            return Ok(Vec::new());
        }
        self.worlds.iter().map(|&kind| self.policy_of(kind)).collect()
    }

    /// What has to be said where these policies act on `layers`.
    pub(super) fn policy_notes(
        &self,
        policies: &[TrainedPolicy],
        stack: &Stack,
        layers: &[usize],
    ) -> Vec<String> {
        let edited = layers.iter().filter_map(|&layer| stack.layers().get(layer));
        let mut notes = Vec::new();
        for (policy, edited) in policies.iter().flat_map(|p| edited.clone().map(move |e| (p, e))) {
            let refine = self.refine.unwrap_or(Refine::default_of(policy.kind));
            let length = match self.editors.iter().any(|name| name == "policy") {
                true => self.length.unwrap_or(Length::default_of(refine)),
                // Others begin where its step ends, as it was predicted.
                false => Length::Predicted,
            };
            for note in policy_notes(policy, edited.kind(), length) {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        notes
    }

    /// Name of the edited layer.
    pub(super) fn layer_name(&self) -> &str {
        let default =
            || self.model.as_ref().map_or(DEFAULT_LAYER, |model| default_layer(&model.stack));
        self.layer.as_deref().unwrap_or_else(default)
    }

    /// Every setting that can change a figure.
    pub(super) fn record(&self) -> BTreeMap<String, serde_json::Value> {
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
            ("layer".into(), json!(self.layer_name())),
            ("forget".into(), json!(self.classes())),
            ("editors".into(), json!(self.editors)),
            ("preset".into(), json!(preset)),
            ("set".into(), json!(self.set)),
            ("policy".into(), json!(self.policy)),
            ("policy_seed".into(), json!(self.policy_seed)),
            ("refine".into(), json!(self.refine.map(Refine::name))),
            ("length".into(), json!(self.length.map(Length::name))),
            ("reward".into(), json!(reward)),
            ("then_mask".into(), json!(self.then_mask)),
            ("erase".into(), json!(self.erase.map(Erase::name))),
            ("refit".into(), json!(self.erasure().map(|erasure| erasure.refit.name()))),
            ("refit_deep".into(), json!(self.erasure().map(|_| self.deep()))),
            ("sigma".into(), json!(self.sigma)),
            ("seeds".into(), json!(self.seeds)),
            ("seed".into(), json!(self.seed)),
            ("split_seed".into(), json!(self.split_seed)),
        ]);
        if let Some(share) = self.forget_random {
            config.insert("forget_random".into(), json!(share));
        }
        if let Some(networks) = self.lira {
            config.insert("lira".into(), json!(networks));
        }
        match &self.model {
            None => config.extend([
                ("target".into(), json!(NAME)),
                ("widths".into(), json!(self.target.widths_text())),
                ("epochs".into(), json!(self.target.training.epochs)),
            ]),
            Some(model) => {
                let (mean, std) = model.normalize();
                config.extend([
                    ("target".into(), json!(model.name)),
                    ("model".into(), json!(model.key)),
                    ("normalize".into(), json!([mean, std])),
                ]);
            }
        }
        for &kind in &self.worlds {
            config.insert(format!("world_{}", kind.name()), world(kind));
        }
        config
    }
}

/// The layer of a network trained here that is edited by default.
const DEFAULT_LAYER: &str = "fc2";

/// Evaluations of editors that see the layer: ten scales of three policies, then as many of a search.
const VIEW_BUDGET: u64 = 60;

/// ShiftWorld's step in absolute units: what 1.5 × rms is for the layer 128 × 32 of `digits-cnn`.
const ABSOLUTE_STEP: f32 = 0.2;

fn unknown_editor(name: &str) -> String {
    let names: Vec<_> = editor::EDITORS.iter().map(|editor| editor.name).collect();
    let nearest = names.iter().min_by_key(|known| edit_distance(known, name));
    let hint = nearest
        .filter(|known| edit_distance(known, name) <= 3)
        .map_or(String::new(), |known| format!("; did you mean {known}?"));
    format!("--editor {name}: no such editor{hint} (editors: {})", names.join(", "))
}
