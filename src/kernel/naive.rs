//! The plainest form of every kernel: one scalar chain per value. The other backends are tested
//! against it, bit for bit.

use super::{AdamStep, Batch, Conv2d, Pool2d, Start};
use crate::num;

fn start_at(start: Start<'_>, output: usize, at: usize) -> f32 {
    match start {
        Start::Zero => 0.0,
        Start::Bias(bias) => bias[output],
        Start::Values(values) => values[at],
    }
}

pub(super) fn dense_forward(
    batch: Batch,
    inputs: usize,
    outputs: usize,
    weights: &[f32],
    start: Start<'_>,
    x: &[f32],
    y: &mut [f32],
) {
    for sample in 0..batch.samples() {
        for output in 0..outputs {
            let at = batch.at(outputs, sample, output);
            let mut chain = start_at(start, output, at);
            for input in 0..inputs {
                let value = x[batch.at(inputs, sample, input)];
                chain = num::fma(value, weights[input * outputs + output], chain);
            }
            y[at] = chain;
        }
    }
}

pub(super) fn dense_input_gradient(
    batch: Batch,
    inputs: usize,
    outputs: usize,
    weights: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    for sample in 0..batch.samples() {
        for input in 0..inputs {
            let mut chain = 0.0;
            for output in 0..outputs {
                let value = dy[batch.at(outputs, sample, output)];
                chain = num::fma(value, weights[input * outputs + output], chain);
            }
            dx[batch.at(inputs, sample, input)] = chain;
        }
    }
}

pub(super) fn dense_weight_gradient(
    batch: Batch,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    dy_rows: &[f32],
    dw: &mut [f32],
) {
    for input in 0..inputs {
        for output in 0..outputs {
            let mut chain = dw[input * outputs + output];
            for sample in 0..batch.samples() {
                let value = x[batch.at(inputs, sample, input)];
                chain = num::fma(value, dy_rows[sample * outputs + output], chain);
            }
            dw[input * outputs + output] = chain;
        }
    }
}

pub(super) fn bias_gradient(outputs: usize, dy_rows: &[f32], db: &mut [f32]) {
    if outputs == 0 {
        return;
    }
    for row in dy_rows.chunks_exact(outputs) {
        for (sum, &value) in db.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

pub(super) fn to_rows(
    batch: Batch,
    channels: usize,
    positions: usize,
    panels: &[f32],
    rows: &mut [f32],
) {
    for sample in 0..batch.samples() {
        for position in 0..positions {
            for channel in 0..channels {
                let feature = channel * positions + position;
                rows[(sample * positions + position) * channels + channel] =
                    panels[batch.at(channels * positions, sample, feature)];
            }
        }
    }
}

pub(super) fn to_panels(batch: Batch, features: usize, rows: &[f32], panels: &mut [f32]) {
    panels.fill(0.0);
    for sample in 0..batch.samples() {
        for feature in 0..features {
            panels[batch.at(features, sample, feature)] = rows[sample * features + feature];
        }
    }
}

/// The input position of a tap, or `None` where it falls on padding.
fn tap(out: usize, stride: usize, tap: usize, padding: usize, size: usize) -> Option<usize> {
    (out * stride + tap).checked_sub(padding).filter(|&at| at < size)
}

/// Calls `visit(tap, input feature)` for every tap of one output position, in rising order.
fn taps(conv: &Conv2d, row: usize, col: usize, mut visit: impl FnMut(usize, usize)) {
    let [channels, height, width] = conv.input;
    for channel in 0..channels {
        for ky in 0..conv.kernel[0] {
            let Some(y) = tap(row, conv.stride[0], ky, conv.padding[0], height) else { continue };
            for kx in 0..conv.kernel[1] {
                let Some(x) = tap(col, conv.stride[1], kx, conv.padding[1], width) else {
                    continue;
                };
                let index = (channel * conv.kernel[0] + ky) * conv.kernel[1] + kx;
                visit(index, (channel * height + y) * width + x);
            }
        }
    }
}

pub(super) fn conv2d_forward(
    batch: Batch,
    conv: &Conv2d,
    weights: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    y: &mut [f32],
) {
    let [channels, rows, cols] = conv.output();
    for sample in 0..batch.samples() {
        for channel in 0..channels {
            for row in 0..rows {
                for col in 0..cols {
                    let mut chain = bias.map_or(0.0, |bias| bias[channel]);
                    taps(conv, row, col, |tap, feature| {
                        let value = x[batch.at(conv.input_len(), sample, feature)];
                        chain = num::fma(value, weights[tap * channels + channel], chain);
                    });
                    let feature = (channel * rows + row) * cols + col;
                    y[batch.at(conv.output_len(), sample, feature)] = chain;
                }
            }
        }
    }
}

pub(super) fn conv2d_input_gradient(
    batch: Batch,
    conv: &Conv2d,
    weights: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let [channels, rows, cols] = conv.output();
    let [_, height, width] = conv.input;
    if conv.output_len() == 0 {
        dx.fill(0.0);
        return;
    }
    for sample in 0..batch.samples() {
        for feature in 0..conv.input_len() {
            let (input_channel, y, x) =
                (feature / (height * width), feature / width % height, feature % width);
            let mut chain = 0.0;
            for channel in 0..channels {
                for ky in 0..conv.kernel[0] {
                    for kx in 0..conv.kernel[1] {
                        let (Some(down), Some(right)) = (
                            (y + conv.padding[0]).checked_sub(ky),
                            (x + conv.padding[1]).checked_sub(kx),
                        ) else {
                            continue;
                        };
                        let (row, col) = (down / conv.stride[0], right / conv.stride[1]);
                        if down % conv.stride[0] != 0
                            || right % conv.stride[1] != 0
                            || row >= rows
                            || col >= cols
                        {
                            continue;
                        }
                        let index = (input_channel * conv.kernel[0] + ky) * conv.kernel[1] + kx;
                        let output = (channel * rows + row) * cols + col;
                        let value = dy[batch.at(conv.output_len(), sample, output)];
                        chain = num::fma(value, weights[index * channels + channel], chain);
                    }
                }
            }
            dx[batch.at(conv.input_len(), sample, feature)] = chain;
        }
    }
}

pub(super) fn conv2d_weight_gradient(
    batch: Batch,
    conv: &Conv2d,
    x: &[f32],
    dy_rows: &[f32],
    dw: &mut [f32],
) {
    let [channels, rows, cols] = conv.output();
    for sample in 0..batch.samples() {
        for row in 0..rows {
            for col in 0..cols {
                let position = (sample * rows + row) * cols + col;
                taps(conv, row, col, |tap, feature| {
                    let value = x[batch.at(conv.input_len(), sample, feature)];
                    for channel in 0..channels {
                        let at = tap * channels + channel;
                        dw[at] = num::fma(value, dy_rows[position * channels + channel], dw[at]);
                    }
                });
            }
        }
    }
}

/// Calls `visit(output feature, input features of its window)` for every window.
fn windows(pool: &Pool2d, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
    let [channels, rows, cols] = pool.output();
    let [_, height, width] = pool.input;
    for channel in 0..channels {
        for row in 0..rows {
            for col in 0..cols {
                let mut inside = (0..pool.window[0] * pool.window[1]).map(|index| {
                    let y = row * pool.stride[0] + index / pool.window[1];
                    let x = col * pool.stride[1] + index % pool.window[1];
                    (channel * height + y) * width + x
                });
                visit((channel * rows + row) * cols + col, &mut inside);
            }
        }
    }
}

pub(super) fn pool(batch: Batch, pool: &Pool2d, largest: bool, x: &[f32], y: &mut [f32]) {
    let scale = 1.0 / (pool.window[0] * pool.window[1]) as f32;
    for sample in 0..batch.samples() {
        windows(pool, |output, inside| {
            let mut values = inside.map(|feature| x[batch.at(pool.input_len(), sample, feature)]);
            let first = values.next().unwrap_or(0.0);
            y[batch.at(pool.output_len(), sample, output)] = if largest {
                values.fold(first, |best, value| if value > best { value } else { best })
            } else {
                values.fold(first, |sum, value| sum + value) * scale
            };
        });
    }
}

pub(super) fn pool_gradient(
    batch: Batch,
    pool: &Pool2d,
    x_if_largest: Option<&[f32]>,
    dy: &[f32],
    dx: &mut [f32],
) {
    dx.fill(0.0);
    let scale = 1.0 / (pool.window[0] * pool.window[1]) as f32;
    for sample in 0..batch.samples() {
        windows(pool, |output, inside| {
            let gradient = dy[batch.at(pool.output_len(), sample, output)];
            let at = |feature| batch.at(pool.input_len(), sample, feature);
            match x_if_largest {
                None => inside.for_each(|feature| dx[at(feature)] += gradient * scale),
                Some(x) => {
                    let first = inside.next();
                    let best = inside.fold(first, |best, feature| match best {
                        Some(held) if x[at(feature)] > x[at(held)] => Some(feature),
                        other => other,
                    });
                    if let Some(feature) = best {
                        dx[at(feature)] += gradient;
                    }
                }
            }
        });
    }
}

pub(super) fn relu(values: &mut [f32]) {
    for value in values {
        *value = num::relu(*value);
    }
}

pub(super) fn relu_gradient(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *dx = if y > 0.0 { dy } else { 0.0 };
    }
}

pub(super) fn exp(values: &mut [f32]) {
    for value in values {
        *value = num::exp(*value);
    }
}

pub(super) fn tanh(values: &mut [f32]) {
    for value in values {
        *value = num::tanh(*value);
    }
}

pub(super) fn tanh_gradient(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *dx = dy * (1.0 - y * y);
    }
}

pub(super) fn softmax(batch: Batch, features: usize, values: &mut [f32]) {
    for sample in 0..batch.samples() {
        let at = |feature| batch.at(features, sample, feature);
        let mut largest = f32::NEG_INFINITY;
        for feature in 0..features {
            let value = values[at(feature)];
            largest = if value > largest { value } else { largest };
        }
        let mut total = 0.0;
        for feature in 0..features {
            let power = num::exp(values[at(feature)] - largest);
            values[at(feature)] = power;
            total += power;
        }
        for feature in 0..features {
            values[at(feature)] /= total;
        }
    }
}

pub(super) fn argmax(batch: Batch, features: usize, values: &[f32], classes: &mut [u32]) {
    for (sample, class) in classes.iter_mut().enumerate() {
        *class = 0;
        for feature in 1..features {
            let best = values[batch.at(features, sample, *class as usize)];
            if values[batch.at(features, sample, feature)] > best {
                *class = feature as u32;
            }
        }
    }
}

pub(super) fn mask(w: &[f32], d: &[f32], scale: f32, out: &mut [f32]) {
    for ((out, &w), &d) in out.iter_mut().zip(w).zip(d) {
        *out = w * (1.0 + scale * d);
    }
}

pub(super) fn adam(
    step: &AdamStep,
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    parameters: &mut [f32],
) {
    let (keep1, keep2) = (1.0 - step.beta1, 1.0 - step.beta2);
    let (unbias1, unbias2) = (1.0 / step.correction1, 1.0 / step.correction2);
    for (((parameter, m), v), &gradient) in parameters.iter_mut().zip(m).zip(v).zip(gradient) {
        *m = step.beta1 * *m + keep1 * gradient;
        *v = step.beta2 * *v + keep2 * (gradient * gradient);
        let deviation = num::sqrt(*v * unbias2) + step.epsilon;
        *parameter -= step.rate * ((*m * unbias1) / deviation);
    }
}
