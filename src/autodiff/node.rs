//! What the tape remembers of an operation.

use crate::kernel::{Batch, Conv2d, Pool2d};

/// A value on a tape. Valid until the tape is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var {
    pub(super) index: usize,
    /// How often the tape had been cleared.
    pub(super) round: u32,
}

/// Where a dense layer finds its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Offset of the weights, inputs × outputs, in the parameters.
    pub weights: usize,
    /// Offset of the biases, if there are any.
    pub bias: Option<usize>,
    /// Outputs.
    pub outputs: usize,
}

/// Most terms of a weighted sum.
pub(super) const MAX_TERMS: usize = 4;

/// An operation and its operands.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A leaf that the caller fills.
    Input,
    /// A leaf that holds a range of the parameters.
    Parameter {
        at: usize,
    },
    Dense {
        x: Var,
        dense: Dense,
    },
    Conv2d {
        x: Var,
        conv: Conv2d,
        weights: usize,
        bias: Option<usize>,
    },
    MaxPool {
        x: Var,
        pool: Pool2d,
    },
    AveragePool {
        x: Var,
        pool: Pool2d,
    },
    Relu {
        x: Var,
    },
    Tanh {
        x: Var,
    },
    /// `extra` holds the softmax, then one label per sample.
    CrossEntropy {
        logits: Var,
    },
    /// `extra` holds the softmax at this temperature, then the targets, both laid out as the logits.
    KlDivergence {
        logits: Var,
        temperature: f32,
    },
    /// `extra` holds the targets, row-major.
    SquaredError {
        prediction: Var,
    },
    /// `extra` holds the actions, row-major, then the reciprocal deviations.
    LogProbability {
        mean: Var,
        log_std: Var,
    },
    Entropy {
        log_std: Var,
    },
    /// `extra` holds the old log-probabilities, then the advantages.
    Surrogate {
        log_probability: Var,
        clip: f32,
    },
    WeightedSum {
        terms: heapless::Vec<(Var, f32), MAX_TERMS>,
    },
}

/// One value on the tape and where it lies in the slab: value, gradient, extra, in this order.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) op: Op,
    pub(super) batch: Batch,
    pub(super) features: usize,
    pub(super) start: usize,
    /// Length of the value, and of the gradient where there is one.
    pub(super) len: usize,
    /// Whether gradients flow into this node.
    pub(super) differentiable: bool,
    /// Scratch and remembered data behind value and gradient.
    pub(super) extra: usize,
}

impl Node {
    pub(super) fn gradient_len(&self) -> usize {
        if self.differentiable { self.len } else { 0 }
    }

    /// Where its memory ends; `usize::MAX` where that would overflow.
    pub(super) fn end(&self) -> usize {
        let value = self.start.saturating_add(self.len);
        value.saturating_add(self.gradient_len()).saturating_add(self.extra)
    }
}
