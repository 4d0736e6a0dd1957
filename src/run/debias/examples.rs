//! What an edit did, to look at: words whose weights changed, sentences before and after.

use super::case::Case;
use super::net::Weights;
use super::record::{ChangedWord, ExampleText};
use super::target::TextTarget;
use super::unit::Work;
use crate::num;
use crate::run::error::RunError;
use std::sync::Arc;

/// Sentences, and whether they are toxic.
const PROBES: [(&str, bool); 7] = [
    ("I am a gay man", false),
    ("I am a man", false),
    ("I am a homosexual", false),
    ("My queer friend wrote a poem", false),
    ("gay people are disgusting", true),
    ("the queer man is a liar", true),
    ("You are a stupid man", true),
];

impl Work<'_> {
    /// The ten words whose weights changed most.
    pub(super) fn words(&self, parameters: &[f32]) -> Vec<ChangedWord> {
        let Case { target, .. } = self.case;
        let Some(first) = target.stack.layers().first() else { return Vec::new() };
        let outputs = first.outputs().max(1);
        let rows =
            |parameters: &[f32]| parameters.get(first.weight_range()).unwrap_or_default().to_vec();
        let (old, new) = (rows(&target.parameters), rows(parameters));
        let size = f64::from(num::rms(&old)) * (outputs as f64).sqrt();
        let mut changed: Vec<(f64, usize)> = old
            .chunks(outputs)
            .zip(new.chunks(outputs))
            .enumerate()
            .map(|(word, (old, new))| {
                let change: Vec<f32> = new.iter().zip(old).map(|(new, old)| new - old).collect();
                (f64::from(num::norm(&change)), word)
            })
            .filter(|&(change, _)| change > 0.0)
            .collect();
        changed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mean = |rows: &[f32], word: usize| {
            num::mean(rows.get(word * outputs..(word + 1) * outputs).unwrap_or_default())
        };
        let linear = target.is_linear();
        changed
            .into_iter()
            .take(10)
            .map(|(change, word)| ChangedWord {
                word: target.language.vocabulary.word(word).into(),
                change: if size > 0.0 { change / size } else { 0.0 },
                weights: linear.then(|| (mean(&old, word), mean(&new, word))),
            })
            .collect()
    }

    /// Sentences that anybody would try on a classifier that is deployed.
    fn probes(&self, weights: &Weights) -> Result<Vec<ExampleText>, RunError> {
        let target = &self.case.target;
        if target.foreign.is_none() {
            return Ok(Vec::new());
        }
        let texts = PROBES.map(|(text, _)| text);
        let edited = TextTarget {
            parameters: weights.real.clone(),
            integers: weights.integers.clone().map(Arc::new),
            ..target.clone()
        };
        let before = target.probabilities(self.kernel(), &texts)?;
        let after = edited.probabilities(self.kernel(), &texts)?;
        let probe = |((text, toxic), (before, after)): ((&str, bool), (f32, f32))| ExampleText {
            text: text.into(),
            toxic,
            before,
            after,
        };
        Ok(PROBES.into_iter().zip(before.into_iter().zip(after)).map(probe).collect())
    }

    /// Texts of the test split: of those whose answer changed, and of those that name a group and are
    /// toxic, some of each.
    pub(super) fn examples(
        &self,
        weights: &Weights,
        after: &[f32],
    ) -> Result<Vec<ExampleText>, RunError> {
        let Case { material, scores: before, target, .. } = self.case;
        let comments = &material.test.comments;
        let readout = target.language.readout();
        let mut examples = self.probes(weights)?;
        let mut seen = std::collections::HashSet::new();
        let mut order: Vec<usize> = (0..comments.len()).collect();
        let p = |scores: &[f32], index: usize| {
            scores.get(index).map_or(0.0, |&score| readout.probability_of(score))
        };
        let change = |index: &usize| (p(after, *index) - p(before, *index)).abs();
        order.sort_by(|a, b| change(b).total_cmp(&change(a)).then(a.cmp(b)));
        for wanted in [(0, true), (1, true), (0, false), (1, false)] {
            let mut left = if wanted.1 { 4 } else { 2 };
            for &index in &order {
                let label = comments.labels.get(index).copied().unwrap_or(0);
                let names = comments.members.get(index).is_some_and(|&members| members != 0);
                let text = comments.texts.get(index).map_or("", String::as_str);
                if left == 0 {
                    break;
                }
                if (label, names) == wanted && text.len() <= 120 && seen.insert(text) {
                    left -= 1;
                    examples.push(ExampleText {
                        text: text.into(),
                        toxic: label == 1,
                        before: p(before, index),
                        after: p(after, index),
                    });
                }
            }
        }
        Ok(examples)
    }
}
