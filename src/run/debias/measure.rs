//! Figures of scores on comments.

use super::net::Net;
use super::record::{DebiasFigures, GroupFigures, KindFigures};
use crate::data::text::{BagSet, Comments};
use crate::editor::text::Odds;
use crate::kernel::Kernel;
use crate::metric::auc::{Ranking, auc_scratch};
use crate::metric::bias::{
    GapKind, GroupAucs, Membership, Rates, demographic_parity_difference,
    equalized_odds_difference, fnr_gap, fpr_gap, jigsaw, jigsaw_scratch, matched_threshold,
    null_gap, rates,
};
use crate::rng::{Purpose, Rng};
use crate::run::error::RunError;
use crate::task::Readout;

/// Permutations behind a null value.
const PERMUTATIONS: usize = 200;

/// Scores of texts by a network.
pub(super) fn scores(
    kernel: Kernel,
    net: Net<'_>,
    readout: &Readout<'_>,
    bag: &BagSet,
) -> Result<Vec<f32>, RunError> {
    let mut scores = vec![0.0; bag.len()];
    let mut fault = Ok(());
    net.on(kernel, bag, &vec![0; bag.len()], |net| {
        net.for_each_logits(&mut |logits| {
            let range = logits.first..logits.first + logits.batch.samples();
            let own = scores.get_mut(range).unwrap_or_default();
            fault = fault.and(readout.scores(kernel, logits, own));
        })
    })?;
    fault?;
    Ok(scores)
}

/// What is called toxic, and from which score on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cuts {
    /// As a probability.
    pub(super) threshold: f32,
    /// The same as a score.
    pub(super) at: f32,
    /// Matched on the reward split, as a score.
    pub(super) matched: Option<f32>,
    /// The same as a probability.
    pub(super) matched_probability: Option<f32>,
}

impl Cuts {
    /// The cuts of a network with these scores on the reward split; `wanted` is the unedited network's
    /// false positive rate there, at `usual`.
    pub(super) fn new(
        readout: &Readout<'_>,
        threshold: f32,
        usual: f32,
        scores: &[f32],
        labels: &[u8],
        wanted: Option<f64>,
    ) -> Result<Self, RunError> {
        let near = readout.score_of(usual);
        let mut scratch = vec![0; scores.len()];
        let matched = match wanted {
            None => None,
            Some(wanted) => matched_threshold(scores, labels, wanted, near, &mut scratch)?,
        };
        let matched_probability = matched.map(|at| readout.probability_of(at));
        Ok(Self { threshold, at: readout.score_of(threshold), matched, matched_probability })
    }
}

/// Comments with what a network says of them: predictions for rates, scores for ranks.
#[derive(Clone, Debug)]
pub(super) struct Judged<'c> {
    pub(super) comments: &'c Comments,
    pub(super) scores: Vec<f32>,
    /// 1 where a comment is called toxic, else 0.
    pub(super) called: Vec<f32>,
    /// The same at the matched threshold.
    pub(super) matched: Option<Vec<f32>>,
}

impl<'c> Judged<'c> {
    pub(super) fn new(comments: &'c Comments, scores: Vec<f32>, cuts: &Cuts) -> Self {
        let calls =
            |at: f32| scores.iter().map(|&score| f32::from(u8::from(score >= at))).collect();
        let (called, matched) = (calls(cuts.at), cuts.matched.map(calls));
        Self { comments, scores, called, matched }
    }

    /// The same with decisions by `odds`, if there are any: drawn from stream (seed, action), and without a
    /// matched threshold.
    pub(super) fn by(mut self, odds: Option<&Odds>, seed: u64) -> Self {
        if let Some(odds) = odds {
            self.called = odds.decide(&self.scores, &self.comments.members, seed);
            self.matched = None;
        }
        self
    }

    /// All figures. The null values come from stream (seed, bootstrap).
    pub(super) fn figures(&self, cuts: &Cuts, seed: u64) -> Result<DebiasFigures, RunError> {
        let comments = self.comments;
        let (labels, groups) = (&comments.labels, comments.groups.len());
        let membership = membership(comments);
        let mut wide = vec![0; jigsaw_scratch(labels.len())];
        let mut aucs = vec![GroupAucs::default(); groups];
        let joined = jigsaw(&self.scores, labels, membership, &mut aucs, &mut wide)?;
        let at = |called: &[f32]| -> Result<Vec<Rates>, RunError> {
            let mut out = vec![Rates::default(); groups + 1];
            rates(called, 0.5, labels, membership, &mut out)?;
            Ok(out)
        };
        let here = at(&self.called)?;
        let there = self.matched.as_deref().map(at).transpose()?;
        let overall = here.first().copied().unwrap_or_default();
        let (fpr, fnr) = (fpr_gap(&here), fnr_gap(&here));
        let (odds, parity) =
            (equalized_odds_difference(&here), demographic_parity_difference(&here));
        let mut nulls = vec![None; groups];
        let mut other_nulls = vec![None; groups];
        let null = |kind: GapKind, out: &mut [Option<f64>]| {
            let mut rng = Rng::new(seed, Purpose::Bootstrap);
            let (mut words, mut gaps) = (vec![0; labels.len()], vec![0.0; PERMUTATIONS]);
            null_gap(
                &self.called,
                0.5,
                labels,
                membership,
                kind,
                PERMUTATIONS,
                &mut rng,
                out,
                &mut words,
                &mut gaps,
            )
        };
        let gap_null = null(GapKind::Fpr, &mut nulls)?;
        let fned_null = null(GapKind::Fnr, &mut other_nulls)?;
        let matched = there.as_deref().map(fpr_gap);
        let group = |index: usize| {
            let own = here.get(index + 1).copied().unwrap_or_default();
            let signed = |rates: &[Rates]| {
                let own = rates.get(index + 1).and_then(Rates::fpr);
                own.zip(rates.first().and_then(Rates::fpr)).map(|(own, all)| own - all)
            };
            GroupFigures {
                name: comments.groups.get(index).cloned().unwrap_or_default(),
                n: own.positives + own.negatives,
                negatives: own.negatives,
                fpr: own.fpr(),
                fnr: own.fnr(),
                gap: signed(&here),
                gap_null: nulls.get(index).copied().flatten(),
                matched_gap: there.as_deref().and_then(signed),
                subgroup_auc: aucs.get(index).and_then(|aucs| aucs.subgroup),
            }
        };
        Ok(DebiasFigures {
            n: labels.len(),
            auc: joined.overall,
            accuracy: overall.accuracy(),
            tpr: overall.tpr(),
            fpr: overall.fpr(),
            threshold: cuts.threshold,
            jigsaw_score: joined.score,
            subgroup_auc: joined.subgroup,
            bpsn_auc: joined.bpsn,
            bnsp_auc: joined.bnsp,
            fped_mean: fpr.mean,
            fped: fpr.sum,
            fned_mean: fnr.mean,
            fned: fnr.sum,
            worst_gap: fpr.worst,
            gap_null: gap_null.mean,
            gap_null_high: gap_null.high,
            fned_null: fned_null.mean,
            matched_threshold: cuts.matched_probability.filter(|_| self.matched.is_some()),
            matched_gap: matched.and_then(|gap| gap.mean),
            matched_worst: matched.and_then(|gap| gap.worst),
            matched_accuracy: there.as_deref().and_then(<[Rates]>::first).and_then(Rates::accuracy),
            equalized_odds: odds.difference,
            demographic_parity: parity.difference,
            undefined: joined.undefined + fpr.undefined + fnr.undefined,
            reward: None,
            kinds: self.kinds()?,
            groups: (0..groups).map(group).collect(),
        })
    }

    fn kinds(&self) -> Result<Vec<KindFigures>, RunError> {
        let comments = self.comments;
        if comments.kind_names.len() < 2 {
            return Ok(Vec::new());
        }
        let mut scratch = vec![0; auc_scratch(self.scores.len())];
        let ranking = Ranking::new(&self.scores, &comments.labels, &mut scratch)?;
        let mut kinds = Vec::new();
        for (kind, name) in (0u8..).zip(&comments.kind_names) {
            let is = |index: usize| comments.kinds.get(index) == Some(&kind);
            kinds.push(KindFigures {
                name: name.clone(),
                n: (0..comments.len()).filter(|&index| is(index)).count(),
                auc: ranking.auc_of(is),
            });
        }
        Ok(kinds)
    }
}

/// Groups of comments, as metrics take them.
pub(super) fn membership(comments: &Comments) -> Membership<'_> {
    Membership {
        groups: comments.groups.len(),
        members: &comments.members,
        missing: &comments.missing,
    }
}

/// The false positive rate of scores at a cut.
pub(super) fn false_positive_rate(scores: &[f32], labels: &[u8], at: f32) -> Option<f64> {
    let negatives = || scores.iter().zip(labels).filter(|&(_, &label)| label != 1);
    let flagged = negatives().filter(|&(&score, _)| score >= at).count();
    let all = negatives().count();
    (all > 0).then(|| flagged as f64 / all as f64)
}
