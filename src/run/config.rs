//! The settings of `unlearn`, and what is recorded of them. What they come to: `plan`, `worlds`.

use super::erase::Erase;
use super::loaded::default_layer;
use super::target::{NAME, Target, TargetConfig};
use crate::editor::{Length, Refine};
use crate::kernel::Kernel;
use crate::task::{Refit, RewardKind};
use crate::world::{Unit as StepUnit, WorldKind};
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
    /// What works: see [`ppo::Config::edit`](crate::ppo::Config::edit).
    #[default]
    Edit,
    /// Stable-Baselines3's defaults in the paper's world: [`ppo::Config::paper`](crate::ppo::Config::paper),
    /// absolute unit, raw weights, accuracy.
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

impl UnlearnConfig {
    /// The classes to forget; none when samples are forgotten.
    pub(super) fn classes(&self) -> &[u8] {
        if self.forget_random.is_some() { &[] } else { &self.forget }
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
