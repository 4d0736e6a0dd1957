//! The reference: networks that never saw what is forgotten.

use super::config::{ApplyConfig, Edits};
use super::entry::Entry;
use super::measure::{Edited, Tail, gauge, labels, measured};
use crate::editor::{Settings, find};
use crate::run::error::RunError;
use crate::run::layers::editable_layer;
use crate::run::observer::Observer;
use crate::run::pool;
use crate::run::prepare::Prepared;
use crate::run::target::train_target;
use crate::task::{ClassSet, RewardKind, Unlearning};

/// Retraining without the forgotten classes, after each step: for several classes at once or in
/// sequence, on targets that are trained here.
pub(super) fn references(
    config: &ApplyConfig,
    data: &Prepared,
    tails: &[Tail],
    observer: &dyn Observer,
) -> Result<Vec<Edited>, RunError> {
    let sets = config.edits.sets();
    let several = sets.iter().any(|set| set.len() > 1)
        || (matches!(config.edits, Edits::Sequence(_)) && sets.len() > 1);
    let Some(editor) = find("retrain") else { return Ok(Vec::new()) };
    if config.base.model.is_some() || !several {
        return Ok(Vec::new());
    }
    let mut wanted = Vec::new();
    for tail in tails {
        let mut so_far = Vec::new();
        for (step, set) in sets.iter().enumerate() {
            match config.edits {
                Edits::Each(_) => so_far.clone_from(set),
                Edits::Sequence(_) => so_far.extend_from_slice(set),
            }
            wanted.push((tail, step, so_far.clone()));
        }
    }
    let entry = Entry {
        label: "retrain".into(),
        editor,
        budget: 0,
        policy_seed: None,
        settings: Settings::default(),
    };
    observer.phase("retraining without the classes", wanted.len());
    pool::map(&wanted, config.base.threads, |(tail, step, forget)| {
        let (kernel, seed) = (config.base.kernel, tail.tail.seed);
        let without = ClassSet::of(forget);
        let trained = train_target(kernel, &config.base.target, data, without, seed, &mut |_| {})?;
        let layer = editable_layer(&trained.stack, config.base.layer_name())?;
        let (own, start) = trained.tail_from(layer)?;
        let retrained =
            Tail { data: data.before(kernel, &trained, layer)?, whole: trained, tail: own, start };
        let parameters = retrained.tail.parameters.clone();
        let step = match config.edits {
            Edits::Each(_) => 0,
            Edits::Sequence(_) => *step,
        };
        let mut made = measured(config, &retrained, &entry, step, forget, &parameters)?;
        // "Before" is the network that was trained on everything.
        let task = Unlearning::new(without, RewardKind::Probability, labels(&tail.data));
        let before = gauge(config, tail, task).figures(&tail.tail.parameters)?;
        made.row.before = [before.retain_test, before.forget_test];
        made.record.before = before;
        made.record.world = None;
        observer.finished(&format!("target {seed}"));
        Ok(made)
    })
}
