//! Pendulum-v1, written against the public `Env` trait and learned with PPO.
//!
//! A pendulum is to be swung up and held there by a torque too weak to lift it directly. Dynamics,
//! reward, initial states and the limit of 200 steps are Gymnasium's; the hyper-parameters are
//! those of RLtools' own benchmark, so that returns and speed can be compared:
//!
//! ```text
//! cargo run --release --example pendulum
//! ```

use reweight::env::{End, Env, EnvError, Space, Spec, Step, check_env, check_need};
use reweight::num;
use reweight::ppo::{Activation, Baseline, Config, Initial, Normalise, Ppo, Statistics, Watch};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use std::error::Error;
use std::time::Instant;

const ROLLOUTS: usize = 74;
const EPISODES: usize = 1_000;
/// Mean return that every seed has to reach; an untrained policy gets about −1,200.
const BAR: f64 = -205.0;

/// Steps after which an episode is truncated: a limit that the observation does not show.
const TIME_LIMIT: usize = 200;
const LARGEST_TORQUE: f32 = 2.0;
const LARGEST_VELOCITY: f32 = 8.0;
const TIME_STEP: f32 = 0.05;

/// A rod of mass 1 and length 1, g = 10. The angle is 0 when it stands upright.
struct Pendulum {
    angle: f32,
    velocity: f32,
    steps: usize,
}

impl Pendulum {
    fn new() -> Self {
        // Nothing runs before the first reset.
        Self { angle: 0.0, velocity: 0.0, steps: TIME_LIMIT }
    }

    fn observe(&self, observation: &mut [f32]) {
        observation[0] = num::cos(self.angle);
        observation[1] = num::sin(self.angle);
        observation[2] = self.velocity;
    }
}

fn length(what: &'static str, expected: usize, found: usize) -> Result<(), EnvError> {
    if expected == found { Ok(()) } else { Err(EnvError::Length { what, expected, found }) }
}

impl Env for Pendulum {
    fn spec(&self) -> Spec {
        let angle = core::f32::consts::PI;
        let cost = angle * angle
            + 0.1 * LARGEST_VELOCITY * LARGEST_VELOCITY
            + 0.001 * LARGEST_TORQUE * LARGEST_TORQUE;
        Spec {
            observation: Space { len: 3, low: -LARGEST_VELOCITY, high: LARGEST_VELOCITY },
            // In units of the largest torque.
            action: Space { len: 1, low: -1.0, high: 1.0 },
            reward: (-cost - 1e-3, 0.0),
            horizon: Some(TIME_LIMIT),
        }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        length("observation", 3, observation.len())?;
        let mut rng = Rng::new(seed, Purpose::Environment);
        self.angle = rng.uniform(-core::f32::consts::PI, core::f32::consts::PI);
        self.velocity = rng.uniform(-1.0, 1.0);
        self.steps = 0;
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        length("action", 1, action.len())?;
        length("observation", 3, observation.len())?;
        if self.steps >= TIME_LIMIT {
            return Err(EnvError::NotRunning);
        }
        if !action[0].is_finite() {
            return Err(EnvError::NotFinite { index: 0 });
        }
        let torque = LARGEST_TORQUE * action[0].clamp(-1.0, 1.0);
        let turn = core::f32::consts::TAU;
        let half = core::f32::consts::PI;
        let deviation = (self.angle + half).rem_euclid(turn) - half;
        let cost =
            deviation * deviation + 0.1 * self.velocity * self.velocity + 0.001 * torque * torque;
        let acceleration = 15.0 * num::sin(self.angle) + 3.0 * torque;
        self.velocity =
            (self.velocity + acceleration * TIME_STEP).clamp(-LARGEST_VELOCITY, LARGEST_VELOCITY);
        self.angle += self.velocity * TIME_STEP;
        self.steps += 1;
        self.observe(observation);
        let end = if self.steps == TIME_LIMIT { End::Truncated } else { End::Running };
        Ok(Step { reward: -cost, end })
    }
}

/// The settings of RLtools' Pendulum benchmark.
fn settings() -> Config {
    Config {
        rollout: 1024,
        environments: 4,
        minibatch: 256,
        epochs: 2,
        learning_rate: 1e-3,
        learning_rate_end: 1.0,
        adam_epsilon: 1e-8,
        gamma: 0.9,
        lambda: 0.95,
        max_grad_norm: None,
        advantage: Normalise::Population,
        log_std: core::f32::consts::LN_2,
        log_std_end: 0.0,
        log_std_low: -5.0,
        log_std_high: 2.0,
        initial_mean: 0.0,
        hidden: [64, 64, 0],
        activation: Activation::Relu,
        init: Initial::FanIn,
        baseline: Baseline::Network,
        standardise: true,
        fixed_observation: false,
        ..Config::paper()
    }
}

/// Mean return of the noise-free policy.
fn evaluate(ppo: &mut Ppo<'_>, episodes: usize) -> Result<f64, Box<dyn Error>> {
    let mut env = Pendulum::new();
    let (mut observation, mut action) = ([0.0; 3], [0.0]);
    let mut seeds = Rng::new(1_000_000, Purpose::Environment);
    let mut total = 0.0;
    for _ in 0..episodes {
        env.reset(seeds.bits(), &mut observation)?;
        loop {
            ppo.mean_action(&observation, &mut action)?;
            let step = env.step(&action, &mut observation)?;
            total += f64::from(step.reward);
            if step.end != End::Running {
                break;
            }
        }
    }
    Ok(total / episodes as f64)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut env = Pendulum::new();
    let mut heap = Heap::new(check_need(&env.spec(), 0));
    check_env(&mut env, 0, &mut heap.arena())?;

    let config = settings();
    // One rollout more, which only standardises the observations.
    let budget = (ROLLOUTS + 1) * config.samples();
    println!("seed  mean return of {EPISODES} episodes  steps/s (training included)");
    let mut worst = f64::INFINITY;
    for seed in 0..3 {
        let mut pendulums: [Pendulum; 4] = std::array::from_fn(|_| Pendulum::new());
        let [a, b, c, d] = &mut pendulums;
        let mut envs: [&mut dyn Env; 4] = [a, b, c, d];
        let spec = envs[0].spec();
        let mut heap = Heap::new(Ppo::need(&config, &spec));
        let mut ppo = Ppo::new(config, &spec, seed, &mut heap.arena())?;
        let start = Instant::now();
        ppo.train(&mut envs, budget, &mut |_: &Statistics| Watch::Continue)?;
        let rate = budget as f64 / start.elapsed().as_secs_f64();
        let score = evaluate(&mut ppo, EPISODES)?;
        println!("{seed:>4}  {score:>28.1}  {rate:>27.0}");
        worst = worst.min(score);
    }
    if worst < BAR {
        return Err(format!("a seed ended below {BAR}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step of an episode of Gymnasium's own Pendulum-v1 (tests/oracle/pendulum.py).
    #[test]
    fn steps_equal_those_of_gymnasium() {
        let rows = include_str!("../tests/oracle/pendulum.csv").lines().skip(1);
        let mut env = Pendulum::new();
        let mut observation = [0.0; 3];
        env.reset(0, &mut observation).unwrap();
        let mut count = 0;
        for row in rows {
            let numbers: Vec<f64> = row.split(',').map(|number| number.parse().unwrap()).collect();
            (env.angle, env.velocity) = (numbers[0] as f32, numbers[1] as f32);
            let action = [numbers[2] as f32 / LARGEST_TORQUE];
            let step = env.step(&action, &mut observation).unwrap();
            for (&got, &want) in observation.iter().zip(&numbers[3..6]) {
                assert!((f64::from(got) - want).abs() < 3e-6, "step {count}: {got}, not {want}");
            }
            assert!((f64::from(step.reward) - numbers[6]).abs() < 2e-5, "reward of step {count}");
            assert_eq!(step.end == End::Truncated, numbers[7] == 1.0);
            count += 1;
        }
        assert_eq!(count, TIME_LIMIT);
    }

    #[test]
    fn the_contract_holds() {
        let mut env = Pendulum::new();
        let mut heap = Heap::new(check_need(&env.spec(), 0));
        assert_eq!(check_env(&mut env, 3, &mut heap.arena()), Ok(()));
    }
}
