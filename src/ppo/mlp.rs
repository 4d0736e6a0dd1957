//! The multilayer perceptron that policy and value function are: sizes, forward and backward pass.

use super::config::{Activation, Config, MAX_HIDDEN};
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, Start};
use core::ops::Range;

const MAX_LAYERS: usize = MAX_HIDDEN + 1;

/// Dense layers with an activation between them. Holds sizes only.
///
/// Parameters are flat: for every layer its weights (in × out), then its biases. A *fixed* network is
/// one whose input never changes: its input is what the first layer computed of it at the start, and
/// the first layer's parameters are a shift of each of these values (see
/// [`FlatPolicy`](super::FlatPolicy)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mlp {
    /// Features before the first layer, then after each layer.
    widths: [usize; MAX_LAYERS + 1],
    layers: usize,
    activation: Activation,
    fixed: bool,
}

/// How far the shifts of a fixed network move its input, and what their gradient counts for in the
/// norm of all gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fixed {
    pub(super) scale: f32,
    pub(super) norm_weight: f32,
}

impl Mlp {
    pub(super) const fn new(config: &Config, inputs: usize, outputs: usize) -> Self {
        let mut widths = [0; MAX_LAYERS + 1];
        let depth = config.depth();
        let mut layer = 0;
        while layer < depth {
            widths[layer + 1] = config.hidden[layer];
            layer += 1;
        }
        widths[depth + 1] = outputs;
        widths[0] = if config.fixed_observation { widths[1] } else { inputs };
        Self {
            widths,
            layers: depth + 1,
            activation: config.activation,
            fixed: config.fixed_observation,
        }
    }

    pub(super) const fn layers(&self) -> usize {
        self.layers
    }

    pub(super) const fn inputs(&self) -> usize {
        self.widths[0]
    }

    pub(super) const fn outputs(&self) -> usize {
        self.widths[self.layers]
    }

    /// Inputs and outputs of a layer.
    pub(super) fn shape(&self, layer: usize) -> (usize, usize) {
        let width = |index: usize| self.widths.get(index).copied().unwrap_or(0);
        (width(layer), width(layer + 1))
    }

    pub(super) const fn parameters(&self) -> usize {
        self.parameters_before(self.layers)
    }

    const fn parameters_before(&self, layer: usize) -> usize {
        let (mut total, mut index) = (0usize, 0);
        while index < layer && index < self.layers {
            let (inputs, outputs) = (self.widths[index], self.widths[index + 1]);
            let own = match self.fixed && index == 0 {
                true => outputs,
                false => inputs.saturating_add(1).saturating_mul(outputs),
            };
            total = total.saturating_add(own);
            index += 1;
        }
        total
    }

    /// Where a layer's weights and biases lie; a shift has no weights.
    pub(super) fn ranges(&self, layer: usize) -> (Range<usize>, Range<usize>) {
        let (inputs, outputs) = self.shape(layer);
        let start = self.parameters_before(layer);
        let weights = if self.fixed && layer == 0 { 0 } else { inputs * outputs };
        (start..start + weights, start + weights..start + weights + outputs)
    }

    /// Values that the outputs of all layers take.
    pub(super) const fn activations(&self, batch: Batch) -> usize {
        let (mut total, mut layer) = (0usize, 0);
        while layer < self.layers {
            total = total.saturating_add(len(batch, self.widths[layer + 1]));
            layer += 1;
        }
        total
    }

    /// Features of the widest layer but the input.
    pub(super) const fn widest(&self) -> usize {
        let (mut widest, mut layer) = (0, 0);
        while layer < self.layers {
            if self.widths[layer + 1] > widest {
                widest = self.widths[layer + 1];
            }
            layer += 1;
        }
        widest
    }

    /// The last of the [`activations`](Self::activations): what the network gives.
    pub(super) fn output<'x>(&self, batch: Batch, activations: &'x [f32]) -> &'x [f32] {
        let end = self.activations(batch);
        activations.get(end.saturating_sub(len(batch, self.outputs()))..end).unwrap_or(&[])
    }

    /// Fills `activations` with the output of every layer, one after the other.
    pub(super) fn forward(
        &self,
        kernel: Kernel,
        batch: Batch,
        params: &[f32],
        fixed: Fixed,
        x: &[f32],
        activations: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("parameters", self.parameters(), params.len())?;
        let (mut before, mut rest): (&[f32], _) = (x, activations);
        for layer in 0..self.layers {
            let (inputs, outputs) = self.shape(layer);
            let size = len(batch, outputs);
            let found = rest.len();
            let short = ShapeError { what: "activations", expected: size, found };
            let (y, later) = rest.split_at_mut_checked(size).ok_or(short)?;
            let (weights, biases) = self.ranges(layer);
            let (weights, biases) = (part(params, weights)?, part(params, biases)?);
            if self.fixed && layer == 0 {
                ShapeError::check("input", y.len(), before.len())?;
                for ((y, &x), &shift) in y.iter_mut().zip(before).zip(biases) {
                    *y = x + fixed.scale * shift;
                }
            } else {
                let start = Start::Bias(biases);
                kernel.dense_forward(batch, inputs, outputs, weights, start, before, y)?;
            }
            if layer + 1 < self.layers {
                match self.activation {
                    Activation::Tanh => kernel.tanh(y),
                    Activation::Relu => kernel.relu(y),
                }
            }
            (before, rest) = (y, later);
        }
        Ok(())
    }

    /// Adds the parameters' gradient to `gradient`, given that of the output in the front of `dy`.
    ///
    /// `x` and `activations` are those of the forward pass; `dy` and `dx` hold the widest layer each,
    /// `rows` the widest row-major layer.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn backward(
        &self,
        kernel: Kernel,
        batch: Batch,
        params: &[f32],
        x: &[f32],
        activations: &[f32],
        dy: &mut [f32],
        dx: &mut [f32],
        rows: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), ShapeError> {
        let mut start = self.activations(batch);
        for layer in (0..self.layers).rev() {
            let (inputs, outputs) = self.shape(layer);
            start = start.saturating_sub(len(batch, outputs));
            let before_start = start.saturating_sub(len(batch, inputs));
            let before = if layer == 0 { x } else { part(activations, before_start..start)? };
            let (weights, biases) = self.ranges(layer);
            let count = batch.samples() * outputs;
            let rows = part_mut(rows, 0..count)?;
            let own_dy = part(dy, 0..len(batch, outputs))?;
            kernel.to_rows(batch, outputs, 1, own_dy, rows)?;
            kernel.bias_gradient(batch.samples(), outputs, rows, part_mut(gradient, biases)?)?;
            if self.fixed && layer == 0 {
                break;
            }
            let dw = part_mut(gradient, weights.clone())?;
            kernel.dense_weight_gradient(batch, inputs, outputs, before, rows, dw)?;
            if layer > 0 {
                let weights = part(params, weights)?;
                let size = len(batch, inputs);
                let dx = part_mut(dx, 0..size)?;
                kernel.dense_input_gradient(batch, inputs, outputs, weights, own_dy, dx)?;
                let dy = part_mut(dy, 0..size)?;
                match self.activation {
                    Activation::Tanh => kernel.tanh_gradient(before, dx, dy)?,
                    Activation::Relu => kernel.relu_gradient(before, dx, dy)?,
                }
            }
        }
        Ok(())
    }
}

/// Length of a buffer; saturates, so that an absurd size is too large for any slab.
pub(super) const fn len(batch: Batch, features: usize) -> usize {
    batch.panels().saturating_mul(batch.width()).saturating_mul(features)
}

pub(super) fn part(values: &[f32], range: Range<usize>) -> Result<&[f32], ShapeError> {
    let error = ShapeError { what: "buffer", expected: range.end, found: values.len() };
    values.get(range).ok_or(error)
}

pub(super) fn part_mut(values: &mut [f32], range: Range<usize>) -> Result<&mut [f32], ShapeError> {
    let error = ShapeError { what: "buffer", expected: range.end, found: values.len() };
    values.get_mut(range).ok_or(error)
}
