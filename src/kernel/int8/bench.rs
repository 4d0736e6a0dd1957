//! How fast the integer product is here.

use super::{DenseI8, OutputI8};
use crate::kernel::Kernel;
use crate::kernel::bench::{Timing, best};
use crate::rng::{Purpose, Rng};
use std::format;
use std::hint::black_box;
use std::time::Duration;
use std::vec::Vec;

/// Times one dense layer, weights packed beforehand: to i8, or to its sums. Operations are integer ones, two
/// per multiply-add.
pub(in crate::kernel) fn product(
    kernel: Kernel,
    effort: Duration,
    (samples, inputs, outputs): (usize, usize, usize),
    sums_alone: bool,
) -> Timing {
    let mut rng = Rng::new(inputs as u64, Purpose::Data);
    let mut bytes =
        |len: usize| (0..len).map(|_| rng.uniform(-128.0, 128.0) as i8).collect::<Vec<i8>>();
    let (weights, x) = (bytes(inputs * outputs), bytes(samples * inputs));
    let mut packed = std::vec![0; Kernel::packed_i8_len(inputs, outputs)];
    let packs = kernel.pack_i8(inputs, outputs, &weights, &mut packed);
    let (bias, mut sums) = (std::vec![100; outputs], std::vec![0; samples * outputs]);
    let mut y = std::vec![0; samples * outputs];
    let (multipliers, shifts) = (std::vec![1 << 30; outputs], std::vec![-10; outputs]);
    let (packed, bias) = (&packed[..], &bias[..]);
    let layer = DenseI8 { inputs, outputs, weights: &weights, packed, bias, zero: -128 };
    let (multipliers, shifts) = (&multipliers[..], &shifts[..]);
    let output = OutputI8 { multipliers, shifts, zero: -128, low: -128, high: 127 };
    let seconds = best(effort, || {
        let result = match sums_alone {
            true => kernel.dense_i8_sums(samples, layer, black_box(&x), &mut sums),
            false => kernel.dense_i8(samples, layer, output, black_box(&x), &mut y),
        };
        _ = black_box((result, &mut sums, &mut y));
    });
    _ = black_box(packs);
    let to = if sums_alone { "i32" } else { "i8" };
    Timing {
        name: format!("{samples}x{inputs}x{outputs} of i8 to {to} (Gop/s)"),
        seconds,
        flops: 2.0 * samples as f64 * inputs as f64 * outputs as f64,
        elements: samples * outputs,
    }
}
