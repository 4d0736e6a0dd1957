//! Owners of slabs. The only place outside `kernel` where a size is a type parameter.

use super::arena::Arena;
#[cfg(feature = "alloc")]
use super::arena::Need;
#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};

/// `F` values and `I` indices inline; fits a `static`, since `new` is `const`.
///
/// Take the sizes from a `need()`: `Fixed::<{ NEED.f32s }, { NEED.u32s }>::new()`.
#[derive(Debug)]
pub struct Fixed<const F: usize, const I: usize> {
    f32s: [f32; F],
    u32s: [u32; I],
}

impl<const F: usize, const I: usize> Fixed<F, I> {
    /// A slab of zeros.
    pub const fn new() -> Self {
        Self { f32s: [0.0; F], u32s: [0; I] }
    }

    /// An arena over the whole slab.
    pub fn arena(&mut self) -> Arena<'_> {
        Arena::new(&mut self.f32s, &mut self.u32s)
    }
}

impl<const F: usize, const I: usize> Default for Fixed<F, I> {
    fn default() -> Self {
        Self::new()
    }
}

/// A slab on the heap, for sizes that are known at run time only.
///
/// Its values begin on a line of the cache: kernels that read much and compute little are up to 10 %
/// slower on vectors that straddle lines.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct Heap {
    /// The slab and, before and behind it, what it takes to begin on a line.
    f32s: Vec<f32>,
    first: usize,
    u32s: Vec<u32>,
}

/// Values in a line of the cache.
#[cfg(feature = "alloc")]
const LINE: usize = 16;

#[cfg(feature = "alloc")]
impl Heap {
    /// A slab of zeros of the given size.
    pub fn new(need: Need) -> Self {
        let f32s = vec![0.0f32; need.f32s.saturating_add(LINE)];
        // An offset that cannot be told is as good as none.
        let first = f32s.as_ptr().align_offset(4 * LINE).min(LINE);
        Self { f32s, first, u32s: vec![0; need.u32s] }
    }

    /// An arena over the whole slab.
    pub fn arena(&mut self) -> Arena<'_> {
        let end = self.first + self.f32s.len() - LINE;
        let f32s = self.f32s.get_mut(self.first..end).unwrap_or_default();
        Arena::new(f32s, &mut self.u32s)
    }

    /// Bytes that the slab holds.
    pub fn bytes(&self) -> usize {
        4 * (self.f32s.len() - LINE + self.u32s.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_hand_out_what_was_asked_for() {
        let mut fixed = Fixed::<4, 2>::new();
        assert_eq!(fixed.arena().left().f32s, 4);
        #[cfg(feature = "alloc")]
        {
            let mut heap = Heap::new(Need { f32s: 3, u32s: 1 });
            let values = heap.arena().take(3).unwrap().as_ptr();
            assert_eq!(values.align_offset(4 * LINE), 0);
            assert_eq!(heap.arena().left(), Need { f32s: 3, u32s: 1 });
            assert_eq!(heap.bytes(), 16);
        }
    }
}
