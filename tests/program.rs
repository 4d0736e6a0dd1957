//! The program as a user meets it: exit codes, messages, files.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn reweight(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reweight")).args(args).output().unwrap()
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Runs the program, which must fail with `code` and one line that names everything in `named`.
fn refused(args: &[&str], code: i32, named: &[&str]) {
    let output = reweight(args);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    for name in named {
        assert!(message.contains(name), "{args:?}: {message:?} does not name {name:?}");
    }
    if code == 1 {
        assert_eq!(message.trim_end().lines().count(), 1, "{args:?}: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

fn idx(dims: &[u32], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    bytes.extend(body);
    bytes
}

#[test]
fn what_the_command_line_alone_shows_to_be_wrong_exits_with_2() {
    refused(&["unlearn", "--budget", "0"], 2, &["--budget", "at least 1"]);
    refused(&["unlearn", "--editor", "sep-cma"], 2, &["sep-cma", "did you mean sep-cma-es"]);
    refused(&["unlearn", "--seeds", "0"], 2, &["--seeds"]);
    refused(&["unlearn", "--lambda", "1.5"], 2, &["lambda", "between 0 and 1"]);
    refused(&["unlearn", "--step", "-1"], 2, &[]);
    refused(&["unlearn", "--rank", "0"], 2, &["rank"]);
    refused(&["unlearn", "--set", "clip"], 2, &["key=value"]);
    refused(&["unlearn", "--set", "clop=1"], 2, &["clop=1", "no such setting", "clip"]);
    refused(&["unlearn", "--world", "moon"], 2, &["moon", "mask"]);
    refused(&["unlearn", "--widths", "128"], 2, &["128x32"]);
    refused(&["debias", "--int8", "weights"], 2, &["--int8", "toxicity-mlp-int8", "--model"]);
    let rows = ["debias", "--target", "toxicity-mlp-int8", "--int8", "row-multipliers"];
    refused(&rows, 2, &["row multipliers", "--world mask"]);
    refused(&["frobnicate"], 2, &["frobnicate"]);
}

#[test]
fn what_needed_a_file_or_data_exits_with_1() {
    refused(&["unlearn", "--quiet", "--forget", "12"], 1, &["12", "0 to 9"]);
    refused(&["unlearn", "--quiet", "--forget", "0,1,2,3,4,5,6,7,8,9"], 1, &["every class"]);
    refused(&["unlearn", "--quiet", "--layer", "fc9"], 1, &["fc9", "fc1, fc2, fc3"]);
    refused(&["unlearn", "--quiet", "--layer", "relu"], 1, &["relu", "conv1, fc1, fc2, fc3"]);
    refused(&["unlearn", "--quiet", "--data", "no/such/folder"], 1, &["no/such/folder"]);
    refused(&["inspect", "no-such-file.rwe"], 1, &["no-such-file.rwe"]);
    refused(&["evaluate", "--model", "no-such-file.rwn"], 1, &["no-such-file.rwn"]);
}

#[test]
fn bad_image_files_are_named() {
    let dir = folder("bad-images");
    let (images, labels) = (dir.join("x-images-idx3-ubyte"), dir.join("x-labels-idx1-ubyte"));
    let case = |image_bytes: &[u8], label_bytes: &[u8], named: &[&str]| {
        fs::write(&images, image_bytes).unwrap();
        fs::write(&labels, label_bytes).unwrap();
        refused(&["unlearn", "--quiet", "--data", dir.to_str().unwrap()], 1, named);
    };
    let pixels = vec![7u8; 12 * 16];
    let good_images = idx(&[12, 4, 4], &pixels);
    let good_labels = idx(&[12], &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    case(&good_images[..100], &good_labels, &["x-images-idx3-ubyte"]);
    case(&[1, 2, 3, 4, 5, 6, 7, 8], &good_labels, &["x-images-idx3-ubyte"]);
    case(&good_images, &idx(&[11], &[0; 11]), &["12", "11"]);
    case(&good_images, &good_labels[..12], &["x-labels-idx1-ubyte"]);
    fs::remove_file(&labels).unwrap();
    refused(&["unlearn", "--quiet", "--data", dir.to_str().unwrap()], 1, &["labels"]);
}

#[test]
fn an_out_that_cannot_be_written_leaves_what_was_there() {
    let dir = folder("blocked");
    let file = dir.join("a-file");
    fs::write(&file, "precious").unwrap();
    refused(
        &["unlearn", "--quiet", "--seeds", "1", "--budget", "10", "--out", file.to_str().unwrap()],
        1,
        &["a-file"],
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

/// One small run, its files, and every command that reads them.
#[test]
fn a_run_leaves_files_that_the_other_commands_read() {
    let dir = folder("whole");
    let out = dir.to_str().unwrap();
    let base =
        ["unlearn", "--quiet", "--seeds", "1", "--editor", "sep-cma-es,retrain,logit-mask,none"];
    let small = [&base[..], &["--budget", "200", "--world", "shift", "--out", out]].concat();
    let output = reweight(&small);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("sep-cma-es") && table.contains("retrain"), "{table}");
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let results: serde_json::Value = serde_json::from_str(&read("results.json")).unwrap();
    assert_eq!(results["schema"], 1);
    assert_eq!(results["runs"].as_array().unwrap().len(), 4);
    for run in results["runs"].as_array().unwrap() {
        assert_eq!(run["policy"].is_null(), run["world"].is_null(), "null, never 0");
        let share = |name: &str| run[name].as_f64().unwrap_or_else(|| panic!("no {name}: {run}"));
        for name in ["probe_recovery", "probe_long", "probe_mlp", "mia", "mia_threshold"] {
            assert!((0.3..=1.0).contains(&share(name)), "{name}: {run}");
        }
        assert!(share("relearn_steps") <= 300.0 && share("average_gap") < 0.4);
        assert_eq!(run["probe_layers"].as_array().unwrap().len(), 3);
        assert_eq!(run["classwise"]["after"].as_array().unwrap().len(), 10);
        assert_eq!(run["heat"]["values"].as_array().unwrap().len(), 32 * 128);
        assert!(run["before"]["retain_test"].as_f64().unwrap() > 0.9);
    }
    let report = read("report.md");
    assert!(report.contains("sep-cma-es"));

    // The second run reuses the target and gives the same bytes, with other threads and kernels.
    let network = dir.join("networks/target-0.rwn");
    let trained = fs::metadata(&network).unwrap().modified().unwrap();
    let before = (read("results.csv"), report, fs::read(&network).unwrap());
    let again = [&small[..], &["--threads", "1"]].concat();
    assert!(reweight(&again).status.success());
    assert_eq!(before, (read("results.csv"), read("report.md"), fs::read(&network).unwrap()));
    assert_eq!(
        fs::metadata(&network).unwrap().modified().unwrap(),
        trained,
        "the target was cached"
    );

    let edit = dir.join("edits/sep-cma-es-shift-0.rwe");
    assert!(fs::metadata(&edit).unwrap().len() < 2048);
    let inspected = reweight(&["inspect", edit.to_str().unwrap()]);
    let text = String::from_utf8(inspected.stdout).unwrap();
    assert!(text.contains("fc2") && text.contains("shift"), "{text}");

    let edited = dir.join("edited.rwn");
    let (edit, network) = (edit.to_str().unwrap(), network.to_str().unwrap());
    let applied = reweight(&["apply", edit, "--model", network, "--out", edited.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let kept = dir.join("networks/sep-cma-es-shift-0.rwn");
    assert_eq!(
        fs::read(&edited).unwrap(),
        fs::read(kept).unwrap(),
        "apply gives what the run gave"
    );
    refused(&["apply", edit, "--model", edited.to_str().unwrap()], 1, &["edited.rwn", "made for"]);

    let evaluated = reweight(&["evaluate", "--json", "--model", edited.to_str().unwrap()]);
    let evaluated: serde_json::Value = serde_json::from_slice(&evaluated.stdout).unwrap();
    let test = &evaluated["parts"][2]["per_class"];
    let forget = test[7].as_f64().unwrap() as f32;
    let after = results["runs"][0]["after"]["forget_test"].as_f64().unwrap() as f32;
    assert_eq!(forget, after);

    // A flipped bit, a cut file, the wrong kind: each is refused with the file's name.
    let mut bytes = fs::read(network).unwrap();
    let broken = dir.join("broken.rwn");
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    fs::write(&broken, &bytes).unwrap();
    refused(&["evaluate", "--model", broken.to_str().unwrap()], 1, &["broken.rwn", "checksum"]);
    fs::write(&broken, &bytes[..at]).unwrap();
    refused(&["evaluate", "--model", broken.to_str().unwrap()], 1, &["broken.rwn"]);
    refused(&["evaluate", "--model", edit], 1, &[".rwe"]);
}

/// Edits of two layers, and the mask after them, are one file that `apply` carries out.
#[test]
fn edits_of_two_layers_are_one_file() {
    let dir = folder("two-layers");
    let out = dir.to_str().unwrap();
    let args = ["unlearn", "--quiet", "--seeds", "1", "--world", "shift", "--budget", "40"];
    let layers = ["--layer", "fc1,fc2", "--then-mask", "--out", out];
    let editors = ["--editor", "mean-match,sep-cma-es,mean-match-warm,leace"];
    let run = reweight(&[&args[..], &layers, &editors].concat());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    let report = String::from_utf8(read("report.md")).unwrap();
    assert!(report.contains("fc1,fc2") && report.contains("switched off"), "{report}");
    let network = dir.join("networks/target-0.rwn");
    for editor in ["mean-match", "sep-cma-es", "mean-match-warm"] {
        let edit = dir.join(format!("edits/{editor}-shift-0.rwe"));
        let inspected = reweight(&["inspect", edit.to_str().unwrap()]);
        let text = String::from_utf8(inspected.stdout).unwrap();
        let whole = text.contains("layer fc1") && text.contains("layer fc2");
        assert!(whole && text.contains("outputs of 7"), "{text}");
        let edited = dir.join("edited.rwn");
        let (edit, to) = (edit.to_str().unwrap(), edited.to_str().unwrap());
        let applied = reweight(&["apply", edit, "--model", network.to_str().unwrap(), "--out", to]);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        assert!(fs::read(&edited).unwrap() == read(&format!("networks/{editor}-shift-0.rwn")));
        refused(&["apply", edit, "--model", to], 1, &["edited.rwn", "made for"]);
    }

    refused(&["unlearn", "--quiet", "--seeds", "1", "--layer", "fc1,fc1"], 1, &["fc1 twice"]);
    refused(&["unlearn", "--quiet", "--seeds", "1", "--layer", "fc1,fc9"], 1, &["fc9", "fc2"]);
    let policy = ["unlearn", "--seeds", "1", "--layer", "fc1,fc2", "--editor", "policy"];
    refused(&policy, 2, &["policy", "one layer"]);
    refused(&["unlearn", "--refit", "softmax"], 2, &["--refit", "--erase"]);
    refused(&["unlearn", "--sigma", "0"], 2, &["--sigma"]);
}

#[test]
fn train_writes_a_network_that_evaluate_reads() {
    let dir = folder("train");
    let file = dir.join("net.rwn");
    let file = file.to_str().unwrap();
    let trained = reweight(&["train", "digits", "--quiet", "--epochs", "2", "--out", file]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let evaluated = reweight(&["evaluate", "--model", file]);
    let text = String::from_utf8(evaluated.stdout).unwrap();
    assert!(text.contains("test") && text.contains('%'), "{text}");
    let inspected = String::from_utf8(reweight(&["inspect", file]).stdout).unwrap();
    assert!(inspected.contains("conv1") && inspected.contains("fc3"), "{inspected}");
}

#[test]
fn a_policy_is_trained_looked_at_and_applied() {
    let dir = folder("transfer");
    let policy = dir.join("p.rwp");
    let policy = policy.to_str().unwrap();
    let small = ["--classes", "0-1", "--widths", "24x12,16x20", "--networks", "1,1"];
    let mut train = vec!["transfer", "train", "--world", "shift", "--quiet", "--out", policy];
    train.extend(small);
    train.extend(["--budget", "512", "--policy-seeds", "2"]);
    let output = reweight(&train);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(dir.join("p.md")).unwrap();
    assert!(report.contains("evaluations") && dir.join("p.svg").exists(), "{report}");
    let inspected = String::from_utf8(reweight(&["inspect", policy]).stdout).unwrap();
    for word in ["a policy", "shift world", "core+lda3", "2 policies of", "--widths 24x12,16x20"] {
        assert!(inspected.contains(word), "{inspected}");
    }
    let out = dir.join("out");
    let out = out.to_str().unwrap();
    let apply = ["transfer", "apply", "--policy", policy, "--forget", "7", "--then", "8"];
    let mut args = apply.to_vec();
    args.extend(["--widths", "24x12", "--seeds", "1", "--quiet", "--no-controls", "--out", out]);
    let output = reweight(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("policy after 7, 8") && text.contains("retrain after 7"), "{text}");
    // The edit belongs to the network that was edited first.
    let edit = Path::new(out).join("edits/shift-forget7-0.rwe");
    let net = Path::new(out).join("networks/target-0.rwn");
    let (edit, net) = (edit.to_str().unwrap(), net.to_str().unwrap());
    let edited = dir.join("edited.rwn");
    let args = ["apply", edit, "--model", net, "--out", edited.to_str().unwrap()];
    let output = reweight(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        fs::read(edited).unwrap(),
        fs::read(Path::new(out).join("networks/shift-forget7-0.rwn")).unwrap()
    );
}

#[test]
fn wrong_transfers_are_refused() {
    let train = |more: &[&'static str]| {
        let mut args =
            vec!["transfer", "train", "--world", "shift", "--quiet", "--out", "/nowhere/p.rwp"];
        args.extend(more);
        args
    };
    refused(&train(&["--networks", "1,2"]), 2, &["--networks", "4 shapes"]);
    refused(&train(&["--networks", "0,0,0,0"]), 2, &["--networks is 0"]);
    refused(&train(&["--budget", "100"]), 2, &["--budget 100", "128 evaluations"]);
    refused(&train(&["--classes", "6-0"]), 2, &["6-0"]);
    refused(&train(&["--features", "some"]), 2, &["core+lda3"]);
    refused(&train(&[]), 1, &["/nowhere/p"]);
    let apply = |more: &[&'static str]| {
        let mut args = vec!["transfer", "apply", "--quiet"];
        args.extend(more);
        args
    };
    refused(&apply(&["--policy", "nobody"]), 1, &["nobody", "shift-core"]);
    refused(&apply(&["--policy", "shift", "--world", "mask"]), 1, &["a policy for shift world"]);
    refused(&apply(&["--forget", "11"]), 1, &["--forget 11", "0 to 9"]);
    refused(&apply(&["--then", "8"]), 2, &["--forget"]);
    refused(&apply(&["--refine", "es", "--budget", "0"]), 2, &["--budget is 0"]);
    refused(&apply(&["--layer", "fc7"]), 1, &["fc7", "fc2"]);
    let dir = folder("no-policy");
    let wrong = dir.join("net.rwp");
    fs::write(&wrong, b"RWT").unwrap();
    let wrong = wrong.to_str().unwrap().to_string();
    refused(&["transfer", "apply", "--policy", &wrong], 1, &["net.rwp"]);
}

#[test]
fn debiasing_as_a_user_meets_it() {
    refused(&["debias", "--editor", "blindnes"], 2, &["did you mean blindness?"]);
    refused(&["debias", "--layer", "16x3"], 2, &["16x3", "64x16, embed, 16x2"]);
    refused(&["debias", "--folds", "5"], 2, &["--data"]);
    refused(&["debias", "--quiet", "--data", "nowhere.csv"], 1, &["nowhere.csv", "no such file"]);
    let dir = folder("debias-program");
    let file = dir.join("file");
    fs::write(&file, "").unwrap();
    refused(&["debias", "--quiet", "--out", file.to_str().unwrap()], 1, &["--out"]);
    let out = dir.join("out");
    let output = reweight(&[
        "debias",
        "--target",
        "profanity",
        "--editor",
        "policy,none",
        "--world",
        "mask",
        "--seeds",
        "1",
        "--quiet",
        "--no-front",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(report.contains("I am a gay man") && out.join("groups.svg").exists());
    // The edit file makes the network that the run wrote, byte for byte.
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let (model, arch) = (data.join("alt-profanity-check.safetensors"), "alt-profanity-check.json");
    let applied = dir.join("applied.safetensors");
    let edit = out.join("edits/policy-mask-linear-0.rwe");
    assert!(fs::metadata(&edit).unwrap().len() < 2_000);
    let output = reweight(&[
        "apply",
        edit.to_str().unwrap(),
        "--model",
        model.to_str().unwrap(),
        "--arch",
        data.join(arch).to_str().unwrap(),
        "--out",
        applied.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let saved = fs::read(out.join("networks/policy-mask-linear-0.safetensors")).unwrap();
    assert_eq!(fs::read(&applied).unwrap(), saved);
    // The words lie beside the description, so it can be read from there.
    let output = reweight(&["inspect", edit.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("92 x 5"));
}
