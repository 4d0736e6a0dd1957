//! Layers by their names.

use super::error::RunError;
use crate::nn::{Layer, Stack};
use crate::world::MOST_LAYERS;

/// Indices of the dense or convolutional layers of `stack` that `names` names, with commas between them, in
/// rising order.
///
/// # Errors
/// [`RunError::Failed`] lists the layers that can be edited, or names one that stands there twice.
pub(super) fn editable_layers(stack: &Stack, names: &str) -> Result<Vec<usize>, RunError> {
    let mut layers = Vec::new();
    for name in names.split(',').map(str::trim) {
        let layer = editable_layer(stack, name)?;
        if layers.contains(&layer) {
            return Err(RunError::Failed(format!("--layer names {name} twice")));
        }
        layers.push(layer);
    }
    if layers.len() > MOST_LAYERS {
        return Err(RunError::Failed(format!("--layer names more than {MOST_LAYERS} layers")));
    }
    layers.sort_unstable();
    Ok(layers)
}

/// Index of the dense or convolutional layer `name` of `stack`.
///
/// # Errors
/// [`RunError::Failed`] lists the layers that can be edited.
pub(super) fn editable_layer(stack: &Stack, name: &str) -> Result<usize, RunError> {
    let editable = |layer: &&Layer| layer.kind().matrix().is_some();
    let found = stack.find(name);
    found
        .filter(|&index| stack.layers().get(index).is_some_and(|layer| editable(&layer)))
        .ok_or_else(|| {
            let names: Vec<_> =
                stack.layers().iter().filter(editable).map(|layer| layer.name()).collect();
            RunError::Failed(format!(
                "--layer {name}: the network has no dense or conv2d layer of that name (it has {})",
                names.join(", ")
            ))
        })
}
