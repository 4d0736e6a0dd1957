//! What PPO is tested on: an environment that it must solve, and how numbers are compared.

mod fixed;
mod learning;
mod oracle;
mod trainer;

use super::config::{Baseline, Config};
use crate::env::{End, Env, EnvError, Space, Spec, Step};
use crate::rng::{Purpose, Rng};

fn close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let error = (got - want).abs() / want.abs().max(1.0);
        assert!(error < tolerance, "{what} {index}: {got}, not {want}");
    }
}

/// Episodes of one step that pay for meeting a target: a constant one, or the observation.
struct Target {
    entries: usize,
    follows: bool,
    end: End,
    reward_scale: f32,
    length: usize,
    clock: usize,
    rng: Rng,
    shown: [f32; 8],
    steps: usize,
}

impl Target {
    fn new(entries: usize, follows: bool) -> Self {
        let rng = Rng::new(0, Purpose::Environment);
        Self {
            entries,
            follows,
            end: End::Terminated,
            reward_scale: 1.0,
            length: 1,
            clock: 0,
            rng,
            shown: [0.0; 8],
            steps: 0,
        }
    }

    fn target(&self, entry: usize) -> f32 {
        if self.follows { -0.8 * self.shown[entry] } else { 0.2 * (entry as f32) - 0.5 }
    }

    fn show(&mut self, observation: &mut [f32]) {
        for (entry, slot) in observation.iter_mut().enumerate() {
            *slot =
                if self.follows { self.rng.uniform(-1.0, 1.0) } else { 0.3 - 0.1 * entry as f32 };
            self.shown[entry] = *slot;
        }
    }
}

impl Env for Target {
    fn spec(&self) -> Spec {
        Spec {
            observation: Space { len: self.entries, low: -1.0, high: 1.0 },
            action: Space { len: self.entries, low: -1.0, high: 1.0 },
            reward: (-4.0, 0.0),
            horizon: Some(self.length),
        }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.rng = Rng::new(seed, Purpose::Environment);
        self.clock = 0;
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        self.steps += 1;
        self.clock += 1;
        assert!(action.iter().all(|entry| entry.abs() <= 1.0), "outside the space");
        let mut square = 0.0;
        for (entry, &action) in action.iter().enumerate() {
            let miss = action - self.target(entry);
            square += miss * miss;
        }
        self.show(observation);
        let end = if self.clock == self.length { self.end } else { End::Running };
        Ok(Step { reward: -self.reward_scale * square / self.entries as f32, end })
    }
}

fn following() -> Config {
    Config {
        rollout: 256,
        minibatch: 64,
        epochs: 8,
        learning_rate: 3e-3,
        learning_rate_end: 0.1,
        log_std: -0.5,
        log_std_end: -1.0,
        hidden: [32, 0, 0],
        baseline: Baseline::Network,
        fixed_observation: false,
        ..Config::edit()
    }
}
