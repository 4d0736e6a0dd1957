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
    fn finish(ready: &Self::Ready, sums: &[i32; LANES], to: &mut [Self::Output]);
}

/// Sums as they are.
pub(super) struct Sums;

impl Finish for Sums {
    type Output = i32;
    type Ready = ();

    #[inline(always)]
    fn ready(&self, _: usize) {}

    #[inline(always)]
    fn finish(&(): &(), sums: &[i32; LANES], to: &mut [i32]) {
        match to.first_chunk_mut::<LANES>() {
            Some(to) => *to = *sums,
            None => to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = sum),
        }
    }
}

/// The factors of a panel's rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Factors {
    multipliers: [i32; LANES],
    left: [u32; LANES],
    right: [u32; LANES],
    /// What a shift to the right drops, and half of it.
    mask: [i32; LANES],
    half: [i32; LANES],
    zero: i32,
    low: i32,
    high: i32,
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

    /// [`Requantize::apply`](super::Requantize::apply) in all lanes.
    #[inline(always)]
    fn finish(ready: &Factors, sums: &[i32; LANES], to: &mut [i8]) {
        let mut values = [0i8; LANES];
        for lane in 0..LANES {
            let sum = sums[lane].wrapping_shl(ready.left[lane]);
            let product = i64::from(sum) * i64::from(ready.multipliers[lane]);
            // The low half is the same for a shift without sign, which more processors have.
            let high = (product.wrapping_add(1 << 30) as u64 >> 31) as i32;
            let up = high & ready.mask[lane] > ready.half[lane] + i32::from(high < 0);
            let value = high.wrapping_shr(ready.right[lane]) + i32::from(up);
            values[lane] = value.wrapping_add(ready.zero).max(ready.low).min(ready.high) as i8;
        }
        match to.first_chunk_mut::<LANES>() {
            Some(to) => *to = values,
            None => to.iter_mut().zip(values).for_each(|(to, value)| *to = value),
        }
    }
}
