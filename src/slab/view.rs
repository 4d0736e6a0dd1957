//! Matrices as views: a slice and its shape, checked once.

use crate::error::ShapeError;

/// A row-major matrix that somebody else owns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
}

impl<'a> Mat<'a> {
    /// A view of `data` as rows × cols.
    ///
    /// # Errors
    /// [`ShapeError`] when `data.len() != rows · cols`.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Result<Self, ShapeError> {
        ShapeError::check("matrix", rows.saturating_mul(cols), data.len())?;
        Ok(Self { data, rows, cols })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, row by row.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Row `index`; empty when there is no such row.
    pub fn row(&self, index: usize) -> &'a [f32] {
        let start = index.saturating_mul(self.cols);
        self.data.get(start..start.saturating_add(self.cols)).unwrap_or(&[])
    }

    /// The entry at (row, col), if there is one.
    pub fn get(&self, row: usize, col: usize) -> Option<f32> {
        if col < self.cols { self.row(row).get(col).copied() } else { None }
    }

    /// The same values as a nalgebra view, for decompositions (no copy; nalgebra's columns are this
    /// view's rows, so the view is the transpose: cols × rows).
    pub fn transposed_nalgebra(
        &self,
    ) -> nalgebra::MatrixView<'a, f32, nalgebra::Dyn, nalgebra::Dyn> {
        nalgebra::MatrixView::from_slice_generic(
            self.data,
            nalgebra::Dyn(self.cols),
            nalgebra::Dyn(self.rows),
        )
    }
}

/// A row-major matrix that somebody else owns, writable.
#[derive(Debug, PartialEq)]
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
}

impl<'a> MatMut<'a> {
    /// A writable view of `data` as rows × cols.
    ///
    /// # Errors
    /// [`ShapeError`] when `data.len() != rows · cols`.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Result<Self, ShapeError> {
        ShapeError::check("matrix", rows.saturating_mul(cols), data.len())?;
        Ok(Self { data, rows, cols })
    }

    /// For callers in this room that have just cut `data` to size.
    pub(super) fn from_parts(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, row by row.
    pub fn data(&self) -> &[f32] {
        self.data
    }

    /// All values, row by row, writable.
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.data
    }

    /// Row `index`, writable; empty when there is no such row.
    pub fn row_mut(&mut self, index: usize) -> &mut [f32] {
        let start = index.saturating_mul(self.cols);
        self.data.get_mut(start..start.saturating_add(self.cols)).unwrap_or(&mut [])
    }

    /// A read-only view.
    pub fn view(&self) -> Mat<'_> {
        Mat { data: self.data, rows: self.rows, cols: self.cols }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mat = Mat::new(&data, 2, 3).unwrap();
        assert_eq!(mat.row(1), &[4.0, 5.0, 6.0]);
        assert_eq!(mat.row(2), &[] as &[f32]);
        assert_eq!(mat.get(1, 2), Some(6.0));
        assert_eq!(mat.get(0, 3), None);
        assert_eq!(Mat::new(&data, 2, 2).unwrap_err().expected, 4);
        assert!(Mat::new(&data, usize::MAX, 2).is_err());
    }

    #[test]
    fn nalgebra_sees_the_transpose() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mat = Mat::new(&data, 2, 3).unwrap();
        let view = mat.transposed_nalgebra();
        assert_eq!(view.shape(), (3, 2));
        assert_eq!(view[(2, 1)], 6.0);
    }
}
