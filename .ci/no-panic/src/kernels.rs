//! `kernel`: every method, plain Rust and whatever else this processor has.

use core::hint::black_box;
use reweight::error::ShapeError;
use reweight::kernel::int8::{BagI8, DenseI8, OutputI8, SparseI8, StartI8};
use reweight::kernel::{AdamStep, Backend, Bag, Batch, Conv2d, Kernel, LowRank, Pool2d, Start};

use crate::any;

pub(crate) fn all(size: usize) {
    for backend in black_box(Backend::ALL) {
        if let Some(kernel) = Kernel::new(backend) {
            // Errors are answers, too.
            let _ = black_box(products(kernel, size));
            let _ = black_box(functions(kernel, size));
            let _ = black_box(integers(kernel, size));
        }
    }
    black_box((Kernel::auto().peak_loop(size), Kernel::auto().peak_flops(size)));
}

const ROOM: usize = 4096;

fn products(kernel: Kernel, size: usize) -> Result<(), ShapeError> {
    let (mut a, mut b, mut c, mut d) = ([0.5; ROOM], [0.5; ROOM], [0.5; ROOM], [0.5; ROOM]);
    let (a, b, c, d) = (any(&mut a), any(&mut b), any(&mut c), any(&mut d));
    let (inputs, outputs, samples) = (black_box(size), black_box(size), black_box(size));
    for batch in [Batch::lanes(samples), Batch::rows(samples), Batch::fitting(samples)] {
        let part = batch.part(inputs, outputs);
        for start in [Start::Zero, Start::Bias(c), Start::Values(c)] {
            let _ = kernel.dense_forward(part, inputs, outputs, a, start, b, d);
            let (mut offsets, mut columns, mut values) = ([0, 1], [1, 2], [1.0, 2.0]);
            let values = any(&mut values);
            let bag = Bag::new(inputs, any(&mut offsets), any(&mut columns), values)?;
            let _ = kernel.sparse_forward(bag.part(inputs, outputs), outputs, a, start, d);
        }
        let rank = black_box(size);
        let change = LowRank { inputs, rank, outputs, v: a, u: a };
        let mut thin = [0.0; ROOM];
        let _ = kernel.low_rank_forward(batch, change, size == 1, c, b, any(&mut thin), d);
        let _ = kernel.dense_input_gradient(batch, inputs, outputs, a, b, d);
        let _ = kernel.dense_weight_gradient(batch, inputs, outputs, a, b, d);
        let _ = kernel.bias_gradient(inputs, outputs, b, d);
        let _ = kernel.to_rows(batch, inputs, outputs, b, d);
        let _ = kernel.to_panels(batch, inputs, b, d);
        let three = || black_box([size, size, size]);
        let two = || black_box([size, size]);
        let conv = Conv2d {
            input: three(),
            channels: outputs,
            kernel: two(),
            stride: two(),
            padding: two(),
        };
        let bias = (size > 1).then_some(&*c);
        let _ = kernel.conv2d_forward(batch, &conv, a, bias, b, d);
        let _ = kernel.conv2d_input_gradient(batch, &conv, a, b, d);
        let _ = kernel.conv2d_weight_gradient(batch, &conv, a, b, d);
        let pool = Pool2d { input: three(), window: two(), stride: two() };
        let _ = kernel.max_pool(batch, &pool, a, d);
        let _ = kernel.average_pool(batch, &pool, a, d);
        let _ = kernel.max_pool_gradient(batch, &pool, a, b, d);
        let _ = kernel.average_pool_gradient(batch, &pool, a, d);
        black_box((batch.at(inputs, samples, outputs), conv.output(), pool.output()));
    }
    Ok(())
}

fn functions(kernel: Kernel, size: usize) -> Result<(), ShapeError> {
    let (mut a, mut b, mut c, mut d) = ([0.5; ROOM], [0.5; ROOM], [0.5; ROOM], [0.5; ROOM]);
    let (a, b, c, d) = (any(&mut a), any(&mut b), any(&mut c), any(&mut d));
    kernel.relu(a);
    kernel.exp(a);
    kernel.tanh(a);
    let _ = kernel.relu_gradient(a, b, d);
    let _ = kernel.tanh_gradient(a, b, d);
    for batch in [Batch::lanes(size), Batch::rows(size)] {
        let _ = kernel.softmax(batch, size, d);
        let _ = kernel.argmax(batch, size, d, any(&mut [0; 64]));
    }
    let _ = kernel.mask(a, 0.5, d);
    let step = AdamStep {
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.9,
        epsilon: 0.1,
        correction1: 1.0,
        correction2: 1.0,
    };
    kernel.adam(&step, a, b, c, d)
}

fn integers(kernel: Kernel, size: usize) -> Result<(), ShapeError> {
    let (mut a, mut b, mut y) = ([1i8; ROOM], [1i8; ROOM], [1i8; ROOM]);
    let (mut c, mut d, mut e) = ([1i32; ROOM], [1i32; ROOM], [1i32; ROOM]);
    let (weights, x, y) = (any(&mut a), any(&mut b), any(&mut y));
    let (packed, bias, sums) = (any(&mut c), any(&mut d), any(&mut e));
    let (inputs, outputs, samples) = (black_box(size), black_box(size), black_box(size));
    let _ = kernel.pack_i8(inputs, outputs, weights, packed);
    for packed in [packed, &mut []] {
        let layer = DenseI8 { inputs, outputs, weights, packed, bias, zero: size as i8 };
        let _ = kernel.dense_i8_sums(samples, layer, x, sums);
        let (low, high) = black_box((-5, 5));
        let output = OutputI8 { multipliers: bias, shifts: bias, zero: size as i8, low, high };
        kernel.dense_i8(samples, layer, output, x, y)?;
    }
    let (mut offsets, mut columns, mut values) = ([0, 1], [1, 2], [1.0, 2.0]);
    let rows = Bag::new(inputs, any(&mut offsets), any(&mut columns), any(&mut values))?;
    let bag = BagI8 { rows, values: x };
    for start in [StartI8::Bias(bias), StartI8::Values(bias)] {
        let layer = SparseI8 { outputs, weights, start, zero: size as i8 };
        let _ = kernel.sparse_i8_sums(bag, layer, sums);
        let (low, high) = black_box((-5, 5));
        let output = OutputI8 { multipliers: bias, shifts: bias, zero: size as i8, low, high };
        kernel.sparse_i8(bag.part(size, size), layer, output, y)?;
    }
    Ok(())
}
