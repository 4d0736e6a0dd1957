//! Networks that others trained: safetensors and a description.
#![cfg(feature = "std")]

use reweight::data::{self, Arch, Foreign, Images, SafeTensors};
use reweight::kernel::{Batch, Kernel, LANES};
use reweight::model::{Forward, Plain, Samples};
use reweight::slab::Heap;
use std::path::{Path, PathBuf};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// Accuracy on some images, resampled and normalised as the network wants them.
fn accuracy(net: &Foreign, images: &Images) -> f64 {
    let [_, rows, cols] = net.stack.input();
    let images = images.resampled(rows, cols).unwrap();
    let all: Vec<usize> = (0..images.len()).collect();
    let (mean, std) = net.normalize;
    let values: Vec<f32> = images.rows_of(&all).iter().map(|x| (x - mean) / std).collect();
    let batch = Batch::lanes(all.len());
    let mut inputs = vec![0.0; batch.len(net.stack.inputs())];
    Kernel::auto().to_panels(batch, net.stack.inputs(), &values, &mut inputs).unwrap();
    let samples = Samples { batch, inputs: &inputs, labels: &images.labels };
    let mut heap = Heap::new(Plain::need(&net.stack));
    let kernel = Kernel::auto();
    let mut plain =
        Plain::new(kernel, &net.stack, &net.parameters, samples, &mut heap.arena()).unwrap();
    let mut right = 0;
    plain
        .for_each_logits(&mut |logits| {
            let mut classes = [0; LANES];
            let classes = &mut classes[..logits.batch.samples()];
            kernel.argmax(logits.batch, logits.classes, logits.values, classes).unwrap();
            let labels = images.labels[logits.first..].iter();
            right += labels
                .zip(&*classes)
                .filter(|(label, class)| u32::from(**label) == **class)
                .count();
        })
        .unwrap();
    right as f64 / all.len() as f64
}

#[test]
fn the_shipped_network_knows_the_built_in_digits() {
    let net = Foreign::open(&shipped("ccexam-mnist.safetensors"), &shipped("ccexam-mnist.json"));
    let net = net.unwrap();
    let (images, _) = data::builtin_digits(0).unwrap();
    let accuracy = accuracy(&net, &images);
    println!("ccexam-mnist on all {} built-in digits: {accuracy}", images.len());
    assert_eq!((accuracy * 10_000.0).round(), 9_985.0);
}

const USPS: &str = r#"{"input": [1, 16, 16], "normalize": [0.2469, 0.2989], "layers": [
    {"type": "conv2d", "name": "features.0", "padding": 1},
    {"type": "batch_norm", "name": "features.1"}, {"type": "relu"}, {"type": "max_pool", "window": 2},
    {"type": "conv2d", "name": "features.4", "padding": 1},
    {"type": "batch_norm", "name": "features.5"}, {"type": "relu"}, {"type": "max_pool", "window": 2},
    {"type": "flatten"}, {"type": "dense", "name": "classifier.1"}, {"type": "relu"},
    {"type": "dropout"}, {"type": "dense", "name": "classifier.4"}]}"#;

/// Runs when REWEIGHT_EXTRA_DATA names a folder with the network and the images.
#[test]
fn a_network_with_batch_normalisation_knows_usps() {
    let Some(folder) = std::env::var_os("REWEIGHT_EXTRA_DATA").map(PathBuf::from) else {
        println!("skipped: REWEIGHT_EXTRA_DATA is not set");
        return;
    };
    let file = SafeTensors::open(&folder.join("models/ccexam-usps.safetensors")).unwrap();
    let images = folder.join("images/usps-train-images-idx3-ubyte.gz");
    let (images, _) = data::load_dir(&images, 0).unwrap();
    let mut arch = Arch::read("usps.json", USPS.as_bytes()).unwrap();
    let net = Foreign::new("usps.json", &arch, file.clone()).unwrap();
    let right = accuracy(&net, &images);
    println!("ccexam-usps on {} images: {right}", images.len());
    assert!(right > 0.95);
    arch.normalize = (0.0, 1.0);
    let wrong = accuracy(&Foreign::new("usps.json", &arch, file).unwrap(), &images);
    println!("with a wrong normalisation: {wrong}");
    assert!(wrong < 0.2);
}
