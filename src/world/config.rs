//! The settings of a world.

use core::fmt;

/// Which world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldKind {
    /// Weights are scaled: `W ∘ (1 + s·D)`.
    Mask,
    /// A low-rank matrix is added: `W + s·u·D`.
    Shift,
}

impl WorldKind {
    /// "mask" or "shift".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Shift => "shift",
        }
    }
}

/// What ShiftWorld's step is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The root mean square of the unedited layer's weights.
    Rms,
    /// 1, as in the paper.
    Absolute,
}

/// What an agent sees: the weights in stored order (inputs × outputs), if any, and t/T when T > 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Weights divided by the rms of the unedited layer.
    Flat,
    /// Weights as they are, as in the paper.
    Raw,
    /// Nothing of the weights, for agents that do not look at them and machines that have no room to show them.
    None,
}

/// What a step pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewardForm {
    /// The value R of the edited network.
    Level,
    /// R(W′) − R(W): over an episode the same sum, told step by step (for T > 1).
    Difference,
}

/// The settings of a world. `R = λ·utility + (1 − λ)·edit − μ·‖ΔW‖²/‖W‖²`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Which world.
    pub kind: WorldKind,
    /// Rank r of one step's change, at least 1. Entries of D shrink as 1/√r.
    pub rank: usize,
    /// Step s, above 0. Good windows: 1–2 for masks, 0.5–4 for shifts in units of rms.
    pub step: f32,
    /// What the step of a shift is measured in; masks have no unit.
    pub unit: Unit,
    /// λ in [0, 1]: the share of utility in the reward.
    pub lambda: f32,
    /// T, steps in an episode, at least 1.
    pub horizon: usize,
    /// What is observed.
    pub observation: Observation,
    /// What a step pays.
    pub reward: RewardForm,
    /// μ, at least 0: the price of large edits, ‖ΔW‖²/‖W‖², the mean over edited layers.
    pub size_penalty: f32,
    /// Whether actions outside [−1, 1] are clipped; otherwise they are errors.
    pub clip: bool,
}

impl Config {
    /// The defaults of `kind`: rank 1, one step, λ = .5, s = 1.5 (mask) or 2 × rms (shift).
    pub const fn new(kind: WorldKind) -> Self {
        let step = match kind {
            WorldKind::Mask => 1.5,
            WorldKind::Shift => 2.0,
        };
        Self {
            kind,
            rank: 1,
            step,
            unit: Unit::Rms,
            lambda: 0.5,
            horizon: 1,
            observation: Observation::Flat,
            reward: RewardForm::Level,
            size_penalty: 0.0,
            clip: false,
        }
    }

    /// The paper's settings: absolute unit, raw weights as observation.
    pub const fn paper(kind: WorldKind) -> Self {
        let mut config = Self::new(kind);
        config.unit = Unit::Absolute;
        config.observation = Observation::Raw;
        config
    }

    /// Length of an action for a layer of `inputs` × `outputs`.
    pub const fn action_len(&self, inputs: usize, outputs: usize) -> usize {
        self.rank.saturating_mul(inputs.saturating_add(outputs))
    }

    /// Length of an observation.
    pub const fn observation_len(&self, inputs: usize, outputs: usize) -> usize {
        let weights = match self.observation {
            Observation::None => 0,
            Observation::Flat | Observation::Raw => inputs.saturating_mul(outputs),
        };
        weights.saturating_add(if self.horizon > 1 { 1 } else { 0 })
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            (self.rank >= 1, "rank", "at least 1"),
            (self.step > 0.0 && self.step.is_finite(), "step", "a number above 0"),
            ((0.0..=1.0).contains(&self.lambda), "lambda", "between 0 and 1"),
            (self.horizon >= 1, "episode length", "at least 1"),
            (
                self.size_penalty >= 0.0 && self.size_penalty.is_finite(),
                "size penalty",
                "a number of at least 0",
            ),
        ];
        match checks.iter().find(|(fine, ..)| !fine) {
            None => Ok(()),
            Some(&(_, what, expected)) => Err(ConfigError { what, expected }),
        }
    }

    /// Least and largest reward of a step. The size of an edit is bounded by the step: ‖ΔW‖/‖W‖ is
    /// at most T·s for shifts in units of rms, and (1 + s)^T − 1 for masks; a shift in absolute units
    /// has no bound that does not depend on the layer.
    ///
    /// `unit_over_rms` is what a step is measured in, in units of the layer's rms. A price beyond f32
    /// gives an infinite bound, never NaN.
    pub fn reward_range(&self, unit_over_rms: f64) -> (f32, f32) {
        // In f64, where no product of these overflows.
        let (horizon, step) = (self.horizon as f64, f64::from(self.step));
        let size = match self.kind {
            WorldKind::Shift => horizon * step * unit_over_rms,
            WorldKind::Mask => libm::pow(1.0 + step, horizon) - 1.0,
        };
        // The bound is met by rounding alone when every entry takes the full step.
        let price = if self.size_penalty > 0.0 {
            (f64::from(self.size_penalty) * size * size * 1.001) as f32
        } else {
            0.0
        };
        match self.reward {
            RewardForm::Level => (-price, 1.0),
            RewardForm::Difference => (-1.0 - price, 1.0 + price),
        }
    }
}

/// A setting that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting.
    pub what: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.what, self.expected)
    }
}

impl core::error::Error for ConfigError {}
