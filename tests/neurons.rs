//! What [`Neurons`] sees of a dense layer, against NumPy (`tests/oracle/neuron_features.py`), and what it refuses.

#[path = "common/neurons.rs"]
mod neurons;

use neurons::{Net, check, oracle, request};
use reweight::kernel::{Batch, Kernel, LANES};
use reweight::model::Samples;
use reweight::rng::{Purpose, Rng};
use reweight::slab::{Heap, Need};
use reweight::task::ClassSet;
use reweight::world::{FeatureSet, NeuronRequest, Neurons, WorldKind};

#[test]
fn features_and_closed_forms_are_numpys() {
    let mut seen = 0;
    for value in oracle()["networks"].as_array().unwrap() {
        let net = Net::read(value);
        for case in value["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let dense = case["layer"].as_u64().unwrap();
            for kind in [WorldKind::Shift, WorldKind::Mask] {
                for set in FeatureSet::ALL {
                    net.look(Kernel::auto(), dense, request(kind, set, case), |neurons| {
                        check(&format!("{name}, {}, {}", kind.name(), set.name()), neurons, case);
                    });
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 48, "{seen}");
}

#[test]
fn every_kernel_sees_the_same_bits() {
    let oracle = oracle();
    for value in oracle["networks"].as_array().unwrap() {
        let net = Net::read(value);
        let case = &value["cases"][0];
        let dense = case["layer"].as_u64().unwrap();
        for set in FeatureSet::ALL {
            let all = |kernel| {
                let request = request(WorldKind::Mask, set, case);
                net.look(kernel, dense, request, |neurons| {
                    let v = vec![0.5; neurons.inputs()];
                    let mut rows = vec![0.0; Batch::lanes(neurons.outputs()).len(set.rows())];
                    neurons.row_features(&v, &mut rows).unwrap();
                    let mut all = neurons.column_features().to_vec();
                    all.extend(rows);
                    all.extend(neurons.effective());
                    let u = vec![-0.5; neurons.outputs()];
                    all.push(neurons.calibration(1.5, &u, &v));
                    all.push(neurons.settle(1.5, &u, &v).unwrap());
                    all.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
                })
            };
            assert_eq!(all(Kernel::portable()), all(Kernel::auto()));
        }
    }
}

/// Features that are made when they are asked for, from samples that are looked at twice, are the ones that are kept.
#[test]
fn sparing_features_have_the_same_bits() {
    let all = oracle();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    let networks = all["networks"].as_array().unwrap().iter();
    let cases = networks.flat_map(|value| {
        let cases = value["cases"].as_array().unwrap().iter();
        cases.flat_map(move |case| {
            [WorldKind::Mask, WorldKind::Shift].map(|kind| (value, case, kind))
        })
    });
    for (value, case, kind) in cases {
        let net = Net::read(value);
        let dense = case["layer"].as_u64().unwrap();
        let layer = net.layer(dense);
        let request = request(kind, FeatureSet::Core, case);
        let kept = net.look(Kernel::auto(), dense, request, |neurons| {
            let (mut columns, mut rows) = (Vec::new(), Vec::new());
            columns.extend_from_slice(neurons.column_features());
            rows.resize(Batch::lanes(neurons.outputs()).len(FeatureSet::Core.rows()), 0.0);
            neurons.row_panels(0, &mut rows).unwrap();
            let (u, v) = (vec![0.3; neurons.outputs()], vec![0.2; neurons.inputs()]);
            (
                bits(&columns),
                bits(&rows),
                bits(neurons.effective()),
                neurons.calibration(2.0, &u, &v),
            )
        });
        let mut heap = Heap::new(Neurons::sparing_need(&net.stack, layer));
        let neurons = Neurons::sparing(
            Kernel::portable(),
            &net.stack,
            &net.parameters,
            layer,
            net.samples(),
            request,
            &mut heap.arena(),
        )
        .unwrap();
        let mut columns = vec![9.0; kept.0.len()];
        let mut rows = vec![9.0; kept.1.len()];
        neurons.column_panels(0, &mut columns).unwrap();
        let each = FeatureSet::Core.rows() * LANES;
        for (index, panel) in rows.chunks_mut(each).enumerate() {
            neurons.row_panels(index, panel).unwrap();
        }
        let (u, v) = (vec![0.3; neurons.outputs()], vec![0.2; neurons.inputs()]);
        let made = (
            bits(&columns),
            bits(&rows),
            bits(neurons.effective()),
            neurons.calibration(2.0, &u, &v),
        );
        assert!(kept == made, "{}", case["name"]);
        assert!(neurons.row_panels(1000, &mut vec![0.0; each]).is_err());
        assert!(neurons.row_panels(0, &mut vec![0.0; each - 1]).is_err());
    }
}

#[test]
fn a_rescale_by_a_power_of_two_changes_no_bit_of_a_feature() {
    let oracle = oracle();
    let value = &oracle["networks"][0];
    let (net, case) = (Net::read(value), &value["cases"][0]);
    let mut scaled = Net::read(value);
    let layers = scaled.stack.layers().to_vec();
    let edited = scaled.layer(1);
    let next = scaled.layer(2);
    for (layer, factor) in [(edited, 4.0), (next, 0.25)] {
        let range = layers[layer].weight_range();
        scaled.parameters[range].iter_mut().for_each(|weight| *weight *= factor);
    }
    let bias = layers[edited].bias_range().unwrap();
    scaled.parameters[bias].iter_mut().for_each(|bias| *bias *= 4.0);
    let features = |net: &Net| {
        let request = request(WorldKind::Shift, FeatureSet::CoreLda3, case);
        net.look(Kernel::auto(), 1, request, |neurons| {
            let mut rows = vec![0.0; Batch::lanes(neurons.outputs()).len(13)];
            neurons.row_features(&vec![0.5; neurons.inputs()], &mut rows).unwrap();
            rows.extend(neurons.column_features());
            let (u, v) = (vec![-0.5; neurons.outputs()], vec![0.5; neurons.inputs()]);
            rows.push(neurons.calibration(2.0, &u, &v));
            rows.push(neurons.settle(2.0, &u, &v).unwrap());
            rows
        })
    };
    let (before, after) = (features(&net), features(&scaled));
    let differ = before.iter().zip(&after).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    assert_eq!(differ, 0, "{differ} of {}", before.len());
}

/// What describes the columns moves by one constant for each feature; what aims, and the rows, stay.
#[test]
fn jitter_moves_the_level_of_descriptive_columns_alone() {
    let oracle = oracle();
    let value = &oracle["networks"][0];
    let (net, case) = (Net::read(value), &value["cases"][0]);
    let set = FeatureSet::CoreLda3;
    let request = request(WorldKind::Shift, set, case);
    let features = |deviation: Option<f32>| {
        net.look(Kernel::auto(), 1, request, |neurons| {
            if let Some(deviation) = deviation {
                neurons.jitter(deviation, &mut Rng::new(1, Purpose::Probe));
            }
            let mut rows = vec![0.0; Batch::lanes(neurons.outputs()).len(set.rows())];
            neurons.row_features(&vec![0.5; neurons.inputs()], &mut rows).unwrap();
            (neurons.column_features().to_vec(), rows, neurons.inputs())
        })
    };
    let (before, rows, inputs) = features(None);
    let (after, same_rows, _) = features(Some(2.0));
    assert_eq!(rows, same_rows);
    let batch = Batch::lanes(inputs);
    let mut moved = Vec::new();
    for feature in 0..set.columns() {
        let by = |column: usize| {
            let at = batch.at(set.columns(), column, feature);
            after[at] - before[at]
        };
        let first = by(0);
        assert!((1..inputs).all(|column| (by(column) - first).abs() < 1e-5), "{feature}");
        assert_eq!(first == 0.0, feature >= 6, "{feature}: {first}");
        moved.push(first);
    }
    moved.dedup();
    assert_eq!(moved.len(), 7, "six constants of their own, and none: {moved:?}");
    assert_eq!(features(Some(0.0)).0, before);
}

#[test]
fn what_cannot_be_looked_at_is_refused_in_words() {
    let oracle = oracle();
    let value = &oracle["networks"][0];
    let (net, case) = (Net::read(value), &value["cases"][0]);
    let kernel = Kernel::auto();
    let good = request(WorldKind::Mask, FeatureSet::All, case);
    let attempt = |need: Need, layer: usize, samples: Samples<'_>, request: NeuronRequest| {
        let mut heap = Heap::new(need);
        let mut arena = heap.arena();
        Neurons::new(kernel, &net.stack, &net.parameters, layer, samples, request, &mut arena)
            .err()
            .map(|error| error.to_string())
    };
    let layer = net.layer(1);
    for set in FeatureSet::ALL {
        let request = NeuronRequest { features: set, ..good };
        let need = Neurons::need(&net.stack, layer, net.labels.len(), &request);
        assert_eq!(attempt(need, layer, net.samples(), request), None);
        // `need` is for as many samples as are kept at most, so less may do; nothing must be an error.
        let less = Need::f32s(need.f32s / 4);
        assert!(attempt(less, layer, net.samples(), request).is_some());
        assert!(attempt(Need::f32s(0), layer, net.samples(), request).is_some());
    }
    let need = Need::f32s(1 << 20);
    let says = |layer, samples, request, word: &str| {
        let error = attempt(need, layer, samples, request).unwrap();
        assert!(error.contains(word), "{error}");
    };
    says(layer + 1, net.samples(), good, "dense or convolutional layer");
    says(99, net.samples(), good, "dense or convolutional layer");
    says(layer, net.samples(), NeuronRequest { class: 4, ..good }, "label 4");
    let short = Samples { labels: &net.labels[1..], ..net.samples() };
    says(layer, short, good, "labels");
    let others: Vec<u8> =
        net.labels.iter().map(|&label| if label == 1 { 0 } else { label }).collect();
    says(layer, Samples { labels: &others, ..net.samples() }, good, "forget class has no samples");
    let only = vec![1; net.labels.len()];
    says(layer, Samples { labels: &only, ..net.samples() }, good, "retain set has no samples");
    let gone = NeuronRequest { gone: ClassSet::of(&[0, 2, 3]), ..good };
    says(layer, net.samples(), gone, "retain set has no samples");
}

#[test]
fn numbers_that_are_none_do_not_panic_and_dead_neurons_are_finite() {
    let oracle = oracle();
    let value = &oracle["networks"][0];
    let case = &value["cases"][0];
    let look = |net: &Net| {
        net.look(Kernel::auto(), 1, request(WorldKind::Mask, FeatureSet::All, case), |neurons| {
            let v = vec![0.5; neurons.inputs()];
            let mut rows = vec![0.0; Batch::lanes(neurons.outputs()).len(FeatureSet::All.rows())];
            neurons.row_features(&v, &mut rows).unwrap();
            rows.extend(neurons.column_features());
            let u = vec![-0.5; neurons.outputs()];
            rows.push(neurons.calibration(1.5, &u, &v));
            rows.push(neurons.settle(1.5, &u, &v).unwrap());
            assert!(
                neurons.settle(1.5, &u[1..], &v).is_err()
                    && neurons.settle(1.5, &u, &v[1..]).is_err()
            );
            rows
        })
    };
    let mut dead = Net::read(value);
    dead.parameters.fill(0.0);
    assert!(look(&dead).iter().all(|value| value.is_finite()));
    let mut broken = Net::read(value);
    broken.parameters.fill(f32::NAN);
    look(&broken);
    broken.parameters.fill(f32::MAX);
    look(&broken);
}
