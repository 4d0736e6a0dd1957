//! A trained policy acts on a network that it has never seen: no heap, no file, no evaluation.
//!
//! Nothing here needs std but `println`. The policy was trained on images of digits; the network, trained
//! first, tells four clouds of points apart, and forgets cloud 1.
//!
//! ```text
//! cargo run --release --example policy_without_std
//! ```

use core::error::Error;
use reweight::kernel::{Batch, Kernel};
use reweight::model::{Samples, Training, train};
use reweight::nn::Stack;
use reweight::num;
use reweight::ppo::{NeuronPolicy, Side};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Fixed;
use reweight::snapshot::PolicyFile;
use reweight::task::ClassSet;
use reweight::world::{Change, Config, FeatureSet, NeuronRequest, Neurons, WorldKind};

static POLICY: &[u8] = include_bytes!("../data/policies/shift-core.rwp");

const FORGET: u8 = 1;
const CLASSES: usize = 4;
/// Points and their coordinates.
const POINTS: usize = 256;
const SIZE: usize = 8;
/// The edited layer, `b`.
const INPUTS: usize = 24;
const OUTPUTS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let kernel = Kernel::auto();
    let mut stack = Stack::new([SIZE, 1, 1]);
    stack.dense("a", INPUTS)?.relu()?.dense("b", OUTPUTS)?.relu()?.dense("c", CLASSES)?;
    let mut slab = Fixed::<65_536, 512>::new();
    let mut arena = slab.arena();
    let (labels, rows) = (
        core::array::from_fn::<u8, POINTS, _>(|i| (i % CLASSES) as u8),
        arena.take(POINTS * SIZE)?,
    );
    clouds(&labels, rows);
    let parameters = arena.take(stack.parameters())?;
    let in_rows = Samples { batch: Batch::rows(POINTS), inputs: rows, labels: &labels };
    let every = |_| true;
    let settings = Training { epochs: 60, minibatch: 32, ..Training::DIGITS };
    train(
        kernel,
        &stack,
        parameters,
        &in_rows,
        &every,
        &settings,
        0,
        &mut arena.scratch(),
        &mut |_| {},
    )?;
    let batch = Batch::lanes(POINTS);
    let inputs = arena.take(batch.len(SIZE))?;
    kernel.to_panels(batch, SIZE, rows, inputs)?;
    let samples = Samples { batch, inputs, labels: &labels };
    let mut logits = [0.0; POINTS * CLASSES];
    let scratch = arena.take(stack.scratch(batch))?;
    let mut right = |parameters: &[f32]| -> Result<[f32; 2], Box<dyn Error>> {
        let mut classes = [0u32; POINTS];
        stack.forward(
            kernel,
            0..stack.layers().len(),
            batch,
            parameters,
            inputs,
            scratch,
            &mut logits,
        )?;
        kernel.argmax(batch, CLASSES, &logits, &mut classes)?;
        let share = |forgotten: bool| {
            let of =
                labels.iter().zip(&classes).filter(|(label, _)| (**label == FORGET) == forgotten);
            let count = of.clone().count() as f32;
            of.filter(|(label, class)| u32::from(**label) == **class).count() as f32 / count
        };
        Ok([share(true), share(false)])
    };
    let before = right(parameters)?;

    // The policy: columns first, then rows, then the size of the step.
    let file = PolicyFile::read(POLICY)?;
    let features = FeatureSet::find(file.features).ok_or("features of another version")?;
    let policy = NeuronPolicy {
        row_features: features.rows(),
        column_features: features.columns(),
        hidden: file.hidden,
        rank: file.rank,
    };
    let weights = arena.take(file.each)?;
    weights.iter_mut().zip(file.parameters()).for_each(|(to, value)| *to = value);
    let layer = stack.find("b").ok_or("no such layer")?;
    let (kind, gone) = (WorldKind::Shift, ClassSet::EMPTY);
    let request = NeuronRequest { kind, features, class: FORGET, gone };
    let mut action = [0.0; OUTPUTS + INPUTS];
    let (u, v) = action.split_at_mut(OUTPUTS);
    let step = {
        let mut arena = arena.scratch();
        let mut neurons =
            Neurons::new(kernel, &stack, parameters, layer, samples, request, &mut arena)?;
        let scratch = arena.take(policy.scratch())?;
        policy.means(
            kernel,
            weights,
            Side::Columns,
            INPUTS,
            neurons.column_features(),
            scratch,
            v,
        )?;
        kernel.tanh(v);
        let seen = arena.take(Batch::lanes(OUTPUTS).len(features.rows()))?;
        neurons.row_features(v, seen)?;
        policy.means(kernel, weights, Side::Rows, OUTPUTS, seen, scratch, u)?;
        kernel.tanh(u);
        file.step * neurons.calibration(file.step, u, v)
    };

    let range = stack.layers()[layer].weight_range();
    let config = Config { step, ..Config::new(kind) };
    let change = Change::new(&config, num::rms(&parameters[range.clone()]), INPUTS, OUTPUTS);
    let mut edited = [0.0; INPUTS * OUTPUTS];
    change.form(kernel, &action, &parameters[range.clone()], &mut [0.0; OUTPUTS], &mut edited)?;
    parameters[range].copy_from_slice(&edited);
    let after = right(parameters)?;
    println!("{} bytes of policy, step {step:.2}", POLICY.len());
    println!("cloud {FORGET} right {:.3} -> {:.3}", before[0], after[0]);
    println!("the others right {:.3} -> {:.3}", before[1], after[1]);
    Ok(())
}

/// Points around a corner of a cube for each class.
fn clouds(labels: &[u8], points: &mut [f32]) {
    let mut rng = Rng::new(0, Purpose::Data);
    for (point, &label) in points.chunks_exact_mut(SIZE).zip(labels) {
        for (axis, value) in point.iter_mut().enumerate() {
            let corner = if axis % CLASSES == usize::from(label) { 1.0 } else { 0.0 };
            *value = corner + 0.3 * rng.normal();
        }
    }
}
