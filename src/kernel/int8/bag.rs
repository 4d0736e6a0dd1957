//! Products of sparse rows: every sample walks through its own few inputs, outputs in the lanes.

use super::OutputI8;
use super::finish::{Finish, LANES, Plain};
use crate::error::ShapeError;
use crate::kernel::{Bag, Kernel};

/// Sparse samples of 8-bit numbers, as in a bag of words. What a row does not name has the value 0: its number
/// is the zero point.
#[derive(Clone, Copy, Debug)]
pub struct BagI8<'a> {
    /// The columns of every sample; values in f32 are not looked at.
    pub rows: Bag<'a>,
    /// A number for every entry of the rows, in their order; entries beyond its end do not count.
    pub values: &'a [i8],
}

impl<'a> BagI8<'a> {
    /// At most `count` samples from `first` on.
    pub fn part(&self, first: usize, count: usize) -> Self {
        Self { rows: self.rows.part(first, count), ..*self }
    }

    fn row(&self, sample: usize) -> (&'a [u32], &'a [i8]) {
        let (columns, _) = self.rows.row(sample);
        (columns, self.values.get(self.rows.entries(sample)).unwrap_or_default())
    }
}

/// What the sums of a sparse layer begin with.
#[derive(Clone, Copy, Debug)]
pub enum StartI8<'a> {
    /// A number for each output.
    Bias(&'a [i32]),
    /// A number for each output of each sample, `[sample][output]`: sums over other inputs, bias included.
    Values(&'a [i32]),
}

/// A layer over sparse rows: `start[j] + Σₖ (x[k] − zero) · w[k][j]`, sums modulo 2³².
#[derive(Clone, Copy, Debug)]
pub struct SparseI8<'a> {
    /// Outputs of the layer.
    pub outputs: usize,
    /// Weights, `inputs × outputs`: those of an input lie side by side, unlike a [`DenseI8`](super::DenseI8)'s.
    pub weights: &'a [i8],
    /// What the sums begin with, in units of the input's scale times the row's.
    pub start: StartI8<'a>,
    /// Zero point of the inputs.
    pub zero: i8,
}

impl SparseI8<'_> {
    fn check(&self, bag: &BagI8<'_>, y: usize) -> Result<(), ShapeError> {
        let weights = bag.rows.inputs().saturating_mul(self.outputs);
        ShapeError::check("weights", weights, self.weights.len())?;
        let sums = bag.rows.samples().saturating_mul(self.outputs);
        match self.start {
            StartI8::Bias(bias) => ShapeError::check("bias", self.outputs, bias.len())?,
            StartI8::Values(values) => ShapeError::check("starting values", sums, values.len())?,
        }
        ShapeError::check("output", sums, y)
    }
}

impl Kernel {
    /// The layer's sums for every sample of a bag, `[sample][output]`.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn sparse_i8_sums(
        self,
        bag: BagI8<'_>,
        layer: SparseI8<'_>,
        sums: &mut [i32],
    ) -> Result<(), ShapeError> {
        layer.check(&bag, sums.len())?;
        self.run_sparse_i8_sums(&bag, &layer, sums);
        Ok(())
    }

    /// The layer's outputs for every sample of a bag, `[sample][output]`.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of another length than its shape.
    pub fn sparse_i8(
        self,
        bag: BagI8<'_>,
        layer: SparseI8<'_>,
        output: OutputI8<'_>,
        y: &mut [i8],
    ) -> Result<(), ShapeError> {
        layer.check(&bag, y.len())?;
        output.check(layer.outputs)?;
        self.run_sparse_i8(&bag, &layer, &output, y);
        Ok(())
    }
}

/// The layer over all samples.
#[inline(always)]
pub(super) fn sparse<F: Finish>(
    bag: &BagI8<'_>,
    layer: &SparseI8<'_>,
    finish: &F,
    y: &mut [F::Output],
) {
    let (outputs, zero) = (layer.outputs, i32::from(layer.zero));
    for first in (0..outputs).step_by(LANES) {
        let ready = finish.ready(first);
        let lanes = LANES.min(outputs - first);
        for sample in 0..bag.rows.samples() {
            let at = sample * outputs + first;
            let start = match layer.start {
                StartI8::Bias(bias) => bias.get(first..),
                StartI8::Values(values) => values.get(at..),
            };
            let mut sums = [0i32; LANES];
            let own = start.unwrap_or_default().iter().take(lanes);
            sums.iter_mut().zip(own).for_each(|(to, &from)| *to = from);
            let (columns, values) = bag.row(sample);
            for (&column, &value) in columns.iter().zip(values) {
                let value = i32::from(value) - zero;
                let weights = layer.weights.get(column as usize * outputs + first..);
                let weights = weights.unwrap_or_default();
                // Of fewer outputs than lanes the last lanes take the next input's weights: they are not kept.
                match weights.first_chunk::<LANES>() {
                    Some(weights) => add(&mut sums, value, weights),
                    None => add(&mut sums, value, weights),
                }
            }
            if let Some(to) = y.get_mut(at..at + lanes) {
                F::finish(Plain, &ready, &sums, to);
            }
        }
    }
}

#[inline(always)]
fn add(sums: &mut [i32; LANES], value: i32, weights: &[i8]) {
    for (sum, &weight) in sums.iter_mut().zip(weights) {
        *sum = sum.wrapping_add(value * i32::from(weight));
    }
}
