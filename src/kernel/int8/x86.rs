//! x86-64: pairs by AVX2's `vpmaddwd`, quads by AVX-512 VNNI's `vpdpbusd`.

use super::bag::{self, BagI8, SparseI8};
use super::finish::{Factors, LANES, Round, Sums};
use super::tile::{self, Dot};
use super::{DenseI8, OutputI8};
use core::arch::x86_64::{
    __m256i, __m512i, _mm_storeu_si128, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_set1_epi32, _mm256_storeu_si256, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512,
    _mm512_cmpgt_epi32_mask, _mm512_cvtepi32_epi8, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_mask_add_epi32, _mm512_mask_blend_epi32, _mm512_max_epi32, _mm512_min_epi32,
    _mm512_mul_epi32, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_slli_epi64, _mm512_sllv_epi32,
    _mm512_srav_epi32, _mm512_srli_epi32, _mm512_srli_epi64, _mm512_storeu_si512,
};
use core::mem::MaybeUninit;

/// Proof that the processor runs AVX2.
#[derive(Clone, Copy)]
struct Avx2(());

impl Round for Avx2 {}

impl Dot for Avx2 {
    type Vector = [__m256i; 2];
    const INPUTS: usize = 2;
    // Six spill a sum.
    const ROWS: usize = 5;
    const PANELS: usize = 1;

    #[inline(always)]
    fn load(self, words: &[i32; LANES]) -> [__m256i; 2] {
        let at = words.as_ptr();
        // SAFETY: `self` proves AVX2; both halves of the sixteen words may be read.
        unsafe { [_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(8).cast())] }
    }

    #[inline(always)]
    fn splat(self, word: i32) -> [__m256i; 2] {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_set1_epi32(word); 2] }
    }

    #[inline(always)]
    fn add(self, sums: [__m256i; 2], x: [__m256i; 2], w: [__m256i; 2]) -> [__m256i; 2] {
        // Two products of at most 255 · 128 do not reach 2³¹: `vpmaddwd` wraps at −2¹⁵ · −2¹⁵ alone.
        // SAFETY: `self` proves AVX2.
        let half = |i: usize| unsafe { _mm256_add_epi32(sums[i], _mm256_madd_epi16(x[i], w[i])) };
        [half(0), half(1)]
    }

    #[inline(always)]
    fn store(self, sums: [__m256i; 2], to: &mut [i32; LANES]) {
        let at = to.as_mut_ptr();
        // SAFETY: `self` proves AVX2; both halves of the sixteen words may be written.
        unsafe {
            _mm256_storeu_si256(at.cast(), sums[0]);
            _mm256_storeu_si256(at.add(8).cast(), sums[1]);
        }
    }

    #[inline(always)]
    fn words(self, inputs: &[i8], zero: i8, to: &mut [MaybeUninit<i32>]) {
        tile::pairs(inputs, zero, to);
    }

    #[inline(always)]
    fn weights(weights: &[i8]) -> i32 {
        tile::pair(weights)
    }

    #[inline(always)]
    fn lacks(_: i8) -> i32 {
        0
    }
}

/// Proof that the processor runs AVX-512F with VNNI.
#[derive(Clone, Copy)]
struct Vnni(());

impl Round for Vnni {
    #[inline(always)]
    fn bytes(self, factors: &Factors, sums: &[i32; LANES]) -> [i8; LANES] {
        let Factors { multipliers, left, right, mask, half, zero, low, high } = factors;
        let mut bytes = [0i8; LANES];
        // SAFETY: `self` proves AVX-512F; sixteen words each may be read, sixteen bytes may be written.
        unsafe {
            let load = |words: &[i32; LANES]| _mm512_loadu_si512(words.as_ptr().cast());
            let shift = |counts: &[u32; LANES]| _mm512_loadu_si512(counts.as_ptr().cast());
            let sums = _mm512_sllv_epi32(load(sums), shift(left));
            let multipliers = load(multipliers);
            // Products of even and of odd lanes, each in 64 bits.
            let round = _mm512_set1_epi64(1 << 30);
            let even = _mm512_add_epi64(_mm512_mul_epi32(sums, multipliers), round);
            let (sums, multipliers) =
                (_mm512_srli_epi64::<32>(sums), _mm512_srli_epi64::<32>(multipliers));
            let odd = _mm512_add_epi64(_mm512_mul_epi32(sums, multipliers), round);
            // Bits 31 to 62: of even lanes below, of odd ones above.
            let (even, odd) = (_mm512_srli_epi64::<31>(even), _mm512_slli_epi64::<1>(odd));
            let high_bits = _mm512_mask_blend_epi32(0xaaaa, even, odd);
            let negative = _mm512_srli_epi32::<31>(high_bits);
            let threshold = _mm512_add_epi32(load(half), negative);
            let up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(high_bits, load(mask)), threshold);
            let shifted = _mm512_srav_epi32(high_bits, shift(right));
            let value = _mm512_add_epi32(shifted, _mm512_set1_epi32(*zero));
            let value = _mm512_mask_add_epi32(value, up, value, _mm512_set1_epi32(1));
            let value = _mm512_max_epi32(value, _mm512_set1_epi32(*low));
            let value = _mm512_min_epi32(value, _mm512_set1_epi32(*high));
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(value));
        }
        bytes
    }
}

impl Dot for Vnni {
    type Vector = __m512i;
    const INPUTS: usize = 4;
    const ROWS: usize = 8;
    const PANELS: usize = 2;

    #[inline(always)]
    fn load(self, words: &[i32; LANES]) -> __m512i {
        // SAFETY: `self` proves AVX-512F; sixteen words may be read.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[inline(always)]
    fn splat(self, word: i32) -> __m512i {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_set1_epi32(word) }
    }

    #[inline(always)]
    fn add(self, sums: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 VNNI.
        unsafe { _mm512_dpbusd_epi32(sums, x, w) }
    }

    #[inline(always)]
    fn store(self, sums: __m512i, to: &mut [i32; LANES]) {
        // SAFETY: `self` proves AVX-512F; sixteen words may be written.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), sums) };
    }

    #[inline(always)]
    fn words(self, inputs: &[i8], _: i8, to: &mut [MaybeUninit<i32>]) {
        tile::quads(inputs, to);
    }

    #[inline(always)]
    fn weights(weights: &[i8]) -> i32 {
        tile::quad(weights)
    }

    /// The instruction takes inputs without sign: 128 is added to each, and taken away here.
    #[inline(always)]
    fn lacks(zero: i8) -> i32 {
        -128 - i32::from(zero)
    }
}

macro_rules! wrappers {
    ($module:ident, $features:literal, $token:expr) => {
        pub(super) mod $module {
            use super::*;

            #[target_feature(enable = $features)]
            pub(in crate::kernel::int8) fn pack(inputs: usize, weights: &[i8], packed: &mut [i32]) {
                tile::pack($token, inputs, weights, packed);
            }

            #[target_feature(enable = $features)]
            pub(in crate::kernel::int8) fn sums(layer: &DenseI8<'_>, x: &[i8], y: &mut [i32]) {
                tile::dense($token, layer, x, &Sums, y);
            }

            #[target_feature(enable = $features)]
            pub(in crate::kernel::int8) fn bytes(
                layer: &DenseI8<'_>,
                output: &OutputI8<'_>,
                x: &[i8],
                y: &mut [i8],
            ) {
                tile::dense($token, layer, x, output, y);
            }
        }
    };
}

// Callers of these functions vouch for the features, which is what the tokens say.
wrappers!(avx2, "avx2", Avx2(()));
wrappers!(vnni, "avx2,avx512f,avx512vnni", Vnni(()));

/// The plain code, made for AVX2: sparse rows take more time to be found than to be added.
pub(super) mod sparse {
    use super::*;

    #[target_feature(enable = "avx2")]
    pub(in crate::kernel::int8) fn sums(rows: &BagI8<'_>, layer: &SparseI8<'_>, y: &mut [i32]) {
        bag::sparse(rows, layer, &Sums, y);
    }

    #[target_feature(enable = "avx2")]
    pub(in crate::kernel::int8) fn bytes(
        rows: &BagI8<'_>,
        layer: &SparseI8<'_>,
        output: &OutputI8<'_>,
        y: &mut [i8],
    ) {
        bag::sparse(rows, layer, output, y);
    }
}
