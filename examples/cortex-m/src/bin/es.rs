//! Evolution strategies on the device: (1+1)-ES in the least memory, sep-CMA-ES.
#![no_std]
#![no_main]

use reweight::env::Env;
use reweight::kernel::Kernel;
use reweight::slab::Arena;
use reweight::world::WorldKind;
use reweight_cortex_m::data::{DIGITS, Digits, EDITED, REWARD, TAIL, TAIL_LAYERS, TEST};
use reweight_cortex_m::runs::{self, Fault, Subject};
use reweight_cortex_m::{device, slab};

#[cortex_m_rt::entry]
fn main() -> ! {
    device::end(run())
}

fn run() -> Result<bool, Fault> {
    let kernel = Kernel::auto();
    let (taken, test) =
        (slab!(f32, Digits::activations_len(DIGITS)), slab!(f32, Digits::activations_len(DIGITS)));
    REWARD.activations(kernel, DIGITS, taken)?;
    TEST.activations(kernel, DIGITS, test)?;
    let stack = &TAIL_LAYERS;
    let subject = Subject::new(kernel, stack, &TAIL, taken, REWARD.labels);
    let test = Subject::new(kernel, stack, &TAIL, test, TEST.labels);
    let (world_slab, agent_slab, judge) =
        (slab!(f32, 16_000), slab!(f32, 5_000), slab!(f32, 16_000));
    let mut slabs = [world_slab, agent_slab, judge];
    let mut good = true;
    for (name, kind, small) in [
        ("shift es, 128 x 32", WorldKind::Shift, true),
        ("mask es, 128 x 32", WorldKind::Mask, true),
        ("shift sep-cma-es, 128 x 32", WorldKind::Shift, false),
    ] {
        good &= one(&subject, &test, name, kind, small, &mut slabs)?;
    }
    Ok(good)
}

/// Evaluations of a run.
const BUDGET: u32 = 500;

/// Edits in one world: by (1+1)-ES, or by sep-CMA-ES.
#[inline(never)]
fn one(
    subject: &Subject<'_>,
    test: &Subject<'_>,
    name: &str,
    kind: WorldKind,
    small: bool,
    [world_slab, agent_slab, judge]: &mut [&mut [f32]; 3],
) -> Result<bool, Fault> {
    let n = EDITED.0 + EDITED.1;
    let (need, own) = runs::world_need(subject.stack, kind, DIGITS);
    let agent = if small { runs::one_plus_one_need(n) } else { runs::sep_cma_es_need(n) };
    let mut count = 0;
    let mut log = |reward: f32| {
        count += 1;
        say_reward(count, reward);
    };
    let mut task = subject.task();
    let mut memory = Arena::new(device::cut(world_slab, need.f32s)?, &mut []);
    device::paint();
    let mut world = subject.world(runs::world_config(kind), &mut task);
    world.open(&[0], &mut memory)?;
    let mut arena = Arena::new(device::cut(agent_slab, agent.f32s)?, &mut []);
    let digest = if small {
        runs::one_plus_one(&mut world, BUDGET, 0, &mut arena, &mut log)?
    } else {
        runs::sep_cma_es(&mut world, BUDGET, 0, &mut arena, &mut log)?
    };
    let peak = device::stack_peak();
    let most = if small { 7 * 1024 } else { 24 * 1024 };
    let good = device::say_memory(name, 4 * (need.f32s - own + agent.f32s), peak, most);
    device::say_digest(name, runs::finish(digest, &world, subject));
    let edited = world.edited().map(|edited| edited.weights).unwrap_or_default();
    Ok(judged(test, name, edited, judge)? & good)
}

#[inline(never)]
fn judged(
    test: &Subject<'_>,
    name: &str,
    edited: &[f32],
    memory: &mut [f32],
) -> Result<bool, Fault> {
    let original = TAIL.get(..edited.len()).unwrap_or_default();
    let before = test.accuracy(original, Arena::new(memory, &mut []))?;
    let after = test.accuracy(edited, Arena::new(memory, &mut []))?;
    Ok(device::say_kept(name, [before, after]))
}

#[inline(never)]
fn say_reward(step: usize, reward: f32) {
    device::Line::of("step ").number(step).words(" reward ").decimal(reward).say();
}
