//! Both instructions in plain Rust, so that every machine can test the algorithm for both.

use super::finish::{LANES, Round};
use super::tile::{self, Dot};
use core::mem::MaybeUninit;

/// Two inputs in a word, or four, as `I` says.
#[derive(Clone, Copy)]
pub(super) struct Emulated<const I: usize>;

impl<const I: usize> Round for Emulated<I> {}

impl<const I: usize> Dot for Emulated<I> {
    type Vector = [i32; LANES];
    const INPUTS: usize = I;
    const ROWS: usize = if I == 2 { 6 } else { 8 };
    const PANELS: usize = I / 2;

    fn load(self, words: &[i32; LANES]) -> [i32; LANES] {
        *words
    }

    fn splat(self, word: i32) -> [i32; LANES] {
        [word; LANES]
    }

    fn add(self, sums: [i32; LANES], x: [i32; LANES], w: [i32; LANES]) -> [i32; LANES] {
        core::array::from_fn(|lane| {
            let (x, w) = (x[lane], w[lane]);
            let product = |i: i32| match I {
                2 => (x << (16 - 16 * i) >> 16) * (w << (16 - 16 * i) >> 16),
                _ => (x >> (8 * i) & 0xff) * (w << (24 - 8 * i) >> 24),
            };
            (0..I as i32).fold(sums[lane], |sum, i| sum.wrapping_add(product(i)))
        })
    }

    fn store(self, sums: [i32; LANES], to: &mut [i32; LANES]) {
        *to = sums;
    }

    fn words(self, inputs: &[i8], zero: i8, to: &mut [MaybeUninit<i32>]) {
        match I {
            2 => tile::pairs(inputs, zero, to),
            _ => tile::quads(inputs, to),
        }
    }

    fn weights(weights: &[i8]) -> i32 {
        if I == 2 { tile::pair(weights) } else { tile::quad(weights) }
    }

    fn lacks(zero: i8) -> i32 {
        if I == 2 { 0 } else { -128 - i32::from(zero) }
    }
}
