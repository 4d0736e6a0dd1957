//! The settings of the task, and what they make of predictions.

use crate::metric::bias::{GapKind, Rates, gap_of, gaps_of};
use crate::model::ForwardError;

/// What counts as bias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bias {
    /// Mean distance of a group's false positive rate from that of all samples.
    #[default]
    FprGap,
    /// The same for false negative rates.
    FnrGap,
    /// The mean of both.
    EqualizedOdds,
    /// 1 − the score that the Jigsaw competition was judged by.
    Jigsaw,
}

impl Bias {
    /// "fpr-gap", "fnr-gap", "equalized-odds" or "jigsaw".
    pub const fn name(self) -> &'static str {
        match self {
            Self::FprGap => "fpr-gap",
            Self::FnrGap => "fnr-gap",
            Self::EqualizedOdds => "equalized-odds",
            Self::Jigsaw => "jigsaw",
        }
    }
}

/// What is to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Utility {
    /// Accuracy at the threshold.
    #[default]
    Accuracy,
    /// Area under the ROC curve. Alone it is answered by "never toxic": it does not see the threshold.
    Auc,
    /// The mean of both.
    Both,
}

impl Utility {
    /// "accuracy", "auc" or "both".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Auc => "auc",
            Self::Both => "both",
        }
    }
}

/// The settings of the task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DebiasingConfig {
    /// What counts as bias.
    pub bias: Bias,
    /// What is to be kept.
    pub utility: Utility,
    /// Probability from which on a text is called toxic; .5.
    pub threshold: f32,
    /// The same for the bias alone; a lower one leaves a margin. `None` for `threshold`.
    pub gap_threshold: Option<f32>,
}

impl DebiasingConfig {
    /// Thresholds at which predictions are made.
    pub(super) fn thresholds(&self) -> usize {
        1 + usize::from(self.gap_threshold.is_some())
    }

    /// Whether samples have to be ranked by their scores.
    pub(super) fn ranks(&self) -> bool {
        self.utility != Utility::Accuracy || self.bias == Bias::Jigsaw
    }

    pub(super) fn utility_of(
        &self,
        overall: &Rates,
        auc: Option<f64>,
    ) -> Result<f64, ForwardError> {
        let accuracy = || overall.accuracy().ok_or(ONE_CLASS);
        Ok(match self.utility {
            Utility::Accuracy => accuracy()?,
            Utility::Auc => auc.ok_or(ONE_CLASS)?,
            Utility::Both => 0.5 * (accuracy()? + auc.ok_or(ONE_CLASS)?),
        })
    }

    /// Bias by counts of all samples, then of the groups.
    pub(super) fn bias_of(
        &self,
        overall: &Rates,
        groups: impl Iterator<Item = Rates>,
    ) -> Option<f64> {
        match self.bias {
            Bias::FprGap => gap_of(overall, groups, GapKind::Fpr).mean,
            Bias::FnrGap => gap_of(overall, groups, GapKind::Fnr).mean,
            Bias::EqualizedOdds => {
                let [fpr, fnr] = gaps_of(overall, groups).map(|gap| gap.mean);
                fpr.zip(fnr).map(|(fpr, fnr)| 0.5 * (fpr + fnr))
            }
            // Not by counts.
            Bias::Jigsaw => None,
        }
    }
}

impl Default for DebiasingConfig {
    fn default() -> Self {
        Self { bias: Bias::FprGap, utility: Utility::Accuracy, threshold: 0.5, gap_threshold: None }
    }
}

pub(super) const ONE_CLASS: ForwardError = ForwardError::Failed("the samples have one class only");
