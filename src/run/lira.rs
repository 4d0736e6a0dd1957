//! U-LiRA on samples that were forgotten: networks that unlearned them and networks that never saw them
//! are made by the dozen, and the edited networks are judged by both.

use super::assign::Assignment;
use super::config::UnlearnConfig;
use super::error::RunError;
use super::observer::{Observer, Silent};
use super::pool;
use super::record::LiraRecord;
use super::target::{Target, train_target};
use super::unit::{Found, Unit};
use crate::metric::lira::{confidence, lira};
use crate::model::Split;
use crate::task::ClassSet;
use crate::world::WorldKind;

/// Seed of the first of these networks: far from those that are edited.
const FIRST_SEED: u64 = 1 << 40;

/// Attacks every unit's network; `networks` of either kind are made. `None` for a `retrain` that has no
/// second one to be told from.
///
/// # Errors
/// [`RunError`] when one of the networks cannot be trained or edited.
pub(super) fn attack(
    config: &UnlearnConfig,
    units: &[Assignment<'_>],
    found: &[Found],
    networks: usize,
    observer: &dyn Observer,
) -> Result<Vec<Option<LiraRecord>>, RunError> {
    let Some(Assignment { unit: first, .. }) = units.first() else { return Ok(Vec::new()) };
    let seeds: Vec<u64> = (FIRST_SEED..).take(networks).collect();
    observer.phase("training networks for U-LiRA", networks);
    let shadows = pool::map(&seeds, config.threads, |&seed| {
        let (kernel, nothing) = (config.kernel, ClassSet::EMPTY);
        let trained = train_target(kernel, &config.target, first.data, nothing, seed, &mut |_| {});
        observer.finished("");
        trained
    })?;
    let kind = |placed: &Assignment<'_>| (placed.unit.editor.name, placed.world);
    let mut kinds: Vec<&Assignment<'_>> = Vec::new();
    for placed in units {
        if kinds.iter().all(|other| kind(other) != kind(placed)) {
            kinds.push(placed);
        }
    }
    let jobs: Vec<(&Assignment<'_>, &Target)> = kinds
        .iter()
        .flat_map(|&placed| shadows.iter().map(move |shadow| (placed, shadow)))
        .collect();
    observer.phase("unlearning them", jobs.len());
    let made = pool::map(&jobs, config.threads, |(placed, shadow)| {
        let unit = Unit { target: shadow, ..placed.unit.clone() };
        let edited = unit.run(&Silent)?;
        observer.finished("");
        confidences(&unit, &edited.parameters)
    })?;
    // By editor and world, then by network.
    let of_kind = |wanted: (&str, Option<WorldKind>)| {
        let position = kinds.iter().position(|placed| kind(placed) == wanted).unwrap_or(0);
        made.get(position * networks..(position + 1) * networks).unwrap_or_default()
    };
    let retrained = of_kind(("retrain", None));
    let fresh = pool::map(
        &units.iter().zip(found).collect::<Vec<_>>(),
        config.threads,
        |(placed, found)| confidences(&placed.unit, &found.parameters),
    )?;
    let retrain_with = |fits: &dyn Fn(u64) -> bool| {
        let fits = |placed: &Assignment<'_>| {
            placed.unit.editor.name == "retrain" && fits(placed.unit.target.seed)
        };
        units.iter().position(fits).and_then(|index| fresh.get(index))
    };
    let judge = |(placed, ours): (&Assignment<'_>, &Vec<f32>)| {
        let seed = placed.unit.target.seed;
        let (with, without, theirs) = match kind(placed) {
            // Retrained networks against one another: what an attack on nothing gives.
            ("retrain", _) => {
                let (with, without) = retrained.split_at(networks / 2);
                (with, without, retrain_with(&|other| other != seed))
            }
            own => (of_kind(own), retrained, retrain_with(&|other| other == seed)),
        };
        let Some(theirs) = theirs else { return Ok(None) };
        let shadows = [by_example(with), by_example(without)];
        let mut scratch = vec![0.0; 2 * ours.len()];
        let told = lira([&shadows[0], &shadows[1]], [ours, theirs], &mut scratch)
            .map_err(|error| RunError::Failed(format!("U-LiRA: {error}")))?;
        Ok(Some(LiraRecord { networks: networks as u64, accuracy: told.accuracy, tpr: told.tpr }))
    };
    units.iter().zip(&fresh).map(judge).collect()
}

/// From `[network][example]` to `[example][network]`.
fn by_example(networks: &[Vec<f32>]) -> Vec<f32> {
    let examples = networks.first().map_or(0, Vec::len);
    (0..examples)
        .flat_map(|example| networks.iter().filter_map(move |values| values.get(example)))
        .copied()
        .collect()
}

/// Confidences of a network in the labels of the samples to forget.
fn confidences(unit: &Unit<'_>, parameters: &[f32]) -> Result<Vec<f32>, RunError> {
    let (stack, part) = (&unit.target.stack, &unit.data.reward);
    let logits = part.through(unit.kernel, stack, parameters, 0..stack.layers().len())?;
    let (samples, classes) = (logits.samples(), stack.outputs());
    let mut found = Vec::new();
    for (index, &label) in samples.labels.iter().enumerate() {
        if unit.task.forgets(Split::Reward, index, label) {
            let of = |class| samples.inputs.get(samples.batch.at(classes, index, class)).copied();
            let row = (0..classes).map(|class| of(class).unwrap_or(f32::NAN));
            let phi = confidence(row, usize::from(label)).ok_or_else(|| {
                RunError::Failed(format!("U-LiRA: {} answers with NaN", unit.editor.name))
            })?;
            found.push(phi as f32);
        }
    }
    Ok(found)
}
