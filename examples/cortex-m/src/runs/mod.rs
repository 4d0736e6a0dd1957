//! Runs that edit a network, with memory that the caller owns. The same bits on every machine.
//!
//! Digits: class 7 is forgotten by editing fc2, 128 → 32, paid by the mean probability on the reward samples.
//! Comments: the layer 16 → 2 is edited so that groups are treated alike.

mod debias;
mod int8;
mod policy;
mod ppo;
mod search;
mod table;

pub use debias::{Bench, Debiased, debias, debias_needs};
pub use int8::{Editor, Int8Found, int8, int8_needs};
pub use policy::{MASK_CORE, Policy, SHIFT_CORE, acted, policy, policy_need};
pub use ppo::{ppo, ppo_need};
pub use search::{one_plus_one, one_plus_one_need, sep_cma_es, sep_cma_es_need};
pub use table::{TABLE_DIGITS, TableMemory, table, table_needs};

use crate::data::EDITED;
use reweight::env::{Env, EnvError};
use reweight::error::{ShapeError, TooSmall};
use reweight::kernel::{Batch, Kernel};
use reweight::model::Split;
use reweight::model::{Change, ForwardError, Prefix, Samples};
use reweight::nn::{Stack, StackError};
use reweight::num::Digest;
use reweight::ppo::PpoError;
use reweight::slab::{Arena, Need};
use reweight::task::{ClassSet, Kept, RewardKind, Task, Unlearning};
use reweight::world::int8::Int8World;
use reweight::world::{Config, Observation, World, WorldError, WorldKind};

/// The class that is forgotten.
pub const CLASS: u8 = 7;

/// Why a run could not be done.
#[derive(Debug)]
pub enum Fault {
    /// A slab is too small.
    TooSmall(TooSmall),
    /// Anything else, in words.
    Failed(&'static str),
}

macro_rules! faults {
    ($($error:ty => $words:literal),* $(,)?) => {$(
        impl From<$error> for Fault {
            fn from(_: $error) -> Self {
                Self::Failed($words)
            }
        }
    )*};
}

faults!(
    ShapeError => "a slice does not fit",
    StackError => "the layers do not fit one another",
    EnvError => "the world refused an action",
);

impl From<TooSmall> for Fault {
    fn from(error: TooSmall) -> Self {
        Self::TooSmall(error)
    }
}

impl From<ForwardError> for Fault {
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::TooSmall(error) => Self::TooSmall(error),
            ForwardError::Failed(words) => Self::Failed(words),
            _ => Self::Failed("the network cannot be run"),
        }
    }
}

impl From<WorldError> for Fault {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::Forward(error) => error.into(),
            WorldError::Config(_) => Self::Failed("a setting of the world is out of range"),
        }
    }
}

impl From<PpoError> for Fault {
    fn from(error: PpoError) -> Self {
        match error {
            PpoError::TooSmall(error) => Self::TooSmall(error),
            _ => Self::Failed("the policy cannot be trained"),
        }
    }
}

/// Hears every reward, in the order of evaluations.
pub type Log<'l> = &'l mut dyn FnMut(f32);

/// A world that editors need little of.
pub trait Editable {
    /// Length of an action.
    fn action_len(&self) -> usize;

    /// The reward of one action on the unedited network.
    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError>;

    /// The same, of the action that `draw` writes where the world keeps its own.
    fn evaluate_drawn(&mut self, draw: &mut dyn FnMut(&mut [f32])) -> Result<f32, EnvError>;

    /// Leaves the network as one action makes it.
    fn apply(&mut self, action: &[f32]) -> Result<(), EnvError>;
}

impl Editable for World<'_> {
    fn action_len(&self) -> usize {
        self.change().action_len()
    }

    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        World::evaluate(self, action)
    }

    fn evaluate_drawn(&mut self, draw: &mut dyn FnMut(&mut [f32])) -> Result<f32, EnvError> {
        World::evaluate_drawn(self, draw)
    }

    fn apply(&mut self, action: &[f32]) -> Result<(), EnvError> {
        World::apply(self, action)
    }
}

impl Editable for Int8World<'_> {
    fn action_len(&self) -> usize {
        self.spec().action.len
    }

    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        Int8World::evaluate(self, action)
    }

    fn evaluate_drawn(&mut self, draw: &mut dyn FnMut(&mut [f32])) -> Result<f32, EnvError> {
        Int8World::evaluate_drawn(self, draw)
    }

    fn apply(&mut self, action: &[f32]) -> Result<(), EnvError> {
        Int8World::apply(self, action)
    }
}

/// Digits as the edited layer takes them.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The kernels that all runs on.
    pub kernel: Kernel,
    /// The layers from the edited one on, and their parameters.
    pub stack: &'a Stack,
    /// Their parameters.
    pub parameters: &'a [f32],
    /// What is looked at.
    pub samples: Samples<'a>,
}

impl<'a> Subject<'a> {
    /// Digits whose activations have been computed.
    pub fn new(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a [f32],
        activations: &'a [f32],
        labels: &'a [u8],
    ) -> Self {
        let samples = Samples { batch: Batch::lanes(labels.len()), inputs: activations, labels };
        Self { kernel, stack, parameters, samples }
    }

    /// Forget one class of them.
    pub fn task(&self) -> Unlearning<'a> {
        let forget = ClassSet::of(&[CLASS]);
        Unlearning::new(forget, RewardKind::Probability, [&[], self.samples.labels, &[]])
    }

    /// A world around the edited layer, not opened.
    #[inline(always)]
    pub fn world(&self, config: Config, task: &'a mut dyn Task) -> World<'a> {
        let Self { kernel, stack, parameters, samples } = *self;
        World::unopened(config, kernel, stack, parameters, samples, task)
    }

    /// Accuracies with other weights in the edited layer, on digits of its own.
    pub fn accuracy(&self, weights: &[f32], arena: Arena<'_>) -> Result<Kept, Fault> {
        let Self { kernel, stack, parameters, samples } = *self;
        // Not longer than what is looked at.
        let mut arena = arena;
        let mut prefix = Prefix::new(kernel, stack, parameters, 0, samples, 1, false, &mut arena)?;
        let task = self.task();
        Ok(task.accuracy(&mut prefix.with(Change::Weights(weights)), Split::Reward)?)
    }
}

/// The settings of a world on a device: nothing is observed, actions are clipped.
pub fn world_config(kind: WorldKind) -> Config {
    Config { observation: Observation::None, clip: true, ..Config::new(kind) }
}

/// Memory of a world over `samples` digits, and how much of it are activations and edited weights.
pub fn world_need(stack: &Stack, kind: WorldKind, samples: usize) -> (Need, usize) {
    let own = Batch::lanes(samples).len(EDITED.1) + EDITED.0 * EDITED.1;
    (World::need(&world_config(kind), stack, 0, samples), own)
}

/// The digest of a run: rewards so far, then the edited weights and the biases.
pub fn finish(mut digest: Digest, world: &World<'_>, subject: &Subject<'_>) -> u64 {
    if let Some(edited) = world.edited() {
        digest.weights(edited.weights, edited.inputs, edited.outputs);
    }
    let bias = subject.stack.layers().first().and_then(|layer| layer.bias_range());
    digest.values(bias.and_then(|bias| subject.parameters.get(bias)).unwrap_or_default());
    digest.finish()
}
