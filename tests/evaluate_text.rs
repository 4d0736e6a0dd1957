//! `evaluate` on classifiers of comments: files that `debias` wrote, judged again.
#![cfg(feature = "std")]

use reweight::kernel::Kernel;
use reweight::report::write_debias;
use reweight::run::Silent;
use reweight::run::debias::{
    DebiasConfig, DebiasTarget, TextEvaluation, TextTarget, debias, evaluate_text, open_text,
};
use reweight::world::WorldKind;
use reweight::world::int8::{Int8Form, Int8Range};
use std::fs;
use std::path::{Path, PathBuf};

const INT8: Option<(Int8Form, Int8Range)> = Some((Int8Form::Weights, Int8Range::Grow));

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn evaluate(model: &Path, arch: Option<&Path>) -> TextEvaluation {
    let target = open_text(model, arch, None).unwrap().unwrap();
    evaluate_text(Kernel::auto(), &target, None, 0, 0.5).unwrap()
}

/// A network that was written answers as it did when it was edited, to the last bit of every figure.
#[test]
fn what_debias_wrote_is_worth_what_it_reported() {
    let arch = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/alt-profanity-check.json");
    let cases = [
        (DebiasTarget::Toxicity, None, "sep-cma-es", "sep-cma-es-mask-64x16-0.rwn"),
        (DebiasTarget::Toxicity, INT8, "sep-cma-es", "sep-cma-es-mask-64x16-0.rwq"),
        (DebiasTarget::Profanity, None, "policy", "policy-mask-linear-0.safetensors"),
        (DebiasTarget::Profanity, INT8, "policy", "policy-mask-linear-0.rwq"),
    ];
    for (index, (target, int8, editor, file)) in cases.into_iter().enumerate() {
        let config = DebiasConfig {
            target,
            int8,
            editors: vec![editor.into()],
            worlds: vec![WorldKind::Mask],
            budget: Some(60),
            seeds: 1,
            ..DebiasConfig::default()
        };
        let debiased = debias(&config, &Silent).unwrap();
        let dir = folder(&format!("evaluate-text-{index}"));
        write_debias(&dir, &debiased).unwrap();
        let run = &debiased.results.runs[0].after;
        let arch = file.ends_with("safetensors").then_some(&*arch);
        let found = evaluate(&dir.join("networks").join(file), arch).figures;
        assert_eq!((found.n, found.auc, found.accuracy), (run.n, run.auc, run.accuracy), "{file}");
        assert_eq!((found.fped_mean, found.fned_mean), (run.fped_mean, run.fned_mean), "{file}");
        assert_eq!((found.gap_null, found.jigsaw_score), (run.gap_null, run.jigsaw_score));
        let rates = |figures: &reweight::run::debias::DebiasFigures| -> Vec<_> {
            figures.groups.iter().map(|group| (group.name.clone(), group.fpr, group.fnr)).collect()
        };
        assert_eq!(rates(&found), rates(run));
    }
}

#[test]
fn words_and_comments_that_do_not_fit_are_named() {
    let config = DebiasConfig { editors: vec!["none".into()], seeds: 1, ..DebiasConfig::default() };
    let dir = folder("evaluate-text-words");
    write_debias(&dir, &debias(&config, &Silent).unwrap()).unwrap();
    let (model, words) = (dir.join("networks/target-0.rwn"), dir.join("networks/words-0.txt"));
    let text = evaluate(&model, None).text();
    for part in ["toxicity-mlp", "built-in comments, test: 8000 comments", "muslim", "by chance"] {
        assert!(text.contains(part), "{text}");
    }
    let target = open_text(&model, None, Some(&words)).unwrap().unwrap();
    let csv = dir.join("comments.csv");
    fs::write(&csv, "comment_text,toxic\nkind words,0\nyou are a stupid man,1\nno,0\n").unwrap();
    let own = evaluate_text(Kernel::auto(), &target, Some(&csv), 0, 0.5).unwrap();
    assert_eq!((own.figures.n, own.figures.auc), (3, Some(1.0)));
    let json = own.json();
    assert!(json.contains("\"command\": \"evaluate\"") && json.contains("\"auc\": 1.0"), "{json}");

    fs::write(&csv, "comment_text,toxic\nkind words,0\n").unwrap();
    let message = |data: &Path, threshold| {
        evaluate_text(Kernel::auto(), &target, Some(data), 0, threshold).unwrap_err().to_string()
    };
    assert!(message(&csv, 0.5).contains("expected toxic comments and others"));
    assert!(message(&csv, 1.0).contains("--threshold"));
    assert!(message(&dir.join("none.csv"), 0.5).contains("none.csv"));
    let refused = |words: Option<&Path>| open_text(&model, None, words).unwrap_err().to_string();
    let few = dir.join("few.txt");
    fs::write(&few, "one\ntwo\n").unwrap();
    assert!(refused(Some(&few)).contains("2 words, the network takes 234"));
    fs::write(&few, "one\none\n").unwrap();
    assert!(refused(Some(&few)).contains("few.txt"));
    fs::remove_file(&words).unwrap();
    assert!(refused(None).contains("words-0.txt") && refused(None).contains("--words"));
    assert!(open_text(&dir.join("none.rwn"), None, None).is_err());
}

/// The words of others may be weighted and their outputs calibrated, which a file of integers does not hold.
#[test]
fn integers_of_other_networks_are_not_judged_by_words_alone() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let [model, arch] =
        ["safetensors", "json"].map(|ending| data.join(format!("alt-profanity-check.{ending}")));
    let target = DebiasTarget::Loaded(TextTarget::load(&model, &arch).unwrap().into());
    let editors = vec!["none".into()];
    let config = DebiasConfig { target, int8: INT8, editors, seeds: 1, ..DebiasConfig::default() };
    let dir = folder("evaluate-text-others");
    write_debias(&dir, &debias(&config, &Silent).unwrap()).unwrap();
    let refused = open_text(&dir.join("networks/target-0.rwq"), None, None).unwrap_err();
    assert!(refused.to_string().contains("alt-profanity-check-int8"), "{refused}");
}
