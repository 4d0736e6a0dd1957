//! Networks of 8-bit integers: products that are summed in i32, and the way back to i8.
//!
//! What belongs here: dense layers over i8 as TensorFlow Lite Micro and CMSIS-NN compute them, for each
//! instruction set, and the same over sparse rows. What does not: scales, zero points of a whole network, anything in f32 (`model::int8`).
//!
//! # Numbers
//!
//! A real number is `scale · (q − zero)`, q in i8; weights have the zero point 0. Sums are exact modulo 2³²
//! and so free of order: every backend gives the same integers. They cannot wrap around for layers of up to
//! [`MOST_INPUTS`] inputs whose biases lie within ±2³⁰; beyond that they do, alike everywhere.
//!
//! # Layout
//!
//! Samples are rows, `[sample][input]`; weights are `outputs × inputs`, row by row, as those libraries store
//! them. For the vector units they are also packed, once for each change ([`Kernel::pack_i8`]); Cortex-M takes
//! them as they are.

mod bag;
#[cfg(feature = "std")]
pub(super) mod bench;
mod dispatch;
#[cfg(test)]
mod emulated;
mod finish;
mod portable;
mod requantize;
#[cfg(test)]
mod tests;
#[cfg(cortex_m_dsp)]
mod thumb;
#[cfg(any(test, target_arch = "x86_64"))]
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use bag::{BagI8, SparseI8, StartI8};
pub use requantize::Requantize;

use super::Kernel;
use crate::error::ShapeError;

/// Inputs up to which sums cannot wrap around: each product is below 2¹⁵.
pub const MOST_INPUTS: usize = 1 << 15;

/// A dense layer in integers: `bias[j] + Σₖ (x[k] − zero) · w[j][k]`.
#[derive(Clone, Copy, Debug)]
pub struct DenseI8<'a> {
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// Weights, `outputs × inputs`, row by row.
    pub weights: &'a [i8],
    /// The same weights as [`Kernel::pack_i8`] of the same kernel leaves them; empty where they were not
    /// packed: slower, and equal.
    pub packed: &'a [i32],
    /// One per output, in units of the input's scale times the row's.
    pub bias: &'a [i32],
    /// Zero point of the inputs.
    pub zero: i8,
}

/// What becomes of a layer's sums.
#[derive(Clone, Copy, Debug)]
pub struct OutputI8<'a> {
    /// Multipliers of the rows' factors, or of one for all (see [`Requantize`]).
    pub multipliers: &'a [i32],
    /// Their shifts.
    pub shifts: &'a [i32],
    /// Zero point of the outputs.
    pub zero: i8,
    /// Least output: the zero point for a ReLU, −128 for none.
    pub low: i8,
    /// Largest output.
    pub high: i8,
}

impl OutputI8<'_> {
    /// The factor of row `row`; 0 where there is none.
    #[inline(always)]
    fn factor(&self, row: usize) -> Requantize {
        let of = |values: &[i32]| match values {
            [one] => *one,
            values => values.get(row).copied().unwrap_or_default(),
        };
        Requantize { multiplier: of(self.multipliers), shift: of(self.shifts) }
    }

    fn check(&self, outputs: usize) -> Result<(), ShapeError> {
        if self.multipliers.len() != 1 {
            ShapeError::check("multipliers", outputs, self.multipliers.len())?;
        }
        ShapeError::check("shifts", self.multipliers.len(), self.shifts.len())
    }

    /// The output for a row and its sum.
    #[inline(always)]
    fn finish(&self) -> impl Fn(usize, i32) -> i8 {
        |row, sum| {
            let value = self.factor(row).apply(sum).wrapping_add(i32::from(self.zero));
            // Not `clamp`, which panics where the limits are crossed.
            value.max(self.low.into()).min(self.high.into()) as i8
        }
    }
}

impl Kernel {
    /// Length of the packed form of a layer's weights: 0 on targets without vector units of their own.
    pub const fn packed_i8_len(inputs: usize, outputs: usize) -> usize {
        if cfg!(target_arch = "x86_64") {
            // Panels of 16 outputs: a row of sums, then a row for each two inputs.
            let rows = inputs.div_ceil(2).saturating_add(1);
            outputs.div_ceil(16).saturating_mul(16).saturating_mul(rows)
        } else {
            0
        }
    }

    /// Packs weights (`outputs × inputs`) for this kernel: to be done after every change of them.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn pack_i8(
        self,
        inputs: usize,
        outputs: usize,
        weights: &[i8],
        packed: &mut [i32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("weights", inputs.saturating_mul(outputs), weights.len())?;
        ShapeError::check("packed weights", Self::packed_i8_len(inputs, outputs), packed.len())?;
        self.run_pack_i8(inputs, weights, packed);
        Ok(())
    }

    /// The layer's sums for every sample, `[sample][output]`: the logits of a last layer, in units of the
    /// input's scale times each row's.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn dense_i8_sums(
        self,
        samples: usize,
        layer: DenseI8<'_>,
        x: &[i8],
        sums: &mut [i32],
    ) -> Result<(), ShapeError> {
        layer.check(samples, x, sums.len())?;
        self.run_dense_i8_sums(&layer, x, sums);
        Ok(())
    }

    /// The layer's outputs for every sample, `[sample][output]`.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn dense_i8(
        self,
        samples: usize,
        layer: DenseI8<'_>,
        output: OutputI8<'_>,
        x: &[i8],
        y: &mut [i8],
    ) -> Result<(), ShapeError> {
        layer.check(samples, x, y.len())?;
        output.check(layer.outputs)?;
        self.run_dense_i8(&layer, &output, x, y);
        Ok(())
    }
}

impl DenseI8<'_> {
    fn check(&self, samples: usize, x: &[i8], y: usize) -> Result<(), ShapeError> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        ShapeError::check("weights", inputs.saturating_mul(outputs), self.weights.len())?;
        if !self.packed.is_empty() {
            let len = Kernel::packed_i8_len(inputs, outputs);
            ShapeError::check("packed weights", len, self.packed.len())?;
        }
        ShapeError::check("bias", outputs, self.bias.len())?;
        ShapeError::check("input", samples.saturating_mul(inputs), x.len())?;
        ShapeError::check("output", samples.saturating_mul(outputs), y)
    }
}
