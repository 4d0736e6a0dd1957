//! Unlearning single training samples rather than classes.

use super::Score;
use super::unlearning::{RewardKind, of_panel, predict};
use crate::kernel::LANES;
use crate::model::{Forward, ForwardError, Split};

/// Training samples to forget, for [`Unlearning::of_samples`](super::Unlearning::of_samples).
///
/// What an editor looks at is the reward split followed by the samples to forget. `utility` is the mean
/// over the reward split of p(label) (or of being right); `edit` is 1 − |accuracy on the samples to
/// forget − accuracy on the reward split|: forgotten samples are answered as well as samples that were
/// never seen, neither better nor worse.
#[derive(Clone, Copy, Debug)]
pub struct Subset<'a> {
    /// Of every training sample, whether it is to be forgotten.
    pub train: &'a [bool],
    /// Where the samples to forget begin among those that an editor looks at: the size of the reward
    /// split.
    pub first: usize,
}

impl Subset<'_> {
    /// Whether sample `index` of `split` is to be forgotten.
    pub fn contains(&self, split: Split, index: usize) -> bool {
        match split {
            Split::Train => self.train.get(index).copied().unwrap_or(false),
            Split::Reward => index >= self.first,
            Split::Test => false,
        }
    }
}

/// As [`Task::score`](super::Task::score).
#[inline(never)]
pub(super) fn score(
    subset: Subset<'_>,
    kind: RewardKind,
    labels: &[u8],
    net: &mut dyn Forward,
    split: Split,
) -> Result<Score, ForwardError> {
    let kernel = net.kernel();
    let (mut right, mut counts, mut sum) = ([0u64; 2], [0u64; 2], 0.0f64);
    let mut fault = Ok(());
    net.for_each_logits(&mut |logits| {
        let mut predicted = [0u32; LANES];
        fault = fault.and(predict(kernel, &logits, &mut predicted));
        let ours = of_panel(labels, &logits);
        if kind == RewardKind::Probability {
            fault = fault.and(kernel.softmax(logits.batch, logits.classes, logits.values));
        }
        for (sample, (&label, &class)) in ours.iter().zip(&predicted).enumerate() {
            let part = usize::from(subset.contains(split, logits.first + sample));
            counts[part] += 1;
            right[part] += u64::from(class == u32::from(label));
            if part == 0 && kind == RewardKind::Probability {
                let at = logits.batch.at(logits.classes, sample, usize::from(label));
                sum += f64::from(logits.values.get(at).copied().unwrap_or(0.0));
            }
        }
    })?;
    fault?;
    if counts.contains(&0) {
        return Err(ForwardError::Failed("the retain or the forget set has no samples"));
    }
    let accuracy = |part: usize| right[part] as f64 / counts[part] as f64;
    let utility = match kind {
        RewardKind::Probability => sum / counts[0] as f64,
        RewardKind::Accuracy => accuracy(0),
    };
    let apart = (accuracy(1) - accuracy(0)).abs();
    Ok(Score { utility: utility as f32, edit: (1.0 - apart) as f32 })
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::kernel::{Batch, Kernel};
    use crate::model::Logits;
    use crate::task::{Task, Unlearning};

    /// Two classes; the logit of class 1 of each sample.
    struct Known(&'static [f32]);

    impl Forward for Known {
        fn samples(&self) -> usize {
            self.0.len()
        }

        fn classes(&self) -> usize {
            2
        }

        fn kernel(&self) -> Kernel {
            Kernel::auto()
        }

        fn for_each_logits(
            &mut self,
            visit: &mut dyn FnMut(Logits<'_>),
        ) -> Result<(), ForwardError> {
            let batch = Batch::lanes(self.0.len());
            let mut values = vec![0.0; batch.len(2)];
            for (sample, &logit) in self.0.iter().enumerate() {
                values[batch.at(2, sample, 1)] = logit;
            }
            visit(Logits { first: 0, batch, classes: 2, values: &mut values });
            Ok(())
        }
    }

    /// Four reward samples of which three are right, then two samples to forget.
    #[test]
    fn forgotten_samples_are_to_be_answered_like_unseen_ones() {
        let (train, labels) = ([true, false, true], [1, 1, 0, 0, 1, 1]);
        let ln3 = 3.0f32.ln();
        let net = |both: bool| match both {
            true => Known(&[1.0986123, 1.0986123, 1.0986123, -1.0986123, 2.0, 2.0]),
            false => Known(&[1.0986123, 1.0986123, 1.0986123, -1.0986123, 2.0, -2.0]),
        };
        assert!((ln3 - 1.0986123).abs() < 1e-6);
        for (kind, utility) in [(RewardKind::Probability, 0.625), (RewardKind::Accuracy, 0.75)] {
            let subset = Subset { train: &train, first: 4 };
            let mut task = Unlearning::of_samples(subset, kind, [&[1, 0, 1], &labels, &[]]);
            // Accuracy on the samples to forget is 1 or ½, on the reward split ¾.
            for both in [true, false] {
                let score = task.score(&mut net(both), Split::Reward).unwrap();
                assert!((score.utility - utility).abs() < 1e-6, "{kind:?}: {score:?}");
                assert_eq!(score.edit, 0.75);
            }
            let kept = task.accuracy(&mut net(true), Split::Reward).unwrap();
            assert_eq!((kept.samples, kept.right), ([4, 2], [3, 2]));
            assert!(task.forgets(Split::Train, 2, 0) && !task.forgets(Split::Train, 1, 1));
            assert!(!task.forgets(Split::Test, 5, 1));
        }
    }

    #[test]
    fn without_samples_to_forget_there_is_no_score() {
        let subset = Subset { train: &[], first: 1 };
        let mut task = Unlearning::of_samples(subset, RewardKind::Accuracy, [&[], &[1], &[]]);
        assert!(task.score(&mut Known(&[1.0]), Split::Reward).is_err());
    }
}
