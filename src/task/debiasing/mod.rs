//! Debiasing a classifier of texts.

mod config;
mod readout;

pub use config::{Bias, DebiasingConfig, Utility};
pub use readout::Readout;

use super::{Score, Task};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::LANES;
use crate::metric::auc::{Ranking, auc_scratch};
use crate::metric::bias::{
    BitPlanes, GroupAucs, MOST_GROUPS, Membership, jigsaw, matched_threshold, predict,
};
use crate::model::{Forward, ForwardError, Split};
use crate::slab::{Arena, Need};
use config::ONE_CLASS;

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
    /// Scores of all samples; empty where predictions alone are kept.
    scores: &'a mut [f32],
    /// Predictions of one part; of all parts where no scores are kept, then those that bias is measured by, if
    /// they are others.
    predicted: &'a mut [u32],
    keys: &'a mut [u32],
    scratch: &'a mut [u64],
    lean: bool,
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
        let u32s = planes_need(parts) + BitPlanes::words(samples) + samples;
        Need { f32s: samples, u32s }
    }

    /// Memory where no part is judged at a matched threshold.
    pub fn unmatched_need(parts: &[(usize, usize)]) -> Need {
        let samples: usize = parts.iter().map(|(samples, _)| samples).sum();
        let Need { f32s, u32s } = Self::need(parts);
        Need { f32s, u32s: u32s - samples }
    }

    /// Memory of [`lean`](Self::lean): bits alone.
    pub fn lean_need(config: &DebiasingConfig, parts: &[(usize, usize)]) -> Need {
        let words: usize = parts.iter().map(|&(samples, _)| BitPlanes::words(samples)).sum();
        Need { f32s: 0, u32s: planes_need(parts) + config.thresholds() * words }
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
        let mut task = Self::blank(config, readout, scratch, false);
        task.take_parts(parts, arena)?;
        let sizes = parts.iter().filter(|_| config.ranks()).map(|part| part.labels.len());
        let (need, have) = (sizes.map(auc_scratch).max().unwrap_or(0), task.scratch.len());
        if have < need {
            return Err(TooSmall { need, have }.into());
        }
        let total: usize = parts.iter().map(|part| part.labels.len()).sum();
        task.scores = arena.take(total)?;
        task.predicted = arena.take_indices(BitPlanes::words(total))?;
        let matched = parts.iter().any(|part| part.matched.is_some());
        task.keys = arena.take_indices(if matched { total } else { 0 })?;
        Ok(task)
    }

    /// The same task in little memory: of a sample no more than what was predicted is kept. Rates at fixed thresholds
    /// alone can be judged so, and there is nothing to [`rejudge`](Self::rejudge).
    ///
    /// # Errors
    /// [`ForwardError`] as for [`new`](Self::new), or when AUCs, the Jigsaw score or matched thresholds are asked for.
    pub fn lean(
        config: DebiasingConfig,
        readout: Readout<'a>,
        parts: &[DebiasingPart<'a>],
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        if config.ranks() || parts.iter().any(|part| part.matched.is_some()) {
            let what = "predictions tell no AUCs and no matched thresholds: scores have to be kept";
            return Err(ForwardError::Failed(what));
        }
        let mut task = Self::blank(config, readout, &mut [], true);
        task.take_parts(parts, arena)?;
        let words: usize = parts.iter().map(|part| BitPlanes::words(part.labels.len())).sum();
        task.predicted = arena.take_indices(config.thresholds() * words)?;
        Ok(task)
    }

    fn blank(
        config: DebiasingConfig,
        readout: Readout<'a>,
        scratch: &'a mut [u64],
        lean: bool,
    ) -> Self {
        let parts = heapless::Vec::new();
        let (scores, predicted, keys) = (&mut [][..], &mut [][..], &mut [][..]);
        Self { config, readout, parts, scores, predicted, keys, scratch, lean }
    }

    fn take_parts(
        &mut self,
        parts: &[DebiasingPart<'a>],
        arena: &mut Arena<'a>,
    ) -> Result<(), ForwardError> {
        let inside = |value: f32| value > 0.0 && value < 1.0;
        let DebiasingConfig { threshold, gap_threshold, .. } = self.config;
        if !inside(threshold) || !gap_threshold.is_none_or(inside) {
            return Err(ForwardError::Failed("thresholds are probabilities between 0 and 1"));
        }
        if parts.is_empty() {
            return Err(ForwardError::Failed("there are no samples to judge"));
        }
        for part in parts {
            let groups = part.membership.groups;
            let memory = arena.take_indices(BitPlanes::need(part.labels.len(), groups))?;
            let planes = BitPlanes::new(part.labels, part.membership, memory)
                .map_err(|_| ForwardError::Failed("the groups do not fit the samples"))?;
            let too_many = ForwardError::Failed("too many parts to judge");
            self.parts.push(State { part: *part, planes }).map_err(|_| too_many)?;
        }
        Ok(())
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

    /// The scores that thresholds stand for: that of predictions, and that of the bias.
    fn score_thresholds(&self) -> [f32; 2] {
        let DebiasingConfig { threshold, gap_threshold, .. } = self.config;
        [threshold, gap_threshold.unwrap_or(threshold)].map(|at| self.readout.score_of(at))
    }

    /// The score of the network that was scored last, from its scores: after
    /// [`set_threshold`](Self::set_threshold) it need not be run again.
    ///
    /// # Errors
    /// [`ForwardError`] as for a network, or when scores are not kept.
    pub fn rejudge(&mut self) -> Result<Score, ForwardError> {
        if self.lean {
            return Err(ForwardError::Failed("the scores of the samples were not kept"));
        }
        let [threshold, gap_threshold] = self.score_thresholds();
        let Self { config, parts, scores, predicted, keys, scratch, .. } = self;
        let (mut sum, mut first) = (Sum::default(), 0);
        for State { part, planes } in parts.iter() {
            let own = scores.get(first..first + part.labels.len()).unwrap_or_default();
            first += part.labels.len();
            let predicted = predicted.get_mut(..BitPlanes::words(own.len())).unwrap_or_default();
            let at = match part.matched {
                None => gap_threshold,
                Some(wanted) => matched_threshold(own, part.labels, wanted, gap_threshold, keys)
                    .map_err(|_| NOT_A_NUMBER)?
                    .ok_or(ONE_CLASS)?,
            };
            predict(own, threshold, predicted).map_err(|_| NOT_A_NUMBER)?;
            let mut counts = planes.counts(predicted);
            let overall = counts.next().unwrap_or_default();
            let bias = if config.bias == Bias::Jigsaw {
                jigsaw_bias(own, part, scratch)?
            } else if at == threshold {
                config.bias_of(&overall, counts)
            } else {
                drop(counts);
                predict(own, at, predicted).map_err(|_| NOT_A_NUMBER)?;
                let mut counts = planes.counts(predicted);
                config.bias_of(&counts.next().unwrap_or_default(), counts)
            };
            let auc = if config.utility == Utility::Accuracy {
                None
            } else {
                let ranking = Ranking::new(own, part.labels, scratch).map_err(|_| NOT_A_NUMBER)?;
                ranking.auc()
            };
            sum.add(config.utility_of(&overall, auc)?, bias)?;
        }
        Ok(sum.score(parts.len()))
    }

    /// As [`rejudge`](Self::rejudge), from the predictions of all parts.
    fn judge_predictions(&self) -> Result<Score, ForwardError> {
        let (mut sum, mut first) = (Sum::default(), 0);
        let biased = if self.config.thresholds() > 1 { self.predicted.len() / 2 } else { 0 };
        for State { part, planes } in &self.parts {
            let words = BitPlanes::words(part.labels.len());
            let plane = |first: usize| self.predicted.get(first..first + words).unwrap_or_default();
            let overall = planes.counts(plane(first)).next().unwrap_or_default();
            let mut counts = planes.counts(plane(biased + first));
            let bias = self.config.bias_of(&counts.next().unwrap_or_default(), counts);
            sum.add(self.config.utility_of(&overall, None)?, bias)?;
            first += words;
        }
        Ok(sum.score(self.parts.len()))
    }

    /// Scores of all samples of the last network that was scored; empty where they are not kept.
    pub fn scores(&self) -> &[f32] {
        self.scores
    }

    fn score_lean(&mut self, net: &mut dyn Forward) -> Result<Score, ForwardError> {
        let (kernel, readout, thresholds) = (net.kernel(), self.readout, self.score_thresholds());
        if thresholds.iter().any(|threshold| threshold.is_nan()) {
            return Err(NOT_A_NUMBER);
        }
        let mut fault = Ok(());
        net.for_each_logits(&mut |logits| {
            let (first, count) = (logits.first, logits.batch.samples());
            let mut panel = [0.0; LANES];
            let scores = panel.get_mut(..count).unwrap_or_default();
            let read = readout.scores(kernel, logits, scores).map_err(ForwardError::from);
            let kept = read.and_then(|()| self.keep_predictions(thresholds, first, scores));
            fault = fault.and(kept);
        })?;
        fault?;
        self.judge_predictions()
    }

    /// Keeps what is predicted for the samples from `first` on.
    fn keep_predictions(
        &mut self,
        thresholds: [f32; 2],
        first: usize,
        scores: &[f32],
    ) -> Result<(), ForwardError> {
        let half = if self.config.thresholds() > 1 { self.predicted.len() / 2 } else { 0 };
        for (index, &score) in (first..).zip(scores) {
            if score.is_nan() {
                return Err(NOT_A_NUMBER);
            }
            let (mut bit, mut word) = (index, 0);
            for State { part, .. } in &self.parts {
                if bit < part.labels.len() {
                    break;
                }
                bit -= part.labels.len();
                word += BitPlanes::words(part.labels.len());
            }
            let (word, mask) = (word + bit / u32::BITS as usize, 1 << (bit % u32::BITS as usize));
            for (plane, threshold) in [0, half].into_iter().zip(thresholds) {
                if let Some(word) = self.predicted.get_mut(plane + word) {
                    *word = if score >= threshold { *word | mask } else { *word & !mask };
                }
            }
        }
        Ok(())
    }
}

/// Indices of all groups of samples.
fn planes_need(parts: &[(usize, usize)]) -> usize {
    parts.iter().map(|&(samples, groups)| BitPlanes::need(samples, groups)).sum()
}

/// Sums over the parts.
#[derive(Default)]
struct Sum {
    utility: f64,
    edit: f64,
}

impl Sum {
    fn add(&mut self, utility: f64, bias: Option<f64>) -> Result<(), ForwardError> {
        let nobody = ForwardError::Failed("no group has samples to judge by");
        self.utility += utility;
        self.edit += 1.0 - bias.ok_or(nobody)?;
        Ok(())
    }

    fn score(&self, parts: usize) -> Score {
        let share = 1.0 / parts.max(1) as f64;
        Score { utility: (self.utility * share) as f32, edit: (self.edit * share) as f32 }
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
        let samples: usize = self.parts.iter().map(|state| state.part.labels.len()).sum();
        ShapeError::check("labels", net.samples(), samples)?;
        if self.lean {
            return self.score_lean(net);
        }
        let Self { readout, scores, .. } = self;
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
