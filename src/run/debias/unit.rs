//! One unit of work: one editor on one layer of one network with one seed.

use super::case::{Case, reward_figures};
use super::config::{DebiasConfig, Method};
use super::judge::WholeNetwork;
use super::measure::{Cuts, Judged, scores};
use super::net::{Net, Weights};
use super::record::{ChangedWord, DebiasFigures, ExampleText, TextActions};
use crate::editor::Settings;
use crate::editor::text::{Odds, TextEditorInfo, TextProblem};
use crate::kernel::Kernel;
use crate::num::Digest;
use crate::run::error::RunError;
use crate::run::int8::Quantised;
use crate::run::observer::Observer;
use crate::run::policy::TrainedPolicy;
use crate::run::record::CurvePoint;
use crate::run::unit::edit_norm;
use crate::slab::Heap;
use crate::world::WorldKind;
use std::time::Instant;

/// What a unit found.
pub(super) struct Found {
    pub(super) weights: Weights,
    pub(super) actions: Option<TextActions>,
    pub(super) after: DebiasFigures,
    pub(super) elsewhere: Vec<DebiasFigures>,
    pub(super) edit: Option<&'static str>,
    pub(super) other: Option<DebiasFigures>,
    pub(super) evaluations: u64,
    pub(super) seconds: f64,
    pub(super) edit_norm: Option<f64>,
    pub(super) digest: u64,
    pub(super) curve: Vec<CurvePoint>,
    pub(super) words: Vec<ChangedWord>,
    pub(super) examples: Vec<ExampleText>,
    /// Scores of the test split, and what is called toxic from where on.
    pub(super) scores: Vec<f32>,
    pub(super) cuts: Cuts,
    /// What is called toxic there, where that does not follow from the cuts.
    pub(super) called: Option<Vec<f32>>,
}

/// An editor at work on a case.
pub(super) struct Work<'a> {
    pub(super) config: &'a DebiasConfig,
    pub(super) case: &'a Case,
    pub(super) method: Method,
    /// Index of the edited layer.
    pub(super) layer: usize,
    pub(super) kind: Option<WorldKind>,
    /// λ and μ in place of the configuration's.
    pub(super) prices: Option<(f32, f32)>,
    pub(super) budget: u64,
    pub(super) settings: &'a Settings,
    pub(super) policy: Option<&'a TrainedPolicy>,
}

/// Edited weights, before figures are taken.
pub(super) struct Edited {
    pub(super) weights: Weights,
    pub(super) actions: Option<TextActions>,
    pub(super) threshold: Option<f32>,
    pub(super) odds: Option<Odds>,
    pub(super) evaluations: u64,
    pub(super) edit: Option<&'static str>,
    pub(super) other: Option<Weights>,
    pub(super) curve: Vec<CurvePoint>,
    pub(super) digest: Digest,
}

impl Work<'_> {
    pub(super) fn kernel(&self) -> Kernel {
        self.config.kernel
    }

    pub(super) fn layer_name(&self) -> &str {
        match self.method {
            Method::World(_) => {}
            Method::Text(editor) if matches!(editor.name, "leace" | "inlp" | "savani") => {}
            Method::Text(_) => return "",
        }
        self.case.target.stack.layers().get(self.layer).map_or("", |layer| layer.name())
    }

    /// Edits, then takes figures.
    pub(super) fn run(&self, observer: &dyn Observer) -> Result<Found, RunError> {
        let started = Instant::now();
        let edited = match self.method {
            Method::World(editor) => self.act(editor, observer),
            Method::Text(editor) => self.refer(editor),
        }?;
        let seconds = started.elapsed().as_secs_f64();
        let target = &self.case.target;
        let odds = edited.odds.as_ref();
        let net = edited.weights.net(target);
        let (after, test, cuts) = self.figures(net, edited.threshold, odds)?;
        let other = match &edited.other {
            None => None,
            Some(weights) => Some(self.figures(weights.net(target), None, None)?.0),
        };
        let mut elsewhere = Vec::new();
        for (_, part) in &self.case.material.elsewhere {
            let scores = self.scores(net, part)?;
            let judged = Judged::new(&part.comments, scores, &cuts);
            // Rules are for the groups of the reward split; others are judged by the threshold.
            let same = part.comments.groups == self.case.material.reward.comments.groups;
            let judged = judged.by(odds.filter(|_| same), self.case.seed);
            elsewhere.push(judged.figures(&cuts, self.case.seed)?);
        }
        let mut digest = edited.digest;
        if let Some(layer) = target.stack.layers().get(self.layer) {
            let of = |range| edited.weights.real.get(range).unwrap_or_default();
            digest.weights(of(layer.weight_range()), layer.inputs(), layer.outputs());
            digest.values(layer.bias_range().map(of).unwrap_or_default());
        }
        Ok(Found {
            words: self.words(&edited.weights.real),
            examples: self.examples(&edited.weights, &test)?,
            edit_norm: self.norm(&edited.weights.real),
            digest: digest.finish(),
            after,
            elsewhere,
            edit: edited.edit,
            other,
            evaluations: edited.evaluations,
            seconds,
            curve: edited.curve,
            called: odds.map(|odds| {
                odds.decide(&test, &self.case.material.test.comments.members, self.case.seed)
            }),
            scores: test,
            cuts,
            actions: edited.actions,
            weights: edited.weights,
        })
    }

    fn scores(&self, net: Net<'_>, part: &super::TextPart) -> Result<Vec<f32>, RunError> {
        scores(self.kernel(), net, &self.case.target.language.readout(), &part.bag)
    }

    /// Figures on the test split, the scores there, and the cuts.
    fn figures(
        &self,
        net: Net<'_>,
        threshold: Option<f32>,
        odds: Option<&Odds>,
    ) -> Result<(DebiasFigures, Vec<f32>, Cuts), RunError> {
        let Case { material, target, court, .. } = self.case;
        let reward = self.scores(net, &material.reward)?;
        let usual = self.config.threshold;
        let readout = target.language.readout();
        let cuts = Cuts::new(
            &readout,
            threshold.unwrap_or(usual),
            usual,
            &reward,
            &material.reward.comments.labels,
            self.case.wanted,
        )?;
        let test = self.scores(net, &material.test)?;
        let judged = Judged::new(&material.test.comments, test, &cuts).by(odds, self.case.seed);
        let mut figures = judged.figures(&cuts, self.case.seed)?;
        let (need, wide) = court.need();
        let (mut heap, mut wide) = (Heap::new(need), vec![0; wide]);
        let mut task = court.task(self.config.task(), target, &mut heap, &mut wide)?;
        if let Some(threshold) = threshold {
            task.set_threshold(threshold);
        }
        let (kernel, lambda) = (self.kernel(), self.config.lambda());
        let mut whole = WholeNetwork { kernel, target, court, task, lambda };
        // The reward is that of a threshold.
        figures.reward = match odds {
            None => Some(reward_figures(whole.score(net)?, lambda)),
            Some(_) => None,
        };
        Ok((figures, judged.scores, cuts))
    }

    fn refer(&self, editor: &TextEditorInfo) -> Result<Edited, RunError> {
        let Case { material, target, court, seed, .. } = self.case;
        let words = target.stack.inputs();
        let scores = self.scores(Net::of(target), &material.reward)?;
        let problem = TextProblem {
            kernel: self.kernel(),
            stack: &target.stack,
            parameters: &target.parameters,
            layer: self.layer,
            reward: material.reward.set(words)?,
            scores: &scores,
            words: &material.words,
            train: match &material.train {
                Some(part) => Some(part.set(words)?),
                None => None,
            },
            unbiased: material.unbiased.as_deref(),
            training: material.training,
            seed: *seed,
            budget: self.budget,
        };
        let (need, wide) = court.need();
        let (mut heap, mut wide) = (Heap::new(need), vec![0; wide]);
        let task = court.task(self.config.task(), target, &mut heap, &mut wide)?;
        let (kernel, lambda) = (self.kernel(), self.config.lambda());
        let mut judge = WholeNetwork { kernel, target, court, task, lambda };
        let edit = (editor.edit)(&problem, &mut judge)
            .map_err(|error| RunError::Failed(format!("{}: {error}", editor.name)))?;
        let weights = match (&target.integers, editor.name) {
            // Trained anew, and quantised as the target was: its own ranges, on the same texts.
            (Some(_), "retrain") => {
                let bag = material.calibration().bag.view(words)?;
                let (stack, real) = (&target.stack, &edit.parameters);
                let integers = Quantised::of_bag(kernel, stack, real, bag)?;
                Weights::of_integers(target, integers)?
            }
            _ => Weights::written(target, edit.parameters)?,
        };
        Ok(Edited {
            weights,
            actions: None,
            threshold: edit.threshold,
            odds: edit.odds,
            evaluations: edit.evaluations,
            edit: None,
            other: None,
            curve: Vec::new(),
            digest: Digest::new(),
        })
    }

    /// ‖ΔW‖ / ‖W‖ of the edited layer, over the columns that occur.
    fn norm(&self, parameters: &[f32]) -> Option<f64> {
        if self.layer_name().is_empty() {
            return None;
        }
        let before = self.compact(&self.case.target.parameters).ok()?;
        let after = self.compact(parameters).ok()?;
        let weights = before.stack.layers().get(self.layer)?.weight_range();
        Some(edit_norm(&before.parameters, &after.parameters, &[weights]))
    }
}
