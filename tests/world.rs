//! The invariants of both worlds, for any sizes, settings and actions.

mod common;

use common::Toy;
use proptest::prelude::*;
use reweight::env::{Edit, Env, EnvError, check_env, check_need};
use reweight::kernel::Kernel;
use reweight::model::{Plain, Split};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use reweight::task::{RewardKind, Task};
use reweight::world::{Config, Observation, RewardForm, Unit, World, WorldKind};

/// Builds a world around a toy and hands it to `look`.
fn with_world<R>(
    toy: &Toy,
    kind: RewardKind,
    config: Config,
    scale: f32,
    look: impl FnOnce(&mut World<'_>) -> R,
) -> R {
    let mut parameters = toy.parameters.clone();
    rescale(toy, &mut parameters, scale);
    let mut task = toy.task(kind);
    let mut heap = Heap::new(World::need(&config, &toy.stack, toy.layer(), toy.labels.len()));
    let mut arena = heap.arena();
    let mut world = World::new(
        config,
        Kernel::auto(),
        &toy.stack,
        &mut parameters,
        toy.layer(),
        toy.samples(),
        &mut task,
        &mut arena,
    )
    .unwrap();
    assert_eq!(arena.left().f32s, 0, "need() is what is used");
    look(&mut world)
}

/// The same around the layers a and b, or a and c, or all three.
fn with_layers<R>(
    toy: &Toy,
    names: &[&str],
    config: Config,
    look: impl FnOnce(&mut World<'_>, &[usize]) -> R,
) -> R {
    let layers: Vec<usize> = names.iter().map(|name| toy.stack.find(name).unwrap()).collect();
    let mut parameters = toy.parameters.clone();
    let mut task = toy.task(RewardKind::Probability);
    let mut heap = Heap::new(World::need_of(&config, &toy.stack, &layers, toy.labels.len()));
    let mut arena = heap.arena();
    let mut world = World::over(
        config,
        Kernel::auto(),
        &toy.stack,
        &mut parameters,
        &layers,
        toy.samples(),
        &mut task,
        &mut arena,
    )
    .unwrap();
    assert_eq!(arena.left().f32s, 0, "need_of() is what is used");
    look(&mut world, &layers)
}

fn several() -> impl Strategy<Value = &'static [&'static str]> {
    prop_oneof![
        Just(&["a", "b"][..]),
        Just(&["a", "c"][..]),
        Just(&["b", "c"][..]),
        Just(&["a", "b", "c"][..])
    ]
}

/// W and b of layer b times `scale`, the weights of layer c divided by it.
fn rescale(toy: &Toy, parameters: &mut [f32], scale: f32) {
    let layers = toy.stack.layers();
    let (edited, next) = (&layers[toy.layer()], &layers[toy.stack.find("c").unwrap()]);
    let mut times = |range: std::ops::Range<usize>, factor: f32| {
        parameters[range].iter_mut().for_each(|value| *value *= factor);
    };
    times(edited.weight_range(), scale);
    times(edited.bias_range().unwrap(), scale);
    times(next.weight_range(), 1.0 / scale);
}

fn actions(seed: u64, len: usize, steps: usize) -> Vec<Vec<f32>> {
    let mut rng = Rng::new(seed, Purpose::Search);
    (0..steps).map(|_| (0..len).map(|_| rng.uniform(-1.0, 1.0)).collect()).collect()
}

/// Rewards and final weights of one episode.
fn episode(world: &mut World<'_>, actions: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
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
    fn config()(
        mask in any::<bool>(),
        rank in 1usize..4,
        step in 0.1f32..4.0,
        absolute in any::<bool>(),
        lambda in 0.0f32..=1.0,
        horizon in 1usize..4,
        raw in any::<bool>(),
        difference in any::<bool>(),
        priced in any::<bool>(),
        clip in any::<bool>(),
    ) -> Config {
        Config {
            kind: if mask { WorldKind::Mask } else { WorldKind::Shift },
            rank,
            step,
            unit: if absolute { Unit::Absolute } else { Unit::Rms },
            lambda,
            horizon,
            observation: if raw { Observation::Raw } else { Observation::Flat },
            reward: if difference { RewardForm::Difference } else { RewardForm::Level },
            size_penalty: if priced { 0.1 } else { 0.0 },
            clip,
        }
    }
}

prop_compose! {
    fn toy()(
        features in 1usize..12,
        inputs in 1usize..20,
        outputs in 1usize..14,
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
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every rule of the public checker holds for every setting.
    #[test]
    fn both_worlds_keep_the_contract(
        toy in toy(), config in config(), kind in reward_kind(), seed in any::<u64>(),
    ) {
        with_world(&toy, kind, config, 1.0, |world| {
            let need = check_need(&world.spec(), world.original_weights().len());
            let mut heap = Heap::new(need);
            let checked = check_env(world, seed, &mut heap.arena());
            prop_assert!(checked.is_ok(), "{config:?}: {}", checked.unwrap_err());
            Ok(())
        })?;
    }

    /// Also for several layers at once.
    #[test]
    fn several_layers_keep_the_contract(
        toy in toy(), names in several(), config in config(), seed in any::<u64>(),
    ) {
        with_layers(&toy, names, config, |world, layers| {
            let weights: usize = layers
                .iter()
                .map(|&layer| toy.stack.layers()[layer].weight_range().len())
                .sum();
            let mut heap = Heap::new(check_need(&world.spec(), weights));
            let checked = check_env(world, seed, &mut heap.arena());
            prop_assert!(checked.is_ok(), "{config:?}: {}", checked.unwrap_err());
            prop_assert!(world.edited_part(names.len() - 1).is_some());
            prop_assert!(world.edited_part(names.len()).is_none());
            Ok(())
        })?;
    }

    /// An action that is drawn where the world keeps its own is worth what it is worth as a slice, and what it is as a
    /// first step; where it is out of range or no number, the errors are the same.
    #[test]
    fn actions_can_be_drawn_in_place(
        toy in toy(), names in several(), config in config(), seed in any::<u64>(), wide in 0.5f32..1.2,
    ) {
        with_layers(&toy, names, config, |world, _| {
            let mut drawn = actions(seed, world.spec().action.len, 3);
            drawn[0].iter_mut().for_each(|value| *value *= wide);
            drawn[1][0] = f32::NAN;
            for action in &drawn {
                let mut observation = vec![0.0; world.spec().observation.len];
                world.reset(0, &mut observation).unwrap();
                let stepped = world.step(action, &mut observation).map(|step| step.reward);
                let whole = world.evaluate(action);
                let in_place = world.evaluate_drawn(&mut |to| to.copy_from_slice(action));
                // A NaN is an error, so that rewards can be compared.
                prop_assert_eq!(&whole, &in_place);
                prop_assert_eq!(whole, stepped);
            }
            Ok(())
        })?;
    }

    /// A world that is opened in its place is the one that a constructor gives; before that it answers with errors.
    #[test]
    fn worlds_can_be_opened_in_place(
        toy in toy(), kind in reward_kind(), config in config(), seed in any::<u64>(),
    ) {
        let (inputs, outputs) = toy.stack.layers()[toy.layer()].kind().matrix().unwrap();
        let action = actions(seed, config.action_len(inputs, outputs), 1).remove(0);
        let (score, reward) = with_world(&toy, kind, config, 1.0, |world| {
            (world.original_score(), world.evaluate(&action))
        });
        let (mut task, stack) = (toy.task(kind), &toy.stack);
        let mut heap = Heap::new(World::need(&config, stack, toy.layer(), toy.labels.len()));
        let mut arena = heap.arena();
        let kernel = Kernel::auto();
        let samples = toy.samples();
        let mut world =
            World::unopened(config, kernel, stack, &toy.parameters, samples, &mut task);
        prop_assert!(world.evaluate(&action).is_err() && world.evaluate(&[]).is_err());
        prop_assert!(world.score_formed().is_err() && world.edited().is_none());
        world.open(&[toy.layer()], &mut arena).unwrap();
        prop_assert_eq!(arena.left().f32s, 0);
        prop_assert_eq!(world.original_score(), score);
        prop_assert_eq!(world.evaluate(&action), reward);
    }

    /// Every part of an action does to its layer what the same action does to it alone, and the reward is that
    /// of the network with all of them.
    #[test]
    fn layers_are_edited_as_each_alone(
        toy in toy(), names in several(), mut config in config(), seed in any::<u64>(),
    ) {
        config.size_penalty = 0.0;
        config.reward = RewardForm::Level;
        let (weights, rewards, actions) = with_layers(&toy, names, config, |world, _| {
            let actions = actions(seed, world.spec().action.len, config.horizon);
            let (rewards, _) = episode(world, &actions);
            let weights: Vec<Vec<f32>> = (0..names.len())
                .map(|part| world.edited_part(part).unwrap().weights.to_vec())
                .collect();
            (weights, rewards, actions)
        });
        let mut edited = toy.parameters.clone();
        let mut first = 0;
        for (name, weights) in names.iter().zip(&weights) {
            let own = with_layers(&toy, &[name], config, |world, _| {
                let len = world.spec().action.len;
                let own: Vec<f32> =
                    actions.iter().flat_map(|action| action[first..first + len].to_vec()).collect();
                world.apply(&own).unwrap();
                first += len;
                world.edited().unwrap().weights.to_vec()
            });
            prop_assert_eq!(bits(&own), bits(weights), "{}", name);
            let layer = toy.stack.find(name).unwrap();
            edited[toy.stack.layers()[layer].weight_range()].copy_from_slice(weights);
        }
        let mut heap = Heap::new(Plain::need(&toy.stack));
        let mut arena = heap.arena();
        let mut net =
            Plain::new(Kernel::auto(), &toy.stack, &edited, toy.samples(), &mut arena).unwrap();
        let score = toy.task(RewardKind::Probability).score(&mut net, Split::Reward).unwrap();
        let whole = config.lambda * score.utility + (1.0 - config.lambda) * score.edit;
        let paid = rewards[rewards.len() - 1];
        prop_assert!((whole - paid).abs() < 2e-3, "{whole}, paid {paid}");
    }

    #[test]
    fn the_zero_action_is_the_identity(toy in toy(), config in config()) {
        with_world(&toy, RewardKind::Probability, config, 1.0, |world| {
            let before = bits(world.original_weights());
            let value = world.reward_of(world.original_score());
            let len = world.spec().action.len;
            let (rewards, after) = episode(world, &[vec![0.0; len]]);
            prop_assert_eq!(before, bits(&after));
            let expected = match config.reward {
                RewardForm::Level => value,
                RewardForm::Difference => 0.0,
            };
            prop_assert_eq!(rewards[0], expected);
            Ok(())
        })?;
    }

    #[test]
    fn the_same_actions_give_the_same_bits(
        toy in toy(), config in config(), seed in any::<u64>(),
    ) {
        with_world(&toy, RewardKind::Probability, config, 1.0, |world| {
            let actions = actions(seed, world.spec().action.len, config.horizon);
            let (rewards, weights) = episode(world, &actions);
            let (again, weights_again) = episode(world, &actions);
            prop_assert_eq!(bits(&rewards), bits(&again));
            prop_assert_eq!(bits(&weights), bits(&weights_again));
            let formed: Vec<f32> = actions.concat();
            world.apply(&formed).unwrap();
            prop_assert_eq!(bits(world.edited().unwrap().weights), bits(&weights));
            Ok(())
        })?;
    }

    #[test]
    fn a_mask_keeps_zeros_and_bounds(
        mut toy in toy(), mut config in config(), seed in any::<u64>(), hole in any::<prop::sample::Index>(),
    ) {
        config.kind = WorldKind::Mask;
        let range = toy.stack.layers()[toy.layer()].weight_range();
        let hole = range.start + hole.index(range.len());
        toy.parameters[hole] = 0.0;
        with_world(&toy, RewardKind::Probability, config, 1.0, |world| {
            let before = world.original_weights().to_vec();
            let actions = actions(seed, world.spec().action.len, 1);
            let (_, after) = episode(world, &actions);
            prop_assert_eq!(after[hole - range.start], 0.0);
            for (old, new) in before.iter().zip(&after) {
                let most = old.abs() * config.step * 1.000_01;
                prop_assert!((new - old).abs() <= most, "{old} -> {new}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_shift_stays_within_its_step(
        toy in toy(), mut config in config(), seed in any::<u64>(),
    ) {
        config.kind = WorldKind::Shift;
        with_world(&toy, RewardKind::Probability, config, 1.0, |world| {
            let before = world.original_weights().to_vec();
            let actions = actions(seed, world.spec().action.len, 1);
            let (_, after) = episode(world, &actions);
            let Edit::Shift { step, .. } = world.edited().unwrap().edit else { unreachable!() };
            for (old, new) in before.iter().zip(&after) {
                let rounding = 4.0 * f32::EPSILON * (old.abs() + step);
                prop_assert!((new - old).abs() <= step + rounding, "{old} -> {new}, step {step}");
            }
            Ok(())
        })?;
    }

    /// In units of the layer's rms a function-preserving rescale by a power of two changes no bit of
    /// a run, observations included.
    #[test]
    fn a_rescaled_layer_gives_the_same_run(
        toy in toy(), mut config in config(), kind in reward_kind(), seed in any::<u64>(), power in -8i32..9,
    ) {
        config.unit = Unit::Rms;
        config.observation = Observation::Flat;
        let run = |scale: f32| {
            with_world(&toy, kind, config, scale, |world| {
                let actions = actions(seed, world.spec().action.len, config.horizon);
                let mut observation = vec![0.0; world.spec().observation.len];
                world.reset(0, &mut observation).unwrap();
                let mut trace = bits(&observation);
                for action in &actions {
                    let step = world.step(action, &mut observation).unwrap();
                    trace.push(step.reward.to_bits());
                    trace.extend(bits(&observation));
                }
                trace
            })
        };
        prop_assert_eq!(run(1.0), run(2f32.powi(power)));
    }

    #[test]
    fn bad_actions_are_answered_and_change_nothing(
        toy in toy(), config in config(), seed in any::<u64>(), at in any::<prop::sample::Index>(),
        bad in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(1.5f32), Just(-7.0f32)],
    ) {
        with_world(&toy, RewardKind::Probability, config, 1.0, |world| {
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
            action[index] = 0.5;
            prop_assert!(world.step(&action, &mut observation).is_ok(), "the episode goes on");
            Ok(())
        })?;
    }
}

/// The same figures (not the same bits) for a rescale that is no power of two.
#[test]
fn a_rescale_by_ten_gives_the_same_figures() {
    let toy = Toy::new(8, 16, 12, 80, 3);
    for kind in [WorldKind::Shift, WorldKind::Mask] {
        let config = Config::new(kind);
        let run = |scale| {
            with_world(&toy, RewardKind::Probability, config, scale, |world| {
                let len = world.spec().action.len;
                (0..20)
                    .map(|seed| episode(world, &actions(seed, len, 1)).0[0])
                    .collect::<Vec<f32>>()
            })
        };
        for (ours, theirs) in run(1.0).iter().zip(run(10.0)) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} against {theirs}");
        }
    }
}

/// An absolute step is not invariant: the test above would notice.
#[test]
fn an_absolute_step_does_notice_a_rescale() {
    let toy = Toy::new(8, 16, 12, 80, 3);
    let config = Config { unit: Unit::Absolute, ..Config::new(WorldKind::Shift) };
    let run = |scale| {
        with_world(&toy, RewardKind::Probability, config, scale, |world| {
            let actions = actions(1, world.spec().action.len, 1);
            episode(world, &actions).0[0]
        })
    };
    assert!((run(1.0) - run(10.0)).abs() > 1e-3);
}

/// The thin form of a shift and the formed weights agree to rounding, over several steps.
#[test]
fn thin_and_formed_shifts_agree() {
    let toy = Toy::new(10, 24, 17, 130, 5);
    let config = Config { horizon: 3, rank: 2, ..Config::new(WorldKind::Shift) };
    with_world(&toy, RewardKind::Probability, config, 1.0, |world| {
        let actions = actions(9, world.spec().action.len, 3);
        let (rewards, _) = episode(world, &actions);
        world.apply(&actions.concat()).unwrap();
        let formed = world.score_formed().unwrap();
        assert!((world.reward_of(formed) - rewards[2]).abs() < 1e-5);
    });
}

#[test]
fn a_slab_one_value_short_is_refused() {
    let toy = Toy::new(6, 9, 7, 40, 1);
    for kind in [WorldKind::Mask, WorldKind::Shift] {
        let config = Config { horizon: 2, ..Config::new(kind) };
        let mut need = World::need(&config, &toy.stack, toy.layer(), toy.labels.len());
        need.f32s -= 1;
        let mut heap = Heap::new(need);
        let mut parameters = toy.parameters.clone();
        let mut task = toy.task(RewardKind::Probability);
        let world = World::new(
            config,
            Kernel::auto(),
            &toy.stack,
            &mut parameters,
            toy.layer(),
            toy.samples(),
            &mut task,
            &mut heap.arena(),
        );
        assert!(world.unwrap_err().to_string().contains("the slab holds"));
    }
}

/// A layer of zeros has no unit: a shift does nothing, and no division by zero is seen.
#[test]
fn a_layer_of_zeros_stays_finite() {
    let mut toy = Toy::new(6, 9, 7, 40, 1);
    let range = toy.stack.layers()[toy.layer()].weight_range();
    toy.parameters[range].fill(0.0);
    for kind in [WorldKind::Mask, WorldKind::Shift] {
        let config = Config { size_penalty: 0.5, ..Config::new(kind) };
        with_world(&toy, RewardKind::Probability, config, 1.0, |world| {
            let actions = actions(2, world.spec().action.len, 1);
            let (rewards, weights) = episode(world, &actions);
            assert!(rewards[0].is_finite());
            assert!(weights.iter().all(|&weight| weight == 0.0));
        });
    }
}

/// A network whose own logits overflow has no value to compare with: it is refused, not paid in NaN.
#[test]
fn a_network_that_overflows_by_itself_is_refused() {
    let mut toy = Toy::new(6, 9, 7, 40, 1);
    for name in ["a", "b", "c"] {
        let range = toy.stack.layers()[toy.stack.find(name).unwrap()].weight_range();
        toy.parameters[range].iter_mut().for_each(|weight| *weight *= 1e20);
    }
    for kind in [WorldKind::Mask, WorldKind::Shift] {
        let config = Config { reward: RewardForm::Difference, horizon: 2, ..Config::new(kind) };
        let mut parameters = toy.parameters.clone();
        let mut task = toy.task(RewardKind::Probability);
        let mut heap = Heap::new(World::need(&config, &toy.stack, toy.layer(), toy.labels.len()));
        let world = World::new(
            config,
            Kernel::auto(),
            &toy.stack,
            &mut parameters,
            toy.layer(),
            toy.samples(),
            &mut task,
            &mut heap.arena(),
        );
        assert!(world.unwrap_err().to_string().contains("not finite"));
    }
}

/// The promised reward range holds, and is never NaN, for steps and layers of any size.
#[test]
fn the_reward_range_survives_absurd_steps() {
    let mut toy = Toy::new(6, 9, 7, 40, 1);
    let range = toy.stack.layers()[toy.layer()].weight_range();
    toy.parameters[range].iter_mut().for_each(|weight| *weight *= 1e15);
    for (step, size_penalty, horizon) in
        [(1e25, 1e25, 2), (1e25, 1e-3, 2), (f32::MAX, 0.1, 4), (1e-30, 1e30, 3), (2.0, 0.1, 2)]
    {
        for kind in [WorldKind::Shift, WorldKind::Mask] {
            for reward in [RewardForm::Level, RewardForm::Difference] {
                let unit = Unit::Absolute;
                let base = Config::new(kind);
                let config = Config { step, size_penalty, horizon, unit, reward, ..base };
                with_world(&toy, RewardKind::Accuracy, config, 1.0, |world| {
                    let (low, high) = world.spec().reward;
                    assert!(low <= 0.0 && high >= 1.0, "{config:?}: [{low}, {high}]");
                    assert_eq!(world.spec(), world.spec());
                    let mut observation = vec![0.0; world.spec().observation.len];
                    world.reset(0, &mut observation).unwrap();
                    for action in actions(3, world.spec().action.len, horizon) {
                        // A step that would leave f32 is refused; a paid one keeps the promise.
                        let Ok(step) = world.step(&action, &mut observation) else { break };
                        let within = (low..=high).contains(&step.reward);
                        assert!(within, "{config:?}: {} outside [{low}, {high}]", step.reward);
                    }
                });
            }
        }
    }
}
