//! The two networks, one for rows and one for columns.

use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES, Start};
use crate::num;
use crate::rng::{Purpose, Rng};
use core::ops::Range;

/// Rows (outputs of the layer, which carry U) or columns (inputs, which carry V).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Outputs of the layer.
    Rows,
    /// Inputs of the layer.
    Columns,
}

/// The sizes of a policy with shared networks: `features → hidden (tanh) → rank`, one network for
/// all rows and one for all columns. The output is the mean of a Gaussian before tanh; one
/// log-std is shared by all rows, one by all columns.
///
/// Parameters lie in one slice: W₁ (features × hidden), b₁, W₂ (hidden × rank), b₂ of the rows, the
/// same of the columns, then the log-std of rows and of columns. Their number does not depend on
/// the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeuronPolicy {
    /// Features of a row.
    pub row_features: usize,
    /// Features of a column.
    pub column_features: usize,
    /// Hidden units of each network.
    pub hidden: usize,
    /// Rank of the action.
    pub rank: usize,
}

/// Where one network's parameters lie.
pub(super) struct Layout {
    pub(super) features: usize,
    pub(super) w1: Range<usize>,
    pub(super) b1: Range<usize>,
    pub(super) w2: Range<usize>,
    pub(super) b2: Range<usize>,
}

impl NeuronPolicy {
    /// Number of parameters.
    pub const fn parameters(&self) -> usize {
        self.network(self.row_features) + self.network(self.column_features) + 2
    }

    const fn network(&self, features: usize) -> usize {
        (features + 1) * self.hidden + (self.hidden + 1) * self.rank
    }

    /// Working memory of [`means`](Self::means): hidden units and outputs of one panel.
    pub const fn scratch(&self) -> usize {
        (self.hidden + self.rank) * LANES
    }

    pub(super) const fn features(&self, side: Side) -> usize {
        match side {
            Side::Rows => self.row_features,
            Side::Columns => self.column_features,
        }
    }

    pub(super) const fn layout(&self, side: Side) -> Layout {
        let (features, start) = match side {
            Side::Rows => (self.row_features, 0),
            Side::Columns => (self.column_features, self.network(self.row_features)),
        };
        let b1 = start + features * self.hidden;
        let w2 = b1 + self.hidden;
        let b2 = w2 + self.hidden * self.rank;
        Layout { features, w1: start..b1, b1: b1..w2, w2: w2..b2, b2: b2..b2 + self.rank }
    }

    pub(super) const fn log_std(&self, side: Side) -> usize {
        match side {
            Side::Rows => self.parameters() - 2,
            Side::Columns => self.parameters() - 1,
        }
    }

    /// Draws the parameters: weights from N(0, 1/fan-in), those of the output times .3, biases 0,
    /// both log-stds as given.
    ///
    /// # Errors
    /// [`ShapeError`] when `parameters` is not [`parameters`](Self::parameters) long.
    pub fn initialise(
        &self,
        log_std: f32,
        seed: u64,
        parameters: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("policy parameters", self.parameters(), parameters.len())?;
        let mut rng = Rng::new(seed, Purpose::Policy);
        parameters.fill(0.0);
        for side in [Side::Rows, Side::Columns] {
            let layout = self.layout(side);
            let mut draw = |range: Range<usize>, deviation: f32| {
                for value in parameters.get_mut(range).unwrap_or_default() {
                    *value = deviation * rng.normal();
                }
            };
            draw(layout.w1, 1.0 / num::sqrt(layout.features.max(1) as f32));
            draw(layout.w2, 0.3 / num::sqrt(self.hidden.max(1) as f32));
            if let Some(value) = parameters.get_mut(self.log_std(side)) {
                *value = log_std;
            }
        }
        Ok(())
    }

    /// Means of the Gaussian before tanh for `count` rows or columns, `means[neuron · rank + q]`.
    ///
    /// `features` lie in panels of [`LANES`] (`[panel][feature][lane]`); `scratch` is of length
    /// [`scratch`](Self::scratch).
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length.
    #[allow(clippy::too_many_arguments)]
    pub fn means(
        &self,
        kernel: Kernel,
        parameters: &[f32],
        side: Side,
        count: usize,
        features: &[f32],
        scratch: &mut [f32],
        means: &mut [f32],
    ) -> Result<(), ShapeError> {
        let batch = Batch::lanes(count);
        ShapeError::check("policy parameters", self.parameters(), parameters.len())?;
        ShapeError::check("features", batch.len(self.features(side)), features.len())?;
        ShapeError::check("means", count * self.rank, means.len())?;
        ShapeError::check("scratch", self.scratch(), scratch.len())?;
        let short = ShapeError { what: "scratch", expected: self.scratch(), found: scratch.len() };
        let (hidden, output) = scratch.split_at_mut_checked(self.hidden * LANES).ok_or(short)?;
        let panel_len = self.features(side) * LANES;
        for index in 0..batch.panels() {
            let panel = batch.panel(index);
            let features = features.get(index * panel_len..(index + 1) * panel_len);
            let features = features.unwrap_or_default();
            self.panel(kernel, parameters, side, panel, features, hidden, output)?;
            let rows = index * LANES * self.rank;
            let means = means.get_mut(rows..rows + panel.samples() * self.rank).unwrap_or_default();
            kernel.to_rows(panel, self.rank, 1, output, means)?;
        }
        Ok(())
    }

    /// One panel: hidden units after tanh and means, both in panel form.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn panel(
        &self,
        kernel: Kernel,
        parameters: &[f32],
        side: Side,
        batch: Batch,
        features: &[f32],
        hidden: &mut [f32],
        output: &mut [f32],
    ) -> Result<(), ShapeError> {
        let layout = self.layout(side);
        let of = |range: Range<usize>| parameters.get(range).unwrap_or_default();
        let start = Start::Bias(of(layout.b1));
        let (w1, w2) = (of(layout.w1), of(layout.w2));
        kernel.dense_forward(batch, layout.features, self.hidden, w1, start, features, hidden)?;
        kernel.tanh(hidden);
        let start = Start::Bias(of(layout.b2));
        kernel.dense_forward(batch, self.hidden, self.rank, w2, start, hidden, output)
    }

    /// Makes an action of the pre-tanh values of all rows and all columns: U factor by factor, then V
    /// column by column, as worlds take it.
    ///
    /// # Errors
    /// [`ShapeError`] when the action is not as long as both.
    pub fn squash(
        &self,
        rows: &[f32],
        columns: &[f32],
        action: &mut [f32],
    ) -> Result<(), ShapeError> {
        ShapeError::check("action", rows.len() + columns.len(), action.len())?;
        let rank = self.rank.max(1);
        let count = rows.len() / rank;
        let (u, v) = action.split_at_mut(rows.len());
        for (index, &value) in rows.iter().enumerate() {
            let (row, factor) = (index / rank, index % rank);
            if let Some(to) = u.get_mut(factor * count + row) {
                *to = num::tanh(value);
            }
        }
        for (to, &value) in v.iter_mut().zip(columns) {
            *to = num::tanh(value);
        }
        Ok(())
    }
}
