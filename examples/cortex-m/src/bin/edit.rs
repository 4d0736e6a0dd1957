//! Proximal policy optimisation with training on the device: 128 → 32 forgets a class of digits, 16 → 2 treats groups of
//! a classifier of comments alike.
#![no_std]
#![no_main]

use reweight::env::Env;
use reweight::kernel::{Batch, Kernel};
use reweight::slab::Arena;
use reweight::world::WorldKind;
use reweight_cortex_m::data::{
    COMMENTS, Comments, DIGITS, Digits, FEATURES, LAST, LAST_LAYER, REWARD, REWARD_COMMENTS, TAIL,
    TAIL_LAYERS, TEST, TEST_COMMENTS,
};
use reweight_cortex_m::runs::{self, Bench, Fault, Subject};
use reweight_cortex_m::{device, slab};

#[cortex_m_rt::entry]
fn main() -> ! {
    device::end(digits().and_then(|good| Ok(comments()? & good)))
}

/// Updates of seven evaluations.
const UPDATES: u32 = 50;

#[inline(never)]
fn digits() -> Result<bool, Fault> {
    let kernel = Kernel::auto();
    let (taken, test) =
        (slab!(f32, Digits::activations_len(DIGITS)), slab!(f32, Digits::activations_len(DIGITS)));
    REWARD.activations(kernel, DIGITS, taken)?;
    TEST.activations(kernel, DIGITS, test)?;
    let stack = &TAIL_LAYERS;
    let subject = Subject::new(kernel, stack, &TAIL, taken, REWARD.labels);
    let test = Subject::new(kernel, stack, &TAIL, test, TEST.labels);
    let (world_slab, agent_slab, judge) =
        (slab!(f32, 16_000), slab!(f32, 6_000), slab!(f32, 16_000));
    let mut slabs = [world_slab, agent_slab, judge];
    let shift = one(&subject, &test, WorldKind::Shift, &mut slabs)?;
    Ok(one(&subject, &test, WorldKind::Mask, &mut slabs)? & shift)
}

/// Edits in one world.
#[inline(never)]
fn one(
    subject: &Subject<'_>,
    test: &Subject<'_>,
    kind: WorldKind,
    [world_slab, agent_slab, judge]: &mut [&mut [f32]; 3],
) -> Result<bool, Fault> {
    let (need, own) = runs::world_need(subject.stack, kind, DIGITS);
    let agent = runs::ppo_need(subject);
    let mut order = [0; 1];
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
    let mut arena = Arena::new(device::cut(agent_slab, agent.f32s)?, &mut order);
    let digest = runs::ppo(subject, kind, &mut world, UPDATES, 0, &mut arena, &mut log)?;
    let peak = device::stack_peak();
    let slabs = 4 * (need.f32s - own + agent.f32s);
    let good = device::say_memory(name(kind), slabs, peak, 28 * 1024);
    device::say_digest(name(kind), runs::finish(digest, &world, subject));
    let edited = world.edited().map(|edited| edited.weights).unwrap_or_default();
    Ok(judged(test, name(kind), edited, judge)? & good)
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

const fn name(kind: WorldKind) -> &'static str {
    match kind {
        WorldKind::Shift => "shift ppo, 128 x 32",
        WorldKind::Mask => "mask ppo, 128 x 32",
    }
}

#[inline(never)]
fn say_reward(step: usize, reward: f32) {
    device::Line::of("step ").number(step).words(" reward ").decimal(reward).say();
}

#[inline(never)]
fn comments() -> Result<bool, Fault> {
    let (taken, test) = (slab!(f32, FEATURES * COMMENTS), slab!(f32, FEATURES * COMMENTS));
    panels(&REWARD_COMMENTS, taken)?;
    panels(&TEST_COMMENTS, test)?;
    let mut world = (slab!(f32, 8_000), slab!(u32, 2_000));
    let mut kept = [0.0; 2 * FEATURES];
    let good = trained(taken, &mut world, &mut kept)?;
    Ok(fairer(test, world, &kept)? & good)
}

/// What the edited layer takes, in panels.
#[inline(never)]
fn panels(comments: &Comments, to: &mut [f32]) -> Result<(), Fault> {
    Ok(Kernel::auto().to_panels(Batch::lanes(COMMENTS), FEATURES, &comments.taken, to)?)
}

const GROUPS_ALIKE: &str = "shift ppo, 16 x 2";

/// What is measured: training, and what it takes.
#[inline(never)]
fn trained(
    taken: &[f32],
    world: &mut (&mut [f32], &mut [u32]),
    kept: &mut [f32; 2 * FEATURES],
) -> Result<bool, Fault> {
    let agent = (slab!(f32, 6_000), slab!(u32, 100));
    device::paint();
    let digest = edited(taken, world, agent, kept)?;
    let peak = device::stack_peak();
    let (world, agent) = runs::debias_needs(&LAST_LAYER, WorldKind::Shift, COMMENTS);
    // Not the cached outputs of the layer.
    let cached = 2 * COMMENTS;
    let words = world.u32s + agent.u32s;
    let slabs = 4 * (world.f32s - cached + agent.f32s + words);
    let good = device::say_memory(GROUPS_ALIKE, slabs, peak, 16 * 1024);
    device::say_digest(GROUPS_ALIKE, digest);
    Ok(good)
}

#[inline(never)]
fn edited(
    taken: &[f32],
    world: &mut (&mut [f32], &mut [u32]),
    agent: (&mut [f32], &mut [u32]),
    kept: &mut [f32; 2 * FEATURES],
) -> Result<u64, Fault> {
    let memory = cut_all(world, agent)?;
    let mut count = 0;
    let mut log = |reward: f32| {
        count += 1;
        say_reward(count, reward);
    };
    let bench = bench(taken, &REWARD_COMMENTS);
    let found = runs::debias(bench, WorldKind::Shift, 960, 0, memory, &mut log, &mut |edited| {
        kept.iter_mut().zip(edited).for_each(|(to, &from)| *to = from);
    })?;
    Ok(found.digest)
}

/// Exactly what the world and the agent need.
#[inline(never)]
fn cut_all<'m>(
    world: &'m mut (&mut [f32], &mut [u32]),
    agent: (&'m mut [f32], &'m mut [u32]),
) -> Result<(Arena<'m>, Arena<'m>), Fault> {
    let (for_world, for_agent) = runs::debias_needs(&LAST_LAYER, WorldKind::Shift, COMMENTS);
    let of_world =
        Arena::new(device::cut(world.0, for_world.f32s)?, device::cut(world.1, for_world.u32s)?);
    let of_agent =
        Arena::new(device::cut(agent.0, for_agent.f32s)?, device::cut(agent.1, for_agent.u32s)?);
    Ok((of_world, of_agent))
}

fn bench<'b>(inputs: &'b [f32], comments: &'b Comments) -> Bench<'b> {
    Bench { kernel: Kernel::auto(), stack: &LAST_LAYER, inputs, comments }
}

/// Whether groups of the test comments are treated more alike than before.
#[inline(never)]
fn fairer(test: &[f32], memory: (&mut [f32], &mut [u32]), kept: &[f32]) -> Result<bool, Fault> {
    let judge = bench(test, &TEST_COMMENTS);
    let original = LAST.get(..2 * FEATURES).unwrap_or_default();
    let before = judge.score(original, &mut Arena::new(memory.0, memory.1))?;
    let after = judge.score(kept, &mut Arena::new(memory.0, memory.1))?;
    device::Line::of("test comments: gap ")
        .decimal(1.0 - before.edit)
        .words(" -> ")
        .decimal(1.0 - after.edit)
        .words(", accuracy ")
        .decimal(before.utility)
        .words(" -> ")
        .decimal(after.utility)
        .say();
    Ok(after.edit > before.edit)
}
