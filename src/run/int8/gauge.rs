//! Final figures of quantised networks, run from their inputs.

use super::quantised::Quantised;
use crate::kernel::Kernel;
use crate::metric::TowAccuracies;
use crate::model::Split;
use crate::run::error::RunError;
use crate::run::measure::outputs_on_forget;
use crate::run::prepare::{Part, Prepared};
use crate::run::record::{Classwise, Figures, PolicyFigures};
use crate::task::{Kept, Task, Unlearning};

/// Takes figures of quantised networks on one data set.
#[derive(Clone, Copy)]
pub(super) struct Gauge<'a> {
    pub(super) kernel: Kernel,
    pub(super) data: &'a Prepared,
    pub(super) task: Unlearning<'a>,
    pub(super) lambda: f32,
}

impl Gauge<'_> {
    fn accuracy(&self, net: &Quantised, part: &Part, split: Split) -> Result<Kept, RunError> {
        net.on(self.kernel, part.samples(), |net| self.task.accuracy(net, split))
    }

    /// Accuracies on the test split.
    pub(super) fn test(&self, net: &Quantised) -> Result<Kept, RunError> {
        self.accuracy(net, &self.data.test, Split::Test)
    }

    pub(super) fn figures(&self, net: &Quantised) -> Result<Figures, RunError> {
        let (kept, mut task) = (self.test(net)?, self.task);
        let reward = self.data.reward.samples();
        let score = net.on(self.kernel, reward, |net| task.score(net, Split::Reward))?;
        Ok(Figures {
            retain_test: kept.retain(),
            forget_test: kept.forget(),
            utility: score.utility,
            edit: score.edit,
            reward: self.lambda * score.utility + (1.0 - self.lambda) * score.edit,
        })
    }

    pub(super) fn policy(&self, net: &Quantised) -> Result<PolicyFigures, RunError> {
        let Figures { retain_test, forget_test, reward, .. } = self.figures(net)?;
        Ok(PolicyFigures { retain_test, forget_test, reward })
    }

    /// What the tug-of-war score compares.
    pub(super) fn accuracies(&self, net: &Quantised) -> Result<TowAccuracies, RunError> {
        let train = self.accuracy(net, &self.data.train_panels, Split::Train)?;
        Ok(TowAccuracies {
            forget_train: f64::from(train.forget()),
            retain_train: f64::from(train.retain()),
            retain_test: f64::from(self.test(net)?.retain()),
        })
    }

    /// Softmax outputs on the forget samples of the test split.
    pub(super) fn forget_outputs(&self, net: &Quantised) -> Result<Vec<f32>, RunError> {
        let test = &self.data.test;
        net.on(self.kernel, test.samples(), |net| {
            outputs_on_forget(net, self.task, Split::Test, test.labels())
        })
    }

    /// Accuracies by class before and after, and which classes the edited network answers with.
    pub(super) fn classwise(
        &self,
        before: &Quantised,
        after: &Quantised,
    ) -> Result<Classwise, RunError> {
        let (before, after) = (self.predictions(before)?, self.predictions(after)?);
        let accuracies = |rows: &[Vec<u32>]| {
            let of = |(class, row): (usize, &Vec<u32>)| {
                let count: u32 = row.iter().sum();
                (count > 0).then(|| row[class] as f32 / count as f32)
            };
            rows.iter().enumerate().map(of).collect()
        };
        Ok(Classwise { before: accuracies(&before), after: accuracies(&after), predictions: after })
    }

    /// Test samples of class (outer) that the network takes for class (inner).
    fn predictions(&self, net: &Quantised) -> Result<Vec<Vec<u32>>, RunError> {
        let (test, classes) = (&self.data.test, self.data.classes);
        let mut counts = vec![vec![0; classes]; classes];
        net.on(self.kernel, test.samples(), |net| {
            let (kernel, mut fault) = (net.kernel(), Ok(()));
            net.for_each_logits(&mut |logits| {
                let mut found = vec![0; logits.batch.samples()];
                let argmax = kernel.argmax(logits.batch, logits.classes, logits.values, &mut found);
                fault = fault.and(argmax);
                for (&label, class) in test.labels().iter().skip(logits.first).zip(found) {
                    counts[usize::from(label)][class as usize] += 1;
                }
            })?;
            Ok(fault?)
        })?;
        Ok(counts)
    }
}
