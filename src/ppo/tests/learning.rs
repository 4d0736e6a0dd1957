//! Environments that are solved in seconds, determinism and budgets.

use super::{Target, following};
use crate::env::Env;
use crate::kernel::Kernel;
use crate::ppo::{Activation, Baseline, Config, Initial, Ppo, PpoError, Squash, Statistics, Watch};
use crate::slab::Heap;

/// Mean squared miss of the noise-free policy.
fn miss(ppo: &mut Ppo<'_>, env: &mut Target) -> f32 {
    let (mut total, n) = (0.0, env.entries);
    let (mut observation, mut action) = ([0.0; 8], [0.0; 8]);
    for episode in 0..100 {
        env.reset(episode, &mut observation[..n]).unwrap();
        ppo.mean_action(&observation[..n], &mut action[..n]).unwrap();
        total -= env.step(&action[..n], &mut observation[..n]).unwrap().reward;
    }
    total / 100.0
}

fn train(config: Config, env: &mut Target, seed: u64, budget: usize) -> (f32, Vec<f32>) {
    let mut heap = Heap::new(Ppo::need(&config, &env.spec()));
    let mut ppo = Ppo::new(config, &env.spec(), seed, &mut heap.arena()).unwrap();
    ppo.train(&mut [env], budget, &mut |_| Watch::Continue).unwrap();
    (miss(&mut ppo, env), ppo.parameters().to_vec())
}

#[test]
fn a_constant_target_is_met() {
    let general = Config { fixed_observation: false, ..Config::edit() };
    let tanh = Config { squash: Squash::Tanh, ..Config::edit() };
    let network = Config { baseline: Baseline::Network, ..general };
    let fan_in = Config { init: Initial::FanIn, activation: Activation::Relu, ..Config::edit() };
    for config in [Config::edit(), general, tanh, network, fan_in] {
        for seed in 0..3 {
            let (miss, _) = train(config, &mut Target::new(6, false), seed, 2_000);
            assert!(miss < 2e-3, "{miss} with {config:?}, seed {seed}");
        }
    }
}

#[test]
fn a_target_that_depends_on_the_observation_is_met() {
    for seed in 0..3 {
        let (miss, _) = train(following(), &mut Target::new(2, true), seed, 10_240);
        assert!(miss < 5e-3, "{miss}, seed {seed}");
    }
    let standardised = Config { standardise: true, ..following() };
    let (miss, _) = train(standardised, &mut Target::new(2, true), 0, 10_240);
    assert!(miss < 5e-3, "{miss}");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    for (config, follows) in [(Config::edit(), false), (following(), true)] {
        let run = |seed| train(config, &mut Target::new(3, follows), seed, 1_024).1;
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let mut env = Target::new(3, follows);
        let mut heap = Heap::new(Ppo::need(&config, &env.spec()));
        let ppo = Ppo::new(config, &env.spec(), 1, &mut heap.arena()).unwrap();
        let mut ppo = ppo.with_kernel(Kernel::portable());
        ppo.train(&mut [&mut env], 1_024, &mut |_| Watch::Continue).unwrap();
        assert_eq!(ppo.parameters(), run(1), "portable kernels");
    }
}

#[test]
fn a_budget_is_never_overrun() {
    let config = Config::edit();
    let mut env = Target::new(2, false);
    let mut heap = Heap::new(Ppo::need(&config, &env.spec()));
    let mut ppo = Ppo::new(config, &env.spec(), 0, &mut heap.arena()).unwrap();
    let mut go_on = |_: &Statistics| Watch::Continue;
    let error = ppo.train(&mut [&mut env], 31, &mut go_on);
    assert_eq!((error, env.steps), (Err(PpoError::Budget { need: 32, have: 31 }), 0));
    assert_eq!(ppo.train(&mut [&mut env], 100, &mut go_on), Ok(3));
    assert_eq!(env.steps, 96);
    let mut seen = Vec::new();
    let mut watch = |statistics: &Statistics| {
        seen.push((statistics.learning_rate, statistics.steps));
        if seen.len() == 2 { Watch::Stop } else { Watch::Continue }
    };
    assert_eq!(ppo.train(&mut [&mut env], 100, &mut watch), Ok(2));
    assert_eq!(seen, [(2e-3, 128), (2e-3 * (1.0 - 0.9 * 0.5), 160)]);

    let standardised = Config { standardise: true, ..following() };
    let mut env = Target::new(2, true);
    let mut heap = Heap::new(Ppo::need(&standardised, &env.spec()));
    let mut ppo = Ppo::new(standardised, &env.spec(), 0, &mut heap.arena()).unwrap();
    let error = Err(PpoError::Budget { need: 512, have: 511 });
    assert_eq!(ppo.train(&mut [&mut env], 511, &mut go_on), error);
    assert_eq!(ppo.train(&mut [&mut env], 1_023, &mut go_on), Ok(2));
    assert_eq!(env.steps, 768);
}
