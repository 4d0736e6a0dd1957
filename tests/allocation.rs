//! An editing run allocates nothing after set-up: counted by the allocator itself.

mod common;

use common::Toy;
use reweight::editor::{
    Acts, EDITORS, EditorKind, Job, JobMemory, JobShape, Network, Point, Policies, REACH, Refine,
    Settings, Sight, TrainingSet, View, full_rank_step,
};
use reweight::env::Env;
use reweight::kernel::{Bag, Batch, Kernel};
use reweight::metric::bias::Membership;
use reweight::model::int8::{Int8Parameters, Int8Stack};
use reweight::model::{Samples, SparseSamples, Training};
use reweight::nn::Stack;
use reweight::ppo::NeuronPolicy;
use reweight::slab::{Heap, IntHeap};
use reweight::task::{
    Bias, ClassSet, Debiasing, DebiasingConfig, DebiasingPart, Readout, RewardKind, Utility,
};
use reweight::world::int8::{Int8Form, Int8Range, Int8World};
use reweight::world::{Config, FeatureSet, NeuronRequest, Neurons, World, WorldKind};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting.
struct Counting;

thread_local! {
    /// Allocations of this thread: the test harness allocates in its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as for this function.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for this function.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn editing_allocates_nothing_after_set_up() {
    let toy = Toy::new(10, 24, 16, 100, 2);
    let settings = Settings::default();
    let mut tested = 0;
    for kind in [WorldKind::Mask, WorldKind::Shift] {
        for horizon in [1, 3] {
            for info in EDITORS
                .iter()
                .filter(|editor| editor.kind == EditorKind::Reward && editor.view == View::None)
                .filter(|editor| editor.acts.within(kind))
            {
                let config = Config { horizon, rank: 2, ..Config::new(kind) };
                let config = match info.acts {
                    Acts::MaskEach if horizon > 1 => continue,
                    Acts::MaskEach => Config { rank: 16, step: full_rank_step(16), ..config },
                    _ => config,
                };
                let mut parameters = toy.parameters.clone();
                let mut task = toy.task(RewardKind::Probability);
                let mut world_heap =
                    Heap::new(World::need(&config, &toy.stack, toy.layer(), toy.labels.len()));
                let mut world = World::new(
                    config,
                    Kernel::auto(),
                    &toy.stack,
                    &mut parameters,
                    toy.layer(),
                    toy.samples(),
                    &mut task,
                    &mut world_heap.arena(),
                )
                .unwrap();
                let spec = world.spec();
                let shape = JobShape {
                    spec,
                    stack: &toy.stack,
                    settings: &settings,
                    training: None,
                    policy: None,
                };
                let mut heap = Heap::new(JobMemory::need(&spec).and(info.editor.need(&shape)));
                let mut arena = heap.arena();
                let memory = JobMemory::new(&spec, &mut arena).unwrap();
                let mut points = 0u64;
                let mut trace = |_: Point| points += 1;
                let mut job =
                    Job::new(&mut world, false, &settings, 7, 300, 2.0, &mut trace, memory, None)
                        .unwrap();
                let before = ALLOCATIONS.get();
                info.editor.edit(&mut job, &mut arena).unwrap();
                let after = ALLOCATIONS.get();
                assert_eq!(after - before, 0, "{} in {} world", info.name, kind.name());
                assert!(job.evaluations() > 200 && job.best().is_some(), "{}", info.name);
                assert!(points > 200);
                tested += 1;
            }
        }
    }
    assert!(tested >= 29, "{tested} runs were counted");
    // The counter does count.
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1u8; 100]));
    assert!(ALLOCATIONS.get() > before);
}

#[test]
fn editors_that_see_the_layer_allocate_nothing_either() {
    let toy = Toy::new(10, 24, 16, 100, 2);
    let mut tested = 0;
    for (kind, features) in
        [(WorldKind::Shift, FeatureSet::CoreLda3), (WorldKind::Mask, FeatureSet::All)]
    {
        let sizes = NeuronPolicy {
            row_features: features.rows(),
            column_features: features.columns(),
            hidden: 8,
            rank: 1,
        };
        let mut policy = vec![0.0; 2 * sizes.parameters()];
        for (seed, policy) in (0..).zip(policy.chunks_exact_mut(sizes.parameters())) {
            sizes.initialise(-1.0, seed, policy).unwrap();
        }
        for info in
            EDITORS.iter().filter(|editor| matches!(editor.view, View::Neurons | View::Policy))
        {
            let settings = Settings { refine: Some(Refine::Es), ..Settings::default() };
            let features = if info.view == View::Policy { features } else { FeatureSet::All };
            let world = Config::new(kind);
            let config = Config { step: world.step * REACH, ..world };
            let mut parameters = toy.parameters.clone();
            let mut task = toy.task(RewardKind::Probability);
            let samples = toy.samples();
            let mut world_heap =
                Heap::new(World::need(&config, &toy.stack, toy.layer(), toy.labels.len()));
            let mut arena = world_heap.arena();
            let (kernel, stack, layer) = (Kernel::auto(), &toy.stack, toy.layer());
            let mut world = World::new(
                config,
                kernel,
                stack,
                &mut parameters,
                layer,
                samples,
                &mut task,
                &mut arena,
            )
            .unwrap();
            let class = toy.task(RewardKind::Probability).forget().iter().next().unwrap();
            let request = NeuronRequest { kind, features, class, gone: ClassSet::EMPTY };
            let mut neuron_heap =
                Heap::new(Neurons::need(stack, layer, toy.labels.len(), &request));
            let mut arena = neuron_heap.arena();
            let before = ALLOCATIONS.get();
            let neurons =
                Neurons::new(kernel, stack, &toy.parameters, layer, samples, request, &mut arena);
            assert_eq!(ALLOCATIONS.get(), before, "the features");
            let mut neurons = [neurons.unwrap()];
            let spec = world.spec();
            let policies = Policies::new(kind, features, 2.0, 8, &policy);
            let policies = policies.ok().filter(|_| info.view == View::Policy);
            let shape = JobShape {
                spec,
                stack,
                settings: &settings,
                training: None,
                policy: policies.map(|policies| policies.policy()),
            };
            // Exactly what is asked for is enough.
            let mut heap = Heap::new(JobMemory::need(&spec).and(info.editor.need(&shape)));
            let mut arena = heap.arena();
            let memory = JobMemory::new(&spec, &mut arena).unwrap();
            let mut trace = |_: Point| {};
            let mut job =
                Job::new(&mut world, false, &settings, 7, 60, 2.0, &mut trace, memory, None)
                    .unwrap()
                    .with_sight(Sight {
                        neurons: &mut neurons,
                        columns: None,
                        policies,
                        step: 2.0,
                    });
            let before = ALLOCATIONS.get();
            info.editor.edit(&mut job, &mut arena).unwrap();
            let after = ALLOCATIONS.get();
            assert_eq!(after - before, 0, "{} in {} world", info.name, kind.name());
            assert!(job.policy().is_some() && job.evaluations() >= 10, "{}", info.name);
            tested += 1;
        }
    }
    assert!(tested >= 14, "{tested} runs were counted");
}

/// Rewards of debiasing over sparse samples, of every kind, allocate nothing.
#[test]
fn rewards_of_debiasing_allocate_nothing() {
    let mut stack = Stack::new([6, 1, 1]);
    stack.dense("a", 8).unwrap().relu().unwrap().dense("b", 2).unwrap();
    let offsets: Vec<u32> = (0..=90).map(|text| 2 * text).collect();
    let columns: Vec<u32> = (0..90).flat_map(|text| [text % 3, 3 + text % 2]).collect();
    let values = vec![0.5; columns.len()];
    let labels: Vec<u8> = (0..90).map(|text| u8::from(text % 4 == 0)).collect();
    let members: Vec<u64> = (0..90).map(|text| text / 4 % 4).collect();
    let membership = Membership { groups: 2, members: &members, missing: &[] };
    for bias in [Bias::FprGap, Bias::EqualizedOdds, Bias::Jigsaw] {
        for matched in [None, Some(0.3)] {
            let config =
                DebiasingConfig { bias, utility: Utility::Both, ..DebiasingConfig::default() };
            let parts = [DebiasingPart { labels: &labels, membership, matched }];
            let sizes = [(90, 2)];
            let mut heap = Heap::new(Debiasing::need(&sizes));
            let mut wide = vec![0; Debiasing::scratch(&sizes)];
            let mut arena = heap.arena();
            let readout = Readout::Softmax;
            let mut task = Debiasing::new(config, readout, &parts, &mut arena, &mut wide).unwrap();
            let mut parameters = vec![0.1; stack.parameters()];
            let bag = Bag::new(6, &offsets, &columns, &values).unwrap();
            let samples = SparseSamples { bag, labels: &labels, fixed: None };
            for kind in [WorldKind::Mask, WorldKind::Shift] {
                let config = Config::new(kind);
                let mut heap = Heap::new(World::sparse_need(&config, &stack, 0, 90));
                let mut arena = heap.arena();
                let (kernel, own) = (Kernel::auto(), &mut parameters);
                let mut world =
                    World::sparse(config, kernel, &stack, own, 0, samples, &mut task, &mut arena)
                        .unwrap();
                let action = vec![0.4; world.spec().action.len];
                let before = ALLOCATIONS.get();
                for _ in 0..3 {
                    world.evaluate(&action).unwrap();
                }
                assert_eq!(ALLOCATIONS.get(), before, "{bias:?} in {} world", kind.name());
            }
        }
    }
}

#[test]
fn editors_of_whole_networks_allocate_nothing_either() {
    let toy = Toy::new(10, 24, 16, 100, 2);
    let mut rows = vec![0.0; toy.labels.len() * 10];
    Kernel::auto().to_rows(toy.batch, 10, 1, &toy.inputs, &mut rows).unwrap();
    let batch = Batch::rows(toy.labels.len());
    let samples = Samples { batch, inputs: &rows, labels: &toy.labels };
    let set = TrainingSet { samples, training: Training::DIGITS, seed: 7, chosen: None };
    let (settings, config) = (Settings::default(), Config::new(WorldKind::Shift));
    let mut tested = 0;
    let network_editors = EDITORS.iter().filter(|editor| {
        let closed = editor.view == View::Inputs && editor.acts == Acts::Neither;
        editor.kind == EditorKind::Gradient || closed
    });
    for info in network_editors {
        let mut own = toy.parameters.clone();
        let mut parameters = toy.parameters.clone();
        let mut task = toy.task(RewardKind::Probability);
        let forget = task.forget();
        let (kernel, stack, layer) = (Kernel::auto(), &toy.stack, toy.layer());
        let mut world_heap = Heap::new(World::need(&config, stack, layer, toy.labels.len()));
        let mut arena = world_heap.arena();
        let split = toy.samples();
        let mut world =
            World::new(config, kernel, stack, &mut own, layer, split, &mut task, &mut arena)
                .unwrap();
        let spec = world.spec();
        let shape =
            JobShape { spec, stack, settings: &settings, training: Some(&set), policy: None };
        let mut heap = Heap::new(JobMemory::need(&spec).and(info.editor.need(&shape)));
        let mut arena = heap.arena();
        let memory = JobMemory::new(&spec, &mut arena).unwrap();
        let network = Network {
            kernel,
            stack,
            parameters: &mut parameters,
            forget,
            training: Some(set),
            reward: Some(split),
        };
        let mut trace = |_: Point| {};
        let layers = [layer];
        let mut job =
            Job::new(&mut world, false, &settings, 7, 1, 2.0, &mut trace, memory, Some(network))
                .unwrap()
                .with_layers(&layers);
        let before = ALLOCATIONS.get();
        info.editor.edit(&mut job, &mut arena).unwrap();
        assert_eq!(ALLOCATIONS.get(), before, "{}", info.name);
        tested += 1;
    }
    assert!(tested >= 15, "{tested} runs were counted");
}

#[test]
fn steps_on_integers_allocate_nothing() {
    let toy = Toy::new(10, 24, 16, 100, 2);
    let (kernel, stack, values) = (Kernel::auto(), &toy.stack, &toy.parameters[..]);
    let mut heap = Heap::new(Int8Stack::calibration_need(stack));
    let (split, how) = (toy.samples(), Default::default());
    let before = ALLOCATIONS.get();
    let plan = Int8Stack::calibrated(kernel, stack, values, 0, split, how, &mut heap.arena());
    assert_eq!(ALLOCATIONS.get(), before, "calibration");
    let plan = plan.unwrap();
    let (need, ints) = Int8Parameters::need(&plan);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    for (kind, form) in [
        (WorldKind::Shift, Int8Form::Weights),
        (WorldKind::Mask, Int8Form::Weights),
        (WorldKind::Mask, Int8Form::RowMultipliers),
    ] {
        let config = Config { horizon: 3, rank: 2, ..Config::new(kind) };
        let mut task = toy.task(RewardKind::Probability);
        let layer = plan.find(toy.layer()).unwrap();
        let (need, int_need) = Int8World::need(&config, form, &plan, layer, toy.labels.len());
        let (mut world_heap, mut world_ints) = (Heap::new(need), IntHeap::new(int_need));
        let (mut arena, mut int_arena) = (world_heap.arena(), world_ints.arena());
        let mut observation = vec![0.0; config.observation_len(24, 16)];
        let mut action = vec![0.3; config.action_len(24, 16)];
        let before = ALLOCATIONS.get();
        let mut made = Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
        made.quantise(&plan, stack, values).unwrap();
        let network = made.network(&plan);
        let how = (form, Int8Range::Grow);
        let mut world = Int8World::new(
            config,
            how,
            kernel,
            network,
            layer,
            split,
            &mut task,
            &mut arena,
            &mut int_arena,
        )
        .unwrap();
        action.truncate(world.spec().action.len);
        world.reset(0, &mut observation).unwrap();
        for _ in 0..3 {
            world.step(&action, &mut observation).unwrap();
        }
        world.apply(&action).unwrap();
        assert_eq!(ALLOCATIONS.get(), before, "{kind:?} {form:?}");
    }
}
