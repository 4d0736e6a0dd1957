//! A policy that was trained on other networks, from flash: one look at the layer, one action, no evaluation.
#![no_std]
#![no_main]

use reweight::kernel::Kernel;
use reweight::slab::Arena;
use reweight::world::Config;
use reweight_cortex_m::data::{DIGITS, Digits, EDITED, REWARD, TAIL, TAIL_PARAMETERS, TEST};
use reweight_cortex_m::runs::{self, Fault, Subject};
use reweight_cortex_m::{device, slab};

const ACTIVATIONS: usize = Digits::activations_len(DIGITS);

#[cortex_m_rt::entry]
fn main() -> ! {
    device::end(run())
}

fn run() -> Result<bool, Fault> {
    let kernel = Kernel::auto();
    let activations = slab!(f32, ACTIVATIONS);
    let test = slab!(f32, ACTIVATIONS);
    // The network as it is edited.
    let network = slab!(f32, TAIL_PARAMETERS);
    let memory = slab!(f32, 1_371);
    let action = slab!(f32, EDITED.0 + EDITED.1);
    REWARD.activations(kernel, DIGITS, activations)?;
    TEST.activations(kernel, DIGITS, test)?;
    let stack = device::tail()?;
    let test = Subject::new(kernel, stack, &TAIL, test, TEST.labels);
    let policy = &runs::SHIFT_CORE;
    let subject = Subject::new(kernel, stack, &TAIL, activations, REWARD.labels);
    let need = runs::policy_need(&subject, policy).f32s;
    let short = Arena::new(device::cut(memory, need - 1)?, &mut []);
    let refused = runs::policy(&subject, policy, 2.0, action, short);
    let Err(Fault::TooSmall(error)) = refused else {
        return Err(Fault::Failed("a slab that is one value short was not noticed"));
    };
    device::Line::of("one value less: ")
        .number(error.need)
        .words(" needed, ")
        .number(error.have)
        .say();
    let arena = Arena::new(device::cut(memory, need)?, &mut []);
    device::paint();
    let step = runs::policy(&subject, policy, Config::new(policy.kind).step, action, arena)?;
    let peak = device::stack_peak();
    let slabs = 4 * (need + action.len()) + device::DESCRIPTION;
    let mut good = device::say_memory("policy, 128 x 32", slabs, peak, 13 * 1024);
    let mut arena = Arena::new(memory, &mut []);
    let (digest, scores, kept) =
        runs::acted(&subject, test, policy, step, action, network, &mut arena)?;
    device::Line::of("reward ").decimal(scores[0]).words(" -> ").decimal(scores[1]).say();
    good &= device::say_kept("policy, zero evaluations", kept);
    device::say_digest("shift policy f32", digest);
    Ok(good)
}
