//! What `transfer apply` returns.

use crate::run::policy::TrainedPolicy;
use crate::run::record::Results;
use crate::run::target::Target;
use crate::run::unlearn::Artifact;

/// One edit and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedRow {
    /// Who edited: an editor's name, with `@budget` where it runs with several.
    pub editor: String,
    /// Seed of the target.
    pub seed: u64,
    /// The policy that acted alone, if one did.
    pub policy_seed: Option<usize>,
    /// Step of a sequence, from 0.
    pub step: usize,
    /// All classes that are to be forgotten by now.
    pub forget: Vec<u8>,
    /// Evaluations of this edit.
    pub evaluations: u64,
    /// Retain and forget accuracy on the test split before any edit.
    pub before: [f32; 2],
    /// The same after the edit.
    pub after: [f32; 2],
    /// Accuracy on each class that is to be forgotten.
    pub each: Vec<f32>,
    /// Reward on the test split.
    pub test_reward: f32,
    /// Seconds of the edit, what it looks at included.
    pub seconds: f64,
}

impl AppliedRow {
    /// Whether forget accuracy is at most 1 % and retain accuracy at most one point below the original.
    pub fn hit(&self) -> bool {
        let [retain, forget] = self.after;
        // Accuracies are ratios of small whole numbers: half of a ten-thousandth is below any of them.
        forget <= 0.01005 && retain >= self.before[0] - 0.01005
    }
}

/// What `transfer apply` returns.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The records, for files.
    pub results: Results,
    /// The same with what the report is about.
    pub rows: Vec<AppliedRow>,
    /// The policy.
    pub policy: TrainedPolicy,
    /// The targets.
    pub targets: Vec<Target>,
    /// The edited networks, one per row; those of references have no world.
    pub artifacts: Vec<Artifact>,
    /// Passes of the rest of the network over probe samples, per edit.
    pub probe_passes: usize,
}
