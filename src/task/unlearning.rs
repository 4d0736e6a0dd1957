//! Unlearning whole classes.

use super::subset::{self, Subset};
use super::{Score, Task};
use crate::error::ShapeError;
use crate::kernel::{Kernel, LANES};
use crate::model::{Forward, ForwardError, Logits, Split};

/// A set of classes below 256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet([u64; 4]);

impl ClassSet {
    /// The empty set.
    pub const EMPTY: Self = Self([0; 4]);

    /// The set of the given classes.
    pub fn of(classes: &[u8]) -> Self {
        classes.iter().fold(Self::EMPTY, |set, &class| set.with(class))
    }

    /// This set and `class`.
    pub fn with(mut self, class: u8) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(class >> 6)) {
            *word |= 1 << (class & 63);
        }
        self
    }

    /// Whether `class` is in the set.
    pub fn contains(&self, class: u8) -> bool {
        self.0.get(usize::from(class >> 6)).is_some_and(|word| word >> (class & 63) & 1 == 1)
    }

    /// Number of classes in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True for the empty set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of a set of one.
    pub fn only(&self) -> Option<u8> {
        if self.len() == 1 { self.iter().next() } else { None }
    }

    /// The classes in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().zip((0u8..4).map(|word| word << 6)).flat_map(|(&word, base)| {
            // Clears the lowest bit until none is left.
            core::iter::successors(Some(word), |&rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|&rest| rest != 0)
                .map(move |rest| base + rest.trailing_zeros() as u8)
        })
    }
}

/// What a sample counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RewardKind {
    /// The probability that the network gives: smooth, the default.
    #[default]
    Probability,
    /// Whether the largest logit is right: the paper's reward, a step function.
    Accuracy,
}

/// Forget some classes, keep the others.
///
/// `utility` is the mean over retain samples of p(label) (or of being right); `edit` is 1 − the mean
/// over forget samples of the probability of *any* forgotten class (or of answering with one). For
/// one forgotten class c that is 1 − p(c), the paper's term; for several it does not pay to turn one
/// forgotten class into another.
#[derive(Clone, Copy, Debug)]
pub struct Unlearning<'a> {
    forget: ClassSet,
    gone: ClassSet,
    kind: RewardKind,
    labels: [&'a [u8]; 3],
    subset: Option<Subset<'a>>,
}

impl<'a> Unlearning<'a> {
    /// Forgets `forget`; `labels` are those of train, reward and test (empty for parts that are
    /// never scored).
    pub fn new(forget: ClassSet, kind: RewardKind, labels: [&'a [u8]; 3]) -> Self {
        Self { forget, gone: ClassSet::EMPTY, kind, labels, subset: None }
    }

    /// Forgets samples in place of classes: see [`Subset`].
    pub fn of_samples(subset: Subset<'a>, kind: RewardKind, labels: [&'a [u8]; 3]) -> Self {
        Self { subset: Some(subset), ..Self::new(ClassSet::EMPTY, kind, labels) }
    }

    /// The samples to forget, where they are no classes.
    pub fn subset(&self) -> Option<Subset<'a>> {
        self.subset
    }

    /// Whether sample `index` of `split`, which has this label, is to be forgotten.
    pub fn forgets(&self, split: Split, index: usize, label: u8) -> bool {
        match self.subset {
            None => self.forget.contains(label),
            Some(subset) => subset.contains(split, index),
        }
    }

    /// The same task for a network that forgot `gone` before: those classes' samples count for nothing,
    /// and their logits are left out of the reward's softmax and argmax.
    pub fn after(self, gone: ClassSet) -> Self {
        Self { gone, ..self }
    }

    /// Classes that were forgotten before.
    pub fn gone(&self) -> ClassSet {
        self.gone
    }

    /// The forgotten classes.
    pub fn forget(&self) -> ClassSet {
        self.forget
    }

    /// The labels of `split`.
    pub fn labels(&self, split: Split) -> &'a [u8] {
        let [train, reward, test] = self.labels;
        match split {
            Split::Train => train,
            Split::Reward => reward,
            Split::Test => test,
        }
    }

    /// Accuracies on the retain and the forget samples of `split`, by their own labels. All logits take
    /// part, those of classes that were forgotten before too.
    ///
    /// # Errors
    /// As [`Task::score`].
    pub fn accuracy(&self, net: &mut dyn Forward, split: Split) -> Result<Kept, ForwardError> {
        let labels = self.labels(split);
        ShapeError::check("labels", net.samples(), labels.len())?;
        let mut kept = Kept::default();
        let mut fault = Ok(());
        let kernel = net.kernel();
        net.for_each_logits(&mut |logits| {
            let mut right = [0u32; LANES];
            fault = fault.and(predict(kernel, &logits, &mut right));
            let ours = of_panel(labels, &logits).iter().zip(&right);
            for (index, (&label, &class)) in (logits.first..).zip(ours) {
                if self.gone.contains(label) {
                    continue;
                }
                let part = usize::from(self.forgets(split, index, label));
                kept.samples[part] += 1;
                kept.right[part] += usize::from(class == u32::from(label));
            }
        })?;
        fault?;
        Ok(kept)
    }
}

/// How many retain (0) and forget (1) samples there are, and how many of them a network gets right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Samples of the retain and the forget set.
    pub samples: [usize; 2],
    /// Samples that are classified as their label says.
    pub right: [usize; 2],
}

impl Kept {
    /// Accuracy on the retain set, in [0, 1]; 0 when it is empty.
    pub fn retain(&self) -> f32 {
        ratio(self.right[0], self.samples[0])
    }

    /// Accuracy on the forget set, in [0, 1]; 0 when it is empty.
    pub fn forget(&self) -> f32 {
        ratio(self.right[1], self.samples[1])
    }

    /// Accuracy on all samples, in [0, 1].
    pub fn all(&self) -> f32 {
        ratio(self.right[0] + self.right[1], self.samples[0] + self.samples[1])
    }
}

impl Task for Unlearning<'_> {
    fn score(&mut self, net: &mut dyn Forward, split: Split) -> Result<Score, ForwardError> {
        let labels = self.labels(split);
        ShapeError::check("labels", net.samples(), labels.len())?;
        if let Some(subset) = self.subset {
            return subset::score(subset, self.kind, labels, net, split);
        }
        let kernel = net.kernel();
        let mut tally = Tally { task: self, labels, sums: [0.0; 2], counts: [0; 2] };
        let mut fault = Ok(());
        net.for_each_logits(&mut |logits| fault = fault.and(tally.add(kernel, logits)))?;
        fault?;
        tally.score()
    }
}

/// Sums over retain and forget samples in the order of the samples; f64 keeps them exact.
struct Tally<'t> {
    task: &'t Unlearning<'t>,
    labels: &'t [u8],
    sums: [f64; 2],
    counts: [usize; 2],
}

/// Ways to count are not inlined where there is little stack, so that theirs is not added up.
impl Tally<'_> {
    fn add(&mut self, kernel: Kernel, mut logits: Logits<'_>) -> Result<(), ShapeError> {
        let any_gone = self.task.gone != ClassSet::EMPTY;
        if any_gone {
            leave_out(&self.task.gone, &mut logits);
        }
        match self.task.kind {
            RewardKind::Accuracy if any_gone => self.add_answers(kernel, &logits),
            RewardKind::Accuracy => self.add_answers_of_all(kernel, &logits),
            RewardKind::Probability => {
                kernel.softmax(logits.batch, logits.classes, logits.values)?;
                self.add_probabilities(&logits);
                Ok(())
            }
        }
    }

    /// Where classes are gone.
    #[cfg_attr(target_os = "none", inline(never))]
    fn add_answers(&mut self, kernel: Kernel, logits: &Logits<'_>) -> Result<(), ShapeError> {
        let Unlearning { forget, gone, .. } = self.task;
        let mut predicted = [0u32; LANES];
        predict(kernel, logits, &mut predicted)?;
        for (&label, &class) in of_panel(self.labels, logits).iter().zip(&predicted) {
            if gone.contains(label) {
                continue;
            }
            let forgotten = |class| u8::try_from(class).is_ok_and(|c| forget.contains(c));
            let part = usize::from(forget.contains(label));
            self.counts[part] += 1;
            let hit = if part == 1 { forgotten(class) } else { class == u32::from(label) };
            self.sums[part] += f64::from(u8::from(hit));
        }
        Ok(())
    }

    /// Where none is.
    #[cfg_attr(target_os = "none", inline(never))]
    fn add_answers_of_all(
        &mut self,
        kernel: Kernel,
        logits: &Logits<'_>,
    ) -> Result<(), ShapeError> {
        let forget = &self.task.forget;
        let ours = of_panel(self.labels, logits);
        let mut predicted = [0u32; LANES];
        predict(kernel, logits, &mut predicted)?;
        // One forgotten class is the common case, and compares without a table; a whole
        // panel of classes that are bytes compares sixteen at a time.
        let counted = match (forget.only(), ours.first_chunk::<LANES>()) {
            (Some(class), Some(ours)) if logits.classes <= 256 => {
                let mut bytes = [0u8; LANES];
                bytes.iter_mut().zip(predicted).for_each(|(to, class)| *to = class as u8);
                count(ours, &bytes, |other| other == class)
            }
            (Some(class), _) => count(ours, &predicted, |other| other == u32::from(class)),
            (None, _) => count(ours, &predicted, |class| {
                u8::try_from(class).is_ok_and(|class| forget.contains(class))
            }),
        };
        self.counts[0] += ours.len() - counted.forget;
        self.counts[1] += counted.forget;
        self.sums[0] += counted.right as f64;
        self.sums[1] += counted.still as f64;
        Ok(())
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn add_probabilities(&mut self, logits: &Logits<'_>) {
        let Unlearning { forget, gone, .. } = self.task;
        let &Logits { batch, classes, ref values, .. } = logits;
        let p = |sample, class: u8| {
            let at = batch.at(classes, sample, usize::from(class));
            f64::from(values.get(at).copied().unwrap_or(0.0))
        };
        for (sample, &label) in of_panel(self.labels, logits).iter().enumerate() {
            if gone.contains(label) {
                continue;
            }
            let forgotten = forget.contains(label);
            let part = usize::from(forgotten);
            self.counts[part] += 1;
            self.sums[part] += if forgotten && forget.len() > 1 {
                forget.iter().map(|class| p(sample, class)).sum()
            } else {
                p(sample, label)
            };
        }
    }

    fn score(&self) -> Result<Score, ForwardError> {
        if self.counts.contains(&0) {
            return Err(ForwardError::Failed("the retain or the forget set has no samples"));
        }
        let mean = |part: usize| (self.sums[part] / self.counts[part] as f64) as f32;
        Ok(Score { utility: mean(0), edit: 1.0 - mean(1) })
    }
}

/// Takes classes out of every softmax and argmax.
#[cfg_attr(target_os = "none", inline(never))]
fn leave_out(gone: &ClassSet, logits: &mut Logits<'_>) {
    let (batch, classes) = (logits.batch, logits.classes);
    for class in gone.iter() {
        for sample in 0..batch.samples() {
            let at = batch.at(classes, sample, usize::from(class));
            if let Some(logit) = logits.values.get_mut(at) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}

/// What a panel adds to the counts of an accuracy reward.
struct Counted {
    /// Samples of the forget set.
    forget: usize,
    /// Retain samples that are answered rightly.
    right: usize,
    /// Forget samples that are still answered with a forgotten class.
    still: usize,
}

/// Counts without branches: which samples are right is hard to foresee.
#[inline(always)]
fn count<C: Copy + PartialEq + From<u8>>(
    labels: &[u8],
    predicted: &[C; LANES],
    forgotten: impl Fn(C) -> bool,
) -> Counted {
    // A panel's counts fit a byte, so that the loop takes as many lanes as `C` allows.
    const { assert!(LANES <= u8::MAX as usize) };
    let (mut forget, mut right, mut still) = (0u8, 0u8, 0u8);
    for (&label, &class) in labels.iter().zip(predicted) {
        let ours = u8::from(forgotten(C::from(label)));
        forget += ours;
        right += (1 - ours) & u8::from(class == C::from(label));
        still += ours & u8::from(forgotten(class));
    }
    Counted { forget: forget.into(), right: right.into(), still: still.into() }
}

pub(super) fn predict(
    kernel: crate::kernel::Kernel,
    logits: &Logits<'_>,
    classes: &mut [u32; LANES],
) -> Result<(), ShapeError> {
    let count = logits.batch.samples();
    let out = classes.get_mut(..count).ok_or(ShapeError {
        what: "samples of a panel",
        expected: LANES,
        found: count,
    })?;
    kernel.argmax(logits.batch, logits.classes, logits.values, out)
}

pub(super) fn of_panel<'l>(labels: &'l [u8], logits: &Logits<'_>) -> &'l [u8] {
    labels.get(logits.first..logits.first + logits.batch.samples()).unwrap_or_default()
}

fn ratio(part: usize, whole: usize) -> f32 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64) as f32 }
}
