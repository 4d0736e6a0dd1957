//! Every backend against the values of two interpreters (`tests/oracle/int8.py`) and against each other.

use super::{DenseI8, OutputI8, Requantize};
use crate::kernel::{Backend, Kernel};
use std::vec::Vec;
use std::{println, vec};

fn kernels() -> impl Iterator<Item = Kernel> {
    Backend::ALL.into_iter().filter_map(Kernel::new)
}

#[cfg(feature = "std")]
mod oracle {
    use super::*;
    use serde_json::Value;

    const VALUES: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/int8.json"));

    fn values() -> Value {
        serde_json::from_str(VALUES).unwrap()
    }

    fn numbers(value: &Value) -> Vec<i32> {
        value.as_array().unwrap().iter().map(|n| n.as_i64().unwrap() as i32).collect()
    }

    fn bytes(value: &Value) -> Vec<i8> {
        numbers(value).into_iter().map(|n| i8::try_from(n).unwrap()).collect()
    }

    fn int(value: &Value) -> i32 {
        value.as_i64().unwrap() as i32
    }

    /// Exact halves and their neighbours, negative sums, shifts to the left and right, sums that a shift to
    /// the left overflows.
    #[test]
    fn requantisation_is_that_of_two_interpreters() {
        let (mut checked, mut left, mut lost) = (0, 0, 0);
        for case in values()["requantise"].as_array().unwrap() {
            let factor = Requantize::of(case["scale"].as_f64().unwrap());
            let (low, high) = (int(&case["low"]), int(&case["high"]));
            for (sum, want) in numbers(&case["sums"]).into_iter().zip(numbers(&case["values"])) {
                let got = factor.apply(sum).clamp(low, high);
                assert_eq!(got, want, "{sum} by {factor:?}");
                checked += 1;
                left += usize::from(factor.shift > 0);
                lost += usize::from(factor.shift > 0 && sum << factor.shift >> factor.shift != sum);
            }
        }
        assert!(checked > 3000 && left > 500 && lost > 50, "{checked}, {left}, {lost}");
    }

    #[test]
    fn layers_are_those_of_two_interpreters() {
        let values = values();
        let cases = values["layers"].as_array().unwrap();
        let (mut moved, mut held) = (0, 0);
        for (index, case) in cases.iter().enumerate() {
            let size = |name: &str| case[name].as_u64().unwrap() as usize;
            let (samples, inputs, outputs) = (size("samples"), size("inputs"), size("outputs"));
            let (x, weights, bias) = (bytes(&case["x"]), bytes(&case["w"]), numbers(&case["b"]));
            let scales = case["scales"].as_array().unwrap().iter();
            let factors: Vec<Requantize> =
                scales.map(|scale| Requantize::of(scale.as_f64().unwrap())).collect();
            let byte = |name: &str| i8::try_from(int(&case[name])).unwrap();
            let multipliers: Vec<i32> = factors.iter().map(|factor| factor.multiplier).collect();
            let shifts: Vec<i32> = factors.iter().map(|factor| factor.shift).collect();
            let (multipliers, shifts) = (&multipliers[..], &shifts[..]);
            let (zero, low) = (byte("y_zero"), byte("low"));
            let output = OutputI8 { multipliers, shifts, zero, low, high: 127 };
            let want = bytes(&case["y"]);
            held += want.iter().filter(|&&y| y == 127 || y == output.low).count();
            moved += want.iter().filter(|&&y| y != 127 && y != output.low).count();
            for kernel in kernels() {
                let mut packed = vec![0; Kernel::packed_i8_len(inputs, outputs)];
                kernel.pack_i8(inputs, outputs, &weights, &mut packed).unwrap();
                for packed in [&packed[..], &[]] {
                    let (weights, bias, zero) = (&weights[..], &bias[..], byte("x_zero"));
                    let layer = DenseI8 { inputs, outputs, weights, packed, bias, zero };
                    let mut y = vec![0; samples * outputs];
                    kernel.dense_i8(samples, layer, output, &x, &mut y).unwrap();
                    assert_eq!(y, want, "case {index} on {:?}", kernel.backend());
                }
            }
        }
        assert!(moved > 500 && held > 100, "{moved} values, {held} at the limits");
    }
}

/// Sums by hand in i64, for every backend of this machine; the others are named.
#[test]
fn sums_are_exact() {
    for backend in Backend::ALL {
        if Kernel::new(backend).is_none() {
            println!("skipped: this processor cannot run {}", backend.name());
        }
    }
    let (samples, inputs, outputs) = (3, 4097, 5);
    let extremes = [-128i8, 127];
    let x: Vec<i8> = (0..samples * inputs).map(|i| extremes[i / inputs % 2]).collect();
    let weights: Vec<i8> = (0..outputs * inputs).map(|i| extremes[(i / inputs + 1) % 2]).collect();
    let bias: Vec<i32> = (0..outputs as i32).map(|row| 1000 * row).collect();
    for zero in [-128, 0, 127] {
        let product = |sample: usize, row: usize| -> i64 {
            let x = x[sample * inputs..][..inputs].iter();
            x.zip(&weights[row * inputs..])
                .map(|(&x, &w)| (i64::from(x) - i64::from(zero)) * i64::from(w))
                .sum()
        };
        let at = |i: usize| product(i / outputs, i % outputs) + i64::from(bias[i % outputs]);
        let want: Vec<i32> =
            (0..samples * outputs).map(|i| i32::try_from(at(i)).unwrap()).collect();
        for kernel in kernels() {
            let mut packed = vec![0; Kernel::packed_i8_len(inputs, outputs)];
            kernel.pack_i8(inputs, outputs, &weights, &mut packed).unwrap();
            let (weights, packed, bias) = (&weights[..], &packed[..], &bias[..]);
            let layer = DenseI8 { inputs, outputs, weights, packed, bias, zero };
            let mut sums = vec![0; samples * outputs];
            kernel.dense_i8_sums(samples, layer, &x, &mut sums).unwrap();
            assert_eq!(sums, want, "{:?}, zero point {zero}", kernel.backend());
        }
    }
}

#[test]
fn wrong_lengths_are_named() {
    let layer =
        DenseI8 { inputs: 3, outputs: 2, weights: &[0; 6], packed: &[], bias: &[0; 2], zero: 0 };
    let kernel = Kernel::auto();
    let mut sums = [0; 4];
    let what = |layer, x: &[i8], sums: &mut [i32]| {
        kernel.dense_i8_sums(2, layer, x, sums).map_err(|error| error.what)
    };
    assert_eq!(what(layer, &[0; 6], &mut sums), Ok(()));
    assert_eq!(what(layer, &[0; 5], &mut sums), Err("input"));
    assert_eq!(what(layer, &[0; 6], &mut sums[1..]), Err("output"));
    assert_eq!(what(DenseI8 { bias: &[0], ..layer }, &[0; 6], &mut sums), Err("bias"));
    assert_eq!(what(DenseI8 { weights: &[0], ..layer }, &[0; 6], &mut sums), Err("weights"));
    assert_eq!(what(DenseI8 { inputs: usize::MAX, ..layer }, &[0; 6], &mut sums), Err("weights"));
    let (multipliers, shifts) = (&[1 << 30; 3][..], &[0; 3][..]);
    let output = OutputI8 { multipliers, shifts, zero: 0, low: 5, high: -5 };
    let mut run = |output: OutputI8<'_>| {
        kernel.dense_i8(2, layer, output, &[0; 6], &mut [0; 4]).map_err(|error| error.what)
    };
    assert_eq!(run(output), Err("multipliers"));
    let one = OutputI8 { multipliers: &[1 << 30], ..output };
    assert_eq!(run(one), Err("shifts"));
    assert_eq!(run(OutputI8 { shifts: &[0], ..one }), Ok(()), "limits that are crossed");
}
