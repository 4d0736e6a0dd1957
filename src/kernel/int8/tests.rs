//! Every backend against the values of two interpreters (`tests/oracle/int8.py`) and against each other.

use super::emulated::Emulated;
use super::{BagI8, DenseI8, OutputI8, Requantize, SparseI8, StartI8, finish, tile};
use crate::kernel::{Backend, Bag, Kernel};
use proptest::prelude::*;
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
    #[cfg(target_arch = "x86_64")]
    if !crate::kernel::x86::has_vnni() {
        println!("skipped: this processor cannot run AVX-512 VNNI");
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
    let run = |output: OutputI8<'_>| {
        kernel.dense_i8(2, layer, output, &[0; 6], &mut [0; 4]).map_err(|error| error.what)
    };
    assert_eq!(run(output), Err("multipliers"));
    let one = OutputI8 { multipliers: &[1 << 30], ..output };
    assert_eq!(run(one), Err("shifts"));
    assert_eq!(run(OutputI8 { shifts: &[0], ..one }), Ok(()), "limits that are crossed");
}

/// A layer of any shape, values at the ends of their ranges among them.
#[derive(Debug)]
struct Case {
    samples: usize,
    inputs: usize,
    outputs: usize,
    x: Vec<i8>,
    weights: Vec<i8>,
    bias: Vec<i32>,
    multipliers: Vec<i32>,
    shifts: Vec<i32>,
    bytes: [i8; 4],
}

fn cases() -> impl Strategy<Value = Case> {
    let inputs =
        prop_oneof![4 => 0usize..40, 2 => 120usize..140, 1 => 250usize..262, 1 => 500usize..1100];
    let sizes = (0usize..20, inputs, 0usize..70, any::<u64>(), any::<[i8; 4]>(), any::<bool>());
    sizes.prop_map(|(samples, inputs, outputs, seed, bytes, one)| {
        let mut state = seed;
        let mut word = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        let mut value = || match word() % 6 {
            0 => i8::MIN,
            1 => i8::MAX,
            _ => (word() >> 7) as i8,
        };
        let x = (0..samples * inputs).map(|_| value()).collect();
        let weights = (0..outputs * inputs).map(|_| value()).collect();
        let factors = if one { 1 } else { outputs };
        let bias = (0..outputs).map(|_| word() as i32 >> (word() % 32)).collect();
        let multipliers = (0..factors).map(|_| (word() | 1 << 30) as i32 & i32::MAX).collect();
        let shifts = (0..factors).map(|_| (word() % 40) as i32 - 35).collect();
        Case { samples, inputs, outputs, x, weights, bias, multipliers, shifts, bytes }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every backend, and both instructions in plain Rust, give what the portable form gives.
    #[test]
    fn backends_give_the_same_integers(case in cases()) {
        let Case { samples, inputs, outputs, ref x, ref weights, ref bias, bytes, .. } = case;
        let [zero, to_zero, low, high] = bytes;
        let (multipliers, shifts) = (&case.multipliers[..], &case.shifts[..]);
        let output = OutputI8 { multipliers, shifts, zero: to_zero, low, high };
        let layer = DenseI8 { inputs, outputs, weights, packed: &[], bias, zero };
        let portable = Kernel::portable();
        let (mut sums, mut y) = (vec![0; samples * outputs], vec![0; samples * outputs]);
        portable.dense_i8_sums(samples, layer, x, &mut sums).unwrap();
        portable.dense_i8(samples, layer, output, x, &mut y).unwrap();
        for kernel in kernels() {
            let mut packed = vec![7; Kernel::packed_i8_len(inputs, outputs)];
            kernel.pack_i8(inputs, outputs, weights, &mut packed).unwrap();
            let layer = DenseI8 { packed: &packed, ..layer };
            let (mut other_sums, mut other) = (vec![0; sums.len()], vec![0; y.len()]);
            kernel.dense_i8_sums(samples, layer, x, &mut other_sums).unwrap();
            kernel.dense_i8(samples, layer, output, x, &mut other).unwrap();
            prop_assert_eq!(&other_sums, &sums, "{:?}", kernel.backend());
            prop_assert_eq!(&other, &y, "{:?}", kernel.backend());
        }
        for kernel in kernels() {
            sparse(kernel, &layer, x, &output, &sums, &y)?;
        }
        emulated(Emulated::<2>, &layer, x, &output, &sums, &y)?;
        emulated(Emulated::<4>, &layer, x, &output, &sums, &y)?;
    }
}

fn emulated<D: tile::Dot>(
    dot: D,
    layer: &DenseI8<'_>,
    x: &[i8],
    output: &OutputI8<'_>,
    sums: &[i32],
    y: &[i8],
) -> Result<(), TestCaseError> {
    let rows = layer.outputs.div_ceil(finish::LANES) * tile::panel_rows(layer.inputs);
    let mut packed = vec![7; rows * finish::LANES];
    tile::pack(dot, layer.inputs, layer.weights, &mut packed);
    let layer = DenseI8 { packed: &packed, ..*layer };
    let (mut other_sums, mut other) = (vec![0; sums.len()], vec![0; y.len()]);
    tile::dense(dot, &layer, x, &finish::Sums, &mut other_sums);
    tile::dense(dot, &layer, x, output, &mut other);
    prop_assert_eq!(&other_sums, sums, "{} inputs in a word", D::INPUTS);
    prop_assert_eq!(&other, y, "{} inputs in a word", D::INPUTS);
    Ok(())
}

/// Rows of the columns that `with` picks, of samples that lie densely: offsets, columns, values.
fn rows_of(
    x: &[i8],
    inputs: usize,
    with: impl Fn(usize, i8) -> bool,
) -> (Vec<u32>, Vec<u32>, Vec<i8>) {
    let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for x in x.chunks_exact(inputs) {
        for (column, &value) in x.iter().enumerate().filter(|&(column, &value)| with(column, value))
        {
            columns.push(column as u32);
            values.push(value);
        }
        offsets.push(columns.len() as u32);
    }
    (offsets, columns, values)
}

/// Sparse rows give what the same samples give densely: from biases, to i8 as well, and in two goes, the second of
/// which begins with the sums of the first.
fn sparse(
    kernel: Kernel,
    dense: &DenseI8<'_>,
    x: &[i8],
    output: &OutputI8<'_>,
    sums: &[i32],
    y: &[i8],
) -> Result<(), TestCaseError> {
    let DenseI8 { inputs, outputs, bias, zero, .. } = *dense;
    if inputs == 0 || outputs == 0 {
        return Ok(());
    }
    let mut weights = vec![0; inputs * outputs];
    for (row, values) in dense.weights.chunks_exact(inputs).enumerate() {
        weights.iter_mut().skip(row).step_by(outputs).zip(values).for_each(|(to, &w)| *to = w);
    }
    let layer = SparseI8 { outputs, weights: &weights, start: StartI8::Bias(bias), zero };
    let run = |(offsets, columns, values): &(Vec<u32>, Vec<u32>, Vec<i8>), layer: SparseI8<'_>| {
        let (real, mut sums) = (vec![0.0; columns.len()], vec![7; sums.len()]);
        let rows = Bag::new(inputs, offsets, columns, &real).unwrap();
        kernel.sparse_i8_sums(BagI8 { rows, values }, layer, &mut sums).unwrap();
        let mut y = vec![7; y.len()];
        kernel.sparse_i8(BagI8 { rows, values }, layer, *output, &mut y).unwrap();
        (sums, y)
    };
    let (other_sums, other) = run(&rows_of(x, inputs, |_, value| value != zero), layer);
    prop_assert_eq!(&other_sums[..], sums, "{:?}", kernel.backend());
    prop_assert_eq!(&other[..], y, "{:?}", kernel.backend());
    let (start, _) = run(&rows_of(x, inputs, |column, _| column % 3 == 0), layer);
    let rest = SparseI8 { start: StartI8::Values(&start), ..layer };
    let (other_sums, other) = run(&rows_of(x, inputs, |column, _| column % 3 != 0), rest);
    prop_assert_eq!(&other_sums[..], sums, "{:?}, in two goes", kernel.backend());
    prop_assert_eq!(&other[..], y, "{:?}, in two goes", kernel.backend());
    Ok(())
}

#[test]
fn sparse_rows_refuse_wrong_lengths_and_parts_are_the_whole() {
    let (offsets, columns, real) = ([0u32, 2, 2, 3], [0u32, 2, 1], [0.0; 3]);
    let rows = Bag::new(3, &offsets, &columns, &real).unwrap();
    let bag = BagI8 { rows, values: &[10, 20, 30] };
    let layer = SparseI8 {
        outputs: 2,
        weights: &[1, 2, 3, 4, 5, 6],
        start: StartI8::Bias(&[7, 8]),
        zero: 1,
    };
    let kernel = Kernel::auto();
    let run = |bag: BagI8<'_>, layer, sums: &mut [i32]| {
        kernel.sparse_i8_sums(bag, layer, sums).map_err(|error| error.what)
    };
    let mut sums = [0; 6];
    run(bag, layer, &mut sums).unwrap();
    assert_eq!(sums, [7 + 9 + 19 * 5, 8 + 18 + 19 * 6, 7, 8, 7 + 29 * 3, 8 + 29 * 4]);
    let mut last = [0; 4];
    run(bag.part(1, 9), layer, &mut last).unwrap();
    assert_eq!(last, sums[2..]);
    assert_eq!(run(bag, layer, &mut [0; 5]), Err("output"));
    assert_eq!(run(bag, SparseI8 { weights: &[0; 5], ..layer }, &mut sums), Err("weights"));
    let start = |start| SparseI8 { start, ..layer };
    assert_eq!(run(bag, start(StartI8::Bias(&[0])), &mut sums), Err("bias"));
    assert_eq!(run(bag, start(StartI8::Values(&[0; 5])), &mut sums), Err("starting values"));
    // Numbers that are missing are those of no entry.
    run(BagI8 { values: &[10, 20], ..bag }, layer, &mut sums).unwrap();
    assert_eq!(sums[4..], [7, 8]);
}
