//! Activations between the layers, for those who look at more than logits.

use super::ForwardError;
use super::panels::panel_of_mut;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel};
use crate::nn::Stack;

/// Room for what one layer takes, over all samples.
#[derive(Debug)]
pub struct Tap<'t> {
    /// Index of the layer.
    pub layer: usize,
    /// Its input in panels of [`LANES`](crate::kernel::LANES): `batch.len(features)` values.
    pub values: &'t mut [f32],
}

/// Checks that taps rise and are as long as their layers call for.
pub(super) fn check_taps(
    stack: &Stack,
    batch: Batch,
    taps: &[Tap<'_>],
) -> Result<(), ForwardError> {
    let mut least = 0;
    for tap in taps {
        let layer = stack.layers().get(tap.layer).filter(|_| tap.layer >= least);
        let layer = layer.ok_or(ForwardError::Failed("taps must be layers in rising order"))?;
        ShapeError::check("tap", batch.len(layer.inputs()), tap.values.len())?;
        least = tap.layer + 1;
    }
    Ok(())
}

/// Runs one panel from layer `from` to the end and leaves the inputs of the tapped layers, which stand at or
/// behind `from`, at panel `panel` of their taps.
#[allow(clippy::too_many_arguments)]
pub(super) fn run_tapped(
    kernel: Kernel,
    stack: &Stack,
    from: usize,
    batch: Batch,
    parameters: &[f32],
    panel: usize,
    input: &[f32],
    taps: &mut [Tap<'_>],
    scratch: &mut [f32],
    output: &mut [f32],
) -> Result<(), ShapeError> {
    let (mut first, mut current) = (from, input);
    for tap in taps {
        let features = stack.layers().get(tap.layer).map_or(0, |layer| layer.inputs());
        let to = panel_of_mut(tap.values, features, panel);
        stack.forward(kernel, first..tap.layer, batch, parameters, current, scratch, to)?;
        (first, current) = (tap.layer, to);
    }
    let rest = first..stack.layers().len();
    stack.forward(kernel, rest, batch, parameters, current, scratch, output)
}
