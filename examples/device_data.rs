//! Makes the networks and samples that the firmware of `examples/cortex-m` holds in flash.
//!
//! `cargo run --release --example device_data` writes them; with `-- --check` it only compares. They come from the data
//! that ship and from seed 0, so every machine makes the same bytes.
//!
//! `digits.bin`: a network 64 → 128 → 32 → 10 on 8 × 8 digits, its parameters as f32 (little-endian, each layer's weights
//! inputs × outputs, then its biases); then labels and pixels (one byte each) of the reward and of the test samples.
//! `comments.bin`: the last layer, 16 → 2, of `toxicity-mlp`; then labels, groups (bits, u64) and what the layer takes
//! (16 f32 each) of reward and of test comments.

use reweight::data::load_dir;
use reweight::data::text::{BagSet, Comments, builtin_comments};
use reweight::kernel::{Batch, Kernel};
use reweight::model::{Forward, Plain, Samples, SparseSamples, Tap, Training, train, train_need};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::run::debias::{Language, TextPart, TextTarget};
use reweight::slab::Heap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// Comments of the reward and of the test part.
const COMMENTS: [usize; 2] = [800, 800];

fn main() -> Result<(), Box<dyn Error>> {
    let check = std::env::args().any(|argument| argument == "--check");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cortex-m/data");
    for (name, bytes) in [("digits.bin", digits()?), ("comments.bin", comments()?)] {
        let path = folder.join(name);
        if check {
            if std::fs::read(&path)? != bytes {
                return Err(format!("{} is not what this program makes", path.display()).into());
            }
            println!("{name}: {} bytes, as they should be", bytes.len());
        } else {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(&path, &bytes)?;
            println!("{name}: {} bytes", bytes.len());
        }
    }
    Ok(())
}

fn put(bytes: &mut Vec<u8>, values: &[f32]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn digits() -> Result<Vec<u8>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits8x8");
    let (images, parts) = load_dir(&folder, 0)?;
    let mut stack = Stack::new([64, 1, 1]);
    stack.dense("fc1", 128)?.relu()?.dense("fc2", 32)?.relu()?.dense("fc3", 10)?;
    let mut parameters = vec![0.0; stack.parameters()];
    stack.initialise(Init::HeUniform, &mut parameters, &mut Rng::new(0, Purpose::Weights))?;
    // The small set needs more passes.
    let training = Training { epochs: 30, ..Training::DIGITS };
    let pixels = parts.train.iter().flat_map(|&index| &images.pixels[64 * index..64 * (index + 1)]);
    let inputs: Vec<f32> = pixels.map(|&pixel| f32::from(pixel) / 255.0).collect();
    let labels = images.labels_of(&parts.train);
    let batch = Batch::rows(labels.len());
    let samples = Samples { batch, inputs: &inputs, labels: &labels };
    let mut heap = Heap::new(train_need(&stack, samples.labels.len(), &training));
    let (kernel, arena) = (Kernel::auto(), &mut heap.arena());
    train(kernel, &stack, &mut parameters, &samples, &|_| true, &training, 0, arena, &mut |_| {})?;
    let mut bytes = Vec::new();
    put(&mut bytes, &parameters);
    for part in [&parts.reward, &parts.test] {
        bytes.extend(images.labels_of(part));
        for &index in part {
            bytes.extend(&images.pixels[64 * index..64 * (index + 1)]);
        }
        println!("digits: {} samples", part.len());
    }
    Ok(bytes)
}

fn comments() -> Result<Vec<u8>, Box<dyn Error>> {
    let kernel = Kernel::auto();
    let [training, reward, test] = builtin_comments(0, [6_000, 2_000, 2_000]);
    let language = Arc::new(Language::of_comments(&training, 5_000));
    let bag = |comments: &Comments| language.bag(comments.texts.iter().map(String::as_str));
    let part = TextPart { bag: Arc::new(bag(&training)), comments: Arc::new(training) };
    let target = TextTarget::train(kernel, &language, &part, &Training::TOXICITY, 0, "")?;
    let layer = target.stack.find("16x2").ok_or("no layer 16x2")?;
    let last = &target.stack.layers()[layer];
    let mut bytes = Vec::new();
    put(&mut bytes, &target.parameters[last.weight_range()]);
    put(&mut bytes, &target.parameters[last.bias_range().ok_or("no biases")?]);
    for (comments, count) in [reward, test].iter().zip(COMMENTS) {
        let chosen: Vec<usize> = (0..count).collect();
        let some = comments.select(&chosen);
        bytes.extend(&some.labels);
        bytes.extend(some.members.iter().flat_map(|members| members.to_le_bytes()));
        put(&mut bytes, &taken(kernel, &target, &bag(comments).select(&chosen), layer)?);
        println!("comments: {count} of {} groups", some.groups.len());
    }
    Ok(bytes)
}

/// What `layer` takes, sample by sample.
fn taken(
    kernel: Kernel,
    target: &TextTarget,
    bag: &BagSet,
    layer: usize,
) -> Result<Vec<f32>, Box<dyn Error>> {
    let stack = &target.stack;
    let features = stack.layers()[layer].inputs();
    let batch = Batch::lanes(bag.len());
    let labels = vec![0; bag.len()];
    let samples = SparseSamples { bag: bag.view(stack.inputs())?, labels: &labels, fixed: None };
    let mut heap = Heap::new(Plain::sparse_need(stack));
    let mut plain = Plain::sparse(kernel, stack, &target.parameters, samples, &mut heap.arena())?;
    let mut panels = vec![0.0; batch.len(features)];
    let tap = Tap { layer, values: &mut panels };
    plain.for_each_tapped(&mut [tap], &mut |_| {})?;
    let mut rows = vec![0.0; bag.len() * features];
    kernel.to_rows(batch, features, 1, &panels, &mut rows)?;
    Ok(rows)
}
