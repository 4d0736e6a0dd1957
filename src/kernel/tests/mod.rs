//! Every backend against the naive twin, bit for bit.

mod low_rank;
mod refusal;
mod sparse;

use std::vec::Vec;
use std::{println, vec};

use proptest::prelude::*;

use super::{AdamStep, Backend, Batch, Conv2d, Kernel, Pool2d, Start, naive};

/// The backends of this machine; says which are missing.
fn kernels() -> Vec<Kernel> {
    Backend::ALL.into_iter().filter_map(Kernel::new).collect()
}

/// Equal bits; every NaN counts as the same.
#[track_caller]
fn same(kernel: Kernel, got: &[f32], want: &[f32]) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.len(), want.len());
    for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
        let equal = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
        prop_assert!(equal, "{:?}, value {at}: {got:e} instead of {want:e}", kernel.backend());
    }
    Ok(())
}

/// The values of real samples in a buffer of panels, sample by sample: spare lanes are nobody's.
fn real(batch: Batch, features: usize, values: &[f32]) -> Vec<f32> {
    let samples = 0..batch.samples();
    samples.flat_map(|s| (0..features).map(move |f| values[batch.at(features, s, f)])).collect()
}

/// Values from a seed: mostly ordinary; a quarter of the seeds mix in zeros of both signs,
/// subnormals, huge values, infinities and NaN, another quarter values with exact halfway sums.
struct Source(u64);

impl Source {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn values(&mut self, len: usize) -> Vec<f32> {
        let style = self.0 % 4;
        (0..len)
            .map(|_| {
                let word = self.word();
                let ordinary = (word >> 40) as f32 / (1 << 22) as f32 - 2.0;
                match (style, word % 16) {
                    (0, 0) => 0.0,
                    (0, 1) => -0.0,
                    (0, 2) => f32::from_bits((word >> 32) as u32 & 0x807f_ffff),
                    (0, 3) => f32::MIN_POSITIVE * ordinary,
                    (0, 4) => 1e-23 * ordinary,
                    (0, 5) => 1e30 * ordinary,
                    (0, 6) if word >> 60 == 0 => f32::INFINITY,
                    (0, 7) if word >> 60 == 0 => f32::NEG_INFINITY,
                    (0, 8) if word >> 60 == 0 => f32::NAN,
                    (1, _) => f32::from_bits(ordinary.to_bits() & 0xffff_f000),
                    (2, 0..8) => 0.0,
                    _ => ordinary,
                }
            })
            .collect()
    }
}

/// One of the two widths, a ragged number of samples.
fn batches() -> impl Strategy<Value = Batch> {
    (any::<bool>(), 0usize..80).prop_map(|(lanes, samples)| {
        if lanes { Batch::lanes(samples) } else { Batch::rows(samples % 21) }
    })
}

/// Sizes of a layer: often around the edges of tiles and blocks.
fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..40, 2 => 40usize..150, 1 => 250usize..300]
}

fn convolutions() -> impl Strategy<Value = Conv2d> {
    let channels = (0usize..4, prop_oneof![0usize..10, 10usize..20]);
    let axis = || (1usize..12, 0usize..9, 1usize..4, 0usize..3);
    let shape = (channels, axis(), axis());
    // Eight and sixteen channels without padding fill the lanes, and so are a case of their own.
    let full = (any::<bool>(), 1usize..3);
    (shape, full).prop_map(|(((input, channels), rows, cols), (full, eights))| Conv2d {
        input: [input, rows.0, cols.0],
        channels: if full { 8 * eights } else { channels },
        kernel: [rows.1, cols.1],
        stride: [rows.2, cols.2],
        padding: if full { [0, 0] } else { [rows.3, cols.3] },
    })
}

fn pools() -> impl Strategy<Value = Pool2d> {
    let axis = || (0usize..8, 0usize..4, 0usize..4);
    (0usize..4, axis(), axis()).prop_map(|(channels, rows, cols)| Pool2d {
        input: [channels, rows.0, cols.0],
        window: [rows.1, cols.1],
        stride: [rows.2, cols.2],
    })
}

#[test]
fn absent_backends_are_named() {
    for backend in Backend::ALL {
        if Kernel::new(backend).is_none() {
            println!("skipped: this processor cannot run {}", backend.name());
        }
    }
    assert!(kernels().contains(&Kernel::portable()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn dense_forward(batch in batches(), inputs in sizes(), outputs in sizes(), seed: u64, kind in 0..3) {
        let mut source = Source(seed);
        let weights = source.values(inputs * outputs);
        let bias = source.values(outputs);
        let before = source.values(batch.len(outputs));
        let start = [Start::Zero, Start::Bias(&bias), Start::Values(&before)][kind as usize];
        let x = source.values(batch.len(inputs));
        let mut want = vec![0.0; batch.len(outputs)];
        naive::dense_forward(batch, inputs, outputs, &weights, start, &x, &mut want);
        for kernel in kernels() {
            let mut y = vec![7.0; want.len()];
            kernel.dense_forward(batch, inputs, outputs, &weights, start, &x, &mut y).unwrap();
            same(kernel, &real(batch, outputs, &y), &real(batch, outputs, &want))?;
        }
    }

    #[test]
    fn dense_input_gradient(batch in batches(), inputs in sizes(), outputs in sizes(), seed: u64) {
        let mut source = Source(seed);
        let weights = source.values(inputs * outputs);
        let dy = source.values(batch.len(outputs));
        let mut want = vec![0.0; batch.len(inputs)];
        naive::dense_input_gradient(batch, inputs, outputs, &weights, &dy, &mut want);
        for kernel in kernels() {
            let mut dx = vec![7.0; want.len()];
            kernel.dense_input_gradient(batch, inputs, outputs, &weights, &dy, &mut dx).unwrap();
            same(kernel, &real(batch, inputs, &dx), &real(batch, inputs, &want))?;
        }
    }

    #[test]
    fn dense_weight_gradient(batch in batches(), inputs in sizes(), outputs in sizes(), seed: u64) {
        let mut source = Source(seed);
        let x = source.values(batch.len(inputs));
        let dy = source.values(batch.samples() * outputs);
        let before = source.values(inputs * outputs);
        let mut want = before.clone();
        naive::dense_weight_gradient(batch, inputs, outputs, &x, &dy, &mut want);
        for kernel in kernels() {
            let mut dw = before.clone();
            kernel.dense_weight_gradient(batch, inputs, outputs, &x, &dy, &mut dw).unwrap();
            same(kernel, &dw, &want)?;
        }
    }

    #[test]
    fn bias_gradient(rows in 0usize..50, outputs in sizes(), seed: u64) {
        let mut source = Source(seed);
        let dy = source.values(rows * outputs);
        let before = source.values(outputs);
        let mut want = before.clone();
        naive::bias_gradient(outputs, &dy, &mut want);
        for kernel in kernels() {
            let mut db = before.clone();
            kernel.bias_gradient(rows, outputs, &dy, &mut db).unwrap();
            same(kernel, &db, &want)?;
        }
    }

    #[test]
    fn layouts(batch in batches(), channels in sizes(), positions in 0usize..5, seed: u64) {
        let mut source = Source(seed);
        let features = channels * positions;
        let panels = source.values(batch.len(features));
        let mut want = vec![0.0; batch.samples() * features];
        naive::to_rows(batch, channels, positions, &panels, &mut want);
        let mut back = vec![0.0; panels.len()];
        naive::to_panels(batch, features, &want, &mut back);
        for kernel in kernels() {
            let mut rows = vec![7.0; want.len()];
            kernel.to_rows(batch, channels, positions, &panels, &mut rows).unwrap();
            same(kernel, &rows, &want)?;
            let mut panels = vec![7.0; back.len()];
            kernel.to_panels(batch, features, &want, &mut panels).unwrap();
            // Spare lanes too: they are stated to become 0.
            same(kernel, &panels, &back)?;
        }
    }

    #[test]
    fn conv2d_forward(batch in batches(), conv in convolutions(), seed: u64, biased: bool) {
        let mut source = Source(seed);
        let weights = source.values(conv.taps() * conv.channels);
        let bias = source.values(conv.channels);
        let bias = biased.then_some(&bias[..]);
        let x = source.values(batch.len(conv.input_len()));
        let mut want = vec![0.0; batch.len(conv.output_len())];
        naive::conv2d_forward(batch, &conv, &weights, bias, &x, &mut want);
        for kernel in kernels() {
            let mut y = vec![7.0; want.len()];
            kernel.conv2d_forward(batch, &conv, &weights, bias, &x, &mut y).unwrap();
            same(kernel, &real(batch, conv.output_len(), &y), &real(batch, conv.output_len(), &want))?;
        }
    }

    #[test]
    fn conv2d_input_gradient(batch in batches(), conv in convolutions(), seed: u64) {
        let mut source = Source(seed);
        let weights = source.values(conv.taps() * conv.channels);
        let dy = source.values(batch.len(conv.output_len()));
        let mut want = vec![0.0; batch.len(conv.input_len())];
        naive::conv2d_input_gradient(batch, &conv, &weights, &dy, &mut want);
        for kernel in kernels() {
            let mut dx = vec![7.0; want.len()];
            kernel.conv2d_input_gradient(batch, &conv, &weights, &dy, &mut dx).unwrap();
            same(kernel, &real(batch, conv.input_len(), &dx), &real(batch, conv.input_len(), &want))?;
        }
    }

    #[test]
    fn conv2d_weight_gradient(batch in batches(), conv in convolutions(), seed: u64) {
        let mut source = Source(seed);
        let x = source.values(batch.len(conv.input_len()));
        let dy = source.values(batch.samples() * conv.output_len());
        let before = source.values(conv.taps() * conv.channels);
        let mut want = before.clone();
        naive::conv2d_weight_gradient(batch, &conv, &x, &dy, &mut want);
        for kernel in kernels() {
            let mut dw = before.clone();
            kernel.conv2d_weight_gradient(batch, &conv, &x, &dy, &mut dw).unwrap();
            same(kernel, &dw, &want)?;
        }
    }

    #[test]
    fn pooling(batch in batches(), pool in pools(), seed: u64) {
        let mut source = Source(seed);
        let (inputs, outputs) = (pool.input_len(), pool.output_len());
        let x = source.values(batch.len(inputs));
        let dy = source.values(batch.len(outputs));
        for largest in [false, true] {
            let mut want = vec![0.0; dy.len()];
            naive::pool(batch, &pool, largest, &x, &mut want);
            let mut want_dx = vec![0.0; x.len()];
            naive::pool_gradient(batch, &pool, largest.then_some(&x[..]), &dy, &mut want_dx);
            for kernel in kernels() {
                let (mut y, mut dx) = (vec![7.0; dy.len()], vec![7.0; x.len()]);
                if largest {
                    kernel.max_pool(batch, &pool, &x, &mut y).unwrap();
                    kernel.max_pool_gradient(batch, &pool, &x, &dy, &mut dx).unwrap();
                } else {
                    kernel.average_pool(batch, &pool, &x, &mut y).unwrap();
                    kernel.average_pool_gradient(batch, &pool, &dy, &mut dx).unwrap();
                }
                same(kernel, &real(batch, outputs, &y), &real(batch, outputs, &want))?;
                same(kernel, &real(batch, inputs, &dx), &real(batch, inputs, &want_dx))?;
            }
        }
    }

    #[test]
    fn activations(len in 0usize..300, seed: u64, scale in prop_oneof![Just(1.0f32), Just(40.0)]) {
        let mut source = Source(seed);
        let values: Vec<f32> = source.values(len).iter().map(|value| value * scale).collect();
        let dy = source.values(len);
        for kernel in kernels() {
            type Op = (fn(Kernel, &mut [f32]), fn(&mut [f32]));
            let ops: [Op; 3] = [
                (Kernel::relu, naive::relu),
                (Kernel::tanh, naive::tanh),
                (Kernel::exp, naive::exp),
            ];
            for (op, twin) in ops {
                let (mut got, mut want) = (values.clone(), values.clone());
                op(kernel, &mut got);
                twin(&mut want);
                same(kernel, &got, &want)?;
            }
            let (mut got, mut want) = (vec![7.0; len], vec![0.0; len]);
            kernel.relu_gradient(&values, &dy, &mut got).unwrap();
            naive::relu_gradient(&values, &dy, &mut want);
            same(kernel, &got, &want)?;
            kernel.tanh_gradient(&values, &dy, &mut got).unwrap();
            naive::tanh_gradient(&values, &dy, &mut want);
            same(kernel, &got, &want)?;
            got.copy_from_slice(&dy);
            kernel.mask(&values, scale, &mut got).unwrap();
            naive::mask(&values, &dy, scale, &mut want);
            same(kernel, &got, &want)?;
        }
    }

    #[test]
    fn softmax_and_argmax(batch in batches(), features in 0usize..20, seed: u64) {
        let mut source = Source(seed);
        let logits = source.values(batch.len(features));
        let mut want = logits.clone();
        naive::softmax(batch, features, &mut want);
        let mut want_classes = vec![9; batch.samples()];
        naive::argmax(batch, features, &logits, &mut want_classes);
        for kernel in kernels() {
            let mut got = logits.clone();
            kernel.softmax(batch, features, &mut got).unwrap();
            same(kernel, &real(batch, features, &got), &real(batch, features, &want))?;
            let mut classes = vec![7; batch.samples()];
            kernel.argmax(batch, features, &logits, &mut classes).unwrap();
            prop_assert_eq!(&classes, &want_classes);
        }
    }

    #[test]
    fn adam(len in 0usize..100, seed: u64, t in 1i32..1000) {
        let mut source = Source(seed);
        let gradient = source.values(len);
        let m = source.values(len);
        let v: Vec<f32> = source.values(len).iter().map(|value| value.abs()).collect();
        let parameters = source.values(len);
        let step = AdamStep {
            rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            correction1: 1.0 - 0.9f32.powi(t),
            correction2: 1.0 - 0.999f32.powi(t),
        };
        let mut want = (m.clone(), v.clone(), parameters.clone());
        naive::adam(&step, &gradient, &mut want.0, &mut want.1, &mut want.2);
        for kernel in kernels() {
            let mut got = (m.clone(), v.clone(), parameters.clone());
            kernel.adam(&step, &gradient, &mut got.0, &mut got.1, &mut got.2).unwrap();
            same(kernel, &got.0, &want.0)?;
            same(kernel, &got.1, &want.1)?;
            same(kernel, &got.2, &want.2)?;
        }
    }
}

/// The shapes that `sizes` reaches rarely: several blocks of a chain, packed strips, many panels.
#[test]
fn long_chains_and_many_panels() {
    for (samples, inputs, outputs) in [(300, 520, 130), (33, 700, 17), (65, 4096, 3), (1, 5000, 70)]
    {
        for batch in [Batch::lanes(samples), Batch::rows(samples.min(9))] {
            let mut source = Source(3);
            let weights = source.values(inputs * outputs);
            let x = source.values(batch.len(inputs));
            let dy = source.values(batch.len(outputs));
            let rows = source.values(batch.samples() * outputs);
            let mut y = vec![0.0; batch.len(outputs)];
            naive::dense_forward(batch, inputs, outputs, &weights, Start::Zero, &x, &mut y);
            let mut dx = vec![0.0; batch.len(inputs)];
            naive::dense_input_gradient(batch, inputs, outputs, &weights, &dy, &mut dx);
            let mut dw = weights.clone();
            naive::dense_weight_gradient(batch, inputs, outputs, &x, &rows, &mut dw);
            for kernel in kernels() {
                let mut got = vec![7.0; y.len()];
                kernel
                    .dense_forward(batch, inputs, outputs, &weights, Start::Zero, &x, &mut got)
                    .unwrap();
                same(kernel, &real(batch, outputs, &got), &real(batch, outputs, &y)).unwrap();
                let mut got = vec![7.0; dx.len()];
                kernel
                    .dense_input_gradient(batch, inputs, outputs, &weights, &dy, &mut got)
                    .unwrap();
                same(kernel, &real(batch, inputs, &got), &real(batch, inputs, &dx)).unwrap();
                let mut got = weights.clone();
                kernel.dense_weight_gradient(batch, inputs, outputs, &x, &rows, &mut got).unwrap();
                same(kernel, &got, &dw).unwrap();
            }
        }
    }
}
