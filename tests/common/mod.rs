//! A small network with random weights on random samples, for tests of worlds and editors.

use reweight::kernel::{Batch, Kernel};
use reweight::model::Samples;
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::task::{ClassSet, RewardKind, Unlearning};

/// Classes of the toy problem.
pub(crate) const CLASSES: usize = 4;

/// What a world is built around.
#[derive(Debug)]
pub(crate) struct Toy {
    pub(crate) stack: Stack,
    pub(crate) parameters: Vec<f32>,
    pub(crate) batch: Batch,
    pub(crate) inputs: Vec<f32>,
    pub(crate) labels: Vec<u8>,
}

impl Toy {
    /// `features` → `inputs` → `outputs` → 4 classes, on `samples` samples.
    pub(crate) fn new(
        features: usize,
        inputs: usize,
        outputs: usize,
        samples: usize,
        seed: u64,
    ) -> Self {
        let mut stack = Stack::new([features, 1, 1]);
        stack.dense("a", inputs).unwrap().relu().unwrap();
        stack.dense("b", outputs).unwrap().relu().unwrap();
        stack.dense("c", CLASSES).unwrap();
        let mut rng = Rng::new(seed, Purpose::Weights);
        let mut parameters = vec![0.0; stack.parameters()];
        stack.initialise(Init::FanIn, &mut parameters, &mut rng).unwrap();
        let batch = Batch::lanes(samples);
        let rows: Vec<f32> = (0..samples * features).map(|_| rng.normal()).collect();
        let mut inputs = vec![0.0; batch.len(features)];
        Kernel::auto().to_panels(batch, features, &rows, &mut inputs).unwrap();
        let labels = (0..samples).map(|sample| (sample % CLASSES) as u8).collect();
        Self { stack, parameters, batch, inputs, labels }
    }

    pub(crate) fn samples(&self) -> Samples<'_> {
        Samples { batch: self.batch, inputs: &self.inputs, labels: &self.labels }
    }

    /// Forget class 1 of the reward split.
    pub(crate) fn task(&self, kind: RewardKind) -> Unlearning<'_> {
        Unlearning::new(ClassSet::of(&[1]), kind, [&[], &self.labels, &[]])
    }

    /// Index of the edited layer.
    pub(crate) fn layer(&self) -> usize {
        self.stack.find("b").unwrap()
    }
}
