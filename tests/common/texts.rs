//! A small classifier with random weights on random texts, for tests of worlds over sparse samples.

use reweight::kernel::{Bag, Kernel};
use reweight::metric::bias::Membership;
use reweight::model::SparseSamples;
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use reweight::task::{Debiasing, DebiasingConfig, DebiasingPart, Readout};
use reweight::world::{Config, World};

/// A small classifier on random texts with two overlapping groups.
pub(crate) struct Toy {
    pub(crate) stack: Stack,
    pub(crate) parameters: Vec<f32>,
    offsets: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
    pub(crate) labels: Vec<u8>,
    pub(crate) members: Vec<u64>,
    pub(crate) missing: Vec<u64>,
}

impl Toy {
    pub(crate) fn new(words: usize, texts: usize, seed: u64) -> Self {
        let mut stack = Stack::new([words, 1, 1]);
        stack.dense("a", 9).unwrap().relu().unwrap().dense("b", 5).unwrap().relu().unwrap();
        stack.dense("c", 2).unwrap();
        let mut parameters = vec![0.0; stack.parameters()];
        let mut rng = Rng::new(seed, Purpose::Weights);
        stack.initialise(Init::HeUniform, &mut parameters, &mut rng).unwrap();
        let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for _ in 0..texts {
            for word in 0..words as u32 {
                if rng.unit() < 0.3 {
                    columns.push(word);
                    values.push(rng.unit());
                }
            }
            offsets.push(columns.len() as u32);
        }
        let labels = (0..texts).map(|text| u8::from(text % 3 == 0)).collect();
        let members = (0..texts as u64).map(|text| text / 2 % 4).collect();
        let missing = (0..texts as u64).map(|text| u64::from(text % 11 == 0)).collect();
        Self { stack, parameters, offsets, columns, values, labels, members, missing }
    }

    pub(crate) fn bag(&self) -> Bag<'_> {
        Bag::new(self.stack.inputs(), &self.offsets, &self.columns, &self.values).unwrap()
    }

    pub(crate) fn samples(&self) -> SparseSamples<'_> {
        SparseSamples { bag: self.bag(), labels: &self.labels, fixed: None }
    }

    fn part(&self, matched: Option<f64>) -> DebiasingPart<'_> {
        let membership = Membership { groups: 2, members: &self.members, missing: &self.missing };
        DebiasingPart { labels: &self.labels, membership, matched }
    }

    pub(crate) fn with_world<R>(
        &self,
        kernel: Kernel,
        world: Config,
        config: DebiasingConfig,
        layer: usize,
        look: impl FnOnce(&mut World<'_>) -> R,
    ) -> R {
        let sizes = [(self.labels.len(), 2)];
        let (mut heap, mut wide) =
            (Heap::new(Debiasing::unmatched_need(&sizes)), vec![0; Debiasing::scratch(&sizes)]);
        let parts = [self.part(None)];
        let mut arena = heap.arena();
        let mut task =
            Debiasing::new(config, Readout::Softmax, &parts, &mut arena, &mut wide).unwrap();
        assert_eq!((arena.left().f32s, arena.left().u32s), (0, 0), "need() is what is used");
        let need = World::sparse_need(&world, &self.stack, layer, self.labels.len());
        let mut heap = Heap::new(need);
        let mut own = self.parameters.clone();
        let (stack, samples) = (&self.stack, self.samples());
        let mut arena = heap.arena();
        let mut world =
            World::sparse(world, kernel, stack, &mut own, layer, samples, &mut task, &mut arena)
                .unwrap();
        assert_eq!(arena.left().f32s, 0, "need() is what is used");
        look(&mut world)
    }
}
