//! Debiasing a classifier of texts.

use super::{Score, Task};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::Kernel;
use crate::metric::auc::{Ranking, auc_scratch};
use crate::metric::bias::{
    BitPlanes, GroupAucs, MOST_GROUPS, Membership, Rates, equalized_odds_gap, fnr_gap, fpr_gap,
    jigsaw, matched_threshold, predict,
};
use crate::model::{Forward, ForwardError, Logits, Split};
use crate::num;
use crate::slab::{Arena, Need};

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

impl Default for DebiasingConfig {
    fn default() -> Self {
        Self { bias: Bias::FprGap, utility: Utility::Accuracy, threshold: 0.5, gap_threshold: None }
    }
}

/// Samples that are judged together: a part of the reward split with groups of its own.
#[derive(Clone, Copy, Debug)]
pub struct DebiasingPart<'a> {
    /// Class of each sample, 1 toxic.
    pub labels: &'a [u8],
    /// The groups.
    pub membership: Membership<'a>,
    /// Measure the bias at the threshold at which this share of the non-toxic samples is flagged, the
    /// unedited network's false positive rate: then a shift of all scores gains nothing.
    pub matched: Option<f64>,
}

/// Most parts.
pub const MOST_PARTS: usize = 2;

/// Keep a classifier useful, and treat groups alike.
///
/// `utility` is the accuracy (or AUC) on the reward split, `edit` is 1 − bias. With several parts, each with
/// groups of its own, both are means over the parts. It scores the reward split only.
#[derive(Debug)]
pub struct Debiasing<'a> {
    config: DebiasingConfig,
    readout: Readout<'a>,
    parts: heapless::Vec<State<'a>, MOST_PARTS>,
    scores: &'a mut [f32],
    predicted: &'a mut [u32],
    keys: &'a mut [u32],
    scratch: &'a mut [u64],
}

#[derive(Debug)]
struct State<'a> {
    part: DebiasingPart<'a>,
    planes: BitPlanes<'a>,
}

impl<'a> Debiasing<'a> {
    /// Memory for parts of that many samples and groups.
    pub fn need(parts: &[(usize, usize)]) -> Need {
        let samples: usize = parts.iter().map(|(samples, _)| samples).sum();
        let planes: usize =
            parts.iter().map(|&(samples, groups)| BitPlanes::need(samples, groups)).sum();
        Need { f32s: samples, u32s: planes + BitPlanes::words(samples) + samples }
    }

    /// Memory where no part is judged at a matched threshold.
    pub fn unmatched_need(parts: &[(usize, usize)]) -> Need {
        let samples: usize = parts.iter().map(|(samples, _)| samples).sum();
        let Need { f32s, u32s } = Self::need(parts);
        Need { f32s, u32s: u32s - samples }
    }

    /// Wide words of scratch beside it, for AUCs: none are needed where accuracy is what is kept and the bias is
    /// not the Jigsaw score's.
    pub fn scratch(parts: &[(usize, usize)]) -> usize {
        parts.iter().map(|&(samples, _)| auc_scratch(samples)).max().unwrap_or(0)
    }

    /// The task over `parts`, whose samples follow one another in the reward split.
    ///
    /// # Errors
    /// [`ForwardError`]: no part, too many of them, labels and groups that do not fit, a threshold outside
    /// (0, 1), or less memory than [`need`](Self::need) and [`scratch`](Self::scratch) say.
    pub fn new(
        config: DebiasingConfig,
        readout: Readout<'a>,
        parts: &[DebiasingPart<'a>],
        arena: &mut Arena<'a>,
        scratch: &'a mut [u64],
    ) -> Result<Self, ForwardError> {
        let inside = |value: f32| value > 0.0 && value < 1.0;
        if !inside(config.threshold) || !config.gap_threshold.is_none_or(inside) {
            return Err(ForwardError::Failed("thresholds are probabilities between 0 and 1"));
        }
        if parts.is_empty() {
            return Err(ForwardError::Failed("there are no samples to judge"));
        }
        let total: usize = parts.iter().map(|part| part.labels.len()).sum();
        let mut states = heapless::Vec::new();
        for part in parts {
            let groups = part.membership.groups;
            let memory = arena.take_indices(BitPlanes::need(part.labels.len(), groups))?;
            let planes = BitPlanes::new(part.labels, part.membership, memory)
                .map_err(|_| ForwardError::Failed("the groups do not fit the samples"))?;
            let too_many = ForwardError::Failed("too many parts to judge");
            states.push(State { part: *part, planes }).map_err(|_| too_many)?;
        }
        let ranks = config.utility != Utility::Accuracy || config.bias == Bias::Jigsaw;
        let sizes = parts.iter().filter(|_| ranks).map(|part| auc_scratch(part.labels.len()));
        let (need, have) = (sizes.max().unwrap_or(0), scratch.len());
        if have < need {
            return Err(TooSmall { need, have }.into());
        }
        Ok(Self {
            config,
            readout,
            parts: states,
            scores: arena.take(total)?,
            predicted: arena.take_indices(BitPlanes::words(total))?,
            keys: arena.take_indices(if parts.iter().any(|part| part.matched.is_some()) {
                total
            } else {
                0
            })?,
            scratch,
        })
    }

    /// The settings.
    pub fn config(&self) -> &DebiasingConfig {
        &self.config
    }

    /// Another probability from which on a text is called toxic; for the bias too, unless it has one of its
    /// own.
    pub fn set_threshold(&mut self, threshold: f32) {
        self.config.threshold = threshold;
    }

    /// The score of the network that was scored last, from its scores: after
    /// [`set_threshold`](Self::set_threshold) it need not be run again.
    ///
    /// # Errors
    /// [`ForwardError`] as for a network.
    pub fn rejudge(&mut self) -> Result<Score, ForwardError> {
        let Self { config, readout, parts, scores, predicted, keys, scratch } = self;
        let threshold = readout.score_of(config.threshold);
        let gap_threshold = config.gap_threshold.map_or(threshold, |at| readout.score_of(at));
        let (mut utility, mut edit, mut first) = (0.0f64, 0.0f64, 0);
        for State { part, planes } in parts.iter() {
            let own = scores.get(first..first + part.labels.len()).unwrap_or_default();
            first += part.labels.len();
            let groups = part.membership.groups;
            let words = BitPlanes::words(own.len());
            let predicted = predicted.get_mut(..words).unwrap_or_default();
            let mut rates = [Rates::default(); MOST_GROUPS + 1];
            let rates = rates.get_mut(..groups + 1).unwrap_or_default();
            let mut count = |threshold: f32, rates: &mut [Rates]| {
                predict(own, threshold, predicted).map_err(|_| NOT_A_NUMBER)?;
                planes.count(predicted, rates).map_err(|_| NOT_A_NUMBER)
            };
            count(threshold, rates)?;
            let accuracy = rates.first().and_then(Rates::accuracy);
            let auc = if config.utility == Utility::Accuracy {
                None
            } else {
                let ranking = Ranking::new(own, part.labels, scratch).map_err(|_| NOT_A_NUMBER)?;
                ranking.auc()
            };
            let one_class = ForwardError::Failed("the samples have one class only");
            utility += match config.utility {
                Utility::Accuracy => accuracy.ok_or(one_class)?,
                Utility::Auc => auc.ok_or(one_class)?,
                Utility::Both => 0.5 * (accuracy.ok_or(one_class)? + auc.ok_or(one_class)?),
            };
            let at = match part.matched {
                None => gap_threshold,
                Some(wanted) => matched_threshold(own, part.labels, wanted, gap_threshold, keys)
                    .map_err(|_| NOT_A_NUMBER)?
                    .ok_or(one_class)?,
            };
            if at != threshold && config.bias != Bias::Jigsaw {
                count(at, rates)?;
            }
            let bias = match config.bias {
                Bias::FprGap => fpr_gap(rates).mean,
                Bias::FnrGap => fnr_gap(rates).mean,
                Bias::EqualizedOdds => equalized_odds_gap(rates),
                Bias::Jigsaw => jigsaw_bias(own, part, scratch)?,
            };
            edit += 1.0 - bias.ok_or(ForwardError::Failed("no group has samples to judge by"))?;
        }
        let share = 1.0 / parts.len().max(1) as f64;
        Ok(Score { utility: (utility * share) as f32, edit: (edit * share) as f32 })
    }

    /// Scores of all samples of the last network that was scored.
    pub fn scores(&self) -> &[f32] {
        self.scores
    }
}

/// 1 − the Jigsaw score. On its own, so that its table takes no stack from those who do not ask for it.
#[inline(never)]
fn jigsaw_bias(
    scores: &[f32],
    part: &DebiasingPart<'_>,
    scratch: &mut [u64],
) -> Result<Option<f64>, ForwardError> {
    let mut aucs = [GroupAucs::default(); MOST_GROUPS];
    let aucs = aucs.get_mut(..part.membership.groups).unwrap_or_default();
    let judged = jigsaw(scores, part.labels, part.membership, aucs, scratch);
    Ok(judged.map_err(|_| NOT_A_NUMBER)?.score.map(|score| 1.0 - score))
}

const NOT_A_NUMBER: ForwardError =
    ForwardError::Failed("a score is not a number: the network's outputs overflow");

impl Task for Debiasing<'_> {
    fn score(&mut self, net: &mut dyn Forward, split: Split) -> Result<Score, ForwardError> {
        if split != Split::Reward {
            return Err(ForwardError::Failed("debiasing is scored on the reward split"));
        }
        let Self { readout, scores, .. } = self;
        ShapeError::check("labels", net.samples(), scores.len())?;
        let kernel = net.kernel();
        let mut fault = Ok(());
        net.for_each_logits(&mut |logits| {
            let range = logits.first..logits.first + logits.batch.samples();
            let own = scores.get_mut(range).unwrap_or_default();
            fault = fault.and(readout.scores(kernel, logits, own));
        })?;
        fault?;
        self.rejudge()
    }
}
