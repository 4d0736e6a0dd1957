//! The editors that use gradients: against PyTorch on a small network, and on the built-in digits.

use reweight::data::builtin_digits;
use reweight::editor::{
    EDITORS, EditorKind, Job, JobMemory, JobShape, Network, Outcome, Point, Settings, TrainingSet,
    find,
};
use reweight::env::Env;
use reweight::kernel::{Batch, Kernel};
use reweight::model::{Samples, Training};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::run::{Prepared, Silent, UnlearnConfig, Unlearned, unlearn};
use reweight::slab::Heap;
use reweight::task::{ClassSet, RewardKind, Unlearning};
use reweight::world::{Config, World, WorldKind};
use serde_json::Value;
use std::sync::LazyLock;

/// A small network and what trained it.
struct Small {
    stack: Stack,
    parameters: Vec<f32>,
    inputs: Vec<f32>,
    labels: Vec<u8>,
    forget: ClassSet,
    oracle: Value,
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

impl Small {
    /// The one of `oracle/unlearning.py`.
    fn new() -> Self {
        let oracle: Value = serde_json::from_str(include_str!("oracle/unlearning.json")).unwrap();
        let mut stack = Stack::new([6, 1, 1]);
        stack.dense("a", 8).unwrap().tanh().unwrap().dense("b", 4).unwrap();
        let labels = numbers(&oracle["labels"]).iter().map(|&label| label as u8).collect();
        Self {
            stack,
            parameters: numbers(&oracle["target"]),
            inputs: numbers(&oracle["inputs"]),
            labels,
            forget: ClassSet::of(&[oracle["forget"].as_u64().unwrap() as u8]),
            oracle,
        }
    }

    /// Parameters after an edit. Memory is exactly what the editor asks for.
    fn edit(&self, name: &str, seed: u64) -> Result<Vec<f32>, String> {
        let editor = find(name).unwrap().editor;
        let count = self.labels.len();
        let samples =
            Samples { batch: Batch::rows(count), inputs: &self.inputs, labels: &self.labels };
        let set = TrainingSet { samples, training: Training::DIGITS, seed, chosen: None };
        let mut panels = vec![0.0; Batch::lanes(count).len(6)];
        Kernel::auto().to_panels(Batch::lanes(count), 6, &self.inputs, &mut panels).unwrap();
        let reward = Samples { batch: Batch::lanes(count), inputs: &panels, labels: &self.labels };
        let (config, settings) = (Config::new(WorldKind::Shift), Settings::default());
        // The reward is not looked at; its task has a class to forget whatever the editor is told.
        let mut task =
            Unlearning::new(ClassSet::of(&[1]), RewardKind::Probability, [&[], &self.labels, &[]]);
        let mut own = self.parameters.clone();
        let mut heap = Heap::new(World::need(&config, &self.stack, 0, count));
        let mut world = World::new(
            config,
            Kernel::auto(),
            &self.stack,
            &mut own,
            0,
            reward,
            &mut task,
            &mut heap.arena(),
        )
        .unwrap();
        let spec = world.spec();
        let shape = JobShape {
            spec,
            stack: &self.stack,
            settings: &settings,
            training: Some(&set),
            policy: None,
        };
        let mut heap = Heap::new(JobMemory::need(&spec).and(editor.need(&shape)));
        let mut arena = heap.arena();
        let memory = JobMemory::new(&spec, &mut arena).unwrap();
        let mut parameters = self.parameters.clone();
        let network = Network {
            kernel: Kernel::auto(),
            stack: &self.stack,
            parameters: &mut parameters,
            forget: self.forget,
            training: Some(set),
            reward: None,
        };
        let mut trace = |_: Point| panic!("an evaluation was taken");
        let mut job =
            Job::new(&mut world, false, &settings, seed, 1, 2.0, &mut trace, memory, Some(network))
                .unwrap();
        let outcome = editor.edit(&mut job, &mut arena).map_err(|error| error.to_string())?;
        assert_eq!(outcome, Outcome::Network, "{name}");
        assert_eq!(arena.left().f32s, 0, "{name} asks for more values than it takes");
        assert_eq!(arena.left().u32s, 0, "{name} asks for more indices than it takes");
        Ok(parameters)
    }

    /// Mean KL on the forget samples from the outputs of `teacher` to those of `student`, in nats.
    fn divergence(&self, teacher: &[f32], student: &[f32]) -> f64 {
        let outputs = |parameters: &[f32]| {
            let (kernel, batch) = (Kernel::auto(), Batch::rows(self.labels.len()));
            let mut scratch = vec![0.0; self.stack.scratch(batch)];
            let mut y = vec![0.0; batch.len(4)];
            let (layers, x) = (0..self.stack.layers().len(), &self.inputs);
            self.stack.forward(kernel, layers, batch, parameters, x, &mut scratch, &mut y).unwrap();
            kernel.softmax(batch, 4, &mut y).unwrap();
            y
        };
        let (q, p) = (outputs(teacher), outputs(student));
        let gone = |index: &usize| self.forget.contains(self.labels[*index]);
        let chosen: Vec<usize> = (0..self.labels.len()).filter(gone).collect();
        let of = |index: usize| -> f64 {
            let pairs = q[4 * index..4 * index + 4].iter().zip(&p[4 * index..]);
            pairs.map(|(&q, &p)| f64::from(q) * f64::from(q / p).ln()).sum()
        };
        chosen.iter().map(|&index| of(index)).sum::<f64>() / chosen.len() as f64
    }
}

/// Within 1e-3 of PyTorch's change of every parameter, plus 2e-6.
#[test]
fn edits_as_pytorch_makes_them() {
    let small = Small::new();
    let edited = small.oracle["edited"].as_object().unwrap();
    assert_eq!(edited.len(), 6);
    for (name, theirs) in edited {
        let (ours, theirs) = (small.edit(name, 3).unwrap(), numbers(theirs));
        assert_eq!(ours.len(), theirs.len());
        let mut changed = 0;
        for (index, (&ours, &theirs)) in ours.iter().zip(&theirs).enumerate() {
            let change = theirs - small.parameters[index];
            changed += usize::from(change != 0.0);
            let bound = 1e-3 * change.abs() + 2e-6;
            assert!((ours - theirs).abs() <= bound, "{name}[{index}]: {ours} against {theirs}");
        }
        assert!(changed > 3, "{name} changed {changed} parameters");
    }
}

/// The noise of `fisher`, divided by the deviations that PyTorch finds, is standard normal in every group of parameters.
#[test]
fn noise_by_fisher_information() {
    let small = Small::new();
    let deviations = numbers(&small.oracle["deviations"]);
    let mut squares = vec![0.0f64; deviations.len()];
    let seeds = 400;
    for seed in 0..seeds {
        let edited = small.edit("fisher", seed).unwrap();
        for (index, square) in squares.iter_mut().enumerate() {
            let z =
                f64::from(edited[index] - small.parameters[index]) / f64::from(deviations[index]);
            *square += z * z / seeds as f64;
        }
    }
    // A mean of 400 squares of standard normals has the deviation .07.
    for (index, &square) in squares.iter().enumerate() {
        assert!((0.7..1.35).contains(&square), "variance {index}: {square} times PyTorch's");
    }
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    assert!((mean - 1.0).abs() < 0.03, "{mean}");
    // A reset differs in what leads to class 1 alone.
    let (plain, reset) = (small.edit("fisher", 1).unwrap(), small.edit("fisher-reset", 1).unwrap());
    let output = small.stack.layers().last().unwrap().range();
    for index in 0..plain.len() {
        let of_class = index >= output.start && (index - output.start) % 4 == 1;
        assert_eq!(plain[index] != reset[index], of_class, "{index}");
        assert!(!of_class || reset[index].abs() < 0.06, "{index}: {}", reset[index]);
    }
}

#[test]
fn every_editor_repeats_itself_in_the_memory_that_it_asks_for() {
    let small = Small::new();
    let editors: Vec<_> =
        EDITORS.iter().filter(|editor| editor.kind == EditorKind::Gradient).collect();
    assert_eq!(editors.len(), 12);
    for info in editors {
        assert!(info.gradients && info.training_data, "{}", info.name);
        let once = small.edit(info.name, 3).unwrap();
        assert_eq!(once, small.edit(info.name, 3).unwrap(), "{}", info.name);
        assert_ne!(once, small.parameters, "{}", info.name);
    }
}

#[test]
fn samples_of_both_kinds_are_needed() {
    for forget in [&[][..], &[0, 1, 2, 3]] {
        let small = Small { forget: ClassSet::of(forget), ..Small::new() };
        for info in EDITORS.iter().filter(|editor| editor.kind == EditorKind::Gradient) {
            let error = small.edit(info.name, 0).unwrap_err();
            assert!(error.contains("training samples"), "{}: {error}", info.name);
        }
    }
}

#[test]
fn salun_keeps_the_bits_of_half_the_weights() {
    let small = Small::new();
    let changed = |name: &str| {
        let edited = small.edit(name, 3).unwrap();
        edited.iter().zip(&small.parameters).filter(|(new, old)| new != old).count()
    };
    assert_eq!(changed("salun"), small.parameters.len() / 2);
    assert!(changed("random-labels") > small.parameters.len() * 9 / 10);
}

/// On three thousand copies of the samples, so that there are steps enough.
#[test]
fn the_bad_teacher_is_followed() {
    let small = Small::new();
    let (inputs, labels) = (small.inputs.repeat(3000), small.labels.repeat(3000));
    let small = Small { inputs, labels, ..small };
    let edited = small.edit("bad-teacher", 3).unwrap();
    let mut bad = vec![0.0; small.parameters.len()];
    let mut rng = Rng::new(3, Purpose::Unlearning);
    small.stack.initialise(Init::HeUniform, &mut bad, &mut rng).unwrap();
    let before = small.divergence(&bad, &small.parameters);
    let after = small.divergence(&bad, &edited);
    assert!(after < 0.75 * before, "{before} before, {after} after");
}

static DATA: LazyLock<Prepared> = LazyLock::new(|| {
    let (images, parts) = builtin_digits(0).unwrap();
    Prepared::new(&images, &parts).unwrap()
});

fn digits(editors: &[&str]) -> Unlearned {
    let config = UnlearnConfig {
        editors: editors.iter().map(ToString::to_string).collect(),
        seeds: 1,
        worlds: vec![WorldKind::Shift],
        ..UnlearnConfig::default()
    };
    unlearn(&config, &DATA, &|_| None, &Silent).unwrap()
}

/// Most of the forget class and least of the others that is right on the test split after each edit: what
/// three seeds gave, with room.
#[test]
fn they_unlearn_on_the_built_in_digits() {
    let bars = [
        ("fine-tune", 0.93, 0.95),
        ("fine-tune-last", 0.97, 0.95),
        ("gradient-ascent", 0.05, 0.80),
        ("neggrad", 0.01, 0.95),
        ("random-labels", 0.01, 0.945),
        ("salun", 0.01, 0.945),
        ("bad-teacher", 0.20, 0.90),
        ("unsir", 0.01, 0.93),
        ("scrub", 0.01, 0.94),
        ("ssd", 0.05, 0.93),
        ("fisher-reset", 0.01, 0.93),
    ];
    let unlearned = digits(&bars.map(|(name, ..)| name));
    assert_eq!(unlearned.results.runs.len(), bars.len());
    for (run, (name, forget, retain)) in unlearned.results.runs.iter().zip(bars) {
        let found = (run.after.forget_test, run.after.retain_test);
        assert_eq!((run.editor.as_str(), run.evaluations), (name, 0));
        assert!(run.before.forget_test > 0.94, "there was something to forget");
        assert!(found.0 <= forget && found.1 >= retain, "{name}: {found:?}");
    }
}

/// Noise alone, without the row that is cleared, forgets next to nothing: the reset does the forgetting.
#[test]
fn noise_does_not_forget() {
    let unlearned = digits(&["fisher"]);
    let after = unlearned.results.runs[0].after;
    assert!(after.forget_test > 0.8 && after.retain_test > 0.9, "{after:?}");
}
