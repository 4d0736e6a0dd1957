//! The settings of `transfer apply`: what they may be, and what they come to.

use crate::editor::{Length, Refine};
use crate::run::config::UnlearnConfig;
use crate::run::error::RunError;
use crate::run::policy::TrainedPolicy;
use crate::task::ClassSet;
use crate::world::WorldKind;

/// What is edited, by what.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyConfig {
    /// Targets, layer, policy, step, λ, first seed and number of seeds; its first world counts, its
    /// classes and editors do not.
    pub base: UnlearnConfig,
    /// What is forgotten.
    pub edits: Edits,
    /// Policies of the file that act alone, one after the other; empty for the file's default.
    pub policy_seeds: Vec<usize>,
    /// Whether the controls are run as well.
    pub controls: bool,
}

/// What is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edits {
    /// Each of these sets by an edit of its own on the original network.
    Each(Vec<Vec<u8>>),
    /// One set after the other, on the network that the last edit left.
    Sequence(Vec<Vec<u8>>),
}

impl Edits {
    pub(super) fn sets(&self) -> &[Vec<u8>] {
        match self {
            Self::Each(sets) | Self::Sequence(sets) => sets,
        }
    }
}

impl ApplyConfig {
    pub(super) fn kind(&self) -> WorldKind {
        self.base.worlds.first().copied().unwrap_or(WorldKind::Shift)
    }

    pub(super) fn refine(&self) -> Refine {
        self.base.refine.unwrap_or(Refine::default_of(self.kind()))
    }

    /// An edit that others follow has to hold through them: the predicted length leaves more margin.
    pub(super) fn length(&self, refine: Refine) -> Length {
        self.base.length.unwrap_or(match self.edits {
            Edits::Sequence(_) => Length::Predicted,
            Edits::Each(_) => Length::default_of(refine),
        })
    }

    pub(super) fn budget(&self) -> u64 {
        let seeds = if self.policy_seeds.is_empty() { 3 } else { 1 };
        match self.refine() {
            Refine::None => 0,
            Refine::Scale => self.base.budget.unwrap_or(10 * seeds),
            Refine::Es => self.base.budget.unwrap_or(60),
        }
    }

    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        let usage = |message: &str| Err(RunError::Usage(message.into()));
        if self.base.budget == Some(0) && self.refine() != Refine::None {
            return usage("--budget is 0: --refine none takes no evaluation");
        }
        let sets = self.edits.sets();
        if sets.is_empty() || sets.iter().any(Vec::is_empty) {
            return usage("at least one class to forget is needed");
        }
        let mut seen = ClassSet::EMPTY;
        for &class in sets.iter().flatten() {
            if seen.contains(class) {
                return usage("a class is named twice");
            }
            seen = seen.with(class);
        }
        self.base.validate()
    }

    pub(super) fn record(
        &self,
        policy: &TrainedPolicy,
    ) -> std::collections::BTreeMap<String, serde_json::Value> {
        let mut config = self.base.record();
        for unused in ["forget", "editors", "preset", "set"] {
            config.remove(unused);
        }
        let (how, sets) = match &self.edits {
            Edits::Each(sets) => ("each", sets),
            Edits::Sequence(sets) => ("sequence", sets),
        };
        config.insert(how.into(), serde_json::json!(sets));
        config.insert("policy".into(), serde_json::json!(policy.name));
        config.insert("policy_trained".into(), serde_json::json!(policy.trained));
        config.insert("policy_seeds".into(), serde_json::json!(self.policy_seeds));
        config.insert("refine".into(), serde_json::json!(self.refine().name()));
        config.insert("refine_budget".into(), serde_json::json!(self.budget()));
        config
    }
}
