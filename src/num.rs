//! Arithmetic whose bits are the same on every machine.
//!
//! What belongs here: elementary functions on one number, sums with a stated order, the exact
//! software form of the fused multiply-add, small symmetric systems, the digest of a run. What does not:
//! products (`kernel`), anything random (`rng`).
//!
//! `exp` and `tanh` are this crate's own polynomials, made only of `+ - * /`, comparisons and bit
//! operations, never fused, so that a scalar loop, a vector loop and a machine without an FPU
//! agree. The rest is libm at a pinned version.

mod cholesky;
mod fma;

pub use cholesky::{cholesky, cholesky_solve};
pub(crate) use fma::SOFT_FLOAT;
pub use fma::fma;

/// Rectified linear unit, with the sign of zero fixed: `x` where `x > 0`, else `+0`.
///
/// `f32::max` does not say which zero it returns; this does. NaN gives `+0`.
#[inline(always)]
pub fn relu(x: f32) -> f32 {
    if x > 0.0 { x } else { 0.0 }
}

/// e^x, at most 1 ulp from the exact value over the finite range (measured .93).
///
/// Overflows to infinity above 88.72, reaches 0 below −103.97 through the subnormal numbers; NaN
/// gives NaN. Cody–Waite reduction in two steps and the degree-5 polynomial of the Cephes library.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = core::f32::consts::LOG2_E;
    // ln 2 in two parts; the first has few enough bits that n·LN2_HIGH is exact.
    const LN2_HIGH: f32 = 0.693_145_75;
    const LN2_LOW: f32 = 1.428_606_8e-6;
    // Adding 1.5·2^23 leaves round-to-nearest-even of the argument in the low mantissa bits.
    const ROUNDER: f32 = 12_582_912.0;

    let clamped = if x > 89.0 { 89.0 } else { x };
    let clamped = if clamped < -104.0 { -104.0 } else { clamped };
    let shifted = clamped * LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_65;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    // 2^n as two factors: right for n = 128 and for results below the normal range.
    let whole = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let half = whole >> 1;
    let power = |k: i32| f32::from_bits((k.wrapping_add(127) as u32) << 23);
    p * power(half) * power(whole.wrapping_sub(half))
}

/// Hyperbolic tangent, at most 1.3 ulp from the exact value (measured 1.27); odd, ±1 beyond ±9.02.
///
/// The odd Cephes polynomial below .625, `1 − 2/(e^2|x| + 1)` above.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let sign = x.to_bits() & 0x8000_0000;
    let magnitude = f32::from_bits(x.to_bits() & 0x7fff_ffff);
    let z = x * x;
    let mut p = -5.704_988_6e-3;
    p = p * z + 2.063_909e-2;
    p = p * z - 5.373_971_5e-2;
    p = p * z + 0.133_314_68;
    p = p * z - 0.333_332_8;
    let small = p * z * magnitude + magnitude;
    let large = 1.0 - 2.0 / (exp(magnitude + magnitude) + 1.0);
    let value = if magnitude < 0.625 { small } else { large };
    f32::from_bits(value.to_bits() | sign)
}

/// Square root, correctly rounded.
pub fn sqrt(x: f32) -> f32 {
    libm::sqrtf(x)
}

/// Natural logarithm.
pub fn ln(x: f32) -> f32 {
    libm::logf(x)
}

/// Sine of an angle in radians.
pub fn sin(x: f32) -> f32 {
    libm::sinf(x)
}

/// Cosine of an angle in radians.
pub fn cos(x: f32) -> f32 {
    libm::cosf(x)
}

/// Largest whole number not above `x`.
pub fn floor(x: f32) -> f32 {
    libm::floorf(x)
}

/// Absolute value.
#[inline(always)]
pub fn abs(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0x7fff_ffff)
}

/// Sum in rising order, in f32.
pub fn sum(values: &[f32]) -> f32 {
    let mut total = 0.0;
    for &value in values {
        total += value;
    }
    total
}

/// Arithmetic mean, the sum taken in rising order in f64; 0 for an empty slice.
pub fn mean(values: &[f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let mut total = 0.0f64;
    for &value in values {
        total += f64::from(value);
    }
    (total / values.len() as f64) as f32
}

/// Root mean square, `sqrt(Σx²/n)`; 0 for an empty slice.
///
/// No ε is added, and the sum is kept in f64, where the square of an f32 is exact: multiplying every
/// value by a power of two multiplies the result by exactly that power, as long as neither leaves
/// f32's normal range.
pub fn rms(values: &[f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let mut total = 0.0f64;
    for &value in values {
        total += f64::from(value) * f64::from(value);
    }
    libm::sqrt(total / values.len() as f64) as f32
}

/// Euclidean norm, `sqrt(Σx²)`, the sum taken in rising order in f64.
pub fn norm(values: &[f32]) -> f32 {
    let mut total = 0.0f64;
    for &value in values {
        total += f64::from(value) * f64::from(value);
    }
    libm::sqrt(total) as f32
}

/// True when no value is infinite or NaN.
pub fn all_finite(values: &[f32]) -> bool {
    // No early exit, so that the loop takes vectors.
    !values.iter().fold(false, |found, value| found | !value.is_finite())
}

/// FNV-1a, 64 bits, over the little-endian bits of f32 values: the digest of runs and networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// The digest of nothing.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Adds the four little-endian bytes of one value.
    pub fn value(&mut self, value: f32) {
        self.bytes(&value.to_bits().to_le_bytes());
    }

    /// Adds values in rising order.
    pub fn values(&mut self, values: &[f32]) {
        for &value in values {
            self.value(value);
        }
    }

    /// Adds a weight matrix row by row (out × in), from its stored form (in × out).
    pub fn weights(&mut self, weights: &[f32], inputs: usize, outputs: usize) {
        for output in 0..outputs {
            for input in 0..inputs {
                self.value(weights.get(input * outputs + output).copied().unwrap_or(0.0));
            }
        }
    }

    /// The digest as a number; its 16 hexadecimal digits are what reports print.
    pub const fn finish(self) -> u64 {
        self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        let spacing = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
        ((f64::from(got) - exact) / spacing.abs()).abs()
    }

    #[test]
    fn exp_stays_within_one_ulp() {
        let mut worst = 0.0f64;
        let mut bits = 0u32;
        while bits < 0x7f80_0000 {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                if (-87.0..88.7).contains(&x) {
                    worst = worst.max(ulps(exp(x), f64::from(x).exp()));
                }
            }
            bits += 3001;
        }
        assert!(worst < 1.0, "worst error {worst} ulp");
    }

    #[test]
    fn exp_at_the_ends_of_its_range() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(200.0), f32::INFINITY);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(88.72).is_finite());
        assert!(exp(-100.0) > 0.0, "subnormal results are kept");
    }

    #[test]
    fn tanh_stays_within_a_third_over_one_ulp() {
        let mut worst = 0.0f64;
        let mut bits = 1e-30f32.to_bits();
        while bits < 20.0f32.to_bits() {
            let x = f32::from_bits(bits);
            worst = worst.max(ulps(tanh(x), f64::from(x).tanh()));
            assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits());
            bits += 997;
        }
        assert!(worst < 1.4, "worst error {worst} ulp");
        assert_eq!(tanh(50.0), 1.0);
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn software_fma_equals_the_standard_library() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..2_000_000u32 {
            let word = next();
            let mut a = f32::from_bits(word as u32);
            let mut b = f32::from_bits((word >> 32) as u32);
            let mut c = f32::from_bits(next() as u32);
            match round % 4 {
                // Near cancellation: c close to −a·b.
                0 => c = -(a * b) * (1.0 + (next() % 7) as f32 * f32::EPSILON),
                // Few mantissa bits: exact halfway cases are common.
                1 => {
                    a = f32::from_bits(a.to_bits() & 0xffff_f000);
                    b = f32::from_bits(b.to_bits() & 0xffff_f000);
                    c = f32::from_bits(c.to_bits() & 0xffff_ff00);
                }
                // Results around the smallest normal number.
                2 => {
                    a = f32::from_bits((a.to_bits() & 0x807f_ffff) | (64 << 23));
                    b = f32::from_bits((b.to_bits() & 0x807f_ffff) | (60 << 23));
                    c = f32::from_bits(c.to_bits() & 0x80ff_ffff);
                }
                _ => {}
            }
            let (got, want) = (fma(a, b, c), a.mul_add(b, c));
            assert!(
                got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
                "fma({a:e}, {b:e}, {c:e}) = {got:e}, not {want:e}"
            );
        }
    }

    #[test]
    fn rms_scales_exactly_with_powers_of_two() {
        let values = [0.3f32, -1.7, 2.25, 1e-3];
        let scaled = values.map(|value| value * 1024.0);
        assert_eq!(rms(&scaled), rms(&values) * 1024.0);
    }

    #[test]
    fn digest_is_fnv_1a() {
        let mut digest = Digest::new();
        digest.bytes(b"foobar");
        assert_eq!(digest.finish(), 0x8594_4171_f739_67e8);
    }
}
