//! Closed-form erasure and refits of the last layer, against NumPy (`tests/oracle/erasure.py`).

use reweight::editor::{
    Job, JobMemory, JobShape, Network, Outcome, Point, REACH, Settings, find, mask_logits,
};
use reweight::env::Env;
use reweight::kernel::{Batch, Kernel};
use reweight::model::Samples;
use reweight::nn::Stack;
use reweight::slab::Heap;
use reweight::task::{ClassSet, RewardKind, Unlearning};
use reweight::world::{Config, World, WorldKind};
use serde_json::Value;

struct Case {
    stack: Stack,
    parameters: Vec<f32>,
    batch: Batch,
    inputs: Vec<f32>,
    labels: Vec<u8>,
    forget: ClassSet,
    /// Index of the layer that is edited.
    layer: usize,
    expected: Value,
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u8).collect()
}

/// Rows (out × in) as they are stored, in × out.
fn stored(rows: &[f32], inputs: usize) -> Vec<f32> {
    (0..inputs).flat_map(|input| rows.iter().skip(input).step_by(inputs).copied()).collect()
}

impl Case {
    fn read(value: &Value) -> Self {
        let sizes: Vec<usize> = bytes(&value["sizes"]).into_iter().map(usize::from).collect();
        let mut stack = Stack::new([sizes[0], 1, 1]);
        let mut parameters = Vec::new();
        for (index, size) in sizes.iter().enumerate().skip(1) {
            stack.dense(&format!("d{}", index - 1), *size).unwrap();
            if index + 1 < sizes.len() {
                stack.relu().unwrap();
            }
            parameters.extend(stored(&floats(&value["weights"][index - 1]), sizes[index - 1]));
            parameters.extend(floats(&value["biases"][index - 1]));
        }
        let rows = floats(&value["x"]);
        let batch = Batch::lanes(rows.len() / sizes[0]);
        let mut inputs = vec![0.0; batch.len(sizes[0])];
        Kernel::auto().to_panels(batch, sizes[0], &rows, &mut inputs).unwrap();
        let layer = stack.find(&format!("d{}", value["edited"])).unwrap();
        Self {
            stack,
            parameters,
            batch,
            inputs,
            labels: bytes(&value["labels"]),
            forget: ClassSet::of(&bytes(&value["forget"])),
            layer,
            expected: value.clone(),
        }
    }

    fn samples(&self) -> Samples<'_> {
        Samples { batch: self.batch, inputs: &self.inputs, labels: &self.labels }
    }

    fn task(&self) -> Unlearning<'_> {
        Unlearning::new(self.forget, RewardKind::Probability, [&[], &self.labels, &[]])
    }

    /// Parameters after `name` edited the layer; exactly the memory that it asks for is given.
    fn edit(&self, kernel: Kernel, name: &str) -> Vec<f32> {
        let rank = self.forget.len();
        let shift = Config::new(WorldKind::Shift);
        let config = Config { rank, step: shift.step * REACH * rank as f32, ..shift };
        let (mut own, mut parameters) = (self.parameters.clone(), self.parameters.clone());
        let mut task = self.task();
        let mut heap = Heap::new(World::need(&config, &self.stack, self.layer, self.labels.len()));
        let mut arena = heap.arena();
        let mut world = World::new(
            config,
            kernel,
            &self.stack,
            &mut own,
            self.layer,
            self.samples(),
            &mut task,
            &mut arena,
        )
        .unwrap();
        let spec = world.spec();
        let settings = Settings::default();
        let shape = JobShape {
            spec,
            stack: &self.stack,
            settings: &settings,
            training: None,
            policy: None,
        };
        let editor = find(name).unwrap().editor;
        let mut heap = Heap::new(JobMemory::need(&spec).and(editor.need(&shape)));
        let mut arena = heap.arena();
        let memory = JobMemory::new(&spec, &mut arena).unwrap();
        let mut trace = |_: Point| panic!("an evaluation was taken");
        let network = Network {
            kernel,
            stack: &self.stack,
            parameters: &mut parameters,
            forget: self.forget,
            training: None,
            reward: Some(self.samples()),
        };
        let layers = [self.layer];
        let mut job =
            Job::new(&mut world, false, &settings, 0, 0, 2.0, &mut trace, memory, Some(network))
                .unwrap()
                .with_layers(&layers);
        let outcome = editor.edit(&mut job, &mut arena).unwrap();
        let policy = job.policy().map(<[f32]>::to_vec);
        if outcome == Outcome::Policy {
            world.apply(&policy.unwrap()).unwrap();
            parameters.copy_from_slice(&self.parameters);
            let range = self.stack.layers()[self.layer].weight_range();
            parameters[range].copy_from_slice(world.edited().unwrap().weights);
        }
        parameters
    }
}

fn cases() -> Vec<Case> {
    let value: Value = serde_json::from_str(include_str!("oracle/erasure.json")).unwrap();
    value.as_array().unwrap().iter().map(Case::read).collect()
}

fn close(ours: &[f32], theirs: &[f32], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}[{index}]: {a}, expected {b}");
    }
}

#[test]
fn mean_match_is_numpys() {
    for case in cases() {
        let layer = &case.stack.layers()[case.layer];
        let edited = case.edit(Kernel::auto(), "mean-match");
        let theirs = stored(&floats(&case.expected["mean_match"]), layer.inputs());
        close(&edited[layer.weight_range()], &theirs, 2e-4, "weights");
        let elsewhere = |parameters: &[f32]| {
            let mut rest = parameters.to_vec();
            rest.drain(layer.weight_range());
            rest
        };
        assert_eq!(elsewhere(&edited), elsewhere(&case.parameters), "nothing else changes");
    }
}

#[test]
fn leace_is_numpys() {
    for case in cases() {
        let layer = &case.stack.layers()[case.layer];
        let edited = case.edit(Kernel::auto(), "leace");
        let theirs = stored(&floats(&case.expected["leace"]["w"]), layer.inputs());
        close(&edited[layer.weight_range()], &theirs, 1e-3, "weights");
        let theirs = floats(&case.expected["leace"]["b"]);
        close(&edited[layer.bias_range().unwrap()], &theirs, 1e-3, "biases");
    }
}

/// What `oracle/closed.py` makes of the same cases.
fn others() -> Vec<Value> {
    let value: Value = serde_json::from_str(include_str!("oracle/closed.json")).unwrap();
    value.as_array().unwrap().clone()
}

#[test]
fn memit_is_numpys() {
    for (case, expected) in cases().iter().zip(others()) {
        let layer = &case.stack.layers()[case.layer];
        let edited = case.edit(Kernel::auto(), "memit");
        let theirs = stored(&floats(&expected["memit"]["w"]), layer.inputs());
        close(&edited[layer.weight_range()], &theirs, 1e-3, "weights");
        let theirs = floats(&expected["memit"]["b"]);
        close(&edited[layer.bias_range().unwrap()], &theirs, 1e-3, "biases");
    }
}

#[test]
fn inlp_is_numpys() {
    for (case, expected) in cases().iter().zip(others()) {
        let layer = &case.stack.layers()[case.layer];
        let edited = case.edit(Kernel::auto(), "inlp");
        let theirs = stored(&floats(&expected["inlp"]), layer.inputs());
        close(&edited[layer.weight_range()], &theirs, 2e-3, "weights");
        let mut rest = edited;
        rest[layer.weight_range()].copy_from_slice(&case.parameters[layer.weight_range()]);
        assert_eq!(rest, case.parameters, "nothing else changes");
    }
}

#[test]
fn closed_forms_are_the_same_on_every_kernel() {
    for case in cases() {
        for name in ["mean-match", "leace", "memit", "inlp"] {
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let portable = bits(case.edit(Kernel::portable(), name));
            assert_eq!(portable, bits(case.edit(Kernel::auto(), name)), "{name}");
        }
    }
}

#[test]
fn a_masked_class_is_never_answered() {
    for case in cases() {
        let mut parameters = case.parameters.clone();
        mask_logits(&case.stack, &mut parameters, case.forget).unwrap();
        let mut heap = Heap::new(reweight::model::Plain::need(&case.stack));
        let mut arena = heap.arena();
        let mut net = reweight::model::Plain::new(
            Kernel::auto(),
            &case.stack,
            &parameters,
            case.samples(),
            &mut arena,
        )
        .unwrap();
        let kept = case.task().accuracy(&mut net, reweight::model::Split::Reward).unwrap();
        assert_eq!(kept.forget(), 0.0);
        assert!(kept.samples[1] > 0);
    }
}
