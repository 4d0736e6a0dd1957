//! Products and the functions around them: the only room with `unsafe`.
//!
//! What belongs here: loops over matrices, convolutions, activations and optimiser steps, once as
//! portable code and once for each instruction set, behind a safe API that checks every length
//! itself. What does not: parameters, graphs, anything that knows what a network is.
//!
//! # Same bits everywhere
//!
//! Every output of a product is one chain of fused multiply-adds over its inner index in rising
//! order, starting from the bias, from zero or from a value already there. Kernels vectorise over
//! outputs or samples, never over the inner index, so blocking, vector width and backend cannot
//! change a bit. Activations and optimiser steps are unfused and element by element.
//!
//! # Layout
//!
//! Activations lie in panels, `[panel][feature][lane]` ([`Batch`]). Weights are stored in × out (the
//! inner index outermost), for convolutions `[taps][output channels]`.
//!
//! # `unsafe`
//!
//! Three things need it: intrinsics, whose presence a token proves (`isa`); reads and writes of a
//! register tile, whose extent it tests first (`tile`); calls into code compiled for an instruction
//! set, which only a [`Kernel`] of that set makes (`dispatch`).
#![allow(unsafe_code)]

mod backend;
#[cfg(feature = "std")]
pub mod bench;
mod conv;
mod dense;
mod dispatch;
mod element;
mod isa;
mod layout;
#[cfg(test)]
mod naive;
mod peak;
mod pool;
mod shape;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use backend::{Backend, Kernel};
pub use shape::{Batch, Conv2d, LANES, Pool2d};

use crate::error::ShapeError;
use dense::Runs;
use tile::Spread;

/// What the chains of a product start from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// One value per output: the bias.
    Bias(&'a [f32]),
    /// One value per output and sample, laid out as the result: a product that is continued.
    Values(&'a [f32]),
}

/// The settings of one Adam step (Kingma and Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate α.
    pub rate: f32,
    /// Decay of the first moment β₁.
    pub beta1: f32,
    /// Decay of the second moment β₂.
    pub beta2: f32,
    /// ε, added to the root of the corrected second moment.
    pub epsilon: f32,
    /// 1 − β₁ᵗ.
    pub correction1: f32,
    /// 1 − β₂ᵗ.
    pub correction2: f32,
}

impl Kernel {
    /// `y = start + x·W`: x is `inputs` features, W `inputs × outputs`, y `outputs` features.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    #[allow(clippy::too_many_arguments)]
    pub fn dense_forward(
        self,
        batch: Batch,
        inputs: usize,
        outputs: usize,
        weights: &[f32],
        start: Start<'_>,
        x: &[f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("weights", inputs.saturating_mul(outputs), weights.len())?;
        ShapeError::check("input", batch.len(inputs), x.len())?;
        ShapeError::check("output", batch.len(outputs), y.len())?;
        check_start(start, outputs, y.len())?;
        if batch.width() == LANES {
            let a = Spread { values: weights, row: 1, step: outputs };
            self.run_panels(outputs, inputs, a, start, x, y);
        } else {
            match start {
                Start::Zero => y.fill(0.0),
                Start::Bias(bias) => {
                    y.chunks_exact_mut(outputs.max(1)).for_each(|row| row.copy_from_slice(bias));
                }
                Start::Values(values) => y.copy_from_slice(values),
            }
            let a = Runs { values: x, row: inputs, step: 1, run: inputs, jump: 0 };
            self.run_columns(batch.samples(), outputs, inputs, a, weights, y);
        }
        Ok(())
    }

    /// `dx = dy·Wᵀ`, each value one chain over the outputs from zero.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    #[allow(clippy::too_many_arguments)]
    pub fn dense_input_gradient(
        self,
        batch: Batch,
        inputs: usize,
        outputs: usize,
        weights: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("weights", inputs.saturating_mul(outputs), weights.len())?;
        ShapeError::check("output gradient", batch.len(outputs), dy.len())?;
        ShapeError::check("input gradient", batch.len(inputs), dx.len())?;
        if batch.width() == LANES {
            let a = Spread { values: weights, row: outputs, step: 1 };
            self.run_panels(inputs, outputs, a, Start::Zero, dy, dx);
        } else {
            self.run_row_input_gradient(inputs, outputs, weights, dy, dx);
        }
        Ok(())
    }

    /// `dW += xᵀ·dy`, each value one chain over the samples, continued from what `dw` holds.
    ///
    /// `dy_rows` is row-major `[sample][output]` (see [`to_rows`](Self::to_rows)).
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    #[allow(clippy::too_many_arguments)]
    pub fn dense_weight_gradient(
        self,
        batch: Batch,
        inputs: usize,
        outputs: usize,
        x: &[f32],
        dy_rows: &[f32],
        dw: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("input", batch.len(inputs), x.len())?;
        ShapeError::check(
            "output gradient rows",
            batch.samples().saturating_mul(outputs),
            dy_rows.len(),
        )?;
        ShapeError::check("weight gradient", inputs.saturating_mul(outputs), dw.len())?;
        let samples = batch.samples();
        let a = if batch.width() == LANES {
            Runs { values: x, row: LANES, step: 1, run: LANES, jump: inputs * LANES }
        } else {
            Runs { values: x, row: 1, step: inputs, run: samples, jump: 0 }
        };
        self.run_columns(inputs, outputs, samples, a, dy_rows, dw);
        Ok(())
    }

    /// `db += Σ dy`, in the order of the rows, continued from what `db` holds.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn bias_gradient(
        self,
        rows: usize,
        outputs: usize,
        dy_rows: &[f32],
        db: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("output gradient rows", rows.saturating_mul(outputs), dy_rows.len())?;
        ShapeError::check("bias gradient", outputs, db.len())?;
        self.run_bias_gradient(outputs, dy_rows, db);
        Ok(())
    }

    /// Copies panels into row-major form. Features are read as `[channel][position]` and written as
    /// rows `[sample][position][channel]`; for a dense layer `positions` is 1.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn to_rows(
        self,
        batch: Batch,
        channels: usize,
        positions: usize,
        panels: &[f32],
        rows: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("panels", batch.len(channels.saturating_mul(positions)), panels.len())?;
        ShapeError::check(
            "rows",
            batch.samples().saturating_mul(channels).saturating_mul(positions),
            rows.len(),
        )?;
        self.run_to_rows(batch, channels, positions, panels, rows);
        Ok(())
    }

    /// Copies row-major samples `[sample][feature]` into panels; spare lanes become 0.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn to_panels(
        self,
        batch: Batch,
        features: usize,
        rows: &[f32],
        panels: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("rows", batch.samples().saturating_mul(features), rows.len())?;
        ShapeError::check("panels", batch.len(features), panels.len())?;
        self.run_to_panels(batch, features, rows, panels);
        Ok(())
    }

    /// 2-d convolution: weights `[taps][output channels]`, one chain over the taps (input channel,
    /// kernel row, kernel column) per output value. `start` is `Zero` or a bias per output channel.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn conv2d_forward(
        self,
        batch: Batch,
        conv: &Conv2d,
        weights: &[f32],
        bias: Option<&[f32]>,
        x: &[f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("weights", conv.taps().saturating_mul(conv.channels), weights.len())?;
        if let Some(bias) = bias {
            ShapeError::check("bias", conv.channels, bias.len())?;
        }
        ShapeError::check("input", batch.len(conv.input_len()), x.len())?;
        ShapeError::check("output", batch.len(conv.output_len()), y.len())?;
        self.run_conv2d_forward(batch, conv, weights, bias, x, y);
        Ok(())
    }

    /// Gradient of a convolution by its input: each value one chain over (output channel, kernel
    /// row, kernel column) from zero.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn conv2d_input_gradient(
        self,
        batch: Batch,
        conv: &Conv2d,
        weights: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("weights", conv.taps().saturating_mul(conv.channels), weights.len())?;
        ShapeError::check("output gradient", batch.len(conv.output_len()), dy.len())?;
        ShapeError::check("input gradient", batch.len(conv.input_len()), dx.len())?;
        self.run_conv2d_input_gradient(batch, conv, weights, dy, dx);
        Ok(())
    }

    /// Gradient of a convolution by its weights: each value one chain over (sample, output row,
    /// output column), continued from what `dw` holds. `dy_rows` is `[sample][position][channel]`
    /// (see [`to_rows`](Self::to_rows)).
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn conv2d_weight_gradient(
        self,
        batch: Batch,
        conv: &Conv2d,
        x: &[f32],
        dy_rows: &[f32],
        dw: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("input", batch.len(conv.input_len()), x.len())?;
        ShapeError::check(
            "output gradient rows",
            batch.samples().saturating_mul(conv.output_len()),
            dy_rows.len(),
        )?;
        ShapeError::check("weight gradient", conv.taps().saturating_mul(conv.channels), dw.len())?;
        self.run_conv2d_weight_gradient(batch, conv, x, dy_rows, dw);
        Ok(())
    }

    /// Largest value of each window.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn max_pool(
        self,
        batch: Batch,
        pool: &Pool2d,
        x: &[f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("input", batch.len(pool.input_len()), x.len())?;
        ShapeError::check("output", batch.len(pool.output_len()), y.len())?;
        self.run_max_pool(batch, pool, x, y);
        Ok(())
    }

    /// Mean of each window: the sum in rising order times 1/size.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn average_pool(
        self,
        batch: Batch,
        pool: &Pool2d,
        x: &[f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("input", batch.len(pool.input_len()), x.len())?;
        ShapeError::check("output", batch.len(pool.output_len()), y.len())?;
        self.run_average_pool(batch, pool, x, y);
        Ok(())
    }

    /// Gradient of [`max_pool`](Self::max_pool): goes to the first largest value of each window.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn max_pool_gradient(
        self,
        batch: Batch,
        pool: &Pool2d,
        x: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("input", batch.len(pool.input_len()), x.len())?;
        ShapeError::check("output gradient", batch.len(pool.output_len()), dy.len())?;
        ShapeError::check("input gradient", batch.len(pool.input_len()), dx.len())?;
        self.run_max_pool_gradient(batch, pool, x, dy, dx);
        Ok(())
    }

    /// Gradient of [`average_pool`](Self::average_pool).
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn average_pool_gradient(
        self,
        batch: Batch,
        pool: &Pool2d,
        dy: &[f32],
        dx: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("output gradient", batch.len(pool.output_len()), dy.len())?;
        ShapeError::check("input gradient", batch.len(pool.input_len()), dx.len())?;
        self.run_average_pool_gradient(batch, pool, dy, dx);
        Ok(())
    }

    /// `y = x` where `x > 0`, else `+0`, in place.
    pub fn relu(self, values: &mut [f32]) {
        self.run_relu(values);
    }

    /// `dx = dy` where `y > 0`, else 0; y is the output of [`relu`](Self::relu).
    ///
    /// # Errors
    /// [`ShapeError`] when the lengths differ.
    pub fn relu_gradient(self, y: &[f32], dy: &[f32], dx: &mut [f32]) -> Result<(), ShapeError> {
        ShapeError::check("output gradient", y.len(), dy.len())?;
        ShapeError::check("input gradient", y.len(), dx.len())?;
        self.run_relu_gradient(y, dy, dx);
        Ok(())
    }

    /// e^x of every value, in place ([`num::exp`](crate::num::exp)).
    pub fn exp(self, values: &mut [f32]) {
        self.run_exp(values);
    }

    /// Hyperbolic tangent of every value, in place ([`num::tanh`](crate::num::tanh)).
    pub fn tanh(self, values: &mut [f32]) {
        self.run_tanh(values);
    }

    /// `dx = dy · (1 − y²)`; y is the output of [`tanh`](Self::tanh).
    ///
    /// # Errors
    /// [`ShapeError`] when the lengths differ.
    pub fn tanh_gradient(self, y: &[f32], dy: &[f32], dx: &mut [f32]) -> Result<(), ShapeError> {
        ShapeError::check("output gradient", y.len(), dy.len())?;
        ShapeError::check("input gradient", y.len(), dx.len())?;
        self.run_tanh_gradient(y, dy, dx);
        Ok(())
    }

    /// Softmax over the features of every sample, in place: `exp(z − max z)`, summed in rising
    /// order, then divided.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn softmax(
        self,
        batch: Batch,
        features: usize,
        values: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("logits", batch.len(features), values.len())?;
        self.run_softmax(batch, features, values);
        Ok(())
    }

    /// The feature with the largest value of every sample, the first of equals; `classes` is one
    /// index per sample. A NaN is never the largest, unless it comes first.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn argmax(
        self,
        batch: Batch,
        features: usize,
        values: &[f32],
        classes: &mut [u32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("logits", batch.len(features), values.len())?;
        ShapeError::check("classes", batch.samples(), classes.len())?;
        self.run_argmax(batch, features, values, classes);
        Ok(())
    }

    /// `out = w · (1 + scale · d)`, element by element: MaskWorld's product.
    ///
    /// # Errors
    /// [`ShapeError`] when the lengths differ.
    pub fn mask(self, w: &[f32], d: &[f32], scale: f32, out: &mut [f32]) -> Result<(), ShapeError> {
        ShapeError::check("mask", w.len(), d.len())?;
        ShapeError::check("masked weights", w.len(), out.len())?;
        self.run_mask(w, d, scale, out);
        Ok(())
    }

    /// One Adam step: `m`, `v` and the parameters in place, element by element, unfused.
    ///
    /// # Errors
    /// [`ShapeError`] when the lengths differ.
    pub fn adam(
        self,
        step: &AdamStep,
        gradient: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        parameters: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("gradient", parameters.len(), gradient.len())?;
        ShapeError::check("first moment", parameters.len(), m.len())?;
        ShapeError::check("second moment", parameters.len(), v.len())?;
        self.run_adam(step, gradient, m, v, parameters);
        Ok(())
    }
}

fn check_start(start: Start<'_>, outputs: usize, len: usize) -> Result<(), ShapeError> {
    match start {
        Start::Zero => Ok(()),
        Start::Bias(bias) => ShapeError::check("bias", outputs, bias.len()),
        Start::Values(values) => ShapeError::check("values to continue", len, values.len()),
    }
}
