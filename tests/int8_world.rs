//! The invariants of both worlds over integers, for any sizes, settings and actions.

mod common;

use common::Toy;
use proptest::prelude::*;
use reweight::env::{Edit, Env, EnvError, check_env, check_need};
use reweight::kernel::Kernel;
use reweight::model::int8::{Int8Parameters, Int8Stack};
use reweight::rng::{Purpose, Rng};
use reweight::slab::{Heap, IntHeap};
use reweight::task::RewardKind;
use reweight::world::int8::{Int8Form, Int8Range, Int8World};
use reweight::world::{Config, Observation, RewardForm, Unit, WorldKind};

type How = (Int8Form, Int8Range);

const WEIGHTS: How = (Int8Form::Weights, Int8Range::Grow);

/// Quantises a toy, builds a world around its layer b and hands it to `look`.
fn with_world<R>(
    toy: &Toy,
    kind: RewardKind,
    config: Config,
    how: How,
    look: impl FnOnce(&mut Int8World<'_>) -> R,
) -> R {
    let kernel = Kernel::auto();
    let mut scratch = Heap::new(Int8Stack::calibration_need(&toy.stack));
    let plan = Int8Stack::calibrated(
        kernel,
        &toy.stack,
        &toy.parameters,
        0,
        toy.samples(),
        Default::default(),
        &mut scratch.arena(),
    )
    .unwrap();
    let (need, int_need) = Int8Parameters::need(&plan);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(int_need));
    let mut parameters =
        Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
    parameters.quantise(&plan, &toy.stack, &toy.parameters).unwrap();
    let mut task = toy.task(kind);
    let layer = plan.find(toy.layer()).unwrap();
    let (need, int_need) = Int8World::need(&config, how.0, &plan, layer, toy.labels.len());
    let (mut world_heap, mut world_ints) = (Heap::new(need), IntHeap::new(int_need));
    let (mut arena, mut ints) = (world_heap.arena(), world_ints.arena());
    let network = parameters.network(&plan);
    let world = Int8World::new(
        config,
        how,
        kernel,
        network,
        layer,
        toy.samples(),
        &mut task,
        &mut arena,
        &mut ints,
    );
    let mut world = world.unwrap();
    assert_eq!((arena.left().f32s, ints.left().bytes()), (0, 0), "need() is what is used");
    look(&mut world)
}

fn actions(seed: u64, len: usize, steps: usize) -> Vec<Vec<f32>> {
    let mut rng = Rng::new(seed, Purpose::Search);
    (0..steps).map(|_| (0..len).map(|_| rng.uniform(-1.0, 1.0)).collect()).collect()
}

/// Rewards and final weights of one episode.
fn episode(world: &mut Int8World<'_>, actions: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let mut observation = vec![0.0; world.spec().observation.len];
    world.reset(0, &mut observation).unwrap();
    let rewards =
        actions.iter().map(|action| world.step(action, &mut observation).unwrap().reward).collect();
    (rewards, world.edited().unwrap().weights.to_vec())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

prop_compose! {
    fn settings()(
        world in 0usize..3,
        saturates in any::<bool>(),
        rank in 1usize..4,
        step in 0.1f32..4.0,
        absolute in any::<bool>(),
        lambda in 0.0f32..=1.0,
        horizon in 1usize..4,
        raw in any::<bool>(),
        difference in any::<bool>(),
        priced in any::<bool>(),
        clip in any::<bool>(),
    ) -> (Config, How) {
        let config = Config {
            kind: if world == 0 { WorldKind::Shift } else { WorldKind::Mask },
            rank,
            step,
            unit: if absolute { Unit::Absolute } else { Unit::Rms },
            lambda,
            horizon,
            observation: if raw { Observation::Raw } else { Observation::Flat },
            reward: if difference { RewardForm::Difference } else { RewardForm::Level },
            size_penalty: if priced { 0.1 } else { 0.0 },
            clip,
        };
        let form = if world == 2 { Int8Form::RowMultipliers } else { Int8Form::Weights };
        (config, (form, if saturates { Int8Range::Saturate } else { Int8Range::Grow }))
    }
}

prop_compose! {
    fn toy()(
        features in 1usize..12,
        inputs in 1usize..20,
        outputs in 1usize..40,
        samples in 4usize..90,
        seed in any::<u64>(),
    ) -> Toy {
        Toy::new(features, inputs, outputs, samples, seed)
    }
}

fn reward_kind() -> impl Strategy<Value = RewardKind> {
    prop_oneof![Just(RewardKind::Probability), Just(RewardKind::Accuracy)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// An action is worth as a slice, and drawn where the world keeps its own, what it is as a first step.
    #[test]
    fn actions_can_be_drawn_in_place(
        toy in toy(), (config, how) in settings(), seed in any::<u64>(), wide in 0.5f32..1.2,
    ) {
        with_world(&toy, RewardKind::Probability, config, how, |world| {
            let mut drawn = actions(seed, world.spec().action.len, 3);
            drawn[0].iter_mut().for_each(|value| *value *= wide);
            drawn[1][0] = f32::NAN;
            for action in &drawn {
                let mut observation = vec![0.0; world.spec().observation.len];
                world.reset(0, &mut observation).unwrap();
                let stepped = world.step(action, &mut observation).map(|step| step.reward);
                let whole = world.evaluate(action);
                let in_place = world.evaluate_drawn(&mut |to| to.copy_from_slice(action));
                prop_assert_eq!(&whole, &in_place);
                prop_assert_eq!(whole, stepped);
            }
            Ok(())
        })?;
    }

    /// Every rule of the public checker holds for every setting.
    #[test]
    fn all_worlds_keep_the_contract(
        toy in toy(), (config, how) in settings(), kind in reward_kind(), seed in any::<u64>(),
    ) {
        with_world(&toy, kind, config, how, |world| {
            let mut heap = Heap::new(check_need(&world.spec(), world.original_weights().len()));
            let checked = check_env(world, seed, &mut heap.arena());
            prop_assert!(checked.is_ok(), "{config:?} {how:?}: {}", checked.unwrap_err());
            Ok(())
        })?;
    }

    #[test]
    fn the_zero_action_is_the_identity(toy in toy(), (config, how) in settings()) {
        with_world(&toy, RewardKind::Probability, config, how, |world| {
            let before = bits(world.original_weights());
            let value = world.reward_of(world.original_score());
            let len = world.spec().action.len;
            let (rewards, after) = episode(world, &vec![vec![0.0; len]; config.horizon]);
            prop_assert_eq!(before, bits(&after));
            let expected = match config.reward {
                RewardForm::Level => value,
                RewardForm::Difference => 0.0,
            };
            prop_assert!(rewards.iter().all(|&reward| reward == expected));
            Ok(())
        })?;
    }

    /// An episode, the same again, and its actions applied at once give the same integers; the integers times their
    /// scales are what is shown, and within ±127.
    #[test]
    fn the_same_actions_give_the_same_integers(
        toy in toy(), (config, how) in settings(), seed in any::<u64>(),
    ) {
        with_world(&toy, RewardKind::Probability, config, how, |world| {
            let actions = actions(seed, world.spec().action.len, config.horizon);
            let (rewards, weights) = episode(world, &actions);
            let (integers, scales) = world.integers();
            let (integers, scales) = (integers.to_vec(), scales.to_vec());
            let (again, weights_again) = episode(world, &actions);
            prop_assert_eq!(bits(&rewards), bits(&again));
            prop_assert_eq!(bits(&weights), bits(&weights_again));
            world.apply(&actions.concat()).unwrap();
            prop_assert_eq!(world.integers(), (&integers[..], &scales[..]));
            let (inputs, outputs) = (world.change().inputs, world.change().outputs);
            for (at, &weight) in weights.iter().enumerate() {
                let q = integers[at % outputs * inputs + at / outputs];
                prop_assert!((-127..=127).contains(&q));
                prop_assert_eq!(weight, scales[at % outputs] * f32::from(q));
            }
            let score = world.score_formed().unwrap();
            if config.reward == RewardForm::Level && config.size_penalty == 0.0 {
                prop_assert_eq!(world.reward_of(score), rewards[rewards.len() - 1]);
            }
            Ok(())
        })?;
    }

    /// A change is what the action asks for up to half a unit of the row, where the scale may grow.
    #[test]
    fn a_step_is_rounded_to_the_nearest(
        toy in toy(), (mut config, _) in settings(), seed in any::<u64>(),
    ) {
        config.horizon = 1;
        with_world(&toy, RewardKind::Probability, config, WEIGHTS, |world| {
            let action = actions(seed, world.spec().action.len, 1);
            let before = world.original_weights().to_vec();
            let (_, after) = episode(world, &action);
            let change = *world.change();
            let (u, v) = change.factors(&action[0]);
            for (at, (&old, &new)) in before.iter().zip(&after).enumerate() {
                let (i, j) = (at / change.outputs, at % change.outputs);
                let d: f32 = (0..change.rank)
                    .map(|q| v[i * change.rank + q] * u[q * change.outputs + j])
                    .sum::<f32>() / change.rank as f32;
                let wanted = match config.kind {
                    WorldKind::Mask => old * (1.0 + change.step * d),
                    WorldKind::Shift => old + change.step * d,
                };
                let half = 0.5 * world.integers().1[j] * 1.0001 + 1e-6 * old.abs();
                prop_assert!((new - wanted).abs() <= half, "{old} -> {new}, not {wanted}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn bad_actions_are_answered_and_change_nothing(
        toy in toy(), (config, how) in settings(), seed in any::<u64>(), at in any::<prop::sample::Index>(),
        bad in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(1.5f32), Just(-7.0f32)],
    ) {
        with_world(&toy, RewardKind::Probability, config, how, |world| {
            let len = world.spec().action.len;
            let mut action = actions(seed, len, 1).remove(0);
            let index = at.index(len);
            action[index] = bad;
            let mut observation = vec![0.0; world.spec().observation.len];
            world.reset(0, &mut observation).unwrap();
            let before = bits(world.edited().unwrap().weights);
            let result = world.step(&action, &mut observation);
            if !bad.is_finite() {
                prop_assert_eq!(result, Err(EnvError::NotFinite { index }));
            } else if config.clip {
                prop_assert!(result.is_ok());
                return Ok(());
            } else {
                prop_assert_eq!(result, Err(EnvError::OutOfRange { index, value: bad }));
            }
            prop_assert_eq!(before, bits(world.edited().unwrap().weights));
            Ok(())
        })?;
    }
}

/// A shift that doubles a row's largest weight: held at ±127 it comes out short, with a grown scale it does not.
#[test]
fn a_grown_scale_keeps_what_saturation_loses() {
    let toy = Toy::new(6, 12, 8, 40, 5);
    let config = Config { step: 4.0, ..Config::new(WorldKind::Shift) };
    let lost = |range| {
        with_world(&toy, RewardKind::Probability, config, (Int8Form::Weights, range), |world| {
            let before = world.original_weights().to_vec();
            let (_, after) = episode(world, &[vec![1.0; world.spec().action.len]]);
            let step = world.change().step;
            let short = before.iter().zip(&after).map(|(old, new)| (old + step - new).abs());
            let Some(Edit::Rounded { rank, .. }) = world.edited().map(|edited| edited.edit) else {
                panic!("a shift of integers is a rounded one")
            };
            (short.fold(0.0, f32::max) / step, rank)
        })
    };
    let (saturated, grown) = (lost(Int8Range::Saturate), lost(Int8Range::Grow));
    assert!(saturated.0 > 0.3 && grown.0 < 0.02, "{saturated:?} {grown:?}");
    assert_eq!((saturated.1, grown.1), (8, 1));
}

#[test]
fn nothing_can_be_added_to_a_multiplier() {
    let toy = Toy::new(3, 4, 5, 20, 1);
    let mut stack = Heap::new(Int8Stack::calibration_need(&toy.stack));
    let kernel = Kernel::auto();
    let (network, parameters) = (&toy.stack, &toy.parameters[..]);
    let (samples, how) = (toy.samples(), Default::default());
    let plan =
        Int8Stack::calibrated(kernel, network, parameters, 0, samples, how, &mut stack.arena());
    let plan = plan.unwrap();
    let (need, ints) = Int8Parameters::need(&plan);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let parameters = Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
    let mut task = toy.task(RewardKind::Accuracy);
    let (mut none, mut no_ints) = (Heap::new(Default::default()), IntHeap::new(Default::default()));
    let made = Int8World::new(
        Config::new(WorldKind::Shift),
        (Int8Form::RowMultipliers, Int8Range::Grow),
        kernel,
        parameters.network(&plan),
        1,
        samples,
        &mut task,
        &mut none.arena(),
        &mut no_ints.arena(),
    );
    assert!(made.unwrap_err().to_string().contains("multipliers"));
}
