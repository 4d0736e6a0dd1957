//! The methods that edit a network: one file each, one trait, one table.
//!
//! What belongs here: how a method arrives at an edit, and the [`Job`] that it works on. What does
//! not: seeds × targets × threads (`run`), figures on the test split (no job can see it).
//!
//! `reward/` holds methods that need only the reward, `closed/` formulas on activations, `gradient/`
//! what is usual where gradients and the training samples are at hand, `reference/` those that an honest report
//! compares with, `search/` the optimisers behind the former. [`EDITORS`] is the table that the
//! program, its reports and its documentation all read.

mod closed;
mod gradient;
mod job;
mod reference;
mod registry;
mod reward;
pub mod search;
mod sight;
#[cfg(feature = "std")]
pub mod text;

pub use job::{Job, JobError, JobMemory, Network, Point, Trace, TrainingSet};
pub use reference::mask_logits;
pub use registry::{Acts, EDITORS, EditorInfo, EditorKind, View, find};
pub use reward::full_rank_step;
pub use sight::{Length, Policies, REACH, Refine, SCALES, Sight};

use crate::env::{EnvError, Spec};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::Kernel;
use crate::model::ForwardError;
use crate::nn::Stack;
use crate::ppo;
use crate::slab::{Arena, Need};
use core::fmt;

/// What an editor changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The edit is the job's best actions by reward ([`Job::best`]), and perhaps those of a
    /// noise-free policy or distribution mean ([`Job::policy`]).
    Actions,
    /// The edit is the actions that the editor left with [`Job::set_policy`]: it took no evaluation.
    Policy,
    /// The edit is in the job's network ([`Job::network`]).
    Network,
}

/// Settings of the editors that have any.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Hyper-parameters of `ppo`.
    pub ppo: ppo::Config,
    /// Kernels that editors with networks of their own run on.
    pub kernel: Kernel,
    /// What `policy` does after its first action; `None` for the world's own
    /// ([`Refine::default_of`]).
    pub refine: Option<Refine>,
    /// Where the length of its first step comes from; `None` for what goes with what follows
    /// ([`Length::default_of`]).
    pub length: Option<Length>,
    /// The policy of a file that acts; `None` for the first one (without evaluations) or all of them.
    pub policy_seed: Option<usize>,
    /// Initial step size of `sep-cma-es`; `None` for its own (.3).
    pub sigma: Option<f32>,
    /// The same of `mean-match-warm` (.05).
    pub warm_sigma: Option<f32>,
}

impl Default for Settings {
    /// The preset [`ppo::Config::edit`] on the fastest kernels.
    fn default() -> Self {
        Self {
            ppo: ppo::Config::edit(),
            kernel: Kernel::auto(),
            refine: None,
            length: None,
            policy_seed: None,
            sigma: None,
            warm_sigma: None,
        }
    }
}

/// What an editor must know to say how much memory it needs.
#[derive(Clone, Copy, Debug)]
pub struct JobShape<'s> {
    /// The environment.
    pub spec: Spec,
    /// The network around the edited layer.
    pub stack: &'s Stack,
    /// The editors' settings.
    pub settings: &'s Settings,
    /// Samples that the target was trained on, for editors that train.
    pub training: Option<&'s TrainingSet<'s>>,
    /// The trained policy, for the editors that act by one.
    pub policy: Option<ppo::NeuronPolicy>,
}

/// Why an editor gave up.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EditError {
    /// The slab is too small.
    TooSmall(TooSmall),
    /// The environment refused.
    Env(EnvError),
    /// The network cannot be run or trained.
    Forward(ForwardError),
    /// The policy update failed.
    Ppo(ppo::PpoError),
    /// The budget does not even pay for one candidate.
    Budget {
        /// Evaluations that the method needs at least.
        need: u64,
        /// Evaluations that are allowed.
        have: u64,
    },
    /// The method cannot edit this network.
    Unfit(&'static str),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall(error) => error.fmt(f),
            Self::Env(error) => error.fmt(f),
            Self::Forward(error) => error.fmt(f),
            Self::Ppo(error) => error.fmt(f),
            Self::Budget { need, have } => write!(
                f,
                "the budget is {have} evaluations, the method needs at least {need} (raise --budget)"
            ),
            Self::Unfit(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for EditError {}

macro_rules! edit_error_from {
    ($($variant:ident($error:ty)),*) => {$(
        impl From<$error> for EditError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

edit_error_from!(TooSmall(TooSmall), Env(EnvError), Forward(ForwardError), Ppo(ppo::PpoError));

impl From<ShapeError> for EditError {
    fn from(error: ShapeError) -> Self {
        Self::Forward(ForwardError::Shape(error))
    }
}

/// A method that edits.
pub trait Editor: Sync {
    /// Working memory for a job of this shape.
    fn need(&self, shape: &JobShape<'_>) -> Need;

    /// Edits. Every look at the reward goes through the job, which counts it.
    ///
    /// # Errors
    /// [`EditError`]. A spent budget is not one: it is how an editor ends.
    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError>;
}
