//! Final figures of a network, always taken on whole formed weights, run from the inputs.

use super::error::RunError;
use super::prepare::{Part, Prepared};
use super::record::Figures;
use crate::kernel::Kernel;
use crate::metric;
use crate::model::{Forward, ForwardError, Plain, Split};
use crate::nn::Stack;
use crate::slab::Heap;
use crate::task::{Kept, Score, Task, Unlearning};

/// Takes figures of networks with one architecture on one data set.
pub(super) struct Gauge<'a> {
    pub(super) kernel: Kernel,
    pub(super) stack: &'a Stack,
    pub(super) data: &'a Prepared,
    pub(super) task: Unlearning<'a>,
    pub(super) lambda: f32,
}

impl Gauge<'_> {
    fn on<R>(
        &self,
        part: &Part,
        parameters: &[f32],
        look: impl FnOnce(&mut Plain<'_>) -> Result<R, ForwardError>,
    ) -> Result<R, RunError> {
        let mut heap = Heap::new(Plain::need(self.stack));
        let mut arena = heap.arena();
        let too_small = |error| RunError::from(ForwardError::TooSmall(error));
        let mut net = Plain::new(self.kernel, self.stack, parameters, part.samples(), &mut arena)
            .map_err(too_small)?;
        Ok(look(&mut net)?)
    }

    /// Accuracy on the retain and the forget samples of the test split.
    pub(super) fn test(&self, parameters: &[f32]) -> Result<Kept, RunError> {
        self.on(&self.data.test, parameters, |net| self.task.accuracy(net, Split::Test))
    }

    /// Accuracy on what is kept, test split, and on what is forgotten: the classes' test samples, or the
    /// training samples that are to be forgotten.
    pub(super) fn kept(&self, parameters: &[f32]) -> Result<Kept, RunError> {
        let mut kept = self.test(parameters)?;
        if self.task.subset().is_some() {
            let seen = self
                .on(&self.data.reward, parameters, |net| self.task.accuracy(net, Split::Reward))?;
            kept.samples[1] = seen.samples[1];
            kept.right[1] = seen.right[1];
        }
        Ok(kept)
    }

    /// Score and reward on the reward split.
    pub(super) fn score(&self, parameters: &[f32]) -> Result<(Score, f32), RunError> {
        let mut task = self.task;
        self.score_by(&mut task, parameters)
    }

    /// The same by another task.
    pub(super) fn score_by(
        &self,
        task: &mut dyn Task,
        parameters: &[f32],
    ) -> Result<(Score, f32), RunError> {
        let score = self.on(&self.data.reward, parameters, |net| task.score(net, Split::Reward))?;
        Ok((score, self.lambda * score.utility + (1.0 - self.lambda) * score.edit))
    }

    /// Reward on the test split.
    pub(super) fn test_reward(&self, parameters: &[f32]) -> Result<f32, RunError> {
        let mut task = self.task;
        let score = self.on(&self.data.test, parameters, |net| task.score(net, Split::Test))?;
        Ok(self.lambda * score.utility + (1.0 - self.lambda) * score.edit)
    }

    /// All figures of one network.
    pub(super) fn figures(&self, parameters: &[f32]) -> Result<Figures, RunError> {
        let kept = self.kept(parameters)?;
        let (score, reward) = self.score(parameters)?;
        Ok(Figures {
            retain_test: kept.retain(),
            forget_test: kept.forget(),
            utility: score.utility,
            edit: score.edit,
            reward,
        })
    }

    /// What the tug-of-war score compares, from whole passes: a check of quicker ways.
    #[cfg(test)]
    pub(super) fn accuracies(&self, parameters: &[f32]) -> Result<metric::TowAccuracies, RunError> {
        let train = self
            .on(&self.data.train_panels, parameters, |net| self.task.accuracy(net, Split::Train))?;
        let test = self.test(parameters)?;
        Ok(metric::TowAccuracies {
            forget_train: f64::from(train.forget()),
            retain_train: f64::from(train.retain()),
            retain_test: f64::from(test.retain()),
        })
    }

    /// Softmax outputs on the forget samples of the test split, sample by sample; on the training samples
    /// where those are forgotten.
    pub(super) fn forget_outputs(&self, parameters: &[f32]) -> Result<Vec<f32>, RunError> {
        let (part, split) = match self.task.subset() {
            None => (&self.data.test, Split::Test),
            Some(_) => (&self.data.reward, Split::Reward),
        };
        let (task, labels) = (self.task, part.labels());
        self.on(part, parameters, |net| outputs_on_forget(net, task, split, labels))
    }
}

/// Softmax outputs of a network on the forget samples of the split that it runs over.
pub(super) fn outputs_on_forget(
    net: &mut dyn Forward,
    task: Unlearning<'_>,
    split: Split,
    labels: &[u8],
) -> Result<Vec<f32>, ForwardError> {
    let (kernel, mut rows) = (net.kernel(), Vec::new());
    let mut fault = Ok(());
    net.for_each_logits(&mut |logits| {
        let (batch, classes) = (logits.batch, logits.classes);
        fault = fault.and(kernel.softmax(batch, classes, logits.values));
        for sample in 0..batch.samples() {
            let index = logits.first + sample;
            if labels.get(index).is_some_and(|&label| task.forgets(split, index, label)) {
                rows.extend(
                    (0..classes)
                        .filter_map(|class| logits.values.get(batch.at(classes, sample, class))),
                );
            }
        }
    })?;
    fault?;
    Ok(rows)
}

/// Jensen–Shannon divergence of the outputs on the forget test samples to those of the retrained network,
/// in nats.
pub(super) fn js_to_retrained(
    gauge: &Gauge<'_>,
    edited: &[f32],
    retrained: &[f32],
) -> Result<f64, RunError> {
    let (ours, theirs) = (gauge.forget_outputs(edited)?, gauge.forget_outputs(retrained)?);
    metric::js_divergence(&ours, &theirs, gauge.stack.outputs())
        .map_err(|error| RunError::Failed(format!("divergence to the retrained network: {error}")))
}
