//! What `debias` hands to its reports: schema 1 of `results.json` for this command.
//!
//! A figure that was not computed, does not apply or is undefined is null, never 0.

use crate::run::int8::Quantised;
use crate::run::record::{CurvePoint, DataRecord, TargetRecord};
use crate::world::Config;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that one command found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DebiasResults {
    /// [`SCHEMA`](crate::run::record::SCHEMA).
    pub schema: u32,
    /// "debias".
    pub command: String,
    /// Version of the crate.
    pub version: String,
    /// Every setting that can change a figure.
    pub config: BTreeMap<String, serde_json::Value>,
    /// The data that were used.
    pub data: DataRecord,
    /// One entry per editor × world × layer × seed (or fold).
    pub runs: Vec<DebiasRun>,
    /// Over all folds: figures of the predictions on every comment, each made by a network that did not
    /// see it; empty without folds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pooled: Vec<PooledRun>,
    /// AUC against gap over λ and μ, of the first seed; empty unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<FrontPoint>,
    /// What has to be said of all runs, a paragraph each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One editor on one target with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DebiasRun {
    /// The network that was edited.
    pub target: TargetRecord,
    /// Name of the editor.
    pub editor: String,
    /// "reward", "gradient", "closed" or "reference".
    pub kind: String,
    /// "mask" or "shift"; null for editors that use neither world.
    pub world: Option<String>,
    /// Seed of target and editor; the number of the fold with folds.
    pub seed: u64,
    /// Evaluations that were allowed.
    pub budget: u64,
    /// Evaluations that were used.
    pub evaluations: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Before the edit, test split.
    pub before: DebiasFigures,
    /// After it, test split.
    pub after: DebiasFigures,
    /// Which of an editor's two edits `after` shows: "mean" (noise-free policy, distribution mean) or
    /// "best" (best by reward); null for editors with one.
    pub edit: Option<String>,
    /// The other one.
    pub other: Option<DebiasFigures>,
    /// Other test data, by name: before and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<(String, DebiasFigures, DebiasFigures)>,
    /// ‖ΔW‖_F / ‖W‖_F of the edited layer, over the columns that occur.
    pub edit_norm: Option<f64>,
    /// Digest of the run, 16 hexadecimal digits.
    pub digest: String,
    /// The learning curve (at most about 100 points).
    pub curve: Vec<CurvePoint>,
    /// The words whose weights changed most, where the first layer was edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<ChangedWord>,
    /// Some texts of the test split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExampleText>,
}

/// Figures over all folds of one editor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PooledRun {
    /// Name of the editor.
    pub editor: String,
    /// "mask", "shift" or null.
    pub world: Option<String>,
    /// Name of the edited layer; empty for editors of none.
    pub layer: String,
    /// Before the edit.
    pub before: DebiasFigures,
    /// After it.
    pub after: DebiasFigures,
    /// Other test data, by name: means over the folds, before and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<(String, DebiasFigures, DebiasFigures)>,
}

/// Figures of one network on one set of comments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DebiasFigures {
    /// Comments.
    pub n: usize,
    /// Area under the ROC curve, in [0, 1].
    pub auc: Option<f64>,
    /// Accuracy at `threshold`.
    pub accuracy: Option<f64>,
    /// Share of toxic comments that are called toxic.
    pub tpr: Option<f64>,
    /// Share of other comments that are called toxic.
    pub fpr: Option<f64>,
    /// Probability from which on a comment is called toxic.
    pub threshold: f32,
    /// The Jigsaw score, and its subgroup, BPSN and BNSP parts.
    pub jigsaw_score: Option<f64>,
    /// Power mean of the subgroup AUCs.
    pub subgroup_auc: Option<f64>,
    /// Power mean of the AUCs of a group's non-toxic against other groups' toxic comments.
    pub bpsn_auc: Option<f64>,
    /// Power mean of the AUCs of a group's toxic against other groups' non-toxic comments.
    pub bnsp_auc: Option<f64>,
    /// Mean distance of a group's FPR from the FPR of all comments; FPED divided by the groups.
    pub fped_mean: Option<f64>,
    /// FPED, the sum.
    pub fped: f64,
    /// The same of FNR.
    pub fned_mean: Option<f64>,
    /// FNED, the sum.
    pub fned: f64,
    /// The largest FPR gap.
    pub worst_gap: Option<f64>,
    /// Mean FPR gap when the groups are permuted (200 times).
    pub gap_null: Option<f64>,
    /// 95 % of the permutations have at most this gap.
    pub gap_null_high: Option<f64>,
    /// Mean FNR gap when the groups are permuted.
    pub fned_null: Option<f64>,
    /// Threshold at which the reward split's FPR is the unedited network's.
    pub matched_threshold: Option<f32>,
    /// Mean FPR gap at that threshold.
    pub matched_gap: Option<f64>,
    /// Largest FPR gap at that threshold.
    pub matched_worst: Option<f64>,
    /// Accuracy at that threshold.
    pub matched_accuracy: Option<f64>,
    /// Largest difference of TPR or FPR between two groups.
    pub equalized_odds: Option<f64>,
    /// Largest difference of the share that is called toxic between two groups.
    pub demographic_parity: Option<f64>,
    /// Rates and AUCs of groups that are undefined, and were left out.
    pub undefined: usize,
    /// The reward split.
    pub reward: Option<RewardFigures>,
    /// Kinds of comments, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindFigures>,
    /// The groups.
    pub groups: Vec<GroupFigures>,
}

/// Terms of the reward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RewardFigures {
    /// Utility.
    pub utility: f32,
    /// Edit term: 1 − bias.
    pub edit: f32,
    /// λ·utility + (1 − λ)·edit, without the size term.
    pub reward: f32,
}

/// One kind of comments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindFigures {
    /// Its name.
    pub name: String,
    /// Comments.
    pub n: usize,
    /// AUC among them.
    pub auc: Option<f64>,
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupFigures {
    /// Its name.
    pub name: String,
    /// Comments that name it.
    pub n: usize,
    /// Those that are not toxic.
    pub negatives: usize,
    /// Share of them that is called toxic.
    pub fpr: Option<f64>,
    /// Share of its toxic comments that is not.
    pub fnr: Option<f64>,
    /// FPR minus the FPR of all comments.
    pub gap: Option<f64>,
    /// Mean distance when the groups are permuted.
    pub gap_null: Option<f64>,
    /// FPR gap at the matched threshold.
    pub matched_gap: Option<f64>,
    /// AUC among its comments.
    pub subgroup_auc: Option<f64>,
}

/// A point of the front.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrontPoint {
    /// "mask" or "shift".
    pub world: String,
    /// λ.
    pub lambda: f32,
    /// μ.
    pub size_penalty: f32,
    /// AUC, test split.
    pub auc: Option<f64>,
    /// Mean FPR gap, test split.
    pub gap: Option<f64>,
    /// Mean FPR gap at the matched threshold, test split.
    pub matched_gap: Option<f64>,
    /// Whether no other point of its world has both a higher AUC and a lower gap.
    pub best: bool,
}

/// A word whose weights were changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangedWord {
    /// The word.
    pub word: String,
    /// ‖Δw‖ / ‖w‖ of its weights.
    pub change: f64,
    /// Mean of its weights before and after, where the layer's outputs are evidence of toxicity.
    pub weights: Option<(f32, f32)>,
}

/// A comment and its probability of being toxic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExampleText {
    /// The comment.
    pub text: String,
    /// Its label.
    pub toxic: bool,
    /// Before the edit.
    pub before: f32,
    /// After it.
    pub after: f32,
}

/// An edited network, for files.
#[derive(Clone, Debug)]
pub struct DebiasArtifact {
    /// Name of the editor.
    pub editor: String,
    /// "mask", "shift" or none.
    pub world: Option<String>,
    /// Name of the edited layer; empty for editors of none.
    pub layer: String,
    /// Seed or fold.
    pub seed: u64,
    /// Parameters of the edited network.
    pub parameters: Vec<f32>,
    /// The integers that they stand for, of a quantised one.
    pub(in crate::run) integers: Option<Quantised>,
    /// Threshold that belongs to it.
    pub threshold: f32,
    /// The actions that made it, for editors that act.
    pub actions: Option<TextActions>,
}

/// Actions on a layer of a classifier of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct TextActions {
    /// The world, its step and rank.
    pub world: Config,
    /// What the step was multiplied by.
    pub unit: f32,
    /// The words whose weights were edited; `None` for all inputs of the layer.
    pub columns: Option<Vec<u32>>,
    /// Inputs (words that were edited) and outputs of the layer.
    pub shape: (usize, usize),
    /// The entries.
    pub entries: Vec<f32>,
}
