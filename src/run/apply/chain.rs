//! Edits in a row: one entry on one target.

use super::config::ApplyConfig;
use super::entry::Entry;
use super::measure::{Edited, Tail, labels, measured};
use crate::editor::View;
use crate::run::config::{TARGET_VALUE, UnlearnConfig};
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::policy::TrainedPolicy;
use crate::run::unit::Unit;
use crate::task::{ClassSet, RewardKind, Unlearning};

/// One chain of edits: one entry on one target.
pub(super) struct Chain<'a> {
    pub(super) entry: &'a Entry,
    pub(super) tail: &'a Tail,
    pub(super) sets: Vec<Vec<u8>>,
}

pub(super) fn run_chain(
    config: &ApplyConfig,
    policy: &TrainedPolicy,
    chain: &Chain<'_>,
    observer: &dyn Observer,
) -> Result<Vec<Edited>, RunError> {
    let (entry, tail) = (chain.entry, chain.tail);
    let sees = entry.editor.view != View::None;
    let mut current = tail.tail.clone();
    let mut gone = ClassSet::EMPTY;
    let mut edited = Vec::new();
    for (step, set) in chain.sets.iter().enumerate() {
        let forget = ClassSet::of(set);
        let base = UnlearnConfig { forget: set.clone(), ..config.base.clone() };
        let kind = config.kind();
        let world = if sees {
            base.world_of_view(kind)
        } else {
            let mut world = base.world(kind);
            world.rank = set.len();
            world.step *= set.len() as f32;
            world
        };
        let kind_of_reward = RewardKind::Probability;
        let task = Unlearning::new(forget, kind_of_reward, labels(&tail.data)).after(gone);
        let unit = Unit {
            kernel: base.kernel,
            data: &tail.data,
            task,
            target: &current,
            training: None,
            layers: &[0],
            world,
            settings: &entry.settings,
            editor: entry.editor,
            budget: entry.budget,
            target_value: TARGET_VALUE,
            view: sees.then(|| {
                let needs = entry.editor.view == View::Policy;
                (base.step_of_view(kind), needs.then_some(policy))
            }),
            then_mask: false,
            erasure: None,
        };
        let found = unit.run(observer)?;
        let all: Vec<u8> = gone.iter().chain(forget.iter()).collect();
        let after = found.parameters.clone();
        let mut made = measured(config, tail, entry, step, &all, &after)?;
        made.row.evaluations = found.evaluations;
        made.row.seconds = found.seconds;
        made.record.evaluations = found.evaluations;
        made.record.seconds = found.seconds;
        made.record.evaluations_to_target = found.evaluations_to_target;
        made.record.peak_bytes = Some(found.peak_bytes);
        made.record.policy = found.policy.filter(|_| gone.is_empty());
        made.record.edit_norm = Some(found.edit_norm);
        made.record.digest = format!("{:016x}", found.digest);
        made.record.curve = found.curve;
        made.artifact.world = Some(world);
        // An edit file belongs to the original network: later steps of a sequence have none.
        made.artifact.actions = found.actions.filter(|_| step == 0);
        edited.push(made);
        current.parameters = after;
        gone = forget.iter().fold(gone, ClassSet::with);
    }
    Ok(edited)
}
