//! Masking the output: the bias of every forgotten class is set so low that it is never chosen.
//!
//! Needs nothing but the class's number, and is undone by changing one number back: the bar that any
//! edit for accuracy has to clear.

use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::nn::{Kind, Stack};
use crate::slab::{Arena, Need};
use crate::task::ClassSet;

/// The bias of a masked class: softmax gives it exactly 0 beside any ordinary logit.
const MASKED: f32 = -1e4;

/// `logit-mask`.
pub(crate) struct LogitMask;

impl Editor for LogitMask {
    fn need(&self, _: &JobShape<'_>) -> Need {
        Need::default()
    }

    fn edit(&self, job: &mut Job<'_>, _: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let network = job.network().ok_or(EditError::Unfit("there is no whole network to mask"))?;
        mask_logits(network.stack, network.parameters, network.forget)?;
        Ok(Outcome::Network)
    }
}

/// Sets the biases of `classes` in the last layer so low that they are never chosen.
///
/// # Errors
/// [`EditError::Unfit`] when the network does not end in a dense layer with a bias.
pub fn mask_logits(
    stack: &Stack,
    parameters: &mut [f32],
    classes: ClassSet,
) -> Result<(), EditError> {
    let bias = (stack.layers().last())
        .filter(|layer| matches!(layer.kind(), Kind::Dense { .. }))
        .and_then(|layer| layer.bias_range())
        .ok_or(EditError::Unfit("the network does not end in a dense layer with a bias"))?;
    let biases = parameters.get_mut(bias).unwrap_or_default();
    for class in classes.iter() {
        if let Some(bias) = biases.get_mut(usize::from(class)) {
            *bias = MASKED;
        }
    }
    Ok(())
}
