//! One unit of work on integers: one editor on one quantised network in one world with one seed.

use super::gauge::Gauge;
use super::quantised::Quantised;
use crate::editor::{EditorKind, Job, JobMemory, JobShape, Network, Outcome, Point, Sight};
use crate::env::Env;
use crate::run::assign::Assignment;
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::record::{CurvePoint, PolicyFigures};
use crate::run::target::{TargetConfig, train_target};
use crate::run::unit::{Curve, Unit};
use crate::slab::{Heap, IntHeap};
use crate::world::int8::{Int8Form, Int8Range, Int8World};
use crate::world::{Neurons, RewardForm};
use std::time::Instant;

/// What a unit found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The edited network.
    pub(super) edited: Quantised,
    pub(super) policy: Option<PolicyFigures>,
    pub(super) evaluations: u64,
    pub(super) evaluations_to_target: Option<u64>,
    pub(super) seconds: f64,
    pub(super) peak_bytes: u64,
    pub(super) digest: u64,
    pub(super) curve: Vec<CurvePoint>,
}

/// The bias of a class that is masked, as a real number.
const MASKED: f64 = -1e4;

/// Edits `net`, which `assignment` shows as real numbers.
pub(super) fn run(
    assignment: &Assignment<'_>,
    how: (Int8Form, Int8Range),
    net: &Quantised,
    training: &TargetConfig,
    observer: &dyn Observer,
) -> Result<Found, RunError> {
    let unit = &assignment.unit;
    let started = Instant::now();
    let found = match unit.editor.kind {
        EditorKind::Reference => reference(unit, net, training, started),
        _ => act(unit, how, net, observer),
    };
    let world =
        assignment.world.map_or(String::new(), |world| format!(" in {} world", world.name()));
    observer.finished(&format!("{}{world} on target {}", unit.editor.name, unit.target.seed));
    found
}

/// The digest of a run: its rewards, then the integers of the edited layer as real numbers row by row; then the
/// rows' factors, if any differ.
fn digest(
    mut digest: crate::num::Digest,
    unit: &Unit<'_>,
    before: &Quantised,
    after: &Quantised,
) -> u64 {
    let layer = unit.layers.first().and_then(|&layer| after.stack.find(layer));
    let Some(layer) = layer.and_then(|layer| after.stack.layers().get(layer)) else {
        return digest.finish();
    };
    for &q in after.weights.get(layer.weight_range()).unwrap_or_default() {
        digest.value(q.into());
    }
    let rows = |net: &Quantised| -> Vec<(i32, i32)> {
        layer.row_range().map(|row| (net.multipliers[row], net.shifts[row])).collect()
    };
    let (old, new) = (rows(before), rows(after));
    if old != new {
        for (multiplier, shift) in new {
            digest.bytes(&multiplier.to_le_bytes());
            digest.bytes(&shift.to_le_bytes());
        }
    }
    digest.finish()
}

/// What is compared with: nothing is searched for.
fn reference(
    unit: &Unit<'_>,
    net: &Quantised,
    training: &TargetConfig,
    started: Instant,
) -> Result<Found, RunError> {
    let (kernel, data, forget) = (unit.kernel, unit.data, unit.task.forget());
    let mut edited = net.clone();
    match unit.editor.name {
        "retrain" => {
            let seed = unit.target.seed;
            let again = train_target(kernel, training, data, forget, seed, &mut |_| {})?;
            let labels = data.train_panels.labels();
            let kept: Vec<usize> =
                (0..labels.len()).filter(|&index| !forget.contains(labels[index])).collect();
            let samples = data.train_panels.select(&kept);
            edited = Quantised::of(kernel, &again.stack, &again.parameters, samples.samples())?;
        }
        "logit-mask" => {
            if let Some(last) = edited.stack.layers().last() {
                for (class, row) in last.row_range().enumerate() {
                    if u8::try_from(class).is_ok_and(|class| forget.contains(class)) {
                        let unit = f64::from(last.input.scale) * f64::from(edited.scales[row]);
                        // Half of the range: products may not carry the sum beyond it.
                        edited.bias[row] = ((MASKED / unit) as i32).max(i32::MIN / 2);
                    }
                }
            }
        }
        _ => {}
    }
    Ok(Found {
        policy: None,
        evaluations: 0,
        evaluations_to_target: None,
        seconds: started.elapsed().as_secs_f64(),
        peak_bytes: 0,
        digest: digest(crate::num::Digest::new(), unit, net, &edited),
        curve: Vec::new(),
        edited,
    })
}

/// An editor that acts.
fn act(
    unit: &Unit<'_>,
    how: (Int8Form, Int8Range),
    net: &Quantised,
    observer: &dyn Observer,
) -> Result<Found, RunError> {
    let (stack, real) = (&unit.target.stack, &unit.target.parameters);
    let source = unit.layers.first().copied().unwrap_or(usize::MAX);
    let layer = net.stack.find(source).unwrap_or(usize::MAX);
    let samples = unit.data.reward.samples();
    let mut task = unit.task;
    let (need, int_need) =
        Int8World::need(&unit.world, how.0, &net.stack, layer, samples.labels.len());
    let (mut world_heap, mut world_ints) = (Heap::new(need), IntHeap::new(int_need));
    let world_bytes = world_heap.bytes() + world_ints.bytes();
    let mut world = Int8World::new(
        unit.world,
        how,
        unit.kernel,
        net.network(),
        layer,
        samples,
        &mut task,
        &mut world_heap.arena(),
        &mut world_ints.arena(),
    )?;
    let spec = world.spec();
    let started = Instant::now();
    let policies = match unit.view {
        Some((_, Some(trained))) => Some(trained.policies()?),
        _ => None,
    };
    let requests = unit.requests(policies.as_ref());
    let need_of = |request| Heap::new(Neurons::need(stack, source, samples.labels.len(), request));
    let mut neuron_heaps: Vec<Heap> = requests.iter().map(need_of).collect();
    let neuron_bytes: usize = neuron_heaps.iter().map(Heap::bytes).sum();
    let mut neurons = Vec::with_capacity(requests.len());
    for (request, heap) in requests.iter().zip(&mut neuron_heaps) {
        let mut arena = heap.arena();
        neurons.push(Neurons::new(
            unit.kernel,
            stack,
            real,
            source,
            samples,
            *request,
            &mut arena,
        )?);
    }
    let policy = policies.map(|policies| policies.policy());
    let shape = JobShape { spec, stack, settings: unit.settings, training: None, policy };
    let mut editor_heap = Heap::new(JobMemory::need(&spec).and(unit.editor.editor.need(&shape)));
    let peak_bytes = (world_bytes + neuron_bytes + editor_heap.bytes()) as u64;
    let mut arena = editor_heap.arena();
    let memory = JobMemory::new(&spec, &mut arena)?;
    // Real numbers to look at: what an editor made of them would be lost.
    let mut shown = real.clone();
    let network = Network {
        kernel: unit.kernel,
        stack,
        parameters: &mut shown,
        forget: unit.task.forget(),
        training: None,
        reward: Some(samples),
    };
    let mut curve = Curve::new(unit.budget, observer);
    let mut trace = |point: Point| curve.point(point);
    let mut job = Job::new(
        &mut world,
        unit.world.reward == RewardForm::Difference,
        unit.settings,
        unit.target.seed,
        unit.budget,
        unit.target_value,
        &mut trace,
        memory,
        Some(network),
    )?
    .with_layers(unit.layers);
    if let Some((step, _)) = unit.view {
        job = job.with_sight(Sight { neurons: &mut neurons, columns: None, policies, step });
    }
    let outcome = unit
        .editor
        .editor
        .edit(&mut job, &mut arena)
        .map_err(|error| RunError::Failed(format!("{}: {error}", unit.editor.name)))?;
    let seconds = started.elapsed().as_secs_f64();
    let (evaluations, to_target) = (job.evaluations(), job.evaluations_to_target());
    let rewards = job.digest();
    let best = job.best().map(|(_, actions)| actions.to_vec());
    let policy = job.policy().map(<[f32]>::to_vec);
    let curve = curve.points;
    let actions = match outcome {
        Outcome::Actions => best,
        Outcome::Policy => policy.clone(),
        Outcome::Network => None,
    };
    let actions = actions.ok_or_else(|| {
        RunError::Failed(format!("{}: it left no actions to edit integers by", unit.editor.name))
    })?;
    let mut after = |actions: &[f32]| -> Result<Quantised, RunError> {
        world.apply(actions)?;
        let mut edited = net.clone();
        if let Some(layer) = net.stack.layers().get(layer) {
            let ((weights, scales), (bias, multipliers, shifts)) = (world.integers(), world.rows());
            edited.weights[layer.weight_range()].copy_from_slice(weights);
            edited.scales[layer.row_range()].copy_from_slice(scales);
            edited.bias[layer.row_range()].copy_from_slice(bias);
            edited.multipliers[layer.row_range()].copy_from_slice(multipliers);
            edited.shifts[layer.row_range()].copy_from_slice(shifts);
        }
        Ok(edited)
    };
    let edited = after(&actions)?;
    let (kernel, data, lambda) = (unit.kernel, unit.data, unit.world.lambda);
    let gauge = Gauge { kernel, data, task: unit.task, lambda };
    let policy = match policy {
        Some(actions) => Some(gauge.policy(&after(&actions)?)?),
        None => None,
    };
    Ok(Found {
        digest: digest(rewards, unit, net, &edited),
        edited,
        policy,
        evaluations,
        evaluations_to_target: to_target,
        seconds,
        peak_bytes,
        curve,
    })
}
