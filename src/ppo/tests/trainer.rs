//! Memory, bookkeeping and misuse of the trainer.

use super::oracle::{oracle_config, oracle_spec};
use super::{Target, following};
use crate::env::{End, Env, Space, Spec};
use crate::error::TooSmall;
use crate::ppo::{Config, ConfigError, Normalise, Ppo, PpoError, Watch};
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Heap};

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
            assert_eq!((seen.approx_kl, seen.clip_fraction), (0.0, 0.0));
            ppo.learn().unwrap();
        }
    }
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
    let absurd = Config { rollout: usize::MAX, ..Config::edit() };
    assert_eq!(Ppo::need(&absurd, &oracle_spec()).f32s, usize::MAX / 4);
    let mut arena = Arena::new(&mut [], &mut []);
    let error = Ppo::new(absurd, &oracle_spec(), 0, &mut arena).err();
    assert!(matches!(error, Some(PpoError::Config(ConfigError::Value { key: "rollout", .. }))));
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

    let mut target = Target::new(2, false);
    let mut ppo = Ppo::unprepared(Config::edit(), &target.spec(), 0);
    assert!(ppo.train(&mut [&mut target], 1_000, &mut |_| Watch::Continue).is_err());
    assert!(ppo.mean_action(&[0.0; 2], &mut action).is_err());

    let mut varies = Target::new(2, true);
    let mut heap = Heap::new(Ppo::need(&Config::edit(), &varies.spec()));
    let mut ppo = Ppo::new(Config::edit(), &varies.spec(), 0, &mut heap.arena()).unwrap();
    assert_eq!(ppo.collect(&mut [&mut varies]), Err(PpoError::ObservationVaries));
    let flat = Space { len: 2, low: 0.0, high: f32::INFINITY };
    let spec = Spec { action: flat, ..varies.spec() };
    let error = Ppo::new(Config::edit(), &spec, 0, &mut Arena::new(&mut [], &mut [])).err();
    assert_eq!(error, Some(PpoError::ActionSpace));
}
