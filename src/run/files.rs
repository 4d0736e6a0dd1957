//! Networks and edits on disk.

use super::apply::{Applied, AppliedRow};
use super::edits::{describe_edit, encode_edit};
use super::error::RunError;
use super::loaded;
use super::policy::TrainedPolicy;
use super::prepare::Prepared;
use super::target::{Target, TargetConfig, network_digest};
use super::unlearn::{Artifact, Unlearned};
use crate::data::SafeTensors;
use crate::data::tflite::{TfLite, is_tflite};
use crate::nn::Kind;
use crate::num;
use crate::snapshot::{FileKind, MAGIC, NetworkFile, SnapshotError, peek};
use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`: to a temporary name in the same folder, synced, then renamed, so that
/// what was there stays whole until the new file is.
///
/// # Errors
/// [`RunError::Failed`] names the path; the temporary file is then removed.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    Staged::write(path, bytes)?.publish()
}

/// A file under its temporary name, which is removed unless the file is published.
#[derive(Debug)]
pub(crate) struct Staged {
    part: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Writes and syncs what is to become `path`.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the path: also where a folder has that name.
    pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<Self, RunError> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", std::process::id()));
        // From here on, whatever there is of the temporary file goes where an error goes.
        let staged = Self { part: path.with_file_name(name), path: path.to_path_buf() };
        if path.is_dir() {
            return Err(staged.failed(&ErrorKind::IsADirectory.into()));
        }
        let written = (|| {
            let mut file = fs::File::create(&staged.part)?;
            file.write_all(bytes)?;
            file.sync_all()
        })();
        written.map_err(|error| staged.failed(&error))?;
        Ok(staged)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the path.
    pub(crate) fn publish(self) -> Result<(), RunError> {
        fs::rename(&self.part, &self.path).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> RunError {
        RunError::Failed(format!("{}: cannot be written: {error}", self.path.display()))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Fails where the file was published, or never came to be.
        let _ = fs::remove_file(&self.part);
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, RunError> {
    fs::read(path)
        .map_err(|error| RunError::Failed(format!("{}: cannot be read: {error}", path.display())))
}

pub(super) fn at(path: &Path) -> impl Fn(SnapshotError) -> RunError + '_ {
    move |error| RunError::Failed(format!("{}: {error}", path.display()))
}

/// What a target network was made from: its settings and its data. A network file with the same origin
/// and seed need not be trained again.
pub fn target_key(config: &TargetConfig, data: &Prepared) -> String {
    let mut digest = num::Digest::new();
    digest.bytes(format!("{config:?} {} {}", data.digest, data.train.len()).as_bytes());
    digest.bytes(data.train.labels());
    format!("{:016x}", digest.finish())
}

/// Saves a network.
///
/// # Errors
/// [`RunError::Failed`] names the file.
pub fn save_network(path: &Path, network: &Target, origin: &str) -> Result<(), RunError> {
    let Target { name, stack, parameters, seed, .. } = network;
    let mut bytes = vec![0; NetworkFile::bound(name, origin, stack)];
    let len =
        NetworkFile::write(name, origin, *seed, stack, parameters, &mut bytes).map_err(at(path))?;
    bytes.truncate(len);
    write_file(path, &bytes)
}

/// Loads a network.
///
/// # Errors
/// [`RunError::Failed`] names the file and what is wrong with it.
pub fn load_network(path: &Path) -> Result<Target, RunError> {
    let bytes = read_file(path)?;
    let file = NetworkFile::read(&bytes).map_err(at(path))?;
    Ok(Target {
        name: file.name.to_string(),
        parameters: file.parameters().collect(),
        seed: file.seed,
        key: file.origin.to_string(),
        stack: file.stack,
        foreign: None,
    })
}

pub(super) fn digest(parameters: &[f32]) -> u64 {
    let mut digest = num::Digest::new();
    digest.values(parameters);
    digest.finish()
}

/// What a network, edit, safetensors or .tflite file holds, in words.
///
/// # Errors
/// [`RunError::Failed`] names the file and what is wrong with it.
pub fn inspect(path: &Path) -> Result<String, RunError> {
    let bytes = read_file(path)?;
    if is_tflite(&bytes) || path.extension().is_some_and(|end| end == "tflite") {
        let file = TfLite::read(&path.display().to_string(), bytes);
        let file = file.map_err(|error| RunError::Failed(error.to_string()))?;
        return Ok(super::repair::describe(&file));
    }
    if !bytes.starts_with(MAGIC) {
        match SafeTensors::read(&path.display().to_string(), bytes.clone()) {
            Ok(file) => return Ok(loaded::inspect(&file)),
            Err(error) if path.extension().is_some_and(|end| end == "safetensors") => {
                return Err(RunError::Failed(error.to_string()));
            }
            Err(_) => {}
        }
    }
    let head = peek(&bytes).map_err(at(path))?;
    let mut text = format!(
        "{}: {}, format version {}, {} bytes, checksum fits\n",
        path.display(),
        head.kind.name(),
        head.version,
        bytes.len()
    );
    match head.kind {
        FileKind::Network => {
            let file = NetworkFile::read(&bytes).map_err(at(path))?;
            let parameters: Vec<f32> = file.parameters().collect();
            let [channels, rows, cols] = file.stack.input();
            let _ = writeln!(
                text,
                "{}, seed {}, {} parameters, digest {}\ninput {channels} x {rows} x {cols}",
                file.name,
                file.seed,
                parameters.len(),
                network_digest(&parameters)
            );
            for layer in file.stack.layers() {
                let weights = parameters.get(layer.weight_range()).unwrap_or_default();
                let what = match layer.kind() {
                    Kind::Dense { inputs, outputs, .. } => format!("dense {inputs} -> {outputs}"),
                    Kind::Conv2d { conv, .. } => format!(
                        "conv {}x{} stride {}x{}, {} -> {} channels",
                        conv.kernel[0],
                        conv.kernel[1],
                        conv.stride[0],
                        conv.stride[1],
                        conv.input[0],
                        conv.channels
                    ),
                    Kind::MaxPool(_) => "max pool".into(),
                    Kind::AveragePool(_) => "average pool".into(),
                    Kind::Relu => "relu".into(),
                    Kind::Tanh => "tanh".into(),
                };
                let rms = if weights.is_empty() {
                    String::new()
                } else {
                    format!(", weights' rms {:.4}", num::rms(weights))
                };
                let _ = writeln!(text, "  {:<8} {what}{rms}", layer.name());
            }
        }
        FileKind::Int8Network => text += &super::int8::load_int8(path)?.describe(),
        FileKind::Edit | FileKind::WordEdit | FileKind::Edits => {
            text += &describe_edit(&bytes, path)?;
        }
        FileKind::Policy => {
            let policy = TrainedPolicy::read(&path.display().to_string(), &bytes)?;
            let policies = policy.policies()?;
            let _ = writeln!(
                text,
                "{} world, features {}, s = {}, {} policies of {} parameters ({} hidden units)\n\
                 trained by: reweight {}\n\
                 {} evaluations each, mean reward {:.4} at the end, source networks {:016x}",
                policy.kind.name(),
                policy.features.name(),
                policy.step,
                policies.seeds(),
                policies.policy().parameters(),
                policy.hidden,
                policy.trained,
                policy.evaluations,
                policy.reward,
                policy.networks
            );
        }
    }
    Ok(text)
}

/// The folder that a command writes to: results, `networks/` and `edits/`.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens a folder, which is made where it does not exist, and tries whether it can be written to.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the folder.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        let store = Self { dir: dir.to_path_buf() };
        let parts = [dir.to_path_buf(), store.networks(), store.edits()];
        store.with(&parts)
    }

    /// The same for a command that keeps its targets there, and no edits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_targets(dir: &Path) -> Result<Self, RunError> {
        let store = Self { dir: dir.to_path_buf() };
        let parts = [dir.to_path_buf(), store.networks()];
        store.with(&parts)
    }

    fn with(self, parts: &[PathBuf]) -> Result<Self, RunError> {
        let (store, dir) = (&self, &self.dir);
        for part in parts {
            fs::create_dir_all(part).map_err(|error| {
                RunError::Failed(format!(
                    "--out {}: not a folder to write to: {error}",
                    dir.display()
                ))
            })?;
        }
        let probe = store.dir.join(".reweight-probe");
        write_file(&probe, b"")?;
        let _ = fs::remove_file(probe);
        Ok(self)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn networks(&self) -> PathBuf {
        self.dir.join("networks")
    }

    fn edits(&self) -> PathBuf {
        self.dir.join("edits")
    }

    fn target_path(&self, seed: u64) -> PathBuf {
        self.networks().join(format!("target-{seed}.rwn"))
    }

    /// The target of `seed`, if a file of this origin holds it whole.
    pub fn target(&self, origin: &str, seed: u64) -> Option<Target> {
        let target = load_network(&self.target_path(seed)).ok()?;
        (target.key == origin && target.seed == seed).then_some(target)
    }

    /// Saves targets that were trained, where they are not held already.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the file.
    pub fn save_targets(&self, origin: &str, targets: &[Target]) -> Result<(), RunError> {
        for target in targets {
            if self
                .target(origin, target.seed)
                .is_none_or(|held| held.parameters != target.parameters)
            {
                save_network(&self.target_path(target.seed), target, origin)?;
            }
        }
        Ok(())
    }

    /// Saves targets that were trained, edits, and of every editor × world the edited network of the
    /// first seed: as a file of the kind that it came from. `model` is the network that was loaded, if
    /// one was.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the file.
    pub fn save(
        &self,
        origin: &str,
        model: Option<&Target>,
        unlearned: &Unlearned,
    ) -> Result<(), RunError> {
        if model.is_none() {
            self.save_targets(origin, &unlearned.targets)?;
        }
        let first = unlearned.targets.first().map_or(0, |target| target.seed);
        for artifact in &unlearned.artifacts {
            let Some(target) = unlearned.targets.iter().find(|target| target.seed == artifact.seed)
            else {
                continue;
            };
            let world =
                artifact.world.map_or(String::new(), |world| format!("-{}", world.kind.name()));
            let name = format!("{}{world}-{}", artifact.editor, artifact.seed);
            self.save_edit(&name, target, artifact)?;
            if artifact.seed == first && artifact.editor != "none" {
                let edited = Target {
                    parameters: artifact.parameters.clone(),
                    ..model.unwrap_or(target).clone()
                };
                let path = self.networks().join(format!("{name}.{}", loaded::extension(target)));
                // A reference may change what the file has no tensor for; an edit never does.
                match loaded::save_model(&path, &edited, origin) {
                    Err(_) if target.foreign.is_some() && artifact.actions.is_none() => {}
                    saved => saved?,
                }
            }
        }
        Ok(())
    }

    /// Saves targets and the policy's edits; edited networks (of the first seed) where there is one edit,
    /// or one sequence of edits, to be made.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the file.
    pub fn save_applied(
        &self,
        origin: &str,
        model: Option<&Target>,
        applied: &Applied,
    ) -> Result<(), RunError> {
        if model.is_none() {
            self.save_targets(origin, &applied.targets)?;
        }
        let first = applied.targets.first().map_or(0, |target| target.seed);
        let ours = |row: &&AppliedRow| row.editor == "policy" && row.seed == first;
        let mut sets: Vec<&[u8]> =
            applied.rows.iter().filter(ours).map(|row| &*row.forget).collect();
        sets.dedup();
        let sequence = applied.rows.iter().any(|row| row.step > 0);
        for (row, artifact) in applied.rows.iter().zip(&applied.artifacts) {
            let Some(target) = applied.targets.iter().find(|target| target.seed == row.seed) else {
                continue;
            };
            if row.editor != "policy" {
                continue;
            }
            let classes: Vec<String> = row.forget.iter().map(ToString::to_string).collect();
            let policy = row.policy_seed.map_or(String::new(), |seed| format!("-policy{seed}"));
            let world = applied.policy.kind.name();
            let name = format!("{world}{policy}-forget{}-{}", classes.join("+"), row.seed);
            self.save_edit(&name, target, artifact)?;
            if row.seed == first && (sets.len() == 1 || sequence) {
                let edited = Target {
                    parameters: artifact.parameters.clone(),
                    ..model.unwrap_or(target).clone()
                };
                let path = self.networks().join(format!("{name}.{}", loaded::extension(target)));
                loaded::save_model(&path, &edited, origin)?;
            }
        }
        Ok(())
    }

    fn save_edit(&self, name: &str, target: &Target, artifact: &Artifact) -> Result<(), RunError> {
        let (Some(world), Some(actions)) = (artifact.world, &artifact.actions) else {
            return Ok(());
        };
        let path = self.edits().join(format!("{name}.rwe"));
        match encode_edit(target, artifact, &world, actions, &path)? {
            Some(bytes) => write_file(&path, &bytes),
            None => Ok(()),
        }
    }
}
