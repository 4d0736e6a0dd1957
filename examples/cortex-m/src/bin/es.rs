//! Evolution strategies on the device: (1+1)-ES in the least memory, sep-CMA-ES.
#![no_std]
#![no_main]

use reweight::env::Env;
use reweight::kernel::Kernel;
use reweight::slab::Arena;
use reweight::world::WorldKind;
use reweight_cortex_m::data::{self, DIGITS, Digits, EDITED, REWARD, TAIL, TEST};
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
    let stack = data::tail()?;
    let subject = Subject::new(kernel, &stack, &TAIL, taken, REWARD.labels);
    let test = Subject::new(kernel, &stack, &TAIL, test, TEST.labels);
    let (world_slab, agent_slab, judge) =
        (slab!(f32, 16_000), slab!(f32, 5_000), slab!(f32, 16_000));
    let n = EDITED.0 + EDITED.1;
    let mut good = true;
    for (name, kind, budget, most) in [
        ("shift es, 128 x 32", WorldKind::Shift, 500, 4 * 1024),
        ("mask es, 128 x 32", WorldKind::Mask, 500, 4 * 1024),
        ("shift sep-cma-es, 128 x 32", WorldKind::Shift, 500, 32 * 1024),
    ] {
        let small = most == 4 * 1024;
        let (need, own) = runs::world_need(&stack, kind, DIGITS);
        let agent = if small { runs::one_plus_one_need(n) } else { runs::sep_cma_es_need(n) };
        let mut count = 0;
        let mut log = |reward: f32| {
            count += 1;
            say_reward(count, reward);
        };
        let mut task = subject.task();
        let mut memory = Arena::new(device::cut(world_slab, need.f32s)?, &mut []);
        device::paint();
        let mut world = subject.world(runs::world_config(kind), &mut task, &mut memory)?;
        let mut arena = Arena::new(device::cut(agent_slab, agent.f32s)?, &mut []);
        let digest = if small {
            runs::one_plus_one(&mut world, budget, 0, &mut arena, &mut log)?
        } else {
            runs::sep_cma_es(&mut world, budget, 0, &mut arena, &mut log)?
        };
        let peak = device::stack_peak();
        good &= device::say_memory(name, 4 * (need.f32s - own + agent.f32s), peak, most);
        device::say_digest(name, runs::finish(digest, &world, &subject));
        let original = TAIL.get(..EDITED.0 * EDITED.1).unwrap_or_default();
        let edited = world.edited().map(|edited| edited.weights).unwrap_or_default();
        let before = test.accuracy(original, &mut Arena::new(judge, &mut []))?;
        let after = test.accuracy(edited, &mut Arena::new(judge, &mut []))?;
        good &= device::say_kept(name, [before, after]);
    }
    Ok(good)
}

#[inline(never)]
fn say_reward(step: usize, reward: f32) {
    device::Line::of("step ").number(step).words(" reward ").decimal(reward).say();
}
