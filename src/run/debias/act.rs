//! Editors that act in a world, on the words that are edited.

use super::case::Case;
use super::compact::Compact;
use super::measure::scores;
use super::net::{Net, Weights};
use super::record::TextActions;
use super::unit::{Edited, Work};
use crate::editor::{EditorInfo, Job, JobMemory, JobShape, Outcome, Point, Sight, View};
use crate::env::Env;
use crate::num::{self, Digest};
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::policy::TrainedPolicy;
use crate::run::record::CurvePoint;
use crate::run::unit::Curve;
use crate::slab::Heap;
use crate::world::{ColumnRequest, Columns, Config, Unit, World, WorldKind};

/// What an editor left of its search.
pub(super) struct Searched {
    /// The actions that are shown, and others that could be.
    pub(super) shown: Vec<f32>,
    pub(super) other: Option<Vec<f32>>,
    edit: Option<&'static str>,
    evaluations: u64,
    curve: Vec<CurvePoint>,
    digest: Digest,
}

impl Searched {
    /// The edit, formed.
    pub(super) fn edited(
        self,
        weights: Weights,
        other: Option<Weights>,
        actions: Option<TextActions>,
    ) -> Edited {
        let Self { edit, evaluations, curve, digest, .. } = self;
        Edited {
            weights,
            actions,
            threshold: None,
            odds: None,
            evaluations,
            edit,
            other,
            curve,
            digest,
        }
    }
}

impl Work<'_> {
    /// The network over the words that are edited. Of real comments' many rare words nothing can be
    /// learned from a few thousand labels: where templates stand beside them, the templates' words alone
    /// are edited.
    pub(super) fn compact(&self, parameters: &[f32]) -> Result<Compact, RunError> {
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

    /// Lets an editor act, and forms what it chose.
    pub(super) fn act(
        &self,
        editor: &EditorInfo,
        observer: &dyn Observer,
    ) -> Result<Edited, RunError> {
        let kind = self.kind.unwrap_or(WorldKind::Shift);
        let config = self.world(editor, kind);
        let compact = self.compact(&self.case.target.parameters)?;
        match &self.case.target.integers {
            None => self.act_on_numbers(editor, config, &compact, observer),
            Some(integers) => self.act_on_integers(editor, config, &compact, integers, observer),
        }
    }

    fn act_on_numbers(
        &self,
        editor: &EditorInfo,
        config: Config,
        compact: &Compact,
        observer: &dyn Observer,
    ) -> Result<Edited, RunError> {
        let Case { target, court, .. } = self.case;
        let stack = &compact.stack;
        let mut own = compact.parameters.clone();
        let (need, wide) = court.need();
        let (mut task_heap, mut wide) = (Heap::new(need), vec![0; wide]);
        let mut task = court.task(self.config.task(), target, &mut task_heap, &mut wide)?;
        let samples = compact.samples(&court.labels)?;
        let count = samples.labels.len();
        let mut heap = Heap::new(World::sparse_need(&config, stack, self.layer, count));
        let mut world = World::sparse(
            config,
            self.kernel(),
            stack,
            &mut own,
            self.layer,
            samples,
            &mut task,
            &mut heap.arena(),
        )?;
        let searched = self.search(editor, &config, compact, &mut world, observer)?;
        let weights = stack.layers().get(self.layer).map(|layer| layer.weight_range());
        let weights = weights.unwrap_or_default();
        let mut formed = |actions: &[f32]| -> Result<Weights, RunError> {
            world.apply(actions)?;
            let mut small = compact.parameters.clone();
            if let (Some(edited), Some(slot)) = (world.edited(), small.get_mut(weights.clone())) {
                slot.copy_from_slice(edited.weights);
            }
            let real = compact.expand(&target.parameters, &small);
            Ok(Weights { real, integers: None })
        };
        let shown = formed(&searched.shown)?;
        let other = searched.other.as_deref().map(formed).transpose()?;
        let absolute = config.kind == WorldKind::Mask || config.unit == Unit::Absolute;
        let original = compact.parameters.get(weights).unwrap_or_default();
        let change = world.change();
        let actions = TextActions {
            world: config,
            unit: if absolute { 1.0 } else { num::rms(original) },
            columns: (self.layer == 0).then(|| compact.columns.clone()),
            shape: (change.inputs, change.outputs),
            entries: searched.shown.clone(),
        };
        Ok(searched.edited(shown, other, Some(actions)))
    }

    /// Runs an editor in `world`.
    pub(super) fn search(
        &self,
        editor: &EditorInfo,
        config: &Config,
        compact: &Compact,
        world: &mut dyn Env,
        observer: &dyn Observer,
    ) -> Result<Searched, RunError> {
        let spec = world.spec();
        let policies = self.policy.map(TrainedPolicy::policies).transpose()?;
        let mut column_heap = Heap::new(Columns::need(compact.stack.inputs()));
        let columns = match policies {
            None => None,
            Some(_) => Some(self.columns(compact, &mut column_heap)?),
        };
        let shape = JobShape {
            spec,
            stack: &compact.stack,
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
            world,
            false,
            self.settings,
            self.case.seed,
            self.budget,
            f32::INFINITY,
            &mut trace,
            memory,
            None,
        )?;
        if let Some(columns) = &columns {
            let step = self.config.world(config.kind).step;
            job =
                job.with_sight(Sight { neurons: &mut [], columns: Some(columns), policies, step });
        }
        let outcome = editor
            .editor
            .edit(&mut job, &mut arena)
            .map_err(|error| RunError::Failed(format!("{}: {error}", editor.name)))?;
        let (evaluations, digest) = (job.evaluations(), job.digest());
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
        let shown = shown
            .ok_or_else(|| RunError::Failed(format!("{}: it left no edit behind", editor.name)))?;
        Ok(Searched { shown, other, edit, evaluations, curve, digest })
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
        let all = scores(self.kernel(), Net::of(target), &readout, &court.bag)?;
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
}
