//! A dense layer changed by a matrix of low rank, and dense layers of few outputs over many panels.

use super::*;
use crate::kernel::{LANES, LowRank, TOGETHER};

/// The twin of [`Kernel::low_rank_forward`].
fn naive_low_rank(
    batch: Batch,
    change: LowRank<'_>,
    relu: bool,
    before: &[f32],
    x: &[f32],
) -> Vec<f32> {
    let LowRank { inputs, rank, outputs, v, u } = change;
    let mut thin = vec![0.0; batch.len(rank)];
    naive::dense_forward(batch, inputs, rank, v, Start::Zero, x, &mut thin);
    let mut y = vec![0.0; batch.len(outputs)];
    naive::dense_forward(batch, rank, outputs, u, Start::Values(before), &thin, &mut y);
    if relu {
        naive::relu(&mut y);
    }
    y
}

/// Around and beyond the panels that are done together.
fn many() -> impl Strategy<Value = Batch> {
    let most = (2 * TOGETHER + 2) * LANES;
    (any::<bool>(), 0..most).prop_map(|(lanes, samples)| {
        if lanes { Batch::lanes(samples) } else { Batch::rows(samples % 21) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn low_rank_forward(
        batch in many(), inputs in sizes(), rank in 0usize..9, outputs in sizes(), seed: u64, relu: bool,
    ) {
        let mut source = Source(seed);
        let v = source.values(inputs * rank);
        let u = source.values(rank * outputs);
        let change = LowRank { inputs, rank, outputs, v: &v, u: &u };
        let before = source.values(batch.len(outputs));
        let x = source.values(batch.len(inputs));
        let want = naive_low_rank(batch, change, relu, &before, &x);
        for kernel in kernels() {
            let (mut thin, mut y) = (vec![7.0; batch.len(rank)], vec![7.0; want.len()]);
            kernel.low_rank_forward(batch, change, relu, &before, &x, &mut thin, &mut y).unwrap();
            same(kernel, &real(batch, outputs, &y), &real(batch, outputs, &want))?;
        }
    }

    #[test]
    fn few_outputs_of_many_panels(
        batch in many(), inputs in sizes(), outputs in 0usize..14, seed: u64, kind in 0..3,
    ) {
        let mut source = Source(seed);
        let weights = source.values(inputs * outputs);
        let bias = source.values(outputs);
        let before = source.values(batch.len(outputs));
        let start = [Start::Zero, Start::Bias(&bias), Start::Values(&before)][kind as usize];
        let x = source.values(batch.len(inputs));
        let mut want = vec![0.0; batch.len(outputs)];
        naive::dense_forward(batch, inputs, outputs, &weights, start, &x, &mut want);
        // The gradient by the inputs reads the same weights by their other side.
        let (dy, mut want_dx) = (&x, vec![0.0; batch.len(outputs)]);
        naive::dense_input_gradient(batch, outputs, inputs, &weights, dy, &mut want_dx);
        for kernel in kernels() {
            let mut y = vec![7.0; want.len()];
            kernel.dense_forward(batch, inputs, outputs, &weights, start, &x, &mut y).unwrap();
            same(kernel, &real(batch, outputs, &y), &real(batch, outputs, &want))?;
            kernel.dense_input_gradient(batch, outputs, inputs, &weights, dy, &mut y).unwrap();
            same(kernel, &real(batch, outputs, &y), &real(batch, outputs, &want_dx))?;
        }
    }
}

/// Every rank that has tiles of its own, and the first that has none, on whole and on ragged groups.
#[test]
fn every_rank() {
    for samples in [1, TOGETHER * LANES - 1, TOGETHER * LANES, (TOGETHER + 1) * LANES + 1] {
        for rank in 1..=5 {
            let (batch, inputs, outputs) = (Batch::lanes(samples), 7, 5);
            let mut source = Source(3);
            let (v, u) = (source.values(inputs * rank), source.values(rank * outputs));
            let change = LowRank { inputs, rank, outputs, v: &v, u: &u };
            let before = source.values(batch.len(outputs));
            let x = source.values(batch.len(inputs));
            for relu in [false, true] {
                let want = naive_low_rank(batch, change, relu, &before, &x);
                for kernel in kernels() {
                    let (mut thin, mut y) = (vec![7.0; batch.len(rank)], vec![7.0; want.len()]);
                    kernel
                        .low_rank_forward(batch, change, relu, &before, &x, &mut thin, &mut y)
                        .unwrap();
                    same(kernel, &real(batch, outputs, &y), &real(batch, outputs, &want)).unwrap();
                }
            }
        }
    }
}

/// Few inputs in rows, continued: outputs that fill vectors, and such that do not.
#[test]
fn updates_in_rows() {
    for (samples, outputs) in [(8, 16), (7, 32), (11, 32), (9, 64), (13, 40), (10, 1), (128, 96)] {
        for inputs in 0..=5 {
            let batch = Batch::rows(samples);
            let mut source = Source(3);
            let weights = source.values(inputs * outputs);
            let before = source.values(batch.len(outputs));
            let x = source.values(batch.len(inputs));
            let start = Start::Values(&before);
            let mut want = vec![0.0; before.len()];
            naive::dense_forward(batch, inputs, outputs, &weights, start, &x, &mut want);
            for kernel in kernels() {
                let mut y = vec![7.0; want.len()];
                kernel.dense_forward(batch, inputs, outputs, &weights, start, &x, &mut y).unwrap();
                same(kernel, &y, &want).unwrap();
            }
        }
    }
}

/// Each length in turn is one value off.
#[test]
fn low_rank_forward_refuses_wrong_lengths() {
    let (inputs, rank, outputs) = (3, 2, 4);
    for kernel in kernels() {
        for batch in [Batch::lanes(33), Batch::rows(3)] {
            let right = [
                inputs * rank,
                rank * outputs,
                batch.len(outputs),
                batch.len(inputs),
                batch.len(rank),
                batch.len(outputs),
            ];
            let run = |lens: [usize; 6]| {
                let mut buffers = lens.map(|len| vec![1.0; len]);
                let [v, u, before, x, thin, y] = &mut buffers;
                let change = LowRank { inputs, rank, outputs, v, u };
                kernel.low_rank_forward(batch, change, true, before, x, thin, y)
            };
            assert!(run(right).is_ok());
            for at in 0..right.len() {
                for len in [right[at] - 1, right[at] + 1] {
                    let mut lens = right;
                    lens[at] = len;
                    let error = run(lens).unwrap_err();
                    assert_eq!((error.expected, error.found), (right[at], len));
                }
            }
        }
    }
}
