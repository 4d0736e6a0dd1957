//! Unlearning that pays for what is left in the features, not for the answers alone.

mod refit;

use self::refit::{Features, Sitting};
use super::{Score, Task, Unlearning};
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel};
use crate::model::{Forward, ForwardError, Logits, Split, Tap};
use crate::nn::{Kind, Stack};
use crate::slab::{Arena, Need};
use crate::task::ClassSet;
use heapless::Vec;

/// Layers whose inputs are looked at, at most.
pub const MOST_TAPS: usize = 4;

/// Widest features that are looked at: wider ones would cost more than all else together.
const WIDEST: usize = 1024;

/// How the last layer is fitted anew on the features, to see what they still hold. Features are first brought
/// to mean 0 and deviation 1 each (deviation + 1e-4), or shrinking them would pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refit {
    /// Least squares on one-hot targets (ridge 1e-3 n, probabilities softmax(score / .1)) and linear
    /// discriminants (.01 of shrinkage), fitted on each of two halves and read on the other. What is
    /// recovered of the forgotten class is the mean of both: least squares alone is gamed, it never
    /// chooses a class that lies between others. For searches from scratch.
    Blend,
    /// Softmax regression on all samples: from linear discriminants, steps of Böhning's bound (Böhning
    /// 1992, Annals of the Institute of Statistical Mathematics 44), 15 of them, or 6 for each of several
    /// layers. Honest, but flat far from an erased class: for searches that start near one.
    Softmax,
}

impl Refit {
    /// "blend" or "softmax".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blend => "blend",
            Self::Softmax => "softmax",
        }
    }
}

/// What erasure pays for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErasureConfig {
    /// How features are looked at.
    pub refit: Refit,
    /// Weights, at least 0, of what is kept by the network's own answers, what they have forgotten, what a
    /// refit keeps, and what it does not recover.
    pub weights: [f32; 4],
    /// Whether the forgotten classes' logits will be switched off, and so count for nothing.
    pub masked: bool,
}

impl ErasureConfig {
    /// For searches from scratch. With equal weights they erase further than retraining does, and pay for it
    /// in what is kept.
    pub const fn cold() -> Self {
        Self { refit: Refit::Blend, weights: [2.0, 1.0, 2.0, 1.0], masked: false }
    }

    /// For searches that start from an edit that erases: the network's own answers count most, since there
    /// is little left to erase, and more would be paid for in what is kept.
    pub const fn warm() -> Self {
        Self { refit: Refit::Softmax, weights: [4.0, 2.0, 1.0, 1.0], masked: false }
    }

    /// The same where the outputs of the forgotten classes are switched off whatever the edit is: what the
    /// network's own answers forget is then no merit.
    pub const fn masked(self) -> Self {
        let [_, _, refit_kept, recovered] = self.weights;
        Self { masked: true, weights: [2.0, 0.0, refit_kept, recovered], ..self }
    }

    /// The λ with which `λ·utility + (1 − λ)·edit` is the weighted mean of the four parts.
    pub fn lambda(&self) -> f32 {
        let [kept, forgotten, refit_kept, recovered] = self.weights;
        let (utility, edit) = (kept + refit_kept, forgotten + recovered);
        if utility + edit > 0.0 { utility / (utility + edit) } else { 0.5 }
    }
}

/// The dense layers of `stack` whose inputs an edit of layer `edited` (the first edited one) can change, with
/// the number of their features: the last layer's alone, or with `deep` all of them, the last
/// [`MOST_TAPS`]; none of more than 1,024 features.
pub fn erasure_taps(stack: &Stack, edited: usize, deep: bool) -> Vec<(usize, usize), MOST_TAPS> {
    let mut taps: Vec<(usize, usize), MOST_TAPS> = Vec::new();
    for (index, layer) in stack.layers().iter().enumerate().skip(edited + 1) {
        if let Kind::Dense { inputs: inputs @ ..=WIDEST, .. } = *layer.kind() {
            if !deep || taps.is_full() {
                taps.clear();
            }
            let _ = taps.push((index, inputs));
        }
    }
    taps
}

/// Forget some classes, keep the others, and leave nothing of the former in the features.
///
/// `utility` is the mean of what the network's own answers keep and of what a refit keeps, `edit` that of what
/// the answers have forgotten and of what a refit does not recover (the mean probability of any forgotten
/// class on their samples), each weighted as the configuration says. The terms of the answers are those of
/// [`Unlearning`].
#[derive(Debug)]
pub struct Erasure<'a> {
    config: ErasureConfig,
    direct: Unlearning<'a>,
    taps: Vec<(usize, Features<'a>), MOST_TAPS>,
    sitting: Sitting<'a>,
}

impl<'a> Erasure<'a> {
    /// Memory for `samples` reward samples, taps as [`erasure_taps`] gives them, and `classes` classes.
    pub fn need(taps: &[(usize, usize)], samples: usize, classes: usize) -> Need {
        let widest = taps.iter().map(|&(_, features)| features).max().unwrap_or(0);
        taps.iter()
            .map(|&(_, features)| Features::need(features, samples))
            .fold(Sitting::need(widest, samples, classes), Need::and)
    }

    /// The task `direct` with the terms of a refit, on the reward split alone.
    ///
    /// # Errors
    /// [`ForwardError`]: a label that is no class, no layer to look at, or an arena that holds less than
    /// [`need`](Self::need).
    pub fn new(
        config: ErasureConfig,
        direct: Unlearning<'a>,
        taps: &[(usize, usize)],
        classes: usize,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let labels = direct.labels(Split::Reward);
        if let Some(&label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
            return Err(ForwardError::Label { label, classes });
        }
        if taps.is_empty() {
            return Err(ForwardError::Failed(
                "there is no dense layer behind the edited one whose features could be erased",
            ));
        }
        let widest = taps.iter().map(|&(_, features)| features).max().unwrap_or(0);
        let mut held = Vec::new();
        for &(layer, features) in taps {
            let features = Features::new(features, labels.len(), arena)?;
            held.push((layer, features))
                .map_err(|_| ForwardError::Failed("too many layers are looked at"))?;
        }
        let halves = config.refit == Refit::Blend;
        let sitting = Sitting::new(widest, labels, classes, halves, arena)?;
        Ok(Self { config, direct, taps: held, sitting })
    }

    /// What a refit keeps of the retained classes and recovers of the forgotten ones, from the features that
    /// the last score left: means over the layers.
    fn refit(&mut self, kernel: Kernel) -> Result<(f32, f32), ShapeError> {
        let steps = if self.taps.len() > 1 { 6 } else { 15 };
        let forget = self.direct.forget();
        let (mut kept, mut recovered) = (0.0f32, 0.0f32);
        for (_, features) in &mut self.taps {
            self.sitting.standardise(kernel, features)?;
            let (own, back) = match self.config.refit {
                Refit::Blend => self.sitting.blend(kernel, features, forget)?,
                Refit::Softmax => self.sitting.softmax(kernel, features, forget, steps)?,
            };
            kept += own;
            recovered += back;
        }
        let layers = self.taps.len().max(1) as f32;
        Ok((kept / layers, recovered / layers))
    }
}

impl Task for Erasure<'_> {
    fn score(&mut self, net: &mut dyn Forward, split: Split) -> Result<Score, ForwardError> {
        if split != Split::Reward {
            return Err(ForwardError::Failed("erasure is scored on the reward split alone"));
        }
        let samples = self.direct.labels(split).len();
        ShapeError::check("labels", net.samples(), samples)?;
        let kernel = net.kernel();
        let hidden = if self.config.masked { self.direct.forget() } else { ClassSet::EMPTY };
        let direct = {
            let mut taps: Vec<Tap<'_>, MOST_TAPS> = Vec::new();
            for (layer, features) in &mut self.taps {
                let values = features.tap(Batch::lanes(samples));
                let _ = taps.push(Tap { layer: *layer, values });
            }
            self.direct.score(&mut Seen { net, taps: &mut taps, hidden }, split)?
        };
        let (kept, recovered) = self.refit(kernel)?;
        let [of_kept, of_forgotten, of_refit, of_recovered] = self.config.weights;
        let mean = |(a, of_a): (f32, f32), (b, of_b): (f32, f32)| {
            if of_a + of_b > 0.0 { (of_a * a + of_b * b) / (of_a + of_b) } else { 0.0 }
        };
        Ok(Score {
            utility: mean((direct.utility, of_kept), (kept, of_refit)),
            edit: mean((direct.edit, of_forgotten), (1.0 - recovered, of_recovered)),
        })
    }
}

/// A network that leaves its activations where they are asked for, some logits switched off.
struct Seen<'n, 't, 'v> {
    net: &'n mut dyn Forward,
    taps: &'t mut [Tap<'v>],
    hidden: ClassSet,
}

impl Forward for Seen<'_, '_, '_> {
    fn samples(&self) -> usize {
        self.net.samples()
    }

    fn classes(&self) -> usize {
        self.net.classes()
    }

    fn kernel(&self) -> Kernel {
        self.net.kernel()
    }

    fn for_each_logits(&mut self, visit: &mut dyn FnMut(Logits<'_>)) -> Result<(), ForwardError> {
        let hidden = self.hidden;
        self.net.for_each_tapped(self.taps, &mut |logits| {
            for class in hidden.iter().map(usize::from).filter(|&class| class < logits.classes) {
                for sample in 0..logits.batch.samples() {
                    let at = logits.batch.at(logits.classes, sample, class);
                    if let Some(logit) = logits.values.get_mut(at) {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
            visit(logits);
        })
    }
}
