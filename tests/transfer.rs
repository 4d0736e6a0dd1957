//! What transferred policies must show, on networks, classes and data that they never saw; fewer
//! networks here than in README's tables.

use reweight::data::{Images, Parts, builtin_digits};
use reweight::editor::{Length, Refine};
use reweight::kernel::Kernel;
use reweight::model::Training;
use reweight::run::{
    Applied, AppliedRow, ApplyConfig, BUILT_IN_POLICIES, Edits, Prepared, Silent, Target,
    TargetConfig, TrainedPolicy, TransferConfig, UnlearnConfig, apply_transfer, load_model,
    train_on, train_transfer, unlearn,
};
use reweight::world::{FeatureSet, WorldKind};
use std::path::Path;
use std::sync::{Arc, LazyLock};

static DATA: LazyLock<Prepared> = LazyLock::new(|| {
    let (images, parts) = builtin_digits(0).unwrap();
    Prepared::new(&images, &parts).unwrap()
});

fn config(policy: &str, edits: Edits) -> ApplyConfig {
    let kind = TrainedPolicy::load(policy).unwrap().kind;
    ApplyConfig {
        base: UnlearnConfig {
            worlds: vec![kind],
            editors: vec!["policy".into()],
            policy: Some(policy.into()),
            seeds: 2,
            ..UnlearnConfig::default()
        },
        edits,
        policy_seeds: vec![0, 1, 2],
        controls: false,
    }
}

fn each(classes: &[u8]) -> Edits {
    Edits::Each(classes.iter().map(|&class| vec![class]).collect())
}

fn run(config: &ApplyConfig) -> Applied {
    apply_transfer(config, &DATA, &|_| None, &Silent).unwrap()
}

fn rows<'a>(applied: &'a Applied, editor: &'a str) -> impl Iterator<Item = &'a AppliedRow> {
    applied.rows.iter().filter(move |row| row.editor == editor)
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let values: Vec<f32> = values.collect();
    assert!(!values.is_empty());
    values.iter().sum::<f32>() / values.len() as f32
}

fn hits(applied: &Applied, editor: &str) -> f32 {
    mean(rows(applied, editor).map(|row| f32::from(u8::from(row.hit()))))
}

#[test]
fn shift_edits_unseen_networks_and_classes_without_an_evaluation() {
    for widths in [(128, 32), (64, 48)] {
        let mut config = config("shift", each(&[7, 8, 9]));
        config.base.target = TargetConfig { widths, ..TargetConfig::default() };
        let applied = run(&config);
        assert_eq!(applied.rows.len(), 2 * 3 * 3);
        assert!(applied.rows.iter().all(|row| row.evaluations == 0 && row.before[1] > 0.85));
        let forget = mean(rows(&applied, "policy").map(|row| row.after[1]));
        let drop = mean(rows(&applied, "policy").map(|row| row.before[0] - row.after[0]));
        assert!(forget <= 0.005 && drop <= 0.005, "{widths:?}: {forget} {drop}");
        assert!(rows(&applied, "policy").all(|row| row.after[1] <= 0.02), "{widths:?}");
        assert!(hits(&applied, "policy") >= 0.95, "{widths:?}: {}", hits(&applied, "policy"));
    }
}

#[test]
fn mask_needs_sixty_evaluations() {
    let applied = run(&config("mask", each(&[7, 8, 9])));
    assert!(applied.rows.iter().all(|row| row.evaluations == 60));
    let forget = mean(rows(&applied, "policy").map(|row| row.after[1]));
    let drop = mean(rows(&applied, "policy").map(|row| row.before[0] - row.after[0]));
    assert!(forget <= 0.01 && drop <= 0.01, "{forget} {drop}");
    assert!(hits(&applied, "policy") >= 0.85, "{}", hits(&applied, "policy"));
}

#[test]
fn policies_of_the_core_features_transfer_as_well() {
    let shift = run(&config("shift-core", each(&[8])));
    assert!(hits(&shift, "policy") >= 0.8, "{}", hits(&shift, "policy"));
    let mut mask = config("mask-core", each(&[8]));
    mask.base.refine = Some(Refine::Es);
    let mask = run(&mask);
    let forget = mean(rows(&mask, "policy").map(|row| row.after[1]));
    assert!(forget <= 0.02, "{forget}");
}

#[test]
fn controls_show_what_training_and_features_are_worth() {
    let mut config = config("shift", each(&[7, 9]));
    config.controls = true;
    let applied = run(&config);
    let reward = |editor: &str| mean(rows(&applied, editor).map(|row| row.test_reward));
    for control in ["policy-untrained", "policy-shuffled", "projection", "sep-cma-es@50"] {
        assert!(reward("policy") > reward(control) + 0.01, "{control}: {}", reward(control));
    }
    assert!(hits(&applied, "policy-untrained") == 0.0 && hits(&applied, "policy-shuffled") == 0.0);
    for other in ["lda", "activation", "sep-cma-es@2000", "sep-cma-es-warm@50"] {
        assert!(reward(other) > 0.9, "{other} is a baseline worth the name: {}", reward(other));
    }
}

#[test]
fn classes_are_forgotten_together_and_one_after_the_other() {
    let mut together = config("shift", Edits::Each(vec![vec![7, 8, 9]]));
    together.policy_seeds = vec![0];
    let mut sequence = config("shift", Edits::Sequence(vec![vec![7], vec![8], vec![9]]));
    sequence.policy_seeds = vec![0];
    for config in [together, sequence] {
        let applied = run(&config);
        let last = applied.rows.iter().map(|row| row.step).max().unwrap();
        let end: Vec<_> = rows(&applied, "policy").filter(|row| row.step == last).collect();
        assert_eq!(end.len(), 2);
        for row in end {
            assert_eq!(row.forget, [7, 8, 9]);
            assert!(row.each.iter().all(|&class| class <= 0.02), "{:?}", row.each);
            assert!(mean(row.each.iter().copied()) <= 0.01, "{:?}", row.each);
            assert!(row.after[0] >= row.before[0] - 0.005, "{:?}", row.after);
            assert_eq!(row.evaluations, 0);
        }
        let retrained: Vec<_> = rows(&applied, "retrain").collect();
        assert_eq!(retrained.len(), 2 * (last + 1));
        assert!(retrained.iter().all(|row| row.each.iter().all(|&class| class == 0.0)));
    }
}

#[test]
fn a_hidden_layer_behind_the_edited_one_is_looked_through() {
    let mut config = config("shift", each(&[0, 8]));
    config.base.target =
        TargetConfig { widths: (128, 64), behind: Some(32), ..TargetConfig::default() };
    config.base.seeds = 1;
    let applied = run(&config);
    let forget = mean(rows(&applied, "policy").map(|row| row.after[1]));
    let drop = mean(rows(&applied, "policy").map(|row| row.before[0] - row.after[0]));
    assert!(forget <= 0.01 && drop <= 0.01, "{forget} {drop}");
}

/// Three classes of the network that others trained.
fn loaded(layer: &str) -> (ApplyConfig, Prepared) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let (weights, arch) = (data.join("ccexam-mnist.safetensors"), data.join("ccexam-mnist.json"));
    let model = load_model(&weights, Some(&arch)).unwrap();
    let (images, parts) = builtin_digits(0).unwrap();
    let prepared = Prepared::for_loaded(&images, &parts, &model).unwrap();
    let mut config = config("shift", each(&[3, 5, 7]));
    config.base.model = Some(Arc::new(model));
    config.base.layer = Some(layer.into());
    config.base.seeds = 1;
    (config, prepared)
}

#[test]
fn a_network_that_others_trained_is_edited_at_once() {
    let (mut config, prepared) = loaded("classifier.2");
    let applied = apply_transfer(&config, &prepared, &|_| None, &Silent).unwrap();
    assert!(hits(&applied, "policy") >= 0.85, "{}", hits(&applied, "policy"));
    assert!(applied.results.notes.iter().any(|note| note.contains("training data")));
    assert!(!applied.results.notes.iter().any(|note| note.contains("convolution")));
    // A convolution of it, without a bar: the reward rises.
    config.base.layer = Some("features.3".into());
    config.edits = each(&[7]);
    config.policy_seeds = vec![0];
    let applied = apply_transfer(&config, &prepared, &|_| None, &Silent).unwrap();
    assert!(applied.results.notes.iter().any(|note| note.contains("convolution")));
    assert_eq!(applied.probe_passes, 64);
    let row = &applied.rows[0];
    assert!(row.evaluations == 0 && row.after[1] < 0.5 && row.test_reward > 0.6, "{row:?}");
}

/// What the predicted length leaves short on a wide layer behind convolutions, passes of kept samples make good; what
/// they looked at is said.
#[test]
fn a_step_is_settled_without_a_reward_and_the_report_says_how() {
    let (mut config, prepared) = loaded("classifier.0");
    config.policy_seeds = vec![0, 1];
    let mut look = |length| {
        config.base.length = length;
        apply_transfer(&config, &prepared, &|_| None, &Silent).unwrap()
    };
    let (settled, predicted) = (look(None), look(Some(Length::Predicted)));
    let forget = |applied: &Applied| mean(rows(applied, "policy").map(|row| row.after[1]));
    assert!(forget(&settled) < 0.5 * forget(&predicted), "{}", forget(&settled));
    assert!(hits(&settled, "policy") >= hits(&predicted, "policy") + 0.2);
    for applied in [&settled, &predicted] {
        assert!(applied.rows.iter().all(|row| row.evaluations == 0));
    }
    let says = |applied: &Applied| {
        applied.results.notes.iter().any(|note| note.contains("settled without a reward"))
    };
    assert!(says(&settled) && !says(&predicted));
    assert_eq!(look(Some(Length::Settled)).rows[0].test_reward, settled.rows[0].test_reward);
}

/// Every 25th of the built-in digits.
fn few() -> Prepared {
    let (images, _) = builtin_digits(0).unwrap();
    let size = images.pixels_per_image();
    let chosen: Vec<usize> = (0..images.len()).step_by(25).collect();
    let pixels =
        chosen.iter().flat_map(|&i| images.pixels[i * size..(i + 1) * size].to_vec()).collect();
    let labels = images.labels_of(&chosen);
    let few = Images::new("few digits", images.rows, images.cols, pixels, labels).unwrap();
    Prepared::new(&few, &Parts::deal(&few, 0).unwrap()).unwrap()
}

/// Every policy that comes along edits a convolution, with the same bits on every kernel, and so does every closed
/// form. How well they do is not asked: `shift-core` does not raise the reward there.
#[test]
fn convolutions_are_edited_by_every_policy_and_closed_form() {
    let target = TargetConfig {
        training: Training { epochs: 2, ..Training::DIGITS },
        ..TargetConfig::default()
    };
    let data = few();
    let mut cached: Option<Target> = None;
    for policy in ["shift", "mask", "shift-core", "mask-core"] {
        let mut config = config(policy, each(&[7]));
        config.base.target = target;
        config.base.layer = Some("conv1".into());
        config.base.seeds = 1;
        config.base.refine = Some(Refine::Scale);
        config.policy_seeds = vec![0];
        let [one, other] = [Kernel::portable(), Kernel::auto()].map(|kernel| {
            config.base.kernel = kernel;
            let applied = apply_transfer(&config, &data, &|_| cached.clone(), &Silent).unwrap();
            cached = applied.targets.first().cloned();
            let run = &applied.results.runs[0];
            assert!(run.editor == "policy" && run.edit_norm > Some(0.0), "{policy}: {run:?}");
            assert_eq!(applied.rows[0].evaluations, 10, "{policy}");
            applied.results.runs.iter().map(|run| run.digest.clone()).collect::<Vec<_>>()
        });
        assert_eq!(one, other, "{policy}");
    }
    let forms = ["none", "projection", "lda", "activation"];
    let closed = UnlearnConfig {
        target,
        layer: Some("conv1".into()),
        editors: forms.iter().map(ToString::to_string).collect(),
        budget: Some(10),
        seeds: 1,
        ..UnlearnConfig::default()
    };
    let runs = unlearn(&closed, &data, &|_| cached.clone(), &Silent).unwrap().results.runs;
    let unedited = &runs.iter().find(|run| run.editor == "none").unwrap().digest;
    let edited: Vec<_> = runs.iter().filter(|run| run.editor != "none").collect();
    assert_eq!(edited.len(), 2 * 3);
    for run in edited {
        assert!(run.digest != *unedited && run.edit_norm > Some(0.0), "{}", run.editor);
    }
}

/// Two small source networks and a few updates: a policy that is no good, made quickly.
fn small(world: WorldKind, features: FeatureSet) -> TransferConfig {
    TransferConfig {
        features: Some(features),
        classes: vec![0, 1],
        shapes: vec![((24, 12), 1), ((16, 20), 1)],
        budget: Some(4 * 64),
        seeds: 2,
        starts: 1,
        samples: (30, 60),
        ppo: reweight::ppo::NeuronConfig { contexts: 4, ..Default::default() },
        ..TransferConfig::new(world)
    }
}

#[test]
fn a_policy_is_the_same_bytes_on_every_kernel_and_any_number_of_threads() {
    for (world, features) in [
        (WorldKind::Shift, FeatureSet::Core),
        (WorldKind::Shift, FeatureSet::CoreLda3),
        (WorldKind::Mask, FeatureSet::All),
    ] {
        let config = TransferConfig { threads: 2, ..small(world, features) };
        let first = train_transfer(&config, &DATA, &Silent).unwrap();
        let portable = TransferConfig { threads: 1, kernel: Kernel::portable(), ..config.clone() };
        let networks = first.networks.clone();
        let second = train_on(&portable, &DATA, networks, 0.0, &Silent).unwrap();
        assert_eq!(first.policy.bytes().unwrap(), second.policy.bytes().unwrap(), "{world:?}");
        let other = TransferConfig { seed: 9, ..config };
        let other = train_on(&other, &DATA, first.networks, 0.0, &Silent).unwrap();
        assert_ne!(other.policy.parameters, second.policy.parameters);
    }
}

/// Constants on the features change what is learned, are the same for the same seed, and stand in the command.
#[test]
fn jitter_of_features_is_part_of_how_a_policy_was_made() {
    let plain = small(WorldKind::Shift, FeatureSet::CoreLda3);
    let jittered = TransferConfig { jitter: 1.0, ..plain.clone() };
    let trained = |config: &TransferConfig| train_transfer(config, &few(), &Silent).unwrap().policy;
    let (before, after) = (trained(&plain), trained(&jittered));
    assert_ne!(before.parameters, after.parameters);
    assert_eq!(after.bytes().unwrap(), trained(&jittered).bytes().unwrap());
    assert!(after.trained.contains(" --jitter 1") && !before.trained.contains("jitter"));
    for wrong in [-1.0, f32::NAN, f32::INFINITY] {
        let error = TransferConfig { jitter: wrong, ..plain.clone() }.validate().unwrap_err();
        assert!(error.to_string().contains("--jitter"), "{error}");
    }
}

#[test]
fn an_edit_by_a_policy_has_the_same_digest_on_every_kernel() {
    for policy in ["shift", "mask"] {
        let mut config = config(policy, each(&[7]));
        config.base.seeds = 1;
        let targets = run(&config).targets;
        let digests = |kernel: Kernel| {
            let mut config = config.clone();
            config.base.kernel = kernel;
            let cached = |seed| targets.iter().find(|target| target.seed == seed).cloned();
            let applied = apply_transfer(&config, &DATA, &cached, &Silent).unwrap();
            applied.results.runs.iter().map(|run| run.digest.clone()).collect::<Vec<_>>()
        };
        assert_eq!(digests(Kernel::portable()), digests(Kernel::auto()), "{policy}");
    }
}

#[test]
fn shipped_policies_are_small_and_say_how_they_were_made() {
    for (name, bytes) in BUILT_IN_POLICIES {
        assert!(bytes.len() <= 8_000, "{name}: {} bytes", bytes.len());
        let policy = TrainedPolicy::read(name, bytes).unwrap();
        assert_eq!(policy.policies().unwrap().seeds(), 3);
        assert!(policy.trained.starts_with("transfer train --"), "{}", policy.trained);
        assert!(policy.trained.contains(&format!("--world {}", policy.kind.name())));
        assert!(policy.evaluations <= 40_000 && policy.reward > 0.9);
        assert_eq!(policy.bytes().unwrap(), *bytes, "{name} reads and writes the same");
        assert!(name.trim_start_matches("debias-").starts_with(policy.kind.name()));
    }
}

#[test]
fn what_does_not_fit_is_one_clear_line() {
    let line = |config: &ApplyConfig| {
        let error = apply_transfer(config, &DATA, &|_| None, &Silent).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let mut other_world = config("shift", each(&[7]));
    other_world.base.worlds = vec![WorldKind::Mask];
    assert!(line(&other_world).contains("a policy for shift world"), "{}", line(&other_world));
    let mut seed = config("shift", each(&[7]));
    seed.policy_seeds = vec![3];
    assert!(line(&seed).contains("0 to 2"), "{}", line(&seed));
    let class = config("shift", each(&[12]));
    assert!(line(&class).contains("0 to 9"), "{}", line(&class));
    let twice = config("shift", Edits::Sequence(vec![vec![7], vec![7]]));
    assert!(line(&twice).contains("twice"), "{}", line(&twice));
    let all = config("shift", Edits::Each(vec![(0..10).collect()]));
    assert!(line(&all).contains("every class"), "{}", line(&all));
    let mut bytes = BUILT_IN_POLICIES[0].1.to_vec();
    bytes[40] ^= 1;
    let error = TrainedPolicy::read("p.rwp", &bytes).unwrap_err().to_string();
    assert!(error.contains("p.rwp") && error.contains("checksum"), "{error}");
}
