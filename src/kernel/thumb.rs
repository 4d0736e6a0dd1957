//! Cortex-M with a single-precision floating-point unit: M4F, M7, M33 (`vfma.f32`).
//!
//! Stable Rust offers neither vectors nor a fused multiply-add there, so the loop over a chain is
//! assembly: its operands are pointers in core registers, the tile lies in s registers. Subnormal
//! numbers are kept, as in the state after a reset; a program that sets FPSCR.FZ gets other bits.

// Loops over M and V are counted, so that they unroll.
#![allow(clippy::needless_range_loop)]

use core::arch::asm;
use core::mem::MaybeUninit;

use super::isa::{Isa, Operand};
use crate::num;

/// Exists where the target has the unit, so that having one proves nothing new.
#[derive(Clone, Copy)]
pub(super) struct Thumb;

// SAFETY: an array of four f32 is four f32 without padding.
unsafe impl Isa for Thumb {
    type Vector = [f32; 4];
    type Scratch = [MaybeUninit<f32>; 16];
    const WIDTH: usize = 4;
    // Of 32 registers, 16 hold a tile, four a vector of B and four the factors.
    const ROWS: usize = 4;
    const CACHED: bool = false;
    const SMALL: bool = true;

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

    /// By way of memory: the loops that matter are [`chains`](Isa::chains).
    #[inline(always)]
    fn fma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        let mut sum = c;
        // SAFETY: the target has the unit; each pointer is that of an array of four values.
        unsafe {
            asm!(
                "vldmia {a}, {{s0-s3}}",
                "vldmia {b}, {{s4-s7}}",
                "vldmia {sum}, {{s8-s11}}",
                "vfma.f32 s8, s0, s4",
                "vfma.f32 s9, s1, s5",
                "vfma.f32 s10, s2, s6",
                "vfma.f32 s11, s3, s7",
                "vstmia {sum}, {{s8-s11}}",
                a = in(reg) a.as_ptr(), b = in(reg) b.as_ptr(), sum = in(reg) sum.as_mut_ptr(),
                out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _,
                out("s6") _, out("s7") _, out("s8") _, out("s9") _, out("s10") _, out("s11") _,
                options(nostack),
            );
        }
        sum
    }

    /// Blocks of up to four rows of one vector; of a single row, four vectors where they lie side by
    /// side.
    #[inline(always)]
    unsafe fn chains<const M: usize, const V: usize>(
        self,
        sums: &mut [[[f32; 4]; V]; M],
        depth: usize,
        a: Operand<impl Fn(usize) -> usize>,
        b: Operand<impl Fn(usize) -> usize>,
    ) {
        if depth == 0 {
            return;
        }
        let steps = Steps { depth, a: bytes(a.step), b: bytes(b.step) };
        let column = |v| b.at.wrapping_add((b.offset)(v));
        let wide = M == 1 && V >= 4 && (b.offset)(V - 1) == (b.offset)(0).wrapping_add(4 * V - 4);
        for m in (0..M).step_by(4) {
            let row = |i| a.at.wrapping_add((a.offset)(m + i));
            let height = if M - m < 4 { M - m } else { 4 };
            let beside = |i| (a.offset)(m + i) == (a.offset)(m).wrapping_add(i);
            let mut v = 0;
            while v < V {
                // SAFETY: the target has the unit. In every step there is a value of `a` for each row
                // and there are four of `b` for vector v, sixteen where four vectors lie side by
                // side. Sums lie as the loops take them: in the tile, where all vectors are those of
                // one row or each row has one, or else in `block`.
                unsafe {
                    let own = sums.as_mut_ptr().cast::<f32>().add(4 * (m * V + v));
                    if wide && V - v >= 4 {
                        one_row_of_four(own, steps, [row(0)], column(v));
                        v += 4;
                        continue;
                    }
                    let copied = M > 1 && V > 1;
                    let mut block = [[0.0; 4]; 4];
                    let tile = if copied { block.as_mut_ptr().cast() } else { own };
                    if copied {
                        for i in 0..height {
                            block[i] = sums[m + i][v];
                        }
                    }
                    let b = column(v);
                    match height {
                        1 => one_row(tile, steps, [row(0)], b),
                        2 if beside(1) => two_neighbours(tile, steps, [row(0)], b),
                        2 => two_rows(tile, steps, [row(0), row(1)], b),
                        3 if beside(1) && beside(2) => three_neighbours(tile, steps, [row(0)], b),
                        3 => three_rows(tile, steps, [row(0), row(1), row(2)], b),
                        _ if beside(1) && beside(2) && beside(3) => {
                            four_neighbours(tile, steps, [row(0)], b);
                        }
                        _ => four_rows(tile, steps, [row(0), row(1), row(2), row(3)], b),
                    }
                    if copied {
                        for i in 0..height {
                            sums[m + i][v] = block[i];
                        }
                    }
                }
                v += 1;
            }
        }
    }

    #[inline(always)]
    fn sqrt(self, value: f32) -> f32 {
        let root: u32;
        // SAFETY: the target has the unit.
        unsafe {
            asm!(
                "vmov s0, {value}",
                "vsqrt.f32 s0, s0",
                "vmov {root}, s0",
                value = in(reg) value.to_bits(), root = lateout(reg) root, out("s0") _,
                options(pure, nomem, nostack),
            );
        }
        f32::from_bits(root)
    }

    #[inline(always)]
    fn relu(self, values: [f32; 4]) -> [f32; 4] {
        let [a, b, c, d] = values;
        [num::relu(a), num::relu(b), num::relu(c), num::relu(d)]
    }

    #[inline(always)]
    fn scratch(self) -> Self::Scratch {
        [MaybeUninit::uninit(); 16]
    }
}

/// Bytes of so many values. The distance to a step that is not made may be anything.
#[inline(always)]
fn bytes(values: usize) -> usize {
    values.wrapping_mul(size_of::<f32>())
}

/// The steps of a loop: how many, at least one, and how many bytes each advances the operands.
#[derive(Clone, Copy)]
struct Steps {
    depth: usize,
    a: usize,
    b: usize,
}

/// The products of row m of a tile: its factor is in s4 + m, four values of B in s0 to s3, its sums
/// from s8 + 4·m on.
macro_rules! products {
    (0) => {
        "vfma.f32 s8, s4, s0\nvfma.f32 s9, s4, s1\nvfma.f32 s10, s4, s2\nvfma.f32 s11, s4, s3"
    };
    (1) => {
        "vfma.f32 s12, s5, s0\nvfma.f32 s13, s5, s1\nvfma.f32 s14, s5, s2\nvfma.f32 s15, s5, s3"
    };
    (2) => {
        "vfma.f32 s16, s6, s0\nvfma.f32 s17, s6, s1\nvfma.f32 s18, s6, s2\nvfma.f32 s19, s6, s3"
    };
    (3) => {
        "vfma.f32 s20, s7, s0\nvfma.f32 s21, s7, s1\nvfma.f32 s22, s7, s2\nvfma.f32 s23, s7, s3"
    };
}

/// A function that continues rows of four chains. In each step it reads the factors from its pointers,
/// which it advances, and four values of B. Not inlined, so that programs stay small.
///
/// # Safety (of the functions)
/// `sums` points to the tile, row by row; in every step each pointer of `a` and `b` leads to as many
/// values as are read.
macro_rules! rows {
    ($name:ident, [$($a:ident),+], $sums:literal, [$($read:literal),+], [$($row:tt)+],
        [$($clobber:tt)*]) => {
        #[inline(never)]
        unsafe fn $name(
            sums: *mut f32,
            steps: Steps,
            a: [*const f32; [$(stringify!($a)),+].len()],
            b: *const f32,
        ) {
            let [$($a),+] = a;
            // SAFETY: the target has the unit; the caller vouches for the operands.
            unsafe {
                asm!(
                    concat!("vldmia {sums}, {{", $sums, "}}"),
                    "2:",
                    "vldmia {b}, {{s0-s3}}",
                    "add {b}, {b}, {b_step}",
                    $($read,)+
                    "subs {depth}, {depth}, #1",
                    $(products!($row),)+
                    "bne 2b",
                    concat!("vstmia {sums}, {{", $sums, "}}"),
                    sums = in(reg) sums, depth = inout(reg) steps.depth => _,
                    $($a = inout(reg) $a => _,)+ a_step = in(reg) steps.a,
                    b = inout(reg) b => _, b_step = in(reg) steps.b,
                    out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _,
                    out("s6") _, out("s7") _, out("s8") _, out("s9") _, out("s10") _,
                    out("s11") _, $(out($clobber) _,)*
                    options(nostack),
                );
            }
        }
    };
}

rows!(one_row, [p], "s8-s11", ["vldr s4, [{p}]", "add {p}, {p}, {a_step}"], [0], []);
rows!(
    two_neighbours, [p], "s8-s15", ["vldmia {p}, {{s4-s5}}", "add {p}, {p}, {a_step}"], [0 1],
    ["s12" "s13" "s14" "s15"]
);
rows!(
    three_neighbours, [p], "s8-s19", ["vldmia {p}, {{s4-s6}}", "add {p}, {p}, {a_step}"], [0 1 2],
    ["s12" "s13" "s14" "s15" "s16" "s17" "s18" "s19"]
);
rows!(
    four_neighbours, [p], "s8-s23", ["vldmia {p}, {{s4-s7}}", "add {p}, {p}, {a_step}"], [0 1 2 3],
    ["s12" "s13" "s14" "s15" "s16" "s17" "s18" "s19" "s20" "s21" "s22" "s23"]
);
rows!(
    two_rows, [p, q], "s8-s15",
    ["vldr s4, [{p}]", "add {p}, {p}, {a_step}", "vldr s5, [{q}]", "add {q}, {q}, {a_step}"],
    [0 1], ["s12" "s13" "s14" "s15"]
);
rows!(
    three_rows, [p, q, r], "s8-s19",
    ["vldr s4, [{p}]", "add {p}, {p}, {a_step}", "vldr s5, [{q}]", "add {q}, {q}, {a_step}",
        "vldr s6, [{r}]", "add {r}, {r}, {a_step}"],
    [0 1 2], ["s12" "s13" "s14" "s15" "s16" "s17" "s18" "s19"]
);
rows!(
    four_rows, [p, q, r, s], "s8-s23",
    ["vldr s4, [{p}]", "add {p}, {p}, {a_step}", "vldr s5, [{q}]", "add {q}, {q}, {a_step}",
        "vldr s6, [{r}]", "add {r}, {r}, {a_step}", "vldr s7, [{s}]", "add {s}, {s}, {a_step}"],
    [0 1 2 3], ["s12" "s13" "s14" "s15" "s16" "s17" "s18" "s19" "s20" "s21" "s22" "s23"]
);

/// Sixteen chains of one row over sixteen neighbouring values of B, read eight at a time.
///
/// # Safety
/// As for the functions of [`rows`].
#[inline(never)]
unsafe fn one_row_of_four(sums: *mut f32, steps: Steps, [a]: [*const f32; 1], b: *const f32) {
    // SAFETY: the target has the unit; the caller vouches for the operands.
    unsafe {
        asm!(
            "vldmia {sums}, {{s0-s15}}",
            "2:",
            "vldr s24, [{a}]",
            "add {a}, {a}, {a_step}",
            "vldmia {b}!, {{s16-s23}}",
            "vfma.f32 s0, s24, s16", "vfma.f32 s1, s24, s17", "vfma.f32 s2, s24, s18",
            "vfma.f32 s3, s24, s19", "vfma.f32 s4, s24, s20", "vfma.f32 s5, s24, s21",
            "vfma.f32 s6, s24, s22", "vfma.f32 s7, s24, s23",
            "vldmia {b}, {{s16-s23}}",
            "add {b}, {b}, {b_step}",
            "subs {depth}, {depth}, #1",
            "vfma.f32 s8, s24, s16", "vfma.f32 s9, s24, s17", "vfma.f32 s10, s24, s18",
            "vfma.f32 s11, s24, s19", "vfma.f32 s12, s24, s20", "vfma.f32 s13, s24, s21",
            "vfma.f32 s14, s24, s22", "vfma.f32 s15, s24, s23",
            "bne 2b",
            "vstmia {sums}, {{s0-s15}}",
            sums = in(reg) sums, depth = inout(reg) steps.depth => _,
            a = inout(reg) a => _, a_step = in(reg) steps.a,
            // The first eight values of a step have advanced the pointer by 32 bytes.
            b = inout(reg) b => _, b_step = in(reg) steps.b.wrapping_sub(32),
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _,
            out("s6") _, out("s7") _, out("s8") _, out("s9") _, out("s10") _, out("s11") _,
            out("s12") _, out("s13") _, out("s14") _, out("s15") _, out("s16") _, out("s17") _,
            out("s18") _, out("s19") _, out("s20") _, out("s21") _, out("s22") _, out("s23") _,
            out("s24") _,
            options(nostack),
        );
    }
}
