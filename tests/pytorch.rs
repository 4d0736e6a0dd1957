//! Layers, losses, optimisers and training against PyTorch 2.15 (`oracle/autodiff.py`).
//!
//! PyTorch's values are f64 arithmetic on f32 inputs. A tensor agrees when every value lies within
//! 1e-5 of its own size plus 1e-6 of the tensor's largest: what f32 sums of these lengths lose.

use reweight::autodiff::{Tape, Var};
use reweight::kernel::{Backend, Batch, Kernel};
use reweight::model::{Samples, Training, train, train_need};
use reweight::nn::{Init, Stack};
use reweight::optim::{Adam, AdamConfig, Schedule, Sgd, SgdConfig, clip_global_norm};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use serde_json::Value;

const SLAB: usize = 1 << 17;

fn oracle(part: &str) -> Value {
    let text = include_str!("oracle/autodiff.json");
    let mut value: Value = serde_json::from_str(text).unwrap();
    value[part].take()
}

fn cases(part: &str) -> Vec<Value> {
    let cases = oracle(part).as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn number(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn labels(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().map(|label| label.as_u64().unwrap() as u8).collect()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn near(what: &str, ours: &[f32], theirs: &Value) {
    within(what, ours, &numbers(theirs), 1e-5, 1e-6);
}

/// Within `own` of each value's size plus `largest` of the largest one.
fn within(what: &str, ours: &[f32], theirs: &[f32], own: f64, largest: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0, |scale: f64, &value| scale.max(f64::from(value.abs())));
    for (index, (&a, &b)) in ours.iter().zip(theirs).enumerate() {
        let (a, b) = (f64::from(a), f64::from(b));
        let bound = own * b.abs() + largest * scale;
        assert!((a - b).abs() <= bound, "{what}[{index}]: {a:e} against {b:e}, largest {scale:e}");
    }
}

/// Runs `check` on every backend of this processor and with both layouts of `samples` samples.
fn everywhere(samples: usize, check: impl Fn(Kernel, Batch, &str)) {
    let kernels: Vec<Kernel> = Backend::ALL.into_iter().filter_map(Kernel::new).collect();
    assert!(!kernels.is_empty());
    for kernel in kernels {
        for batch in [Batch::rows(samples), Batch::lanes(samples)] {
            let place = format!("{}, width {}", kernel.backend().name(), batch.width());
            check(kernel, batch, &place);
        }
    }
}

/// Row-major values in the layout of `batch`. Spare lanes hold NaN, which must not reach a result.
fn laid_out(batch: Batch, rows: &[f32]) -> Vec<f32> {
    let features = rows.len() / batch.samples();
    let mut values = vec![f32::NAN; batch.len(features)];
    for (index, &value) in rows.iter().enumerate() {
        values[batch.at(features, index / features, index % features)] = value;
    }
    values
}

/// The reverse of [`laid_out`].
fn rows(batch: Batch, values: &[f32]) -> Vec<f32> {
    let features = values.len() / batch.len(1);
    let places = (0..batch.samples() * features)
        .map(|index| batch.at(features, index / features, index % features));
    places.map(|place| values[place]).collect()
}

fn leaf(tape: &mut Tape<'_>, batch: Batch, row_major: &[f32]) -> Var {
    let features = row_major.len() / batch.samples();
    let var = tape.differentiable_input(batch, features).unwrap();
    tape.value_mut(var).copy_from_slice(&laid_out(batch, row_major));
    var
}

fn convolution() -> Stack {
    let mut stack = Stack::new([2, 7, 6]);
    stack.conv2d("conv", 3, [3, 2], [2, 2], [1, 1]).unwrap().relu().unwrap();
    stack.max_pool([2, 2], [1, 1]).unwrap().average_pool([2, 3], [1, 1]).unwrap();
    stack.dense("hidden", 7).unwrap().relu().unwrap().dense("logits", 4).unwrap();
    stack
}

/// Output, loss and every gradient of `stack`, on the tape and by the plain forward pass.
fn check_network(stack: &Stack, case: &Value, loss_of: impl Fn(&mut Tape<'_>, Var) -> Var) {
    let (samples, parameters) = (size(&case["samples"]), numbers(&case["parameters"]));
    let input = numbers(&case["input"]);
    everywhere(samples, |kernel, batch, place| {
        let mut slab = vec![f32::NAN; SLAB];
        let mut tape = Tape::new(kernel, &mut slab);
        let x = leaf(&mut tape, batch, &input);
        let output = stack.record(&mut tape, &parameters, x).unwrap();
        let loss = loss_of(&mut tape, output);
        let mut gradients = vec![0.0; parameters.len()];
        tape.backward(loss, &parameters, &mut gradients).unwrap();
        near(&format!("output, {place}"), &rows(batch, tape.value(output)), &case["output"]);
        let theirs = [number(&case["loss"])];
        within(&format!("loss, {place}"), &[tape.scalar(loss)], &theirs, 1e-5, 0.0);
        let gradient = rows(batch, tape.gradient(output));
        near(&format!("output gradient, {place}"), &gradient, &case["output_gradient"]);
        let gradient = rows(batch, tape.gradient(x));
        near(&format!("input gradient, {place}"), &gradient, &case["input_gradient"]);
        let theirs = numbers(&case["gradients"]);
        for layer in stack.layers().iter().filter(|layer| !layer.name().is_empty()) {
            let bias = layer.bias_range().unwrap();
            for (part, range) in [("weights", layer.weight_range()), ("biases", bias)] {
                let what = format!("{} {part}, {place}", layer.name());
                within(&what, &gradients[range.clone()], &theirs[range], 1e-5, 1e-6);
            }
        }

        let mut plain = vec![f32::NAN; batch.len(stack.outputs())];
        let mut scratch = vec![f32::NAN; stack.scratch(batch)];
        let x = laid_out(batch, &input);
        let layers = 0..stack.layers().len();
        stack.forward(kernel, layers, batch, &parameters, &x, &mut scratch, &mut plain).unwrap();
        near(&format!("forward, {place}"), &rows(batch, &plain), &case["output"]);
    });
}

#[test]
fn convolution_pools_and_cross_entropy() {
    for case in cases("classifiers") {
        let labels = labels(&case["labels"]);
        check_network(&convolution(), &case, |tape, logits| {
            tape.softmax_cross_entropy(logits, &labels).unwrap()
        });
    }
}

#[test]
fn dense_tanh_and_squared_error() {
    let mut stack = Stack::new([5, 1, 1]);
    stack.dense("hidden", 9).unwrap().tanh().unwrap().dense("values", 3).unwrap();
    for case in cases("regressions") {
        let targets = numbers(&case["targets"]);
        check_network(&stack, &case, |tape, values| {
            tape.mean_squared_error(values, &targets).unwrap()
        });
    }
}

/// A mean per action and one for all. The clip of the loss is too wide to hold any ratio back.
#[test]
fn gaussian_log_probability_and_entropy() {
    for case in cases("gaussians") {
        let (log_std, actions) = (numbers(&case["log_std"]), numbers(&case["actions"]));
        let (old, advantages) = (numbers(&case["old"]), numbers(&case["advantages"]));
        everywhere(size(&case["means"]), |kernel, batch, place| {
            let mut slab = vec![f32::NAN; SLAB];
            let mut tape = Tape::new(kernel, &mut slab);
            let mean = leaf(&mut tape, batch, &numbers(&case["mean"]));
            let spread = tape.parameter(&log_std, 0..log_std.len()).unwrap();
            let log_prob = tape.gaussian_log_prob(mean, spread, &actions).unwrap();
            let surrogate = tape.clipped_surrogate(log_prob, &old, &advantages, 1e6).unwrap();
            let entropy = tape.gaussian_entropy(spread).unwrap();
            let loss = tape.weighted_sum(&[(surrogate, 1.0), (entropy, -0.3)]).unwrap();
            let mut gradients = vec![0.0; log_std.len()];
            tape.backward(loss, &log_std, &mut gradients).unwrap();
            near(&format!("log-probabilities, {place}"), tape.value(log_prob), &case["log_prob"]);
            let gradient = tape.gradient(log_prob);
            near(&format!("their gradient, {place}"), gradient, &case["log_prob_gradient"]);
            let gradient = rows(batch, tape.gradient(mean));
            near(&format!("mean gradient, {place}"), &gradient, &case["mean_gradient"]);
            near(&format!("log-std gradient, {place}"), &gradients, &case["log_std_gradient"]);
            let theirs = [number(&case["entropy"]), number(&case["loss"])];
            let ours = [tape.scalar(entropy), tape.scalar(loss)];
            within(&format!("entropy and loss, {place}"), &ours, &theirs, 1e-5, 1e-6);
        });
    }
}

#[test]
fn clipped_surrogate_on_both_sides_of_the_clip() {
    for case in cases("surrogates") {
        let values = numbers(&case["log_prob"]);
        let (old, advantages) = (numbers(&case["old"]), numbers(&case["advantages"]));
        everywhere(values.len(), |kernel, batch, place| {
            if batch.width() > 1 {
                return; // Log-probabilities are always rows.
            }
            let mut slab = vec![f32::NAN; SLAB];
            let mut tape = Tape::new(kernel, &mut slab);
            let log_prob = leaf(&mut tape, batch, &values);
            let clip = number(&case["clip"]);
            let loss = tape.clipped_surrogate(log_prob, &old, &advantages, clip).unwrap();
            tape.backward(loss, &[], &mut []).unwrap();
            let gradient = tape.gradient(log_prob);
            near(&format!("gradient, {place}"), gradient, &case["gradient"]);
            // Of the 14 ratios 2 by 2 are clipped: above for gains, below for losses.
            assert_eq!(gradient.iter().filter(|&&slope| slope == 0.0).count(), 4);
            let theirs = [number(&case["loss"])];
            within(&format!("loss, {place}"), &[tape.scalar(loss)], &theirs, 1e-5, 0.0);
        });
    }
}

#[test]
fn adam_and_sgd() {
    for case in cases("optimisers") {
        everywhere(1, |kernel, _, place| {
            let mut parameters = numbers(&case["start"]);
            let (count, rate) = (parameters.len(), number(&case["lr"]));
            let gradients = case["gradients"].as_array().unwrap();
            let steps = gradients.iter().zip(case["steps"].as_array().unwrap());
            let mut heap = Heap::new(Adam::need(count));
            if case["optimiser"] == "sgd" {
                let config = SgdConfig {
                    momentum: number(&case["momentum"]),
                    weight_decay: number(&case["weight_decay"]),
                };
                let mut sgd = Sgd::new(config, count, &mut heap.arena()).unwrap();
                for (gradient, theirs) in steps {
                    sgd.step(rate, &numbers(gradient), &mut parameters).unwrap();
                    near(&format!("SGD, {place}"), &parameters, theirs);
                }
                return;
            }
            let config = AdamConfig {
                beta1: number(&case["beta1"]),
                beta2: number(&case["beta2"]),
                epsilon: number(&case["epsilon"]),
            };
            let mut adam = Adam::new(config, count, &mut heap.arena()).unwrap();
            for (gradient, theirs) in steps {
                adam.step(kernel, rate, &numbers(gradient), &mut parameters).unwrap();
                near(&format!("Adam, {place}"), &parameters, theirs);
            }
            // Entry by entry, over orders of magnitude. 1 − β₂ in f32 is 1.3e-5 from 0.001, which
            // the correction of v repeats, so that no step sees it.
            let (m, v) = adam.moments();
            within("first moment", m, &numbers(&case["m"]), 1e-5, 0.0);
            within("second moment", v, &numbers(&case["v"]), 3e-5, 0.0);
        });
    }
}

#[test]
fn global_norm_clip() {
    for case in cases("clips") {
        let mut gradients = numbers(&case["gradient"]);
        let norm = clip_global_norm(&mut gradients, number(&case["limit"]));
        within("norm", &[norm], &[number(&case["norm"])], 1e-6, 0.0);
        within("clipped", &gradients, &numbers(&case["clipped"]), 1e-6, 0.0);
    }
}

/// PyTorch started from the weights and went by the order that the oracle drew for this seed by
/// itself. Parameters may differ by 1e-5, where the 10 steps move them by up to .06.
#[test]
fn training_takes_the_same_steps() {
    let case = oracle("training");
    let stack = convolution();
    let (input, labels) = (numbers(&case["input"]), labels(&case["labels"]));
    let training = Training {
        epochs: size(&case["epochs"]),
        minibatch: size(&case["minibatch"]),
        rate: number(&case["rate"]),
        schedule: Schedule::Linear { to: number(&case["end"]) },
    };
    let (seed, left_out) = (case["seed"].as_u64().unwrap(), size(&case["left_out"]));
    let mut initial = vec![0.0; stack.parameters()];
    let mut rng = Rng::new(seed, Purpose::Weights);
    stack.initialise(Init::HeUniform, &mut initial, &mut rng).unwrap();
    within("initial weights", &initial, &numbers(&case["start"]), 1e-7, 0.0);
    for kernel in Backend::ALL.into_iter().filter_map(Kernel::new) {
        let samples = Samples { batch: Batch::rows(labels.len()), inputs: &input, labels: &labels };
        let mut heap = Heap::new(train_need(&stack, labels.len(), &training));
        let mut parameters = vec![0.0; stack.parameters()];
        let mut losses = Vec::new();
        train(
            kernel,
            &stack,
            &mut parameters,
            &samples,
            &|label| usize::from(label) != left_out,
            &training,
            seed,
            &mut heap.arena(),
            &mut |progress| losses.push(progress.loss),
        )
        .unwrap();
        near("losses", &losses, &case["losses"]);
        let theirs = numbers(&case["parameters"]);
        for (ours, theirs) in parameters.iter().zip(&theirs) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} against {theirs}");
        }
    }
}

/// The property that PyTorch's `orthogonal_` has: the shorter side's vectors are orthogonal, each as
/// long as the gain. A convolution's kernels count as one vector per output channel.
#[test]
fn orthogonal_weights_are_orthogonal() {
    let (hidden, last) = (1.5f32, 0.25f32);
    let mut stack = Stack::new([3, 8, 8]);
    stack.conv2d("conv", 5, [3, 2], [2, 2], [0, 0]).unwrap().relu().unwrap();
    stack.dense("narrow", 7).unwrap().tanh().unwrap().dense("wide", 40).unwrap();
    stack.dense("square", 40).unwrap().dense("last", 2).unwrap();
    let mut parameters = vec![f32::NAN; stack.parameters()];
    let mut rng = Rng::new(3, Purpose::Weights);
    stack.initialise(Init::Orthogonal { hidden, last }, &mut parameters, &mut rng).unwrap();
    for layer in stack.layers().iter().filter(|layer| !layer.name().is_empty()) {
        let weights = &parameters[layer.weight_range()];
        let outputs = layer.bias_range().unwrap().len();
        let inputs = weights.len() / outputs;
        let vector = |k: usize| -> Vec<f64> {
            let inner =
                |i: usize| if outputs <= inputs { i * outputs + k } else { k * outputs + i };
            (0..inputs.max(outputs)).map(|i| f64::from(weights[inner(i)])).collect()
        };
        let gain = f64::from(if layer.name() == "last" { last } else { hidden });
        for a in 0..inputs.min(outputs) {
            for b in 0..=a {
                let dot: f64 = vector(a).iter().zip(vector(b)).map(|(a, b)| a * b).sum();
                let wanted = if a == b { gain * gain } else { 0.0 };
                let error = (dot - wanted).abs();
                assert!(error < 1e-6 * gain * gain, "{} {a} {b}: {dot}", layer.name());
            }
        }
        assert!(parameters[layer.bias_range().unwrap()].iter().all(|&bias| bias == 0.0));
    }
}
