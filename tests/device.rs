//! The firmware's runs on this machine: what its edits are worth, and the digests that every machine has to give.

#[path = "../examples/cortex-m/src/data.rs"]
#[allow(dead_code, unreachable_pub)]
mod data;
#[path = "../examples/cortex-m/src/runs/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod runs;

use data::{COMMENTS, Comments, DIGITS, Digits, EDITED, FEATURES, REWARD, TAIL, TEST};
use reweight::env::Env;
use reweight::kernel::{Backend, Batch, Kernel};
use reweight::nn::Stack;
use reweight::slab::{Arena, Heap, IntHeap};
use reweight::task::Kept;
use reweight::world::{Config, WorldKind};
use runs::{Bench, Editor, Policy, Subject, TABLE_DIGITS, TableMemory};

const KINDS: [(WorldKind, &Policy); 2] =
    [(WorldKind::Shift, &runs::SHIFT_CORE), (WorldKind::Mask, &runs::MASK_CORE)];

fn activations(kernel: Kernel, digits: &Digits, samples: usize) -> Vec<f32> {
    let mut values = vec![0.0; Digits::activations_len(samples)];
    digits.activations(kernel, samples, &mut values).unwrap();
    values
}

fn subject<'a>(
    kernel: Kernel,
    stack: &'a Stack,
    taken: &'a [f32],
    labels: &'a [u8],
) -> Subject<'a> {
    Subject::new(kernel, stack, &TAIL, taken, labels)
}

/// Every digest of the table, as lines.
fn table(kernel: Kernel) -> Vec<String> {
    let (stack, taken) = (&data::TAIL_LAYERS, activations(kernel, &REWARD, TABLE_DIGITS));
    let subject = subject(kernel, stack, &taken, &REWARD.labels[..TABLE_DIGITS]);
    let (world, agent, ints) = runs::table_needs(&subject).unwrap();
    let mut lines = Vec::new();
    let mut memory = TableMemory {
        world: &mut vec![0.0; world.f32s],
        agent: &mut vec![0.0; agent.f32s],
        indices: &mut vec![0; agent.u32s],
        i8s: &mut vec![0; ints.i8s],
        i32s: &mut vec![0; ints.i32s],
    };
    let mut say = |name: &str, digest: u64| lines.push(format!("digest {name} {digest:016x}"));
    runs::table(&subject, &mut memory, &mut say).unwrap();
    lines
}

#[test]
fn every_back_end_gives_the_committed_digests() {
    let committed: Vec<&str> = include_str!("device.txt").lines().collect();
    for backend in Backend::ALL {
        let Some(kernel) = Kernel::new(backend) else {
            println!("skipped: this processor cannot run {}", backend.name());
            continue;
        };
        let found = table(kernel);
        assert_eq!(found, committed, "{}:\n{}", backend.name(), found.join("\n"));
    }
}

/// Forget at most 2 % on the test digits, retain within 2 points of the original.
fn check(name: &str, [before, after]: [Kept; 2]) {
    let [forget, retain] = [after.forget(), after.retain()];
    println!("{name}: forget {forget:.3}, retain {:.3} -> {retain:.3}", before.retain());
    assert!(before.forget() > 0.9 && before.retain() > 0.95, "{name}");
    assert!(forget <= 0.02 && retain >= before.retain() - 0.02, "{name}: {forget} {retain}");
}

#[test]
fn digits_are_forgotten_by_a_policy_by_ppo_and_by_evolution() {
    let (kernel, stack) = (Kernel::auto(), &data::TAIL_LAYERS);
    let (taken, test) = (activations(kernel, &REWARD, DIGITS), activations(kernel, &TEST, DIGITS));
    let subject_of = |taken, digits: &'static Digits| subject(kernel, stack, taken, digits.labels);
    let (subject, test) = (subject_of(&taken, &REWARD), subject_of(&test, &TEST));
    let n = EDITED.0 + EDITED.1;
    for (kind, flash) in KINDS {
        let name = kind.name();
        flash.check().unwrap();
        let step = Config::new(kind).step;
        let mut heap = Heap::new(runs::policy_need(&subject, flash));
        let (step, action) = runs::policy(&subject, flash, step, heap.arena()).unwrap();
        let action = action.to_vec();
        let mut network = vec![0.0; TAIL.len()];
        let mut arena = heap.arena();
        let (_, rewards, kept) =
            runs::acted(&subject, test, flash, step, &action, &mut network, &mut arena).unwrap();
        assert!(rewards[1] > rewards[0] + 0.3, "{rewards:?}");
        check(&format!("{name} policy"), kept);

        let (need, _) = runs::world_need(stack, kind, DIGITS);
        let agent = runs::ppo_need(&subject).or(runs::sep_cma_es_need(n));
        for editor in ["ppo", "es", "sep-cma-es"] {
            let (mut heap, mut agent, mut task) =
                (Heap::new(need), Heap::new(agent), subject.task());
            let mut world = subject.world(runs::world_config(kind), &mut task);
            world.open(&[0], &mut heap.arena()).unwrap();
            let mut count = 0;
            let (log, arena) = (&mut |_: f32| count += 1, &mut agent.arena());
            match editor {
                "ppo" => runs::ppo(&subject, kind, &mut world, 50, 0, arena, log),
                "es" => runs::one_plus_one(&mut world, 500, 0, arena, log),
                _ => runs::sep_cma_es(&mut world, 500, 0, arena, log),
            }
            .unwrap();
            assert!((350..=500).contains(&count), "{count}");
            let edited = world.edited().unwrap().weights;
            let mut heap = Heap::new(need);
            let original = &TAIL[..edited.len()];
            let kept =
                [original, edited].map(|weights| test.accuracy(weights, heap.arena()).unwrap());
            check(&format!("{name} {editor}"), kept);
        }
    }
}

#[test]
fn integers_forget_too() {
    let (kernel, stack) = (Kernel::auto(), &data::TAIL_LAYERS);
    let (taken, test) = (activations(kernel, &REWARD, DIGITS), activations(kernel, &TEST, DIGITS));
    let subject_of = |taken, digits: &'static Digits| subject(kernel, stack, taken, digits.labels);
    let (subject, test) = (subject_of(&taken, &REWARD), subject_of(&test, &TEST));
    for (kind, flash) in KINDS {
        let editors = [("policy", Editor::Policy(flash)), ("ppo", Editor::Ppo(50))];
        for (name, editor) in editors {
            let ((need, ints), agent) = runs::int8_needs(&subject, kind, DIGITS).unwrap();
            let (mut heap, mut ints, mut agent) =
                (Heap::new(need), IntHeap::new(ints), Heap::new(agent));
            let slabs = (heap.arena(), ints.arena(), agent.arena());
            let test = Some(test.samples);
            let found = runs::int8(&subject, editor, kind, 0, slabs, &mut |_| {}, test).unwrap();
            check(&format!("{} {name}, int8", kind.name()), found.accuracy.unwrap());
        }
    }
}

/// A slab that is one value short is refused with both figures.
#[test]
fn sizes_are_exact() {
    let (kernel, stack) = (Kernel::auto(), &data::TAIL_LAYERS);
    let taken = activations(kernel, &REWARD, TABLE_DIGITS);
    let subject = subject(kernel, stack, &taken, &REWARD.labels[..TABLE_DIGITS]);
    let flash = &runs::SHIFT_CORE;
    let need = runs::policy_need(&subject, flash).f32s;
    let mut slab = vec![0.0; need];
    let arena = Arena::new(&mut slab[1..], &mut []);
    let short = runs::policy(&subject, flash, 2.0, arena);
    assert!(matches!(short, Err(runs::Fault::TooSmall(error)) if error.need == error.have + 1));
    runs::policy(&subject, flash, 2.0, Arena::new(&mut slab, &mut [])).unwrap();
}

#[test]
fn groups_are_treated_alike_after_training_on_the_device() {
    let (kernel, stack) = (Kernel::auto(), &data::LAST_LAYER);
    let panels = |comments: &Comments| {
        let batch = Batch::lanes(COMMENTS);
        let mut values = vec![0.0; batch.len(FEATURES)];
        kernel.to_panels(batch, FEATURES, &comments.taken, &mut values).unwrap();
        values
    };
    let (taken, test) = (panels(&data::REWARD_COMMENTS), panels(&data::TEST_COMMENTS));
    let bench = Bench { kernel, stack, inputs: &taken, comments: &data::REWARD_COMMENTS };
    let judge = Bench { inputs: &test, comments: &data::TEST_COMMENTS, ..bench };
    for kind in [WorldKind::Shift, WorldKind::Mask] {
        let (world, agent) = runs::debias_needs(stack, kind, COMMENTS);
        let (mut world, mut agent) = (Heap::new(world), Heap::new(agent));
        let mut weights = Vec::new();
        let slabs = (world.arena(), agent.arena());
        let found = runs::debias(bench, kind, 960, 0, slabs, &mut |_| {}, &mut |edited| {
            weights.extend_from_slice(edited);
        });
        let [before, after] = found.unwrap().scores;
        println!("{}: reward comments {before:?} -> {after:?}", kind.name());
        assert!(after.edit > before.edit + 0.03, "{before:?} {after:?}");
        let original = &data::LAST[..2 * FEATURES];
        let judged = [original, &weights].map(|weights| {
            let (mut heap, _) = (Heap::new(runs::debias_needs(stack, kind, COMMENTS).0), ());
            judge.score(weights, &mut heap.arena()).unwrap()
        });
        println!("{}: test comments {:?} -> {:?}", kind.name(), judged[0], judged[1]);
        assert!(judged[1].edit > judged[0].edit + 0.03, "{judged:?}");
        assert!(judged[1].utility > judged[0].utility - 0.03, "{judged:?}");
    }
}
