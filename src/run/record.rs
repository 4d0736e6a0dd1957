//! What a command hands to its reports: schema 1 of `results.json`.
//!
//! A figure that was not computed, or does not apply, is `None` (null), never 0. A figure that is not
//! finite is null too, for JSON has no NaN; where there is always a figure, it reads back as NaN.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Version of the schema that these types write.
pub const SCHEMA: u32 = 1;

/// Everything that one command found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The subcommand: "unlearn", …
    pub command: String,
    /// Version of the crate.
    pub version: String,
    /// Every setting that can change a figure (so neither threads, kernel, shard nor output).
    pub config: BTreeMap<String, serde_json::Value>,
    /// The data that were used.
    pub data: DataRecord,
    /// One entry per editor × world × seed.
    pub runs: Vec<RunRecord>,
    /// One entry per editor × world × metric.
    pub summary: Vec<SummaryRecord>,
    /// What has to be said of all runs, a paragraph each; left out when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The data set and its parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Name of the set.
    pub name: String,
    /// Samples that trained the target.
    pub train: usize,
    /// Samples that editors may look at.
    pub reward: usize,
    /// Samples that final figures are taken on.
    pub test: usize,
    /// sha256 of the decompressed images, then the labels.
    pub digest: String,
}

/// The network that was edited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// Name of the network.
    pub name: String,
    /// Name of the edited layer.
    pub layer: String,
    /// Outputs of the edited layer.
    pub rows: usize,
    /// Inputs of the edited layer.
    pub cols: usize,
    /// Accuracy on the whole test split before the edit, in [0, 1].
    #[serde(deserialize_with = "nullable")]
    pub test_accuracy: f32,
    /// Digest of the network before the edit, 16 hexadecimal digits.
    pub digest: String,
}

/// Accuracies on the test split and the terms of the reward on the reward split, all in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Accuracy on the retained classes, test split.
    #[serde(deserialize_with = "nullable")]
    pub retain_test: f32,
    /// Accuracy on the forgotten classes, test split.
    #[serde(deserialize_with = "nullable")]
    pub forget_test: f32,
    /// Utility, reward split.
    #[serde(deserialize_with = "nullable")]
    pub utility: f32,
    /// Edit term, reward split.
    #[serde(deserialize_with = "nullable")]
    pub edit: f32,
    /// λ·utility + (1 − λ)·edit, reward split.
    #[serde(deserialize_with = "nullable")]
    pub reward: f32,
}

/// The same for the noise-free policy, or the mean of a search distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyFigures {
    /// Accuracy on the retained classes, test split.
    #[serde(deserialize_with = "nullable")]
    pub retain_test: f32,
    /// Accuracy on the forgotten classes, test split.
    #[serde(deserialize_with = "nullable")]
    pub forget_test: f32,
    /// Reward on the reward split.
    #[serde(deserialize_with = "nullable")]
    pub reward: f32,
}

/// Accuracies on the train split, in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainFigures {
    /// On the retained classes.
    #[serde(deserialize_with = "nullable")]
    pub retain: f32,
    /// On the forgotten classes.
    #[serde(deserialize_with = "nullable")]
    pub forget: f32,
}

/// One point of a learning curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Evaluations so far.
    pub evaluations: u64,
    /// Best reward so far.
    #[serde(deserialize_with = "nullable")]
    pub best: f32,
    /// Mean reward since the last point.
    #[serde(deserialize_with = "nullable")]
    pub mean: f32,
}

/// Accuracy of a linear probe of one layer's outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerProbe {
    /// Name of the layer whose outputs (after its activation) the probe reads.
    pub layer: String,
    /// Accuracy of the probe on the forgotten classes, test split, in [0, 1].
    pub recovery: f64,
}

/// What a network answers on the test split, class by class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Classwise {
    /// Accuracy on each class before the edit, in [0, 1]; null for a class without samples.
    pub before: Vec<Option<f32>>,
    /// The same after the edit.
    pub after: Vec<Option<f32>>,
    /// Samples of class (outer) that the edited network takes for class (inner).
    pub predictions: Vec<Vec<u32>>,
}

/// What U-LiRA, an attack by likelihood ratios, makes of an edited network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiraRecord {
    /// Networks of either kind that the attack learned from.
    pub networks: u64,
    /// Share of right guesses, unlearned or never seen, in [0, 1]; ½ is chance.
    pub accuracy: f64,
    /// True-positive rate where at most 1 % of samples never seen are called unlearned; .01 is chance.
    pub tpr: f64,
}

/// The change of the edited layer's weights, for a picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// Rows of the picture: outputs of the layer.
    pub rows: usize,
    /// Columns: inputs.
    pub cols: usize,
    /// The change that 127 stands for, in units of rms(W).
    pub scale: f32,
    /// Changes in units of `scale` / 127, row by row.
    pub values: Vec<i8>,
}

/// One editor on one target with one seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The network that was edited.
    pub target: TargetRecord,
    /// Name of the editor.
    pub editor: String,
    /// "reward", "gradient", "closed" or "reference".
    pub kind: String,
    /// "mask" or "shift"; null for editors that use neither world.
    pub world: Option<String>,
    /// Seed of target and editor.
    pub seed: u64,
    /// Forgotten classes.
    pub forget: Vec<u32>,
    /// Evaluations that were allowed.
    pub budget: u64,
    /// Evaluations that were used.
    pub evaluations: u64,
    /// Evaluations until the reward first reached its target, if it did.
    pub evaluations_to_target: Option<u64>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Bytes of working memory that the editor was given.
    pub peak_bytes: Option<u64>,
    /// Before the edit.
    pub before: Figures,
    /// The best edit by reward.
    pub after: Figures,
    /// After the edit, on the train split: what ToW compares besides `after.retain_test`.
    #[serde(default)]
    pub after_train: Option<TrainFigures>,
    /// The noise-free policy or distribution mean, where there is one.
    pub policy: Option<PolicyFigures>,
    /// Tug-of-war score against retraining without the forget set (train, train, test).
    pub tow: Option<f64>,
    /// Mean distance to retraining over forget train, retain train and retain test accuracy and `mia`, in
    /// [0, 1]; 0 is equal.
    #[serde(default)]
    pub average_gap: Option<f64>,
    /// Jensen–Shannon divergence to the retrained network on the forget test samples, in nats.
    pub js_to_retrained: Option<f64>,
    /// Accuracy on the forgotten classes of a softmax probe (10 epochs) of the last hidden features.
    pub probe_recovery: Option<f64>,
    /// The same of a probe of 60 epochs.
    #[serde(default)]
    pub probe_long: Option<f64>,
    /// The same of a probe with a hidden layer of 64 units.
    #[serde(default)]
    pub probe_mlp: Option<f64>,
    /// Softmax probes (10 epochs) of every hidden layer, from the input on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe_layers: Vec<LayerProbe>,
    /// Optimiser steps until half the original forget accuracy is back, at most 300.
    pub relearn_steps: Option<u64>,
    /// Balanced accuracy of a membership-inference attack by the loss (logistic regression) that tells
    /// forget train samples from test samples of the same classes; 0.5 is chance.
    pub mia: Option<f64>,
    /// The same of a threshold on the loss that was fixed on retain train and test samples.
    #[serde(default)]
    pub mia_threshold: Option<f64>,
    /// The attack by likelihood ratios on samples that were forgotten, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lira: Option<LiraRecord>,
    /// ‖ΔW‖_F / ‖W‖_F of the edited layer.
    pub edit_norm: Option<f64>,
    /// Digest of the run, 16 hexadecimal digits.
    pub digest: String,
    /// The learning curve (at most about 100 points); empty for editors without evaluations.
    pub curve: Vec<CurvePoint>,
    /// Accuracies and answers by class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classwise: Option<Classwise>,
    /// The change of the edited layer, for one run of every editor, world and forget set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat: Option<Heat>,
    /// One sentence for the reader, where something needs saying.
    pub note: Option<String>,
}

/// Statistics of one metric over seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummaryRecord {
    /// Name of the editor.
    pub editor: String,
    /// "mask", "shift" or null.
    pub world: Option<String>,
    /// Name of the metric: a field of [`Figures`] ("forget_test"), of [`PolicyFigures`] after
    /// "policy_", of [`RunRecord`], or "retain_drop" (before − after).
    pub metric: String,
    /// Number of runs with this figure.
    pub n: usize,
    /// Mean.
    #[serde(deserialize_with = "nullable")]
    pub mean: f64,
    /// Sample standard deviation; null for a single run.
    pub std: Option<f64>,
    /// Mean of the middle half.
    #[serde(deserialize_with = "nullable")]
    pub iqm: f64,
    /// 95 % bootstrap interval of the mean (stratified by what is forgotten); null for a single run.
    #[serde(deserialize_with = "nullable_pair")]
    pub ci95: Option<[f64; 2]>,
    /// The same of `iqm`.
    #[serde(default, deserialize_with = "nullable_pair")]
    pub iqm_ci95: Option<[f64; 2]>,
}

/// Everything that an ablation found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AblateResults {
    /// [`SCHEMA`].
    pub schema: u32,
    /// "ablate unlearn".
    pub command: String,
    /// Version of the crate.
    pub version: String,
    /// Every setting that can change a figure; those that the grid varies are lists.
    pub config: BTreeMap<String, serde_json::Value>,
    /// The data that were used.
    pub data: DataRecord,
    /// One entry per cell × seed.
    pub runs: Vec<AblateRun>,
    /// What has to be said of all runs, a paragraph each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The reward whose first reach an ablation records.
pub const ABLATE_TARGET: f32 = 0.95;

/// One cell of an ablation's grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AblateSetting {
    /// "mask" or "shift".
    pub world: String,
    /// Steps T of an episode.
    pub episode_length: usize,
    /// Rank r of the action.
    pub rank: usize,
    /// Step s at rank 1; at rank r it was s·√r.
    pub step: f32,
    /// λ.
    pub lambda: f32,
    /// "probability" or "accuracy".
    pub reward: String,
    /// The policy's initial mean was uniform in ± this.
    pub initial_mean: f32,
    /// Initial logarithm of the policy's standard deviation.
    pub log_std: f32,
}

impl AblateSetting {
    /// Its name as a path.
    pub fn name(&self) -> String {
        let Self { world, episode_length, rank, step, lambda, reward, initial_mean, log_std } =
            self;
        format!(
            "{world}/T{episode_length}/r{rank}/s{step}/l{lambda}/{reward}/mean{initial_mean}/std{log_std}"
        )
    }
}

/// One seed of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AblateRun {
    /// The cell.
    pub setting: AblateSetting,
    /// Seed of target and editor.
    pub seed: u64,
    /// Before the edit.
    pub before: Figures,
    /// The best edit by reward.
    pub after: Figures,
    /// The noise-free policy.
    pub policy: Option<PolicyFigures>,
    /// Evaluations that were used.
    pub evaluations: u64,
    /// Evaluations until the reward first reached [`ABLATE_TARGET`], if it did.
    pub evaluations_to_target: Option<u64>,
    /// ‖ΔW‖_F / ‖W‖_F of the edited layer.
    pub edit_norm: f64,
    /// Digest of the run, 16 hexadecimal digits.
    pub digest: String,
}

/// A number that JSON writes as null where it is not finite: then NaN.
fn nullable<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + From<f32>,
    D: Deserializer<'de>,
{
    let value = Option::deserialize(deserializer)?;
    Ok(value.unwrap_or_else(|| T::from(f32::NAN)))
}

/// Two such numbers, if there are any.
fn nullable_pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[f64; 2]>, D::Error> {
    let pair: Option<[Option<f64>; 2]> = Option::deserialize(deserializer)?;
    Ok(pair.map(|pair| pair.map(|value| value.unwrap_or(f64::NAN))))
}
