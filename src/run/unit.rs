//! One unit of work: one editor on one target in one world with one seed.

use super::error::RunError;
use super::measure::Gauge;
use super::observer::Observer;
use super::policy::TrainedPolicy;
use super::prepare::Prepared;
use super::record::{CurvePoint, Figures, PolicyFigures};
use super::target::Target;
use crate::editor::{
    EditorInfo, EditorKind, Job, JobMemory, JobShape, Network, Outcome, Point, Policies, Settings,
    Sight, TrainingSet, View, mask_logits,
};
use crate::env::Env;
use crate::kernel::Kernel;
use crate::model::Training;
use crate::num;
use crate::slab::{Heap, Need};
use crate::task::{ClassSet, Erasure, ErasureConfig, Score, Task, Unlearning, erasure_taps};
use crate::world::{Config, FeatureSet, NeuronRequest, Neurons, RewardForm, World};
use std::ops::Range;
use std::time::Instant;

/// What a unit works with.
#[derive(Clone)]
pub(super) struct Unit<'a> {
    pub(super) kernel: Kernel,
    pub(super) data: &'a Prepared,
    pub(super) task: Unlearning<'a>,
    pub(super) target: &'a Target,
    /// How the target was trained; `None` for one that was loaded.
    pub(super) training: Option<Training>,
    /// Indices of the edited layers, rising.
    pub(super) layers: &'a [usize],
    pub(super) world: Config,
    pub(super) settings: &'a Settings,
    pub(super) editor: &'static EditorInfo,
    pub(super) budget: u64,
    pub(super) target_value: f32,
    /// For editors that see the layer: the step before their world's reach, and the trained policy.
    pub(super) view: Option<(f32, Option<&'a TrainedPolicy>)>,
    /// Whether the forgotten classes' outputs are switched off afterwards.
    pub(super) then_mask: bool,
    /// What erasure pays for, and whether it looks at every hidden layer behind the first edited one.
    pub(super) erasure: Option<(ErasureConfig, bool)>,
}

/// What a unit found.
pub(super) struct Found {
    /// Parameters of the edited network.
    pub(super) parameters: Vec<f32>,
    /// The actions that made it, for editors that act.
    pub(super) actions: Option<Vec<f32>>,
    pub(super) before: Figures,
    pub(super) after: Figures,
    pub(super) policy: Option<PolicyFigures>,
    pub(super) evaluations: u64,
    pub(super) evaluations_to_target: Option<u64>,
    pub(super) seconds: f64,
    pub(super) peak_bytes: u64,
    pub(super) edit_norm: f64,
    pub(super) digest: u64,
    pub(super) curve: Vec<CurvePoint>,
}

/// Points of a learning curve at most.
const CURVE_POINTS: u64 = 100;

impl Unit<'_> {
    /// Edits, then takes figures.
    pub(super) fn run(&self, observer: &dyn Observer) -> Result<Found, RunError> {
        let stack = &self.target.stack;
        let original = &self.target.parameters;
        let mut own = original.clone();
        let mut network_parameters = original.clone();
        let mut direct = self.task;
        let taps = self.taps();
        let mut task_heap = Heap::new(self.task_need(&taps));
        let mut erasure = self.erasing(&taps, &mut task_heap)?;
        let task: &mut dyn Task = match &mut erasure {
            Some(erasure) => erasure,
            None => &mut direct,
        };
        let training = self.training.map(|training| TrainingSet {
            samples: self.data.train.samples(),
            training,
            seed: self.target.seed,
            chosen: self.task.subset().map(|subset| subset.train),
        });
        let samples = self.data.reward.samples();
        let mut world_heap =
            Heap::new(World::need_of(&self.world, stack, self.layers, samples.batch.samples()));
        let mut world = World::over(
            self.world,
            self.kernel,
            stack,
            &mut own,
            self.layers,
            samples,
            task,
            &mut world_heap.arena(),
        )?;
        let spec = world.spec();
        let started = Instant::now();
        let policies = match self.view {
            Some((_, Some(trained))) => Some(trained.policies()?),
            _ => None,
        };
        let requests = self.requests(policies.as_ref());
        let mut neuron_heaps: Vec<Heap> = requests
            .iter()
            .map(|request| {
                Heap::new(Neurons::need(stack, self.first(), samples.labels.len(), request))
            })
            .collect();
        let neuron_bytes: usize = neuron_heaps.iter().map(Heap::bytes).sum();
        let mut neurons = Vec::with_capacity(requests.len());
        for (request, heap) in requests.iter().zip(&mut neuron_heaps) {
            let mut arena = heap.arena();
            let (kernel, layer) = (self.kernel, self.first());
            neurons
                .push(Neurons::new(kernel, stack, original, layer, samples, *request, &mut arena)?);
        }
        let shape = JobShape {
            spec,
            stack,
            settings: self.settings,
            training: training.as_ref(),
            policy: policies.map(|policies| policies.policy()),
        };
        let mut editor_heap =
            Heap::new(JobMemory::need(&spec).and(self.editor.editor.need(&shape)));
        let world_need = World::need_of(&self.world, stack, self.layers, samples.labels.len());
        let task_need = self.task_need(&taps);
        let bytes = 4 * (world_need.f32s + task_need.f32s + task_need.u32s);
        let peak_bytes = (bytes + neuron_bytes + editor_heap.bytes()) as u64;
        let mut arena = editor_heap.arena();
        let memory = JobMemory::new(&spec, &mut arena)?;
        let network = Network {
            kernel: self.kernel,
            stack,
            parameters: &mut network_parameters,
            forget: self.task.forget(),
            training,
            reward: Some(samples),
        };
        let mut curve = Curve::new(self.budget, observer);
        let mut trace = |point: Point| curve.point(point);
        let mut job = Job::new(
            &mut world,
            self.world.reward == RewardForm::Difference,
            self.settings,
            self.target.seed,
            self.budget,
            self.target_value,
            &mut trace,
            memory,
            Some(network),
        )?
        .with_layers(self.layers);
        if let Some((step, _)) = self.view {
            job = job.with_sight(Sight { neurons: &mut neurons, columns: None, policies, step });
        }
        let outcome = self
            .editor
            .editor
            .edit(&mut job, &mut arena)
            .map_err(|error| RunError::Failed(format!("{}: {error}", self.editor.name)))?;
        let seconds = started.elapsed().as_secs_f64();
        let evaluations = job.evaluations();
        let evaluations_to_target = job.evaluations_to_target();
        let mut digest = job.digest();
        let best = job.best().map(|(_, actions)| actions.to_vec());
        let policy = job.policy().map(<[f32]>::to_vec);
        let curve = curve.points;

        let gauge = Gauge {
            kernel: self.kernel,
            stack,
            data: self.data,
            task: self.task,
            lambda: self.world.lambda,
        };
        let mut with_actions = |actions: &[f32]| -> Result<Vec<f32>, RunError> {
            world.apply(actions)?;
            let mut parameters = original.clone();
            for (index, range) in self.weights().into_iter().enumerate() {
                if let (Some(edited), Some(slot)) =
                    (world.edited_part(index), parameters.get_mut(range))
                {
                    slot.copy_from_slice(edited.weights);
                }
            }
            self.mask(&mut parameters)?;
            Ok(parameters)
        };
        let actions = match outcome {
            Outcome::Actions => best,
            Outcome::Policy => policy.clone(),
            Outcome::Network => None,
        };
        let parameters = match &actions {
            Some(actions) => with_actions(actions)?,
            None => {
                self.mask(&mut network_parameters)?;
                network_parameters
            }
        };
        let policy = match policy {
            None => None,
            Some(actions) => {
                let parameters = with_actions(&actions)?;
                let kept = gauge.kept(&parameters)?;
                Some(PolicyFigures {
                    retain_test: kept.retain(),
                    forget_test: kept.forget(),
                    reward: self.score(&gauge, &parameters)?.1,
                })
            }
        };
        for (layer, change) in world.changes() {
            let Some(layer) = stack.layers().get(layer) else { continue };
            let of = |range| parameters.get(range).unwrap_or_default();
            digest.weights(of(layer.weight_range()), change.inputs, change.outputs);
            digest.values(layer.bias_range().map(of).unwrap_or_default());
        }
        Ok(Found {
            before: self.figures(&gauge, original)?,
            after: self.figures(&gauge, &parameters)?,
            edit_norm: edit_norm(original, &parameters, &self.weights()),
            parameters,
            actions,
            policy,
            evaluations,
            evaluations_to_target,
            seconds,
            peak_bytes,
            digest: digest.finish(),
            curve,
        })
    }
}

impl Unit<'_> {
    /// The first edited layer.
    fn first(&self) -> usize {
        self.layers.first().copied().unwrap_or(usize::MAX)
    }

    /// Where the weights of the edited layers lie.
    fn weights(&self) -> Vec<Range<usize>> {
        let layers = self.target.stack.layers();
        let of = |&layer: &usize| layers.get(layer).map(|layer| layer.weight_range());
        self.layers.iter().filter_map(of).collect()
    }

    /// The layers that erasure looks at.
    fn taps(&self) -> Vec<(usize, usize)> {
        self.erasure.map_or(Vec::new(), |(_, deep)| {
            erasure_taps(&self.target.stack, self.first(), deep).to_vec()
        })
    }

    fn task_need(&self, taps: &[(usize, usize)]) -> Need {
        if self.erasure.is_none() {
            return Need::default();
        }
        Erasure::need(taps, self.data.reward.len(), self.target.stack.outputs())
    }

    /// The task with the terms of erasure, if they are paid for.
    fn erasing<'h>(
        &'h self,
        taps: &[(usize, usize)],
        heap: &'h mut Heap,
    ) -> Result<Option<Erasure<'h>>, RunError> {
        let Some((config, _)) = self.erasure else { return Ok(None) };
        let classes = self.target.stack.outputs();
        Ok(Some(Erasure::new(config, self.task, taps, classes, &mut heap.arena())?))
    }

    /// Score and reward as they are paid.
    fn score(&self, gauge: &Gauge<'_>, parameters: &[f32]) -> Result<(Score, f32), RunError> {
        let taps = self.taps();
        let mut heap = Heap::new(self.task_need(&taps));
        match self.erasing(&taps, &mut heap)? {
            Some(mut erasure) => gauge.score_by(&mut erasure, parameters),
            None => gauge.score(parameters),
        }
    }

    /// All figures, the score as it is paid.
    fn figures(&self, gauge: &Gauge<'_>, parameters: &[f32]) -> Result<Figures, RunError> {
        let figures = gauge.figures(parameters)?;
        if self.erasure.is_none() {
            return Ok(figures);
        }
        let (score, reward) = self.score(gauge, parameters)?;
        Ok(Figures { utility: score.utility, edit: score.edit, reward, ..figures })
    }

    /// Whether the forgotten classes' outputs are switched off after the edit: not after a reference's.
    pub(super) fn masks(&self) -> bool {
        self.then_mask && self.editor.kind != EditorKind::Reference
    }

    /// Switches the forgotten classes' outputs off, if that is asked for.
    fn mask(&self, parameters: &mut [f32]) -> Result<(), RunError> {
        if !self.masks() {
            return Ok(());
        }
        mask_logits(&self.target.stack, parameters, self.task.forget())
            .map_err(|error| RunError::Failed(format!("--then-mask: {error}")))
    }

    /// What an editor that sees the layer asks of it: one view per class. Other classes that are
    /// forgotten in the same edit count for nothing.
    pub(super) fn requests(&self, policies: Option<&Policies<'_>>) -> Vec<NeuronRequest> {
        if !matches!(self.editor.view, View::Neurons | View::Policy) {
            return Vec::new();
        }
        let features = policies.map_or(FeatureSet::All, |policies| policies.features);
        let forget = self.task.forget();
        let others = |class: u8| {
            let rest = forget.iter().filter(|&other| other != class);
            rest.fold(self.task.gone(), ClassSet::with)
        };
        let kind = self.world.kind;
        forget
            .iter()
            .map(|class| NeuronRequest { kind, features, class, gone: others(class) })
            .collect()
    }
}

/// ‖ΔW‖_F / ‖W‖_F over the edited layers' weights.
pub(super) fn edit_norm(original: &[f32], edited: &[f32], weights: &[Range<usize>]) -> f64 {
    let of = |parameters: &[f32]| -> Vec<f32> {
        let parts = weights.iter().map(|range| parameters.get(range.clone()).unwrap_or_default());
        parts.flatten().copied().collect()
    };
    let (old, new) = (of(original), of(edited));
    let change: Vec<f32> = new.iter().zip(&old).map(|(new, old)| new - old).collect();
    let whole = f64::from(num::norm(&old));
    if whole > 0.0 { f64::from(num::norm(&change)) / whole } else { 0.0 }
}

/// A learning curve in the making, thinned to about [`CURVE_POINTS`] points.
pub(super) struct Curve<'o> {
    every: u64,
    budget: u64,
    sum: f64,
    count: u64,
    pub(super) points: Vec<CurvePoint>,
    observer: &'o dyn Observer,
}

impl<'o> Curve<'o> {
    pub(super) fn new(budget: u64, observer: &'o dyn Observer) -> Self {
        let points = Vec::with_capacity(CURVE_POINTS as usize + 2);
        let every = budget.div_ceil(CURVE_POINTS).max(1);
        Self { every, budget, sum: 0.0, count: 0, points, observer }
    }

    pub(super) fn point(&mut self, point: Point) {
        self.sum += f64::from(point.value);
        self.count += 1;
        let last = point.evaluations == self.budget;
        if point.evaluations.is_multiple_of(self.every) || last {
            self.points.push(CurvePoint {
                evaluations: point.evaluations,
                best: point.best,
                mean: (self.sum / self.count as f64) as f32,
            });
            self.observer.advanced(self.count as f64 / self.budget as f64);
            (self.sum, self.count) = (0.0, 0);
        }
    }
}
