//! The program on networks that others trained, as a user meets it.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/ccexam-mnist.safetensors");
const ARCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/ccexam-mnist.json");

fn reweight(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reweight")).args(args).output().unwrap()
}

/// Standard output of a run that must succeed.
fn done(args: &[&str]) -> String {
    let output = reweight(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(args: &[&str], code: i32, named: &[&str]) {
    let output = reweight(args);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    for name in named {
        assert!(message.contains(name), "{args:?}: {message:?} does not name {name:?}");
    }
    assert!(code == 2 || message.trim_end().lines().count() == 1, "{args:?}: {message}");
}

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// One run on the shipped network, and every command that reads what it left.
#[test]
fn a_network_of_others_is_edited_and_written_back() {
    let dir = folder("foreign");
    let out = dir.to_str().unwrap();
    let editors = ["--editor", "sep-cma-es,logit-mask,none", "--layer", "classifier.2"];
    let small = ["--world", "shift", "--budget", "150", "--seeds", "2", "--quiet", "--out", out];
    let model = ["--model", MODEL, "--arch", ARCH];
    let table = done(&[&["unlearn"][..], &model, &editors, &small].concat());
    assert!(table.contains("classifier.2 (10 outputs × 128 inputs) of ccexam-mnist"), "{table}");
    assert!(table.contains("may have been the network's own training data"), "{table}");

    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let results = json(&read("results.json"));
    assert_eq!(results["data"]["train"].as_u64().unwrap() / 10, 400, "40 % for probes");
    assert_eq!(results["data"]["reward"].as_u64().unwrap() / 10, 399, "40 %");
    assert_eq!(results["data"]["test"], 2_000);
    assert_eq!(results["config"]["target"], "ccexam-mnist");
    assert_eq!(results["config"]["layer"], "classifier.2");
    let runs = results["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 6);
    for run in runs {
        assert_eq!(run["target"]["digest"], runs[0]["target"]["digest"], "one network for all");
        assert!(run["tow"].is_null() && run["js_to_retrained"].is_null(), "null, never 0");
        assert!(run["before"]["forget_test"].as_f64().unwrap() > 0.99);
    }
    assert_ne!(runs[0]["digest"], runs[1]["digest"], "seeds of editors");
    let report = read("report.md");
    for said in ["one network that was loaded", "may have been the network's own", "probe"] {
        assert!(report.contains(said), "{said}");
    }

    // The edit, applied to the file: only bytes of that tensor differ.
    let edit = dir.join("edits/sep-cma-es-shift-0.rwe");
    let edited = dir.join("edited.safetensors");
    let (edit, edited) = (edit.to_str().unwrap(), edited.to_str().unwrap());
    done(&[&["apply", edit], &model[..], &["--out", edited]].concat());
    let (before, after) = (fs::read(MODEL).unwrap(), fs::read(edited).unwrap());
    let kept = dir.join("networks/sep-cma-es-shift-0.safetensors");
    assert!(after == fs::read(kept).unwrap(), "apply gives what the run gave");
    let data = before.len() - 1_686_568;
    let tensor = data + 1_606_184..data + 1_611_304;
    assert_eq!(before.len(), after.len());
    assert!(before[..tensor.start] == after[..tensor.start]);
    assert!(before[tensor.end..] == after[tensor.end..]);
    assert!(before[tensor.clone()] != after[tensor]);

    let evaluated = done(&["evaluate", "--json", "--model", edited, "--arch", ARCH]);
    let evaluated = json(&evaluated);
    let forget = evaluated["parts"][2]["per_class"][7].as_f64().unwrap() as f32;
    assert_eq!(forget, runs[0]["after"]["forget_test"].as_f64().unwrap() as f32);
    assert_eq!(evaluated["parts"][0]["part"], "probe");
    refused(
        &["apply", edit, "--model", edited, "--arch", ARCH],
        1,
        &["edited.safetensors", "made for"],
    );
}

#[test]
fn inspect_lists_tensors() {
    let text = done(&["inspect", MODEL]);
    for said in ["8 tensors", "classifier.0.weight", "F32", "[128, 3136]", "rms 0.1424"] {
        assert!(text.contains(said), "{text}");
    }
    let cut = folder("foreign-inspect").join("cut.safetensors");
    fs::write(&cut, &fs::read(MODEL).unwrap()[..700]).unwrap();
    refused(&["inspect", cut.to_str().unwrap()], 1, &["cut.safetensors", "the header", "692"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = folder("foreign-refused");
    let model = ["unlearn", "--quiet", "--model", MODEL];
    let whole = [&model[..], &["--arch", ARCH]].concat();
    refused(&[&whole[..], &["--editor", "retrain"]].concat(), 2, &["retrain", "not known"]);
    refused(&["unlearn", "--arch", ARCH], 2, &["--model"]);
    refused(&[&whole[..], &["--widths", "64x16"]].concat(), 2, &["--widths", "--model"]);
    refused(&model, 1, &["ccexam-mnist.safetensors", "--arch"]);
    refused(
        &[&whole[..], &["--layer", "fc2"]].concat(),
        1,
        &["fc2", "features.0, features.3, classifier.0, classifier.2"],
    );
    refused(&["evaluate", "--model", "no/such.safetensors", "--arch", ARCH], 1, &["no/such"]);
    refused(&["evaluate", "--model", MODEL, "--arch", "no/such.json"], 1, &["no/such.json"]);
    refused(&["evaluate", "--model", ARCH, "--arch", ARCH], 1, &["not a safetensors file"]);
    let arch = dir.join("wrong.json");
    let text = fs::read_to_string(ARCH).unwrap();
    let case = |text: String, named: &[&str]| {
        fs::write(&arch, text).unwrap();
        refused(&["evaluate", "--model", MODEL, "--arch", arch.to_str().unwrap()], 1, named);
    };
    case(text.replace("features.3", "features.2"), &["features.2.weight", "features.3.weight"]);
    case(text.replace("[1, 28, 28]", "[1, 16, 16]"), &["classifier.0.weight", "[outputs, 1024]"]);
    case(text.replace("[1, 28, 28]", "[3, 28, 28]"), &["features.0.weight", "[outputs, 3,"]);
    case(text.replace("padding", "pading"), &["wrong.json", "layer 1", "\"padding\""]);
}

#[test]
fn a_wrong_normalisation_is_noticed() {
    let dir = folder("foreign-normalisation");
    let arch = dir.join("wrong.json");
    fs::write(&arch, fs::read_to_string(ARCH).unwrap().replace("0.1307", "100")).unwrap();
    let model = ["--model", MODEL, "--arch", arch.to_str().unwrap()];
    let warned = |args: &[&str]| {
        let output = reweight(args);
        assert!(output.status.success());
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("warning") && message.contains("normalisation"), "{message}");
        String::from_utf8(output.stdout).unwrap()
    };
    warned(&[&["evaluate"][..], &model].concat());
    let small = ["--editor", "none", "--seeds", "1", "--quiet"];
    let table = warned(&[&["unlearn"][..], &model, &small].concat());
    let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("is the normalisation right?"), "{table}");
}

/// A network of this crate's own as `--model`, and a convolution under edit in both worlds.
#[test]
fn an_own_network_is_loaded_and_convolutions_are_edited() {
    let dir = folder("foreign-own");
    let net = dir.join("net.rwn");
    let net = net.to_str().unwrap();
    done(&["train", "digits", "--quiet", "--epochs", "2", "--seed", "3", "--out", net]);
    let out = dir.join("out");
    let small = ["--quiet", "--budget", "60", "--seeds", "1", "--out", out.to_str().unwrap()];
    let model = ["unlearn", "--model", net, "--editor", "es,none"];
    let table = done(&[&model[..], &small].concat());
    assert!(table.contains("layer fc2 (32 outputs × 128 inputs) of digits-cnn"), "{table}");
    assert!(!out.join("networks/target-0.rwn").exists(), "it was not trained for seed 0");
    let table = done(&[&model[..], &["--layer", "conv1"], &small].concat());
    assert!(table.contains("layer conv1 (8 outputs × 36 inputs)"), "{table}");
    let results = json(&fs::read_to_string(out.join("results.json")).unwrap());
    for run in &results["runs"].as_array().unwrap()[..2] {
        assert!(run["edit_norm"].as_f64().unwrap() > 0.0);
        assert!(run["after"]["reward"].as_f64() > run["before"]["reward"].as_f64());
    }
    for world in ["shift", "mask"] {
        let edit = out.join(format!("edits/es-{world}-0.rwe"));
        let edited = dir.join("edited.rwn");
        let (edit, edited) = (edit.to_str().unwrap(), edited.to_str().unwrap());
        done(&["apply", edit, "--model", net, "--out", edited]);
        let kept = out.join(format!("networks/es-{world}-0.rwn"));
        assert!(fs::read(edited).unwrap() == fs::read(kept).unwrap());
    }
    refused(&["evaluate", "--model", net, "--arch", ARCH], 1, &["net.rwn", "--arch"]);
}
