//! What becomes of the sums of a panel's outputs: themselves, or 8-bit numbers.

// Counted loops over lanes become vector instructions.
#![allow(clippy::needless_range_loop)]

use super::OutputI8;
use core::array;

/// Outputs in a panel.
pub(super) const LANES: usize = 16;

/// What is done with finished sums.
pub(super) trait Finish {
    type Output;
    /// What it takes for the rows of a panel.
    type Ready: Copy + Default;
    fn ready(&self, first: usize) -> Self::Ready;
    fn finish<R: Round>(
        round: R,
        ready: &Self::Ready,
        sums: &[i32; LANES],
        to: &mut [Self::Output],
    );
}

/// Sums as they are.
pub(super) struct Sums;

impl Finish for Sums {
    type Output = i32;
    type Ready = ();

    #[inline(always)]
    fn ready(&self, _: usize) {}

    #[inline(always)]
    fn finish<R: Round>(_: R, &(): &(), sums: &[i32; LANES], to: &mut [i32]) {
        match to.first_chunk_mut::<LANES>() {
            Some(to) => *to = *sums,
            None => to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = sum),
        }
    }
}

/// The factors of a panel's rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Factors {
    pub(super) multipliers: [i32; LANES],
    pub(super) left: [u32; LANES],
    pub(super) right: [u32; LANES],
    /// What a shift to the right drops, and half of it.
    pub(super) mask: [i32; LANES],
    pub(super) half: [i32; LANES],
    pub(super) zero: i32,
    pub(super) low: i32,
    pub(super) high: i32,
}

impl Finish for OutputI8<'_> {
    type Output = i8;
    type Ready = Factors;

    #[inline(always)]
    fn ready(&self, first: usize) -> Factors {
        let shifts: [_; LANES] = array::from_fn(|lane| self.factor(first + lane).shifts());
        let mask = shifts.map(|(_, right)| 1u32.wrapping_shl(right).wrapping_sub(1) as i32);
        Factors {
            multipliers: array::from_fn(|lane| self.factor(first + lane).multiplier),
            left: shifts.map(|(left, _)| left),
            right: shifts.map(|(_, right)| right),
            mask,
            half: mask.map(|mask| mask >> 1),
            zero: self.zero.into(),
            low: self.low.into(),
            high: self.high.into(),
        }
    }

    #[inline(always)]
    fn finish<R: Round>(round: R, ready: &Factors, sums: &[i32; LANES], to: &mut [i8]) {
        let values = round.bytes(ready, sums);
        match to.first_chunk_mut::<LANES>() {
            Some(to) => *to = values,
            None => to.iter_mut().zip(values).for_each(|(to, value)| *to = value),
        }
    }
}

/// The way of an instruction set from sums to bytes.
pub(super) trait Round: Copy {
    /// [`Requantize::apply`](super::Requantize::apply) in all lanes.
    #[inline(always)]
    fn bytes(self, factors: &Factors, sums: &[i32; LANES]) -> [i8; LANES] {
        let mut values = [0i8; LANES];
        for lane in 0..LANES {
            let sum = sums[lane].wrapping_shl(factors.left[lane]);
            let product = i64::from(sum) * i64::from(factors.multipliers[lane]);
            // The low half is the same for a shift without sign, which more processors have.
            let high = (product.wrapping_add(1 << 30) as u64 >> 31) as i32;
            let up = high & factors.mask[lane] > factors.half[lane] + i32::from(high < 0);
            let value = high.wrapping_shr(factors.right[lane]) + i32::from(up);
            values[lane] =
                value.wrapping_add(factors.zero).max(factors.low).min(factors.high) as i8;
        }
        values
    }
}

/// Plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Round for Plain {}
