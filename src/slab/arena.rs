//! Cutting one slab into the pieces that an algorithm needs.

use super::view::MatMut;
use crate::error::TooSmall;

/// How much memory an algorithm needs: `f32`s for values, `u32`s for indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Number of `f32` values.
    pub f32s: usize,
    /// Number of `u32` values.
    pub u32s: usize,
}

impl Need {
    /// Values only.
    pub const fn f32s(f32s: usize) -> Self {
        Self { f32s, u32s: 0 }
    }

    /// Both needs, at the same time.
    pub const fn and(self, other: Self) -> Self {
        Self { f32s: self.f32s + other.f32s, u32s: self.u32s + other.u32s }
    }

    /// The larger of both, for needs that never exist at the same time.
    pub const fn or(self, other: Self) -> Self {
        Self {
            f32s: if self.f32s > other.f32s { self.f32s } else { other.f32s },
            u32s: if self.u32s > other.u32s { self.u32s } else { other.u32s },
        }
    }
}

/// Hands out disjoint pieces of a slab, front to back.
///
/// Pieces live as long as the slab (`'a`), not as long as the arena, so an algorithm can keep them
/// in its own fields.
#[derive(Debug)]
pub struct Arena<'a> {
    f32s: &'a mut [f32],
    u32s: &'a mut [u32],
}

impl<'a> Arena<'a> {
    /// An arena over both slabs.
    pub fn new(f32s: &'a mut [f32], u32s: &'a mut [u32]) -> Self {
        Self { f32s, u32s }
    }

    /// The next `len` values, set to 0.
    ///
    /// # Errors
    /// [`TooSmall`] when fewer are left; nothing is taken then.
    pub fn take(&mut self, len: usize) -> Result<&'a mut [f32], TooSmall> {
        let have = self.f32s.len();
        if len > have {
            return Err(TooSmall { need: len, have });
        }
        let (piece, rest) = core::mem::take(&mut self.f32s).split_at_mut(len);
        self.f32s = rest;
        piece.fill(0.0);
        Ok(piece)
    }

    /// The next `len` indices, set to 0.
    ///
    /// # Errors
    /// [`TooSmall`] when fewer are left; nothing is taken then.
    pub fn take_indices(&mut self, len: usize) -> Result<&'a mut [u32], TooSmall> {
        let have = self.u32s.len();
        if len > have {
            return Err(TooSmall { need: len, have });
        }
        let (piece, rest) = core::mem::take(&mut self.u32s).split_at_mut(len);
        self.u32s = rest;
        piece.fill(0);
        Ok(piece)
    }

    /// The next `rows · cols` values as a matrix of zeros.
    ///
    /// # Errors
    /// [`TooSmall`] when fewer are left.
    pub fn mat(&mut self, rows: usize, cols: usize) -> Result<MatMut<'a>, TooSmall> {
        let len = rows.saturating_mul(cols);
        Ok(MatMut::from_parts(self.take(len)?, rows, cols))
    }

    /// A temporary arena over what is left; its pieces come back when it is dropped.
    pub fn scratch(&mut self) -> Arena<'_> {
        Arena { f32s: self.f32s, u32s: self.u32s }
    }

    /// What is still left.
    pub fn left(&self) -> Need {
        Need { f32s: self.f32s.len(), u32s: self.u32s.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_disjoint_and_zeroed() {
        let mut slab = [7.0; 10];
        let mut indices = [7; 3];
        let mut arena = Arena::new(&mut slab, &mut indices);
        let first = arena.take(4).unwrap();
        let second = arena.mat(2, 3).unwrap();
        first.fill(1.0);
        assert!(second.data().iter().all(|&value| value == 0.0));
        assert_eq!(arena.take_indices(3).unwrap(), &[0; 3]);
        assert_eq!(arena.left(), Need { f32s: 0, u32s: 0 });
    }

    #[test]
    fn one_value_short_is_an_error_that_takes_nothing() {
        let mut slab = [0.0; 9];
        let mut arena = Arena::new(&mut slab, &mut []);
        assert_eq!(arena.take(10).unwrap_err(), TooSmall { need: 10, have: 9 });
        assert_eq!(arena.mat(usize::MAX, 2).unwrap_err().have, 9);
        assert_eq!(arena.take_indices(1).unwrap_err(), TooSmall { need: 1, have: 0 });
        assert!(arena.take(9).is_ok());
    }

    #[test]
    fn scratch_gives_its_pieces_back() {
        let mut slab = [0.0; 8];
        let mut arena = Arena::new(&mut slab, &mut []);
        arena.scratch().take(8).unwrap().fill(3.0);
        assert_eq!(arena.take(8).unwrap(), &[0.0; 8]);
    }
}
