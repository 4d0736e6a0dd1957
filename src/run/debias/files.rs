//! Edited classifiers as files.

use super::plan::Debiased;
use crate::run::error::RunError;
use crate::run::files::{save_network, write_file};
use crate::run::target::Target;
use std::path::Path;

/// Saves targets that were trained with their words, and of every editor × world × layer the edited
/// network of the first seed, in the folder `networks` of `dir`: as `.rwn`, or as safetensors with all
/// other tensors as they were.
///
/// # Errors
/// [`RunError::Failed`] names the file.
pub fn save_text_networks(dir: &Path, debiased: &Debiased) -> Result<(), RunError> {
    let folder = dir.join("networks");
    std::fs::create_dir_all(&folder).map_err(|error| {
        RunError::Failed(format!("{}: cannot be made: {error}", folder.display()))
    })?;
    for target in debiased.targets.iter().filter(|target| target.foreign.is_none()) {
        let words = target.language.vocabulary.words().join("\n") + "\n";
        write_file(&folder.join(format!("words-{}.txt", target.seed)), words.as_bytes())?;
        let name = folder.join(format!("target-{}.rwn", target.seed));
        save_network(&name, &plain(target, &target.parameters), &target.key)?;
    }
    let Some(first) = debiased.targets.first() else { return Ok(()) };
    let ours = debiased
        .artifacts
        .iter()
        .filter(|artifact| artifact.seed == first.seed && artifact.parameters != first.parameters);
    for artifact in ours {
        let part = |text: &str| if text.is_empty() { String::new() } else { format!("-{text}") };
        let world = part(artifact.world.as_deref().unwrap_or_default());
        let name = format!("{}{world}{}-{}", artifact.editor, part(&artifact.layer), artifact.seed);
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
