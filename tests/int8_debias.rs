//! Debiasing in 8 bits: quantised classifiers beside the ones that they were made from.
#![cfg(feature = "std")]

use reweight::kernel::{Backend, Kernel};
use reweight::report::write_debias;
use reweight::run::Silent;
use reweight::run::debias::{DebiasConfig, DebiasRun, DebiasTarget, Debiased, debias};
use reweight::run::int8::load_int8;
use reweight::world::WorldKind;
use reweight::world::int8::{Int8Form, Int8Range};
use std::path::PathBuf;

const WEIGHTS: (Int8Form, Int8Range) = (Int8Form::Weights, Int8Range::Grow);

fn config(target: DebiasTarget, editors: &[&str]) -> DebiasConfig {
    DebiasConfig {
        target,
        int8: Some(WEIGHTS),
        editors: editors.iter().map(ToString::to_string).collect(),
        budget: Some(1_500),
        seeds: 1,
        ..DebiasConfig::default()
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn find<'r>(debiased: &'r Debiased, editor: &str, world: Option<&str>) -> &'r DebiasRun {
    let of = |run: &&DebiasRun| run.editor == editor && run.world.as_deref() == world;
    debiased.results.runs.iter().find(of).unwrap()
}

/// What the world paid for the best edit of a random search, which its curve ends with.
fn paid(run: &DebiasRun) -> f32 {
    run.curve.last().unwrap().best
}

/// What the whole network is then worth.
fn found(run: &DebiasRun) -> f32 {
    run.after.reward.as_ref().unwrap().reward
}

/// Eight bits cost next to nothing, edits of any layer remove the bias as they do in real numbers, and what the
/// world paid for is what the whole network is then worth.
#[test]
fn a_quantised_classifier_is_debiased() {
    for layer in ["64x16", "embed"] {
        let ints = config(
            DebiasTarget::Toxicity,
            &["sep-cma-es", "random", "none", "blindness", "retrain"],
        );
        let ints = DebiasConfig { layer: Some(layer.into()), ..ints };
        let real = debias(&DebiasConfig { int8: None, ..ints.clone() }, &Silent).unwrap();
        let ints = debias(&ints, &Silent).unwrap();
        assert_eq!(ints.results.runs[0].target.name, "toxicity-mlp-int8");
        for editor in ["none", "blindness", "retrain"] {
            let (real, ints) = (find(&real, editor, None), find(&ints, editor, None));
            let apart = ints.after.auc.unwrap() - real.after.auc.unwrap();
            assert!(apart.abs() < 0.003, "{editor}: AUC {apart} apart");
        }
        let none = find(&ints, "none", None);
        assert_ne!(none.after.reward, find(&real, "none", None).after.reward);
        for world in ["mask", "shift"] {
            let run = find(&ints, "sep-cma-es", Some(world));
            let (gap, before) = (run.after.fped_mean.unwrap(), none.after.fped_mean.unwrap());
            let auc = run.after.auc.unwrap() - none.after.auc.unwrap();
            assert!(gap < 0.6 * before && auc > -0.01, "{world}: {before} -> {gap}, AUC {auc}");
            let random = find(&ints, "random", Some(world));
            assert_eq!(paid(random), found(random), "{world} of {layer}");
        }
    }
}

/// On a file the templates' words alone are edited, and all others come as sums: the whole network is worth what the
/// world paid for, bit for bit.
#[test]
fn words_that_are_not_edited_are_summed_once() {
    let mut text = String::from("comment_text,target,gay,muslim\n");
    for index in 0..300 {
        let (toxic, gay, muslim) = (index % 2, u8::from(index % 3 == 0), u8::from(index % 5 == 0));
        let word = if toxic == 1 { "stupid" } else { "kind" };
        let name = match (gay, muslim) {
            (1, _) => "gay",
            (_, 1) => "muslim",
            _ => "quiet",
        };
        text += &format!(
            "\"a {word} {name} person of the {}th house\",{toxic},{gay},{muslim}\n",
            index % 17
        );
    }
    let path = folder("int8-debias-file").join("comments.csv");
    std::fs::write(&path, text).unwrap();
    for world in [WorldKind::Mask, WorldKind::Shift] {
        let config = DebiasConfig {
            data: Some(path.clone()),
            worlds: vec![world],
            size_penalty: Some(0.0),
            budget: Some(300),
            ..config(DebiasTarget::Profanity, &["random", "none"])
        };
        let ints = debias(&config, &Silent).unwrap();
        let run = find(&ints, "random", Some(world.name()));
        assert_eq!(paid(run), found(run));
        assert!(found(run) > found(find(&ints, "none", None)));
    }
}

/// The same bits on every kernel, and files that load again with them.
#[test]
fn every_kernel_gives_the_same_integers() {
    let runs: Vec<Debiased> = [Kernel::portable(), Kernel::auto()]
        .into_iter()
        .map(|kernel| {
            let editors = ["ppo", "savani", "column-scale"];
            let config = config(DebiasTarget::Toxicity, &editors);
            debias(&DebiasConfig { kernel, budget: Some(130), ..config }, &Silent).unwrap()
        })
        .collect();
    if Kernel::auto().backend() == Backend::Portable {
        println!("skipped: this processor has no other kernel");
    }
    let digests = |debiased: &Debiased| -> Vec<String> {
        debiased.results.runs.iter().map(|run| run.digest.clone()).collect()
    };
    assert_eq!(digests(&runs[0]), digests(&runs[1]));
    let out = folder("int8-debias-files");
    write_debias(&out, &runs[0]).unwrap();
    let networks = out.join("networks");
    let target = load_int8(&networks.join("target-0.rwq")).unwrap().target;
    assert_eq!(target.parameters, runs[0].targets[0].parameters);
    let edited = load_int8(&networks.join("ppo-mask-64x16-0.rwq")).unwrap().target;
    let artifact = runs[0].artifacts.iter().find(|artifact| {
        (artifact.editor.as_str(), artifact.world.as_deref(), artifact.layer.as_str())
            == ("ppo", Some("mask"), "64x16")
    });
    assert_eq!(edited.parameters, artifact.unwrap().parameters);
    assert_ne!(edited.parameters, target.parameters);
}

/// Row multipliers are scaled in MaskWorld, and the policies act on a quantised linear classifier.
#[test]
fn multipliers_and_policies_act_on_integers() {
    let form = (Int8Form::RowMultipliers, Int8Range::Grow);
    let mut rows = config(DebiasTarget::Toxicity, &["sep-cma-es", "none"]);
    rows.int8 = Some(form);
    let refused = debias(&rows, &Silent).unwrap_err();
    assert!(refused.to_string().contains("multipliers"), "{refused}");
    rows.worlds = vec![WorldKind::Mask];
    let debiased = debias(&rows, &Silent).unwrap();
    let edited = find(&debiased, "sep-cma-es", Some("mask"));
    assert!(found(edited) > found(find(&debiased, "none", None)) + 0.01);

    let mut policy = config(DebiasTarget::Profanity, &["policy", "none"]);
    policy.budget = None;
    let debiased = debias(&policy, &Silent).unwrap();
    let before = find(&debiased, "none", None).after.fped_mean.unwrap();
    for world in ["mask", "shift"] {
        let run = find(&debiased, "policy", Some(world));
        let gap = run.after.fped_mean.unwrap();
        assert!(run.evaluations == 0 && gap < 0.1 * before, "{world}: {before} -> {gap}");
    }
}

#[test]
fn what_integers_do_not_allow_is_named() {
    let refused = |editor: &str| {
        debias(&config(DebiasTarget::Toxicity, &[editor]), &Silent).unwrap_err().to_string()
    };
    assert!(refused("fine-tune").contains("gradients"));
    assert!(refused("leace").contains("real weights"));
    let all = DebiasConfig {
        editors: Vec::new(),
        budget: Some(64),
        ..config(DebiasTarget::Toxicity, &[])
    };
    let notes = debias(&all, &Silent).unwrap().results.notes.join("\n");
    assert!(notes.contains("Impossible on integers: leace, refit (it writes real weights"));
    assert!(notes.contains("reweighing"), "{notes}");
}
