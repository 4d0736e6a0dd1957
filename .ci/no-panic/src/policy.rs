//! A policy, from its file to its action on a layer of a network.

use core::hint::black_box;
use reweight::kernel::{Batch, Kernel, LANES};
use reweight::model::{ForwardError, Samples};
use reweight::nn::Stack;
use reweight::ppo::{NeuronPolicy, Side};
use reweight::slab::Fixed;
use reweight::snapshot::PolicyFile;
use reweight::task::ClassSet;
use reweight::world::{FeatureSet, NeuronRequest, Neurons, WorldKind};

use crate::any;

pub(crate) fn act(size: usize) {
    let mut bytes = [0u8; 8192];
    if let Ok(file) = PolicyFile::read(any(&mut bytes)) {
        let mut parameters = [0.0f32; 2048];
        parameters.iter_mut().zip(file.parameters()).for_each(|(to, value)| *to = value);
        let _ = black_box(on_a_layer(&file, any(&mut parameters), size));
        let _ = black_box(sparingly(&file, any(&mut parameters), size));
    }
}

/// Any network of dense layers, any samples; the parameters are those of the network and of the policy.
fn on_a_layer(file: &PolicyFile<'_>, parameters: &[f32], size: usize) -> Result<f32, ForwardError> {
    let missing = ForwardError::Failed("no such features");
    let features = FeatureSet::find(black_box(file.features)).ok_or(missing)?;
    let policy = NeuronPolicy {
        row_features: features.rows(),
        column_features: features.columns(),
        hidden: black_box(file.hidden),
        rank: black_box(file.rank),
    };
    let kernel = Kernel::auto();
    let mut stack = Stack::new(black_box([size, size, size]));
    for name in ["a", "b", "c"] {
        let full = ForwardError::Failed("too many layers");
        stack.dense(name, black_box(size)).map_err(|_| full)?.relu().map_err(|_| full)?;
    }
    let kind = if file.shift { WorldKind::Shift } else { WorldKind::Mask };
    let gone = ClassSet::of(any(&mut [size as u8]));
    let request = NeuronRequest { kind, features, class: size as u8, gone };
    let (mut inputs, mut labels) = ([0.5; 4096], [0u8; LANES]);
    let batch = Batch::lanes(black_box(size));
    let samples = Samples { batch, inputs: any(&mut inputs), labels: any(&mut labels) };
    let mut slab = Fixed::<16384, 64>::new();
    let mut arena = slab.arena();
    let mut neurons = Neurons::new(
        black_box(kernel),
        black_box(&stack),
        parameters,
        black_box(size),
        samples,
        request,
        &mut arena,
    )?;
    let (rows, columns) = (neurons.outputs(), neurons.inputs());
    let mut arena = arena.scratch();
    let scratch = arena.take(policy.scratch())?;
    let (u, v) = (arena.take(rows)?, arena.take(columns)?);
    let seen = arena.take(black_box(size))?;
    let of_columns = neurons.column_features();
    policy.means(kernel, parameters, Side::Columns, columns, of_columns, scratch, v)?;
    kernel.tanh(v);
    neurons.row_features(v, seen)?;
    policy.means(kernel, parameters, Side::Rows, rows, seen, scratch, u)?;
    let action = arena.take(black_box(size))?;
    policy.squash(u, v, action)?;
    kernel.tanh(u);
    Ok(neurons.calibration(file.step, u, v) + action.first().copied().unwrap_or(0.0))
}

/// The same in little memory.
fn sparingly(file: &PolicyFile<'_>, parameters: &[f32], size: usize) -> Result<f32, ForwardError> {
    let features = FeatureSet::Core;
    let policy = NeuronPolicy {
        row_features: features.rows(),
        column_features: features.columns(),
        hidden: black_box(file.hidden),
        rank: black_box(file.rank),
    };
    let mut stack = Stack::new(black_box([size, size, size]));
    for name in ["a", "b"] {
        let full = ForwardError::Failed("too many layers");
        stack.dense(name, black_box(size)).map_err(|_| full)?.relu().map_err(|_| full)?;
    }
    let gone = ClassSet::of(any(&mut [size as u8]));
    let request = NeuronRequest { kind: WorldKind::Shift, features, class: size as u8, gone };
    let (mut inputs, mut labels) = ([0.5; 4096], [0u8; LANES]);
    let batch = Batch::lanes(black_box(size));
    let samples = Samples { batch, inputs: any(&mut inputs), labels: any(&mut labels) };
    let (mut slab, mut action) = (Fixed::<16384, 64>::new(), [0.0; 512]);
    let (kernel, layer) = (black_box(Kernel::auto()), black_box(size));
    let mut arena = slab.arena();
    let stack = black_box(&stack);
    let neurons = Neurons::sparing(kernel, stack, parameters, layer, samples, request, &mut arena)?;
    let action = any(&mut action);
    neurons.act(&policy, parameters, action, &mut arena)?;
    let (u, v) = action.split_at_checked(black_box(size)).unwrap_or_default();
    Ok(neurons.calibration(2.0, u, v))
}
