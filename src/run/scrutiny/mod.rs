//! What tells hiding from erasing: probes of the features, relearning, attacks on membership; and what a
//! network answers, class by class.
//!
//! What belongs here: figures that need the samples' labels or training of their own, taken of a network
//! after the edit. What does not: anything that an editor may see or is paid for.

mod classwise;
mod heat;
mod membership;
mod probes;
mod relearn;
mod student;
#[cfg(test)]
mod tests;

pub(super) use classwise::classwise;
pub(super) use heat::heat;
pub(super) use probes::ProbeCache;

use super::error::RunError;
use super::measure::Gauge;
use super::prepare::Part;
use super::record::{LayerProbe, RunRecord};
use super::target::Target;
use crate::metric::{self, TowAccuracies};

/// Figures of one network. What does not apply is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scrutiny {
    /// Accuracies that are compared with those of the retrained network.
    accuracies: TowAccuracies,
    probe_recovery: Option<f64>,
    probe_long: Option<f64>,
    probe_mlp: Option<f64>,
    probe_layers: Vec<LayerProbe>,
    relearn_steps: Option<u64>,
    mia: Option<f64>,
    mia_threshold: Option<f64>,
}

/// Takes all figures of `parameters`, an edit of `target`. `seed` is that of the run; `cache` belongs to
/// the data of `gauge`.
///
/// # Errors
/// [`RunError`] when the network does not fit the data.
pub(super) fn scrutinise(
    gauge: &Gauge<'_>,
    target: &Target,
    parameters: &[f32],
    seed: u64,
    cache: &ProbeCache,
) -> Result<Scrutiny, RunError> {
    let probed = probes::probe(gauge, parameters, seed, cache)?;
    let answers = membership::Answers::new(gauge, &probed.train, &probed.test)?;
    let membership = membership::attack(gauge, &answers, seed)?;
    Ok(Scrutiny {
        accuracies: answers.accuracies(gauge),
        probe_recovery: probed.recovery,
        probe_long: probed.long,
        probe_mlp: probed.mlp,
        probe_layers: probed.layers,
        relearn_steps: relearn::steps(gauge, target, parameters, seed)?,
        mia: membership.map(|(logistic, _)| logistic),
        mia_threshold: membership.map(|(_, threshold)| threshold),
    })
}

impl Scrutiny {
    /// Writes the figures to a record; those against `retrained`, too, where there is such a network.
    pub(super) fn record(&self, retrained: Option<&Self>, run: &mut RunRecord) {
        run.probe_recovery = self.probe_recovery;
        run.probe_long = self.probe_long;
        run.probe_mlp = self.probe_mlp;
        run.probe_layers.clone_from(&self.probe_layers);
        run.relearn_steps = self.relearn_steps;
        run.mia = self.mia;
        run.mia_threshold = self.mia_threshold;
        run.average_gap = retrained.and_then(|retrained| self.average_gap(retrained));
    }

    /// Mean distance over accuracy on forget train, retain train and retain test samples, and `mia`.
    fn average_gap(&self, retrained: &Self) -> Option<f64> {
        let figures = |of: &Self| {
            let TowAccuracies { forget_train, retain_train, retain_test } = of.accuracies;
            Some([forget_train, retain_train, retain_test, of.mia?])
        };
        metric::average_gap(&figures(self)?, &figures(retrained)?)
    }
}

/// The class that each sample of `logits` is taken for: the first of the largest.
fn answers(gauge: &Gauge<'_>, logits: &Part) -> Result<Vec<u32>, RunError> {
    let samples = logits.samples();
    let mut classes = vec![0; logits.len()];
    let features = samples.inputs.len() / samples.batch.len(1).max(1);
    gauge.kernel.argmax(samples.batch, features, samples.inputs, &mut classes)?;
    Ok(classes)
}
