//! Answers on the train and test splits, and attacks that tell the one from the other by the loss.

use crate::kernel::Batch;
use crate::metric::TowAccuracies;
use crate::metric::attack::{logistic_attack, loss_threshold, threshold_attack, threshold_scratch};
use crate::model::{Samples, Split};
use crate::rng::{Purpose, Rng};
use crate::run::error::RunError;
use crate::run::measure::Gauge;
use crate::run::prepare::Part;

/// Losses above this count as this, in nats: a masked logit has an infinite one.
const MOST_LOSS: f64 = 50.0;

/// Loss and answer for every sample.
struct Answered {
    losses: Vec<f32>,
    right: Vec<bool>,
}

/// What a network answers on both splits.
pub(super) struct Answers {
    train: Answered,
    test: Answered,
}

impl Answers {
    /// From the logits of both.
    pub(super) fn new(gauge: &Gauge<'_>, train: &Part, test: &Part) -> Result<Self, RunError> {
        let of = |logits: &Part| {
            let classes = super::answers(gauge, logits)?;
            let hits = classes.iter().zip(logits.labels());
            let right = hits.map(|(&class, &label)| class == u32::from(label)).collect();
            Ok::<_, RunError>(Answered { losses: losses(&logits.samples()), right })
        };
        Ok(Self { train: of(train)?, test: of(test)? })
    }

    /// What the tug-of-war score and the average gap compare.
    pub(super) fn accuracies(&self, gauge: &Gauge<'_>) -> TowAccuracies {
        let share = |split, answered: &Answered, forgotten: bool| {
            let ours = answered.right.iter().zip(of_part(gauge, split, forgotten));
            let (right, count) = ours
                .filter(|(_, ours)| *ours)
                .fold((0u32, 0u32), |(r, n), (&right, _)| (r + u32::from(right), n + 1));
            f64::from(right) / f64::from(count.max(1))
        };
        TowAccuracies {
            forget_train: share(Split::Train, &self.train, true),
            retain_train: share(Split::Train, &self.train, false),
            retain_test: share(Split::Test, &self.test, false),
        }
    }
}

/// For every sample of a split: does it belong to the forgotten (or to the retained) ones?
fn of_part<'g>(
    gauge: &'g Gauge<'_>,
    split: Split,
    forgotten: bool,
) -> impl Iterator<Item = bool> + 'g {
    let labels = gauge.task.labels(split).iter().enumerate();
    labels.map(move |(index, &label)| gauge.task.forgets(split, index, label) == forgotten)
}

/// Balanced accuracies of the attacks by logistic regression and by a threshold; `None` where the train
/// split did not train the network, or a side has too few samples.
pub(super) fn attack(
    gauge: &Gauge<'_>,
    answers: &Answers,
    seed: u64,
) -> Result<Option<(f64, f64)>, RunError> {
    if gauge.data.loaded {
        return Ok(None);
    }
    let of = |split, answered: &Answered, forgotten: bool| -> Vec<f32> {
        let ours = answered.losses.iter().zip(of_part(gauge, split, forgotten));
        ours.filter(|(_, ours)| *ours).map(|(&loss, _)| loss).collect()
    };
    let (train, test) = (&answers.train, &answers.test);
    let shadow = [of(Split::Train, train, false), of(Split::Test, test, false)];
    let mut members = of(Split::Train, train, true);
    // Of training samples that are forgotten the test split holds none: all of it was never seen.
    let mut others = of(Split::Test, test, gauge.task.subset().is_none());
    if members.len().min(others.len()) < 2 || shadow.iter().any(Vec::is_empty) {
        return Ok(None);
    }
    let mut scratch = vec![(0.0, false); threshold_scratch(shadow[0].len(), shadow[1].len())];
    let threshold = loss_threshold(&shadow[0], &shadow[1], &mut scratch);
    let threshold = threshold.and_then(|limit| threshold_attack(limit, &members, &others));
    let mut rng = Rng::new(seed, Purpose::Membership);
    rng.shuffle(&mut members);
    rng.shuffle(&mut others);
    let failed = |error| RunError::Failed(format!("membership attack: {error}"));
    let logistic = logistic_attack(&members, &others).map_err(failed)?;
    Ok(Some((logistic, threshold.map_err(failed)?)))
}

/// Cross-entropy of every sample, in nats, at most [`MOST_LOSS`].
pub(super) fn losses(samples: &Samples<'_>) -> Vec<f32> {
    let classes = samples.inputs.len() / samples.batch.len(1).max(1);
    let of = |(sample, &label): (usize, &u8)| {
        loss(samples.inputs, samples.batch, classes, sample, label).min(MOST_LOSS) as f32
    };
    samples.labels.iter().enumerate().map(of).collect()
}

/// ln Σ exp(z − max) − (z − max) of the label. Not a number (of an overflow) counts as infinite.
fn loss(logits: &[f32], batch: Batch, classes: usize, sample: usize, label: u8) -> f64 {
    let of = |class| f64::from(logits[batch.at(classes, sample, class)]);
    let most = (0..classes).map(of).fold(f64::NEG_INFINITY, f64::max);
    // libm, not the system's functions: the same bits on every machine.
    let sum: f64 = (0..classes).map(|class| libm::exp(of(class) - most)).sum();
    let loss = libm::log(sum) - (of(usize::from(label)) - most);
    if loss.is_nan() { f64::INFINITY } else { loss }
}
