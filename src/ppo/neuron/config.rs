//! Hyper-parameters of [`NeuronPpo`](super::NeuronPpo).

/// Hyper-parameters. Defaults as measured for this crate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronConfig {
    /// Contexts of one update, at least 1; 8.
    pub contexts: usize,
    /// Actions per context of one update, at least 2; 16.
    pub samples: usize,
    /// Passes over the samples of one update, each one Adam step on all of them; 6.
    pub epochs: usize,
    /// Adam's learning rate at the first update; 1e-2.
    pub learning_rate: f32,
    /// The learning rate at the last update as a fraction of the first, linear between; .1.
    pub learning_rate_end: f32,
    /// Each neuron's ratio of probabilities is clipped to [1 − clip, 1 + clip]; .2.
    pub clip: f32,
    /// Largest norm of the gradient; 1.
    pub max_grad_norm: f32,
    /// Initial log-std; −1.
    pub log_std: f32,
    /// Least log-std; −3.
    pub log_std_low: f32,
    /// Largest log-std; .5.
    pub log_std_high: f32,
    /// Whether rows' features may depend on the columns' choice, and so are kept for every action. Without, those
    /// of a context are kept once, which takes little memory; yes.
    pub responds: bool,
}

impl Default for NeuronConfig {
    fn default() -> Self {
        Self {
            contexts: 8,
            samples: 16,
            epochs: 6,
            learning_rate: 1e-2,
            learning_rate_end: 0.1,
            clip: 0.2,
            max_grad_norm: 1.0,
            log_std: -1.0,
            log_std_low: -3.0,
            log_std_high: 0.5,
            responds: true,
        }
    }
}

impl NeuronConfig {
    /// Evaluations of one update.
    pub const fn evaluations(&self) -> usize {
        self.contexts.saturating_mul(self.samples)
    }

    /// Row features that are kept: of every action, or of every context.
    pub(super) const fn kept(&self) -> usize {
        if self.responds { self.evaluations() } else { self.contexts }
    }
}
