//! The runs whose digests are the same on every machine: both worlds, three editors, real numbers and integers.

use super::int8::Editor;
use super::{
    Editable, Fault, MASK_CORE, SHIFT_CORE, Subject, acted, finish, int8, int8_needs, one_plus_one,
    one_plus_one_need, policy, policy_need, ppo, ppo_need, world_config, world_need,
};
use crate::data::{EDITED, TAIL_PARAMETERS};
use reweight::slab::{Arena, IntArena, IntNeed, Need};
use reweight::world::{Config, WorldKind};

/// Digits that they look at: few, for machines without a floating-point unit.
pub const TABLE_DIGITS: usize = 64;

/// Evaluations of (1+1)-ES, and updates of PPO.
const EVALUATIONS: u32 = 64;
const UPDATES: u32 = 8;

/// Memory of all runs, one after the other.
pub struct TableMemory<'m> {
    /// The world's.
    pub world: &'m mut [f32],
    /// The agent's.
    pub agent: &'m mut [f32],
    /// Indices of the agent.
    pub indices: &'m mut [u32],
    /// Integers of 8 and of 32 bits.
    pub i8s: &'m mut [i8],
    /// The latter.
    pub i32s: &'m mut [i32],
}

/// What it holds at least: world, agent and integers.
pub fn table_needs(subject: &Subject<'_>) -> Result<(Need, Need, IntNeed), Fault> {
    let kinds = [WorldKind::Shift, WorldKind::Mask];
    let mut world = Need::f32s(0);
    let mut ints = IntNeed::default();
    let n = EDITED.0 + EDITED.1;
    let looks = policy_need(subject, &MASK_CORE).or(policy_need(subject, &SHIFT_CORE));
    let mut agent = ppo_need(subject).or(one_plus_one_need(n)).or(looks);
    for kind in kinds {
        let ((need, int_need), own) = int8_needs(subject, kind, TABLE_DIGITS)?;
        world = world.or(world_need(subject.stack, kind, TABLE_DIGITS).0).or(need);
        ints = IntNeed { i8s: ints.i8s.max(int_need.i8s), i32s: ints.i32s.max(int_need.i32s) };
        agent = agent.or(own);
    }
    Ok((world.or(Need::f32s(TAIL_PARAMETERS)), agent, ints))
}

/// Runs the table; `say` is given a name and a digest for each.
pub fn table(
    subject: &Subject<'_>,
    memory: &mut TableMemory<'_>,
    say: &mut dyn FnMut(&str, u64),
) -> Result<(), Fault> {
    for (kind, flash, names) in
        [(WorldKind::Shift, &SHIFT_CORE, SHIFT_NAMES), (WorldKind::Mask, &MASK_CORE, MASK_NAMES)]
    {
        let editors = [Editor::Policy(flash), Editor::Search(EVALUATIONS), Editor::Ppo(UPDATES)];
        for (editor, [real, integers]) in editors.into_iter().zip(names) {
            say(real, of_reals(subject, editor, kind, memory)?);
            let TableMemory { world, agent, indices, i8s, i32s } = memory;
            let slabs =
                (Arena::new(world, &mut []), IntArena::new(i8s, i32s), Arena::new(agent, indices));
            let found = int8(subject, editor, kind, 0, slabs, &mut |_| {}, None)?;
            say(integers, found.digest);
        }
    }
    Ok(())
}

const SHIFT_NAMES: [[&str; 2]; 3] = [
    ["shift policy f32", "shift policy int8"],
    ["shift es f32", "shift es int8"],
    ["shift ppo f32", "shift ppo int8"],
];

const MASK_NAMES: [[&str; 2]; 3] = [
    ["mask policy f32", "mask policy int8"],
    ["mask es f32", "mask es int8"],
    ["mask ppo f32", "mask ppo int8"],
];

#[inline(never)]
fn of_reals(
    subject: &Subject<'_>,
    editor: Editor<'_>,
    kind: WorldKind,
    memory: &mut TableMemory<'_>,
) -> Result<u64, Fault> {
    let TableMemory { world, agent, indices, .. } = memory;
    let mut agent = Arena::new(agent, indices);
    if let Editor::Policy(flash) = editor {
        let mut action = [0.0; EDITED.0 + EDITED.1];
        let step = Config::new(kind).step;
        let (step, found) = policy(subject, flash, step, agent.scratch())?;
        action.copy_from_slice(found);
        let network = world.get_mut(..TAIL_PARAMETERS).unwrap_or_default();
        return Ok(acted(subject, *subject, flash, step, &action, network, &mut agent)?.0);
    }
    let mut task = subject.task();
    let mut arena = Arena::new(world, &mut []);
    let mut world = subject.world(world_config(kind), &mut task);
    world.open(&[0], &mut arena)?;
    let edited: &mut dyn Editable = &mut world;
    let digest = match editor {
        Editor::Ppo(updates) => ppo(subject, kind, edited, updates, 0, &mut agent, &mut |_| {})?,
        Editor::Search(evaluations) => {
            one_plus_one(edited, evaluations, 0, &mut agent, &mut |_| {})?
        }
        Editor::Policy(_) => return Err(Fault::Failed("a policy needs no search")),
    };
    Ok(finish(digest, &world, subject))
}
