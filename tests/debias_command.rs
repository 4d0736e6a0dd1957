//! Debiasing: the deployed classifier, the command, its bad input.
#![cfg(feature = "std")]

use reweight::data::text::{identity_terms, identity_test_templates};
use reweight::kernel::Kernel;
use reweight::run::Silent;
use reweight::run::debias::{DebiasConfig, DebiasTarget, TextTarget, debias};
use reweight::world::WorldKind;
use std::path::PathBuf;
use std::sync::Arc;

/// Scores that the package itself gives, to three places.
#[test]
fn the_deployed_classifier_is_reproduced() {
    let target = TextTarget::profanity().unwrap();
    let texts = ["I am a gay man", "I am a man", "I am a tall woman"];
    let found = target.probabilities(Kernel::auto(), &texts).unwrap();
    for ((text, found), expected) in texts.iter().zip(found).zip([0.953, 0.125, 0.060]) {
        assert!((found - expected).abs() < 1e-3, "{text}: {found}, expected {expected}");
    }
}

/// Words of the test templates have no bias of their own: without a term no harmless sentence is near
/// the threshold.
#[test]
fn harmless_test_templates_are_harmless_without_a_term() {
    let target = TextTarget::profanity().unwrap();
    let set = identity_test_templates(0, 0, 2_000);
    let texts: Vec<&str> = set.texts.iter().map(String::as_str).collect();
    let scores = target.probabilities(Kernel::auto(), &texts).unwrap();
    for ((text, label), score) in texts.iter().zip(&set.labels).zip(scores) {
        assert!(*label == 1 || score < 0.45, "{text}: {score}");
    }
}

fn profanity(editors: &[&str], world: WorldKind) -> DebiasConfig {
    DebiasConfig {
        target: DebiasTarget::Profanity,
        worlds: vec![world],
        editors: editors.iter().map(ToString::to_string).collect(),
        seeds: 1,
        ..DebiasConfig::default()
    }
}

/// The shipped policies repair it without one evaluation: of harmless sentences about the groups that it
/// flags, at most one in twenty stays flagged, and toxic ones stay toxic.
#[test]
fn shipped_policies_repair_it_without_an_evaluation() {
    for world in [WorldKind::Shift, WorldKind::Mask] {
        for policy_seed in 0..3 {
            let config =
                DebiasConfig { policy_seed: Some(policy_seed), ..profanity(&["policy"], world) };
            let results = debias(&config, &Silent).unwrap().results;
            let run = &results.runs[0];
            assert_eq!(run.evaluations, 0);
            for term in ["gay", "queer", "homosexual"] {
                let of = |figures: &reweight::run::debias::DebiasFigures| {
                    figures.groups.iter().find(|group| group.name == term).unwrap().fpr.unwrap()
                };
                assert!(of(&run.before) > 0.25, "{term} was not flagged");
                assert!(of(&run.after) <= 0.05, "{term}: {}", of(&run.after));
            }
            assert!(run.after.tpr.unwrap() > run.before.tpr.unwrap() - 0.03);
            assert!(run.after.auc > run.before.auc);
        }
    }
}

/// Threads and kernels change no figure, and what an editor was paid is what its network earns.
#[test]
fn figures_do_not_depend_on_threads_or_kernels() {
    let base = DebiasConfig {
        editors: ["ppo", "sep-cma-es", "threshold"].map(str::to_string).to_vec(),
        budget: Some(192),
        seeds: 2,
        layer: Some("embed".into()),
        keep_best: true,
        ..DebiasConfig::default()
    };
    let run = |threads, kernel| {
        let config = DebiasConfig { threads, kernel, ..base.clone() };
        let mut results = debias(&config, &Silent).unwrap().results;
        results.runs.iter_mut().for_each(|run| run.seconds = 0.0);
        results
    };
    let one = run(1, Kernel::auto());
    assert_eq!(one, run(2, Kernel::auto()));
    assert_eq!(one, run(2, Kernel::portable()));
    for run in one.runs.iter().filter(|run| run.world.is_some()) {
        let paid = run.curve.last().unwrap().best;
        let earned = run.after.reward.unwrap().reward;
        assert!((paid - earned).abs() < 2e-3, "{}: paid {paid}, earns {earned}", run.editor);
        assert!(earned > run.before.reward.unwrap().reward);
    }
}

/// The comments that are built in make the task what it is meant to be.
#[test]
fn built_in_comments_are_hard_in_the_way_that_they_should_be() {
    let editors = ["none", "blindness", "threshold", "retrain"].map(str::to_string).to_vec();
    let config = DebiasConfig { editors, seeds: 2, ..DebiasConfig::default() };
    let results = debias(&config, &Silent).unwrap().results;
    for run in &results.runs {
        let (before, after) = (&run.before, &run.after);
        let (gap, null) = (before.fped_mean.unwrap(), before.gap_null.unwrap());
        assert!((0.91..0.95).contains(&before.auc.unwrap()), "{:?}", before.auc);
        assert!(gap > 5.0 * null, "gap {gap}, null {null}");
        let signs = |sign: f64| before.groups.iter().any(|g| sign * g.gap.unwrap() > 0.05);
        assert!(signs(1.0) && signs(-1.0));
        let lost = before.auc.unwrap() - after.auc.unwrap();
        let matched = after.matched_gap.unwrap() / before.matched_gap.unwrap();
        match run.editor.as_str() {
            "none" => assert_eq!(before, after),
            "blindness" => assert!(lost > 0.02, "{lost}"),
            "threshold" => assert!((0.95..1.05).contains(&matched), "{matched}"),
            _ => assert!(lost < -0.02 && matched < 0.4, "{lost} {matched}"),
        }
    }
}

fn folder(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// A CSV file of comments about two groups.
fn comments(count: usize, toxic: impl Fn(usize) -> bool) -> String {
    let mut text = String::from("comment_text,target,female,muslim\n");
    for index in 0..count {
        let word = ["lovely", "awful"][usize::from(toxic(index))];
        let (female, muslim) = (index % 3 == 0, index % 4 == 0);
        let name = match (female, muslim) {
            (true, _) => "female",
            (false, true) => "muslim",
            _ => "tall",
        };
        text += &format!(
            "\"a {word} {name} person, number {index}\",{},{},{}\n",
            f32::from(u8::from(toxic(index))),
            u8::from(female),
            u8::from(muslim)
        );
    }
    text
}

fn on_file(name: &str, content: &str) -> DebiasConfig {
    let path = folder(name).join("comments.csv");
    std::fs::write(&path, content).unwrap();
    DebiasConfig {
        data: Some(path),
        editors: vec!["sep-cma-es".into(), "none".into(), "blindness".into()],
        budget: Some(40),
        seeds: 1,
        ..DebiasConfig::default()
    }
}

#[test]
fn comments_of_a_file_are_trained_on_edited_and_folded() {
    let config = on_file("debias-file", &comments(300, |index| index % 2 == 0));
    let results = debias(&config, &Silent).unwrap().results;
    assert_eq!(results.data.test, 60);
    let names: Vec<&str> =
        results.runs[0].after.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["female", "muslim"]);
    let folded = DebiasConfig { folds: Some(3), ..config };
    let results = debias(&folded, &Silent).unwrap().results;
    assert_eq!((results.data.test, results.pooled[0].after.n), (300, 300));
    // Every comment is judged once: the pooled counts are those of the file.
    let female = &results.pooled[0].after.groups[0];
    assert_eq!((female.name.as_str(), female.n), ("female", 100));
}

#[test]
fn bad_comments_are_errors_with_what_and_where() {
    let refused = |name: &str, content: &str, named: &[&str]| {
        let error = debias(&on_file(name, content), &Silent).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 1, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for name in named {
            assert!(text.contains(name), "{text:?} does not name {name:?}");
        }
    };
    refused("debias-empty", "", &["comments.csv", "empty"]);
    refused("debias-columns", "text,label\na,1\n", &["comment_text", "label"]);
    let broken = comments(40, |index| index % 2 == 0) + "\"open,1,0,0\n";
    refused("debias-quote", &broken, &["line 42"]);
    let number = comments(40, |index| index % 2 == 0) + "fine,many,0,0\n";
    refused("debias-number", &number, &["line 42", "target", "many"]);
    refused("debias-class", &comments(40, |_| true), &["toxic"]);
    let mut config = on_file("debias-groups", &comments(60, |index| index % 2 == 0));
    config.groups = vec!["martian".into()];
    let error = debias(&config, &Silent).unwrap_err().to_string();
    assert!(error.contains("martian") && error.contains("female"), "{error}");
}

#[test]
fn what_cannot_be_done_is_said_before_work_begins() {
    let refused = |config: DebiasConfig, named: &[&str]| {
        let error = debias(&config, &Silent).unwrap_err().to_string();
        for name in named {
            assert!(error.contains(name), "{error:?} does not name {name:?}");
        }
    };
    let base = || DebiasConfig { seeds: 1, budget: Some(20), ..DebiasConfig::default() };
    let named = |name: &str| vec![name.to_string()];
    refused(DebiasConfig { editors: named("blindnes"), ..base() }, &["did you mean blindness?"]);
    refused(DebiasConfig { editors: named("lda"), ..base() }, &["lda", "unlearns"]);
    refused(DebiasConfig { editors: named("policy"), ..base() }, &["policy", "one layer"]);
    refused(DebiasConfig { layer: Some("16x3".into()), ..base() }, &["16x3", "64x16, embed, 16x2"]);
    refused(DebiasConfig { threshold: 1.0, ..base() }, &["--threshold"]);
    refused(DebiasConfig { folds: Some(5), ..base() }, &["--folds", "--data"]);
    let mut config = profanity(&["fine-tune"], WorldKind::Mask);
    refused(config.clone(), &["fine-tune", "trained"]);
    config.editors = named("reweighing");
    refused(config.clone(), &["reweighing", "not known"]);
    config.target = DebiasTarget::Loaded(Arc::new(TextTarget::profanity().unwrap()));
    config.editors = named("retrain");
    refused(config, &["retrain"]);
}

#[test]
fn terms_are_words_of_the_deployed_classifier() {
    let target = TextTarget::profanity().unwrap();
    for (term, group) in identity_terms() {
        assert!(target.language.vocabulary.find(term).is_some(), "{term} ({group})");
    }
}
