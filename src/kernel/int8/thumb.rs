//! Cortex-M with Arm's DSP instructions (M4, M7; M33 where it has them): SMLAD adds two products at a time.
//!
//! Two samples are extended to 16 bits and freed of their zero point once for all rows of weights (SXTAB16), weights
//! as they are met (SXTB16): four of them make two pairs, the even and the odd bytes. A tile is two rows of weights by
//! two samples, for which the 14 registers just suffice. SMLAD wraps around modulo 2³², as sums here do, and sets
//! the flag Q, which nothing reads.
//!
//! # Alignment
//!
//! Weights and inputs are read in words that may lie anywhere, which ARMv7-M's LDR allows unless a program sets
//! CCR.UNALIGN_TRP. Such a program has to be built with `-C target-feature=+strict-align` anyway, for what the
//! compiler emits; the build script then leaves this form out.

use super::{DenseI8, portable};
use core::arch::naked_asm;

/// Words of four inputs that are extended at a time: 512 bytes of stack.
const WORDS: usize = 32;
/// Rows of weights that share them where a sample has more inputs.
const ROWS: usize = 16;

/// Four inputs of two samples in 16 bits: of each sample the even ones, then the odd ones.
type Quad = [u32; 4];

/// Two samples, or a block of their inputs, and what is left behind the last whole word.
struct Extended {
    words: [Quad; WORDS],
    last: Quad,
}

/// Writes `finish(row, sum)` for every sample and row.
#[inline(always)]
pub(super) fn dense<T>(
    layer: &DenseI8<'_>,
    x: &[i8],
    y: &mut [T],
    finish: impl Fn(usize, i32) -> T,
) {
    let DenseI8 { inputs, outputs, weights, bias, zero, .. } = *layer;
    if inputs < 4 {
        return portable::dense(layer, x, y, finish);
    }
    let mut extended = Extended { words: [[0; 4]; WORDS], last: [0; 4] };
    for (pair, y) in y.chunks_mut((2 * outputs).max(1)).enumerate() {
        let x = x.get(2 * pair * inputs..).unwrap_or_default();
        let x = x.get(..2 * inputs).unwrap_or(x);
        let mut first = 0;
        while first < outputs {
            let rows = ROWS.min(outputs - first);
            let weights = weights.get(first * inputs..(first + rows) * inputs).unwrap_or_default();
            let mut sums = [[0; 2]; ROWS];
            products(x, weights, [inputs, rows], zero, first == 0, &mut extended, &mut sums);
            let bias = bias.get(first..).unwrap_or_default();
            for (sample, y) in y.chunks_mut(outputs).enumerate() {
                let y = y.get_mut(first..).unwrap_or_default();
                for (row, (y, (&bias, sums))) in
                    y.iter_mut().zip(bias.iter().zip(&sums)).enumerate()
                {
                    let sum = if sample == 0 { sums[0] } else { sums[1] };
                    *y = finish(first + row, bias.wrapping_add(sum));
                }
            }
            first += rows;
        }
    }
}

/// Adds the products of up to [`ROWS`] rows with one or two samples, which are `fresh` or extended already.
#[inline(never)]
fn products(
    x: &[i8],
    weights: &[i8],
    [inputs, rows]: [usize; 2],
    zero: i8,
    fresh: bool,
    extended: &mut Extended,
    sums: &mut [[i32; 2]; ROWS],
) {
    // Checked anew: everything below relies on it.
    if inputs < 4 || x.len() < inputs || weights.len() < rows * inputs || rows > ROWS {
        return;
    }
    let (words, left) = (inputs / 4, inputs % 4);
    // A sample or a row without a neighbour stands for both; the sums of the second are not read.
    let between = if x.len() < 2 * inputs { 0 } else { inputs };
    let less = u32::from(-i16::from(zero) as u16) * 0x1_0001;
    let mut add = |x: *const Quad, from: usize, count: usize| {
        for pair in 0..rows.div_ceil(2) {
            let between = if 2 * pair + 1 < rows { inputs } else { 0 };
            // SAFETY: `weights` holds row 2 · pair, and the one after it where `between` leads there; callers see to
            // `count` words from input `from` on and at `x`. There is room for the sums of an even number of rows.
            unsafe {
                let w = weights.as_ptr().add(2 * pair * inputs + from);
                tile(x, w.cast(), between, count, sums.as_mut_ptr().add(2 * pair).cast());
            }
        }
    };
    let mut first = 0;
    while first < words {
        let count = WORDS.min(words - first);
        if fresh || words > WORDS {
            // SAFETY: a sample, or two as far apart as they are long, have `count` words from there on, at least one,
            // and there is room for them.
            unsafe {
                let x = x.as_ptr().add(4 * first);
                extend(x.cast(), between, count, extended.words.as_mut_ptr(), less);
            }
        }
        add(extended.words.as_ptr(), 4 * first, count);
        first += count;
    }
    if left > 0 {
        if fresh {
            // SAFETY: a sample's last word ends where the sample does.
            unsafe {
                extend(x.as_ptr().add(inputs - 4).cast(), between, 1, &mut extended.last, less);
            }
            // Its first inputs are in the words before, and count nothing here.
            let even = if left < 2 { 0 } else { 0xffff_0000 };
            let odd = if left < 3 { 0xffff_0000 } else { 0xffff_ffff };
            let [a, b, c, d] = extended.last;
            extended.last = [a & even, b & odd, c & even, d & odd];
        }
        add(&extended.last, inputs - 4, 1);
    }
}

/// Extends `count` words of the sample at `x` and of the one `stride` bytes behind it, and adds `less` to both halves.
///
/// # Safety
/// `count` words can be read there, of any alignment, and written from `to` on; `count` is not 0.
#[unsafe(naked)]
unsafe extern "C" fn extend(x: *const u32, stride: usize, count: usize, to: *mut Quad, less: u32) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "ldr lr, [sp, #20]",
        "2:",
        "ldr r7, [r0, r1]",
        "ldr r5, [r0], #4",
        "sxtab16 r6, lr, r7",
        "sxtab16 r7, lr, r7, ror #8",
        "sxtab16 r4, lr, r5",
        "sxtab16 r5, lr, r5, ror #8",
        "stm r3!, {{r4-r7}}",
        "subs r2, r2, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// Adds the products of a row of weights and the one `stride` bytes behind it with both samples to the sums: of a row
/// with either sample, then of the other.
///
/// # Safety
/// `count` words can be read from `x` and from both rows on, those of the rows of any alignment; `count` is not 0.
#[unsafe(naked)]
unsafe extern "C" fn tile(
    x: *const Quad,
    weights: *const u32,
    stride: usize,
    count: usize,
    sums: *mut i32,
) {
    macro_rules! step {
        () => {
            "ldm r0!, {{r8-r11}}
            ldr r12, [r1, r2]
            sxtb16 lr, r12
            sxtb16 r12, r12, ror #8
            smlad r6, r8, lr, r6
            smlad r7, r10, lr, r7
            smlad r6, r9, r12, r6
            smlad r7, r11, r12, r7
            ldr r12, [r1], #4
            sxtb16 lr, r12
            sxtb16 r12, r12, ror #8
            smlad r4, r8, lr, r4
            smlad r5, r10, lr, r5
            smlad r4, r9, r12, r4
            smlad r5, r11, r12, r5"
        };
    }
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldr r12, [sp, #36]",
        "ldm r12, {{r4-r7}}",
        // Two steps a round; an odd one begins in its middle.
        "lsrs r3, r3, #1",
        "adc r3, r3, #0",
        "bcs 3f",
        "2:",
        step!(),
        "3:",
        step!(),
        "subs r3, r3, #1",
        "bne 2b",
        "ldr r12, [sp, #36]",
        "stm r12, {{r4-r7}}",
        "pop {{r4-r11, pc}}",
    )
}
