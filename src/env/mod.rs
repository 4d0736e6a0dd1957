//! The contract between an agent and what it acts on.
//!
//! What belongs here: the trait [`Env`], the types it speaks in, and the checker that tests an
//! environment against the contract. What does not: any environment (`world` and your own code),
//! any agent (`ppo`).
//!
//! An environment writes observations into the caller's buffers and returns a [`Step`]. It is
//! object-safe, allocates nothing, and answers misuse with an [`EnvError`], never a panic.

mod check;
mod violation;

pub use check::{check_env, check_need};
pub use violation::Violation;

use core::fmt;

/// How an episode stands after a step.
///
/// A fixed horizon that is part of the task (the length of an editing episode) ends it as
/// `Terminated`: nothing comes after, so its value is 0. `Truncated` is for stops from outside (a
/// time limit that the agent is not told of, a spent budget): the value of the last observation
/// still counts. Libraries disagree here: CleanRL treats both as terminated, RLtools sets the
/// temporal-difference error of a truncated step to 0, Stable-Baselines3 bootstraps as this crate
/// does, so there a one-step episode that is *truncated* drifts to values of r/(1 − γ).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The episode goes on.
    Running,
    /// The task is over.
    Terminated,
    /// Stopped from outside; the last observation's value is bootstrapped.
    Truncated,
}

/// What a step returns beside the observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The reward of this step.
    pub reward: f32,
    /// Whether the episode goes on.
    pub end: End,
}

/// A box of real vectors: `len` entries, each in [low, high].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Space {
    /// Number of entries.
    pub len: usize,
    /// Least value of an entry.
    pub low: f32,
    /// Largest value of an entry.
    pub high: f32,
}

/// What an environment promises about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Observations; infinite bounds say that they are not bounded.
    pub observation: Space,
    /// Actions; both bounds are finite.
    pub action: Space,
    /// Least and largest reward of a step; [`check_env`] tests it.
    pub reward: (f32, f32),
    /// Steps after which an episode has ended at the latest, if that is fixed.
    pub horizon: Option<usize>,
}

/// How an environment changes the weights that it shows through [`Env::edited`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edit {
    /// Weights are scaled: a zero stays zero.
    Mask,
    /// A matrix of rank at most `rank` is added, `step` per entry at the most.
    Shift {
        /// Largest rank of one step's change.
        rank: usize,
        /// Largest change of one weight in one step.
        step: f32,
    },
    /// As [`Shift`](Self::Shift), and the sum is then rounded to a grid: it lies within `rounding` of a shift of
    /// that rank and step. Weights that are integers times a scale cannot promise more.
    Rounded {
        /// Largest rank of one step's change before it is rounded.
        rank: usize,
        /// Largest change of one weight in one step before it is rounded.
        step: f32,
        /// Half of the widest mesh of the grid.
        rounding: f32,
    },
}

/// The weights that an editing environment holds now.
#[derive(Clone, Copy, Debug)]
pub struct Edited<'a> {
    /// Weights, stored inputs × outputs.
    pub weights: &'a [f32],
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// How a step changes them.
    pub edit: Edit,
}

/// What can go wrong in [`Env::reset`] and [`Env::step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EnvError {
    /// A buffer has another length than the spec says.
    Length {
        /// Which buffer.
        what: &'static str,
        /// The spec's length.
        expected: usize,
        /// The buffer's length.
        found: usize,
    },
    /// An entry of the action is NaN or infinite.
    NotFinite {
        /// Which entry.
        index: usize,
    },
    /// An entry of the action lies outside the action space.
    OutOfRange {
        /// Which entry.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// `step` before the first `reset`, or after the end of an episode.
    NotRunning,
    /// The edited weights or the reward would not be finite; the environment kept what it had.
    Diverged,
    /// The budget of evaluations is spent.
    BudgetSpent,
    /// The environment's own trouble.
    Failed(&'static str),
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { what, expected, found } => {
                write!(f, "{what} holds {found} values, the spec calls for {expected}")
            }
            Self::NotFinite { index } => write!(f, "entry {index} of the action is not finite"),
            Self::OutOfRange { index, value } => {
                write!(f, "entry {index} of the action is {value}, outside the action space")
            }
            Self::NotRunning => write!(f, "no episode is running: call reset first"),
            Self::Diverged => write!(f, "the edit would make a weight or the reward not finite"),
            Self::BudgetSpent => write!(f, "the budget of evaluations is spent"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for EnvError {}

/// An environment.
pub trait Env {
    /// Lengths, bounds and horizon; the same at every call.
    fn spec(&self) -> Spec;

    /// Starts an episode from the state that `seed` names, and writes its first observation.
    ///
    /// # Errors
    /// [`EnvError::Length`] for a buffer of another length than the spec's.
    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError>;

    /// Takes one action and writes the next observation. After an error nothing has changed.
    ///
    /// # Errors
    /// [`EnvError`]; an action that is not finite or lies outside the space is never carried out
    /// (an environment may be configured to clip the latter).
    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError>;

    /// The weights as they are now, for environments that edit a layer.
    fn edited(&self) -> Option<Edited<'_>> {
        None
    }

    /// The weights of the `index`-th layer that is edited, for environments that edit several: the first is
    /// that of [`edited`](Self::edited).
    fn edited_part(&self, index: usize) -> Option<Edited<'_>> {
        if index == 0 { self.edited() } else { None }
    }

    /// Rescales the layer by `factor` without changing what the network computes (weights and bias
    /// times `factor`, the next layer's weights divided by it), if this environment can. For
    /// [`check_env`]: a run in units of the layer must not notice.
    fn rescale(&mut self, factor: f32) -> bool {
        let _ = factor;
        false
    }
}
