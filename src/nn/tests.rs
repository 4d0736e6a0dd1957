use super::{Init, Kind, Layer, MAX_LAYERS, Stack, StackError};
use crate::error::ShapeError;
use crate::kernel::{Batch, Conv2d, Kernel, Pool2d};
use crate::rng::{Purpose, Rng};
use proptest::prelude::*;

fn digits() -> Stack {
    let mut net = Stack::new([1, 28, 28]);
    net.conv2d("conv1", 8, [6, 6], [3, 3], [0, 0]).unwrap().relu().unwrap();
    net.dense("fc1", 128).unwrap().relu().unwrap();
    net.dense("fc2", 32).unwrap().relu().unwrap();
    net.dense("fc3", 10).unwrap();
    net
}

fn mixed() -> Stack {
    let mut net = Stack::new([2, 9, 8]);
    net.conv2d("c", 3, [3, 2], [1, 2], [1, 1]).unwrap().tanh().unwrap().relu().unwrap();
    net.max_pool([2, 2], [1, 1]).unwrap().average_pool([2, 1], [2, 1]).unwrap();
    net.dense("d", 7).unwrap().tanh().unwrap();
    net
}

/// One sample through one layer in f64, written from the definitions.
fn reference(layer: &Layer, params: &[f32], x: &[f64]) -> Vec<f64> {
    let [_, rows, cols] = layer.output_shape();
    let [_, height, width] = layer.input_shape();
    let weights = &params[layer.weight_range()];
    let bias = |c: usize| layer.bias_range().map_or(0.0, |range| f64::from(params[range][c]));
    let mut y = vec![0.0; layer.outputs()];
    for (index, y) in y.iter_mut().enumerate() {
        let (channel, row, col) = (index / (rows * cols), index / cols % rows, index % cols);
        let window = |pool: &Pool2d, combine: fn(f64, f64) -> f64, start: f64| {
            let mut total = start;
            for dy in 0..pool.window[0] {
                for dx in 0..pool.window[1] {
                    let (r, c) = (row * pool.stride[0] + dy, col * pool.stride[1] + dx);
                    total = combine(total, x[(channel * height + r) * width + c]);
                }
            }
            total
        };
        *y = match layer.kind() {
            Kind::Dense { inputs, outputs, .. } => (0..*inputs)
                .map(|i| x[i] * f64::from(weights[i * outputs + index]))
                .fold(bias(index), |sum, term| sum + term),
            Kind::Conv2d { conv, .. } => {
                let mut sum = bias(channel);
                for tap in 0..conv.taps() {
                    let [kh, kw] = conv.kernel;
                    let (ic, ky, kx) = (tap / (kh * kw), tap / kw % kh, tap % kw);
                    let r = (row * conv.stride[0] + ky) as isize - conv.padding[0] as isize;
                    let c = (col * conv.stride[1] + kx) as isize - conv.padding[1] as isize;
                    if (0..height as isize).contains(&r) && (0..width as isize).contains(&c) {
                        let at = (ic * height + r as usize) * width + c as usize;
                        sum += x[at] * f64::from(weights[tap * conv.channels + channel]);
                    }
                }
                sum
            }
            Kind::MaxPool(pool) => window(pool, f64::max, f64::NEG_INFINITY),
            Kind::AveragePool(pool) => {
                window(pool, |a, b| a + b, 0.0) / (pool.window[0] * pool.window[1]) as f64
            }
            Kind::Relu => x[index].max(0.0),
            Kind::Tanh => x[index].tanh(),
        };
    }
    y
}

/// Runs layers and gives row-major results; spare lanes of the input are NaN.
fn forward(
    net: &Stack,
    batch: Batch,
    layers: core::ops::Range<usize>,
    p: &[f32],
    x: &[f32],
) -> Vec<f32> {
    let run = &net.layers()[layers.clone()];
    let inputs = run.first().map_or(net.inputs(), Layer::inputs);
    let outputs = run.last().map_or(inputs, Layer::outputs);
    let mut input = vec![f32::NAN; batch.len(inputs)];
    for sample in 0..batch.samples() {
        for feature in 0..inputs {
            input[batch.at(inputs, sample, feature)] = x[sample * inputs + feature];
        }
    }
    let mut scratch = vec![f32::NAN; net.scratch_of(layers.clone(), batch)];
    let mut output = vec![f32::NAN; batch.len(outputs)];
    net.forward(Kernel::auto(), layers, batch, p, &input, &mut scratch, &mut output).unwrap();
    let mut rows = vec![0.0; batch.samples() * outputs];
    Kernel::auto().to_rows(batch, outputs, 1, &output, &mut rows).unwrap();
    rows
}

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, Purpose::Data);
    (0..len).map(|_| rng.normal()).collect()
}

#[test]
fn sizes_of_the_digit_network() {
    let net = digits();
    assert_eq!(net.parameters(), 36 * 8 + 8 + 512 * 128 + 128 + 128 * 32 + 32 + 32 * 10 + 10);
    assert_eq!((net.inputs(), net.outputs(), net.widest()), (784, 10, 784));
    let fc2 = &net.layers()[net.find("fc2").unwrap()];
    assert_eq!((fc2.inputs(), fc2.outputs()), (128, 32));
    assert_eq!(fc2.bias_range().unwrap().start, fc2.weight_range().end);
    assert_eq!(net.find("fc4"), None);
    assert_eq!(net.find(""), None);
}

#[test]
fn forward_follows_the_definitions() {
    for net in [digits(), mixed()] {
        let mut params = vec![0.0; net.parameters()];
        net.initialise(Init::FanIn, &mut params, &mut Rng::new(1, Purpose::Weights)).unwrap();
        for batch in [Batch::rows(1), Batch::rows(3), Batch::lanes(1), Batch::lanes(70)] {
            let x = random(batch.samples() * net.inputs(), 5);
            let y = forward(&net, batch, 0..net.layers().len(), &params, &x);
            for (sample, x) in x.chunks(net.inputs()).enumerate() {
                let mut exact: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                for layer in net.layers() {
                    exact = reference(layer, &params, &exact);
                }
                for (&got, exact) in y[sample * net.outputs()..].iter().zip(exact) {
                    assert!((f64::from(got) - exact).abs() < 2e-5, "{got} is not {exact}");
                }
            }
        }
    }
}

#[test]
fn stopping_between_layers_and_the_layout_change_no_bit() {
    let net = mixed();
    let params = random(net.parameters(), 2);
    let layers = net.layers().len();
    let x = random(300 * net.inputs(), 3);
    let whole = forward(&net, Batch::rows(300), 0..layers, &params, &x);
    for cut in 0..=layers {
        let batch = Batch::lanes(300);
        let middle = forward(&net, batch, 0..cut, &params, &x);
        if cut < layers {
            let end = forward(&net, batch, cut..layers, &params, &middle);
            assert_eq!(whole, end, "cut before layer {cut}");
        } else {
            assert_eq!(whole, middle);
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    let net = mixed();
    let batch = Batch::lanes(40);
    let params = random(net.parameters(), 2);
    let x = vec![0.0; batch.len(net.inputs())];
    let need = net.scratch(batch);
    let run = |layers, params: &[f32], x: &[f32], scratch: usize, y: usize| {
        let (mut scratch, mut y) = (vec![0.0; scratch], vec![0.0; y]);
        net.forward(Kernel::auto(), layers, batch, params, x, &mut scratch, &mut y)
            .map_err(|ShapeError { what, .. }| what)
    };
    let (all, out) = (0..net.layers().len(), batch.len(7));
    assert_eq!(run(all.clone(), &params, &x, need, out), Ok(()));
    assert_eq!(run(all.clone(), &params[1..], &x, need, out), Err("parameters"));
    assert_eq!(run(all.clone(), &params, &x[1..], need, out), Err("input"));
    assert_eq!(run(all.clone(), &params, &x, need - 1, out), Err("scratch"));
    assert_eq!(run(all.clone(), &params, &x, need, out + 1), Err("output"));
    assert_eq!(run(0..99, &params, &x, need, out), Err("layers"));
    #[allow(clippy::reversed_empty_ranges)]
    let backwards = 5..2;
    assert_eq!(run(backwards, &params, &x, need, out), Err("layers"));
    let absurd = Batch::lanes(usize::MAX / 2);
    let mut y = [0.0; 4];
    assert!(net.forward(Kernel::auto(), all, absurd, &params, &x, &mut [], &mut y).is_err());
}

#[test]
fn layers_that_do_not_fit_are_errors_and_change_nothing() {
    let mut net = digits();
    let before = net.clone();
    let conv = |input, channels, kernel, stride, padding| Kind::Conv2d {
        conv: Conv2d { input, channels, kernel, stride, padding },
        bias: true,
    };
    let flat = [10, 1, 1];
    for (name, kind, error) in [
        ("", Kind::Dense { inputs: 10, outputs: 2, bias: false }, StackError::Name),
        ("a name that is long", Kind::Relu, StackError::Name),
        ("fc1", Kind::Relu, StackError::DuplicateName),
        (
            "n",
            Kind::Dense { inputs: 9, outputs: 2, bias: false },
            StackError::Input { expected: 10, found: 9 },
        ),
        ("n", Kind::Dense { inputs: 10, outputs: 0, bias: false }, StackError::Zero),
        ("n", Kind::Dense { inputs: 10, outputs: usize::MAX, bias: true }, StackError::TooLarge),
        ("n", conv(flat, 2, [2, 1], [1, 1], [0, 0]), StackError::DoesNotFit),
        ("n", conv(flat, 2, [1, 1], [0, 1], [0, 0]), StackError::Zero),
        ("n", conv(flat, 2, [1, 1], [1, 1], [usize::MAX, 0]), StackError::TooLarge),
        ("n", conv(flat, 2, [1, 1], [1, usize::MAX], [0, 0]), StackError::TooLarge),
        ("n", conv(flat, usize::MAX / 8, [1, 1], [1, 1], [0, 0]), StackError::TooLarge),
    ] {
        assert_eq!(net.add(name, kind).unwrap_err(), error, "{kind:?}");
        assert_eq!(net, before);
    }
    assert!(Stack::new([usize::MAX, 2, 1]).relu().is_err());
    while net.layers().len() < MAX_LAYERS {
        net.relu().unwrap();
    }
    assert_eq!(net.relu().unwrap_err(), StackError::TooManyLayers);
}

#[test]
fn bounds_and_spread_of_uniform_weights() {
    let net = digits();
    let mut params = vec![9.0; net.parameters()];
    for (init, bound) in
        [(Init::HeUniform, (6.0f32 / 512.0).sqrt()), (Init::FanIn, 512.0f32.powf(-0.5))]
    {
        net.initialise(init, &mut params, &mut Rng::new(0, Purpose::Weights)).unwrap();
        let fc1 = &net.layers()[net.find("fc1").unwrap()];
        let weights = &params[fc1.weight_range()];
        assert!(weights.iter().all(|w| w.abs() <= bound));
        let deviation = crate::num::rms(weights);
        assert!((deviation / (bound / 3.0f32.sqrt()) - 1.0).abs() < 0.02);
        let biases = &params[fc1.bias_range().unwrap()];
        match init {
            Init::HeUniform => assert!(biases.iter().all(|&b| b == 0.0)),
            _ => assert!(biases.iter().all(|b| b.abs() <= bound && *b != 0.0)),
        }
    }
    assert!(
        net.initialise(Init::FanIn, &mut params[1..], &mut Rng::new(0, Purpose::Weights)).is_err()
    );
}

/// Largest deviation of the Gram matrix over the shorter dimension from gain² times the identity.
fn deviation(weights: &[f32], inputs: usize, outputs: usize, gain: f64) -> f64 {
    let at = |i: usize, o: usize| f64::from(weights[i * outputs + o]);
    let (count, len) = (inputs.min(outputs), inputs.max(outputs));
    let mut worst = 0.0f64;
    for a in 0..count {
        for b in 0..count {
            let dot: f64 = (0..len)
                .map(|k| if outputs <= inputs { at(k, a) * at(k, b) } else { at(a, k) * at(b, k) })
                .sum();
            let wanted = if a == b { gain * gain } else { 0.0 };
            worst = worst.max((dot - wanted).abs());
        }
    }
    worst
}

proptest! {
    #[test]
    fn orthogonal_weights_are_orthonormal_times_gain(
        inputs in 1usize..40, hidden in 1usize..40, seed: u64, gain in 0.01f32..3.0,
    ) {
        let mut net = Stack::new([inputs, 1, 1]);
        net.dense("a", hidden).unwrap().tanh().unwrap().dense("b", 3).unwrap();
        let mut params = vec![5.0; net.parameters()];
        let init = Init::Orthogonal { hidden: gain, last: 0.01 };
        net.initialise(init, &mut params, &mut Rng::new(seed, Purpose::Policy)).unwrap();
        for (layer, gain) in [(0, gain), (2, 0.01)] {
            let layer = &net.layers()[layer];
            let (gain, weights) = (f64::from(gain), &params[layer.weight_range()]);
            let worst = deviation(weights, layer.inputs(), layer.outputs(), gain);
            prop_assert!(worst < 1e-6 * gain * gain, "{worst}");
            prop_assert!(params[layer.bias_range().unwrap()].iter().all(|&b| b == 0.0));
        }
    }
}

#[test]
fn orthogonal_entries_have_no_preferred_sign_and_convolutions_count_taps() {
    let mut sum = 0.0;
    for seed in 0..400 {
        let mut net = Stack::new([3, 5, 5]);
        net.conv2d("c", 4, [2, 2], [1, 1], [0, 0]).unwrap();
        let mut params = vec![0.0; net.parameters()];
        let init = Init::Orthogonal { hidden: 9.0, last: 1.0 };
        net.initialise(init, &mut params, &mut Rng::new(seed, Purpose::Policy)).unwrap();
        assert!(deviation(&params[..48], 12, 4, 1.0) < 1e-6);
        sum += params[0];
    }
    // Entries have variance 1/12; the mean of 400 deviates by .0144.
    assert!((sum / 400.0).abs() < 0.06, "{sum}");
}
