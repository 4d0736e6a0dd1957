//! Dense layers of 8-bit integers: shapes around the edges of words, tiles and blocks, values at the ends of their
//! ranges, operands at any address; against sums made one by one.

use crate::cases::Source;
use reweight::kernel::Kernel;
use reweight::kernel::int8::{DenseI8, OutputI8};
use reweight::num::Digest;

const INPUTS: [usize; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 33, 128, 131, 270];
const OUTPUTS: [usize; 7] = [1, 2, 3, 4, 5, 16, 33];
const SAMPLES: usize = 5;
const ZEROS: [i8; 4] = [-128, 0, 1, 127];

/// The largest shape, and how far operands lie from the start of their buffers at the most.
const MOST_INPUTS: usize = 270;
const MOST_OUTPUTS: usize = 33;
const SHIFT: usize = 3;

/// Working memory, one buffer for each operand.
struct Buffers {
    weights: [i8; MOST_INPUTS * MOST_OUTPUTS + SHIFT],
    packed: [i32; Kernel::packed_i8_len(MOST_INPUTS, MOST_OUTPUTS)],
    x: [i8; SAMPLES * MOST_INPUTS + SHIFT],
    bias: [i32; MOST_OUTPUTS],
    sums: [i32; SAMPLES * MOST_OUTPUTS],
    y: [i8; SAMPLES * MOST_OUTPUTS],
}

/// A name for what went wrong, or the digest of all results.
pub fn digest(kernel: Kernel) -> Result<u64, &'static str> {
    let mut digest = Digest::new();
    let mut buffers = Buffers {
        weights: [0; _],
        packed: [0; _],
        x: [0; _],
        bias: [0; _],
        sums: [0; _],
        y: [0; _],
    };
    for inputs in INPUTS {
        for outputs in OUTPUTS {
            for samples in 1..=SAMPLES {
                let shape = [samples, inputs, outputs];
                layers(kernel, shape, &mut buffers, &mut digest)
                    .unwrap_or(Err("a shape of integers is refused"))?;
            }
        }
    }
    Ok(digest.finish())
}

/// A byte from a seed: each end of the range a sixth of the time.
fn byte(source: &mut Source) -> i8 {
    let word = source.word();
    match word % 6 {
        0 => i8::MIN,
        1 => i8::MAX,
        _ => (word >> 40) as i8,
    }
}

/// The layer with every zero point; nothing where a length does not fit.
fn layers(
    kernel: Kernel,
    [samples, inputs, outputs]: [usize; 3],
    buffers: &mut Buffers,
    digest: &mut Digest,
) -> Option<Result<(), &'static str>> {
    let Buffers { weights, packed, x, bias, sums, y } = buffers;
    let mut source = Source { state: (samples * inputs + outputs) as u64, style: 0 };
    weights.iter_mut().chain(&mut *x).for_each(|value| *value = byte(&mut source));
    bias.iter_mut().for_each(|value| *value = source.word() as i32);
    let packed = packed.get_mut(..Kernel::packed_i8_len(inputs, outputs))?;
    let (bias, sums) = (bias.get(..outputs)?, sums.get_mut(..samples * outputs)?);
    let y = y.get_mut(..samples * outputs)?;
    for (at, zero) in ZEROS.into_iter().enumerate() {
        let weights = weights.get(at..at + inputs * outputs)?;
        let x = x.get(SHIFT - at..SHIFT - at + samples * inputs)?;
        kernel.pack_i8(inputs, outputs, weights, packed).ok()?;
        let layer = DenseI8 { inputs, outputs, weights, packed, bias, zero };
        sums.fill(-1);
        kernel.dense_i8_sums(samples, layer, x, sums).ok()?;
        for (index, &sum) in sums.iter().enumerate() {
            let (sample, row) = (index / outputs, index % outputs);
            let x = x.get(sample * inputs..(sample + 1) * inputs)?;
            let w = weights.get(row * inputs..(row + 1) * inputs)?;
            let product = |(&x, &w)| (i64::from(x) - i64::from(zero)) * i64::from(w);
            let want = i64::from(*bias.get(row)?) + x.iter().zip(w).map(product).sum::<i64>();
            // Modulo 2³²: biases are any numbers, and some sums wrap around.
            if sum != want as i32 {
                return Some(Err("a sum of integers is wrong"));
            }
            digest.bytes(&sum.to_le_bytes());
        }
        let (multipliers, shifts) = (&[1_500_000_000][..], &[-11][..]);
        let output = OutputI8 { multipliers, shifts, zero: 3, low: -128, high: 127 };
        kernel.dense_i8(samples, layer, output, x, y).ok()?;
        y.iter().for_each(|value| digest.bytes(&value.to_le_bytes()));
    }
    Some(Ok(()))
}
