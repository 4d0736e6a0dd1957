//! Evolution strategies on the device: (1+1)-ES in the least memory, sep-CMA-ES.
#![no_std]
#![no_main]

use reweight::env::Env;
use reweight::kernel::Kernel;
use reweight::num::Digest;
use reweight::slab::Arena;
use reweight::world::{World, WorldKind};
use reweight_cortex_m::data::{DIGITS, Digits, EDITED, REWARD, TAIL, TAIL_LAYERS, TEST};
use reweight_cortex_m::runs::{self, Editable, Fault, Log, Subject};
use reweight_cortex_m::{device, slab};

#[cortex_m_rt::entry]
fn main() -> ! {
    device::end(run())
}

/// What runs share: activations of both parts, and slabs.
struct Memory {
    taken: &'static mut [f32],
    test: &'static mut [f32],
    world: &'static mut [f32],
    agent: &'static mut [f32],
    judge: &'static mut [f32],
}

fn run() -> Result<bool, Fault> {
    let mut memory = Memory {
        taken: slab!(f32, Digits::activations_len(DIGITS)),
        test: slab!(f32, Digits::activations_len(DIGITS)),
        world: slab!(f32, 16_000),
        agent: slab!(f32, 5_000),
        judge: slab!(f32, 16_000),
    };
    REWARD.activations(Kernel::auto(), DIGITS, memory.taken)?;
    TEST.activations(Kernel::auto(), DIGITS, memory.test)?;
    let shift = one(&mut memory, "shift es, 128 x 32", WorldKind::Shift, ONE_PLUS_ONE)?;
    let mask = one(&mut memory, "mask es, 128 x 32", WorldKind::Mask, ONE_PLUS_ONE)?;
    let wide = one(&mut memory, "shift sep-cma-es, 128 x 32", WorldKind::Shift, SEP_CMA)?;
    Ok(shift && mask && wide)
}

/// Evaluations of a run.
const BUDGET: u32 = 500;

/// A search, the values that it takes, and the bytes that a run may take.
struct Search {
    run: fn(&mut dyn Editable, u32, u64, &mut Arena<'_>, Log<'_>) -> Result<Digest, Fault>,
    values: usize,
    bound: usize,
}

const N: usize = EDITED.0 + EDITED.1;

const ONE_PLUS_ONE: &Search =
    &Search { run: runs::one_plus_one, values: runs::one_plus_one_need(N).f32s, bound: 4 * 1024 };

const SEP_CMA: &Search =
    &Search { run: runs::sep_cma_es, values: runs::sep_cma_es_need(N).f32s, bound: 22 * 1024 };

/// Edits in one world.
#[inline(never)]
fn one(memory: &mut Memory, name: &str, kind: WorldKind, search: &Search) -> Result<bool, Fault> {
    let Memory { taken, test, world: world_slab, agent, judge } = memory;
    let subject = Subject::new(Kernel::auto(), &TAIL_LAYERS, &TAIL, taken, REWARD.labels);
    let mut task = subject.task();
    device::paint();
    let mut world = subject.world(runs::world_config(kind), &mut task);
    open(&mut world, kind, world_slab)?;
    let mut arena = Arena::new(device::cut(agent, search.values)?, &mut []);
    let mut count = 0;
    let digest = (search.run)(&mut world, BUDGET, 0, &mut arena, &mut |reward| {
        count += 1;
        say_reward(count, reward);
    })?;
    let peak = device::stack_peak();
    let good = said(name, kind, search, peak);
    device::say_digest(name, runs::finish(digest, &world, &subject));
    let edited = world.edited().map(|edited| edited.weights).unwrap_or_default();
    Ok(judged(test, name, edited, judge)? & good)
}

#[inline(never)]
fn open<'a>(world: &mut World<'a>, kind: WorldKind, slab: &'a mut [f32]) -> Result<(), Fault> {
    let need = runs::world_need(&TAIL_LAYERS, kind, DIGITS).0;
    Ok(world.open(&[0], &mut Arena::new(device::cut(slab, need.f32s)?, &mut []))?)
}

#[inline(never)]
fn said(name: &str, kind: WorldKind, search: &Search, stack: usize) -> bool {
    let (need, own) = runs::world_need(&TAIL_LAYERS, kind, DIGITS);
    device::say_memory(name, 4 * (need.f32s - own + search.values), stack, search.bound)
}

#[inline(never)]
fn judged(taken: &[f32], name: &str, edited: &[f32], memory: &mut [f32]) -> Result<bool, Fault> {
    let test = Subject::new(Kernel::auto(), &TAIL_LAYERS, &TAIL, taken, TEST.labels);
    let original = TAIL.get(..edited.len()).unwrap_or_default();
    let before = test.accuracy(original, Arena::new(memory, &mut []))?;
    let after = test.accuracy(edited, Arena::new(memory, &mut []))?;
    Ok(device::say_kept(name, [before, after]))
}

#[inline(never)]
fn say_reward(step: usize, reward: f32) {
    device::Line::of("step ").number(step).words(" reward ").decimal(reward).say();
}
