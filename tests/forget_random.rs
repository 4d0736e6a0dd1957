//! Forgetting a random share of the training samples, on the built-in digits.

use reweight::data::builtin_digits;
use reweight::run::record::RunRecord;
use reweight::run::{Prepared, RunError, Silent, UnlearnConfig, Unlearned, unlearn};
use std::sync::LazyLock;

static DATA: LazyLock<Prepared> = LazyLock::new(|| {
    let (images, parts) = builtin_digits(0).unwrap();
    Prepared::new(&images, &parts).unwrap()
});

fn run(editors: &[&str], change: impl FnOnce(&mut UnlearnConfig)) -> Result<Unlearned, RunError> {
    let mut config = UnlearnConfig {
        forget_random: Some(0.1),
        editors: editors.iter().map(ToString::to_string).collect(),
        budget: Some(200),
        seeds: 1,
        ..UnlearnConfig::default()
    };
    change(&mut config);
    unlearn(&config, &DATA, &|_| None, &Silent)
}

#[test]
fn a_tenth_of_the_training_samples_is_forgotten_like_samples_never_seen() {
    let editors = ["sep-cma-es", "fine-tune", "neggrad", "none", "retrain"];
    let unlearned = run(&editors, |_| {}).unwrap();
    let results = &unlearned.results;
    assert_eq!((results.data.reward, results.data.train), (DATA.reward.len(), DATA.train.len()));
    assert_eq!(results.config["forget_random"], 0.1);
    let drawn = format!("{} of the {}", DATA.train.len().div_euclid(10), DATA.train.len());
    assert!(results.notes.iter().any(|note| note.contains(&drawn)), "{:?}", results.notes);
    let of = |editor: &str| results.runs.iter().find(|run| run.editor == editor).unwrap();
    let apart = |run: &RunRecord| (run.after.forget_test - run.after.retain_test).abs();
    for run in &results.runs {
        assert!(run.forget.is_empty());
        assert!(run.before.forget_test > 0.99, "training samples: {}", run.before.forget_test);
        assert!(run.before.retain_test > 0.95, "the whole test split: {}", run.before.retain_test);
        // What needs a class does not apply.
        assert_eq!((run.probe_recovery, run.relearn_steps), (None, None));
        assert!(run.probe_layers.is_empty());
        assert!(run.tow.is_some() && run.average_gap.is_some() && run.js_to_retrained.is_some());
        assert!((0.0..=1.0).contains(&run.after.edit) && run.mia_threshold.is_some());
    }
    let (none, retrain) = (of("none"), of("retrain"));
    assert!(none.after.edit < 0.98 && retrain.after.edit > 0.98, "{:?}", retrain.after);
    assert!(apart(retrain) < 0.025 && apart(none) > 0.03, "{} {}", apart(retrain), apart(none));
    assert_eq!((retrain.tow, retrain.average_gap), (Some(1.0), Some(0.0)));
    assert!(none.mia > retrain.mia, "members have a lower loss: {:?}", (none.mia, retrain.mia));
    // A search is paid for the gap, so it narrows it, by as much as it was paid.
    for run in results.runs.iter().filter(|run| run.editor == "sep-cma-es") {
        assert!(run.after.reward > run.before.reward, "{:?}", run.after);
        let paid = run.curve.last().unwrap().best;
        assert!((paid - run.after.reward).abs() < 1e-4, "{paid} against {}", run.after.reward);
    }
    for editor in ["fine-tune", "neggrad"] {
        assert_ne!(of(editor).digest, none.digest, "{editor} works on the samples");
    }
}

#[test]
fn the_subset_depends_on_the_split_seed_alone() {
    let digest = |change: fn(&mut UnlearnConfig)| {
        let unlearned = run(&["retrain"], change).unwrap();
        unlearned.results.runs[0].digest.clone()
    };
    let first = digest(|_| {});
    assert_eq!(first, digest(|config| config.threads = 1));
    assert_ne!(first, digest(|config| config.split_seed = 1));
    assert_ne!(first, digest(|config| config.forget_random = Some(0.2)));
}

#[test]
fn what_needs_a_class_is_refused_by_name() {
    let editors = [
        "logit-mask",
        "policy",
        "projection",
        "lda",
        "activation",
        "unsir",
        "fisher-reset",
        "gradient-ascent",
    ];
    for editor in editors {
        match run(&["none", editor], |_| {}) {
            Err(RunError::Usage(message)) => assert!(message.contains(editor), "{message}"),
            other => panic!("{editor}: {:?}", other.map(|_| ())),
        }
    }
    for share in [0.0, 1.0, -0.1, f64::NAN] {
        let refused = run(&["none"], |config| config.forget_random = Some(share));
        let Err(RunError::Usage(message)) = refused else { panic!("{share} was taken") };
        assert!(message.contains("--forget-random"), "{message}");
    }
}

/// Few networks, so that it is quick: there is a signal, not how strong an attack can be.
#[test]
fn likelihood_ratios_tell_the_unedited_network_from_a_retrained_one() {
    let attacked = |change: fn(&mut UnlearnConfig)| {
        run(&["none", "retrain"], |config| {
            config.lira = Some(8);
            config.seeds = 2;
            change(config);
        })
    };
    let unlearned = attacked(|_| {}).unwrap();
    let mean = |editor: &str| {
        let runs = unlearned.results.runs.iter().filter(|run| run.editor == editor);
        let figures: Vec<_> = runs.map(|run| run.lira.unwrap()).collect();
        assert!(figures.iter().all(|lira| lira.networks == 8));
        assert!(figures.iter().all(|lira| (0.0..=1.0).contains(&lira.tpr)));
        figures.iter().map(|lira| lira.accuracy).sum::<f64>() / figures.len() as f64
    };
    let (none, retrain) = (mean("none"), mean("retrain"));
    assert!((0.42..=0.56).contains(&retrain), "retrained networks look alike: {retrain}");
    assert!(none > 0.54 && none > retrain + 0.03, "{none} against {retrain}");
    let one = attacked(|config| config.seeds = 1).unwrap();
    assert_eq!(one.results.runs[1].lira, None, "no other retrained network");
    for (change, says) in [
        ((|config| config.lira = Some(3)) as fn(&mut UnlearnConfig), "at least 4"),
        (|config| config.editors = vec!["none".into()], "retrain"),
        (|config| config.forget_random = None, "--forget-random"),
    ] {
        let Err(RunError::Usage(message)) = attacked(change) else { panic!("taken: {says}") };
        assert!(message.contains("--lira") && message.contains(says), "{message}");
    }
}
