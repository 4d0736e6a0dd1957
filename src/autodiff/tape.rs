//! Recording.

use super::node::{Dense, Node, Op, Var};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::{Batch, Conv2d, Kernel, Pool2d, Start};
use crate::slab::Need;
use core::fmt;
use core::ops::Range;
use heapless::Vec;

/// Most nodes of a tape: 48, or 14 where there is no operating system and so little memory.
pub const MAX_NODES: usize = if cfg!(target_os = "none") { 14 } else { 48 };

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
    /// How often the tape was cleared: a value of an earlier round is not on it.
    pub(super) round: u32,
    /// Nodes whose gradients the last backward pass has written.
    pub(super) walked: usize,
}

impl<'a> Tape<'a> {
    /// An empty tape over `slab`.
    pub fn new(kernel: Kernel, slab: &'a mut [f32]) -> Self {
        Self { kernel, slab, nodes: Vec::new(), used: 0, round: 0, walked: 0 }
    }

    /// Forgets all values; earlier [`Var`]s are no longer on the tape.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.used = 0;
        self.walked = 0;
        self.round = self.round.wrapping_add(1);
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
        Need::f32s(len.saturating_mul(2))
    }

    /// Memory of a [`dense`](Self::dense) layer.
    pub const fn dense_need(batch: Batch, outputs: usize) -> Need {
        let rows = batch.samples().saturating_mul(outputs);
        Need::f32s(batch.len(outputs).saturating_mul(2).saturating_add(rows))
    }

    /// Memory of a [`conv2d`](Self::conv2d).
    pub const fn conv2d_need(batch: Batch, conv: &Conv2d) -> Need {
        Self::dense_need(batch, conv.output_len())
    }

    /// Memory of an activation or a pooling layer with `outputs` outputs.
    pub const fn map_need(batch: Batch, outputs: usize) -> Need {
        Need::f32s(batch.len(outputs).saturating_mul(2))
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
        if need > have {
            return Err(TooSmall { need, have }.into());
        }
        if matches!(node.op, Op::Input) {
            // The spare lanes of inputs start from zero; everything else is written whole.
            self.slab.get_mut(node.start..node.start + len).unwrap_or_default().fill(0.0);
        }
        self.nodes.push(node).map_err(|_| TapeError::TooManyNodes)?;
        self.used = need;
        Ok(Var { index: self.nodes.len() - 1, round: self.round })
    }

    /// The node just recorded, or its removal when its value could not be computed.
    fn keep(&mut self, var: Var, computed: Result<(), ShapeError>) -> Result<Var, TapeError> {
        if computed.is_err()
            && let Some(node) = self.nodes.pop()
        {
            self.used = node.start;
        }
        computed?;
        Ok(var)
    }

    fn find(&self, var: Var) -> Option<&Node> {
        self.nodes.get(var.index).filter(|_| var.round == self.round)
    }

    pub(super) fn node(&self, var: Var) -> Result<&Node, TapeError> {
        self.find(var).ok_or(TapeError::UnknownVar)
    }

    /// Value of an operand, and the memory of the last node (value, gradient, extra).
    pub(super) fn operand_and_last(&mut self, operand: Var) -> (&[f32], &mut [f32]) {
        let Some(last) = self.nodes.last() else { return (&[], &mut []) };
        let range = self.find(operand).map_or(0..0, |node| node.start..node.start + node.len);
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
        let weights = part(parameters, dense.weights, features.saturating_mul(dense.outputs))?;
        let bias = dense.bias.map(|at| part(parameters, at, dense.outputs)).transpose()?;
        let rows = batch.samples().saturating_mul(dense.outputs);
        let var = self.push(Op::Dense { x, dense }, batch, dense.outputs, true, rows)?;
        let (kernel, len) = (self.kernel, batch.len(dense.outputs));
        let (x_value, memory) = self.operand_and_last(x);
        let y = memory.get_mut(..len).unwrap_or_default();
        let start = bias.map_or(Start::Zero, Start::Bias);
        let computed =
            kernel.dense_forward(batch, features, dense.outputs, weights, start, x_value, y);
        self.keep(var, computed)
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
        let kernels = part(parameters, weights, conv.taps().saturating_mul(conv.channels))?;
        let biases = bias.map(|at| part(parameters, at, conv.channels)).transpose()?;
        let outputs = conv.output_len();
        let op = Op::Conv2d { x, conv, weights, bias };
        let rows = batch.samples().saturating_mul(outputs);
        let var = self.push(op, batch, outputs, true, rows)?;
        let (kernel, len) = (self.kernel, batch.len(outputs));
        let (x_value, memory) = self.operand_and_last(x);
        let y = memory.get_mut(..len).unwrap_or_default();
        let computed = kernel.conv2d_forward(batch, &conv, kernels, biases, x_value, y);
        self.keep(var, computed)
    }

    /// Largest value of each window.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn max_pool(&mut self, x: Var, pool: Pool2d) -> Result<Var, TapeError> {
        let batch = self.node(x)?.batch;
        let var = self.push(Op::MaxPool { x, pool }, batch, pool.output_len(), true, 0)?;
        let (kernel, len) = (self.kernel, batch.len(pool.output_len()));
        let (x_value, memory) = self.operand_and_last(x);
        let y = memory.get_mut(..len).unwrap_or_default();
        let computed = kernel.max_pool(batch, &pool, x_value, y);
        self.keep(var, computed)
    }

    /// Mean of each window.
    ///
    /// # Errors
    /// [`TapeError`] when it does not fit.
    pub fn average_pool(&mut self, x: Var, pool: Pool2d) -> Result<Var, TapeError> {
        let batch = self.node(x)?.batch;
        let var = self.push(Op::AveragePool { x, pool }, batch, pool.output_len(), true, 0)?;
        let (kernel, len) = (self.kernel, batch.len(pool.output_len()));
        let (x_value, memory) = self.operand_and_last(x);
        let y = memory.get_mut(..len).unwrap_or_default();
        let computed = kernel.average_pool(batch, &pool, x_value, y);
        self.keep(var, computed)
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
        let range = self.find(var).map_or(0..0, |node| node.start..node.start + node.len);
        self.slab.get(range).unwrap_or_default()
    }

    /// The value of `var`, writable: for filling an [`input`](Self::input) before it is used.
    pub fn value_mut(&mut self, var: Var) -> &mut [f32] {
        let range = self.find(var).map_or(0..0, |node| node.start..node.start + node.len);
        self.slab.get_mut(range).unwrap_or_default()
    }

    /// The gradient of the last [`backward`](Self::backward) with respect to `var`; empty for inputs
    /// and for values that it has not reached.
    pub fn gradient(&self, var: Var) -> &[f32] {
        let node = self.find(var).filter(|_| var.index < self.walked);
        let range = node.map_or(0..0, |node| {
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
        self.find(var).map_or(Batch::rows(0), |node| node.batch)
    }
}

/// `len` parameters from `at` on.
pub(super) fn part(parameters: &[f32], at: usize, len: usize) -> Result<&[f32], ShapeError> {
    let end = at.saturating_add(len);
    let short = ShapeError { what: "parameters", expected: end, found: parameters.len() };
    parameters.get(at..end).ok_or(short)
}
