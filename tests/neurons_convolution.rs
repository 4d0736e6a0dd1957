//! What [`Neurons`] sees of a convolution, against NumPy (`tests/oracle/neuron_features.py`) and against the dense
//! layer that a convolution of one position is.

#[path = "common/neurons.rs"]
mod neurons;

use neurons::{Net, check, oracle, request};
use reweight::kernel::{Batch, Kernel};
use reweight::nn::Stack;
use reweight::slab::{Heap, Need};
use reweight::task::ClassSet;
use reweight::world::{FeatureSet, NeuronRequest, Neurons, WorldKind};

const KINDS: [WorldKind; 2] = [WorldKind::Shift, WorldKind::Mask];

#[test]
fn features_and_closed_forms_are_numpys() {
    let mut seen = 0;
    for value in oracle()["convolutional"].as_array().unwrap() {
        let net = Net::read(value);
        for case in value["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let layer = case["layer"].as_u64().unwrap();
            for kind in KINDS {
                for set in FeatureSet::ALL {
                    net.look(Kernel::auto(), layer, request(kind, set, case), |neurons| {
                        check(&format!("{name}, {}, {}", kind.name(), set.name()), neurons, case);
                    });
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 6 * 6);
}

/// All that is seen, bit by bit.
fn bits(net: &Net, kernel: Kernel, layer: u64, request: NeuronRequest) -> Vec<u32> {
    net.look(kernel, layer, request, |neurons| {
        let (rows, columns) = (neurons.outputs(), neurons.inputs());
        let v: Vec<f32> = (0..columns).map(|at| 0.5 - 0.1 * (at % 7) as f32).collect();
        let u: Vec<f32> = (0..rows).map(|at| 0.1 * (at % 5) as f32 - 0.3).collect();
        let mut all = vec![0.0; Batch::lanes(rows).len(request.features.rows())];
        neurons.row_features(&v, &mut all).unwrap();
        all.extend(neurons.column_features());
        all.extend(neurons.effective());
        all.extend(neurons.sensitivity());
        all.extend(neurons.margin());
        all.push(neurons.calibration(2.0, &u, &v));
        let mut more = v.clone();
        if request.features.responds() {
            neurons.activation_columns(&u, &mut more).unwrap();
            all.extend(&more);
        }
        if request.features.keeps() {
            neurons.discriminant(&mut more).unwrap();
            all.extend(&more);
        }
        all.iter().map(|value| value.to_bits()).collect()
    })
}

#[test]
fn every_kernel_sees_the_same_bits() {
    for value in oracle()["convolutional"].as_array().unwrap() {
        let net = Net::read(value);
        let case = &value["cases"][0];
        let layer = case["layer"].as_u64().unwrap();
        for (kind, set) in KINDS.into_iter().flat_map(|kind| FeatureSet::ALL.map(|set| (kind, set)))
        {
            let request = request(kind, set, case);
            let portable = bits(&net, Kernel::portable(), layer, request);
            assert!(portable == bits(&net, Kernel::auto(), layer, request), "{}", case["name"]);
        }
    }
}

/// The dense layers of the oracle's networks as convolutions of one position: of a window as large as the image, and
/// of a window of one pixel on an image of one. They are equal bit for bit.
#[test]
fn a_convolution_of_one_position_is_the_dense_layer_bit_for_bit() {
    let oracle = oracle();
    let value = &oracle["networks"][0];
    let dense = Net::read(value);
    // 12 -> 9 -> 6 -> 4, as 3 images of 2 x 2, then 9 and 6 of 1 x 1.
    let mut stack = Stack::new([3, 2, 2]);
    stack.conv2d("d0", 9, [2, 2], [1, 1], [0, 0]).unwrap().relu().unwrap();
    stack.conv2d("d1", 6, [1, 1], [1, 1], [0, 0]).unwrap().relu().unwrap();
    stack.dense("d2", 4).unwrap();
    let net = Net { stack, ..Net::read(value) };
    assert_eq!(net.parameters.len(), net.stack.parameters());
    for case in value["cases"].as_array().unwrap() {
        let layer = case["layer"].as_u64().unwrap();
        for (kind, set) in KINDS.into_iter().flat_map(|kind| FeatureSet::ALL.map(|set| (kind, set)))
        {
            let request = request(kind, set, case);
            let own = bits(&net, Kernel::auto(), layer, request);
            assert!(own == bits(&dense, Kernel::auto(), layer, request), "{}", case["name"]);
        }
    }
}

/// `need` is exact where samples abound, and where none is kept.
#[test]
fn one_value_less_than_needed_is_too_small() {
    let oracle = oracle();
    let networks = oracle["convolutional"].as_array().unwrap();
    for (value, sets) in
        [(&networks[0], &[FeatureSet::Core][..]), (&networks[2], &FeatureSet::ALL[..])]
    {
        let net = Net::read(value);
        let case = &value["cases"][0];
        let layer = net.layer(case["layer"].as_u64().unwrap());
        for &set in sets {
            let mut request = request(WorldKind::Mask, set, case);
            request.class = 1;
            let mut labels = net.labels.clone();
            if sets.len() > 1 {
                // 205 forget samples, 615 retain: of both more than are kept.
                let mut left = 205;
                for label in &mut labels {
                    let forget = *label == 1 && left > 0;
                    left -= usize::from(forget);
                    *label = u8::from(forget);
                }
            }
            let need = Neurons::need(&net.stack, layer, labels.len(), &request);
            let attempt = |f32s: usize| {
                let mut heap = Heap::new(Need::f32s(f32s));
                let samples = reweight::model::Samples { labels: &labels, ..net.samples() };
                let (kernel, stack, parameters) = (Kernel::auto(), &net.stack, &net.parameters);
                let mut arena = heap.arena();
                Neurons::new(kernel, stack, parameters, layer, samples, request, &mut arena)
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            };
            assert_eq!(attempt(need.f32s), Ok(()), "{}", set.name());
            let error = attempt(need.f32s - 1).unwrap_err();
            assert!(error.contains("too small") || error.contains("holds"), "{error}");
        }
    }
}

#[test]
fn what_cannot_be_looked_at_is_refused_in_words() {
    let oracle = oracle();
    let value = &oracle["convolutional"][0];
    let (net, case) = (Net::read(value), &value["cases"][1]);
    let layer = net.layer(1);
    let request = request(WorldKind::Mask, FeatureSet::Core, case);
    let mut heap = Heap::new(Need::f32s(1 << 20));
    let mut attempt = |layer: usize, request: NeuronRequest, sparing: bool| {
        let make = if sparing { Neurons::sparing } else { Neurons::new };
        let mut arena = heap.arena();
        let (kernel, stack, parameters) = (Kernel::auto(), &net.stack, &net.parameters);
        make(kernel, stack, parameters, layer, net.samples(), request, &mut arena)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(attempt(layer, request, false), None);
    let refused = attempt(layer, request, true).unwrap();
    assert!(refused.contains("only a dense layer can be looked at sparingly"), "{refused}");
    assert_eq!(Neurons::sparing_need(&net.stack, layer), Need::default());
    // The ReLU behind it, the pooling behind that.
    for behind in [layer + 1, layer + 2] {
        let refused = attempt(behind, request, false).unwrap();
        assert!(refused.contains("dense or convolutional layer"), "{refused}");
    }
    let none = NeuronRequest { gone: ClassSet::of(&[0, 2, 3]), ..request };
    assert!(attempt(layer, none, false).unwrap().contains("retain set has no samples"));
}

#[test]
fn numbers_that_are_none_do_not_panic_and_dead_neurons_are_finite() {
    let oracle = oracle();
    let value = &oracle["convolutional"][0];
    let case = &value["cases"][1];
    let mut net = Net::read(value);
    for filled in [0.0, f32::NAN, f32::MAX] {
        net.parameters.fill(filled);
        for set in FeatureSet::ALL {
            let all = bits(&net, Kernel::auto(), 1, request(WorldKind::Mask, set, case));
            assert!(filled != 0.0 || all.iter().all(|&bits| f32::from_bits(bits).is_finite()));
        }
    }
}
