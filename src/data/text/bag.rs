//! Sparse rows that own their memory.

use crate::error::ShapeError;
use crate::kernel::Bag;

/// Sparse rows, one per text; columns rise within a row.
#[derive(Clone, Debug, PartialEq)]
pub struct BagSet {
    offsets: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Default for BagSet {
    fn default() -> Self {
        Self::new()
    }
}

impl BagSet {
    /// No rows.
    pub fn new() -> Self {
        Self { offsets: vec![0], columns: Vec::new(), values: Vec::new() }
    }

    /// Adds a row; equal columns are added up. `row` is left empty.
    pub fn push(&mut self, row: &mut Vec<(u32, f32)>) {
        row.sort_by_key(|&(column, _)| column);
        let start = self.columns.len();
        for (column, value) in row.drain(..) {
            let own = self.columns.get(start..).unwrap_or_default();
            match (own.last() == Some(&column), self.values.last_mut()) {
                (true, Some(held)) => *held += value,
                _ => {
                    self.columns.push(column);
                    self.values.push(value);
                }
            }
        }
        self.offsets.push(self.columns.len() as u32);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Columns and values of a row; empty where there is none.
    pub fn row(&self, index: usize) -> (&[u32], &[f32]) {
        let bounds = (self.offsets.get(index), self.offsets.get(index + 1));
        let (Some(&first), Some(&end)) = bounds else { return Default::default() };
        let range = first as usize..end as usize;
        let columns = self.columns.get(range.clone());
        (columns.unwrap_or_default(), self.values.get(range).unwrap_or_default())
    }

    /// Where rows begin, and where the last one ends.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// Columns of all rows.
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// Values of all rows.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of values that are stored.
    pub fn nonzeros(&self) -> usize {
        self.columns.len()
    }

    /// The rows of these indices, in their order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut chosen = Self::new();
        for &index in indices {
            let (columns, values) = self.row(index);
            chosen.columns.extend_from_slice(columns);
            chosen.values.extend_from_slice(values);
            chosen.offsets.push(chosen.columns.len() as u32);
        }
        chosen
    }

    /// The rows of both, one after the other.
    pub fn joined(&self, other: &Self) -> Self {
        let mut all = self.clone();
        let start = all.columns.len() as u32;
        all.columns.extend_from_slice(&other.columns);
        all.values.extend_from_slice(&other.values);
        all.offsets.extend(other.offsets.iter().skip(1).map(|offset| start + offset));
        all
    }

    /// The rows with every column renamed, in a way that keeps their order; values of columns without a
    /// new name are left out.
    pub fn map_columns(&self, rename: impl Fn(u32) -> Option<u32>) -> Self {
        let mut renamed = Self::new();
        for index in 0..self.len() {
            let (columns, values) = self.row(index);
            for (&column, &value) in columns.iter().zip(values) {
                if let Some(column) = rename(column) {
                    renamed.columns.push(column);
                    renamed.values.push(value);
                }
            }
            renamed.offsets.push(renamed.columns.len() as u32);
        }
        renamed
    }

    /// The rows as kernels take them, over `inputs` columns.
    ///
    /// # Errors
    /// [`ShapeError`] when a column is not below `inputs`.
    pub fn view(&self, inputs: usize) -> Result<Bag<'_>, ShapeError> {
        Bag::new(inputs, &self.offsets, &self.columns, &self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::BagSet;

    #[test]
    fn rows_are_sorted_merged_selected_and_joined() {
        let mut set = BagSet::new();
        set.push(&mut vec![(4, 1.0), (1, 2.0), (4, 0.5)]);
        set.push(&mut vec![]);
        set.push(&mut vec![(4, 3.0)]);
        assert_eq!(set.row(0), (&[1, 4][..], &[2.0, 1.5][..]));
        assert_eq!((set.len(), set.nonzeros(), set.row(1).0.len()), (3, 3, 0));
        let chosen = set.select(&[2, 0]);
        assert_eq!((chosen.row(0), chosen.row(1)), (set.row(2), set.row(0)));
        let all = set.joined(&chosen);
        assert_eq!((all.len(), all.row(3), all.row(1)), (5, set.row(2), set.row(1)));
        let renamed = set.map_columns(|column| (column != 1).then(|| column - 4));
        assert_eq!((renamed.row(0), renamed.len()), ((&[0][..], &[1.5][..]), 3));
        assert!(set.view(5).is_ok() && set.view(4).is_err());
    }
}
