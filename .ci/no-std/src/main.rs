//! An editing run on a static slab, in a program without std and without a heap.
//!
//! Exit code 0: the run found a better network, and the fastest kernels of this processor were found
//! without std's help and gave the same digest as the portable ones.
#![no_std]
#![no_main]

use core::panic::PanicInfo;
use reweight::editor::{Job, JobMemory, JobShape, Outcome, Point, Settings, find};
use reweight::env::Env;
use reweight::kernel::{Batch, Kernel, LANES};
use reweight::model::Samples;
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Fixed;
use reweight::task::{ClassSet, RewardKind, Unlearning};
use reweight::world::{Config, World, WorldKind};

// The C library starts the program and brings memcpy; nothing of Rust's std is linked.
#[link(name = "c")]
unsafe extern "C" {}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// The prebuilt core names this symbol in its unwind tables; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

const SAMPLES: usize = LANES;
const FEATURES: usize = 6;

fn edit(kernel: Kernel) -> Option<(u64, f32, f32)> {
    let mut slab = Fixed::<16_384, 64>::new();
    let mut arena = slab.arena();
    let mut stack = Stack::new([FEATURES, 1, 1]);
    stack.dense("a", 12).ok()?.relu().ok()?.dense("b", 8).ok()?.relu().ok()?.dense("c", 3).ok()?;
    let mut rng = Rng::new(1, Purpose::Weights);
    let parameters = arena.take(stack.parameters()).ok()?;
    stack.initialise(Init::FanIn, parameters, &mut rng).ok()?;
    let inputs = arena.take(Batch::lanes(SAMPLES).len(FEATURES)).ok()?;
    inputs.iter_mut().for_each(|value| *value = rng.normal());
    let mut labels = [0u8; SAMPLES];
    labels.iter_mut().zip((0..3u8).cycle()).for_each(|(label, class)| *label = class);
    let samples = Samples { batch: Batch::lanes(SAMPLES), inputs, labels: &labels };
    let forget = ClassSet::of(&[1]);
    let mut task = Unlearning::new(forget, RewardKind::Probability, [&[], &labels, &[]]);
    let config = Config::new(WorldKind::Shift);
    let layer = stack.find("b")?;
    let mut world =
        World::new(config, kernel, &stack, parameters, layer, samples, &mut task, &mut arena).ok()?;
    let before = world.reward_of(world.original_score());
    let settings = Settings::default();
    let editor = find("sep-cma-es")?.editor;
    let spec = world.spec();
    let shape = JobShape { spec, stack: &stack, settings: &settings, training: None, policy: None };
    if editor.need(&shape).f32s > arena.left().f32s {
        return None;
    }
    let memory = JobMemory::new(&spec, &mut arena).ok()?;
    let mut trace = |_: Point| {};
    let mut job =
        Job::new(&mut world, false, &settings, 0, 200, 2.0, &mut trace, memory, None).ok()?;
    if editor.edit(&mut job, &mut arena).ok()? != Outcome::Actions {
        return None;
    }
    let (best, _) = job.best()?;
    Some((job.digest().finish(), before, best))
}

/// Entry point, called by the C library.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    let (Some(fast), Some(plain)) = (edit(Kernel::auto()), edit(Kernel::portable())) else {
        return 1;
    };
    i32::from(fast.0 != plain.0) * 2 + i32::from(fast.2 <= fast.1) * 4
}
