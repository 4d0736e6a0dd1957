//! Sparse samples.

use crate::error::ShapeError;
use core::ops::Range;

/// Samples that have few of many features: sparse rows, as in a bag of words.
///
/// Row i holds `columns[offsets[i]..offsets[i + 1]]` and the values beside them. Products run through a
/// row in its order.
#[derive(Clone, Copy, Debug)]
pub struct Bag<'a> {
    inputs: usize,
    offsets: &'a [u32],
    columns: &'a [u32],
    values: &'a [f32],
}

impl<'a> Bag<'a> {
    /// `offsets.len() − 1` samples of `inputs` features.
    ///
    /// # Errors
    /// [`ShapeError`]: `columns` and `values` differ in length, an offset falls or is not inside them,
    /// or a column is not below `inputs`.
    pub fn new(
        inputs: usize,
        offsets: &'a [u32],
        columns: &'a [u32],
        values: &'a [f32],
    ) -> Result<Self, ShapeError> {
        ShapeError::check("values of sparse rows", columns.len(), values.len())?;
        let mut before = 0;
        for &offset in offsets {
            let what = "offset of a sparse row";
            if offset < before || offset as usize > columns.len() {
                return Err(ShapeError { what, expected: columns.len(), found: offset as usize });
            }
            before = offset;
        }
        match columns.iter().find(|&&column| column as usize >= inputs) {
            Some(&column) => Err(ShapeError {
                what: "column of a sparse row",
                expected: inputs,
                found: column as usize,
            }),
            None => Ok(Self { inputs, offsets, columns, values }),
        }
    }

    /// Features of a sample.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of samples.
    pub const fn samples(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Columns and values of one sample; empty outside the bag.
    #[inline]
    pub fn row(&self, sample: usize) -> (&'a [u32], &'a [f32]) {
        let range = self.entries(sample);
        let columns = self.columns.get(range.clone());
        (columns.unwrap_or_default(), self.values.get(range).unwrap_or_default())
    }

    /// Where the entries of one sample lie among all; nowhere outside the bag.
    #[inline]
    pub(super) fn entries(&self, sample: usize) -> Range<usize> {
        match (self.offsets.get(sample), self.offsets.get(sample.saturating_add(1))) {
            (Some(&first), Some(&end)) => first as usize..end as usize,
            _ => 0..0,
        }
    }

    /// Values of all entries, those of [`part`](Self::part)s of the bag included.
    pub(crate) const fn all_values(&self) -> &'a [f32] {
        self.values
    }

    /// At most `count` samples from `first` on as a bag of their own.
    pub fn part(&self, first: usize, count: usize) -> Self {
        let end = first.saturating_add(count).saturating_add(1).min(self.offsets.len());
        Self { offsets: self.offsets.get(first..end).unwrap_or_default(), ..*self }
    }
}
