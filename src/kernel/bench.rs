//! How fast the kernels are on this machine: the list that `benches/kernel.rs` and the program's
//! `bench` command print. Needs a clock, so it is there with the feature `std` only.

use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};
use std::vec::Vec;
use std::{format, string::String, vec};

use super::{AdamStep, Batch, Kernel, Start};
use crate::rng::{Purpose, Rng};

/// The best of many rounds of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// What was timed: `2000x128x32` is samples × inputs × outputs.
    pub name: String,
    /// Best time of one call in seconds.
    pub seconds: f64,
    /// Floating-point operations of one call, two per multiply-add; 0 where they are not the point.
    pub flops: f64,
    /// Values that one call writes.
    pub elements: usize,
}

impl Timing {
    /// GFLOP/s.
    pub fn gflops(&self) -> f64 {
        self.flops / self.seconds / 1e9
    }

    /// Nanoseconds per value written.
    pub fn nanoseconds_per_element(&self) -> f64 {
        self.seconds / self.elements as f64 * 1e9
    }
}

/// Floating-point operations per second that the core reaches with operands in registers.
pub fn peak(kernel: Kernel, effort: Duration) -> f64 {
    let rounds = 10_000;
    kernel.peak_flops(rounds) / best(effort, || _ = black_box(kernel.peak_loop(rounds)))
}

/// Best time of one call in seconds; calls are repeated for about `effort`.
pub fn best(effort: Duration, mut call: impl FnMut()) -> f64 {
    let begin = Instant::now();
    // As many calls in a round as make the clock's own cost vanish.
    let mut calls = 1u32;
    let mut best = f64::INFINITY;
    loop {
        let round = Instant::now();
        for _ in 0..calls {
            call();
        }
        let taken = round.elapsed();
        if taken < Duration::from_micros(100) && calls < 1 << 20 {
            calls *= 2;
            continue;
        }
        best = best.min(taken.as_secs_f64() / f64::from(calls));
        if begin.elapsed() >= effort {
            return best;
        }
    }
}

/// Which of the dense layer's products.
#[derive(Clone, Copy)]
enum Product {
    Forward,
    Panelwise,
    Rows,
    InputGradient,
    WeightGradient,
    RowWeightGradient,
}

/// Times every case of the list, each for about `effort`.
pub fn run(kernel: Kernel, effort: Duration, mut each: impl FnMut(&Timing)) {
    use Product::*;
    for (product, samples, inputs, outputs) in [
        (Forward, 512, 512, 512),
        (Forward, 2000, 128, 32),
        (Forward, 2000, 32, 10),
        (Forward, 2000, 16, 2),
        (Forward, 2000, 128, 4),
        (Forward, 2000, 128, 1),
        (Panelwise, 2000, 128, 4),
        (Panelwise, 2000, 128, 1),
        (Panelwise, 2000, 4, 32),
        (Forward, 64, 784, 128),
        (Forward, 64, 512, 128),
        (InputGradient, 64, 512, 128),
        (WeightGradient, 64, 512, 128),
        (Forward, 64, 64, 64),
        (InputGradient, 64, 64, 64),
        (WeightGradient, 64, 64, 64),
        (WeightGradient, 64, 32, 10),
        (Rows, 1, 4096, 64),
        (Rows, 1, 64, 160),
        (Rows, 8, 64, 64),
        (RowWeightGradient, 1, 4096, 64),
    ] {
        each(&product_case(kernel, effort, product, samples, inputs, outputs));
    }
    for (samples, inputs, outputs) in [(2000, 128, 32), (2000, 32, 10)] {
        for sums_alone in [true, false] {
            let size = (samples, inputs, outputs);
            each(&super::int8::bench::product(kernel, effort, size, sums_alone));
        }
    }
    each(&convolution(kernel, effort, false));
    each(&convolution(kernel, effort, true));
    functions(kernel, effort, &mut each);
}

/// Values that begin on a line of the cache: vectors that straddle lines cost 2 to 5 %.
struct Buffer {
    values: Vec<f32>,
    first: usize,
}

impl Buffer {
    fn new(len: usize) -> Self {
        let values = vec![0.0f32; len + 16];
        let first = values.as_ptr().align_offset(64).min(16);
        Self { values, first }
    }

    fn random(len: usize) -> Self {
        let mut rng = Rng::new(len as u64, Purpose::Data);
        let mut buffer = Self::new(len);
        buffer.iter_mut().for_each(|value| *value = rng.uniform(-0.5, 0.5));
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.first..self.first + self.values.len() - 16]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let end = self.first + self.values.len() - 16;
        &mut self.values[self.first..end]
    }
}

fn product_case(
    kernel: Kernel,
    effort: Duration,
    product: Product,
    samples: usize,
    inputs: usize,
    outputs: usize,
) -> Timing {
    let rows = matches!(product, Product::Rows | Product::RowWeightGradient);
    let batch = if rows { Batch::rows(samples) } else { Batch::lanes(samples) };
    let weights = Buffer::random(inputs * outputs);
    let bias = Buffer::random(outputs);
    let x = Buffer::random(batch.len(inputs));
    let mut y = Buffer::random(batch.len(outputs));
    let dy = Buffer::random(samples * outputs);
    let mut dx = Buffer::new(batch.len(inputs));
    let mut dw = Buffer::new(inputs * outputs);
    let label = match product {
        Product::Forward => "",
        Product::Panelwise => " by panels",
        Product::Rows => " in rows",
        Product::InputGradient => " input gradient",
        Product::WeightGradient => " weight gradient",
        Product::RowWeightGradient => " weight gradient in rows",
    };
    let seconds = best(effort, || {
        let result = match product {
            Product::Forward | Product::Rows => kernel.dense_forward(
                batch,
                inputs,
                outputs,
                &weights,
                Start::Bias(&bias),
                &x,
                &mut y,
            ),
            Product::Panelwise => {
                let one = Batch::lanes(super::LANES);
                let panels =
                    x.chunks_exact(one.len(inputs)).zip(y.chunks_exact_mut(one.len(outputs)));
                for (x, y) in panels {
                    _ = kernel.dense_forward(
                        one,
                        inputs,
                        outputs,
                        &weights,
                        Start::Bias(&bias),
                        x,
                        y,
                    );
                }
                Ok(())
            }
            Product::InputGradient => {
                kernel.dense_input_gradient(batch, inputs, outputs, &weights, &y, &mut dx)
            }
            Product::WeightGradient | Product::RowWeightGradient => {
                kernel.dense_weight_gradient(batch, inputs, outputs, &x, &dy, &mut dw)
            }
        };
        _ = black_box((result, &mut y, &mut dx, &mut dw));
    });
    let flops = 2.0 * samples as f64 * inputs as f64 * outputs as f64;
    Timing {
        name: format!("{samples}x{inputs}x{outputs}{label}"),
        seconds,
        flops,
        elements: samples * outputs,
    }
}

/// 28×28 → 8 channels of 8×8 through a 6×6 kernel with stride 3, 64 samples.
fn convolution(kernel: Kernel, effort: Duration, gradient: bool) -> Timing {
    let conv = super::Conv2d {
        input: [1, 28, 28],
        channels: 8,
        kernel: [6, 6],
        stride: [3, 3],
        padding: [0, 0],
    };
    let batch = Batch::lanes(64);
    let x = Buffer::random(batch.len(conv.input_len()));
    let mut y = Buffer::random(batch.len(conv.output_len()));
    let dy = Buffer::random(batch.samples() * conv.output_len());
    let weights = Buffer::random(conv.taps() * conv.channels);
    let mut dw = Buffer::new(weights.len());
    let seconds = best(effort, || {
        let result = if gradient {
            kernel.conv2d_weight_gradient(batch, &conv, &x, &dy, &mut dw)
        } else {
            kernel.conv2d_forward(batch, &conv, &weights, None, &x, &mut y)
        };
        _ = black_box((result, &mut y, &mut dw));
    });
    let name = if gradient { "convolution weight gradient" } else { "convolution" };
    let flops = 2.0 * (batch.samples() * conv.output_len() * conv.taps()) as f64;
    Timing { name: String::from(name), seconds, flops, elements: batch.len(conv.output_len()) }
}

/// What is done value by value.
fn functions(kernel: Kernel, effort: Duration, each: &mut impl FnMut(&Timing)) {
    let mut time = |name: &str, elements: usize, call: &mut dyn FnMut()| {
        let seconds = best(effort, call);
        each(&Timing { name: String::from(name), seconds, flops: 0.0, elements });
    };
    // Repeated in place: no kernel here is slower on infinities or on small numbers.
    let mut values = Buffer::random(4096);
    time("exp", values.len(), &mut || kernel.exp(black_box(&mut values)));
    let mut values = Buffer::random(4096);
    time("tanh", values.len(), &mut || kernel.tanh(black_box(&mut values)));
    let mut values = Buffer::random(4096);
    time("relu", values.len(), &mut || kernel.relu(black_box(&mut values)));
    let batch = Batch::lanes(super::LANES);
    let logits = Buffer::random(batch.len(10));
    let mut values = Buffer::random(batch.len(10));
    let mut classes = vec![0; batch.samples()];
    time("softmax of 10", values.len(), &mut || {
        _ = kernel.softmax(batch, 10, black_box(&mut values));
    });
    time("argmax of 10", logits.len(), &mut || {
        _ = black_box((kernel.argmax(batch, 10, &logits, &mut classes), &mut classes));
    });
    let (batch, panels) = (Batch::lanes(64), Buffer::random(64 * 512));
    let mut rows = Buffer::new(panels.len());
    time("to rows", rows.len(), &mut || {
        _ = black_box((kernel.to_rows(batch, 512, 1, &panels, &mut rows), &mut rows));
    });
    let gradient = Buffer::random(300_000);
    let (mut m, mut v) = (Buffer::random(300_000), Buffer::new(300_000));
    let mut parameters = Buffer::random(300_000);
    v.fill(1.0);
    let step = AdamStep {
        rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        correction1: 0.1,
        correction2: 0.001,
    };
    time("adam", gradient.len(), &mut || {
        let result = kernel.adam(&step, &gradient, &mut m, &mut v, &mut parameters);
        _ = black_box((result, &mut m, &mut v, &mut parameters));
    });
}
