//! Repair by reward alone: what a run finds, and the program around it.
#![cfg(feature = "cli")]

use reweight::data::tflite::TfLite;
use reweight::kernel::{Backend, Kernel};
use reweight::run::Silent;
use reweight::run::repair::{EDITORS, Errors, Function, RepairConfig, Repaired, repair};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn sine() -> TfLite {
    TfLite::open(&data("sine.tflite")).unwrap()
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn small(editor: &str, budget: u64) -> RepairConfig {
    RepairConfig { editors: vec![editor.into()], budget, seeds: 1, ..RepairConfig::default() }
}

fn repaired(config: &RepairConfig) -> Repaired {
    repair(&sine(), config, &Silent).unwrap()
}

#[test]
fn errors_before_are_those_of_another_program() {
    let oracle: Value = serde_json::from_str(include_str!("oracle/tflite.json")).unwrap();
    let found = repaired(&small("random", 1));
    let Errors { max, mean, rms } = found.on_test;
    for (name, value) in [("max", max), ("mean", mean), ("rms", rms)] {
        let expected = oracle["sine"]["errors"][name].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-5, "{name}: {value} and {expected}");
    }
    let least = oracle["sine"]["least"].as_f64().unwrap();
    assert!((found.floor.max - least).abs() < 1e-5, "{} and {least}", found.floor.max);
    // The one evaluation is that of the file as it is.
    let run = &found.runs[0];
    assert_eq!((run.evaluations, run.weights_changed, run.biases_changed), (1, 0, 0));
    assert_eq!(run.bytes, sine().bytes());
    let Errors { max, rms, .. } = found.on_reward;
    assert!((run.reward - 1.0 / (1.0 + max + 2.0 * rms)).abs() < 1e-3, "{}", run.reward);
}

#[test]
fn the_sine_is_repaired_by_reward_alone() {
    let found = repaired(&small("sep-cma-es", 50_000));
    let run = found.best().unwrap();
    assert!(run.evaluations <= 50_000);
    assert!(run.on_test.max <= 0.12, "{:?}", run.on_test);
    assert!(run.on_test.max > found.floor.max);
    // The file that comes out gives the figures that were said of it.
    let file = TfLite::read("repaired", run.bytes.clone()).unwrap();
    let again = repair(&file, &small("random", 1), &Silent).unwrap();
    assert_eq!((again.on_test, again.on_reward), (run.on_test, run.on_reward));
    assert_eq!(again.digest, run.digest);
    let differ = |(new, old): &(&u8, &u8)| new != old;
    let bytes = sine().bytes().iter().zip(&run.bytes).filter(differ).count();
    assert!(bytes >= run.weights_changed && bytes <= run.weights_changed + 4 * run.biases_changed);
}

#[test]
fn every_editor_improves_and_neither_threads_nor_kernels_change_a_bit() {
    for editor in EDITORS {
        let config = RepairConfig { seeds: 2, ..small(editor, 2_000) };
        let one = repaired(&config);
        for run in &one.runs {
            assert!(run.reward > one.reward && run.evaluations <= 2_000, "{editor}");
        }
        assert_ne!(one.runs[0].digest, one.runs[1].digest);
        let portable = Kernel::new(Backend::Portable).unwrap();
        let other = repaired(&RepairConfig { threads: 2, kernel: portable, ..config });
        for (one, other) in one.runs.iter().zip(&other.runs) {
            assert_eq!((&one.digest, one.reward), (&other.digest, other.reward), "{editor}");
        }
    }
}

#[test]
fn layers_that_are_not_edited_stay() {
    let config = RepairConfig { edit: Some(vec![2]), ..small("sep-cma-es", 2_000) };
    let found = repaired(&config);
    assert_eq!((found.parameters, found.layers.len()), (17, 1));
    let (before, after) =
        (sine().dense(None).unwrap(), TfLite::read("new", found.runs[0].bytes.clone()).unwrap());
    let after = after.dense(None).unwrap();
    assert_eq!(before.layers[..2], after.layers[..2]);
    assert_ne!(before.layers[2], after.layers[2]);
    for edit in [vec![3], vec![]] {
        let config = RepairConfig { edit: Some(edit), ..small("es", 10) };
        let error = repair(&sine(), &config, &Silent).unwrap_err().to_string();
        assert!(error.contains("--edit") && error.contains("below 3"), "{error}");
    }
}

/// The dense layer of speech.tflite learns what it gives, times −1, on three of six inputs.
#[test]
fn one_layer_of_a_network_is_repaired_by_samples() {
    let dir = folder("repair-layer");
    let path = dir.join("samples.csv");
    let row = |sample: usize| {
        let x = (0..4000).map(|at| ((at * (sample + 3)) % 17).to_string()).collect::<Vec<_>>();
        format!("{},1,-2,3,{sample}\n", x.join(","))
    };
    fs::write(&path, (0..6).map(row).collect::<String>()).unwrap();
    let file = TfLite::open(&data("speech.tflite")).unwrap();
    let config = RepairConfig {
        function: Function::File(path.clone()),
        layer: Some("2".into()),
        ..small("sep-cma-es", 300)
    };
    let found = repair(&file, &config, &Silent).unwrap();
    assert_eq!((found.parameters, found.reward_samples, found.test_samples), (16_004, 3, 3));
    assert!(found.runs[0].reward > found.reward);
    let error =
        repair(&file, &RepairConfig { layer: None, ..config.clone() }, &Silent).unwrap_err();
    assert!(error.to_string().contains("operator 0 (RESHAPE)"), "{error}");
    let sine = Function::Sine { low: 0.0, high: 1.0 };
    let error = repair(&file, &RepairConfig { function: sine, ..config }, &Silent).unwrap_err();
    assert!(error.to_string().contains("one input and one output"), "{error}");
}

fn reweight(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reweight")).args(args).output().unwrap()
}

/// Runs the program, which must fail with `code` and one line that names everything in `named`.
fn refused(args: &[&str], code: i32, named: &[&str]) {
    let output = reweight(args);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    for name in named {
        assert!(message.contains(name), "{args:?}: {message:?} does not name {name:?}");
    }
    assert!(code == 2 || message.trim_end().lines().count() == 1, "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn the_program_writes_files_that_it_reads() {
    let dir = folder("repair-whole");
    let (file, out) = (data("sine.tflite"), dir.join("out"));
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let args = ["repair", file, "--quiet", "--seeds", "2", "--budget", "3000", "--out", out];
    let output = reweight(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    for part in ["as it is", "0.328", "sep-cma-es", "least possible", "best by reward"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let read = |name: &str| fs::read(Path::new(out).join(name)).unwrap();
    let results: Value = serde_json::from_slice(&read("results.json")).unwrap();
    assert_eq!((&results["command"], &results["schema"]), (&"repair".into(), &1.into()));
    assert_eq!(results["runs"].as_array().unwrap().len(), 2);
    let report = String::from_utf8(read("report.md")).unwrap();
    assert!(report.contains("sine-sep-cma-es-1.tflite") && report.contains("curve.svg"));
    assert!(String::from_utf8(read("curve.svg")).unwrap().ends_with("</svg>\n"));
    let new = Path::new(out).join("sine-sep-cma-es-0.tflite");
    let text = String::from_utf8(reweight(&["inspect", new.to_str().unwrap()]).stdout).unwrap();
    assert!(
        text.contains("operator 1 FULLY_CONNECTED") && text.contains("can be edited"),
        "{text}"
    );
    assert_eq!(fs::read(file).unwrap(), sine().bytes(), "the file that came in stays");
    // Other threads and kernels: the same report.
    let again = [&args[..], &["--threads", "1", "--kernel", "portable"]].concat();
    assert!(reweight(&again).status.success());
    assert_eq!(String::from_utf8(read("report.md")).unwrap(), report);
    assert_eq!(fs::read_dir(out).unwrap().count(), 5, "no temporary files");
}

#[test]
fn bad_files_and_options_are_named_and_nothing_is_written() {
    let dir = folder("repair-bad");
    let (bad, out) = (dir.join("bad.tflite"), dir.join("out"));
    let (bad, out) = (bad.to_str().unwrap(), out.to_str().unwrap());
    let good = data("sine.tflite");
    let (good, bytes) = (good.to_str().unwrap(), sine().bytes().to_vec());
    let case = |content: &[u8], named: &[&str]| {
        fs::write(bad, content).unwrap();
        refused(&["repair", bad, "--quiet", "--budget", "50", "--out", out], 1, named);
        refused(&["inspect", bad], 1, &["bad.tflite"]);
    };
    case(&bytes[..2000], &["bad.tflite", "byte"]);
    case(&bytes[..6], &["bad.tflite", "TFL3"]);
    case(b"", &["bad.tflite", "TFL3"]);
    let mut flipped = bytes.clone();
    flipped[0] = 255;
    case(&flipped, &["bad.tflite", "byte"]);
    let speech = data("speech.tflite");
    let speech = speech.to_str().unwrap();
    refused(&["repair", speech, "--quiet", "--out", out], 1, &["operator 0 (RESHAPE)", "--layer"]);
    refused(&["repair", speech, "--quiet", "--layer", "1"], 1, &["operator 1 (DEPTHWISE_CONV_2D)"]);
    refused(&["repair", "no-such.tflite"], 1, &["no-such.tflite"]);
    refused(&["repair", good, "--function", "no-such.csv"], 1, &["no-such.csv"]);
    let csv = dir.join("x.csv");
    fs::write(&csv, "0,0\n1,one\n").unwrap();
    refused(
        &["repair", good, "--function", csv.to_str().unwrap()],
        1,
        &["line 2, column 2", "one"],
    );
    refused(&["repair", good, "--range", "3,1"], 2, &["--range", "rising"]);
    refused(&["repair", good, "--budget", "0"], 2, &["evaluation"]);
    refused(&["repair", good, "--editor", "ppo"], 2, &["ppo", "sep-cma-es"]);
    refused(&["repair", good, "--sigma", "nan"], 2, &["--sigma"]);
    let file = dir.join("a-file");
    fs::write(&file, "precious").unwrap();
    refused(&["repair", good, "--budget", "10", "--out", file.to_str().unwrap()], 1, &["a-file"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let left = fs::read_dir(out).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is half written");
}
