//! Recording.

use super::node::{Dense, Node, Op, Var};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::{Batch, Conv2d, Kernel, Pool2d, Start};
use crate::slab::Need;
use core::fmt;
use core::ops::Range;
use heapless::Vec;

/// Most nodes of a tape.
pub const MAX_NODES: usize = 48;

/// What can go wrong on a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TapeError {
    /// The slab does not hold the next node.
    TooSmall(TooSmall),
    /// A slice or a value does not fit the operation.
    Shape(ShapeError),
    /// More than [`MAX_NODES`] operations.
    TooManyNodes,
    /// More terms than a weighted sum takes.
    TooManyTerms,
    /// A value that is not on this tape.
    UnknownVar,
    /// A value feeds two layers; only losses and sums may share an operand.
    Shared,
    /// A label is not a class.
    Label {
        /// The label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
}

impl fmt::Display for TapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall(error) => error.fmt(f),
            Self::Shape(error) => error.fmt(f),
            Self::TooManyNodes => write!(f, "the tape holds at most {MAX_NODES} operations"),
            Self::TooManyTerms => f.write_str("a weighted sum has at most 4 terms"),
            Self::Shared => f.write_str("a value feeds two layers, which the tape does not add up"),
            Self::UnknownVar => f.write_str("the value is not on this tape"),
            Self::Label { label, classes } => {
                write!(f, "label {label} is not one of {classes} classes")
            }
        }
    }
}

impl core::error::Error for TapeError {}

impl From<TooSmall> for TapeError {
    fn from(error: TooSmall) -> Self {
        Self::TooSmall(error)
    }
}

impl From<ShapeError> for TapeError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// A recording of operations, with their values and gradients in a borrowed slab.
#[derive(Debug)]
pub struct Tape<'a> {
    pub(super) kernel: Kernel,
    pub(super) slab: &'a mut [f32],
    pub(super) nodes: Vec<Node, MAX_NODES>,
    pub(super) used: usize,
}

impl<'a> Tape<'a> {
    /// An empty tape over `slab`.
    pub fn new(kernel: Kernel, slab: &'a mut [f32]) -> Self {
        Self { kernel, slab, nodes: Vec::new(), used: 0 }
    }

    /// Forgets all values; earlier [`Var`]s are no longer valid.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.used = 0;
    }

    /// Values of the slab that are in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Memory of an [`input`](Self::input).
    pub const fn input_need(batch: Batch, features: usize) -> Need {
        Need::f32s(batch.len(features))
    }

    /// Memory of a [`parameter`](Self::parameter) of `len` values.
    pub const fn parameter_need(len: usize) -> Need {
        Need::f32s(2 * len)
    }

    /// Memory of a [`dense`](Self::dense) layer.
    pub const fn dense_need(batch: Batch, outputs: usize) -> Need {
        Need::f32s(2 * batch.len(outputs) + batch.samples() * outputs)
    }

    /// Memory of a [`conv2d`](Self::conv2d).
    pub const fn conv2d_need(batch: Batch, conv: &Conv2d) -> Need {
        Self::dense_need(batch, conv.output_len())
    }

    /// Memory of an activation or a pooling layer with `outputs` outputs.
    pub const fn map_need(batch: Batch, outputs: usize) -> Need {
        Need::f32s(2 * batch.len(outputs))
    }

    /// Appends a node whose operands are checked.
    pub(super) fn push(
        &mut self,
        op: Op,
        batch: Batch,
        features: usize,
        differentiable: bool,
        extra: usize,
    ) -> Result<Var, TapeError> {
        let len = batch.len(features);
        let node = Node { op, batch, features, start: self.used, len, differentiable, extra };
        let (need, have) = (node.end(), self.slab.len());
        let Some(memory) = self.slab.get_mut(node.start..need) else {
            return Err(TooSmall { need, have }.into());
        };
        // Gradients and the spare lanes of inputs start from zero; the rest is written whole.
        let whole = matches!(node.op, Op::Input);
        let from = if whole { 0 } else { len };
        memory.get_mut(from..len + node.gradient_len()).unwrap_or_default().fill(0.0);
        self.nodes.push(node).map_err(|_| TapeError::TooManyNodes)?;
        self.used = need;
        Ok(Var(self.nodes.len() - 1))
    }

    pub(super) fn node(&self, var: Var) -> Result<&Node, TapeError> {
        self.nodes.get(var.0).ok_or(TapeError::UnknownVar)
    }

    /// Value of an operand, and the memory of the last node (value, gradient, extra).
    pub(super) fn operand_and_last(&mut self, operand: Var) -> (&[f32], &mut [f32]) {
        let Some(last) = self.nodes.last() else { return (&[], &mut []) };
        let range =
            self.nodes.get(operand.0).map_or(0..0, |node| node.start..node.start + node.len);
        let (before, rest) = self.slab.split_at_mut(last.start);
        let len = last.end() - last.start;
        (before.get(range).unwrap_or_default(), rest.get_mut(..len).unwrap_or_default())
    }

    /// A leaf of zeros, to be filled through [`value_mut`](Self::value_mut). No gradient flows into it.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn input(&mut self, batch: Batch, features: usize) -> Result<Var, TapeError> {
        self.push(Op::Input, batch, features, false, 0)
    }

    /// As [`input`](Self::input), with a gradient to be read afterwards.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn differentiable_input(
        &mut self,
        batch: Batch,
        features: usize,
    ) -> Result<Var, TapeError> {
        self.push(Op::Input, batch, features, true, 0)
    }

    /// A range of the parameters as a value of one sample.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit, or the range lies outside the parameters.
    pub fn parameter(&mut self, parameters: &[f32], range: Range<usize>) -> Result<Var, TapeError> {
        let values = part(parameters, range.start, range.len())?;
        let (batch, at) = (Batch::rows(1), range.start);
        let var = self.push(Op::Parameter { at }, batch, values.len(), true, 0)?;
        self.value_mut(var).copy_from_slice(values);
        Ok(var)
    }

    /// `x·W + b`.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn dense(&mut self, x: Var, parameters: &[f32], dense: Dense) -> Result<Var, TapeError> {
        let &Node { batch, features, .. } = self.node(x)?;
        let weights = part(parameters, dense.weights, features * dense.outputs)?;
        let bias = dense.bias.map(|at| part(parameters, at, dense.outputs)).transpose()?;
        let rows = batch.samples() * dense.outputs;
        self.push(Op::Dense { x, dense }, batch, dense.outputs, true, rows)?;
        let (kernel, len) = (self.kernel, batch.len(dense.outputs));
        let (x_value, memory) = self.operand_and_last(x);
        let y = memory.get_mut(..len).unwrap_or_default();
        let start = bias.map_or(Start::Zero, Start::Bias);
        kernel.dense_forward(batch, features, dense.outputs, weights, start, x_value, y)?;
        Ok(Var(self.nodes.len() - 1))
    }

    /// 2-d convolution; `weights` and `bias` are offsets in the parameters.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn conv2d(
        &mut self,
        x: Var,
        parameters: &[f32],
        conv: Conv2d,
        weights: usize,
        bias: Option<usize>,
    ) -> Result<Var, TapeError> {
        let batch = self.node(x)?.batch;
        let kernels = part(parameters, weights, conv.taps() * conv.channels)?;
        let biases = bias.map(|at| part(parameters, at, conv.channels)).transpose()?;
        let outputs = conv.output_len();
        let op = Op::Conv2d { x, conv, weights, bias };
        self.push(op, batch, outputs, true, batch.samples() * outputs)?;
        let (kernel, len) = (self.kernel, batch.len(outputs));
        let (x_value, memory) = self.operand_and_last(x);
        let y = memory.get_mut(..len).unwrap_or_default();
        kernel.conv2d_forward(batch, &conv, kernels, biases, x_value, y)?;
        Ok(Var(self.nodes.len() - 1))
    }

    /// Largest value of each window.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn max_pool(&mut self, x: Var, pool: Pool2d) -> Result<Var, TapeError> {
        let batch = self.node(x)?.batch;
        self.push(Op::MaxPool { x, pool }, batch, pool.output_len(), true, 0)?;
        let (kernel, len) = (self.kernel, batch.len(pool.output_len()));
        let (x_value, memory) = self.operand_and_last(x);
        kernel.max_pool(batch, &pool, x_value, memory.get_mut(..len).unwrap_or_default())?;
        Ok(Var(self.nodes.len() - 1))
    }

    /// Mean of each window.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn average_pool(&mut self, x: Var, pool: Pool2d) -> Result<Var, TapeError> {
        let batch = self.node(x)?.batch;
        self.push(Op::AveragePool { x, pool }, batch, pool.output_len(), true, 0)?;
        let (kernel, len) = (self.kernel, batch.len(pool.output_len()));
        let (x_value, memory) = self.operand_and_last(x);
        kernel.average_pool(batch, &pool, x_value, memory.get_mut(..len).unwrap_or_default())?;
        Ok(Var(self.nodes.len() - 1))
    }

    /// `x` where `x > 0`, else 0.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn relu(&mut self, x: Var) -> Result<Var, TapeError> {
        self.map(Op::Relu { x }, x, Kernel::relu)
    }

    /// Hyperbolic tangent.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn tanh(&mut self, x: Var) -> Result<Var, TapeError> {
        self.map(Op::Tanh { x }, x, Kernel::tanh)
    }

    fn map(&mut self, op: Op, x: Var, f: fn(Kernel, &mut [f32])) -> Result<Var, TapeError> {
        let &Node { batch, features, len, .. } = self.node(x)?;
        let var = self.push(op, batch, features, true, 0)?;
        let kernel = self.kernel;
        let (x_value, memory) = self.operand_and_last(x);
        let y = memory.get_mut(..len).unwrap_or_default();
        y.copy_from_slice(x_value);
        f(kernel, y);
        Ok(var)
    }

    /// The value of `var` in the layout of its batch; empty for a value that is not on this tape.
    pub fn value(&self, var: Var) -> &[f32] {
        let range = self.nodes.get(var.0).map_or(0..0, |node| node.start..node.start + node.len);
        self.slab.get(range).unwrap_or_default()
    }

    /// The value of `var`, writable: for filling an [`input`](Self::input) before it is used.
    pub fn value_mut(&mut self, var: Var) -> &mut [f32] {
        let range = self.nodes.get(var.0).map_or(0..0, |node| node.start..node.start + node.len);
        self.slab.get_mut(range).unwrap_or_default()
    }

    /// The gradient of the last [`backward`](Self::backward) with respect to `var`; empty for inputs.
    pub fn gradient(&self, var: Var) -> &[f32] {
        let range = self.nodes.get(var.0).map_or(0..0, |node| {
            let start = node.start + node.len;
            start..start + node.gradient_len()
        });
        self.slab.get(range).unwrap_or_default()
    }

    /// A loss as a number; NaN for a value that is not on this tape.
    pub fn scalar(&self, var: Var) -> f32 {
        self.value(var).first().copied().unwrap_or(f32::NAN)
    }

    /// How the samples of `var` lie.
    pub fn batch(&self, var: Var) -> Batch {
        self.nodes.get(var.0).map_or(Batch::rows(0), |node| node.batch)
    }
}

/// `len` parameters from `at` on.
pub(super) fn part(parameters: &[f32], at: usize, len: usize) -> Result<&[f32], ShapeError> {
    let end = at.saturating_add(len);
    let short = ShapeError { what: "parameters", expected: end, found: parameters.len() };
    parameters.get(at..end).ok_or(short)
}
