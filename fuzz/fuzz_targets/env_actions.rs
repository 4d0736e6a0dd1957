//! Any settings and any actions in both worlds: no panic, no weight that is not finite, no reward
//! outside the promised range, and nothing changed by an error.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::Toy;
use libfuzzer_sys::fuzz_target;
use reweight::env::{End, Env};
use reweight::kernel::Kernel;
use reweight::slab::Heap;
use reweight::task::RewardKind;
use reweight::world::{Config, Observation, RewardForm, Unit, World, WorldKind};

/// Steps and prices, from the smallest to the largest.
const SIZES: [f32; 16] = [
    1e-45,
    1e-30,
    1e-8,
    1e-3,
    0.1,
    0.5,
    1.0,
    1.5,
    2.0,
    4.0,
    100.0,
    1e6,
    1e15,
    1e25,
    1e38,
    f32::MAX,
];

/// The input, front to back; zeros behind its end.
struct Input<'b>(&'b [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn from(&mut self, low: usize, high: usize) -> usize {
        low + usize::from(self.byte()) % (high - low + 1)
    }

    fn float(&mut self) -> f32 {
        f32::from_le_bytes([(); 4].map(|()| self.byte()))
    }

    fn size(&mut self) -> f32 {
        SIZES[self.from(0, 15)]
    }

    /// Actions of any floats, or of eighths from −1 to 1 (with some beyond).
    fn action(&mut self, len: usize, any: bool) -> Vec<f32> {
        let eighth = |byte: u8| f32::from(byte.cast_signed() % 10) / 8.0;
        (0..len).map(|_| if any { self.float() } else { eighth(self.byte()) }).collect()
    }
}

fn bits(world: &World<'_>) -> Vec<u32> {
    let weights = world.edited().unwrap().weights;
    assert!(weights.iter().all(|weight| weight.is_finite()));
    weights.iter().map(|weight| weight.to_bits()).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let flags = input.byte();
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let config = Config {
        kind: if flag(0) { WorldKind::Mask } else { WorldKind::Shift },
        unit: if flag(1) { Unit::Absolute } else { Unit::Rms },
        observation: if flag(2) { Observation::Raw } else { Observation::Flat },
        reward: if flag(3) { RewardForm::Difference } else { RewardForm::Level },
        clip: flag(4),
        rank: input.from(0, 4),
        horizon: input.from(0, 4),
        step: input.size(),
        lambda: f32::from(input.byte()) / 255.0,
        size_penalty: if flag(5) { input.size() } else { 0.0 },
    };
    let kind = if flag(6) { RewardKind::Accuracy } else { RewardKind::Probability };
    let sizes = [input.from(1, 4), input.from(1, 6), input.from(1, 6), input.from(2, 40)];
    let mut toy = Toy::new(sizes[0], sizes[1], sizes[2], sizes[3], u64::from(input.byte()));
    if flag(7) {
        // One of the layers in another scale; what overflows in building it is left out.
        let layer = &toy.stack.layers()[[0, 2, 4][input.from(0, 2)]];
        let scale = input.size();
        toy.parameters[layer.range()].iter_mut().for_each(|value| *value *= scale);
        if toy.parameters.iter().any(|value| !value.is_finite()) {
            return;
        }
    }
    let mut parameters = toy.parameters.clone();
    let mut task = toy.task(kind);
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
    let Ok(mut world) = world else {
        // Only settings are at fault, or a network that overflows.
        assert!(config.validate().is_err() || flag(7), "{config:?}: {}", world.unwrap_err());
        return;
    };
    let spec = world.spec();
    let mut observation = vec![0.0; spec.observation.len];
    let original = bits(&world);
    let mut running = None;
    while !input.0.is_empty() {
        let before = bits(&world);
        let choice = input.byte();
        let any = choice & 0x80 != 0;
        match choice % 8 {
            0 => {
                world.reset(u64::from(choice), &mut observation).unwrap();
                assert_eq!(bits(&world), original);
                running = Some(0);
            }
            1 => {
                let len = input.from(0, 80);
                let mut other = vec![0.0; len];
                let result = world.reset(0, &mut other);
                assert_eq!(result.is_ok(), len == observation.len());
                match result {
                    Ok(()) => running = Some(0),
                    Err(_) => assert_eq!(bits(&world), before),
                }
            }
            2 => {
                let len = input.from(0, 80);
                let action = input.action(len, any);
                if len != spec.action.len {
                    assert!(world.step(&action, &mut observation).is_err());
                    assert_eq!(bits(&world), before);
                }
            }
            3 => {
                let steps = input.from(0, 3);
                let actions = input.action(steps * spec.action.len, any);
                let _ = world.apply(&actions);
                running = None;
            }
            _ => {
                let action = input.action(spec.action.len, any);
                let fits = action.iter().all(|value| {
                    value.is_finite() && (config.clip || (-1.0..=1.0).contains(value))
                });
                match world.step(&action, &mut observation) {
                    Err(_) => assert_eq!(bits(&world), before),
                    Ok(step) => {
                        assert!(fits, "{action:?} was carried out");
                        let (low, high) = spec.reward;
                        assert!(
                            step.reward.is_finite() && step.reward >= low && step.reward <= high,
                            "{} outside [{low}, {high}]: {config:?}",
                            step.reward
                        );
                        let time = running.unwrap() + 1;
                        let last = time == config.horizon;
                        assert_eq!(step.end, if last { End::Terminated } else { End::Running });
                        running = (!last).then_some(time);
                        if config.observation == Observation::Raw {
                            assert!(observation.iter().all(|value| value.is_finite()));
                        }
                    }
                }
            }
        }
        assert!(bits(&world).len() == original.len());
        assert_eq!(world.spec(), spec);
    }
});
