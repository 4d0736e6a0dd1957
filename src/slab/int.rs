//! Slabs of integers, for networks of 8-bit numbers.

use crate::error::TooSmall;
#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};

/// How much memory of integers an algorithm needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntNeed {
    /// Number of `i8` values: weights, activations.
    pub i8s: usize,
    /// Number of `i32` values: biases, factors, sums.
    pub i32s: usize,
}

impl IntNeed {
    /// Both needs, at the same time.
    pub const fn and(self, other: Self) -> Self {
        Self { i8s: self.i8s + other.i8s, i32s: self.i32s + other.i32s }
    }

    /// Bytes of both.
    pub const fn bytes(self) -> usize {
        self.i8s + 4 * self.i32s
    }
}

/// Hands out disjoint pieces of two slabs of integers, front to back; as [`Arena`](super::Arena).
#[derive(Debug)]
pub struct IntArena<'a> {
    i8s: &'a mut [i8],
    i32s: &'a mut [i32],
}

impl<'a> IntArena<'a> {
    /// An arena over both slabs.
    pub fn new(i8s: &'a mut [i8], i32s: &'a mut [i32]) -> Self {
        Self { i8s, i32s }
    }

    /// The next `len` values of 8 bits, set to 0.
    ///
    /// # Errors
    /// [`TooSmall`] when fewer are left; nothing is taken then.
    pub fn take_i8(&mut self, len: usize) -> Result<&'a mut [i8], TooSmall> {
        take(&mut self.i8s, len)
    }

    /// The next `len` values of 32 bits, set to 0.
    ///
    /// # Errors
    /// [`TooSmall`] when fewer are left; nothing is taken then.
    pub fn take_i32(&mut self, len: usize) -> Result<&'a mut [i32], TooSmall> {
        take(&mut self.i32s, len)
    }

    /// What is still left.
    pub fn left(&self) -> IntNeed {
        IntNeed { i8s: self.i8s.len(), i32s: self.i32s.len() }
    }
}

fn take<'a, T: Copy + Default>(
    slab: &mut &'a mut [T],
    len: usize,
) -> Result<&'a mut [T], TooSmall> {
    let have = slab.len();
    if len > have {
        return Err(TooSmall { need: len, have });
    }
    let (piece, rest) = core::mem::take(slab).split_at_mut(len);
    *slab = rest;
    piece.fill(T::default());
    Ok(piece)
}

/// Two slabs of integers on the heap, for sizes that are known at run time only.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug)]
pub struct IntHeap {
    i8s: Vec<i8>,
    i32s: Vec<i32>,
}

#[cfg(feature = "alloc")]
impl IntHeap {
    /// Slabs of zeros of the given sizes.
    pub fn new(need: IntNeed) -> Self {
        Self { i8s: vec![0; need.i8s], i32s: vec![0; need.i32s] }
    }

    /// An arena over both slabs.
    pub fn arena(&mut self) -> IntArena<'_> {
        IntArena::new(&mut self.i8s, &mut self.i32s)
    }

    /// Bytes that both slabs hold.
    pub fn bytes(&self) -> usize {
        self.i8s.len() + 4 * self.i32s.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_disjoint_and_one_value_short_is_an_error() {
        let (mut bytes, mut words) = ([7; 5], [7; 2]);
        let mut arena = IntArena::new(&mut bytes, &mut words);
        let first = arena.take_i8(3).unwrap();
        first.fill(1);
        assert_eq!(arena.take_i8(3).unwrap_err(), TooSmall { need: 3, have: 2 });
        assert_eq!(arena.take_i8(2).unwrap(), &[0; 2]);
        assert_eq!(arena.take_i32(2).unwrap(), &[0; 2]);
        assert_eq!(arena.left(), IntNeed::default());
        assert!(arena.take_i32(1).is_err());
    }
}
