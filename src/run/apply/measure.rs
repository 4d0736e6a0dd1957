//! Targets from the edited layer on, and the figures of what is left after an edit.

use super::config::ApplyConfig;
use super::entry::Entry;
use super::record::AppliedRow;
use crate::run::error::RunError;
use crate::run::layers::editable_layer;
use crate::run::measure::Gauge;
use crate::run::prepare::Prepared;
use crate::run::record::{RunRecord, TargetRecord};
use crate::run::target::{Target, network_digest};
use crate::run::unlearn::Artifact;
use crate::task::{ClassSet, RewardKind, Unlearning};

/// A target from the edited layer on.
pub(super) struct Tail {
    pub(super) whole: Target,
    pub(super) tail: Target,
    pub(super) data: Prepared,
    pub(super) start: usize,
}

/// One edit: what it is reported as, and the network that it left.
pub(super) struct Edited {
    pub(super) row: AppliedRow,
    pub(super) record: RunRecord,
    pub(super) artifact: Artifact,
}

pub(super) fn labels(data: &Prepared) -> [&[u8]; 3] {
    [&[], data.reward.labels(), data.test.labels()]
}

pub(super) fn gauge<'t>(config: &ApplyConfig, tail: &'t Tail, task: Unlearning<'t>) -> Gauge<'t> {
    Gauge {
        kernel: config.base.kernel,
        stack: &tail.tail.stack,
        data: &tail.data,
        task,
        lambda: config.base.lambda,
    }
}

/// Figures of a network that should have forgotten `forget`, beside those of the original.
pub(super) fn measured(
    config: &ApplyConfig,
    tail: &Tail,
    entry: &Entry,
    step: usize,
    forget: &[u8],
    parameters: &[f32],
) -> Result<Edited, RunError> {
    let set = ClassSet::of(forget);
    let task = Unlearning::new(set, RewardKind::Probability, labels(&tail.data));
    let gauge_all = gauge(config, tail, task);
    let (before, after) =
        (gauge_all.figures(&tail.tail.parameters)?, gauge_all.figures(parameters)?);
    let mut each = Vec::new();
    for &class in forget {
        let only = ClassSet::of(&[class]);
        let task = Unlearning::new(only, RewardKind::Probability, labels(&tail.data));
        each.push(gauge(config, tail, task).test(parameters)?.forget());
    }
    let mut whole = tail.whole.parameters.clone();
    whole.truncate(tail.start);
    whole.extend_from_slice(parameters);
    let layer = tail.tail.stack.layers().first();
    let (cols, rows) = layer.and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0));
    let index = editable_layer(&tail.whole.stack, config.base.layer_name())?;
    let seed = tail.tail.seed;
    Ok(Edited {
        row: AppliedRow {
            editor: entry.label.clone(),
            seed,
            policy_seed: entry.policy_seed,
            step,
            forget: forget.to_vec(),
            evaluations: 0,
            before: [before.retain_test, before.forget_test],
            after: [after.retain_test, after.forget_test],
            each,
            test_reward: gauge_all.test_reward(parameters)?,
            seconds: 0.0,
        },
        record: RunRecord {
            target: TargetRecord {
                name: tail.whole.name.clone(),
                layer: layer.map_or(String::new(), |layer| layer.name().to_string()),
                rows,
                cols,
                test_accuracy: gauge_all.test(&tail.tail.parameters)?.all(),
                digest: network_digest(&tail.whole.parameters),
            },
            editor: entry.label.clone(),
            kind: entry.editor.kind.name().into(),
            world: Some(config.kind().name().into()),
            seed,
            forget: forget.iter().map(|&class| u32::from(class)).collect(),
            budget: entry.budget,
            before,
            after,
            digest: network_digest(&whole),
            note: entry.policy_seed.map(|seed| format!("policy {seed} alone")),
            ..RunRecord::default()
        },
        artifact: Artifact {
            editor: entry.label.clone(),
            world: None,
            seed,
            layers: vec![index],
            masked: Vec::new(),
            parameters: whole,
            actions: None,
        },
    })
}
