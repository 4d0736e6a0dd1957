//! From a network's outputs to one score a sample.

use crate::error::ShapeError;
use crate::kernel::Kernel;
use crate::model::Logits;
use crate::num;

/// How the outputs of a network become one score, and what a probability is as a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Readout<'a> {
    /// Two outputs; the score is the second minus the first, the logit of the softmax's probability.
    Softmax,
    /// The score is a probability, the mean over outputs m of 1 / (1 + exp(a m + b)): Platt's
    /// calibration of several models.
    Calibrated {
        /// a of each output.
        slope: &'a [f32],
        /// b of each output.
        offset: &'a [f32],
    },
}

impl Readout<'_> {
    /// Outputs that it takes.
    pub const fn outputs(&self) -> usize {
        match self {
            Self::Softmax => 2,
            Self::Calibrated { slope, .. } => slope.len(),
        }
    }

    /// The score of a probability: a text is called toxic when its score is at least this.
    pub fn score_of(&self, probability: f32) -> f32 {
        match self {
            Self::Softmax => num::ln(probability / (1.0 - probability)),
            Self::Calibrated { .. } => probability,
        }
    }

    /// The probability of a score.
    pub fn probability_of(&self, score: f32) -> f32 {
        match self {
            Self::Softmax => 1.0 / (1.0 + num::exp(-score)),
            Self::Calibrated { .. } => score,
        }
    }

    /// Scores of the samples of a panel; the logits are overwritten.
    ///
    /// # Errors
    /// [`ShapeError`] when the network has another number of outputs.
    pub fn scores(
        &self,
        kernel: Kernel,
        logits: Logits<'_>,
        scores: &mut [f32],
    ) -> Result<(), ShapeError> {
        let Logits { batch, classes, values, .. } = logits;
        ShapeError::check("outputs of the network", self.outputs(), classes)?;
        ShapeError::check("scores of a panel", batch.samples(), scores.len())?;
        let width = batch.width();
        match self {
            Self::Softmax => {
                let (no, yes) = values.split_at_checked(width).unwrap_or_default();
                for (to, (no, yes)) in scores.iter_mut().zip(no.iter().zip(yes)) {
                    *to = yes - no;
                }
            }
            Self::Calibrated { slope, offset } => {
                let lanes = values.chunks_exact_mut(width.max(1));
                for (lane, (&a, &b)) in lanes.zip(slope.iter().zip(*offset)) {
                    lane.iter_mut().for_each(|m| *m = a * *m + b);
                }
                kernel.exp(values);
                let share = 1.0 / slope.len().max(1) as f32;
                scores.fill(0.0);
                for lane in values.chunks_exact(width.max(1)) {
                    for (to, &value) in scores.iter_mut().zip(lane) {
                        *to += 1.0 / (1.0 + value);
                    }
                }
                scores.iter_mut().for_each(|score| *score *= share);
            }
        }
        Ok(())
    }
}
