//! A policy that was trained on other networks: one action, no evaluation.

use super::{CLASS, Fault, Subject, world_config};
use crate::data::EDITED;
use reweight::kernel::{Batch, Kernel, LANES};
use reweight::model::{Forward, ForwardError, Logits, Samples, Split};
use reweight::nn::Stack;
use reweight::num::{self, Digest};
use reweight::ppo::NeuronPolicy;
use reweight::slab::{Arena, Need};
use reweight::snapshot::PolicyFile;
use reweight::task::{ClassSet, Kept, Task};
use reweight::world::{Change, Config, FeatureSet, NeuronRequest, Neurons, WorldKind};

/// A policy in flash.
pub struct Policy {
    /// The world that it acts in.
    pub kind: WorldKind,
    /// The file that ships, for its checks.
    file: &'static [u8],
    /// Sizes.
    shape: NeuronPolicy,
    /// Parameters of its first seed.
    parameters: &'static [f32],
}

const fn shape(hidden: usize) -> NeuronPolicy {
    NeuronPolicy {
        row_features: FeatureSet::Core.rows(),
        column_features: FeatureSet::Core.columns(),
        hidden,
        rank: 1,
    }
}

macro_rules! shipped {
    ($name:ident, $kind:expr, $file:literal, $hidden:literal) => {
        /// The policy of that name that ships with the library.
        pub static $name: Policy = {
            const SHAPE: NeuronPolicy = shape($hidden);
            const FILE: &[u8] = include_bytes!(concat!("../../../../data/policies/", $file));
            // Three seeds end the file, before its checksum.
            static PARAMETERS: [f32; SHAPE.parameters()] =
                crate::data::floats(FILE, FILE.len() - 12 * SHAPE.parameters());
            Policy { kind: $kind, file: FILE, shape: SHAPE, parameters: &PARAMETERS }
        };
    };
}

shipped!(SHIFT_CORE, WorldKind::Shift, "shift-core.rwp", 16);
shipped!(MASK_CORE, WorldKind::Mask, "mask-core.rwp", 20);

impl Policy {
    /// Whether the parameters are those that the file's own reader finds, behind its checksum.
    pub fn check(&self) -> Result<(), Fault> {
        let wrong = Fault::Failed("the policy in flash is damaged");
        let Ok(file) = PolicyFile::read(self.file) else { return Err(wrong) };
        let same = file.parameters().zip(self.parameters).all(|(a, b)| a.to_bits() == b.to_bits());
        let fits = file.hidden == self.shape.hidden && file.each == self.parameters.len();
        let world = file.shift == (self.kind == WorldKind::Shift);
        if same && fits && world && file.features == FeatureSet::Core.name() {
            return Ok(());
        }
        Err(wrong)
    }
}

/// Memory of [`policy`].
pub fn policy_need(subject: &Subject<'_>, policy: &Policy) -> Need {
    let acting = Neurons::act_need(&policy.shape).and(Need::f32s(0));
    let action = Need::f32s(EDITED.0 + EDITED.1);
    let spared = Neurons::spared_need(subject.stack, 0);
    Neurons::sparing_need(subject.stack, 0).or(spared.and(action).and(acting))
}

/// Looks at the layer and acts: the action is U, then V, for a world of the step that is returned. It lies where
/// looking has left room in the memory.
#[inline(never)]
pub fn policy<'a>(
    subject: &Subject<'a>,
    policy: &Policy,
    step: f32,
    mut arena: Arena<'a>,
) -> Result<(f32, &'a [f32]), Fault> {
    let request = NeuronRequest {
        kind: policy.kind,
        features: FeatureSet::Core,
        class: CLASS,
        gone: ClassSet::EMPTY,
    };
    let Subject { kernel, stack, parameters, samples } = *subject;
    let mut neurons = Neurons::unseen(kernel, request);
    neurons.look_sparingly(stack, parameters, 0, samples, &mut arena)?;
    let action = arena.take(EDITED.0 + EDITED.1)?;
    neurons.act(&policy.shape, policy.parameters, action, &mut arena)?;
    let (u, v) = action.split_at(EDITED.1.min(action.len()));
    Ok((step * neurons.calibration(step, u, v), action))
}

/// Carries an action out in `network`, all parameters from the edited layer on; digest of the run (the reward of the
/// edited network, its weights, the layer's biases), rewards before and after, and accuracies on `test`.
#[inline(never)]
pub fn acted(
    subject: &Subject<'_>,
    test: Subject<'_>,
    policy: &Policy,
    step: f32,
    action: &[f32],
    network: &mut [f32],
    arena: &mut Arena<'_>,
) -> Result<(u64, [f32; 2], [Kept; 2]), Fault> {
    let Subject { kernel, stack, parameters, .. } = *subject;
    let (inputs, outputs) = EDITED;
    let weights = stack.layers().first().map(|layer| layer.weight_range()).unwrap_or_default();
    let original = parameters.get(weights.clone()).unwrap_or_default();
    let config = Config { step, ..world_config(policy.kind) };
    let change = Change::new(&config, num::rms(original), inputs, outputs);
    network.copy_from_slice(parameters);
    // What `Change::form` does, in a few instructions: a kilobyte of flash each is dear.
    let (u, v) = change.factors(action);
    let edited = network.get_mut(weights.clone()).unwrap_or_default();
    for (row, &v) in edited.chunks_exact_mut(outputs).zip(v) {
        for (weight, &u) in row.iter_mut().zip(u) {
            *weight = match policy.kind {
                WorldKind::Shift => num::fma(v, change.step * u, *weight),
                WorldKind::Mask => *weight * (1.0 + change.step * (v * u)),
            };
        }
    }
    let panel = Batch::lanes(LANES);
    let acting = (stack.scratch(panel), panel.len(stack.outputs()));
    let mut rewards = [0.0; 2];
    let mut kept = [Kept::default(); 2];
    for ((values, reward), kept) in
        [parameters, network].into_iter().zip(&mut rewards).zip(&mut kept)
    {
        let mut task = subject.task();
        let mut arena = arena.scratch();
        let (scratch, logits) = (arena.take(acting.0)?, arena.take(acting.1)?);
        let mut whole =
            Whole { kernel, stack, parameters: values, samples: subject.samples, scratch, logits };
        let score = task.score(&mut whole, Split::Reward)?;
        *reward = config.lambda * score.utility + (1.0 - config.lambda) * score.edit;
        whole.samples = test.samples;
        *kept = test.task().accuracy(&mut whole, Split::Reward)?;
    }
    let mut digest = Digest::new();
    digest.value(rewards[1]);
    digest.weights(network.get(weights).unwrap_or_default(), inputs, outputs);
    let bias = stack.layers().first().and_then(|layer| layer.bias_range());
    digest.values(bias.and_then(|bias| parameters.get(bias)).unwrap_or_default());
    Ok((digest.finish(), rewards, kept))
}

/// The whole network over some digits.
struct Whole<'w> {
    kernel: Kernel,
    stack: &'w Stack,
    parameters: &'w [f32],
    samples: Samples<'w>,
    scratch: &'w mut [f32],
    logits: &'w mut [f32],
}

impl Forward for Whole<'_> {
    fn samples(&self) -> usize {
        self.samples.batch.samples()
    }

    fn classes(&self) -> usize {
        self.stack.outputs()
    }

    fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn for_each_logits(&mut self, visit: &mut dyn FnMut(Logits<'_>)) -> Result<(), ForwardError> {
        let Self { kernel, stack, parameters, samples, scratch, logits } = self;
        let classes = stack.outputs();
        let inputs = samples.inputs.chunks_exact(stack.inputs() * LANES);
        for (index, input) in inputs.enumerate() {
            let (batch, layers) = (samples.batch.panel(index), 0..stack.layers().len());
            stack.forward(*kernel, layers, batch, parameters, input, scratch, logits)?;
            visit(Logits { first: index * LANES, batch, classes, values: logits });
        }
        Ok(())
    }
}
