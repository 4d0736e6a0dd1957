//! Quantised networks over sparse rows: the same integers as over the same samples in full.

use proptest::prelude::*;
use reweight::env::Env;
use reweight::kernel::{Bag, Batch, Kernel};
use reweight::model::int8::{
    Int8Activations, Int8Network, Int8Parameters, Int8Plain, Int8Prefix, Int8Sparse, Int8Stack,
};
use reweight::model::{Forward, Samples};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::slab::{Heap, IntHeap};
use reweight::task::{ClassSet, RewardKind, Unlearning};
use reweight::world::int8::{Int8Form, Int8Range, Int8World};
use reweight::world::{Config, WorldKind};

/// A network over words and texts, sparse and in full.
struct Texts {
    stack: Stack,
    parameters: Vec<f32>,
    offsets: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
    panels: Vec<f32>,
    labels: Vec<u8>,
}

impl Texts {
    fn new(seed: u64, words: usize, hidden: &[usize], samples: usize) -> Self {
        let mut rng = Rng::new(seed, Purpose::Weights);
        let mut stack = Stack::new([words, 1, 1]);
        for (index, &units) in hidden.iter().enumerate() {
            stack.dense(&format!("h{index}"), units).unwrap().relu().unwrap();
        }
        stack.dense("out", 2).unwrap();
        let mut parameters = vec![0.0; stack.parameters()];
        stack.initialise(Init::HeUniform, &mut parameters, &mut rng).unwrap();
        parameters.iter_mut().for_each(|value| *value += 0.05 * rng.normal());
        let (mut offsets, mut columns, mut values) = (vec![0], vec![], vec![]);
        let mut rows = vec![0.0; samples * words];
        for row in rows.chunks_exact_mut(words) {
            for (word, to) in row.iter_mut().enumerate() {
                if rng.uniform(0.0, 1.0) < 0.2 {
                    *to = rng.uniform(-0.2, 3.0);
                    columns.push(word as u32);
                    values.push(*to);
                }
            }
            offsets.push(columns.len() as u32);
        }
        let batch = Batch::lanes(samples);
        let mut panels = vec![0.0; batch.len(words)];
        Kernel::auto().to_panels(batch, words, &rows, &mut panels).unwrap();
        let labels = (0..samples).map(|sample| (sample % 2) as u8).collect();
        Self { stack, parameters, offsets, columns, values, panels, labels }
    }

    fn bag(&self) -> Bag<'_> {
        Bag::new(self.stack.inputs(), &self.offsets, &self.columns, &self.values).unwrap()
    }

    fn sparse(&self) -> Int8Sparse<'_> {
        Int8Sparse { bag: self.bag(), labels: &self.labels, fixed: None }
    }

    fn samples(&self) -> Samples<'_> {
        let batch = Batch::lanes(self.labels.len());
        Samples { batch, inputs: &self.panels, labels: &self.labels }
    }

    /// The scales by sparse rows, which are those by full ones, and the integers.
    fn quantised<R>(&self, look: impl FnOnce(&Int8Stack, &mut Int8Parameters<'_>) -> R) -> R {
        let (kernel, how) = (Kernel::auto(), Int8Activations::Affine);
        let (stack, parameters) = (&self.stack, &self.parameters[..]);
        let mut heap = Heap::new(Int8Stack::calibration_need(stack));
        let (bag, samples) = (self.bag(), self.samples());
        let plan =
            Int8Stack::calibrated_sparse(kernel, stack, parameters, bag, how, &mut heap.arena())
                .unwrap();
        let full =
            Int8Stack::calibrated(kernel, stack, parameters, 0, samples, how, &mut heap.arena());
        assert_eq!(plan, full.unwrap());
        let (need, ints) = Int8Parameters::need(&plan);
        let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
        let mut made = Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
        made.quantise(&plan, stack, parameters).unwrap();
        look(&plan, &mut made)
    }
}

fn logits(net: &mut dyn Forward) -> Vec<f32> {
    let mut all = vec![];
    net.for_each_logits(&mut |logits| {
        for sample in 0..logits.batch.samples() {
            let at = |class| logits.values[logits.batch.at(logits.classes, sample, class)];
            all.extend((0..logits.classes).map(at));
        }
    })
    .unwrap();
    all
}

fn plain(network: Int8Network<'_>, samples: Samples<'_>) -> Vec<f32> {
    let (need, ints) = Int8Plain::need(network.stack);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let (mut arena, mut ints) = (heap.arena(), ints.arena());
    let mut net = Int8Plain::new(Kernel::auto(), network, samples, &mut arena, &mut ints).unwrap();
    logits(&mut net)
}

fn plain_sparse(network: Int8Network<'_>, samples: Int8Sparse<'_>) -> Vec<f32> {
    let (need, ints) = Int8Plain::sparse_need(network.stack, &samples.bag);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let (mut arena, mut ints) = (heap.arena(), ints.arena());
    let net = Int8Plain::sparse(Kernel::auto(), network, samples, &mut arena, &mut ints);
    assert_eq!((arena.left().f32s, ints.left().bytes()), (0, 0), "need() is what is used");
    logits(&mut net.unwrap())
}

/// Runs an edit of layer `layer` by hand; logits before, after.
fn edited(
    texts: &Texts,
    network: Int8Network<'_>,
    layer: usize,
    sparse: bool,
) -> (Vec<f32>, Vec<f32>) {
    let (need, ints) = match sparse {
        true => Int8Prefix::sparse_need(network.stack, layer, &texts.bag()),
        false => Int8Prefix::need(network.stack, layer, texts.labels.len()),
    };
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let (mut arena, mut ints, kernel) = (heap.arena(), ints.arena(), Kernel::auto());
    let prefix = match sparse {
        true => Int8Prefix::sparse(kernel, network, layer, texts.sparse(), &mut arena, &mut ints),
        false => Int8Prefix::new(kernel, network, layer, texts.samples(), &mut arena, &mut ints),
    };
    assert_eq!((arena.left().f32s, ints.left().bytes()), (0, 0), "need() is what is used");
    let mut prefix = prefix.unwrap();
    let before = logits(&mut prefix);
    let now = prefix.edited();
    now.weights.iter_mut().for_each(|w| *w = w.saturating_neg());
    now.scales[0] *= 2.0;
    now.bias[0] += 1000;
    prefix.commit().unwrap();
    (before, logits(&mut prefix))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Scales, logits, edits of every layer and rewards of both worlds are the same bits.
    #[test]
    fn sparse_rows_are_the_same_samples(
        seed in any::<u64>(),
        words in 1usize..70,
        hidden in prop::collection::vec(1usize..40, 0..3),
        samples in 2usize..60,
    ) {
        let texts = Texts::new(seed, words, &hidden, samples);
        texts.quantised(|plan, made| {
            let network = made.network(plan);
            let full = plain(network, texts.samples());
            prop_assert_eq!(&plain_sparse(network, texts.sparse()), &full);
            for layer in 0..plan.layers().len() {
                let dense = edited(&texts, network, layer, false);
                prop_assert_eq!(&dense.0, &full);
                prop_assert_eq!(&edited(&texts, network, layer, true), &dense);
                for kind in [WorldKind::Mask, WorldKind::Shift] {
                    let how = (Int8Form::Weights, Int8Range::Saturate);
                    let dense = rewards(&texts, network, layer, kind, how, false);
                    prop_assert_eq!(&rewards(&texts, network, layer, kind, how, true), &dense);
                }
                let how = (Int8Form::RowMultipliers, Int8Range::Saturate);
                let dense = rewards(&texts, network, layer, WorldKind::Mask, how, false);
                let sparse = rewards(&texts, network, layer, WorldKind::Mask, how, true);
                prop_assert_eq!(&sparse, &dense);
            }
            Ok(())
        })?;
    }
}

/// Rewards of two random actions, and the integers after both.
fn rewards(
    texts: &Texts,
    network: Int8Network<'_>,
    layer: usize,
    kind: WorldKind,
    how: (Int8Form, Int8Range),
    sparse: bool,
) -> (Vec<f32>, Vec<i8>) {
    let labels = [&texts.labels[..]; 3];
    let config = Config { horizon: 2, ..Config::new(kind) };
    let mut task = Unlearning::new(ClassSet::of(&[1]), RewardKind::Accuracy, labels);
    let (need, ints) = match sparse {
        true => Int8World::sparse_need(&config, how.0, network.stack, layer, &texts.bag()),
        false => Int8World::need(&config, how.0, network.stack, layer, texts.labels.len()),
    };
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let (mut arena, mut ints, kernel) = (heap.arena(), ints.arena(), Kernel::auto());
    let world = if sparse {
        let samples = texts.sparse();
        Int8World::sparse(
            config, how, kernel, network, layer, samples, &mut task, &mut arena, &mut ints,
        )
    } else {
        let samples = texts.samples();
        Int8World::new(
            config, how, kernel, network, layer, samples, &mut task, &mut arena, &mut ints,
        )
    };
    assert_eq!((arena.left().f32s, ints.left().bytes()), (0, 0), "need() is what is used");
    let mut world = world.unwrap();
    let spec = world.spec();
    let (mut rng, mut seen) = (Rng::new(7, Purpose::Search), vec![0.0; spec.observation.len]);
    world.reset(0, &mut seen).unwrap();
    let rewards = (0..2).map(|_| {
        let action: Vec<f32> = (0..spec.action.len).map(|_| rng.uniform(-1.0, 1.0)).collect();
        world.step(&action, &mut seen).unwrap().reward
    });
    let rewards = rewards.collect();
    (rewards, world.integers().0.to_vec())
}

/// Words that are not in the bag come as the sums that they add up to: nothing else changes.
#[test]
fn fixed_sums_stand_for_words_that_are_left_out() {
    let texts = Texts::new(5, 30, &[12, 7], 45);
    let (kernel, kept) = (Kernel::auto(), 11u32);
    // Rows of the first eleven words, and of the others.
    let part = |with: &dyn Fn(u32) -> bool| {
        let (mut offsets, mut columns, mut values) = (vec![0u32], vec![], vec![]);
        for sample in 0..texts.labels.len() {
            let (row, of) = texts.bag().row(sample);
            for (&column, &value) in row.iter().zip(of).filter(|(column, _)| with(**column)) {
                columns.push(column);
                values.push(value);
            }
            offsets.push(columns.len() as u32);
        }
        (offsets, columns, values)
    };
    let (few, others) = (part(&|word| word < kept), part(&|word| word >= kept));
    texts.quantised(|plan, made| {
        let network = made.network(plan);
        let want = plain_sparse(network, texts.sparse());
        let rows = Bag::new(30, &others.0, &others.1, &others.2).unwrap();
        let mut fixed = vec![0; 45 * 12];
        let mut ints = IntHeap::new(Int8Network::first_sums_need(plan, &rows));
        let mut ints = ints.arena();
        network.first_sums(kernel, rows, &mut ints, &mut fixed).unwrap();
        assert_eq!(ints.left().bytes(), 0, "need() is what is used");
        assert!(network.first_sums(kernel, rows, &mut ints, &mut fixed).is_err());
        let bag = Bag::new(30, &few.0, &few.1, &few.2).unwrap();
        let samples = Int8Sparse { bag, labels: &texts.labels, fixed: Some(&fixed) };
        assert_eq!(plain_sparse(network, samples), want);
        assert_ne!(plain_sparse(network, Int8Sparse { fixed: None, ..samples }), want);
    });
}

#[test]
fn what_does_not_fit_is_answered() {
    let texts = Texts::new(1, 9, &[4], 10);
    texts.quantised(|plan, made| {
        let network = made.network(plan);
        let (need, ints) = Int8Plain::sparse_need(plan, &texts.bag());
        let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
        let mut made = |samples| {
            let (mut arena, mut ints) = (heap.arena(), ints.arena());
            let net = Int8Plain::sparse(Kernel::auto(), network, samples, &mut arena, &mut ints);
            net.map(|_| ()).map_err(|error| error.to_string())
        };
        let samples = texts.sparse();
        made(samples).unwrap();
        assert!(made(Int8Sparse { labels: &texts.labels[1..], ..samples }).is_err());
        assert!(made(Int8Sparse { fixed: Some(&[0; 39]), ..samples }).is_err());
        let wider = Bag::new(10, &texts.offsets, &texts.columns, &texts.values).unwrap();
        assert!(made(Int8Sparse { bag: wider, ..samples }).unwrap_err().contains("input"));
        // Scales of the first layer's rows may not grow: words that no text has share them.
        let labels = [&texts.labels[..]; 3];
        let mut task = Unlearning::new(ClassSet::of(&[1]), RewardKind::Accuracy, labels);
        let (mut none, mut no_ints) =
            (Heap::new(Default::default()), IntHeap::new(Default::default()));
        let mut world = |layer| {
            Int8World::sparse(
                Config::new(WorldKind::Mask),
                (Int8Form::Weights, Int8Range::Grow),
                Kernel::auto(),
                network,
                layer,
                samples,
                &mut task,
                &mut none.arena(),
                &mut no_ints.arena(),
            )
            .map(|_| ())
            .unwrap_err()
            .to_string()
        };
        assert!(world(0).contains("saturating"), "{}", world(0));
        assert!(!world(1).contains("saturating"), "too small a slab comes first there");
    });
    // Networks whose first quantised layer is not the first of all have nowhere to put rows.
    let mut heap = Heap::new(Int8Stack::calibration_need(&texts.stack));
    let mut between = vec![0.0; Batch::lanes(10).len(4)];
    between.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
    let samples = Samples { batch: Batch::lanes(10), inputs: &between, labels: &texts.labels };
    let plan = Int8Stack::calibrated(
        Kernel::auto(),
        &texts.stack,
        &texts.parameters,
        2,
        samples,
        Int8Activations::Affine,
        &mut heap.arena(),
    )
    .unwrap();
    let (need, ints) = Int8Parameters::need(&plan);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let made = Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
    let (need, ints) = Int8Plain::sparse_need(&plan, &texts.bag());
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let (mut arena, mut ints) = (heap.arena(), ints.arena());
    let network = made.network(&plan);
    let net = Int8Plain::sparse(Kernel::auto(), network, texts.sparse(), &mut arena, &mut ints);
    assert!(net.unwrap_err().to_string().contains("sparse samples are for a first layer"));
}
