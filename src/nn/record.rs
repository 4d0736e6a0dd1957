//! Recording a network on a tape.

use super::{Kind, Layer, Stack};
use crate::autodiff::{Dense, Tape, TapeError, Var};
use crate::kernel::Batch;
use crate::slab::Need;
use core::ops::Range;

impl Stack {
    /// Memory that a tape needs for an input and all layers, losses not counted.
    pub fn tape_need(&self, batch: Batch) -> Need {
        let input = Tape::input_need(batch, self.inputs());
        self.layers().iter().fold(input, |need, layer| need.and(layer_need(layer, batch)))
    }

    /// Records all layers; `x` is the input, the result the output of the last layer.
    ///
    /// # Errors
    /// [`TapeError`] when the tape or the parameters do not fit.
    pub fn record(&self, tape: &mut Tape<'_>, params: &[f32], x: Var) -> Result<Var, TapeError> {
        self.record_range(tape, 0..self.layers().len(), params, x)
    }

    /// Records some layers; `x` is the input of the first of them.
    ///
    /// # Errors
    /// [`TapeError`] when the tape or the parameters do not fit.
    pub fn record_range(
        &self,
        tape: &mut Tape<'_>,
        layers: Range<usize>,
        params: &[f32],
        x: Var,
    ) -> Result<Var, TapeError> {
        let mut value = x;
        for layer in self.layers().get(layers).unwrap_or_default() {
            let weights = layer.weight_range().start;
            let bias = layer.bias_range().map(|range| range.start);
            value = match *layer.kind() {
                Kind::Dense { outputs, .. } => {
                    tape.dense(value, params, Dense { weights, bias, outputs })?
                }
                Kind::Conv2d { conv, .. } => tape.conv2d(value, params, conv, weights, bias)?,
                Kind::MaxPool(pool) => tape.max_pool(value, pool)?,
                Kind::AveragePool(pool) => tape.average_pool(value, pool)?,
                Kind::Relu => tape.relu(value)?,
                Kind::Tanh => tape.tanh(value)?,
            };
        }
        Ok(value)
    }
}

fn layer_need(layer: &Layer, batch: Batch) -> Need {
    match layer.kind() {
        Kind::Dense { outputs, .. } => Tape::dense_need(batch, *outputs),
        Kind::Conv2d { conv, .. } => Tape::conv2d_need(batch, conv),
        _ => Tape::map_need(batch, layer.outputs()),
    }
}
