//! `unlearn` on a quantised network, from training to files.

use reweight::kernel::Kernel;
use reweight::model::int8::{Int8Activations, Int8Parameters, Int8Stack};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::run::int8::{self, Int8Unlearned, load_int8};
use reweight::run::{self, Prepared, RunError, Silent, Store, UnlearnConfig};
use reweight::slab::{Heap, IntHeap};
use reweight::snapshot::{Int8File, SnapshotError};
use reweight::world::WorldKind;
use reweight::world::int8::{Int8Form, Int8Range};

const WEIGHTS: (Int8Form, Int8Range) = (Int8Form::Weights, Int8Range::Grow);

fn data() -> Prepared {
    let (images, parts) = reweight::data::builtin_digits(0).unwrap();
    Prepared::new(&images, &parts).unwrap()
}

fn config(editors: &[&str]) -> UnlearnConfig {
    UnlearnConfig {
        editors: editors.iter().map(ToString::to_string).collect(),
        budget: Some(1000),
        seeds: 1,
        ..UnlearnConfig::default()
    }
}

fn unlearn(config: &UnlearnConfig, data: &Prepared) -> Result<Int8Unlearned, RunError> {
    int8::unlearn(config, WEIGHTS, data, &|_| None, &Silent)
}

/// Editors forget on integers as they do on real numbers, whatever runs them; what was not computed is null; the
/// edited network comes back from its file.
#[test]
fn integers_forget() {
    let data = data();
    let editors = ["policy", "sep-cma-es", "logit-mask", "none", "retrain"];
    let config = config(&editors);
    let made = unlearn(&config, &data).unwrap();
    let runs = &made.results.runs;
    assert_eq!(runs.len(), 7);
    for run in runs {
        let what = format!("{} {:?}", run.editor, run.world);
        assert_eq!(run.target.name, "digits-cnn-int8");
        assert!(run.before.forget_test > 0.9 && run.before.retain_test > 0.95, "{what}");
        assert!(run.probe_recovery.is_none() && run.relearn_steps.is_none() && run.mia.is_none());
        let tow = run.tow.unwrap();
        if run.editor == "none" {
            assert!(tow < 0.05 && run.edit_norm == Some(0.0));
            continue;
        }
        assert!(run.after.forget_test < 0.05 && tow > 0.9, "{what}: {tow}");
        assert!(run.after.retain_test > run.before.retain_test - 0.03, "{what}");
    }
    let note = &made.results.notes[1];
    assert!(note.contains("neggrad") && note.contains("gradients") && note.contains("memit"));
    let settled = |made: &Int8Unlearned| {
        made.results.notes.iter().any(|note| note.contains("settled without a reward"))
    };
    assert!(settled(&made), "what the policy's step looks at is said");

    // The same bits on any kernel and any number of threads; the network need not be trained again.
    let cached = |seed| made.targets.iter().find(|target| target.seed == seed).cloned();
    let few = |kernel, threads| {
        let editors = vec!["policy".into(), "sep-cma-es".into()];
        let config = UnlearnConfig { kernel, threads, editors, budget: Some(40), ..config.clone() };
        let config = UnlearnConfig { worlds: vec![WorldKind::Shift], ..config };
        int8::unlearn(&config, WEIGHTS, &data, &cached, &Silent).unwrap().results.runs
    };
    for (one, other) in few(Kernel::auto(), 1).iter().zip(&few(Kernel::portable(), 2)) {
        assert_eq!((&one.editor, &one.digest), (&other.editor, &other.digest));
        assert_eq!((one.after, one.tow), (other.after, other.tow));
    }
    // An editor that begins where the policy's step ends takes the step as it was predicted.
    let warm = UnlearnConfig {
        editors: vec!["sep-cma-es-warm".into()],
        budget: Some(20),
        ..config.clone()
    };
    let warm = int8::unlearn(&warm, WEIGHTS, &data, &cached, &Silent).unwrap();
    assert!(!settled(&warm) && warm.results.runs.len() == 2);

    let dir = std::env::temp_dir().join(format!("reweight-int8-{}", std::process::id()));
    int8::save(&Store::open(&dir).unwrap(), "origin", &made).unwrap();
    let path = dir.join("networks").join("sep-cma-es-shift-0.rwq");
    let loaded = load_int8(&path).unwrap();
    assert_eq!(
        (loaded.target.name.as_str(), loaded.target.key.as_str()),
        ("digits-cnn-int8", "origin")
    );
    let test = loaded.evaluate(Kernel::auto(), &data).unwrap().parts.pop().unwrap();
    let run = runs.iter().find(|run| run.editor == "sep-cma-es").unwrap();
    assert_eq!(test.of_class(7).map(|of| of as f32), Some(run.after.forget_test));
    assert!(run::inspect(&path).unwrap().contains("fc2"));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(load_int8(&path).unwrap_err().to_string().contains("checksum"));
    std::fs::remove_dir_all(dir).unwrap();
}

/// Row multipliers alone already forget, in mask world.
#[test]
fn row_multipliers_forget() {
    let mut config = config(&["sep-cma-es", "retrain"]);
    (config.worlds, config.budget) = (vec![WorldKind::Mask], Some(1500));
    let how = (Int8Form::RowMultipliers, Int8Range::Grow);
    let made = int8::unlearn(&config, how, &data(), &|_| None, &Silent).unwrap();
    let run = &made.results.runs[0];
    assert!(run.after.forget_test < 0.1 && run.after.reward > 0.9, "{:?}", run.after);
}

#[test]
fn what_integers_do_not_allow_is_refused_with_the_reason() {
    let data = data();
    let refused = |change: &dyn Fn(&mut UnlearnConfig), how| {
        let mut config = config(&["sep-cma-es"]);
        change(&mut config);
        match int8::unlearn(&config, how, &data, &|_| None, &Silent) {
            Err(RunError::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let editor =
        |name: &'static str| refused(&move |config| config.editors = vec![name.into()], WEIGHTS);
    assert!(editor("scrub").contains("gradients"));
    assert!(editor("leace").contains("real weights"));
    assert!(refused(&|config| config.then_mask = true, WEIGHTS).contains("--then-mask"));
    let layers = |config: &mut UnlearnConfig| config.layer = Some("fc1,fc2".into());
    assert!(refused(&layers, WEIGHTS).contains("several layers"));
    let rows = (Int8Form::RowMultipliers, Int8Range::Grow);
    assert!(refused(&|_| {}, rows).contains("--world mask"));
    assert!(refused(&|config| config.editors = vec!["policy".into()], rows).contains("policy"));
}

/// A file comes back as it was written; every cut and every flipped bit is an error.
#[test]
fn files_of_integers_are_checked() {
    let mut stack = Stack::new([1, 5, 5]);
    stack.conv2d("c", 2, [2, 2], [1, 1], [0, 0]).unwrap().relu().unwrap();
    stack.max_pool([2, 2], [2, 2]).unwrap().dense("d", 3).unwrap();
    let mut values = vec![0.0; stack.parameters()];
    stack.initialise(Init::HeUniform, &mut values, &mut Rng::new(1, Purpose::Weights)).unwrap();
    let batch = reweight::kernel::Batch::lanes(8);
    let inputs: Vec<f32> = (0..batch.len(25)).map(|i| (i % 7) as f32).collect();
    let samples = reweight::model::Samples { batch, inputs: &inputs, labels: &[0; 8] };
    let mut heap = Heap::new(Int8Stack::calibration_need(&stack));
    let (kernel, how) = (Kernel::auto(), Int8Activations::Affine);
    let plan =
        Int8Stack::calibrated(kernel, &stack, &values, 0, samples, how, &mut heap.arena()).unwrap();
    let (need, ints) = Int8Parameters::need(&plan);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let mut made = Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
    made.quantise(&plan, &stack, &values).unwrap();
    made.bias[0] = i32::MIN;
    let mut bytes = vec![0; Int8File::bound("n", "o", &stack, &plan)];
    let network = made.network(&plan);
    let len = Int8File::write("n", "o", 7, &stack, &network, &mut bytes).unwrap();
    let short = &mut bytes.clone()[..len - 1];
    assert!(matches!(
        Int8File::write("n", "o", 7, &stack, &network, short),
        Err(SnapshotError::TooSmall { .. })
    ));
    let mut other = stack.clone();
    other.dense("e", 3).unwrap();
    assert!(Int8File::write("n", "o", 7, &other, &network, &mut bytes.clone()).is_err());
    bytes.truncate(len);
    let file = Int8File::read(&bytes).unwrap();
    assert_eq!((file.name, file.origin, file.seed), ("n", "o", 7));
    assert_eq!((&file.source, &file.stack), (&stack, &plan));
    let (need, ints) = Int8Parameters::need(&plan);
    let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
    let mut back = Int8Parameters::zeros(&plan, &mut heap.arena(), &mut ints.arena()).unwrap();
    file.fill(&mut back);
    assert_eq!((&*back.weights, &*back.bias), (&*made.weights, &*made.bias));
    assert_eq!((&*back.multipliers, &*back.shifts), (&*made.multipliers, &*made.shifts));
    for cut in 0..len {
        assert!(Int8File::read(&bytes[..cut]).is_err());
        let mut flipped = bytes.clone();
        flipped[cut] ^= 0x10;
        assert!(Int8File::read(&flipped).is_err(), "byte {cut}");
    }
}
