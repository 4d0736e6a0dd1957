//! What an edit is for: the two numbers that pay an editor.
//!
//! What belongs here: the trait [`Task`] and the tasks that the crate knows. What does not: how a
//! network is run (`model`), how the two numbers become one reward (`world`).

mod debiasing;
mod erasure;
mod subset;
mod unlearning;

pub use debiasing::{
    Bias, Debiasing, DebiasingConfig, DebiasingPart, MOST_PARTS, Readout, Utility,
};
pub use erasure::{Erasure, ErasureConfig, MOST_TAPS, Refit, erasure_taps};
pub use subset::Subset;
pub use unlearning::{ClassSet, Kept, RewardKind, Unlearning};

use crate::model::{Forward, ForwardError, Split};

/// What a network is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// How much of what is to be kept is still there, in [0, 1].
    pub utility: f32,
    /// How far the edit that was asked for has been reached, in [0, 1].
    pub edit: f32,
}

/// A task: two numbers from a forward pass.
///
/// ```
/// use reweight::model::{Forward, ForwardError, Split};
/// use reweight::task::{Score, Task};
///
/// /// Keep the mean logit of class 0 up and that of class 1 down.
/// struct Preference;
///
/// impl Task for Preference {
///     fn score(&mut self, net: &mut dyn Forward, _: Split) -> Result<Score, ForwardError> {
///         let (mut sums, n) = ([0.0f32; 2], net.samples() as f32);
///         net.for_each_logits(&mut |logits| {
///             for sample in 0..logits.batch.samples() {
///                 for class in 0..2 {
///                     sums[class] += logits.values[logits.batch.at(logits.classes, sample, class)];
///                 }
///             }
///         })?;
///         let squash = |sum: f32| 0.5 + 0.5 * reweight::num::tanh(sum / n);
///         Ok(Score { utility: squash(sums[0]), edit: 1.0 - squash(sums[1]) })
///     }
/// }
/// ```
pub trait Task {
    /// Scores `net`, which runs over the samples of `split`.
    ///
    /// # Errors
    /// [`ForwardError`] when the network cannot be run, or does not fit the task.
    fn score(&mut self, net: &mut dyn Forward, split: Split) -> Result<Score, ForwardError>;
}
