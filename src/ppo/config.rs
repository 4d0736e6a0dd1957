//! The hyper-parameters, their sources and their ranges.

/// Largest number of hidden layers of a policy.
pub const MAX_HIDDEN: usize = 3;

/// The function between two dense layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Hyperbolic tangent.
    Tanh,
    /// Rectified linear unit.
    Relu,
}

/// Initial weights of policy and value network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Orthogonal: gain √2 for hidden layers, [`Config::head_gain`] for the policy's head, 1 for the
    /// value network's; biases 0.
    Orthogonal,
    /// Weights and biases uniform in ±1/√fan-in (PyTorch's and RLtools' default).
    FanIn,
}

/// How a sample of the Gaussian becomes an action inside the space. The unsquashed sample is what
/// is stored and what probabilities are taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Squash {
    /// Entries outside the space are moved to its nearest bound.
    Clip,
    /// `middle + half width · tanh(sample)`. The Jacobian cancels in the ratio of probabilities; the
    /// entropy bonus is that of the Gaussian.
    Tanh,
}

/// What is subtracted from the return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// A value network of the policy's shape.
    Network,
    /// One number, the mean return of the rollout, with λ = 1 and no bootstrapping. Enough in
    /// episodes of one step where all observations are the same: with normalised advantages any
    /// constant cancels there.
    Constant,
}

/// Normalisation of the advantages of a minibatch: `(A − mean) / (deviation + 1e-8)`; left out for a
/// minibatch of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalise {
    /// Advantages as they are.
    Off,
    /// By the sample deviation (n − 1), as Stable-Baselines3 and CleanRL do.
    Sample,
    /// By the population deviation (n), as RLtools does.
    Population,
}

/// Every hyper-parameter of PPO. [`Config::edit`] is the default; [`Config::paper`] holds
/// Stable-Baselines3's defaults. By name they are set with [`Config::set`].
///
/// Sources: (S17) Schulman et al. 2017, "Proximal policy optimization algorithms"; (SB3)
/// Stable-Baselines3 2.x; (H22) Huang et al. 2022, "The 37 implementation details of proximal policy
/// optimization"; (here) measured for this crate on layer editing: 62 updates of 32 evaluations
/// beat 31 of 64, and a falling noise is worth more than a falling learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Steps of each environment between two updates, at least 1. Edit 32 (here), paper 2048 (SB3).
    pub rollout: usize,
    /// Environments stepped side by side, at least 1. Both 1.
    pub environments: usize,
    /// Samples of one gradient step, at least 1; the last minibatch of an epoch holds what is left.
    /// Edit 32, the whole rollout (here); paper 64 (SB3).
    pub minibatch: usize,
    /// Passes over the rollout in one update, at least 1. Edit 8 (here), paper 10 (SB3).
    pub epochs: usize,
    /// Adam's learning rate at the first update, above 0. Edit 2e-3 (here), paper 3e-4 (SB3).
    pub learning_rate: f32,
    /// The learning rate of the last update as a fraction of the first; linear between, in [0, 1].
    /// Edit 0.1 (here), paper 1 (constant) (SB3).
    pub learning_rate_end: f32,
    /// Adam's β₁, in [0, 1). Both 0.9.
    pub adam_beta1: f32,
    /// Adam's β₂, in [0, 1). Both 0.999.
    pub adam_beta2: f32,
    /// Adam's ε, above 0. Both 1e-5 (SB3, H22).
    pub adam_epsilon: f32,
    /// Discount γ, in [0, 1]. Both 0.99 (S17); without effect in episodes of one step.
    pub gamma: f32,
    /// λ of advantage estimation, in [0, 1]. Both 0.95 (S17); without effect in episodes of one step.
    pub lambda: f32,
    /// The ratio of probabilities is clipped to [1 − clip, 1 + clip]; above 0. Both 0.2 (S17). The
    /// ratio is of the joint probability of all entries of an action.
    pub clip: f32,
    /// Weight of the entropy bonus, at least 0. Both 0 (SB3).
    pub entropy: f32,
    /// Weight of the value loss (mean squared error), at least 0. Both 0.5 (SB3).
    pub value: f32,
    /// Largest norm of the gradient over all parameters, above 0; `None` for no limit. Both 0.5 (SB3).
    pub max_grad_norm: Option<f32>,
    /// An update ends before the step at which the estimated KL divergence E[(r − 1) − ln r] exceeds
    /// 1.5 × this, above 0; `None` for never. Both `None` (SB3).
    pub target_kl: Option<f32>,
    /// Normalisation of advantages. Both `Sample` (SB3).
    pub advantage: Normalise,
    /// Initial logarithm of the standard deviation, inside the clamp. Edit −1 (here), paper 0 (SB3).
    pub log_std: f32,
    /// Whether the log-std is learned: one number per entry, the same for all observations. Both yes.
    pub log_std_learned: bool,
    /// An offset added to the log-std: 0 at the first update, this at the last, linear between. The
    /// old and the new probabilities of one update use the same offset. Edit −1 (here), paper 0.
    pub log_std_end: f32,
    /// The learned log-std (without the offset) is kept at or above this. Both −5.
    pub log_std_low: f32,
    /// The learned log-std (without the offset) is kept at or below this. Edit 0.5; paper 2, which
    /// it does not reach.
    pub log_std_high: f32,
    /// The head's biases start uniform in ± this (on top of `init`), at least 0, so that the mean
    /// starts off the saddle at zero. Edit 0.5 (here), paper 0 (SB3).
    pub initial_mean: f32,
    /// Gain of the policy's orthogonal head, at least 0. Both 0.01 (SB3, H22).
    pub head_gain: f32,
    /// Units of the hidden layers from the input on, at most 65,536; 0 where there is no further
    /// layer. Both 64, 64.
    pub hidden: [usize; MAX_HIDDEN],
    /// Function between the layers. Both tanh (SB3).
    pub activation: Activation,
    /// Initial weights. Both orthogonal (SB3).
    pub init: Initial,
    /// How samples become actions. Both clip (SB3).
    pub squash: Squash,
    /// What is subtracted from the return. Edit `Constant` (here), paper `Network` (SB3).
    pub baseline: Baseline,
    /// Observations are standardised by mean and deviation of a first rollout, which is thrown away
    /// (and counts towards the budget). Both no.
    pub standardise: bool,
    /// All observations are one and the same vector, as in editing episodes of one step. The first
    /// layer is then reduced to what it computes of that vector (see
    /// [`FlatPolicy`](super::FlatPolicy)); another observation is an error. Edit yes, paper no.
    pub fixed_observation: bool,
}

impl Config {
    /// The default: reaches the bars of layer editing within 2,000 (shift) and 5,000 (mask)
    /// evaluations. For episodes of one step; for longer ones set `fixed_observation` to false and
    /// `baseline` to `Network`.
    pub const fn edit() -> Self {
        Self {
            rollout: 32,
            environments: 1,
            minibatch: 32,
            epochs: 8,
            learning_rate: 2e-3,
            learning_rate_end: 0.1,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-5,
            gamma: 0.99,
            lambda: 0.95,
            clip: 0.2,
            entropy: 0.0,
            value: 0.5,
            max_grad_norm: Some(0.5),
            target_kl: None,
            advantage: Normalise::Sample,
            log_std: -1.0,
            log_std_learned: true,
            log_std_end: -1.0,
            log_std_low: -5.0,
            log_std_high: 0.5,
            initial_mean: 0.5,
            head_gain: 0.01,
            hidden: [64, 64, 0],
            activation: Activation::Tanh,
            init: Initial::Orthogonal,
            squash: Squash::Clip,
            baseline: Baseline::Constant,
            standardise: false,
            fixed_observation: true,
        }
    }

    /// Stable-Baselines3's defaults, which the paper used. On layer editing they learn nothing in
    /// 2,000 evaluations: there is one update at most, and the mean starts on the saddle at zero.
    pub const fn paper() -> Self {
        Self {
            rollout: 2048,
            minibatch: 64,
            epochs: 10,
            learning_rate: 3e-4,
            learning_rate_end: 1.0,
            log_std: 0.0,
            log_std_end: 0.0,
            log_std_high: 2.0,
            initial_mean: 0.0,
            baseline: Baseline::Network,
            fixed_observation: false,
            ..Self::edit()
        }
    }

    /// Samples of one rollout: steps × environments.
    pub const fn samples(&self) -> usize {
        self.rollout.saturating_mul(self.environments)
    }

    /// Number of hidden layers.
    pub const fn depth(&self) -> usize {
        let mut depth = 0;
        while depth < MAX_HIDDEN && self.hidden[depth] > 0 {
            depth += 1;
        }
        depth
    }

    /// Rollouts that are trained on within `budget` steps. One that does not fit is not started.
    pub const fn updates(&self, budget: usize) -> usize {
        match budget.checked_div(self.samples()) {
            None => 0,
            Some(rollouts) if self.standardise => rollouts.saturating_sub(1),
            Some(rollouts) => rollouts,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::edit()
    }
}
