//! A policy that was trained on other networks, from flash: one look at the layer, one action, no evaluation.
#![no_std]
#![no_main]

use reweight::kernel::Kernel;
use reweight::slab::Arena;
use reweight::world::Config;
use reweight_cortex_m::data::{
    DIGITS, Digits, EDITED, REWARD, TAIL, TAIL_LAYERS, TAIL_PARAMETERS, TEST,
};
use reweight_cortex_m::runs::{self, Fault, Subject};
use reweight_cortex_m::{device, slab};

const ACTIVATIONS: usize = Digits::activations_len(DIGITS);

const POLICY: &runs::Policy = &runs::SHIFT_CORE;

#[cortex_m_rt::entry]
fn main() -> ! {
    device::end(run())
}

fn run() -> Result<bool, Fault> {
    let kernel = Kernel::auto();
    let activations = slab!(f32, ACTIVATIONS);
    REWARD.activations(kernel, DIGITS, activations)?;
    let subject = Subject::new(kernel, &TAIL_LAYERS, &TAIL, activations, REWARD.labels);
    let (memory, action) = (slab!(f32, 1_370), slab!(f32, EDITED.0 + EDITED.1));
    let need = runs::policy_need(&subject, POLICY).f32s;
    short(&subject, device::cut(memory, need - 1)?)?;
    let memory = device::cut(memory, need)?;
    device::paint();
    let step = acts(&subject, memory, action)?;
    let peak = device::stack_peak();
    let good = device::say_memory("policy, 128 x 32", 4 * need, peak, 8 * 1024);
    Ok(judged(&subject, step, action, memory)? && good)
}

/// What is measured: the policy looks at the layer and acts.
#[inline(never)]
fn acts(subject: &Subject<'_>, memory: &mut [f32], to: &mut [f32]) -> Result<f32, Fault> {
    let step = Config::new(POLICY.kind).step;
    let (step, action) = runs::policy(subject, POLICY, step, Arena::new(memory, &mut []))?;
    to.copy_from_slice(action);
    Ok(step)
}

/// A slab that is one value short is refused with both figures.
#[inline(never)]
fn short(subject: &Subject<'_>, memory: &mut [f32]) -> Result<(), Fault> {
    match runs::policy(subject, POLICY, 2.0, Arena::new(memory, &mut [])) {
        Err(Fault::TooSmall(error)) => {
            device::Line::of("one value less: ")
                .number(error.need)
                .words(" needed, ")
                .number(error.have)
                .say();
            Ok(())
        }
        _ => Err(Fault::Failed("a slab that is one value short was not noticed")),
    }
}

/// What the edit does to the test digits.
#[inline(never)]
fn judged(
    subject: &Subject<'_>,
    step: f32,
    action: &[f32],
    memory: &mut [f32],
) -> Result<bool, Fault> {
    let kernel = subject.kernel;
    let test = slab!(f32, ACTIVATIONS);
    // The network as it is edited.
    let network = slab!(f32, TAIL_PARAMETERS);
    TEST.activations(kernel, DIGITS, test)?;
    let test = Subject::new(kernel, &TAIL_LAYERS, &TAIL, test, TEST.labels);
    let mut arena = Arena::new(memory, &mut []);
    let (digest, scores, kept) =
        runs::acted(subject, test, POLICY, step, action, network, &mut arena)?;
    device::Line::of("reward ").decimal(scores[0]).words(" -> ").decimal(scores[1]).say();
    device::say_digest("shift policy f32", digest);
    Ok(device::say_kept("policy, zero evaluations", kept))
}
