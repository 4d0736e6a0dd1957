//! An editing run allocates nothing after set-up: counted by the allocator itself.

mod common;

use common::Toy;
use reweight::editor::{EDITORS, EditorKind, Job, JobMemory, JobShape, Point, Settings};
use reweight::env::Env;
use reweight::kernel::Kernel;
use reweight::slab::Heap;
use reweight::task::RewardKind;
use reweight::world::{Config, World, WorldKind};
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
            for info in EDITORS.iter().filter(|editor| editor.kind == EditorKind::Reward) {
                let config = Config { horizon, rank: 2, ..Config::new(kind) };
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
    assert!(tested >= 16, "{tested} runs were counted");
    // The counter does count.
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1u8; 100]));
    assert!(ALLOCATIONS.get() > before);
}
