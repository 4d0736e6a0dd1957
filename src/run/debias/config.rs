//! The settings of `debias`.

use super::target::{INT8, PROFANITY, TOXICITY, TextTarget};
use crate::data::edit_distance;
use crate::editor::text::{TEXT_EDITORS, TextEditorInfo, find_text};
use crate::editor::{self, Acts, EDITORS, EditorInfo, EditorKind, REACH, Refine, Settings, View};
use crate::kernel::Kernel;
use crate::ppo;
use crate::run::error::RunError;
use crate::run::int8::name_of;
use crate::task::{Bias, DebiasingConfig, Utility};
use crate::world::int8::{Int8Form, Int8Range};
use crate::world::{Config, Unit as StepUnit, WorldKind};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The editors that `debias` runs unless told otherwise; those that cannot edit the target are left
/// out.
pub const DEFAULT_DEBIAS_EDITORS: &[&str] = &[
    "ppo",
    "sep-cma-es",
    "random",
    "policy",
    "column-scale",
    "savani",
    "none",
    "blindness",
    "blindness-token",
    "threshold",
    "leace",
    "refit",
    "fine-tune-last",
    "fine-tune",
    "reweighing",
    "counterfactual",
    "retrain",
];

/// What is debiased.
#[derive(Clone, Debug)]
pub enum DebiasTarget {
    /// `toxicity-mlp`, trained here.
    Toxicity,
    /// `profanity`, the deployed classifier that ships.
    Profanity,
    /// A classifier that was loaded.
    Loaded(Arc<TextTarget>),
}

impl DebiasTarget {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Toxicity => TOXICITY,
            Self::Profanity => PROFANITY,
            Self::Loaded(target) => &target.name,
        }
    }
}

/// Everything that decides the figures of `debias`, and how it is run.
#[derive(Clone, Debug)]
pub struct DebiasConfig {
    /// What is debiased.
    pub target: DebiasTarget,
    /// Whether it is quantised after its training: what of the integers is edited, and what becomes of weights
    /// beyond ±127.
    pub int8: Option<(Int8Form, Int8Range)>,
    /// Comments of a file, in place of the built-in ones.
    pub data: Option<PathBuf>,
    /// Files of comments on which figures are taken as well.
    pub test_data: Vec<PathBuf>,
    /// Name of the edited layer; `None` for `64x16`, or a loaded network's only one.
    pub layer: Option<String>,
    /// The worlds, in the order of the report.
    pub worlds: Vec<WorldKind>,
    /// Names of editors; empty for the default ones that fit.
    pub editors: Vec<String>,
    /// What counts as bias.
    pub bias: Bias,
    /// What is to be kept.
    pub utility: Utility,
    /// Probability from which on a comment is called toxic.
    pub threshold: f32,
    /// The same for the bias alone.
    pub gap_threshold: Option<f32>,
    /// Whether the bias is measured at the matched threshold.
    pub matched: bool,
    /// Names of the groups; empty for all.
    pub groups: Vec<String>,
    /// μ; `None` for the target's own.
    pub size_penalty: Option<f32>,
    /// λ; `None` for .5, or .7 where the target is loaded: a classifier that is in use has more to lose.
    pub lambda: Option<f32>,
    /// Rank of the action.
    pub rank: usize,
    /// Step; `None` for the world's own.
    pub step: Option<f32>,
    /// Unit of the step.
    pub unit: StepUnit,
    /// Single hyper-parameters of PPO, name and value.
    pub set: Vec<(String, String)>,
    /// Reward evaluations of each editor; `None` for 4,000 (shift, `ppo` and `toxicity-mlp`) or 2,000.
    pub budget: Option<u64>,
    /// Trained policy: a built-in name or a path; `None` for the world's own.
    pub policy: Option<String>,
    /// The policy of the file that acts.
    pub policy_seed: Option<usize>,
    /// What `policy` does after its first action.
    pub refine: Option<Refine>,
    /// Whether an editor's best edit by reward is shown, even where it has a mean.
    pub keep_best: bool,
    /// Folds of cross-validation in place of seeds.
    pub folds: Option<usize>,
    /// Whether AUC against gap is drawn over λ and μ.
    pub front: bool,
    /// Number of seeds.
    pub seeds: u64,
    /// First seed.
    pub seed: u64,
    /// Seed of the data that are made, or of the split.
    pub split_seed: u64,
    /// Threads. Changes no figure.
    pub threads: usize,
    /// Kernels. Changes no figure.
    pub kernel: Kernel,
}

impl Default for DebiasConfig {
    fn default() -> Self {
        Self {
            target: DebiasTarget::Toxicity,
            int8: None,
            data: None,
            test_data: Vec::new(),
            layer: None,
            worlds: vec![WorldKind::Shift, WorldKind::Mask],
            editors: Vec::new(),
            bias: Bias::FprGap,
            utility: Utility::Accuracy,
            threshold: 0.5,
            gap_threshold: None,
            matched: false,
            groups: Vec::new(),
            size_penalty: None,
            lambda: None,
            rank: 1,
            step: None,
            unit: StepUnit::Rms,
            set: Vec::new(),
            budget: None,
            policy: None,
            policy_seed: None,
            refine: None,
            keep_best: false,
            folds: None,
            front: false,
            seeds: 5,
            seed: 0,
            split_seed: 0,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: Kernel::auto(),
        }
    }
}

/// An editor of either table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    World(&'static EditorInfo),
    Text(&'static TextEditorInfo),
}

impl Method {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::World(editor) => editor.name,
            Self::Text(editor) => editor.name,
        }
    }

    pub(super) fn kind(&self) -> EditorKind {
        match self {
            Self::World(editor) => editor.kind,
            Self::Text(editor) => editor.kind,
        }
    }
}

/// Names of the layers of `target` that can be edited, the default one first.
pub fn debias_layers(target: &DebiasTarget) -> Vec<String> {
    match target {
        DebiasTarget::Toxicity => ["64x16", "embed", "16x2"].map(str::to_string).to_vec(),
        DebiasTarget::Profanity => vec!["linear".into()],
        DebiasTarget::Loaded(target) => {
            let weighted = target.stack.layers().iter().filter(|layer| layer.kind().fan_in() > 0);
            weighted.map(|layer| layer.name().to_string()).collect()
        }
    }
}

/// Editors that act in a world and can debias: all that see nothing but the reward, and the policies. One at
/// full rank is among the references, where it perturbs the network that others edit.
fn acts(editor: &EditorInfo) -> bool {
    editor.kind == EditorKind::Reward
        && matches!(editor.view, View::None | View::Policy)
        && editor.acts != Acts::MaskEach
}

impl DebiasConfig {
    /// Name of the target, for reports.
    pub fn target_name(&self) -> String {
        let ending = if self.int8.is_some() { INT8 } else { "" };
        format!("{}{ending}", self.target.name())
    }

    /// Name of the edited layer.
    pub fn layer_name(&self) -> String {
        let default = || debias_layers(&self.target).into_iter().next().unwrap_or_default();
        self.layer.clone().unwrap_or_else(default)
    }

    /// λ.
    pub fn lambda(&self) -> f32 {
        let usual = if matches!(self.target, DebiasTarget::Toxicity) { 0.5 } else { 0.7 };
        self.lambda.unwrap_or(usual)
    }

    /// μ of a world.
    pub fn size_penalty(&self, kind: WorldKind) -> f32 {
        self.size_penalty.unwrap_or(match (&self.target, kind) {
            _ if self.data.is_some() => 0.15,
            (DebiasTarget::Toxicity, _) => 0.0,
            (_, WorldKind::Mask) => 0.1,
            (_, WorldKind::Shift) => 0.03,
        })
    }

    /// The world of `kind` under this configuration.
    pub fn world(&self, kind: WorldKind) -> Config {
        let mut world = Config::new(kind);
        world.unit = self.unit;
        world.step = self.step.unwrap_or(world.step);
        world.rank = self.rank;
        world.lambda = self.lambda();
        world.size_penalty = self.size_penalty(kind);
        world
    }

    /// The world of an editor that acts by a policy: its step reaches further.
    pub(super) fn world_of_view(&self, kind: WorldKind) -> Config {
        let world = self.world(kind);
        Config { step: world.step * REACH, rank: 1, ..world }
    }

    /// The task.
    pub(super) fn task(&self) -> DebiasingConfig {
        DebiasingConfig {
            bias: self.bias,
            utility: self.utility,
            threshold: self.threshold,
            gap_threshold: self.gap_threshold,
        }
    }

    /// Evaluations of an editor in a world.
    pub(super) fn budget_of(&self, editor: &EditorInfo, kind: WorldKind) -> u64 {
        self.budget.unwrap_or(match (&self.target, kind) {
            _ if editor.view == View::Policy => 60,
            (DebiasTarget::Toxicity, _) if self.data.is_none() => 4_000,
            (DebiasTarget::Profanity | DebiasTarget::Loaded(_), WorldKind::Shift) => 4_000,
            _ => 2_000,
        })
    }

    /// Evaluations of a reference that searches.
    pub(super) fn budget_of_reference(&self) -> u64 {
        self.budget.unwrap_or(500).min(500)
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
        if self.worlds.is_empty() {
            return usage("at least one world is needed".into());
        }
        for (name, value) in
            [("--threshold", Some(self.threshold)), ("--gap-threshold", self.gap_threshold)]
        {
            if value.is_some_and(|value| !(value > 0.0 && value < 1.0)) {
                return usage(format!("{name} is a probability above 0 and below 1"));
            }
        }
        match self.folds {
            Some(folds) if self.data.is_none() => {
                return usage(format!(
                    "--folds {folds}: the built-in comments are made anew for every part; folds need \
                     --data"
                ));
            }
            Some(folds) if !(3..=20).contains(&folds) => {
                return usage(format!("--folds {folds}: between 3 and 20 folds can be made"));
            }
            Some(_) if !matches!(self.target, DebiasTarget::Toxicity) => {
                return usage("--folds trains a network per fold: it needs toxicity-mlp".into());
            }
            _ => {}
        }
        let layers = debias_layers(&self.target);
        if let Some(layer) = self.layer.as_ref().filter(|layer| !layers.contains(layer)) {
            return usage(format!(
                "--layer {layer}: {} has the layers {}",
                self.target.name(),
                layers.join(", ")
            ));
        }
        for name in &self.editors {
            self.method(name)?;
        }
        let shifts = self.worlds.contains(&WorldKind::Shift);
        if shifts && self.int8.is_some_and(|(form, _)| form == Int8Form::RowMultipliers) {
            return usage("row multipliers can be scaled alone (--world mask)".into());
        }
        for &kind in &self.worlds {
            if let Err(error) = self.world(kind).validate() {
                return usage(error.to_string());
            }
        }
        self.settings().map(|_| ())
    }

    fn method(&self, name: &str) -> Result<Method, RunError> {
        if let Some(editor) = find_text(name) {
            return Ok(Method::Text(editor));
        }
        match editor::find(name) {
            Some(editor) if acts(editor) => Ok(Method::World(editor)),
            Some(_) => Err(RunError::Usage(format!("--editor {name}: it unlearns classes only"))),
            None => {
                let names: Vec<&str> = names().collect();
                let nearest = names.iter().min_by_key(|known| edit_distance(known, name));
                let hint = nearest
                    .filter(|known| edit_distance(known, name) <= 3)
                    .map_or(String::new(), |known| format!("; did you mean {known}?"));
                Err(RunError::Usage(format!(
                    "--editor {name}: no such editor{hint} (editors: {})",
                    names.join(", ")
                )))
            }
        }
    }

    /// The editors, and whether they were asked for by name; where none are, with `every` all that there are.
    pub(super) fn methods(&self, every: bool) -> Result<(Vec<Method>, bool), RunError> {
        let named = !self.editors.is_empty();
        let methods: Result<Vec<Method>, RunError> = if named {
            self.editors.iter().map(|name| self.method(name)).collect()
        } else if every {
            names().map(|name| self.method(name)).collect()
        } else {
            DEFAULT_DEBIAS_EDITORS.iter().map(|name| self.method(name)).collect()
        };
        Ok((methods?, named))
    }

    pub(super) fn settings(&self) -> Result<Settings, RunError> {
        // Twice the samples of an update: rates are counted, and steps of a count are noise.
        let edit = ppo::Config::edit();
        let mut ppo = ppo::Config { rollout: 64, minibatch: 64, learning_rate: 4e-3, ..edit };
        for (key, value) in &self.set {
            ppo.set(key, value)
                .map_err(|error| RunError::Usage(format!("--set {key}={value}: {error}")))?;
        }
        ppo.validate().map_err(|error| RunError::Usage(format!("--set: {error}")))?;
        Ok(Settings {
            ppo,
            kernel: self.kernel,
            // A policy that was trained for this bias acts as it is, unless told otherwise.
            refine: Some(self.refine.unwrap_or(Refine::None)),
            policy_seed: self.policy_seed,
            ..Settings::default()
        })
    }

    /// Every setting that can change a figure.
    pub(crate) fn record(&self) -> BTreeMap<String, serde_json::Value> {
        let mut config = BTreeMap::from([
            ("target".into(), json!(self.target_name())),
            ("layer".into(), json!(self.layer_name())),
            ("editors".into(), json!(self.editors)),
            ("bias".into(), json!(self.bias.name())),
            ("utility".into(), json!(self.utility.name())),
            ("threshold".into(), json!(self.threshold)),
            ("gap_threshold".into(), json!(self.gap_threshold)),
            ("matched".into(), json!(self.matched)),
            ("groups".into(), json!(self.groups)),
            ("lambda".into(), json!(self.lambda)),
            ("set".into(), json!(self.set)),
            ("policy".into(), json!(self.policy)),
            ("policy_seed".into(), json!(self.policy_seed)),
            ("refine".into(), json!(self.refine.map(Refine::name))),
            ("keep_best".into(), json!(self.keep_best)),
            ("folds".into(), json!(self.folds)),
            ("front".into(), json!(self.front)),
            ("seeds".into(), json!(self.seeds)),
            ("seed".into(), json!(self.seed)),
            ("split_seed".into(), json!(self.split_seed)),
        ]);
        if let Some(how) = self.int8 {
            config.insert("int8".into(), json!(name_of(how)));
        }
        for &kind in &self.worlds {
            let world = self.world(kind);
            config.insert(
                format!("world_{}", kind.name()),
                json!({
                    "budget": self.budget,
                    "lambda": world.lambda,
                    "rank": world.rank,
                    "step": world.step,
                    "unit": match world.unit {
                        StepUnit::Rms => "rms",
                        StepUnit::Absolute => "absolute",
                    },
                    "size_penalty": world.size_penalty,
                }),
            );
        }
        config
    }
}

/// Names of all editors that can debias.
fn names() -> impl Iterator<Item = &'static str> {
    let acting = EDITORS.iter().filter(|editor| acts(editor)).map(|editor| editor.name);
    acting.chain(TEXT_EDITORS.iter().map(|editor| editor.name))
}
