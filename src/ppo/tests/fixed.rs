//! Observations that never change.

use super::{Target, close};
use crate::env::Env;
use crate::num;
use crate::ppo::{Baseline, Config, Ppo, Statistics, init};
use crate::rng::{Purpose, Rng};
use crate::slab::Heap;

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
    let end = fixed.policy.shift_range().start;
    fixed.memory.params[..end].copy_from_slice(&whole.memory.params[9 * 64..]);
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
        let fixed = init::fixed(&Config::edit(), &x, &mut rng, &mut z);
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
    close("loss", &[once.policy_loss, once.value], &[each.policy_loss, each.value], 1e-6);
    close("gradient", &gradient, ppo.memory.gradient, 1e-5);
}
