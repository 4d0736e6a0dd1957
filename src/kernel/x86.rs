//! x86-64: AVX2 with FMA, AVX-512F, and how to tell whether the processor has them.

use core::arch::x86_64::{
    __cpuid, __cpuid_count, __m256, __m512, _mm_cvtss_f32, _mm_set_ss, _mm_sqrt_ss,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_permute2f128_ps, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps, _xgetbv,
};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use super::isa::Isa;

/// Values of the working memory: eight images of 28 × 28, or 128 steps of a strip of columns.
const SCRATCH: usize = 6272;

/// Proof that the processor runs AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The token.
    ///
    /// # Safety
    /// The processor and the operating system support AVX2 and FMA.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: `__m256` is eight f32 without padding.
unsafe impl Isa for Avx2 {
    type Vector = __m256;
    type Scratch = [MaybeUninit<f32>; SCRATCH];
    const WIDTH: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: `self` proves AVX2, which includes AVX.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: `self` proves AVX; the caller vouches for eight readable values.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: __m256) {
        // SAFETY: `self` proves AVX; the caller vouches for eight writable values.
        unsafe { _mm256_storeu_ps(to, vector) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: `self` proves FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn sqrt(self, value: f32) -> f32 {
        sqrt(value)
    }

    #[inline(always)]
    fn relu(self, values: __m256) -> __m256 {
        // SAFETY: `self` proves the instruction set. Of two zeros, and of NaN and zero, the
        // instruction takes its second operand.
        unsafe { _mm256_max_ps(values, _mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: `self` proves AVX; the caller vouches for the rows.
        unsafe { transpose(from, from_row, to, to_row) }
    }

    #[inline(always)]
    fn scratch(self) -> Self::Scratch {
        [MaybeUninit::uninit(); SCRATCH]
    }
}

/// Proof that the processor runs AVX-512F (and with it AVX2 and FMA).
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// The token.
    ///
    /// # Safety
    /// The processor and the operating system support AVX-512F, AVX2 and FMA.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: `__m512` is sixteen f32 without padding.
unsafe impl Isa for Avx512 {
    type Vector = __m512;
    type Scratch = [MaybeUninit<f32>; SCRATCH];
    const WIDTH: usize = 16;
    const ROWS: usize = 12;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: `self` proves AVX-512F; the caller vouches for sixteen readable values.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: __m512) {
        // SAFETY: `self` proves AVX-512F; the caller vouches for sixteen writable values.
        unsafe { _mm512_storeu_ps(to, vector) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn sqrt(self, value: f32) -> f32 {
        sqrt(value)
    }

    #[inline(always)]
    fn relu(self, values: __m512) -> __m512 {
        // SAFETY: `self` proves the instruction set. Of two zeros, and of NaN and zero, the
        // instruction takes its second operand.
        unsafe { _mm512_max_ps(values, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: `self` proves AVX; the caller vouches for the rows.
        unsafe { transpose(from, from_row, to, to_row) }
    }

    #[inline(always)]
    fn scratch(self) -> Self::Scratch {
        [MaybeUninit::uninit(); SCRATCH]
    }
}

/// One lane of the hardware's square root; loops around it vectorise.
#[inline(always)]
fn sqrt(value: f32) -> f32 {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(value))) }
}

/// [`Isa::transpose`] in eight registers: pairs, then fours, then halves change places.
///
/// # Safety
/// The processor has AVX; the rows are those of [`Isa::transpose`].
#[inline(always)]
unsafe fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
    // SAFETY: AVX and the rows are the caller's promise; each access is eight values of one row.
    unsafe {
        let row = |i: usize| _mm256_loadu_ps(from.add(from_row * i));
        let rows = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
        // Values 0, 1, 4, 5 (low) and 2, 3, 6, 7 (high) of rows 2i and 2i + 1, alternating.
        let low = |i: usize| _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        let high = |i: usize| _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
        let pairs = [low(0), high(0), low(1), high(1), low(2), high(2), low(3), high(3)];
        // Value j of rows 0 … 3 (or 4 … 7) in the lower half, value j + 4 in the upper.
        let even = |i: usize| _mm256_shuffle_ps::<0b01_00_01_00>(pairs[i], pairs[i + 2]);
        let odd = |i: usize| _mm256_shuffle_ps::<0b11_10_11_10>(pairs[i], pairs[i + 2]);
        let upper = [even(0), odd(0), even(1), odd(1)];
        let lower = [even(4), odd(4), even(5), odd(5)];
        for j in 0..4 {
            let first = _mm256_permute2f128_ps::<0x20>(upper[j], lower[j]);
            _mm256_storeu_ps(to.add(to_row * j), first);
            let second = _mm256_permute2f128_ps::<0x31>(upper[j], lower[j]);
            _mm256_storeu_ps(to.add(to_row * (j + 4)), second);
        }
    }
}

/// What was found, so that CPUID (slow, and trapped by hypervisors) runs once.
static FOUND: AtomicU8 = AtomicU8::new(0);
const ASKED: u8 = 1;
const AVX2: u8 = 2;
const AVX512: u8 = 4;
const VNNI: u8 = 8;

/// True when the processor and the operating system support AVX2 and FMA.
pub(super) fn has_avx2() -> bool {
    found() & AVX2 != 0
}

/// True when they also support AVX-512F.
pub(super) fn has_avx512() -> bool {
    found() & AVX512 != 0
}

/// True when they also support AVX-512 VNNI.
pub(super) fn has_vnni() -> bool {
    found() & VNNI != 0
}

fn found() -> u8 {
    // Threads that race compute and store the same value: no ordering is needed.
    match FOUND.load(Ordering::Relaxed) {
        0 => {
            let bits = ask();
            FOUND.store(bits, Ordering::Relaxed);
            bits
        }
        bits => bits,
    }
}

/// CPUID leaves 1 and 7 and XCR0 (Intel SDM volume 1, sections 14.3, 14.7 and 15.2).
// Newer compilers regard `__cpuid` as safe.
#[allow(unused_unsafe)]
fn ask() -> u8 {
    let bit = |word: u32, index: u32| word >> index & 1 == 1;
    // SAFETY: every x86-64 processor has CPUID.
    let (highest, one) = unsafe { (__cpuid(0).eax, __cpuid(1)) };
    let (fma, osxsave, avx) = (bit(one.ecx, 12), bit(one.ecx, 27), bit(one.ecx, 28));
    if highest < 7 || !(fma && osxsave && avx) {
        return ASKED;
    }
    // SAFETY: leaf 7 exists, as `highest` says.
    let seven = unsafe { __cpuid_count(7, 0) };
    // SAFETY: OSXSAVE says that the operating system has enabled XGETBV.
    let enabled = unsafe { xcr0() };
    // XMM and YMM state; opmask, upper ZMM and high ZMM state.
    let (ymm, zmm) = (enabled & 0x06 == 0x06, enabled & 0xe6 == 0xe6);
    let avx2 = ymm && bit(seven.ebx, 5);
    let avx512 = avx2 && zmm && bit(seven.ebx, 16);
    let vnni = avx512 && bit(seven.ecx, 11);
    let flag = |has: bool, flag: u8| if has { flag } else { 0 };
    ASKED | flag(avx2, AVX2) | flag(avx512, AVX512) | flag(vnni, VNNI)
}

/// Extended control register 0.
///
/// # Safety
/// CPUID reports OSXSAVE.
#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: OSXSAVE, which the caller has seen, makes XGETBV of register 0 valid.
    unsafe { _xgetbv(0) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn detection_agrees_with_the_standard_library() {
        let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
        assert_eq!(super::has_avx2(), avx2);
        let avx512 = avx2 && std::is_x86_feature_detected!("avx512f");
        assert_eq!(super::has_avx512(), avx512);
        assert_eq!(super::has_vnni(), avx512 && std::is_x86_feature_detected!("avx512vnni"));
    }
}
