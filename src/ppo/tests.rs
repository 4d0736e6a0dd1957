//! Against Stable-Baselines3's own numbers, and on environments that PPO must solve.

use super::config::{Baseline, Config, Initial, Normalise, Squash};
use super::rollout::end_code;
use super::{Activation, ConfigError, Ppo, PpoError, Statistics, Watch, gae};
use crate::env::{End, Env, EnvError, Space, Spec, Step};
use crate::error::TooSmall;
use crate::num;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Heap};

/// The lines of tests/oracle/ppo.txt, by name.
fn oracle(name: &str) -> Vec<f32> {
    let line = include_str!("../../tests/oracle/ppo.txt")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap();
    line.split(' ').map(|number| number.parse().unwrap()).collect()
}

fn close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let error = (got - want).abs() / want.abs().max(1.0);
        assert!(error < tolerance, "{what} {index}: {got}, not {want}");
    }
}

fn end(code: f32) -> End {
    [End::Running, End::Terminated, End::Truncated][code as usize]
}

const STEPS: usize = 12;

fn oracle_config() -> Config {
    Config {
        rollout: STEPS,
        environments: 2,
        minibatch: 2 * STEPS,
        epochs: 1,
        gamma: 0.97,
        lambda: 0.9,
        learning_rate: 0.01,
        entropy: 0.01,
        hidden: [5, 4, 0],
        ..Config::paper()
    }
}

fn oracle_spec() -> Spec {
    Spec {
        observation: Space { len: 3, low: -9.0, high: 9.0 },
        action: Space { len: 2, low: -1.0, high: 1.0 },
        reward: (-9.0, 9.0),
        horizon: None,
    }
}

#[test]
fn advantages_equal_those_of_stable_baselines3() {
    let (rewards, values, bootstrap) = (oracle("rewards"), oracle("values"), oracle("bootstrap"));
    let ends = oracle("ends");
    let mut advantages = [0.0; STEPS];
    for start in [0, STEPS] {
        let range = start..start + STEPS;
        gae(
            &rewards[range.clone()],
            &values[range.clone()],
            |step| end(ends[start + step]),
            &bootstrap[range.clone()],
            0.97,
            0.9,
            &mut advantages,
        )
        .unwrap();
        close("advantage", &advantages, &oracle("advantages")[range.clone()], 1e-6);
        let returns: Vec<f32> =
            advantages.iter().zip(&values[range.clone()]).map(|(a, v)| a + v).collect();
        close("return", &returns, &oracle("returns")[range], 1e-6);
    }
}

/// Three whole updates: losses, the gradient after its limit, and the parameters after Adam's step.
#[test]
fn updates_equal_those_of_stable_baselines3() {
    let config = oracle_config();
    let mut heap = Heap::new(Ppo::need(&config, &oracle_spec()));
    let mut ppo = Ppo::new(config, &oracle_spec(), 0, &mut heap.arena()).unwrap();
    ppo.parameters_mut().copy_from_slice(&oracle("parameters"));
    let memory = &mut ppo.memory;
    memory.observations.copy_from_slice(&oracle("observations"));
    memory.actions.copy_from_slice(&oracle("actions"));
    memory.rewards.copy_from_slice(&oracle("rewards"));
    memory.bootstrap.copy_from_slice(&oracle("bootstrap"));
    memory.log_probs.copy_from_slice(&oracle("old_log_prob"));
    for (slot, code) in memory.ends.iter_mut().zip(oracle("ends")) {
        *slot = end_code(end(code));
    }
    for update in 0..3 {
        let want = oracle(["update0", "update1", "update2"][update]);
        let got = if update == 0 {
            let seen = ppo.learn().unwrap();
            close("explained variance", &[seen.explained_variance], &want[5..], 2e-6);
            close("value", ppo.memory.values, &oracle("values"), 2e-6);
            [seen.policy_loss, seen.value_loss, seen.entropy, seen.approx_kl, seen.clip_fraction]
        } else {
            // On the advantages and returns of the first: they are computed once a rollout.
            let seen = ppo.gradient_of(0..2 * STEPS).unwrap();
            ppo.step().unwrap();
            let policy = seen.policy;
            [policy.loss, seen.value, seen.entropy, policy.approx_kl, policy.clip_fraction]
        };
        close("loss", &got, &want[..5], 2e-6);
        let gradient = oracle(["gradient0", "gradient1", "gradient2"][update]);
        close("gradient", ppo.memory.gradient, &gradient, 2e-6);
        let parameters = oracle(["parameters0", "parameters1", "parameters2"][update]);
        close("parameter", ppo.parameters(), &parameters, 2e-5);
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
    for config in [Config::edit(), following()] {
        let run = |seed| train(config, &mut Target::new(3, true), seed, 1_024).1;
        if config.fixed_observation {
            let run = |seed| train(config, &mut Target::new(3, false), seed, 1_024).1;
            assert_eq!(run(1), run(1));
            assert_ne!(run(1), run(2));
        } else {
            assert_eq!(run(1), run(1));
            assert_ne!(run(1), run(2));
        }
    }
}

#[test]
fn the_first_ratio_of_an_update_is_exactly_one() {
    for minibatch in [5, 64] {
        let config = Config { minibatch, ..following() };
        let mut env = Target::new(3, true);
        let mut heap = Heap::new(Ppo::need(&config, &env.spec()));
        let mut ppo = Ppo::new(config, &env.spec(), 4, &mut heap.arena()).unwrap();
        for progress in [0.0, 1.0] {
            ppo.schedule(progress);
            ppo.collect(&mut [&mut env]).unwrap();
            for (index, place) in ppo.memory.order.iter_mut().enumerate() {
                *place = 255 - index as u32;
            }
            let seen = ppo.gradient_of(3..3 + minibatch).unwrap();
            assert_eq!((seen.policy.approx_kl, seen.policy.clip_fraction), (0.0, 0.0));
            ppo.learn().unwrap();
        }
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

#[test]
fn need_is_exact() {
    for config in [Config::edit(), following(), Config::paper(), oracle_config()] {
        let need = Ppo::need(&config, &oracle_spec());
        let (mut f32s, mut u32s) = (vec![0.0; need.f32s], vec![0; need.u32s]);
        let mut arena = Arena::new(&mut f32s[1..], &mut u32s);
        let short = Ppo::new(config, &oracle_spec(), 0, &mut arena).err();
        let error = TooSmall { need: need.f32s, have: need.f32s - 1 };
        assert_eq!(short, Some(PpoError::TooSmall(error)));
        let mut arena = Arena::new(&mut f32s, &mut u32s[1..]);
        assert!(Ppo::new(config, &oracle_spec(), 0, &mut arena).is_err());
        let mut arena = Arena::new(&mut f32s, &mut u32s);
        assert!(Ppo::new(config, &oracle_spec(), 0, &mut arena).is_ok());
        assert_eq!((arena.left().f32s, arena.left().u32s), (0, 0));
    }
    let absurd = Config { rollout: usize::MAX, hidden: [usize::MAX; 3], ..Config::edit() };
    assert_eq!(Ppo::need(&absurd, &oracle_spec()).f32s, usize::MAX);
    let mut arena = Arena::new(&mut [], &mut []);
    let error = Ppo::new(absurd, &oracle_spec(), 0, &mut arena).err();
    assert!(matches!(error, Some(PpoError::Config(ConfigError::Value { key: "rollout", .. }))));
}

/// What the documentation of `FlatPolicy` claims: Adam on the whole first layer of an observation
/// that never changes is Adam on its outputs.
#[test]
fn a_fixed_first_layer_learns_as_the_whole_one() {
    let config = Config { adam_epsilon: 1e-12, head_gain: 1.0, ..Config::edit() };
    let general = Config { fixed_observation: false, ..config };
    let mut env = Target::new(8, false);
    let mut whole_heap = Heap::new(Ppo::need(&general, &env.spec()));
    let mut whole = Ppo::new(general, &env.spec(), 3, &mut whole_heap.arena()).unwrap();
    let mut fixed_heap = Heap::new(Ppo::need(&config, &env.spec()));
    let mut fixed = Ppo::new(config, &env.spec(), 3, &mut fixed_heap.arena()).unwrap();
    whole.collect(&mut [&mut env]).unwrap();
    fixed.collect(&mut [&mut env]).unwrap();

    // The same networks and the same rollout.
    let x = whole.memory.observations[..8].to_vec();
    assert_eq!(x, fixed.memory.seen);
    for unit in 0..64 {
        fixed.memory.z[unit] = (0..8).map(|i| x[i] * whole.memory.params[i * 64 + unit]).sum();
    }
    let after = fixed.policy.network_range().end - 64;
    fixed.memory.params[64..].copy_from_slice(&whole.memory.params[9 * 64..]);
    assert_eq!(after, whole.policy.network_range().end - 9 * 64);
    fixed.memory.actions.copy_from_slice(whole.memory.actions);
    fixed.memory.rewards.copy_from_slice(whole.memory.rewards);
    fixed.memory.log_probs.copy_from_slice(whole.memory.log_probs);
    for update in 0..3 {
        let (a, b) = (whole.learn().unwrap(), fixed.learn().unwrap());
        let numbers = |s: &Statistics| [s.gradient_norm, s.policy_loss, s.approx_kl, s.log_std];
        close("statistic", &numbers(&b), &numbers(&a), 1e-3);
        let (mut whole_action, mut fixed_action) = ([0.0; 8], [0.0; 8]);
        whole.mean_action(&x, &mut whole_action).unwrap();
        fixed.mean_action(&x, &mut fixed_action).unwrap();
        close("action", &fixed_action, &whole_action, 1e-3);
        assert!(update > 0 || a.approx_kl > 0.0);
    }
}

#[test]
fn a_fixed_observation_is_drawn_as_the_whole_layer_would_give_it() {
    // x·W has entries of variance 2‖x‖²/n for an orthogonal W of gain √2.
    let x: Vec<f32> = (0..256).map(|i| 0.1 * (i % 7) as f32 - 0.2).collect();
    let want = 2.0 * f64::from(num::norm(&x)).powi(2) / 256.0;
    let mut rng = Rng::new(8, Purpose::Policy);
    let (mut square, mut z) = (0.0, [0.0; 64]);
    for _ in 0..200 {
        let fixed = super::init::fixed(&Config::edit(), &x, &mut rng, &mut z);
        assert!((fixed.scale - 1.0 - x.iter().map(|x| x.abs()).sum::<f32>()).abs() < 1e-3);
        square += z.iter().map(|&z| f64::from(z).powi(2)).sum::<f64>() / (64.0 * 200.0);
    }
    assert!((square / want - 1.0).abs() < 0.05, "{square}, not {want}");
}

#[test]
fn one_pass_stands_for_a_minibatch_of_equal_observations() {
    let config = Config { fixed_observation: false, baseline: Baseline::Network, ..Config::edit() };
    let mut env = Target::new(4, false);
    let mut heap = Heap::new(Ppo::need(&config, &env.spec()));
    let mut ppo = Ppo::new(config, &env.spec(), 0, &mut heap.arena()).unwrap();
    ppo.collect(&mut [&mut env]).unwrap();
    assert!(ppo.constant);
    ppo.learn().unwrap();
    let once = ppo.gradient_of(0..32).unwrap();
    let gradient = ppo.memory.gradient.to_vec();
    ppo.constant = false;
    let each = ppo.gradient_of(0..32).unwrap();
    close("loss", &[once.policy.loss, once.value], &[each.policy.loss, each.value], 1e-6);
    close("gradient", &gradient, ppo.memory.gradient, 1e-5);
}

#[test]
fn a_truncated_episode_bootstraps_its_own_last_observation() {
    let config = Config { rollout: 6, minibatch: 6, ..following() };
    let mut env = Target::new(2, true);
    (env.length, env.end) = (4, End::Truncated);
    let mut heap = Heap::new(Ppo::need(&config, &env.spec()));
    let mut ppo = Ppo::new(config, &env.spec(), 0, &mut heap.arena()).unwrap();
    ppo.collect(&mut [&mut env]).unwrap();

    // The same episodes again, by hand.
    let mut seeds = Rng::new(0, Purpose::Environment);
    let mut again = Target::new(2, true);
    let mut observation = [0.0; 2];
    let mut value = |ppo: &mut Ppo<'_>, env: &mut Target, from: usize, steps: usize| {
        env.reset(seeds.bits(), &mut observation).unwrap();
        for step in from..from + steps {
            let mut action = [0.0; 2];
            ppo.policy.squash(&ppo.memory.actions[2 * step..2 * step + 2], &mut action);
            env.step(&action, &mut observation).unwrap();
        }
        ppo.memory.current.copy_from_slice(&observation);
        ppo.value_of_current(0).unwrap()
    };
    let (cut, last) = (value(&mut ppo, &mut again, 0, 4), value(&mut ppo, &mut again, 4, 2));
    assert_eq!(ppo.memory.bootstrap, [0.0, 0.0, 0.0, cut, 0.0, last]);
    assert_eq!(ppo.memory.ends, [0, 0, 0, 2, 0, 0]);
    assert!(cut != 0.0 && last != 0.0);
}

#[test]
fn a_diverging_update_keeps_the_parameters() {
    let config = Config { advantage: Normalise::Off, max_grad_norm: None, ..following() };
    let mut env = Target::new(2, true);
    env.reward_scale = 1e37;
    let mut heap = Heap::new(Ppo::need(&config, &env.spec()));
    let mut ppo = Ppo::new(config, &env.spec(), 0, &mut heap.arena()).unwrap();
    let before = ppo.parameters().to_vec();
    let error = ppo.train(&mut [&mut env], 1_024, &mut |_| Watch::Continue);
    assert!(matches!(error, Err(PpoError::Diverged { update: 0, .. })), "{error:?}");
    assert_eq!(ppo.parameters(), before);
}

#[test]
fn misuse_is_answered() {
    let mut heap = Heap::new(Ppo::need(&Config::edit(), &oracle_spec()));
    let mut ppo = Ppo::new(Config::edit(), &oracle_spec(), 0, &mut heap.arena()).unwrap();
    let mut action = [0.0; 2];
    assert_eq!(ppo.mean_action(&[0.0; 3], &mut action), Err(PpoError::NothingObserved));
    assert!(matches!(ppo.mean_action(&[0.0; 2], &mut action), Err(PpoError::Shape(_))));
    assert_eq!(ppo.collect(&mut []), Err(PpoError::Environments { expected: 1, found: 0 }));
    let mut other = Target::new(3, false);
    assert_eq!(ppo.collect(&mut [&mut other]), Err(PpoError::OtherSpaces { index: 0 }));

    let mut varies = Target::new(2, true);
    let mut heap = Heap::new(Ppo::need(&Config::edit(), &varies.spec()));
    let mut ppo = Ppo::new(Config::edit(), &varies.spec(), 0, &mut heap.arena()).unwrap();
    assert_eq!(ppo.collect(&mut [&mut varies]), Err(PpoError::ObservationVaries));
    let flat = Space { len: 2, low: 0.0, high: f32::INFINITY };
    let spec = Spec { action: flat, ..varies.spec() };
    let error = Ppo::new(Config::edit(), &spec, 0, &mut Arena::new(&mut [], &mut [])).err();
    assert_eq!(error, Some(PpoError::ActionSpace));
}
