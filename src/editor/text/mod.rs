//! References for classifiers of texts: what an honest report of debiasing compares with.
//!
//! What belongs here: methods that change a whole network, or its threshold, by other means than actions
//! in a world, one file per family. What does not: the editors of the two worlds, which edit such
//! networks as they edit any other. They own their memory, so they need `std`.

mod adversarial;
mod blind;
mod erase;
mod gradient;
mod nullspace;
mod odds;
mod search;
#[cfg(test)]
mod tests;

pub use erase::LEACE_INPUTS;
pub use odds::{Odds, Rule};

use super::{EditError, EditorKind};
use crate::kernel::{Bag, Batch, Kernel};
use crate::model::{Forward, Plain, SparseSamples, Training};
use crate::nn::{Kind, Stack};
use crate::slab::Heap;

/// Texts as a network takes them.
#[derive(Clone, Copy, Debug)]
pub struct TextSet<'a> {
    /// Inputs.
    pub bag: Bag<'a>,
    /// Class of each text, 1 toxic.
    pub labels: &'a [u8],
    /// Groups that each text names, one bit each.
    pub members: &'a [u64],
}

/// What pays a reference that searches: λ·utility + (1 − λ)·edit on the reward split.
pub trait Judge {
    /// The reward of a whole network at the task's own threshold.
    ///
    /// # Errors
    /// [`EditError`].
    fn reward(&mut self, parameters: &[f32]) -> Result<f32, EditError>;

    /// The reward of the network that was looked at last with `threshold`, a probability in (0, 1), in place
    /// of the task's own.
    ///
    /// # Errors
    /// [`EditError`].
    fn reward_at(&mut self, threshold: f32) -> Result<f32, EditError>;
}

/// A network, what is known of its task, and what trained it.
#[derive(Debug)]
pub struct TextProblem<'a> {
    /// The kernels to run on.
    pub kernel: Kernel,
    /// The network's layers; the first is dense and takes the words.
    pub stack: &'a Stack,
    /// Its parameters.
    pub parameters: &'a [f32],
    /// Index of the layer that a method of one layer edits.
    pub layer: usize,
    /// What editors may look at.
    pub reward: TextSet<'a>,
    /// Scores of those texts by the network.
    pub scores: &'a [f32],
    /// Columns of the words that name each group.
    pub words: &'a [Vec<u32>],
    /// What trained the network, where that is known.
    pub train: Option<TextSet<'a>>,
    /// Labels of the same texts without the bias that was planted.
    pub unbiased: Option<&'a [u8]>,
    /// How it was trained.
    pub training: Option<Training>,
    /// Seed of target and editor.
    pub seed: u64,
    /// Evaluations that a search may use.
    pub budget: u64,
}

/// What a reference made of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextEdit {
    /// Parameters of the edited network.
    pub parameters: Vec<f32>,
    /// The probability from which on a text is called toxic, where that was changed.
    pub threshold: Option<f32>,
    /// Decisions that know the groups, in place of a threshold.
    pub odds: Option<Odds>,
    /// Evaluations of the reward.
    pub evaluations: u64,
}

/// One row of the table of references.
pub struct TextEditorInfo {
    /// Its name.
    pub name: &'static str,
    /// What it may look at.
    pub kind: EditorKind,
    /// Whether it needs gradients of the target.
    pub gradients: bool,
    /// Whether it needs the texts that trained the target.
    pub training_data: bool,
    /// Whether it is told which words name a group.
    pub words: bool,
    /// One line for the reader of a report.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The method.
    pub edit: fn(&TextProblem<'_>, &mut dyn Judge) -> Result<TextEdit, EditError>,
}

impl core::fmt::Debug for TextEditorInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TextEditorInfo").field("name", &self.name).finish_non_exhaustive()
    }
}

const fn row(name: &'static str, summary: &'static str, source: &'static str) -> TextEditorInfo {
    TextEditorInfo {
        name,
        kind: EditorKind::Reference,
        gradients: false,
        training_data: false,
        words: false,
        summary,
        source,
        edit: none,
    }
}

/// Every reference.
pub const TEXT_EDITORS: &[TextEditorInfo] = &[
    row("none", "the network as it was", "trivial baseline"),
    TextEditorInfo {
        words: true,
        edit: blind::dropped,
        ..row("blindness", "words that name a group are not read", "trivial baseline")
    },
    TextEditorInfo {
        words: true,
        edit: blind::one_token,
        ..row(
            "blindness-token",
            "words that name a group are all read as one and the same",
            "Dixon et al. 2018, as a baseline",
        )
    },
    TextEditorInfo {
        edit: search::threshold,
        ..row(
            "threshold",
            "the network as it was, with the threshold of the best reward (501 steps)",
            "Savani et al. 2020, arXiv 2006.08564",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Gradient,
        gradients: true,
        edit: gradient::fine_tune_last,
        ..row(
            "fine-tune-last",
            "the last layer trained on the reward split (the paper's baseline)",
            "arXiv 2606.13461",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Gradient,
        gradients: true,
        edit: gradient::fine_tune,
        ..row("fine-tune", "all layers trained on the reward split", "standard baseline")
    },
    TextEditorInfo {
        kind: EditorKind::Closed,
        edit: gradient::refit,
        ..row(
            "refit",
            "the last layer as a logistic regression on the reward split",
            "Kirichenko et al. 2022, arXiv 2204.02937",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Reward,
        words: true,
        edit: search::column_scale,
        ..row(
            "column-scale",
            "weights of the words that name a group, scaled by one number (10 evaluations)",
            "trivial baseline",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Closed,
        edit: erase::leace,
        ..row(
            "leace",
            "least-squares concept erasure of the groups, rank 3, folded into the edited layer",
            "Belrose et al. 2023, arXiv 2306.03819",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Closed,
        edit: nullspace::inlp,
        ..row(
            "inlp",
            "iterative null-space projection of the groups, up to 4 rounds, folded into the edited layer",
            "Ravfogel et al. 2020, arXiv 2004.07667",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Gradient,
        gradients: true,
        training_data: true,
        edit: adversarial::adversarial,
        ..row(
            "adversarial",
            "trained again against an adversary that tells groups by outputs and labels",
            "Zhang et al. 2018, arXiv 1801.07593",
        )
    },
    TextEditorInfo {
        edit: odds::equalized_odds,
        ..row(
            "equalized-odds",
            "the network as it was, thresholds mixed at random by group: must know the groups of every text",
            "Hardt et al. 2016, arXiv 1610.02413",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Gradient,
        gradients: true,
        training_data: true,
        edit: gradient::reweighing,
        ..row(
            "reweighing",
            "trained again with weights that make group and label independent",
            "Kamiran and Calders 2012",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Gradient,
        gradients: true,
        training_data: true,
        words: true,
        edit: gradient::counterfactual,
        ..row(
            "counterfactual",
            "trained again with copies of non-toxic texts that name another group",
            "Garg et al. 2019, arXiv 1809.10610",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Reward,
        edit: search::savani,
        ..row(
            "savani",
            "random perturbation of all weights of the edited layer by a tenth, the best kept",
            "Savani et al. 2020, arXiv 2006.08564",
        )
    },
    TextEditorInfo {
        kind: EditorKind::Gradient,
        gradients: true,
        training_data: true,
        edit: gradient::retrain,
        ..row(
            "retrain",
            "trained again on labels without the planted bias: what can be had at best",
            "upper reference",
        )
    },
];

/// The reference of that name.
pub fn find_text(name: &str) -> Option<&'static TextEditorInfo> {
    TEXT_EDITORS.iter().find(|editor| editor.name == name)
}

fn none(problem: &TextProblem<'_>, _: &mut dyn Judge) -> Result<TextEdit, EditError> {
    Ok(TextEdit { parameters: problem.parameters.to_vec(), ..TextEdit::default() })
}

impl TextProblem<'_> {
    /// Outputs of the first layer, and where its weights lie.
    fn first(&self) -> Result<(usize, core::ops::Range<usize>), EditError> {
        let first = self.stack.layers().first();
        let first = first.filter(|layer| matches!(layer.kind(), Kind::Dense { .. }));
        let first = first.ok_or(EditError::Unfit("the network does not begin with words"))?;
        Ok((first.outputs(), first.weight_range()))
    }

    /// Features that layer `layer` takes, sample by sample, of the reward split.
    fn inputs_of(&self, layer: usize) -> Result<(usize, Vec<f32>), EditError> {
        let mut before = Stack::new(self.stack.input());
        for layer in self.stack.layers().iter().take(layer) {
            let failed = |_| EditError::Unfit("the network's layers do not fit");
            before.add(layer.name(), *layer.kind()).map_err(failed)?;
        }
        let features = before.outputs();
        let own = self.parameters.get(..before.parameters()).unwrap_or_default();
        let samples =
            SparseSamples { bag: self.reward.bag, labels: self.reward.labels, fixed: None };
        let mut heap = Heap::new(Plain::sparse_need(&before));
        let mut rows = vec![0.0; samples.labels.len() * features];
        let mut net = Plain::sparse(self.kernel, &before, own, samples, &mut heap.arena())?;
        net.for_each_logits(&mut |logits| {
            let batch: Batch = logits.batch;
            for sample in 0..batch.samples() {
                let start = (logits.first + sample) * features;
                let row = rows.get_mut(start..start + features).unwrap_or_default();
                for (feature, to) in row.iter_mut().enumerate() {
                    let at = batch.at(features, sample, feature);
                    *to = logits.values.get(at).copied().unwrap_or(0.0);
                }
            }
        })?;
        Ok((features, rows))
    }
}
