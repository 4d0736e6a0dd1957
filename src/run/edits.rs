//! Edits as files: made from what a run found, and applied to the network that they were made for.

use super::error::RunError;
use super::files::{at, digest, read_file};
use super::layers::editable_layer;
use super::target::Target;
use super::unlearn::Artifact;
use crate::editor::mask_logits;
use crate::kernel::Kernel;
use crate::num;
use crate::slab::Heap;
use crate::snapshot::{EditFile, EditsFile, FileKind, MOST_EDITS, peek};
use crate::task::ClassSet;
use crate::world::{Change, Config, Unit, WorldKind};
use std::fmt::Write as _;
use std::path::Path;

/// Applies an edit file to the network that it was made for, and checks both digests.
///
/// # Errors
/// [`RunError::Failed`]: a file that cannot be read, a network that the edit was not made for, or a
/// result with another digest than the edit promises.
pub fn apply_edit(
    kernel: Kernel,
    edit_path: &Path,
    model_path: &Path,
    network: &Target,
) -> Result<Target, RunError> {
    let bytes = read_file(edit_path)?;
    let wrong = |what: String| RunError::Failed(format!("{}: {what}", edit_path.display()));
    let found = digest(&network.parameters);
    let made_for = |before: u64| {
        if found == before {
            return Ok(());
        }
        Err(RunError::Failed(format!(
            "{}: not the network that {} was made for (digest {found:016x}, expected {before:016x})",
            model_path.display(),
            edit_path.display(),
        )))
    };
    let mut edited = network.clone();
    let after = if peek(&bytes).map_err(at(edit_path))?.kind == FileKind::Edits {
        let file = EditsFile::read(&bytes).map_err(at(edit_path))?;
        made_for(file.before)?;
        for edit in &file.edits {
            let edit = EditFile::read(edit).map_err(at(edit_path))?;
            apply_one(kernel, &edit, &mut edited, edit_path)?;
        }
        let Target { stack, parameters, .. } = &mut edited;
        if !file.masked.is_empty() {
            mask_logits(stack, parameters, ClassSet::of(file.masked))
                .map_err(|error| wrong(error.to_string()))?;
        }
        file.after
    } else {
        let edit = EditFile::read(&bytes).map_err(at(edit_path))?;
        made_for(edit.before)?;
        apply_one(kernel, &edit, &mut edited, edit_path)?;
        edit.after
    };
    promised(&edited, after).map_err(wrong)?;
    Ok(edited)
}

fn promised(network: &Target, after: u64) -> Result<(), String> {
    let edited = digest(&network.parameters);
    if edited == after {
        return Ok(());
    }
    Err(format!("gives a network of digest {edited:016x}, it promises {after:016x}"))
}

/// Applies the edit of one layer.
fn apply_one(
    kernel: Kernel,
    edit: &EditFile<'_>,
    network: &mut Target,
    path: &Path,
) -> Result<(), RunError> {
    let wrong = |what: String| RunError::Failed(format!("{}: {what}", path.display()));
    let layer =
        editable_layer(&network.stack, edit.layer).map_err(|error| wrong(error.to_string()))?;
    let change = Change {
        kind: if edit.shift { WorldKind::Shift } else { WorldKind::Mask },
        rank: edit.rank,
        step: edit.step * edit.unit,
        inputs: edit.inputs,
        outputs: edit.outputs,
    };
    let actions: Vec<f32> = edit.actions().collect();
    let range = network.stack.layers().get(layer).map(|layer| layer.weight_range());
    let weights = network.parameters.get_mut(range.unwrap_or_default()).unwrap_or_default();
    let columns: Option<Vec<usize>> =
        edit.columns().map(|columns| columns.map(|column| column as usize).collect());
    let rows = weights.chunks(edit.outputs.max(1));
    let own: Vec<f32> = match &columns {
        None => weights.to_vec(),
        Some(columns) => {
            let rows: Vec<&[f32]> = rows.collect();
            let of = |&column: &usize| rows.get(column).copied().unwrap_or_default();
            columns.iter().flat_map(of).copied().collect()
        }
    };
    let own = changed(kernel, own, &change, &actions).map_err(|error| wrong(error.to_string()))?;
    match &columns {
        None => weights.copy_from_slice(&own),
        Some(columns) => {
            for (&column, row) in columns.iter().zip(own.chunks(edit.outputs.max(1))) {
                let to = weights.get_mut(column * row.len()..(column + 1) * row.len());
                to.unwrap_or_default().copy_from_slice(row);
            }
        }
    }
    promised(network, edit.after).map_err(wrong)
}

/// `weights` after the actions of one episode.
fn changed(
    kernel: Kernel,
    mut weights: Vec<f32>,
    change: &Change,
    actions: &[f32],
) -> Result<Vec<f32>, crate::error::ShapeError> {
    let mut heap = Heap::new(change.need());
    let mut arena = heap.arena();
    let scratch = arena.take(change.need().f32s).unwrap_or_default();
    for action in actions.chunks_exact(change.action_len().max(1)) {
        let before = weights.clone();
        change.form(kernel, action, &before, scratch, &mut weights)?;
    }
    Ok(weights)
}

/// The file of an edit that was found by `actions` in `world`; `None` where a layer has no weights. `path` is
/// for errors alone.
pub(super) fn encode_edit(
    target: &Target,
    artifact: &Artifact,
    world: &Config,
    actions: &[f32],
    path: &Path,
) -> Result<Option<Vec<u8>>, RunError> {
    let layers = artifact.layers.iter().filter_map(|&layer| {
        let layer = target.stack.layers().get(layer)?;
        Some((layer, layer.kind().matrix()?))
    });
    let layers: Vec<_> = layers.collect();
    let lens = layers.iter().map(|(_, (inputs, outputs))| world.action_len(*inputs, *outputs));
    let step: usize = lens.sum();
    // Between two edits the network is as the first of them leaves it.
    let mut parameters = target.parameters.clone();
    let (mut files, mut first) = (Vec::new(), 0);
    for &(layer, (inputs, outputs)) in &layers {
        let before = digest(&parameters);
        let of =
            |parameters: &[f32]| parameters.get(layer.weight_range()).unwrap_or_default().to_vec();
        let rms = num::rms(&of(&target.parameters));
        if let Some(slot) = parameters.get_mut(layer.weight_range()) {
            slot.copy_from_slice(&of(&artifact.parameters));
        }
        let len = world.action_len(inputs, outputs);
        let parts = actions.chunks(step.max(1)).map(|action| action.get(first..first + len));
        let own: Vec<f32> = parts.flat_map(Option::unwrap_or_default).copied().collect();
        first += len;
        let absolute = world.kind == WorldKind::Mask || world.unit == Unit::Absolute;
        let file = EditFile::new(
            world.kind == WorldKind::Shift,
            absolute,
            world.step,
            if absolute { 1.0 } else { rms },
            world.rank,
            own.len() / len.max(1),
            layer.name(),
            (inputs, outputs),
            (before, digest(&parameters)),
        );
        let mut bytes = vec![0; file.bound()];
        let len = file.write(&own, &mut bytes).map_err(at(path))?;
        bytes.truncate(len);
        files.push(bytes);
    }
    if files.len() <= 1 && artifact.masked.is_empty() {
        return Ok(files.pop());
    }
    let mut edits = heapless::Vec::<&[u8], MOST_EDITS>::new();
    for file in &files {
        edits.push(file).map_err(|_| {
            RunError::Failed(format!("{}: a file holds {MOST_EDITS} edits", path.display()))
        })?;
    }
    let file = EditsFile {
        before: digest(&target.parameters),
        after: digest(&artifact.parameters),
        masked: &artifact.masked,
        edits,
    };
    let mut bytes = vec![0; file.bound()];
    let len = file.write(&mut bytes).map_err(at(path))?;
    bytes.truncate(len);
    Ok(Some(bytes))
}

/// What an edit file holds, in words.
pub(super) fn describe_edit(bytes: &[u8], path: &Path) -> Result<String, RunError> {
    let mut text = String::new();
    if peek(bytes).map_err(at(path))?.kind == FileKind::Edits {
        let file = EditsFile::read(bytes).map_err(at(path))?;
        for edit in &file.edits {
            text += &describe_edit(edit, path)?;
        }
        if !file.masked.is_empty() {
            let classes: Vec<String> = file.masked.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "then the outputs of {} switched off", classes.join(", "));
        }
        let _ = writeln!(text, "in all: network {:016x} -> {:016x}", file.before, file.after);
        return Ok(text);
    }
    let edit = EditFile::read(bytes).map_err(at(path))?;
    let (world, unit) = match (edit.shift, edit.absolute) {
        (false, _) => ("mask", String::new()),
        (true, true) => ("shift", " (absolute)".into()),
        (true, false) => ("shift", format!(" x rms {:.6}", edit.unit)),
    };
    let _ = writeln!(
        text,
        "{world} world, layer {} ({} x {}), {} step(s) of rank {}, s = {}{unit}\nnetwork {:016x} -> {:016x}",
        edit.layer,
        edit.inputs,
        edit.outputs,
        edit.steps,
        edit.rank,
        edit.step,
        edit.before,
        edit.after
    );
    Ok(text)
}
