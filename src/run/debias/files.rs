//! Edited classifiers as files.

use super::plan::Debiased;
use super::record::DebiasArtifact;
use crate::num::Digest;
use crate::run::error::RunError;
use crate::run::files::{save_network, write_file};
use crate::run::int8::{Quantised, save_int8};
use crate::run::target::Target;
use crate::snapshot::{EditFile, encode_columns};
use crate::world::{Unit, WorldKind};
use std::path::Path;

/// Saves targets that were trained with their words, and of every editor × world × layer the edited
/// network of the first seed, in the folder `networks` of `dir`: as `.rwn`, or as safetensors with all
/// other tensors as they were; quantised ones as `.rwq`.
///
/// # Errors
/// [`RunError::Failed`] names the file.
pub fn save_text_networks(dir: &Path, debiased: &Debiased) -> Result<(), RunError> {
    let folder = dir.join("networks");
    make(&folder)?;
    for target in debiased.targets.iter().filter(|target| target.foreign.is_none()) {
        let words = target.language.vocabulary.words().join("\n") + "\n";
        write_file(&folder.join(format!("words-{}.txt", target.seed)), words.as_bytes())?;
        if target.integers.is_none() {
            let name = folder.join(format!("target-{}.rwn", target.seed));
            save_network(&name, &plain(target, &target.parameters), &target.key)?;
        }
    }
    for target in &debiased.targets {
        if let Some(integers) = &target.integers {
            save_integers(&folder.join(format!("target-{}.rwq", target.seed)), target, integers)?;
        }
    }
    save_edits(&dir.join("edits"), debiased)?;
    let Some(first) = debiased.targets.first() else { return Ok(()) };
    let ours = debiased
        .artifacts
        .iter()
        .filter(|artifact| artifact.seed == first.seed && artifact.parameters != first.parameters);
    for artifact in ours {
        let name = name_of(artifact);
        if let Some(integers) = &artifact.integers {
            save_integers(&folder.join(format!("{name}.rwq")), first, integers)?;
            continue;
        }
        match &first.foreign {
            None => {
                let edited = plain(first, &artifact.parameters);
                save_network(&folder.join(format!("{name}.rwn")), &edited, &first.key)?;
            }
            Some(foreign) => {
                let bytes = foreign
                    .write(&artifact.parameters)
                    .map_err(|error| RunError::Failed(error.to_string()))?;
                write_file(&folder.join(format!("{name}.safetensors")), &bytes)?;
            }
        }
    }
    Ok(())
}

fn save_integers(
    path: &Path,
    target: &super::TextTarget,
    integers: &Quantised,
) -> Result<(), RunError> {
    save_int8(path, &target.name, &target.key, &plain(target, &target.parameters), integers)
}

fn name_of(artifact: &DebiasArtifact) -> String {
    let part = |text: &str| if text.is_empty() { String::new() } else { format!("-{text}") };
    let world = part(artifact.world.as_deref().unwrap_or_default());
    format!("{}{world}{}-{}", artifact.editor, part(&artifact.layer), artifact.seed)
}

/// Saves the actions of editors that act: of a first layer only those of words that were edited.
fn save_edits(folder: &Path, debiased: &Debiased) -> Result<(), RunError> {
    make(folder)?;
    for artifact in &debiased.artifacts {
        let target = debiased.targets.iter().find(|target| target.seed == artifact.seed);
        let (Some(actions), Some(target)) = (&artifact.actions, target) else { continue };
        let path = folder.join(format!("{}.rwe", name_of(artifact)));
        let failed = |error| RunError::Failed(format!("{}: {error}", path.display()));
        let columns = actions.columns.as_deref().unwrap_or_default();
        let mut gaps = vec![0; 5 * columns.len()];
        let used = encode_columns(columns, &mut gaps).map_err(failed)?;
        gaps.truncate(used);
        let world = actions.world;
        let digest = |parameters: &[f32]| {
            let mut digest = Digest::new();
            digest.values(parameters);
            digest.finish()
        };
        let file = EditFile::new(
            world.kind == WorldKind::Shift,
            world.kind == WorldKind::Mask || world.unit == Unit::Absolute,
            world.step,
            actions.unit,
            world.rank,
            1,
            &artifact.layer,
            actions.shape,
            (digest(&target.parameters), digest(&artifact.parameters)),
        )
        .of_columns(&gaps);
        let mut bytes = vec![0; file.bound()];
        let len = file.write(&actions.entries, &mut bytes).map_err(failed)?;
        bytes.truncate(len);
        write_file(&path, &bytes)?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), RunError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| RunError::Failed(format!("{}: cannot be made: {error}", folder.display())))
}

fn plain(target: &super::TextTarget, parameters: &[f32]) -> Target {
    Target {
        name: target.name.clone(),
        stack: target.stack.clone(),
        parameters: parameters.to_vec(),
        seed: target.seed,
        key: target.key.clone(),
        foreign: None,
    }
}
