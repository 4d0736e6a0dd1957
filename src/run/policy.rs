//! Trained policies: those that are built in, and those in files.

use super::error::RunError;
use super::files::write_file;
use crate::editor::{Length, Policies};
use crate::nn::Kind;
use crate::snapshot::PolicyFile;
use crate::world::{FEATURE_VERSION, FeatureSet, LENGTHS, MAX_FORGET, MAX_RETAIN, WorldKind};
use std::path::Path;

/// A trained policy with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedPolicy {
    /// Where it comes from: a built-in name or a path.
    pub name: String,
    /// The world that it acts in.
    pub kind: WorldKind,
    /// The features that it sees.
    pub features: FeatureSet,
    /// Hidden units of each network.
    pub hidden: usize,
    /// Step s.
    pub step: f32,
    /// Parameters of all seeds, one after the other.
    pub parameters: Vec<f32>,
    /// How it was trained, in the words of the command line.
    pub trained: String,
    /// Evaluations of each seed.
    pub evaluations: u64,
    /// Mean reward at the end of training.
    pub reward: f32,
    /// Digest of the source networks.
    pub networks: u64,
}

/// Said of the figures of a convolution.
const CONVOLUTION: &str = "The edited layer is a convolution: its weights act at every position, and no policy was \
                           trained on one, so that it forgets less and loses more than a dense layer does. Prefer \
                           a dense one.";

/// What has to be said where `policy` acts on a layer of kind `edited`.
pub(super) fn policy_notes(policy: &TrainedPolicy, edited: &Kind, length: Length) -> Vec<String> {
    if matches!(edited, Kind::Conv2d { .. }) {
        return vec![CONVOLUTION.into()];
    }
    if length == Length::Predicted || !policy.features.keeps() {
        return Vec::new();
    }
    vec![format!(
        "In {} world the length of the policy's step is settled without a reward, but not without looking: at most \
         {MAX_FORGET} forget and {MAX_RETAIN} retain samples of the reward split are passed through the edited layer \
         and what lies behind it, at {LENGTHS} lengths at most. --length predicted does without.",
        policy.kind.name()
    )]
}

/// The policies that the program brings along.
pub const BUILT_IN_POLICIES: &[(&str, &[u8])] = &[
    ("shift", include_bytes!("../../data/policies/shift.rwp")),
    ("mask", include_bytes!("../../data/policies/mask.rwp")),
    ("shift-core", include_bytes!("../../data/policies/shift-core.rwp")),
    ("mask-core", include_bytes!("../../data/policies/mask-core.rwp")),
    ("debias-shift", include_bytes!("../../data/policies/debias-shift.rwp")),
    ("debias-mask", include_bytes!("../../data/policies/debias-mask.rwp")),
];

impl TrainedPolicy {
    /// The built-in policy of that name, or the one in the file of that path.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the file and what is wrong with it.
    pub fn load(name: &str) -> Result<Self, RunError> {
        match BUILT_IN_POLICIES.iter().find(|(known, _)| *known == name) {
            Some((_, bytes)) => Self::read(name, bytes),
            None => {
                let bytes = std::fs::read(name).map_err(|error| {
                    let names: Vec<_> = BUILT_IN_POLICIES.iter().map(|(name, _)| *name).collect();
                    RunError::Failed(format!(
                        "--policy {name}: cannot be read: {error} (built in are {})",
                        names.join(", ")
                    ))
                })?;
                Self::read(name, &bytes)
            }
        }
    }

    /// The policy in the bytes of a file that is called `name`.
    ///
    /// # Errors
    /// [`RunError::Failed`].
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, RunError> {
        let wrong = |what: String| RunError::Failed(format!("{name}: {what}"));
        let file = PolicyFile::read(bytes).map_err(|error| wrong(error.to_string()))?;
        if file.feature_version != FEATURE_VERSION {
            return Err(wrong(format!(
                "made for version {} of the features, this program has version {FEATURE_VERSION}",
                file.feature_version
            )));
        }
        let features = FeatureSet::find(file.features).ok_or_else(|| {
            let all = FeatureSet::ALL.into_iter().chain([FeatureSet::Words]);
            let known: Vec<_> = all.map(FeatureSet::name).collect();
            wrong(format!("unknown features {:?} (known are {})", file.features, known.join(", ")))
        })?;
        if file.rank != 1 {
            return Err(wrong(format!("a policy of rank {}, expected rank 1", file.rank)));
        }
        let policy = Self {
            name: name.into(),
            kind: if file.shift { WorldKind::Shift } else { WorldKind::Mask },
            features,
            hidden: file.hidden,
            step: file.step,
            parameters: file.parameters().collect(),
            trained: file.trained.into(),
            evaluations: file.evaluations,
            reward: file.reward,
            networks: file.networks,
        };
        let each = policy.policies().map(|policies| policies.policy().parameters());
        match each {
            Ok(each) if each == file.each => Ok(policy),
            _ => Err(wrong(format!(
                "{} parameters per seed do not fit the features {} with {} hidden units",
                file.each, file.features, file.hidden
            ))),
        }
    }

    /// As editors take it.
    ///
    /// # Errors
    /// [`RunError::Failed`] when the parameters do not fit the sizes.
    pub fn policies(&self) -> Result<Policies<'_>, RunError> {
        Ok(Policies::new(self.kind, self.features, self.step, self.hidden, &self.parameters)?)
    }

    /// The bytes of its file.
    ///
    /// # Errors
    /// [`RunError::Failed`] for parameters that are not finite.
    pub fn bytes(&self) -> Result<Vec<u8>, RunError> {
        let policies = self.policies()?;
        let file = PolicyFile::new(
            self.kind == WorldKind::Shift,
            (self.features.name(), FEATURE_VERSION),
            1,
            self.hidden,
            self.step,
            (policies.seeds(), policies.policy().parameters()),
            &self.trained,
            (self.evaluations, self.reward, self.networks),
        );
        let mut bytes = vec![0; file.bound()];
        let written = file.write(&self.parameters, &mut bytes);
        let len = written.map_err(|error| RunError::Failed(format!("{}: {error}", self.name)))?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Writes its file.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the path.
    pub fn save(&self, path: &Path) -> Result<(), RunError> {
        write_file(path, &self.bytes()?)
    }
}
