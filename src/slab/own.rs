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
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct Heap {
    f32s: Vec<f32>,
    u32s: Vec<u32>,
}

#[cfg(feature = "alloc")]
impl Heap {
    /// A slab of zeros of the given size.
    pub fn new(need: Need) -> Self {
        Self { f32s: vec![0.0; need.f32s], u32s: vec![0; need.u32s] }
    }

    /// An arena over the whole slab.
    pub fn arena(&mut self) -> Arena<'_> {
        Arena::new(&mut self.f32s, &mut self.u32s)
    }

    /// Bytes that the slab holds.
    pub fn bytes(&self) -> usize {
        4 * (self.f32s.len() + self.u32s.len())
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
            assert!(heap.arena().take(3).is_ok());
            assert_eq!(heap.bytes(), 16);
        }
    }
}
