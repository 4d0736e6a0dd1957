//! What is no product, as the library sees it: every length is checked here, then the backend is
//! called.

use super::{AdamStep, Batch, Kernel, Pool2d};
use crate::error::ShapeError;

impl Kernel {
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

    /// `d = w · (1 + scale · d)`, element by element, in place: MaskWorld's product.
    ///
    /// # Errors
    /// [`ShapeError`] when the lengths differ.
    pub fn mask(self, w: &[f32], scale: f32, d: &mut [f32]) -> Result<(), ShapeError> {
        ShapeError::check("mask", w.len(), d.len())?;
        self.run_mask(w, scale, d);
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
