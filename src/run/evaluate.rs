//! The command `evaluate`: accuracy of a network on every part, per class.

use super::error::RunError;
use super::prepare::{Part, Prepared};
use super::target::network_digest;
use crate::kernel::{Kernel, LANES};
use crate::model::{Forward, ForwardError, Plain};
use crate::nn::Stack;
use crate::slab::Heap;
use serde_json::json;
use std::fmt::Write;

/// Accuracy of a network on one part.
#[derive(Clone, Debug, PartialEq)]
pub struct PartAccuracy {
    /// "train" (for a loaded network "probe"), "reward" or "test".
    pub part: &'static str,
    /// Samples of each class.
    pub samples: Vec<usize>,
    /// Samples of each class that the network gets right.
    pub right: Vec<usize>,
}

impl PartAccuracy {
    /// Accuracy on all samples, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        let samples: usize = self.samples.iter().sum();
        self.right.iter().sum::<usize>() as f64 / samples.max(1) as f64
    }

    /// Accuracy on one class, in [0, 1]; `None` without samples.
    pub fn of_class(&self, class: usize) -> Option<f64> {
        let samples = self.samples.get(class).copied().filter(|&samples| samples > 0)?;
        Some(*self.right.get(class)? as f64 / samples as f64)
    }
}

/// What `evaluate` found.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Digest of the network's parameters.
    pub digest: String,
    /// Name of the data set.
    pub data: String,
    /// One entry per part.
    pub parts: Vec<PartAccuracy>,
}

impl Evaluation {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("network {} on {}\n\nclass ", self.digest, self.data);
        for part in &self.parts {
            let _ = write!(text, "{:>9}", part.part);
        }
        text.push('\n');
        let classes = self.parts.first().map_or(0, |part| part.samples.len());
        let mut line = |name: String, figures: Vec<Option<f64>>| {
            let _ = write!(text, "{name:<6}");
            for figure in figures {
                match figure {
                    Some(figure) => {
                        let _ = write!(text, "{:>7.2} %", 100.0 * figure);
                    }
                    None => text.push_str("        –"),
                }
            }
            text.push('\n');
        };
        for class in 0..classes {
            let figures = self.parts.iter().map(|part| part.of_class(class)).collect();
            line(class.to_string(), figures);
        }
        line("all".into(), self.parts.iter().map(|part| Some(part.accuracy())).collect());
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| {
                let classes = (0..part.samples.len()).map(|class| part.of_class(class));
                json!({
                    "part": part.part,
                    "samples": part.samples.iter().sum::<usize>(),
                    "accuracy": part.accuracy(),
                    "per_class": classes.collect::<Vec<_>>(),
                })
            })
            .collect();
        let value = json!({"schema": 1, "command": "evaluate", "digest": self.digest,
            "data": self.data, "parts": parts});
        format!("{value:#}\n")
    }
}

/// Evaluates a network on every part of `data`.
///
/// # Errors
/// [`RunError`] when the network does not take these images, or has fewer classes than the data.
pub fn evaluate(
    kernel: Kernel,
    stack: &Stack,
    parameters: &[f32],
    data: &Prepared,
) -> Result<Evaluation, RunError> {
    fits(stack.outputs(), data)?;
    let part = |(name, part): (&'static str, &Part)| -> Result<PartAccuracy, RunError> {
        let mut heap = Heap::new(Plain::need(stack));
        let mut arena = heap.arena();
        let mut net = Plain::new(kernel, stack, parameters, part.samples(), &mut arena)
            .map_err(ForwardError::TooSmall)?;
        Ok(count(&mut net, name, part.labels(), data.classes)?)
    };
    Ok(Evaluation {
        digest: network_digest(parameters),
        data: data.name.clone(),
        parts: parts(data).into_iter().map(part).collect::<Result<_, _>>()?,
    })
}

/// Checks that a network of so many outputs tells the classes of `data` apart.
pub(super) fn fits(outputs: usize, data: &Prepared) -> Result<(), RunError> {
    if outputs < data.classes {
        return Err(RunError::Failed(format!(
            "the network tells {outputs} classes apart, {} has {}",
            data.name, data.classes
        )));
    }
    Ok(())
}

/// The parts of `data` with their names.
pub(super) fn parts(data: &Prepared) -> [(&'static str, &Part); 3] {
    let first = if data.loaded { "probe" } else { "train" };
    [(first, &data.train_panels), ("reward", &data.reward), ("test", &data.test)]
}

/// Counts what a network gets right of the samples that it runs over.
pub(super) fn count(
    net: &mut dyn Forward,
    part: &'static str,
    labels: &[u8],
    classes: usize,
) -> Result<PartAccuracy, ForwardError> {
    let (mut samples, mut right) = (vec![0; classes], vec![0; classes]);
    let (kernel, mut fault) = (net.kernel(), Ok(()));
    net.for_each_logits(&mut |logits| {
        let mut predicted = [0u32; LANES];
        let count = logits.batch.samples();
        let Some(predicted) = predicted.get_mut(..count) else { return };
        fault = fault.and(kernel.argmax(logits.batch, logits.classes, logits.values, predicted));
        for (&label, &class) in labels.iter().skip(logits.first).zip(&*predicted) {
            let label = usize::from(label);
            if let (Some(samples), Some(right)) = (samples.get_mut(label), right.get_mut(label)) {
                *samples += 1;
                *right += usize::from(class as usize == label);
            }
        }
    })?;
    fault?;
    Ok(PartAccuracy { part, samples, right })
}
