//! Proximal policy optimisation with training on the device: 128 → 32 forgets a class of digits, 16 → 2 treats groups of
//! a classifier of comments alike.
#![no_std]
#![no_main]

use reweight::env::Env;
use reweight::kernel::{Batch, Kernel};
use reweight::slab::Arena;
use reweight::world::WorldKind;
use reweight_cortex_m::data::{
    COMMENTS, DIGITS, Digits, FEATURES, LAST, LAST_LAYER, REWARD, REWARD_COMMENTS, TAIL,
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
    let good = device::say_memory(name(kind), slabs, peak, 30 * 1024);
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
    let (kernel, batch) = (Kernel::auto(), Batch::lanes(COMMENTS));
    let (taken, test) = (slab!(f32, FEATURES * COMMENTS), slab!(f32, FEATURES * COMMENTS));
    kernel.to_panels(batch, FEATURES, &REWARD_COMMENTS.taken, taken)?;
    kernel.to_panels(batch, FEATURES, &TEST_COMMENTS.taken, test)?;
    let stack = &LAST_LAYER;
    let bench = Bench { kernel, stack, inputs: taken, comments: &REWARD_COMMENTS };
    let judge = Bench { inputs: test, comments: &TEST_COMMENTS, ..bench };
    let (world_slab, world_words) = (slab!(f32, 8_000), slab!(u32, 2_000));
    let (agent_slab, agent_words) = (slab!(f32, 6_000), slab!(u32, 100));
    let kind = WorldKind::Shift;
    let (world, agent) = runs::debias_needs(stack, kind, COMMENTS);
    let mut count = 0;
    let mut log = |reward: f32| {
        count += 1;
        say_reward(count, reward);
    };
    let mut kept = [0.0; 2 * FEATURES];
    device::paint();
    let found = {
        let memory = Arena::new(device::cut(world_slab, world.f32s)?, world_words);
        let own = Arena::new(device::cut(agent_slab, agent.f32s)?, agent_words);
        runs::debias(bench, kind, 960, 0, (memory, own), &mut log, &mut |edited| {
            kept.iter_mut().zip(edited).for_each(|(to, &from)| *to = from);
        })?
    };
    let peak = device::stack_peak();
    // Not the cached outputs of the layer.
    let cached = 2 * COMMENTS;
    let words = world.u32s + agent.u32s;
    let slabs = 4 * (world.f32s - cached + agent.f32s + words);
    let mut good = device::say_memory("shift ppo, 16 x 2", slabs, peak, 31 * 1024);
    device::say_digest("shift ppo, 16 x 2", found.digest);
    let original = LAST.get(..2 * FEATURES).unwrap_or_default();
    let before = judge.score(original, &mut Arena::new(world_slab, world_words))?;
    let after = judge.score(&kept, &mut Arena::new(world_slab, world_words))?;
    device::Line::of("test comments: gap ")
        .decimal(1.0 - before.edit)
        .words(" -> ")
        .decimal(1.0 - after.edit)
        .words(", accuracy ")
        .decimal(before.utility)
        .words(" -> ")
        .decimal(after.utility)
        .say();
    good &= after.edit > before.edit;
    Ok(good)
}
