//! A network and its data before any edit.

use super::config::DebiasConfig;
use super::judge::{Court, WholeNetwork};
use super::material::{Material, TextPart};
use super::measure::{Cuts, Judged, false_positive_rate, scores};
use super::net::Net;
use super::record::{DebiasFigures, RewardFigures};
use super::target::TextTarget;
use crate::run::error::RunError;
use crate::slab::Heap;
use crate::task::Score;

/// One network with its data, before any edit.
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) material: Material,
    pub(super) target: TextTarget,
    pub(super) court: Court,
    /// False positive rate on the first part of the reward split.
    pub(super) wanted: Option<f64>,
    pub(super) before: DebiasFigures,
    pub(super) elsewhere: Vec<DebiasFigures>,
    /// Scores of the test split.
    pub(super) scores: Vec<f32>,
    pub(super) cuts: Cuts,
}

impl Case {
    /// Takes the figures of a network before any edit.
    pub(super) fn new(
        config: &DebiasConfig,
        seed: u64,
        material: Material,
        target: TextTarget,
    ) -> Result<Self, RunError> {
        let kernel = config.kernel;
        let readout = target.language.readout();
        let at = readout.score_of(config.threshold);
        let net = Net::of(&target);
        let of = |part: &TextPart| scores(kernel, net, &readout, &part.bag);
        let reward = of(&material.reward)?;
        let labels = &material.reward.comments.labels;
        let wanted = false_positive_rate(&reward, labels, at);
        let beside = match &material.beside {
            None => None,
            Some(part) => false_positive_rate(&of(part)?, &part.comments.labels, at),
        };
        let cuts =
            Cuts::new(&readout, config.threshold, config.threshold, &reward, labels, wanted)?;
        let test = of(&material.test)?;
        let mut before =
            Judged::new(&material.test.comments, test.clone(), &cuts).figures(&cuts, seed)?;
        let mut elsewhere = Vec::new();
        for (_, part) in &material.elsewhere {
            let judged = Judged::new(&part.comments, of(part)?, &cuts);
            elsewhere.push(judged.figures(&cuts, seed)?);
        }
        let matched = if config.matched { vec![wanted, beside] } else { vec![None, None] };
        let court = Court::new(&material, matched);
        let reward = {
            let (need, wide) = court.need();
            let (mut heap, mut wide) = (Heap::new(need), vec![0; wide]);
            let task = court.task(config.task(), &target, &mut heap, &mut wide)?;
            let lambda = config.lambda();
            let mut whole = WholeNetwork { kernel, target: &target, court: &court, task, lambda };
            reward_figures(whole.score(net)?, lambda)
        };
        before.reward = Some(reward);
        Ok(Self { seed, before, elsewhere, scores: test, cuts, wanted, court, material, target })
    }

    /// The comments of the test split with the unedited network's scores.
    pub(super) fn judged_before(&self) -> Judged<'_> {
        Judged::new(&self.material.test.comments, self.scores.clone(), &self.cuts)
    }
}

pub(super) fn reward_figures(score: Score, lambda: f32) -> RewardFigures {
    let reward = lambda * score.utility + (1.0 - lambda) * score.edit;
    RewardFigures { utility: score.utility, edit: score.edit, reward }
}
