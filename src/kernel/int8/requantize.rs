//! From sums of products to i8: multiplication by a real number as a fixed-point one.

/// A factor as an integer and a power of two, `multiplier · 2^(shift − 31)`: what TensorFlow Lite (Micro)
/// and CMSIS-NN multiply sums by, with their two roundings (Jacob et al. 2018, arXiv 1712.05877, section 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requantize {
    /// 2³¹ times the factor's mantissa: in [2³⁰, 2³¹), or 0.
    pub multiplier: i32,
    /// The factor's binary exponent; above 0 it is a shift to the left, which comes first.
    pub shift: i32,
}

impl Requantize {
    /// The nearest to `scale`: TensorFlow Lite's `QuantizeMultiplier`. Scales below 2⁻³², negative ones and
    /// NaN give 0; infinity and what is beyond 2³¹ give the largest that there is.
    pub fn of(scale: f64) -> Self {
        if scale.is_nan() || scale <= 0.0 {
            return Self::default();
        }
        if scale >= f64::from(1u32 << 31) {
            return Self { multiplier: i32::MAX, shift: 31 };
        }
        let (mantissa, mut shift) = libm::frexp(scale);
        // Exact: a mantissa in [.5, 1) times a power of two.
        let mut multiplier = libm::round(mantissa * f64::from(1u32 << 31)) as i64;
        if multiplier == 1 << 31 {
            (multiplier, shift) = (1 << 30, shift + 1);
        }
        if shift < -31 {
            return Self::default();
        }
        Self { multiplier: multiplier as i32, shift }
    }

    /// The factor.
    pub fn scale(self) -> f64 {
        libm::scalbn(f64::from(self.multiplier), self.shift.clamp(-31, 31) - 31)
    }

    /// `sum` times the factor: rounded to 31 fractional bits with halves upwards, then shifted to the right
    /// with halves away from zero.
    ///
    /// Bits that a shift to the left pushes out are lost, as they are there; shifts beyond ±31 count as ±31.
    #[inline(always)]
    pub fn apply(self, sum: i32) -> i32 {
        let (left, right) = self.shifts();
        let product = i64::from(sum.wrapping_shl(left)) * i64::from(self.multiplier);
        let high = (product.wrapping_add(1 << 30) >> 31) as i32;
        let mask = ((1u32 << right) - 1) as i32;
        let threshold = (mask >> 1) + i32::from(high < 0);
        (high >> right) + i32::from(high & mask > threshold)
    }

    /// Bits to the left before the product, to the right after it; both in 0 … 31.
    #[inline(always)]
    pub(super) fn shifts(self) -> (u32, u32) {
        (self.shift.clamp(0, 31) as u32, self.shift.clamp(-31, 0).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::Requantize;

    #[test]
    fn factors_are_mantissa_and_exponent() {
        let of = |scale| {
            let made = Requantize::of(scale);
            (made.multiplier, made.shift)
        };
        assert_eq!(of(1.0), (1 << 30, 1));
        assert_eq!(of(0.5), (1 << 30, 0));
        assert_eq!(of(0.75), (3 << 29, 0));
        assert_eq!(of(1.0 - 2f64.powi(-40)), (1 << 30, 1), "rounds up to 2^31");
        assert_eq!(of(2f64.powi(-32)), (1 << 30, -31));
        assert_eq!(of(2f64.powi(-33)), (0, 0));
        for nothing in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE / 8.0] {
            assert_eq!(of(nothing), (0, 0), "{nothing}");
        }
        for huge in [f64::INFINITY, 1e300, 2f64.powi(31)] {
            assert_eq!(of(huge), (i32::MAX, 31), "{huge}");
        }
        for scale in [1e-9, 0.003, 0.9, 1.7, 1e6] {
            let error = (Requantize::of(scale).scale() - scale).abs() / scale;
            assert!(error < 2f64.powi(-31), "{scale}");
        }
    }

    #[test]
    fn any_factor_and_sum_give_a_result() {
        for multiplier in [i32::MIN, -1, 0, 1, 1 << 30, i32::MAX] {
            for shift in [i32::MIN, -32, -31, -1, 0, 1, 31, 32, i32::MAX] {
                for sum in [i32::MIN, -1, 0, 1, i32::MAX] {
                    let _ = Requantize { multiplier, shift }.apply(sum);
                }
            }
        }
    }
}
