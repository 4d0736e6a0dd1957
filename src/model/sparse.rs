//! The first layer of a network over sparse samples, and its changes of low rank.

use super::ForwardError;
use super::panels::panels_of;
use crate::error::ShapeError;
use crate::kernel::{Bag, Batch, Kernel, LowRank, Start};
use crate::nn::{Kind, Layer};
use core::ops::Range;

/// The first layer of a network over sparse samples.
pub(super) struct FirstLayer {
    pub(super) outputs: usize,
    weights: Range<usize>,
    bias: Option<Range<usize>>,
}

impl FirstLayer {
    pub(super) fn of(layer: &Layer) -> Result<Self, ForwardError> {
        match layer.kind() {
            Kind::Dense { outputs, .. } => Ok(Self {
                outputs: *outputs,
                weights: layer.weight_range(),
                bias: layer.bias_range(),
            }),
            _ => Err(ForwardError::Failed("the first layer does not take sparse samples")),
        }
    }

    /// Its output for panel `panel` of the samples, whose rows are `bag`.
    pub(super) fn run(
        &self,
        kernel: Kernel,
        bag: Bag<'_>,
        fixed: Option<&[f32]>,
        panel: usize,
        parameters: &[f32],
        output: &mut [f32],
    ) -> Result<(), ShapeError> {
        let part = |range: &Range<usize>| parameters.get(range.clone()).unwrap_or_default();
        let batch = Batch::lanes(bag.samples());
        let start = match (fixed, &self.bias) {
            (Some(fixed), _) => Start::Values(panels_of(fixed, self.outputs, panel, batch)),
            (None, Some(bias)) => Start::Bias(part(bias)),
            (None, None) => Start::Zero,
        };
        let output = output.get_mut(..batch.len(self.outputs));
        let output = output.unwrap_or_default();
        kernel.sparse_forward(bag, self.outputs, part(&self.weights), start, output)
    }
}

/// As [`Kernel::low_rank_forward`], for sparse samples.
pub(super) fn sparse_low_rank(
    kernel: Kernel,
    bag: Bag<'_>,
    change: LowRank<'_>,
    relu: bool,
    before: &[f32],
    thin: &mut [f32],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    let LowRank { rank, outputs, v, u, .. } = change;
    kernel.sparse_forward(bag, rank, v, Start::Zero, thin)?;
    let batch = Batch::lanes(bag.samples());
    kernel.dense_forward(batch, rank, outputs, u, Start::Values(before), thin, y)?;
    if relu {
        kernel.relu(y);
    }
    Ok(())
}
