//! What the settings of `unlearn` may be, and what a run of them needs: editors, hyper-parameters, policies.

use super::config::{Preset, UnlearnConfig};
use super::erase::{COLD_SIGMA, Erase};
use super::error::RunError;
use super::policy::{TrainedPolicy, policy_notes};
use super::prepare::Prepared;
use super::subset;
use crate::data::edit_distance;
use crate::editor::{self, EditorInfo, Length, Refine, Settings, View};
use crate::nn::Stack;
use crate::ppo;
use crate::task::{ClassSet, ErasureConfig, RewardKind};
use crate::world::WorldKind;

/// A configuration that has been checked against the data.
pub(super) struct Plan {
    pub(super) editors: Vec<&'static EditorInfo>,
    pub(super) settings: Settings,
    pub(super) reward: RewardKind,
    pub(super) forget: ClassSet,
    pub(super) erasure: Option<ErasureConfig>,
}

impl UnlearnConfig {
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
}

fn unknown_editor(name: &str) -> String {
    let names: Vec<_> = editor::EDITORS.iter().map(|editor| editor.name).collect();
    let nearest = names.iter().min_by_key(|known| edit_distance(known, name));
    let hint = nearest
        .filter(|known| edit_distance(known, name) <= 3)
        .map_or(String::new(), |known| format!("; did you mean {known}?"));
    format!("--editor {name}: no such editor{hint} (editors: {})", names.join(", "))
}
