//! Convolutional layers under edit: their weights as a matrix, run with formed weights.

use reweight::env::{Env, check_env, check_need};
use reweight::kernel::{Batch, Kernel};
use reweight::model::{Change, Forward, ForwardError, Plain, Prefix, Samples, Split};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use reweight::task::{ClassSet, RewardKind, Task, Unlearning};
use reweight::world::{Config, RewardForm, Unit, World, WorldKind};

/// Two convolutions, pooling and a dense layer, with random weights and samples.
struct Net {
    stack: Stack,
    parameters: Vec<f32>,
    batch: Batch,
    inputs: Vec<f32>,
    labels: Vec<u8>,
}

impl Net {
    fn new(samples: usize) -> Self {
        let mut stack = Stack::new([2, 7, 6]);
        stack.conv2d("a", 5, [3, 2], [1, 1], [1, 0]).unwrap().relu().unwrap();
        stack.max_pool([2, 2], [2, 2]).unwrap();
        stack.conv2d("b", 4, [2, 2], [1, 1], [1, 1]).unwrap().relu().unwrap();
        stack.dense("c", 3).unwrap();
        let mut rng = Rng::new(4, Purpose::Weights);
        let mut parameters = vec![0.0; stack.parameters()];
        stack.initialise(Init::HeUniform, &mut parameters, &mut rng).unwrap();
        let batch = Batch::lanes(samples);
        let rows: Vec<f32> = (0..samples * stack.inputs()).map(|_| rng.normal()).collect();
        let mut inputs = vec![0.0; batch.len(stack.inputs())];
        Kernel::auto().to_panels(batch, stack.inputs(), &rows, &mut inputs).unwrap();
        let labels = (0..samples).map(|sample| (sample % 3) as u8).collect();
        Self { stack, parameters, batch, inputs, labels }
    }

    fn samples(&self) -> Samples<'_> {
        Samples { batch: self.batch, inputs: &self.inputs, labels: &self.labels }
    }

    fn task(&self) -> Unlearning<'_> {
        let kind = RewardKind::Probability;
        Unlearning::new(ClassSet::of(&[1]), kind, [&[], &self.labels, &[]])
    }

    fn with_world<R>(
        &self,
        config: Config,
        layer: &str,
        look: impl FnOnce(&mut World<'_>) -> R,
    ) -> R {
        let layer = self.stack.find(layer).unwrap();
        let mut parameters = self.parameters.clone();
        let mut task = self.task();
        let mut heap = Heap::new(World::need(&config, &self.stack, layer, self.labels.len()));
        let mut arena = heap.arena();
        let mut world = World::new(
            config,
            Kernel::auto(),
            &self.stack,
            &mut parameters,
            layer,
            self.samples(),
            &mut task,
            &mut arena,
        )
        .unwrap();
        assert_eq!(arena.left().f32s, 0, "need() is what is used");
        look(&mut world)
    }
}

#[test]
fn worlds_around_convolutions_keep_the_contract() {
    let net = Net::new(70);
    for kind in [WorldKind::Shift, WorldKind::Mask] {
        for (layer, rank, horizon) in [("a", 1, 1), ("b", 2, 1), ("a", 2, 3), ("b", 1, 2)] {
            for (unit, reward) in
                [(Unit::Rms, RewardForm::Level), (Unit::Absolute, RewardForm::Difference)]
            {
                let config = Config { rank, horizon, unit, reward, ..Config::new(kind) };
                net.with_world(config, layer, |world| {
                    let need = check_need(&world.spec(), world.original_weights().len());
                    let mut heap = Heap::new(need);
                    let checked = check_env(world, 3, &mut heap.arena());
                    assert!(checked.is_ok(), "{config:?}: {}", checked.unwrap_err());
                });
            }
        }
    }
}

/// What a step pays is what the whole network, run from its inputs with the edited weights, is worth,
/// bit for bit.
#[test]
fn rewards_are_those_of_the_whole_edited_network() {
    let net = Net::new(75);
    for (kind, layer, horizon) in
        [(WorldKind::Shift, "a", 2), (WorldKind::Mask, "a", 1), (WorldKind::Shift, "b", 1)]
    {
        let config = Config { rank: 2, horizon, ..Config::new(kind) };
        net.with_world(config, layer, |world| {
            let spec = world.spec();
            let layer = &net.stack.layers()[net.stack.find(layer).unwrap()];
            let (inputs, outputs) = layer.kind().matrix().unwrap();
            assert_eq!(spec.action.len, 2 * (inputs + outputs));
            assert_eq!(inputs * outputs, world.original_weights().len());
            let mut observation = vec![0.0; spec.observation.len];
            world.reset(0, &mut observation).unwrap();
            let mut rng = Rng::new(8, Purpose::Search);
            for _ in 0..horizon {
                let action: Vec<f32> =
                    (0..spec.action.len).map(|_| rng.uniform(-1.0, 1.0)).collect();
                let step = world.step(&action, &mut observation).unwrap();
                let mut parameters = net.parameters.clone();
                parameters[layer.weight_range()].copy_from_slice(world.edited().unwrap().weights);
                let mut heap = Heap::new(Plain::need(&net.stack));
                let mut plain = Plain::new(
                    Kernel::auto(),
                    &net.stack,
                    &parameters,
                    net.samples(),
                    &mut heap.arena(),
                )
                .unwrap();
                let score = net.task().score(&mut plain, Split::Reward).unwrap();
                assert_eq!(step.reward, world.reward_of(score));
            }
        });
    }
}

#[test]
fn a_convolution_has_no_thin_form() {
    let mut net = Net::new(40);
    let layer = net.stack.find("a").unwrap();
    let mut parameters = std::mem::take(&mut net.parameters);
    for (index, fine) in [(layer, true), (layer + 1, false)] {
        let mut heap = Heap::new(Prefix::need(&net.stack, index, 40, 1, true));
        let prefix = Prefix::new(
            Kernel::auto(),
            &net.stack,
            &mut parameters,
            index,
            net.samples(),
            1,
            true,
            &mut heap.arena(),
        );
        let Ok(mut prefix) = prefix else {
            assert_eq!(prefix.unwrap_err(), ForwardError::NoWeights { layer: index });
            assert!(!fine);
            continue;
        };
        assert!(fine && !prefix.is_thin());
        assert_eq!((prefix.inputs(), prefix.outputs()), (12, 5));
        let (u, v) = (vec![0.0; 5], vec![0.0; 12]);
        assert!(prefix.accumulate(1, &u, &v).is_err());
        let mut changed = prefix.with(Change::LowRank { rank: 1, u: &u, v: &v });
        let refused = changed.for_each_logits(&mut |_| ());
        assert_eq!(refused, Err(ForwardError::NotThin { layer }));
    }
}
