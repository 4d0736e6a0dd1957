//! `a·b + c` rounded once, in software.

/// Whether all floating-point arithmetic of the target is software.
pub(crate) const SOFT_FLOAT: bool =
    cfg!(all(target_arch = "arm", target_os = "none", not(target_abi = "eabihf")));

/// `a·b + c` rounded once, in software: bit for bit what fused hardware gives.
///
/// By way of f64 where the machine has it; with integers alone on Cortex-M without a floating-point
/// unit (186 instructions in a product on a Cortex-M3, by way of software f64 346).
#[inline(always)]
pub fn fma(a: f32, b: f32, c: f32) -> f32 {
    if SOFT_FLOAT { by_integers(a, b, c) } else { by_f64(a, b, c) }
}

/// The product of two f32 is exact in f64. One f64 addition then rounds to 53 bits, and the cast to
/// f32 rounds a second time, which differs from one rounding only when the f64 sum is exactly half
/// way between two f32. There (and where the result is subnormal, so that the halfway point lies
/// elsewhere) the sum is first rounded to odd, which makes the second rounding exact.
#[inline(always)]
fn by_f64(a: f32, b: f32, c: f32) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let addend = f64::from(c);
    let sum = product + addend;
    let halfway = sum.to_bits() & 0x1fff_ffff == 0x1000_0000;
    let tiny = f64::from_bits(sum.to_bits() & !(1 << 63)) < f64::from(f32::MIN_POSITIVE);
    if halfway || tiny { by_odd(product, addend, sum) } else { sum as f32 }
}

#[cold]
fn by_odd(product: f64, addend: f64, sum: f64) -> f32 {
    if !sum.is_finite() {
        return sum as f32;
    }
    // Two-sum (Knuth): `error` is exactly what the addition lost.
    let addend_seen = sum - product;
    let error = (product - (sum - addend_seen)) + (addend - addend_seen);
    if error == 0.0 || sum.to_bits() & 1 == 1 {
        return sum as f32;
    }
    // The sum is even and inexact: step one f64 towards the exact value, which is then odd.
    let away = (error > 0.0) == (sum > 0.0);
    let odd = if away { sum.to_bits() + 1 } else { sum.to_bits() - 1 };
    f64::from_bits(odd) as f32
}

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0xff << 23;

/// Fixed point: both terms are moved to bits 62 and below, what falls off the end is kept as the lowest
/// bit, and the sum is rounded to nearest even. Only a term that is far smaller loses bits, so the
/// lowest bit then lies far below the last place of the result.
#[inline(never)]
fn by_integers(a: f32, b: f32, c: f32) -> f32 {
    let [a_bits, b_bits, c_bits] = [a.to_bits(), b.to_bits(), c.to_bits()];
    let special = |bits: u32| bits & INFINITY == INFINITY;
    if special(a_bits) || special(b_bits) {
        // Infinite or NaN whatever is added to it, and never by rounding.
        return a * b + c;
    }
    if special(c_bits) {
        return c;
    }
    let product_sign = (a_bits ^ b_bits) & SIGN;
    let ((a, a_exponent), (b, b_exponent)) = (parts(a_bits), parts(b_bits));
    let (c, c_exponent) = parts(c_bits);
    let product = u64::from(a) * u64::from(b);
    if product == 0 {
        return match c {
            // Zeros of unlike signs make +0.
            0 => f32::from_bits(product_sign & c_bits),
            _ => f32::from_bits(c_bits),
        };
    }
    // Exponents of bit 0.
    let shift = product.leading_zeros() as i32 - 1;
    let mut large = (product << shift, a_exponent + b_exponent - shift, product_sign);
    if c != 0 {
        let shift = u64::from(c).leading_zeros() as i32 - 1;
        let mut small = (u64::from(c) << shift, c_exponent - shift, c_bits & SIGN);
        if (small.1, small.0) > (large.1, large.0) {
            core::mem::swap(&mut large, &mut small);
        }
        let moved = shift_right(small.0, (large.1 - small.1) as u32);
        large.0 = if large.2 == small.2 { large.0 + moved } else { large.0 - moved };
        if large.0 == 0 {
            return 0.0;
        }
    }
    round(large)
}

/// A finite number as a whole number and the exponent of its lowest bit.
#[inline(always)]
fn parts(bits: u32) -> (u32, i32) {
    let (exponent, mantissa) = (bits >> 23 & 0xff, bits & 0x007f_ffff);
    if exponent == 0 { (mantissa, -149) } else { (mantissa | 1 << 23, exponent as i32 - 150) }
}

/// `value >> by`, the lowest bit set where any bit falls off.
#[inline(always)]
fn shift_right(value: u64, by: u32) -> u64 {
    if by >= 63 {
        return u64::from(value != 0);
    }
    let kept = value >> by;
    kept | u64::from(kept << by != value)
}

/// The number of this magnitude, which is not 0, exponent of its lowest bit, and sign.
#[inline(always)]
fn round((magnitude, exponent, sign): (u64, i32, u32)) -> f32 {
    let shift = magnitude.leading_zeros();
    // The leading bit is bit 63; its exponent as the format writes it.
    let (mut magnitude, mut biased) = (magnitude << shift, exponent - shift as i32 + 63 + 127);
    if biased >= 255 {
        return f32::from_bits(sign | INFINITY);
    }
    if biased < 1 {
        magnitude = shift_right(magnitude, (1 - biased) as u32);
        biased = 1;
    }
    let (high, low) = ((magnitude >> 32) as u32, magnitude as u32);
    // 24 bits stay, the upper 8 of them and all of `low` are the rest: above, at or below a half.
    let rest = (high & 0xff) << 1 | u32::from(low != 0);
    let kept = high >> 8;
    let up = u32::from(rest + (kept & 1) > 0x100);
    // The leading bit, where there is one, adds 1 to the exponent; so does a carry.
    f32::from_bits(sign | (((biased as u32 - 1) << 23) + kept + up))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words from a seed (SplitMix64, Steele et al. 2014).
    fn words(mut state: u64) -> impl FnMut() -> u64 {
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let word = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ word >> 31
        }
    }

    #[track_caller]
    fn same(a: f32, b: f32, c: f32) {
        let want = a.mul_add(b, c);
        for got in [by_f64(a, b, c), by_integers(a, b, c)] {
            let equal = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            assert!(equal, "{a:e} · {b:e} + {c:e}: {got:e} instead of {want:e}");
        }
    }

    /// Any bits; then addends near the product, whose sum cancels, and small whole multiples of a power
    /// of two, whose sum falls half way between two numbers, at any exponent down to subnormal results.
    #[test]
    fn both_ways_round_once() {
        let mut word = words(1);
        for _ in 0..2_000_000 {
            let (first, second) = (word(), word());
            let [a, b, c] = [first as u32, (first >> 32) as u32, second as u32].map(f32::from_bits);
            same(a, b, c);
            let near = f32::from_bits((-(a * b)).to_bits() ^ (second >> 32) as u32 & 3);
            same(a, b, near);
            let few =
                |bits: u32, exponent: u32| f32::from_bits(exponent << 23 | bits & 0x8070_0f00);
            let exponent = (second >> 40) as u32 % 200 + 1;
            let (a, b) = (few(first as u32, exponent), few((first >> 32) as u32, 120));
            let distance = (second >> 56) as u32 % 60;
            same(a, b, few(second as u32, (exponent + distance).saturating_sub(36).min(254)));
        }
    }

    #[test]
    fn special_values() {
        let values = [0.0, 1.0, f32::MIN_POSITIVE, 1e-45, 1e-23, 1e38, f32::MAX, f32::INFINITY];
        let values = values.into_iter().chain([f32::NAN]).flat_map(|value| [value, -value]);
        for a in values.clone() {
            for b in values.clone() {
                for c in values.clone() {
                    same(a, b, c);
                }
            }
        }
    }
}
