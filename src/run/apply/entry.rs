//! Who edits: the policy, and the controls beside it.

use super::config::ApplyConfig;
use crate::editor::{EditorInfo, Refine, Settings, find};
use crate::run::error::RunError;

/// An editor with a budget and settings of its own.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) label: String,
    pub(super) editor: &'static EditorInfo,
    pub(super) budget: u64,
    pub(super) policy_seed: Option<usize>,
    pub(super) settings: Settings,
}

/// Budgets at which cold search is shown.
const COLD: [u64; 3] = [50, 500, 2_000];

impl ApplyConfig {
    /// A run of `editor`; `None` without such an editor.
    fn entry(
        &self,
        label: &str,
        editor: &str,
        refine: Refine,
        budget: u64,
        policy_seed: Option<usize>,
    ) -> Result<Option<Entry>, RunError> {
        let settings = Settings {
            refine: Some(refine),
            length: Some(self.length(refine)),
            policy_seed,
            kernel: self.base.kernel,
            ..Settings::default()
        };
        let label = label.to_string();
        Ok(find(editor).map(|editor| Entry { label, editor, budget, policy_seed, settings }))
    }

    pub(super) fn entries(&self) -> Result<Vec<Entry>, RunError> {
        let (refine, budget) = (self.refine(), self.budget());
        let seeds: Vec<Option<usize>> = match self.policy_seeds.as_slice() {
            [] => vec![None],
            seeds => seeds.iter().copied().map(Some).collect(),
        };
        let mut entries = Vec::new();
        for &seed in &seeds {
            entries.extend(self.entry("policy", "policy", refine, budget, seed)?);
        }
        if self.controls {
            // Controls get the ten scales that the policy may not even have needed.
            for control in ["policy-untrained", "policy-shuffled"] {
                for &seed in &seeds {
                    let seed = seed.or(Some(0));
                    entries.extend(self.entry(control, control, Refine::Scale, 10, seed)?);
                }
            }
            for name in ["projection", "lda", "activation"] {
                entries.extend(self.entry(name, name, Refine::Scale, 10, None)?);
            }
            for budget in COLD {
                let label = format!("sep-cma-es@{budget}");
                entries.extend(self.entry(&label, "sep-cma-es", refine, budget, None)?);
            }
            let label = "sep-cma-es-warm@50";
            entries.extend(self.entry(label, "sep-cma-es-warm", refine, 50, None)?);
        }
        Ok(entries)
    }
}
