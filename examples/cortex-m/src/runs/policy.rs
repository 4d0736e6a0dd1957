//! A policy that was trained on other networks: one action, no evaluation.

use super::{CLASS, Fault, Subject};
use crate::data::EDITED;
use reweight::ppo::NeuronPolicy;
use reweight::slab::{Arena, Need};
use reweight::snapshot::PolicyFile;
use reweight::task::ClassSet;
use reweight::world::{FeatureSet, NeuronRequest, Neurons, WorldKind};

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
    Neurons::sparing_need(subject.stack, 0).or(moments(subject).and(acting))
}

/// What of the memory is still in use when the policy acts: not what building took.
fn moments(subject: &Subject<'_>) -> Need {
    let (inputs, outputs) = EDITED;
    Need::f32s(3 * inputs + 7 * outputs + outputs * (subject.stack.outputs() + 2))
}

/// Looks at the layer and acts: `action` is U, then V, for a world of the step that is returned.
#[inline(never)]
pub fn policy<'a>(
    subject: &Subject<'a>,
    policy: &Policy,
    step: f32,
    action: &mut [f32],
    arena: &mut Arena<'a>,
) -> Result<f32, Fault> {
    let request = NeuronRequest {
        kind: policy.kind,
        features: FeatureSet::Core,
        class: CLASS,
        gone: ClassSet::EMPTY,
    };
    let Subject { kernel, stack, parameters, samples } = *subject;
    let neurons = Neurons::sparing(kernel, stack, parameters, 0, samples, request, arena)?;
    neurons.act(&policy.shape, policy.parameters, action, arena)?;
    let (u, v) = action.split_at(EDITED.1.min(action.len()));
    Ok(step * neurons.calibration(step, u, v))
}
