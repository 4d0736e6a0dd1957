//! Closed-form erasure and refits of the last layer, against NumPy (`tests/oracle/erasure.py`).

use reweight::editor::{
    Job, JobMemory, JobShape, Network, Outcome, Point, REACH, Settings, find, mask_logits,
};
use reweight::env::Env;
use reweight::kernel::{Batch, Kernel};
use reweight::model::{Plain, Samples, Split};
use reweight::nn::Stack;
use reweight::slab::{Heap, Need};
use reweight::task::{
    ClassSet, Erasure, ErasureConfig, Refit, RewardKind, Score, Task, Unlearning, erasure_taps,
};
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

    /// Parameters after `name` edited these layers; exactly the memory that it asks for is given.
    fn edit(&self, kernel: Kernel, name: &str, layers: &[usize]) -> Vec<f32> {
        let rank = self.forget.len();
        let shift = Config::new(WorldKind::Shift);
        let config = Config { rank, step: shift.step * REACH * rank as f32, ..shift };
        let (mut own, mut parameters) = (self.parameters.clone(), self.parameters.clone());
        let mut task = self.task();
        let mut heap = Heap::new(World::need_of(&config, &self.stack, layers, self.labels.len()));
        let mut arena = heap.arena();
        let mut world = World::over(
            config,
            kernel,
            &self.stack,
            &mut own,
            layers,
            self.samples(),
            &mut task,
            &mut arena,
        )
        .unwrap();
        assert_eq!(arena.left().f32s, 0, "need_of() is what is used");
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
        let mut job =
            Job::new(&mut world, false, &settings, 0, 0, 2.0, &mut trace, memory, Some(network))
                .unwrap()
                .with_layers(layers);
        let outcome = editor.edit(&mut job, &mut arena).unwrap();
        let policy = job.policy().map(<[f32]>::to_vec);
        if outcome == Outcome::Policy {
            world.apply(&policy.unwrap()).unwrap();
            parameters.copy_from_slice(&self.parameters);
            for (index, &layer) in layers.iter().enumerate() {
                let range = self.stack.layers()[layer].weight_range();
                parameters[range].copy_from_slice(world.edited_part(index).unwrap().weights);
            }
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
        let edited = case.edit(Kernel::auto(), "mean-match", &[case.layer]);
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
fn layers_are_matched_one_after_the_other() {
    for case in cases() {
        // The layer before the edited one, a ReLU between them.
        let layers = [case.layer - 2, case.layer];
        let edited = case.edit(Kernel::auto(), "mean-match", &layers);
        for (&index, expected) in layers.iter().zip(0..) {
            let layer = &case.stack.layers()[index];
            let theirs = floats(&case.expected["mean_match_both"][expected]);
            let theirs = stored(&theirs, layer.inputs());
            close(&edited[layer.weight_range()], &theirs, 5e-4, "weights");
        }
    }
}

#[test]
fn leace_is_numpys() {
    for case in cases() {
        let layer = &case.stack.layers()[case.layer];
        let edited = case.edit(Kernel::auto(), "leace", &[case.layer]);
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
        let edited = case.edit(Kernel::auto(), "memit", &[case.layer]);
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
        let edited = case.edit(Kernel::auto(), "inlp", &[case.layer]);
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
            let portable = bits(case.edit(Kernel::portable(), name, &[case.layer]));
            assert_eq!(portable, bits(case.edit(Kernel::auto(), name, &[case.layer])), "{name}");
        }
    }
}

/// Scores the network with `parameters` by erasure, on all its layers or through the cache of the edited one.
fn score(
    case: &Case,
    kernel: Kernel,
    config: ErasureConfig,
    deep: bool,
    parameters: &[f32],
    cached: bool,
) -> Score {
    // Behind the layer before the edited one both taps can be seen to change.
    let taps = erasure_taps(&case.stack, if deep { case.layer - 2 } else { case.layer }, deep);
    assert_eq!(taps.len(), if deep { 2 } else { 1 });
    let classes = case.stack.outputs();
    let mut heap = Heap::new(Erasure::need(&taps, case.labels.len(), classes));
    let mut arena = heap.arena();
    let mut task = Erasure::new(config, case.task(), &taps, classes, &mut arena).unwrap();
    assert_eq!(arena.left(), Default::default(), "need() is what is used");
    let mut own = parameters.to_vec();
    if !cached {
        let mut heap = Heap::new(Plain::need(&case.stack));
        let mut arena = heap.arena();
        let mut net =
            Plain::new(kernel, &case.stack, parameters, case.samples(), &mut arena).unwrap();
        return task.score(&mut net, Split::Reward).unwrap();
    }
    let config = Config::new(WorldKind::Mask);
    let mut heap = Heap::new(World::need(&config, &case.stack, case.layer, case.labels.len()));
    let world = World::new(
        config,
        kernel,
        &case.stack,
        &mut own,
        case.layer,
        case.samples(),
        &mut task,
        &mut heap.arena(),
    );
    world.unwrap().original_score()
}

/// The four parts of the reward, each on its own.
fn part(index: usize) -> [f32; 4] {
    let mut weights = [0.0; 4];
    weights[index] = 1.0;
    weights
}

#[test]
fn refits_are_numpys() {
    for case in cases() {
        for (refit, name) in [(Refit::Blend, "lr"), (Refit::Softmax, "softmax")] {
            for deep in [false, true] {
                let key = if deep { "refit_deep" } else { "refit" };
                let theirs = floats(&case.expected[key][name]);
                let of = |index: usize| {
                    let config = ErasureConfig { refit, weights: part(index), masked: false };
                    let parameters = &case.parameters;
                    let score = score(&case, Kernel::auto(), config, deep, parameters, !deep);
                    if index.is_multiple_of(2) { score.utility } else { 1.0 - score.edit }
                };
                close(&[of(2), of(3)], &theirs, 2e-4, &format!("{name} {key}"));
                close(&[of(0), of(1)], &floats(&case.expected["direct"]), 1e-5, "direct");
            }
            let matched = case.edit(Kernel::auto(), "mean-match", &[case.layer]);
            let config = ErasureConfig { refit, weights: part(3), masked: false };
            let score = score(&case, Kernel::auto(), config, false, &matched, true);
            let theirs = floats(&case.expected["refit_matched"][name])[1];
            close(&[1.0 - score.edit], &[theirs], 5e-4, "after mean match");
        }
        let config = ErasureConfig { masked: true, weights: part(0), ..ErasureConfig::cold() };
        let kept = score(&case, Kernel::auto(), config, false, &case.parameters, false).utility;
        close(&[kept], &floats(&case.expected["masked"])[..1], 1e-5, "masked");
    }
}

#[test]
fn refits_have_the_same_bits_everywhere() {
    for case in cases() {
        for config in [ErasureConfig::cold(), ErasureConfig::warm(), ErasureConfig::warm().masked()]
        {
            let of = |kernel, cached| {
                let score = score(&case, kernel, config, false, &case.parameters, cached);
                (score.utility.to_bits(), score.edit.to_bits())
            };
            let portable = of(Kernel::portable(), false);
            assert_eq!(portable, of(Kernel::auto(), false));
            assert_eq!(portable, of(Kernel::auto(), true), "the prefix cache changes nothing");
        }
    }
}

#[test]
fn the_weights_make_one_mean() {
    for case in cases() {
        let config = ErasureConfig { weights: [2.0, 1.0, 0.5, 3.0], ..ErasureConfig::cold() };
        let of = |config| score(&case, Kernel::auto(), config, false, &case.parameters, true);
        let single = |index| {
            let score = of(ErasureConfig { weights: part(index), ..config });
            if index.is_multiple_of(2) { score.utility } else { score.edit }
        };
        let mean = (2.0 * single(0) + single(1) + 0.5 * single(2) + 3.0 * single(3)) / 6.5;
        let (whole, lambda) = (of(config), config.lambda());
        close(&[lambda * whole.utility + (1.0 - lambda) * whole.edit], &[mean], 1e-5, "reward");
    }
}

#[test]
fn what_cannot_be_erased_is_refused() {
    let case = cases().remove(0);
    let mut heap = Heap::new(Need { f32s: 100_000, u32s: 1_000 });
    let taps = erasure_taps(&case.stack, case.stack.layers().len() - 1, true);
    assert!(taps.is_empty(), "nothing stands behind the last layer");
    let config = ErasureConfig::cold();
    let mut arena = heap.arena();
    let none = Erasure::new(config, case.task(), &taps, 4, &mut arena);
    assert!(none.unwrap_err().to_string().contains("no dense layer"));
    let taps = erasure_taps(&case.stack, case.layer, false);
    let label = Erasure::new(config, case.task(), &taps, 2, &mut arena);
    assert!(label.unwrap_err().to_string().contains("label"));
    let need = Erasure::need(&taps, case.labels.len(), 4);
    let mut short = Heap::new(Need { f32s: need.f32s - 1, ..need });
    assert!(Erasure::new(config, case.task(), &taps, 4, &mut short.arena()).is_err());
}

#[test]
fn a_masked_class_is_never_answered() {
    for case in cases() {
        let mut parameters = case.parameters.clone();
        mask_logits(&case.stack, &mut parameters, case.forget).unwrap();
        let mut heap = Heap::new(Plain::need(&case.stack));
        let mut arena = heap.arena();
        let mut net =
            Plain::new(Kernel::auto(), &case.stack, &parameters, case.samples(), &mut arena)
                .unwrap();
        let kept = case.task().accuracy(&mut net, Split::Reward).unwrap();
        assert_eq!(kept.forget(), 0.0);
        assert!(kept.samples[1] > 0);
    }
}
