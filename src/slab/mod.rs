//! Who owns memory: views, the arena that carves them, and the three kinds of owner.
//!
//! What belongs here: how a slab of `f32` is measured ([`Need`]), cut up ([`Arena`]), looked at
//! ([`Mat`], [`MatMut`]) and owned ([`Fixed`], [`Heap`]), and the same for integers ([`IntNeed`], [`IntArena`]). What does not: any arithmetic.
//!
//! An algorithm exists once, on views carved from one slab that its caller gives. Its `need` is a
//! `const fn`, the only place where its sizes are computed; a slab that is one value short is
//! [`TooSmall`](crate::error::TooSmall), never a panic. An owner never stores a view: views are
//! carved anew in each call, which costs a few `split_at_mut`.

mod arena;
mod int;
mod own;
mod view;

pub use arena::{Arena, Need};
#[cfg(feature = "alloc")]
pub use int::IntHeap;
pub use int::{IntArena, IntNeed};
pub use own::Fixed;
#[cfg(feature = "alloc")]
pub use own::Heap;
pub use view::{Mat, MatMut};
