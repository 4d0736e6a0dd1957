//! The digit network in 8-bit integers, quantised and edited on the device.
#![no_std]
#![no_main]

use reweight::kernel::Kernel;
use reweight::slab::{Arena, IntArena};
use reweight::world::WorldKind;
use reweight_cortex_m::data::{DIGITS, Digits, REWARD, TAIL, TAIL_LAYERS, TEST};
use reweight_cortex_m::runs::{self, Editor, Fault, Subject};
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
    let (world_slab, agent_slab, words) = (slab!(f32, 18_000), slab!(f32, 6_000), slab!(u32, 16));
    let (i8s, i32s) = (slab!(i8, 120_000), slab!(i32, 10_000));
    let mut good = true;
    for (name, kind, editor) in [
        ("shift policy, int8", WorldKind::Shift, Editor::Policy(&runs::SHIFT_CORE)),
        ("mask policy, int8", WorldKind::Mask, Editor::Policy(&runs::MASK_CORE)),
        ("shift ppo, int8", WorldKind::Shift, Editor::Ppo(50)),
        ("shift es, int8", WorldKind::Shift, Editor::Search(500)),
    ] {
        let ((need, ints), agent) = runs::int8_needs(&subject, kind, DIGITS)?;
        let mut count = 0;
        let mut log = |reward: f32| {
            count += 1;
            say_reward(count, reward);
        };
        let slabs = (
            Arena::new(device::cut(world_slab, need.f32s)?, &mut []),
            IntArena::new(device::cut(i8s, ints.i8s)?, device::cut(i32s, ints.i32s)?),
            Arena::new(device::cut(agent_slab, agent.f32s)?, words),
        );
        device::paint();
        let found = runs::int8(&subject, editor, kind, 0, slabs, &mut log, Some(test.samples))?;
        let peak = device::stack_peak();
        let bytes = 4 * (need.f32s + agent.f32s) + ints.bytes();
        // Activations and integers of reward and test digits, and the network as real numbers, are among these.
        device::Line::of(name)
            .words(": slabs ")
            .number(bytes)
            .words(" bytes, network and activations included, stack ")
            .number(peak)
            .say();
        device::say_digest(name, found.digest);
        if let Some(accuracy) = found.accuracy {
            good &= device::say_kept(name, accuracy);
        }
    }
    Ok(good)
}

#[inline(never)]
fn say_reward(step: usize, reward: f32) {
    device::Line::of("step ").number(step).words(" reward ").decimal(reward).say();
}
