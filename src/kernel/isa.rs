//! What an instruction set offers to the kernels: a vector, its fused multiply-add, tile sizes.
//!
//! The algorithms are written once, generic over [`Isa`] and always inlined, so that each wrapper in
//! `dispatch` compiles them with the instructions of its own set. A value of an `Isa` type is a
//! token: whoever holds one runs on a processor that has the instructions.

// Loops over M and V are counted, so that they unroll and a tile stays in registers.
#![allow(clippy::needless_range_loop)]

use core::mem::MaybeUninit;

use crate::num;

/// An operand of the chains of a tile: what belongs to row or vector i of it begins `offset(i)` beyond
/// `at`, and `step` further in every step.
#[derive(Clone, Copy)]
pub(super) struct Operand<F> {
    pub(super) at: *const f32,
    pub(super) step: usize,
    pub(super) offset: F,
}

/// An instruction set. Methods are safe to call because a value of the type proves its presence.
///
/// # Safety
/// `Vector` is exactly [`WIDTH`](Self::WIDTH) values of f32 without padding, for which every bit
/// pattern is valid.
pub(super) unsafe trait Isa: Copy {
    /// The widest vector of f32.
    type Vector: Copy;
    /// Working memory on the stack for copies of operands.
    type Scratch: AsMut<[MaybeUninit<f32>]>;
    /// Values in a vector.
    const WIDTH: usize;
    /// Most rows of a tile whose width is a panel or half of one.
    const ROWS: usize;
    /// Whether operands are copied and loops turned for the sake of a cache. Copies take the working
    /// memory of `x86` and `neon`.
    const CACHED: bool = true;
    /// Whether tiles have either one row or four, so that programs stay small.
    const SMALL: bool = false;

    /// `value` in every lane.
    fn splat(self, value: f32) -> Self::Vector;

    /// The `WIDTH` values at `from`, which need not be aligned.
    ///
    /// # Safety
    /// `from` points to `WIDTH` values that may be read.
    unsafe fn load(self, from: *const f32) -> Self::Vector;

    /// Writes the `WIDTH` values of `vector` to `to`, which need not be aligned.
    ///
    /// # Safety
    /// `to` points to `WIDTH` values that may be written.
    unsafe fn store(self, to: *mut f32, vector: Self::Vector);

    /// `a·b + c` in every lane, rounded once.
    fn fma(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// Continues the chains of a tile by `depth` steps, k rising: the factor of row m is the value of
    /// `a`, vector v is that of `b`.
    ///
    /// # Safety
    /// In each of the steps, `a` leads to a value that may be read for every row, and `b` to `WIDTH`
    /// such values for every vector.
    #[inline(always)]
    unsafe fn chains<const M: usize, const V: usize>(
        self,
        sums: &mut [[Self::Vector; V]; M],
        depth: usize,
        a: Operand<impl Fn(usize) -> usize>,
        b: Operand<impl Fn(usize) -> usize>,
    ) {
        // A copy, which stays in registers.
        let mut tile = *sums;
        let (mut a_at, mut b_at) = (a.at, b.at);
        for _ in 0..depth {
            // SAFETY: readable in every step, by the contract.
            let vector = |v| unsafe { self.load(b_at.add((b.offset)(v))) };
            // SAFETY: as above.
            let factor = |m| self.splat(unsafe { *a_at.add((a.offset)(m)) });
            // What there is less of is held in registers, the other is read as it is needed.
            if M >= V {
                let mut vectors = [self.splat(0.0); V];
                for v in 0..V {
                    vectors[v] = vector(v);
                }
                for m in 0..M {
                    let factor = factor(m);
                    for v in 0..V {
                        tile[m][v] = self.fma(factor, vectors[v], tile[m][v]);
                    }
                }
            } else {
                let mut factors = [self.splat(0.0); M];
                for m in 0..M {
                    factors[m] = factor(m);
                }
                for v in 0..V {
                    let vector = vector(v);
                    for m in 0..M {
                        tile[m][v] = self.fma(factors[m], vector, tile[m][v]);
                    }
                }
            }
            a_at = a_at.wrapping_add(a.step);
            b_at = b_at.wrapping_add(b.step);
        }
        *sums = tile;
    }

    /// Square root of one value, correctly rounded.
    fn sqrt(self, value: f32) -> f32;

    /// [`num::relu`] in every lane.
    fn relu(self, values: Self::Vector) -> Self::Vector;

    /// Transposes a block of 8 × 8 values: `to[to_row·j + i] = from[from_row·i + j]`.
    ///
    /// # Safety
    /// `from` points to 8 rows of 8 values that may be read, `from_row` apart; `to` to as many that
    /// may be written, `to_row` apart.
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: value j of row i, and value i of row j, by the contract.
                unsafe { *to.add(to_row * j + i) = *from.add(from_row * i + j) };
            }
        }
    }

    /// Fresh working memory.
    fn scratch(self) -> Self::Scratch;
}

/// Plain Rust: four lanes, the fused multiply-add by way of f64.
#[derive(Clone, Copy)]
pub(super) struct Portable;

// SAFETY: an array of four f32 is four f32 without padding.
unsafe impl Isa for Portable {
    type Vector = [f32; 4];
    type Scratch = [MaybeUninit<f32>; 64];
    const WIDTH: usize = 4;
    const ROWS: usize = 1;

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 4] {
        // SAFETY: the caller vouches for four readable values; an unaligned read needs no more.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: [f32; 4]) {
        // SAFETY: the caller vouches for four writable values; an unaligned write needs no more.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(vector) }
    }

    /// The fast path of [`num::fma`] in all lanes, then one test for all of them: the product is
    /// exact in f64, so rounding the f64 sum to f32 is right unless the sum lies half way between
    /// two f32, or is below their normal range without being zero.
    #[inline(always)]
    fn fma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        if num::SOFT_FLOAT {
            return core::array::from_fn(|lane| num::fma(a[lane], b[lane], c[lane]));
        }
        let mut rounded = [0.0; 4];
        let mut doubtful = false;
        for lane in 0..4 {
            let sum = f64::from(a[lane]) * f64::from(b[lane]) + f64::from(c[lane]);
            let size = f64::from_bits(sum.to_bits() & !(1 << 63));
            doubtful |= sum.to_bits() as u32 & 0x1fff_ffff == 0x1000_0000;
            doubtful |= (size < f64::from(f32::MIN_POSITIVE)) & (size != 0.0);
            rounded[lane] = sum as f32;
        }
        if doubtful { exact(a, b, c) } else { rounded }
    }

    #[inline(always)]
    fn sqrt(self, value: f32) -> f32 {
        num::sqrt(value)
    }

    #[inline(always)]
    fn relu(self, values: [f32; 4]) -> [f32; 4] {
        let mut result = [0.0; 4];
        for lane in 0..4 {
            result[lane] = num::relu(values[lane]);
        }
        result
    }

    #[inline(always)]
    fn scratch(self) -> Self::Scratch {
        [MaybeUninit::uninit(); 64]
    }
}

#[cold]
#[inline(never)]
fn exact(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
    core::array::from_fn(|lane| num::fma(a[lane], b[lane], c[lane]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An addend and a product that misses half of the addend's last place by less than f64 can
    /// tell: rounding to f64 gives the halfway point, rounding that to f32 may go the wrong way. For
    /// normal and for subnormal addends, in each of the lanes.
    #[test]
    fn four_lanes_round_once_where_f64_would_round_twice() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u32
        };
        let mut twice = [0, 0];
        for round in 0..4000 {
            let (lane, subnormal) = (round % 4, round / 4 % 2);
            // Half of the last place is 2^-24 beside 1, and 2^-150 beside any subnormal number.
            let (addend, exponent) = [(127 << 23, -12), (0, -75)][subnormal];
            let mut c = f32::from_bits(addend | 0x0040_0000 | next() & 0x003f_ffff);
            // (1 + i·ε)·(1 − i·ε) = 1 − i²·ε².
            let offset = (next() % 8 + 1) as f32 * f32::EPSILON;
            let scale = 2.0f32.powi(exponent);
            let (mut a, b) = (scale * (1.0 + offset), scale * (1.0 - offset));
            if next() % 2 == 0 {
                a = -a;
            }
            if next() % 2 == 0 {
                c = -c;
            }
            let mut operands = [[1.0; 4]; 3];
            for (operand, value) in operands.iter_mut().zip([a, b, c]) {
                operand[lane] = value;
            }
            let got = Portable.fma(operands[0], operands[1], operands[2]);
            for (at, got) in got.into_iter().enumerate() {
                let want = if at == lane { a.mul_add(b, c) } else { 2.0 };
                assert_eq!(got.to_bits(), want.to_bits(), "{a:e} · {b:e} + {c:e}, lane {at}");
            }
            let sum = f64::from(a) * f64::from(b) + f64::from(c);
            twice[subnormal] += u32::from((sum as f32).to_bits() != got[lane].to_bits());
        }
        assert!(twice.iter().all(|&count| count > 100), "{twice:?} cases in which it matters");
    }
}
