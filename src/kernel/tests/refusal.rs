//! Wrong lengths and absurd sizes.

use std::vec;

use super::kernels;
use crate::error::ShapeError;
use crate::kernel::{AdamStep, Batch, Conv2d, Kernel, Pool2d, Start};

/// Runs `call` with every slice one value short and one too long.
fn refuses(what: &str, lengths: &[usize], call: impl Fn(&[usize]) -> Result<(), ShapeError>) {
    assert_eq!(call(lengths), Ok(()), "{what}");
    for at in 0..lengths.len() {
        for wrong in [lengths[at] + 1, lengths[at].wrapping_sub(1)] {
            let mut lengths = lengths.to_vec();
            if wrong == usize::MAX {
                continue;
            }
            lengths[at] = wrong;
            assert!(call(&lengths).is_err(), "{what}: argument {at} with {wrong} values");
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    let conv =
        Conv2d { input: [2, 5, 6], channels: 3, kernel: [2, 3], stride: [2, 1], padding: [1, 0] };
    let pool = Pool2d { input: [2, 5, 6], window: [2, 3], stride: [2, 1] };
    let v = |len: usize| vec![0.0f32; len];
    for kernel in kernels() {
        for batch in [Batch::lanes(35), Batch::rows(3)] {
            let (samples, inputs, outputs) = (batch.samples(), 4, 7);
            let (x, y) = (batch.len(inputs), batch.len(outputs));
            refuses("dense_forward", &[28, x, y], |l| {
                let (w, x, mut y) = (v(l[0]), v(l[1]), v(l[2]));
                kernel.dense_forward(batch, inputs, outputs, &w, Start::Zero, &x, &mut y)
            });
            refuses("bias", &[outputs], |l| {
                let (w, x, mut y) = (v(28), v(x), v(y));
                let bias = v(l[0]);
                kernel.dense_forward(batch, inputs, outputs, &w, Start::Bias(&bias), &x, &mut y)
            });
            refuses("values to continue", &[y], |l| {
                let (w, x, mut y) = (v(28), v(x), v(y));
                let values = v(l[0]);
                kernel.dense_forward(batch, inputs, outputs, &w, Start::Values(&values), &x, &mut y)
            });
            refuses("dense_input_gradient", &[28, y, x], |l| {
                let (w, dy, mut dx) = (v(l[0]), v(l[1]), v(l[2]));
                kernel.dense_input_gradient(batch, inputs, outputs, &w, &dy, &mut dx)
            });
            refuses("dense_weight_gradient", &[x, samples * outputs, 28], |l| {
                let (x, dy, mut dw) = (v(l[0]), v(l[1]), v(l[2]));
                kernel.dense_weight_gradient(batch, inputs, outputs, &x, &dy, &mut dw)
            });
            refuses("bias_gradient", &[samples * outputs, outputs], |l| {
                kernel.bias_gradient(samples, outputs, &v(l[0]), &mut v(l[1]))
            });
            refuses("to_rows", &[batch.len(28), samples * 28], |l| {
                kernel.to_rows(batch, 4, 7, &v(l[0]), &mut v(l[1]))
            });
            refuses("to_panels", &[samples * 28, batch.len(28)], |l| {
                kernel.to_panels(batch, 28, &v(l[0]), &mut v(l[1]))
            });
            let (x, y) = (batch.len(conv.input_len()), batch.len(conv.output_len()));
            let weights = conv.taps() * conv.channels;
            refuses("conv2d_forward", &[weights, conv.channels, x, y], |l| {
                let (w, bias, x, mut y) = (v(l[0]), v(l[1]), v(l[2]), v(l[3]));
                kernel.conv2d_forward(batch, &conv, &w, Some(&bias), &x, &mut y)
            });
            refuses("conv2d_input_gradient", &[weights, y, x], |l| {
                let (w, dy, mut dx) = (v(l[0]), v(l[1]), v(l[2]));
                kernel.conv2d_input_gradient(batch, &conv, &w, &dy, &mut dx)
            });
            refuses("conv2d_weight_gradient", &[x, samples * conv.output_len(), weights], |l| {
                let (x, dy, mut dw) = (v(l[0]), v(l[1]), v(l[2]));
                kernel.conv2d_weight_gradient(batch, &conv, &x, &dy, &mut dw)
            });
            let (x, y) = (batch.len(pool.input_len()), batch.len(pool.output_len()));
            refuses("max_pool", &[x, y], |l| kernel.max_pool(batch, &pool, &v(l[0]), &mut v(l[1])));
            refuses("average_pool", &[x, y], |l| {
                kernel.average_pool(batch, &pool, &v(l[0]), &mut v(l[1]))
            });
            refuses("max_pool_gradient", &[x, y, x], |l| {
                kernel.max_pool_gradient(batch, &pool, &v(l[0]), &v(l[1]), &mut v(l[2]))
            });
            refuses("average_pool_gradient", &[y, x], |l| {
                kernel.average_pool_gradient(batch, &pool, &v(l[0]), &mut v(l[1]))
            });
            refuses("softmax", &[batch.len(7)], |l| kernel.softmax(batch, 7, &mut v(l[0])));
            refuses("argmax", &[batch.len(7), samples], |l| {
                kernel.argmax(batch, 7, &v(l[0]), &mut vec![0; l[1]])
            });
        }
        // Where any length would do, all but one are held.
        refuses("gradients of activations", &[5], |l| {
            kernel.relu_gradient(&v(5), &v(l[0]), &mut v(5))?;
            kernel.relu_gradient(&v(5), &v(5), &mut v(l[0]))?;
            kernel.tanh_gradient(&v(5), &v(l[0]), &mut v(5))?;
            kernel.tanh_gradient(&v(5), &v(5), &mut v(l[0]))
        });
        refuses("mask", &[5], |l| kernel.mask(&v(5), 1.0, &mut v(l[0])));
        let step = AdamStep {
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.9,
            epsilon: 1e-8,
            correction1: 1.0,
            correction2: 1.0,
        };
        refuses("adam", &[5, 5, 5], |l| {
            kernel.adam(&step, &v(l[0]), &mut v(l[1]), &mut v(l[2]), &mut v(5))
        });
    }
}

/// Sizes whose products overflow, and geometry without sense, are errors or do nothing; no panic.
#[test]
fn absurd_sizes_do_not_panic() {
    let sizes = [0, 1, 3, 1 << 33, usize::MAX / 2, usize::MAX];
    let mut one = [1.0f32];
    for kernel in kernels() {
        for a in sizes {
            for b in sizes {
                for batch in [Batch::lanes(a), Batch::rows(a), Batch::fitting(a), Batch::rows(1)] {
                    for len in [0, 1] {
                        let (x, y) = (&[1.0][..len], &mut one[..len]);
                        _ = kernel.dense_forward(batch, b, a, x, Start::Bias(x), x, y);
                        _ = kernel.dense_forward(batch, a, b, x, Start::Values(x), x, y);
                        _ = kernel.dense_input_gradient(batch, a, b, x, x, y);
                        _ = kernel.dense_weight_gradient(batch, a, b, x, x, y);
                        _ = kernel.bias_gradient(a, b, x, y);
                        _ = kernel.to_rows(batch, a, b, x, y);
                        _ = kernel.to_panels(batch, b, x, y);
                        _ = kernel.softmax(batch, b, y);
                        _ = kernel.argmax(batch, b, x, &mut [0][..len]);
                        geometry(kernel, batch, a, b, x, y);
                    }
                }
            }
        }
    }
}

fn geometry(kernel: Kernel, batch: Batch, a: usize, b: usize, x: &[f32], y: &mut [f32]) {
    for (input, channels) in [([1, a, b], 1), ([a, 1, 1], b), ([0, a, b], 0), ([1, 1, 1], 1)] {
        for (kernel_size, stride, padding) in
            [([a, b], [1, 1], [0, 0]), ([1, 1], [a, b], [b, a]), ([a, 1], [0, 0], [a, b])]
        {
            let conv = Conv2d { input, channels, kernel: kernel_size, stride, padding };
            _ = kernel.conv2d_forward(batch, &conv, x, None, x, y);
            _ = kernel.conv2d_forward(batch, &conv, &[], None, x, y);
            _ = kernel.conv2d_input_gradient(batch, &conv, x, x, y);
            _ = kernel.conv2d_input_gradient(batch, &conv, &[], &[], y);
            _ = kernel.conv2d_weight_gradient(batch, &conv, x, x, y);
            _ = kernel.conv2d_weight_gradient(batch, &conv, x, &[], y);
            let pool = Pool2d { input, window: kernel_size, stride };
            _ = kernel.max_pool(batch, &pool, x, y);
            _ = kernel.average_pool(batch, &pool, x, y);
            _ = kernel.max_pool_gradient(batch, &pool, x, x, y);
            _ = kernel.max_pool_gradient(batch, &pool, x, &[], y);
            _ = kernel.average_pool_gradient(batch, &pool, x, y);
            _ = kernel.average_pool_gradient(batch, &pool, &[], y);
        }
    }
}
