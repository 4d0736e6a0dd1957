//! The same edits of the network in 8-bit integers, quantised on the device.

use super::{
    Editable, Fault, Log, Policy, Subject, one_plus_one, one_plus_one_need, policy, policy_need,
    ppo, ppo_need, world_config,
};
use crate::data::{EDITED, TAIL_PARAMETERS};
use reweight::model::int8::{Int8Parameters, Int8Prefix, Int8Stack};
use reweight::model::{Samples, Split};
use reweight::nn::Stack;
use reweight::num::Digest;
use reweight::slab::{Arena, IntArena, IntNeed, Need};
use reweight::task::{Kept, Score};
use reweight::world::int8::{Int8Form, Int8Range, Int8World};
use reweight::world::{Config, WorldKind};

/// Who edits.
#[derive(Clone, Copy)]
pub enum Editor<'p> {
    /// A policy from flash: one action.
    Policy(&'p Policy),
    /// (1+1)-ES, this many evaluations.
    Search(u32),
    /// Proximal policy optimisation, this many updates.
    Ppo(u32),
}

/// What a run found.
#[derive(Clone, Copy, Debug)]
pub struct Int8Found {
    /// Digest of the rewards, the edited integers and the rows' factors.
    pub digest: u64,
    /// Scores of the reward digits before and after.
    pub scores: [Score; 2],
    /// Accuracies on the test digits before and after, if there were any.
    pub accuracy: Option<[Kept; 2]>,
}

const HOW: (Int8Form, Int8Range) = (Int8Form::Weights, Int8Range::Grow);

/// Memory of the network and its world over `samples` digits; the agent's.
pub fn int8_needs(
    subject: &Subject<'_>,
    kind: WorldKind,
    samples: usize,
) -> Result<((Need, IntNeed), Need), Fault> {
    let stack = quantised(subject)?;
    let (parameters, parameter_ints) = Int8Parameters::need(&stack);
    let (world, world_ints) = Int8World::need(&world_config(kind), HOW.0, &stack, 0, samples);
    let (prefix, prefix_ints) = Int8Prefix::need(&stack, 0, samples);
    let real = Need::f32s(TAIL_PARAMETERS);
    let needs = parameters.and(real).and(world).and(prefix);
    let n = EDITED.0 + EDITED.1;
    let agent =
        ppo_need(subject)
            .or(one_plus_one_need(n))
            .or(policy_need(subject, &super::MASK_CORE).and(Need::f32s(n)));
    Ok(((needs, parameter_ints.and(world_ints).and(prefix_ints)), agent))
}

/// The layers with unknown scales: for sizes.
fn quantised(subject: &Subject<'_>) -> Result<Int8Stack, Fault> {
    let none = Samples { batch: reweight::kernel::Batch::lanes(0), inputs: &[], labels: &[] };
    let mut slab = [0.0; CALIBRATION];
    let mut arena = Arena::new(&mut slab, &mut []);
    calibrated(subject, none, &mut arena)
}

/// Values that calibration takes.
const CALIBRATION: usize = 4 * 128 * reweight::kernel::LANES;

fn calibrated(
    subject: &Subject<'_>,
    samples: Samples<'_>,
    arena: &mut Arena<'_>,
) -> Result<Int8Stack, Fault> {
    let Subject { kernel, stack, parameters, .. } = *subject;
    let how = Default::default();
    Ok(Int8Stack::calibrated(kernel, stack, parameters, 0, samples, how, arena)?)
}

/// Quantises the network, edits it, and judges it by `test`.
#[inline(never)]
pub fn int8(
    subject: &Subject<'_>,
    editor: Editor<'_>,
    kind: WorldKind,
    seed: u64,
    (mut arena, mut ints, mut agent): (Arena<'_>, IntArena<'_>, Arena<'_>),
    log: Log<'_>,
    test: Option<Samples<'_>>,
) -> Result<Int8Found, Fault> {
    let Subject { kernel, stack, parameters, samples } = *subject;
    let made = {
        let mut slab = [0.0; CALIBRATION];
        calibrated(subject, samples, &mut Arena::new(&mut slab, &mut []))?
    };
    let mut integers = Int8Parameters::zeros(&made, &mut arena, &mut ints)?;
    integers.quantise(&made, stack, parameters)?;
    let real = arena.take(stack.parameters())?;
    real.copy_from_slice(parameters);
    integers.network(&made).dequantise(stack, real)?;
    let seen = Subject { parameters: real, ..*subject };
    let network = integers.network(&made);
    let mut task = subject.task();
    // A policy knows its step: a world of step 1 takes it within the action.
    let step = Config::new(kind).step;
    let mut digest = Digest::new();
    let mut action = [0.0; EDITED.0 + EDITED.1];
    let mut config = world_config(kind);
    if let Editor::Policy(policy_in_flash) = editor {
        let (step, found) = policy(&seen, policy_in_flash, step, agent.scratch())?;
        config.step = step;
        action.copy_from_slice(found);
    }
    let mut world =
        Int8World::new(config, HOW, kernel, network, 0, samples, &mut task, &mut arena, &mut ints)?;
    let before = world.original_score();
    match editor {
        Editor::Policy(_) => {
            let reward = Editable::evaluate(&mut world, &action)?;
            digest.value(reward);
            log(reward);
            world.apply(&action)?;
        }
        Editor::Search(evaluations) => {
            digest = one_plus_one(&mut world, evaluations, seed, &mut agent, log)?;
        }
        Editor::Ppo(updates) => {
            digest = ppo(&seen, kind, &mut world, updates, seed, &mut agent, log)?;
        }
    }
    let after = world.score_formed()?;
    let (weights, scales) = world.integers();
    let (bias, multipliers, shifts) = world.rows();
    weights.iter().for_each(|&q| digest.value(q.into()));
    for ((bias, multiplier), shift) in bias.iter().zip(multipliers).zip(shifts) {
        for value in [bias, multiplier, shift] {
            digest.bytes(&value.to_le_bytes());
        }
    }
    let accuracy = match test {
        None => None,
        Some(samples) => {
            let own = Subject { samples, ..*subject };
            let task = own.task();
            let mut prefix = Int8Prefix::new(kernel, network, 0, samples, &mut arena, &mut ints)?;
            let before = task.accuracy(&mut prefix, Split::Reward)?;
            let edited = prefix.edited();
            edited.weights.copy_from_slice(weights);
            edited.scales.copy_from_slice(scales);
            edited.bias.copy_from_slice(bias);
            prefix.commit()?;
            Some([before, task.accuracy(&mut prefix, Split::Reward)?])
        }
    };
    let _: &Stack = stack;
    Ok(Int8Found { digest: digest.finish(), scores: [before, after], accuracy })
}
