//! Networks that were loaded rather than trained here.

use super::error::RunError;
use super::files::{load_network, save_network, write_file};
use super::layers::editable_layers;
use super::target::Target;
use crate::data::{DIGITS_DIGEST, DataError, Foreign, SafeTensors};
use crate::editor::EDITORS;
use crate::nn::{Kind, Layer, Stack};
use crate::num;
use crate::snapshot::MAGIC;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

fn failed(error: DataError) -> RunError {
    RunError::Failed(error.to_string())
}

/// Loads a network: a file of this crate's (`.rwn`), or safetensors with the description `arch`.
///
/// # Errors
/// [`RunError::Failed`] names the file and what is wrong with it.
pub fn load_model(path: &Path, arch: Option<&Path>) -> Result<Target, RunError> {
    let model = load_any_model(path, arch)?;
    if model.foreign.as_ref().is_some_and(|foreign| foreign.text.is_some()) {
        return Err(RunError::Failed(format!(
            "{}: a network over texts (its description names a vocabulary): debias edits it",
            path.display()
        )));
    }
    Ok(model)
}

/// As [`load_model`], for networks over images and over texts alike.
///
/// # Errors
/// As [`load_model`].
pub fn load_any_model(path: &Path, arch: Option<&Path>) -> Result<Target, RunError> {
    let refused = |what: String| Err(RunError::Failed(format!("{}: {what}", path.display())));
    let mut start = Vec::new();
    let opened = File::open(path);
    let read = opened.and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    if let Err(error) = read {
        return refused(format!("cannot be read: {error}"));
    }
    match (start == MAGIC, arch) {
        (true, None) => load_network(path),
        (true, Some(arch)) => refused(format!(
            "holds its own layers, so --arch {} has nothing to say: leave it out",
            arch.display()
        )),
        (false, None) => refused(
            "not a network file of reweight's; safetensors hold no layers: --arch FILE.json must \
             describe them"
                .into(),
        ),
        (false, Some(arch)) => {
            let foreign = Foreign::open(path, arch).map_err(failed)?;
            let mut key = num::Digest::new();
            key.bytes(foreign.file().bytes());
            Ok(Target {
                name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                stack: foreign.stack.clone(),
                parameters: foreign.parameters.clone(),
                seed: 0,
                key: format!("{:016x}", key.finish()),
                foreign: Some(Arc::new(foreign)),
            })
        }
    }
}

/// Saves a network as a file of the kind that it came from: safetensors with the edited tensors' bytes
/// replaced and all others as they were, or a file of this crate's.
///
/// # Errors
/// [`RunError::Failed`] names the file; the parameters of a network that others trained may be such
/// that its file cannot hold them ([`Foreign::write`]).
pub fn save_model(path: &Path, network: &Target, origin: &str) -> Result<(), RunError> {
    match &network.foreign {
        None => save_network(path, network, origin),
        Some(foreign) => write_file(path, &foreign.write(&network.parameters).map_err(failed)?),
    }
}

/// Extension of the files that [`save_model`] writes.
pub fn extension(network: &Target) -> &'static str {
    if network.foreign.is_some() { "safetensors" } else { "rwn" }
}

/// Checks that an edited layer of `model` could be saved (`layer` by name, else the default one).
///
/// # Errors
/// [`RunError::Failed`] when there is no such layer, or [`Foreign::writable`] refuses.
pub fn check_writable(model: &Target, layer: Option<&str>) -> Result<(), RunError> {
    let layers = editable_layers(&model.stack, layer.unwrap_or(default_layer(&model.stack)))?;
    let Some(foreign) = &model.foreign else { return Ok(()) };
    layers.into_iter().try_for_each(|index| foreign.writable(index).map_err(failed))
}

/// Name of the layer of a loaded network that is edited by default: the last dense layer before the
/// output layer; without one the last convolution before it, else the output layer itself.
pub(super) fn default_layer(stack: &Stack) -> &str {
    let weighted: Vec<&Layer> =
        stack.layers().iter().filter(|layer| layer.kind().matrix().is_some()).collect();
    let hidden = weighted.split_last().map_or(&[][..], |(_, hidden)| hidden);
    let dense = hidden.iter().rfind(|layer| matches!(layer.kind(), Kind::Dense { .. }));
    dense.or(hidden.last()).or(weighted.last()).map_or("", |layer| layer.name())
}

/// Those of `editors` that can edit a loaded network: none that trains it again, and `logit-mask` only
/// where the network ends in a dense layer.
pub fn editors_for(model: &Target, editors: &[&str]) -> Vec<String> {
    let ends_dense =
        model.stack.layers().last().is_some_and(|layer| matches!(layer.kind(), Kind::Dense { .. }));
    let fits = |name: &&&str| {
        let trains = EDITORS.iter().any(|editor| editor.name == **name && editor.training_data);
        !trains && (ends_dense || **name != "logit-mask")
    };
    editors.iter().filter(fits).map(ToString::to_string).collect()
}

/// A warning when a network's accuracy (in [0, 1]) is hardly above chance.
pub fn near_chance(name: &str, accuracy: f64, classes: usize) -> Option<String> {
    // Of two classes a coin gets half.
    let limit = (2.0 / classes.max(1) as f64).min(0.6);
    (accuracy < limit).then(|| {
        format!(
            "{name} is right on {:.1} % of the test samples, near chance for \
             {classes} classes: is the normalisation right?",
            100.0 * accuracy
        )
    })
}

/// What a report must say of figures of a loaded network.
pub(super) fn notes(model: &Target, data_digest: &str) -> Vec<String> {
    let samples = if data_digest == DIGITS_DIGEST {
        "The test samples may have been the network's own training data: they are MNIST's."
    } else {
        "Whether the test samples were among the network's own training data is not known here."
    };
    vec![
        format!(
            "All seeds edit one network, {}, which was loaded from a file: deviations over seeds are the \
             editors' own, not those of networks. How it was trained is not known, so there is no \
             retraining to compare with, and ToW and JS do not apply.",
            model.name
        ),
        samples.into(),
    ]
}

/// The tensors of a file, in words.
pub(super) fn inspect(file: &SafeTensors) -> String {
    let total = file.bytes().len();
    let mut text =
        format!("{}: safetensors, {} tensors, {total} bytes\n", file.place(), file.tensors().len());
    let width = file.tensors().iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0);
    let width = width.min(60);
    for tensor in file.tensors() {
        let name: String = tensor.name.escape_debug().collect();
        let rms = file
            .values(tensor)
            .map_or("–".into(), |values| format!("rms {:.4}", num::rms(&values)));
        let shape = format!("{:?}", tensor.shape);
        let _ = writeln!(text, "  {name:<width$}  {:<5} {shape:<18} {rms}", tensor.dtype);
    }
    text
}
