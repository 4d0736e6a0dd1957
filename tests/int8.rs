//! Quantised networks against the networks that they were made from.

use reweight::kernel::{Batch, Kernel, LANES};
use reweight::model::int8::{Int8Activations, Int8Parameters, Int8Plain, Int8Prefix, Int8Stack};
use reweight::model::{Forward, Plain, Samples};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::run::{Prepared, TargetConfig, train_target};
use reweight::slab::{Heap, IntHeap};
use reweight::task::ClassSet;

/// A quantised network that owns its parameters.
struct Quantised {
    stack: Int8Stack,
    heap: Heap,
    ints: IntHeap,
}

impl Quantised {
    fn new(stack: &Stack, parameters: &[f32], samples: Samples<'_>, how: Int8Activations) -> Self {
        let mut heap = Heap::new(Int8Stack::calibration_need(stack));
        let (kernel, arena) = (Kernel::auto(), &mut heap.arena());
        let plan = Int8Stack::calibrated(kernel, stack, parameters, 0, samples, how, arena);
        let stack_of_ints = plan.unwrap();
        let (need, ints) = Int8Parameters::need(&stack_of_ints);
        Self { stack: stack_of_ints, heap: Heap::new(need), ints: IntHeap::new(ints) }
    }

    /// Quantises and hands the parameters to `look`.
    fn with<R>(
        &mut self,
        stack: &Stack,
        parameters: &[f32],
        look: impl FnOnce(&Int8Stack, &mut Int8Parameters<'_>) -> R,
    ) -> R {
        let (mut arena, mut ints) = (self.heap.arena(), self.ints.arena());
        let mut quantised = Int8Parameters::zeros(&self.stack, &mut arena, &mut ints).unwrap();
        assert_eq!((arena.left().f32s, ints.left().bytes()), (0, 0), "need() is what is used");
        quantised.quantise(&self.stack, stack, parameters).unwrap();
        look(&self.stack, &mut quantised)
    }
}

/// Logits, sample by sample.
fn logits(net: &mut dyn Forward) -> Vec<Vec<f32>> {
    let mut rows = vec![];
    net.for_each_logits(&mut |logits| {
        assert_eq!(logits.first, rows.len());
        for sample in 0..logits.batch.samples() {
            let at = |class| logits.values[logits.batch.at(logits.classes, sample, class)];
            rows.push((0..logits.classes).map(at).collect());
        }
    })
    .unwrap();
    rows
}

fn f32_logits(stack: &Stack, parameters: &[f32], samples: Samples<'_>) -> Vec<Vec<f32>> {
    let mut heap = Heap::new(Plain::need(stack));
    let mut arena = heap.arena();
    logits(&mut Plain::new(Kernel::auto(), stack, parameters, samples, &mut arena).unwrap())
}

fn int8_logits(
    kernel: Kernel,
    stack: &Int8Stack,
    parameters: &Int8Parameters<'_>,
    samples: Samples<'_>,
) -> Vec<Vec<f32>> {
    let (need, int_need) = Int8Plain::need(stack);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(int_need));
    let (mut arena, mut ints) = (heap.arena(), ints.arena());
    let network = parameters.network(stack);
    let made = Int8Plain::new(kernel, network, samples, &mut arena, &mut ints);
    assert_eq!((arena.left().f32s, ints.left().bytes()), (0, 0), "need() is what is used");
    logits(&mut made.unwrap())
}

fn right(logits: &[Vec<f32>], labels: &[u8]) -> usize {
    let best = |row: &Vec<f32>| (0..row.len()).reduce(|a, b| if row[b] > row[a] { b } else { a });
    logits.iter().zip(labels).filter(|(row, label)| best(row) == Some(usize::from(**label))).count()
}

/// Post-training quantisation costs digits-cnn at most half a point, with either form of activations.
#[test]
fn digits_keep_their_accuracy() {
    let (images, parts) = reweight::data::builtin_digits(0).unwrap();
    let data = Prepared::new(&images, &parts).unwrap();
    let config = TargetConfig::default();
    let kernel = Kernel::auto();
    for seed in 0..2 {
        let target =
            train_target(kernel, &config, &data, ClassSet::EMPTY, seed, &mut |_| {}).unwrap();
        let (stack, parameters) = (&target.stack, &target.parameters[..]);
        let test = data.test.samples();
        let before = f32_logits(stack, parameters, test);
        for how in [Int8Activations::Affine, Int8Activations::Symmetric] {
            let calibration = data.reward.samples();
            let mut quantised = Quantised::new(stack, parameters, calibration, how);
            quantised.with(stack, parameters, |plan, quantised| {
                let after = int8_logits(kernel, plan, quantised, test);
                let points = |logits: &[Vec<f32>]| {
                    100.0 * right(logits, test.labels) as f64 / test.labels.len() as f64
                };
                let (old, new) = (points(&before), points(&after));
                println!("seed {seed}, {how:?}: {old:.2} % in f32, {new:.2} % in int8");
                assert!(old > 95.0 && (new - old).abs() <= 0.5, "{old} -> {new}");
                let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
                assert!(changed > 1900, "integers are not f32");
            });
        }
    }
}

fn toy(seed: u64, samples: usize) -> (Stack, Vec<f32>, Vec<f32>, Vec<u8>) {
    let mut stack = Stack::new([2, 9, 7]);
    stack.conv2d("conv", 5, [3, 2], [2, 1], [1, 1]).unwrap().relu().unwrap();
    stack.max_pool([2, 3], [1, 2]).unwrap().dense("a", 11).unwrap();
    stack.relu().unwrap().dense("b", 6).unwrap().dense("c", 3).unwrap();
    let mut rng = Rng::new(seed, Purpose::Weights);
    let mut parameters = vec![0.0; stack.parameters()];
    stack.initialise(Init::HeUniform, &mut parameters, &mut rng).unwrap();
    parameters.iter_mut().for_each(|value| *value += 0.01 * rng.normal());
    let rows: Vec<f32> = (0..samples * stack.inputs()).map(|_| rng.normal()).collect();
    let batch = Batch::lanes(samples);
    let mut inputs = vec![0.0; batch.len(stack.inputs())];
    Kernel::auto().to_panels(batch, stack.inputs(), &rows, &mut inputs).unwrap();
    let labels = (0..samples).map(|sample| (sample % 3) as u8).collect();
    (stack, parameters, inputs, labels)
}

/// Padding, strides, pooling, layers with and without ReLU: logits stay within what 8 bits cost, and the network
/// of dequantised weights is nearer still.
#[test]
fn every_kind_of_layer_is_near_its_real_form() {
    for seed in 0..6 {
        let (stack, parameters, inputs, labels) = toy(seed, LANES + 5);
        let samples =
            Samples { batch: Batch::lanes(labels.len()), inputs: &inputs, labels: &labels };
        let before = f32_logits(&stack, &parameters, samples);
        let size = before.iter().flatten().map(|x| x * x).sum::<f32>();
        let mut quantised = Quantised::new(&stack, &parameters, samples, Int8Activations::Affine);
        quantised.with(&stack, &parameters, |plan, quantised| {
            assert_eq!((plan.inputs(), plan.outputs(), plan.layers().len()), (126, 3, 5));
            let after = int8_logits(Kernel::auto(), plan, quantised, samples);
            let error = |logits: &[Vec<f32>]| {
                let pairs = logits.iter().flatten().zip(before.iter().flatten());
                (pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / size).sqrt()
            };
            let mut real = parameters.clone();
            quantised.network(plan).dequantise(&stack, &mut real).unwrap();
            assert_ne!(real, parameters);
            let weights_alone = error(&f32_logits(&stack, &real, samples));
            assert!(
                weights_alone < 0.02 && error(&after) < 0.05,
                "{weights_alone} {}",
                error(&after)
            );
            assert!(error(&after) > 1e-4);
        });
    }
}

/// The prefix cache gives the bits of the whole network, before an edit and after one, on every layer.
#[test]
fn a_prefix_is_the_whole_network() {
    let (stack, parameters, inputs, labels) = toy(3, 2 * LANES + 7);
    let samples = Samples { batch: Batch::lanes(labels.len()), inputs: &inputs, labels: &labels };
    let mut quantised = Quantised::new(&stack, &parameters, samples, Int8Activations::Affine);
    quantised.with(&stack, &parameters, |plan, quantised| {
        for layer in (0..plan.layers().len()).filter(|&at| plan.layers()[at].rows() > 0) {
            let before = int8_logits(Kernel::auto(), plan, quantised, samples);
            let (need, int_need) = Int8Prefix::need(plan, layer, labels.len());
            let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(int_need));
            let (mut arena, mut ints) = (heap.arena(), ints.arena());
            let network = quantised.network(plan);
            let prefix =
                Int8Prefix::new(Kernel::auto(), network, layer, samples, &mut arena, &mut ints);
            assert_eq!((arena.left().f32s, ints.left().bytes()), (0, 0), "need() is what is used");
            let mut prefix = prefix.unwrap();
            assert_eq!(logits(&mut prefix), before);
            let edited = prefix.edited();
            edited.weights.iter_mut().for_each(|w| *w = w.saturating_neg());
            edited.scales[0] *= 2.0;
            let (weights, scales) = (edited.weights.to_vec(), edited.scales.to_vec());
            prefix.commit().unwrap();
            let after = logits(&mut prefix);
            assert_ne!(after, before);
            prefix.restore();
            prefix.commit().unwrap();
            assert_eq!(logits(&mut prefix), before);
            let (at, rows) =
                (plan.layers()[layer].weight_range(), plan.layers()[layer].row_range());
            quantised.weights[at].copy_from_slice(&weights);
            quantised.scales[rows].copy_from_slice(&scales);
            quantised.encode(plan);
            assert_eq!(int8_logits(Kernel::auto(), plan, quantised, samples), after);
        }
    });
}

#[test]
fn what_does_not_fit_is_answered() {
    let (stack, parameters, inputs, labels) = toy(1, 9);
    let samples = Samples { batch: Batch::lanes(9), inputs: &inputs, labels: &labels };
    let mut quantised = Quantised::new(&stack, &parameters, samples, Int8Activations::Affine);
    quantised.with(&stack, &parameters, |plan, quantised| {
        assert!(quantised.quantise(plan, &stack, &parameters[1..]).is_err());
        let network = quantised.network(plan);
        let (need, int_need) = Int8Prefix::need(plan, 0, 9);
        let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(int_need));
        let kernel = Kernel::auto();
        let mut made = |network, layer, samples| {
            Int8Prefix::new(kernel, network, layer, samples, &mut heap.arena(), &mut ints.arena())
                .map(|_| ())
        };
        assert!(made(network, 0, samples).is_ok());
        assert!(made(network, 1, samples).is_err(), "pooling has no weights");
        assert!(made(network, 99, samples).is_err());
        assert!(made(network, 0, Samples { labels: &labels[1..], ..samples }).is_err());
        assert!(made(network, 0, Samples { inputs: &inputs[1..], ..samples }).is_err());
        let short = reweight::model::int8::Int8Network { scales: &[], ..network };
        assert!(made(short, 0, samples).is_err());
    });
}

/// Layers before the first quantised one stay in f32, as for a bag of words: their outputs are what becomes i8.
#[test]
fn the_first_layers_may_stay_real() {
    let (stack, parameters, inputs, labels) = toy(2, 40);
    let (first, kernel) = (stack.find("a").unwrap(), Kernel::auto());
    let batch = Batch::lanes(40);
    let mut between = vec![0.0; batch.len(stack.layers()[first].inputs())];
    let mut scratch = vec![0.0; stack.scratch(batch)];
    stack
        .forward(kernel, 0..first, batch, &parameters, &inputs, &mut scratch, &mut between)
        .unwrap();
    let samples = Samples { batch, inputs: &between, labels: &labels };
    let mut heap = Heap::new(Int8Stack::calibration_need(&stack));
    let (how, arena) = (Int8Activations::Affine, &mut heap.arena());
    let plan =
        Int8Stack::calibrated(kernel, &stack, &parameters, first, samples, how, arena).unwrap();
    assert_eq!((plan.first(), plan.layers().len(), plan.find(first)), (first, 3, Some(0)));
    let (need, ints) = Int8Parameters::need(&plan);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let mut made = Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
    made.quantise(&plan, &stack, &parameters).unwrap();
    let after = int8_logits(kernel, &plan, &made, samples);
    let before = Samples { batch, inputs: &inputs, labels: &labels };
    let before = f32_logits(&stack, &parameters, before);
    let (mut error, mut size) = (0.0, 0.0);
    for (a, b) in after.iter().flatten().zip(before.iter().flatten()) {
        (error, size) = (error + (a - b) * (a - b), size + b * b);
    }
    assert!(error > 0.0 && error < 0.04 * 0.04 * size, "{error} of {size}");
}
