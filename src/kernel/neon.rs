//! aarch64: NEON, which every processor of that architecture has.

use core::arch::aarch64::{
    float32x4_t, vandq_u32, vcgtq_f32, vdup_n_f32, vdupq_n_f32, vfmaq_f32, vget_lane_f32,
    vld1q_f32, vreinterpretq_f32_u32, vreinterpretq_u32_f32, vsqrt_f32, vst1q_f32, vzip1q_f32,
    vzip2q_f32,
};
use core::mem::MaybeUninit;

use super::isa::Isa;

/// Values of the working memory: eight images of 28 × 28, or 128 steps of a strip of columns.
const SCRATCH: usize = 6272;

/// Exists where the target has NEON, so that having one proves nothing new.
#[derive(Clone, Copy)]
pub(super) struct Neon;

// SAFETY: `float32x4_t` is four f32 without padding.
unsafe impl Isa for Neon {
    type Vector = float32x4_t;
    type Scratch = [MaybeUninit<f32>; SCRATCH];
    const WIDTH: usize = 4;
    // Of 32 registers, 24 hold a tile of 3 × 8 or 6 × 4.
    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, value: f32) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the target has NEON; the caller vouches for four readable values.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: float32x4_t) {
        // SAFETY: the target has NEON; the caller vouches for four writable values.
        unsafe { vst1q_f32(to, vector) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON. The instruction adds to its first operand.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn sqrt(self, value: f32) -> f32 {
        // SAFETY: the target has NEON.
        unsafe { vget_lane_f32::<0>(vsqrt_f32(vdup_n_f32(value))) }
    }

    /// By comparison: the maximum of this instruction set would keep a NaN.
    #[inline(always)]
    fn relu(self, values: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON. All bits are kept where the value is above zero, else none.
        unsafe {
            let above = vcgtq_f32(values, vdupq_n_f32(0.0));
            vreinterpretq_f32_u32(vandq_u32(above, vreinterpretq_u32_f32(values)))
        }
    }

    /// Four blocks of 4 × 4, each in two rounds: rows 0 and 2 (1 and 3) alternate, then those pairs.
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for (i, j) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
            // SAFETY: the target has NEON; the caller vouches for the rows, and each access is four
            // values of one of them.
            unsafe {
                let row = |r: usize| vld1q_f32(from.add(from_row * (i + r) + j));
                let rows = [row(0), row(1), row(2), row(3)];
                let even = [vzip1q_f32(rows[0], rows[2]), vzip2q_f32(rows[0], rows[2])];
                let odd = [vzip1q_f32(rows[1], rows[3]), vzip2q_f32(rows[1], rows[3])];
                let to = to.add(to_row * j + i);
                vst1q_f32(to, vzip1q_f32(even[0], odd[0]));
                vst1q_f32(to.add(to_row), vzip2q_f32(even[0], odd[0]));
                vst1q_f32(to.add(to_row * 2), vzip1q_f32(even[1], odd[1]));
                vst1q_f32(to.add(to_row * 3), vzip2q_f32(even[1], odd[1]));
            }
        }
    }

    #[inline(always)]
    fn scratch(self) -> Self::Scratch {
        [MaybeUninit::uninit(); SCRATCH]
    }
}
