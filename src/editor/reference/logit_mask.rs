//! Masking the output: the bias of every forgotten class is set so low that it is never chosen.
//!
//! Needs nothing but the class's number, and is undone by changing one number back: the bar that any
//! edit for accuracy has to clear.

use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::nn::Kind;
use crate::slab::{Arena, Need};

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
        let bias = network
            .stack
            .layers()
            .last()
            .filter(|layer| matches!(layer.kind(), Kind::Dense { .. }))
            .and_then(|layer| layer.bias_range())
            .ok_or(EditError::Unfit("the network does not end in a dense layer with a bias"))?;
        let biases = network.parameters.get_mut(bias).unwrap_or_default();
        for class in network.forget.iter() {
            if let Some(bias) = biases.get_mut(usize::from(class)) {
                *bias = MASKED;
            }
        }
        Ok(Outcome::Network)
    }
}
