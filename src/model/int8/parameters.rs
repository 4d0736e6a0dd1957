//! Weights, biases and factors of a quantised network.

use super::stack::{Int8Layer, Int8Stack, round};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::int8::Requantize;
use crate::nn::Stack;
use crate::num;
use crate::slab::{Arena, IntArena, IntNeed, Need};

/// All parameters of an [`Int8Stack`], layer by layer and row by row.
#[derive(Debug)]
pub struct Int8Parameters<'a> {
    /// Weights, `outputs × inputs` of each layer, in −127 … 127.
    pub weights: &'a mut [i8],
    /// One per row, in units of the input's scale times the row's.
    pub bias: &'a mut [i32],
    /// Multipliers of the rows' factors ([`Requantize`]).
    pub multipliers: &'a mut [i32],
    /// Their shifts.
    pub shifts: &'a mut [i32],
    /// Scale of each row's weights, above 0.
    pub scales: &'a mut [f32],
}

/// A quantised network to be run: its layers and all their parameters.
#[derive(Clone, Copy, Debug)]
pub struct Int8Network<'a> {
    /// Layers and scales of activations.
    pub stack: &'a Int8Stack,
    /// Weights, as in [`Int8Parameters`].
    pub weights: &'a [i8],
    /// Biases.
    pub bias: &'a [i32],
    /// Multipliers of the rows' factors.
    pub multipliers: &'a [i32],
    /// Their shifts.
    pub shifts: &'a [i32],
    /// Scales of the rows' weights.
    pub scales: &'a [f32],
}

/// The factor of a row of `layer` whose weights have this scale: from its sums to its outputs.
pub(crate) fn factor(layer: &Int8Layer, scale: f32) -> Requantize {
    let (from, to) = (f64::from(layer.input.scale), f64::from(layer.output.scale));
    Requantize::of(from * f64::from(scale) / to)
}

impl<'a> Int8Parameters<'a> {
    /// Memory of the parameters of `stack`.
    pub fn need(stack: &Int8Stack) -> (Need, IntNeed) {
        let rows = stack.rows();
        (Need::f32s(rows), IntNeed { i8s: stack.weights(), i32s: 3 * rows })
    }

    /// Zeros, to be filled from a file.
    ///
    /// # Errors
    /// [`TooSmall`] when an arena holds less than [`need`](Self::need).
    pub fn zeros(
        stack: &Int8Stack,
        arena: &mut Arena<'a>,
        ints: &mut IntArena<'a>,
    ) -> Result<Self, TooSmall> {
        let rows = stack.rows();
        Ok(Self {
            weights: ints.take_i8(stack.weights())?,
            bias: ints.take_i32(rows)?,
            multipliers: ints.take_i32(rows)?,
            shifts: ints.take_i32(rows)?,
            scales: arena.take(rows)?,
        })
    }

    /// Quantises `parameters` of the network `source`, which `stack` was made from.
    ///
    /// A row's scale is its largest weight over 127; that of a row of zeros is the layer's largest.
    ///
    /// # Errors
    /// [`ShapeError`] for parameters of another length.
    pub fn quantise(
        &mut self,
        stack: &Int8Stack,
        source: &Stack,
        parameters: &[f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("parameters", source.parameters(), parameters.len())?;
        ShapeError::check("rows", stack.rows(), self.scales.len())?;
        for layer in stack.layers() {
            let Some((inputs, outputs)) = layer.matrix() else { continue };
            let Some(original) = source.layers().get(layer.source) else { continue };
            let original_weights = parameters.get(original.weight_range()).unwrap_or_default();
            ShapeError::check("weights", layer.kind.weights(), original_weights.len())?;
            let original_bias = original.bias_range().and_then(|range| parameters.get(range));
            let column = |row: usize| original_weights.iter().skip(row).step_by(outputs.max(1));
            let largest = original_weights.iter().fold(0.0, larger);
            let weights = self.weights.get_mut(layer.weight_range()).unwrap_or_default();
            let rows = weights.chunks_exact_mut(inputs.max(1)).zip(layer.row_range());
            for (row, (weights, at)) in rows.enumerate() {
                let scale = [column(row).fold(0.0, larger), largest, 127.0]
                    .into_iter()
                    .find(|&largest| largest > 0.0)
                    .map_or(1.0, |largest| largest / 127.0);
                for (to, &weight) in weights.iter_mut().zip(column(row)) {
                    *to = round(weight / scale).clamp(-127, 127) as i8;
                }
                let bias = original_bias.and_then(|bias| bias.get(row)).copied().unwrap_or(0.0);
                let unit = f64::from(layer.input.scale) * f64::from(scale);
                if let Some(slot) = self.bias.get_mut(at) {
                    // A float that does not fit becomes the nearest integer that does.
                    *slot = libm::round(f64::from(bias) / unit) as i32;
                }
                if let Some(slot) = self.scales.get_mut(at) {
                    *slot = scale;
                }
            }
        }
        self.encode(stack);
        Ok(())
    }

    /// Takes every row's factor anew from its scale.
    pub fn encode(&mut self, stack: &Int8Stack) {
        for layer in stack.layers() {
            for at in layer.row_range() {
                let scale = self.scales.get(at).copied().unwrap_or_default();
                let factor = factor(layer, scale);
                if let (Some(multiplier), Some(shift)) =
                    (self.multipliers.get_mut(at), self.shifts.get_mut(at))
                {
                    (*multiplier, *shift) = (factor.multiplier, factor.shift);
                }
            }
        }
    }

    /// The network with these parameters.
    pub fn network<'s>(&'s self, stack: &'s Int8Stack) -> Int8Network<'s> {
        Int8Network {
            stack,
            weights: self.weights,
            bias: self.bias,
            multipliers: self.multipliers,
            shifts: self.shifts,
            scales: self.scales,
        }
    }
}

fn larger(largest: f32, value: &f32) -> f32 {
    let size = num::abs(*value);
    if size > largest { size } else { largest }
}

impl Int8Network<'_> {
    /// Checks every length.
    pub(super) fn check(&self) -> Result<(), ShapeError> {
        let (weights, rows) = (self.stack.weights(), self.stack.rows());
        ShapeError::check("weights", weights, self.weights.len())?;
        ShapeError::check("biases", rows, self.bias.len())?;
        ShapeError::check("multipliers", rows, self.multipliers.len())?;
        ShapeError::check("shifts", rows, self.shifts.len())?;
        ShapeError::check("scales", rows, self.scales.len())
    }

    /// Writes the network as real numbers over the quantised layers' part of `parameters`, all those of the
    /// network `source`: the same integers times their scales.
    ///
    /// # Errors
    /// [`ShapeError`] for parameters of another length.
    pub fn dequantise(&self, source: &Stack, parameters: &mut [f32]) -> Result<(), ShapeError> {
        self.check()?;
        ShapeError::check("parameters", source.parameters(), parameters.len())?;
        for layer in self.stack.layers() {
            let Some((inputs, outputs)) = layer.matrix() else { continue };
            let Some(original) = source.layers().get(layer.source) else { continue };
            let weights = self.weights.get(layer.weight_range()).unwrap_or_default();
            let rows = weights.chunks_exact(inputs.max(1)).zip(layer.row_range());
            for (row, (weights, at)) in rows.enumerate() {
                let scale = self.scales.get(at).copied().unwrap_or_default();
                let to = parameters.get_mut(original.weight_range()).unwrap_or_default();
                for (to, &q) in to.iter_mut().skip(row).step_by(outputs.max(1)).zip(weights) {
                    *to = scale * f32::from(q);
                }
                let bias = self.bias.get(at).copied().unwrap_or_default();
                let slot = original.bias_range().and_then(|range| parameters.get_mut(range));
                if let Some(slot) = slot.and_then(|bias| bias.get_mut(row)) {
                    *slot =
                        (f64::from(layer.input.scale) * f64::from(scale) * f64::from(bias)) as f32;
                }
            }
        }
        Ok(())
    }
}
