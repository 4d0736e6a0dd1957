//! The products as the library sees them: every length is checked here, then the backend is called.

use super::columns::Runs;
use super::tile::{Spread, copy};
use super::{Backend, Bag, Batch, Conv2d, Kernel, LANES, LowRank, Start};
use crate::error::ShapeError;

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
            self.dense_rows([batch.samples(), inputs, outputs], weights, start, x, y);
        }
        Ok(())
    }

    /// [`dense_forward`](Self::dense_forward) of samples in rows. Where there is little stack, panels need not pay for its.
    #[cfg_attr(target_os = "none", inline(never))]
    fn dense_rows(
        self,
        [samples, inputs, outputs]: [usize; 3],
        weights: &[f32],
        start: Start<'_>,
        x: &[f32],
        y: &mut [f32],
    ) {
        match start {
            Start::Values(before)
                if self.run_update_rows(samples, inputs, outputs, weights, before, x, y) =>
            {
                return;
            }
            Start::Values(values) => copy(y, values),
            Start::Zero => y.fill(0.0),
            Start::Bias(bias) => {
                y.chunks_exact_mut(outputs.max(1)).for_each(|row| copy(row, bias));
            }
        }
        let a = Runs { values: x, row: inputs, step: 1, run: inputs, jump: 0 };
        self.run_columns(samples, outputs, inputs, a, weights, y);
    }

    /// `y = start + x·W` for sparse samples: W is `inputs × outputs`, y `outputs` features in panels of
    /// [`LANES`]. A value of y is one chain over the sample's own inputs in their order.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn sparse_forward(
        self,
        bag: Bag<'_>,
        outputs: usize,
        weights: &[f32],
        start: Start<'_>,
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("weights", bag.inputs().saturating_mul(outputs), weights.len())?;
        ShapeError::check("output", Batch::lanes(bag.samples()).len(outputs), y.len())?;
        check_start(start, outputs, y.len())?;
        self.run_sparse(bag, outputs, weights, start, y);
        Ok(())
    }

    /// `y = before + (x·V)·U`, then ReLU where `relu` says so: a dense layer whose output `before` is
    /// known, changed by a matrix of low rank.
    ///
    /// x is `inputs` features, `before` and y are `outputs` features. `thin` is working memory of
    /// `rank` features; what it holds afterwards is not stated. A value of x·V is one chain over the
    /// inputs from zero, a value of y one over the rank, continued from `before`.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    #[allow(clippy::too_many_arguments)]
    pub fn low_rank_forward(
        self,
        batch: Batch,
        change: LowRank<'_>,
        relu: bool,
        before: &[f32],
        x: &[f32],
        thin: &mut [f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        let LowRank { inputs, rank, outputs, v, u } = change;
        ShapeError::check("V", inputs.saturating_mul(rank), v.len())?;
        ShapeError::check("U", rank.saturating_mul(outputs), u.len())?;
        ShapeError::check("output before the change", batch.len(outputs), before.len())?;
        ShapeError::check("input", batch.len(inputs), x.len())?;
        ShapeError::check("working memory", batch.len(rank), thin.len())?;
        ShapeError::check("output", batch.len(outputs), y.len())?;
        // Small machines have the products one by one, which a kernel of its own would only repeat.
        if batch.width() == LANES && self.backend() != Backend::Thumb {
            self.run_low_rank(change, relu, before, x, thin, y);
            return Ok(());
        }
        self.dense_forward(batch, inputs, rank, v, Start::Zero, x, thin)?;
        self.dense_forward(batch, rank, outputs, u, Start::Values(before), thin, y)?;
        if relu {
            self.relu(y);
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
}

fn check_start(start: Start<'_>, outputs: usize, len: usize) -> Result<(), ShapeError> {
    match start {
        Start::Zero => Ok(()),
        Start::Bias(bias) => ShapeError::check("bias", outputs, bias.len()),
        Start::Values(values) => ShapeError::check("values to continue", len, values.len()),
    }
}
