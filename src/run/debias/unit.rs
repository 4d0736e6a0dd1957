//! One unit of work: one editor on one layer of one network with one seed.

use super::case::{Case, reward_figures};
use super::compact::Compact;
use super::config::{DebiasConfig, Method};
use super::judge::WholeNetwork;
use super::measure::{Cuts, Judged, scores};
use super::record::{ChangedWord, DebiasFigures, ExampleText, TextActions};
use crate::editor::text::{Odds, TextEditorInfo, TextProblem};
use crate::editor::{EditorInfo, Job, JobMemory, JobShape, Outcome, Point, Settings, Sight, View};
use crate::env::Env;
use crate::kernel::Kernel;
use crate::num::{self, Digest};
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::policy::TrainedPolicy;
use crate::run::record::CurvePoint;
use crate::run::unit::{Curve, edit_norm};
use crate::slab::Heap;
use crate::world::{ColumnRequest, Columns, Config, Unit, World, WorldKind};
use std::time::Instant;

/// What a unit found.
pub(super) struct Found {
    pub(super) parameters: Vec<f32>,
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

/// Edited parameters, before figures are taken.
struct Edited {
    parameters: Vec<f32>,
    actions: Option<TextActions>,
    threshold: Option<f32>,
    odds: Option<Odds>,
    evaluations: u64,
    edit: Option<&'static str>,
    other: Option<Vec<f32>>,
    curve: Vec<CurvePoint>,
    digest: Digest,
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
        let (after, test, cuts) = self.figures(&edited.parameters, edited.threshold, odds)?;
        let other = match &edited.other {
            None => None,
            Some(parameters) => Some(self.figures(parameters, None, None)?.0),
        };
        let mut elsewhere = Vec::new();
        for (_, part) in &self.case.material.elsewhere {
            let scores = self.scores(&edited.parameters, part)?;
            let judged = Judged::new(&part.comments, scores, &cuts);
            // Rules are for the groups of the reward split; others are judged by the threshold.
            let same = part.comments.groups == self.case.material.reward.comments.groups;
            let judged = judged.by(odds.filter(|_| same), self.case.seed);
            elsewhere.push(judged.figures(&cuts, self.case.seed)?);
        }
        let mut digest = edited.digest;
        if let Some(layer) = target.stack.layers().get(self.layer) {
            let of = |range| edited.parameters.get(range).unwrap_or_default();
            digest.weights(of(layer.weight_range()), layer.inputs(), layer.outputs());
            digest.values(layer.bias_range().map(of).unwrap_or_default());
        }
        Ok(Found {
            words: self.words(&edited.parameters),
            examples: self.examples(&edited.parameters, &test)?,
            edit_norm: self.norm(&edited.parameters),
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
            parameters: edited.parameters,
        })
    }

    fn scores(&self, parameters: &[f32], part: &super::TextPart) -> Result<Vec<f32>, RunError> {
        let target = &self.case.target;
        scores(self.kernel(), &target.stack, parameters, &target.language.readout(), &part.bag)
    }

    /// Figures on the test split, the scores there, and the cuts.
    fn figures(
        &self,
        parameters: &[f32],
        threshold: Option<f32>,
        odds: Option<&Odds>,
    ) -> Result<(DebiasFigures, Vec<f32>, Cuts), RunError> {
        let Case { material, target, court, .. } = self.case;
        let reward = self.scores(parameters, &material.reward)?;
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
        let test = self.scores(parameters, &material.test)?;
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
            None => Some(reward_figures(whole.score(parameters)?, lambda)),
            Some(_) => None,
        };
        Ok((figures, judged.scores, cuts))
    }

    fn refer(&self, editor: &TextEditorInfo) -> Result<Edited, RunError> {
        let Case { material, target, court, seed, .. } = self.case;
        let words = target.stack.inputs();
        let scores = self.scores(&target.parameters, &material.reward)?;
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
        Ok(Edited {
            parameters: edit.parameters,
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

    /// The network over the words that are edited. Of real comments' many rare words nothing can be
    /// learned from a few thousand labels: where templates stand beside them, the templates' words alone
    /// are edited.
    fn compact(&self, parameters: &[f32]) -> Result<Compact, RunError> {
        let Case { target, court, material, .. } = self.case;
        let beside = material.beside.as_ref().filter(|_| self.layer == 0);
        let of = beside.map(|part| &*part.bag);
        Compact::new(self.kernel(), &target.stack, parameters, &court.bag, of)
    }

    fn world(&self, editor: &EditorInfo, kind: WorldKind) -> Config {
        let mut world = match editor.view {
            View::None => self.config.world(kind),
            View::Inputs | View::Neurons | View::Policy => self.config.world_of_view(kind),
        };
        if let Some((lambda, size_penalty)) = self.prices {
            (world.lambda, world.size_penalty) = (lambda, size_penalty);
        }
        world
    }

    fn act(&self, editor: &EditorInfo, observer: &dyn Observer) -> Result<Edited, RunError> {
        let Case { target, court, seed, .. } = self.case;
        let kind = self.kind.unwrap_or(WorldKind::Shift);
        let config = self.world(editor, kind);
        let compact = self.compact(&target.parameters)?;
        let (stack, kernel) = (&compact.stack, self.kernel());
        let mut own = compact.parameters.clone();
        let (need, wide) = court.need();
        let (mut task_heap, mut wide) = (Heap::new(need), vec![0; wide]);
        let mut task = court.task(self.config.task(), target, &mut task_heap, &mut wide)?;
        let samples = compact.samples(&court.labels)?;
        let count = samples.labels.len();
        let mut heap = Heap::new(World::sparse_need(&config, stack, self.layer, count));
        let mut world = World::sparse(
            config,
            kernel,
            stack,
            &mut own,
            self.layer,
            samples,
            &mut task,
            &mut heap.arena(),
        )?;
        let spec = world.spec();
        let policies = self.policy.map(TrainedPolicy::policies).transpose()?;
        let mut column_heap = Heap::new(Columns::need(stack.inputs()));
        let columns = match policies {
            None => None,
            Some(_) => Some(self.columns(&compact, &mut column_heap)?),
        };
        let shape = JobShape {
            spec,
            stack,
            settings: self.settings,
            training: None,
            policy: policies.map(|policies| policies.policy()),
        };
        let mut editor_heap = Heap::new(JobMemory::need(&spec).and(editor.editor.need(&shape)));
        let mut arena = editor_heap.arena();
        let memory = JobMemory::new(&spec, &mut arena)
            .map_err(|error| RunError::Failed(error.to_string()))?;
        let mut curve = Curve::new(self.budget, observer);
        let mut trace = |point: Point| curve.point(point);
        let mut job = Job::new(
            &mut world,
            false,
            self.settings,
            *seed,
            self.budget,
            f32::INFINITY,
            &mut trace,
            memory,
            None,
        )?;
        if let Some(columns) = &columns {
            let step = self.config.world(kind).step;
            job =
                job.with_sight(Sight { neurons: &mut [], columns: Some(columns), policies, step });
        }
        let outcome = editor
            .editor
            .edit(&mut job, &mut arena)
            .map_err(|error| RunError::Failed(format!("{}: {error}", editor.name)))?;
        let evaluations = job.evaluations();
        let digest = job.digest();
        let best = job.best().map(|(_, actions)| actions.to_vec());
        let mean = job.policy().map(<[f32]>::to_vec);
        let curve = curve.points;
        // With a price on size the mean of a distribution is the better edit: noise costs size too.
        let show_mean = match outcome {
            Outcome::Policy => true,
            _ => mean.is_some() && config.size_penalty > 0.0 && !self.config.keep_best,
        };
        let (shown, other, edit) = match (show_mean, outcome) {
            (_, Outcome::Policy) => (mean, None, None),
            (true, _) => (mean, best, Some("mean")),
            (false, _) if mean.is_some() => (best, mean, Some("best")),
            (false, _) => (best, None, None),
        };
        let weights = stack.layers().get(self.layer).map(|layer| layer.weight_range());
        let weights = weights.unwrap_or_default();
        let mut formed = |actions: &[f32]| -> Result<Vec<f32>, RunError> {
            world.apply(actions)?;
            let mut small = compact.parameters.clone();
            if let (Some(edited), Some(slot)) = (world.edited(), small.get_mut(weights.clone())) {
                slot.copy_from_slice(edited.weights);
            }
            Ok(compact.expand(&target.parameters, &small))
        };
        let shown = shown
            .ok_or_else(|| RunError::Failed(format!("{}: it left no edit behind", editor.name)))?;
        let parameters = formed(&shown)?;
        let other = other.map(|actions| formed(&actions)).transpose()?;
        let absolute = config.kind == WorldKind::Mask || config.unit == Unit::Absolute;
        let original = compact.parameters.get(weights).unwrap_or_default();
        let change = world.change();
        let actions = TextActions {
            world: config,
            unit: if absolute { 1.0 } else { num::rms(original) },
            columns: (self.layer == 0).then(|| compact.columns.clone()),
            shape: (change.inputs, change.outputs),
            entries: shown,
        };
        Ok(Edited {
            parameters,
            actions: Some(actions),
            threshold: None,
            odds: None,
            evaluations,
            edit,
            other,
            curve,
            digest,
        })
    }

    fn columns<'h>(&self, compact: &Compact, heap: &'h mut Heap) -> Result<Columns<'h>, RunError> {
        let Case { target, court, material, .. } = self.case;
        if self.layer != 0 || !target.is_linear() {
            return Err(RunError::Failed(
                "--editor policy: it acts on words whose weights are evidence of toxicity, in a \
                 classifier of one layer"
                    .into(),
            ));
        }
        let readout = target.language.readout();
        let all = scores(self.kernel(), &target.stack, &target.parameters, &readout, &court.bag)?;
        let probabilities: Vec<f32> =
            all.iter().map(|&score| readout.probability_of(score)).collect();
        let beside = material.beside.iter().flat_map(|part| &part.comments.members);
        let members: Vec<u64> =
            material.reward.comments.members.iter().chain(beside).copied().collect();
        let first = compact.stack.layers().first();
        let weights = first.and_then(|layer| compact.parameters.get(layer.weight_range()));
        let request = ColumnRequest {
            bag: compact.bag()?,
            labels: &court.labels,
            members: &members,
            scores: &probabilities,
            threshold: self.config.threshold,
            weights: weights.unwrap_or_default(),
            outputs: first.map_or(0, |layer| layer.outputs()),
        };
        Columns::new(&request, &mut heap.arena())
            .map_err(|error| RunError::Failed(error.to_string()))
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
