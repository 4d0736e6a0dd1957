//! Against Stable-Baselines3's own numbers (tests/oracle/ppo.py).

use super::close;
use crate::env::{End, Space, Spec};
use crate::ppo::rollout::end_code;
use crate::ppo::{Config, Ppo, gae};
use crate::slab::Heap;

/// The lines of tests/oracle/ppo.txt, by name.
fn oracle(name: &str) -> Vec<f32> {
    let line = include_str!("../../../tests/oracle/ppo.txt")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap();
    line.split(' ').map(|number| number.parse().unwrap()).collect()
}

fn end(code: f32) -> End {
    [End::Running, End::Terminated, End::Truncated][code as usize]
}

const STEPS: usize = 12;

pub(super) fn oracle_config() -> Config {
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

pub(super) fn oracle_spec() -> Spec {
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
            [seen.policy_loss, seen.value, seen.entropy, seen.approx_kl, seen.clip_fraction]
        };
        close("loss", &got, &want[..5], 2e-6);
        let gradient = oracle(["gradient0", "gradient1", "gradient2"][update]);
        close("gradient", ppo.memory.gradient, &gradient, 2e-6);
        let parameters = oracle(["parameters0", "parameters1", "parameters2"][update]);
        close("parameter", ppo.parameters(), &parameters, 2e-5);
    }
}
