//! What scored samples show of the columns of a sparse layer, for policies that act on each alike.

use super::World;
use super::neuron::{put, rmsn, std1};
use crate::env::EnvError;
use crate::error::{ShapeError, TooSmall};
use crate::kernel::{Bag, Batch};
use crate::num;
use crate::ppo::Context;
use crate::slab::{Arena, Need};

/// Features of a column: see [`Columns`].
pub const COLUMN_FEATURES: usize = 7;

/// What [`Columns`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct ColumnRequest<'r> {
    /// The samples, over the columns of the layer.
    pub bag: Bag<'r>,
    /// Class of each sample, 1 toxic.
    pub labels: &'r [u8],
    /// Groups that each sample names, one bit each; 0 for none.
    pub members: &'r [u64],
    /// Probability of class 1 of each sample, before any edit.
    pub scores: &'r [f32],
    /// Samples with a probability of at least this are called toxic.
    pub threshold: f32,
    /// Weights of the layer, inputs × outputs.
    pub weights: &'r [f32],
    /// Outputs of the layer.
    pub outputs: usize,
}

/// Seven features of every column of a layer whose outputs all are evidence of class 1, from scored
/// samples. With means over samples, x a column's input, w the mean of its weights, "named" for samples
/// that name a group, and `rmsn`, `std1` as for [`FeatureSet`](super::FeatureSet):
///
/// | | |
/// | --- | --- |
/// | 1 | rmsn of x over named − x over unnamed, not toxic |
/// | 2 | rmsn of x over toxic − x over not toxic |
/// | 3 | rmsn of w |
/// | 4 | std1 of ln(1 + samples that have it) |
/// | 5 | rmsn of x·w over false positives − x·w over true negatives |
/// | 6 | rmsn of x over named − x over unnamed, toxic |
/// | 7 | rmsn of p (1 − p) x·w over not toxic − the same over toxic |
///
/// Rows have one feature, 1: every row is given the same number.
#[derive(Debug)]
pub struct Columns<'a> {
    rows: usize,
    columns: usize,
    features: &'a mut [f32],
}

/// Sums over kinds of samples that the features are made of.
const SUMS: usize = 8;

impl<'a> Columns<'a> {
    /// Memory for a layer of `columns` inputs.
    pub const fn need(columns: usize) -> Need {
        Need::f32s(Batch::lanes(columns).len(COLUMN_FEATURES) + (SUMS + 2) * columns)
    }

    /// Takes the features.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice that does not fit, [`TooSmall`] when the arena holds less than
    /// [`need`](Self::need).
    pub fn new(request: &ColumnRequest<'_>, arena: &mut Arena<'a>) -> Result<Self, ColumnError> {
        let ColumnRequest { bag, labels, members, scores, threshold, weights, outputs } = *request;
        let (columns, samples) = (bag.inputs(), bag.samples());
        ShapeError::check("labels", samples, labels.len())?;
        ShapeError::check("members", samples, members.len())?;
        ShapeError::check("scores", samples, scores.len())?;
        ShapeError::check("weights", columns.saturating_mul(outputs), weights.len())?;
        let features = arena.take(Batch::lanes(columns).len(COLUMN_FEATURES))?;
        let sums = arena.take(SUMS * columns)?;
        let (weight, values) = (arena.take(columns)?, arena.take(columns)?);
        for (to, row) in weight.iter_mut().zip(weights.chunks(outputs.max(1))) {
            *to = num::mean(row);
        }
        // Sums of x by toxic × named (0 to 3), over false positives and true negatives (4, 5), and of
        // p (1 − p) x by class (6, 7).
        let mut counts = [0u32; 4];
        let (mut false_positives, mut true_negatives) = (0u32, 0u32);
        for (((sample, &label), &named), &p) in (0..).zip(labels).zip(members).zip(scores) {
            let toxic = usize::from(label != 0);
            let cell = 2 * toxic + usize::from(named != 0);
            let positive = p >= threshold;
            if let Some(count) = counts.get_mut(cell) {
                *count += 1;
            }
            false_positives += u32::from(toxic == 0 && positive);
            true_negatives += u32::from(toxic == 0 && !positive);
            let (row, inputs) = bag.row(sample);
            for (&column, &x) in row.iter().zip(inputs) {
                let mut add = |sum: usize, value: f32| {
                    if let Some(to) = sums.get_mut(sum * columns + column as usize) {
                        *to += value;
                    }
                };
                add(cell, x);
                if toxic == 0 {
                    add(if positive { 4 } else { 5 }, x);
                }
                add(6 + toxic, p * (1.0 - p) * x);
            }
        }
        let sum = |which: usize, column: usize| {
            sums.get(which * columns + column).copied().unwrap_or(0.0)
        };
        let mean = |value: f32, count: u32| if count == 0 { 0.0 } else { value / count as f32 };
        let count = |cell: usize| counts.get(cell).copied().unwrap_or(0);
        let toxic = count(2) + count(3);
        let calm = count(0) + count(1);
        for feature in 0..COLUMN_FEATURES {
            for (column, to) in values.iter_mut().enumerate() {
                let w = weight.get(column).copied().unwrap_or(0.0);
                let of = |which: usize| sum(which, column);
                *to = match feature {
                    0 => mean(of(1), count(1)) - mean(of(0), count(0)),
                    1 => mean(of(2) + of(3), toxic) - mean(of(0) + of(1), calm),
                    2 => w,
                    3 => 0.0,
                    4 => w * (mean(of(4), false_positives) - mean(of(5), true_negatives)),
                    5 => mean(of(3), count(3)) - mean(of(2), count(2)),
                    _ => w * (mean(of(6), calm) - mean(of(7), toxic)),
                };
            }
            if feature == 3 {
                for sample in 0..samples {
                    for &column in bag.row(sample).0 {
                        if let Some(to) = values.get_mut(column as usize) {
                            *to += 1.0;
                        }
                    }
                }
                values.iter_mut().for_each(|value| *value = num::ln(1.0 + *value));
                std1(values);
            } else {
                rmsn(values);
            }
            put(features, COLUMN_FEATURES, feature, values);
        }
        Ok(Self { rows: outputs, columns, features })
    }

    /// Outputs of the layer.
    pub fn outputs(&self) -> usize {
        self.rows
    }

    /// Inputs of the layer.
    pub fn inputs(&self) -> usize {
        self.columns
    }

    /// The features, in panels.
    pub fn features(&self) -> &[f32] {
        self.features
    }
}

/// Why features could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnError {
    /// A slice does not fit.
    Shape(ShapeError),
    /// The arena is too small.
    TooSmall(TooSmall),
}

impl core::fmt::Display for ColumnError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Shape(error) => error.fmt(f),
            Self::TooSmall(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ColumnError {}

impl From<ShapeError> for ColumnError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl From<TooSmall> for ColumnError {
    fn from(error: TooSmall) -> Self {
        Self::TooSmall(error)
    }
}

/// A [`World`] of one step with the [`Columns`] of the same layer: what a policy is trained on.
#[derive(Debug)]
pub struct ColumnContext<'a> {
    /// The world that pays.
    pub world: World<'a>,
    /// What is known of its layer.
    pub columns: Columns<'a>,
}

impl Context for ColumnContext<'_> {
    fn rows(&self) -> usize {
        self.columns.rows
    }

    fn columns(&self) -> usize {
        self.columns.columns
    }

    fn column_features(&self) -> &[f32] {
        self.columns.features
    }

    fn row_features(&mut self, _: &[f32], features: &mut [f32]) -> Result<(), EnvError> {
        features.fill(1.0);
        Ok(())
    }

    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        self.world.evaluate(action)
    }
}
