//! `compare`, `ablate` and `merge` as a user meets them: shards, resuming, refusals.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn reweight(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reweight")).args(args).output().unwrap()
}

fn done(args: &[&str]) -> String {
    let output = reweight(args);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {message}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program, which must fail with `code` and a message that names everything in `named`.
fn refused(args: &[&str], code: i32, named: &[&str]) {
    let output = reweight(args);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    for name in named {
        assert!(message.contains(name), "{args:?}: {message:?} does not name {name:?}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

/// A path for a folder of this test's own, which does not exist.
fn fresh(name: &str) -> String {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    dir.to_str().unwrap().into()
}

fn file(dir: &str, name: &str) -> PathBuf {
    Path::new(dir).join(name)
}

/// A small comparison into `out`, with more options.
fn compare<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "compare",
        "unlearn",
        "--classes",
        "7,3",
        "--seeds",
        "1",
        "--widths",
        "32x16",
        "--budget",
        "60",
        "--editor",
        "sep-cma-es,neggrad,logit-mask,retrain",
        "--quiet",
        "--out",
        out,
    ];
    args.extend(more);
    args
}

/// The files that are the same bytes however a run was cut.
const SAME: [&str; 5] =
    ["results.csv", "report.md", "report.html", "curves-shift.svg", "curves-mask.svg"];

fn same_files(one: &str, other: &str) {
    for name in SAME {
        assert!(
            fs::read(file(one, name)).unwrap() == fs::read(file(other, name)).unwrap(),
            "{name} of {one} and {other} differ"
        );
    }
}

#[test]
fn shards_merged_are_the_whole_run_byte_for_byte() {
    let whole = fresh("compare-whole");
    let shown = done(&compare(&whole, &["--threads", "2"]));
    for editor in ["sep-cma-es", "neggrad", "logit-mask", "retrain"] {
        assert!(shown.contains(editor), "{shown}");
    }
    let shards: Vec<String> =
        (0..3).map(|index| fresh(&format!("compare-shard-{index}"))).collect();
    for (index, shard) in shards.iter().enumerate() {
        let part = format!("{index}/3");
        let shown = done(&compare(shard, &["--threads", "1", "--shard", &part]));
        assert!(shown.contains("of 10 units done"), "{shown}");
        assert!(!file(shard, "results.csv").exists(), "a shard has no report of its own");
    }
    let merged = fresh("compare-merged");
    // What is missing is named, and nothing is written.
    refused(&["merge", &shards[0], &shards[2], "--out", &merged], 1, &["3 of 10", "--resume"]);
    assert!(!Path::new(&merged).exists());
    done(&["merge", &shards[2], &shards[0], &shards[1], "--out", &merged]);
    same_files(&whole, &merged);
    // The same again into what is there is refused; it goes on as it was.
    refused(&["merge", &shards[0], &shards[1], &shards[2], "--out", &merged], 1, &["10 of 10"]);
    same_files(&whole, &merged);

    // A shard of another configuration, one of a newer schema, and different figures of one unit.
    let other = fresh("compare-other");
    let mut args = compare(&other, &["--shard", "1/3"]);
    let budget = args.iter().position(|arg| *arg == "60").unwrap();
    args[budget] = "61";
    done(&args);
    let said = ["not shards of one run", "world_shift.budget: 60 against 61"];
    refused(&["merge", &shards[0], &other, &shards[2], "--out", &fresh("compare-no")], 1, &said);
    let held = fs::read_dir(file(&shards[1], "units")).unwrap().count();
    assert_eq!(held, 3, "every third unit of ten from the second");
    let copied = shards
        .iter()
        .find(|shard| file(shard, "units/sep-cma-es_mask_forget7_seed0.json").exists())
        .unwrap();
    let record =
        fs::read_to_string(file(copied, "units/sep-cma-es_mask_forget7_seed0.json")).unwrap();
    let another = shards.iter().find(|shard| *shard != copied).unwrap();
    let changed = record.replace("\"evaluations\":", "\"evaluations\":1");
    assert_ne!(record, changed);
    fs::write(file(another, "units/sep-cma-es_mask_forget7_seed0.json"), changed).unwrap();
    let all = ["merge", &shards[0], &shards[1], &shards[2], "--out", &fresh("compare-no")];
    refused(&all, 1, &["sep-cma-es/mask/forget7/seed0", "different figures"]);
    fs::remove_file(file(another, "units/sep-cma-es_mask_forget7_seed0.json")).unwrap();
    let plan = fs::read_to_string(file(&shards[1], "plan.json")).unwrap();
    let newer = plan.replacen("\"schema\": 1", "\"schema\": 2", 1);
    assert_ne!(plan, newer);
    fs::write(file(&shards[1], "plan.json"), newer).unwrap();
    refused(&all, 1, &["plan.json", "schema 2", "schema 1"]);
    refused(&["merge", &fresh("compare-nothing"), "--out", &merged], 1, &["holds no shard"]);
}

#[test]
fn a_run_that_was_cut_short_goes_on_and_ends_the_same() {
    let whole = fresh("resume-whole");
    done(&compare(&whole, &[]));
    let cut = fresh("resume-cut");
    done(&compare(&cut, &[]));
    // As it would be, had it been killed: some units are missing, and so is the report.
    let units = file(&cut, "units");
    let names: Vec<_> = fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.iter().take(4).for_each(|name| fs::remove_file(name).unwrap());
    SAME.iter().for_each(|name| fs::remove_file(file(&cut, name)).unwrap());
    let kept = names.last().unwrap();
    let (before, modified) =
        (fs::read(kept).unwrap(), kept.metadata().unwrap().modified().unwrap());
    refused(&compare(&cut, &[]), 1, &["6 of 10 units", "--resume"]);
    done(&compare(&cut, &["--resume"]));
    same_files(&whole, &cut);
    assert_eq!(fs::read(kept).unwrap(), before);
    assert_eq!(
        kept.metadata().unwrap().modified().unwrap(),
        modified,
        "done units are not run again"
    );

    // Another configuration in the same folder changes nothing there.
    refused(&compare(&cut, &["--resume", "--lambda", "0.25"]), 1, &["lambda: 0.5 against 0.25"]);
    same_files(&whole, &cut);
    // Half a record is named, and made anew once it is removed.
    fs::write(kept, "{\"target\":").unwrap();
    let name = kept.file_name().unwrap().to_str().unwrap();
    refused(&compare(&cut, &["--resume"]), 1, &[name, "not the record of a unit", "remove it"]);
    fs::remove_file(kept).unwrap();
    done(&compare(&cut, &["--resume"]));
    same_files(&whole, &cut);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    refused(&["compare", "unlearn", "--editor", "sep-cma"], 2, &["did you mean sep-cma-es"]);
    refused(&["compare", "unlearn", "--classes", "7,7"], 2, &["7 twice"]);
    refused(&["compare", "unlearn", "--classes", "9-7"], 2, &["9-7"]);
    refused(&["compare", "unlearn", "--shard", "3/3", "--out", "x"], 2, &["3/3", "0/3"]);
    refused(&["compare", "unlearn", "--shard", "0/3"], 2, &["--out"]);
    refused(&["compare", "unlearn", "--quiet", "--classes", "12"], 1, &["12", "0 to 9"]);
    refused(&["ablate", "unlearn", "--rank", "2"], 2, &["--rank", "--ranks"]);
    refused(&["ablate", "unlearn", "--steps", "1,x"], 2, &["\"x\""]);
    refused(&["ablate", "unlearn", "--log-stds", "-9"], 2, &["log_std"]);
    // A folder with the results of another command is left alone.
    let other = fresh("compare-foreign");
    fs::create_dir_all(&other).unwrap();
    fs::write(file(&other, "results.json"), "kept").unwrap();
    refused(&compare(&other, &[]), 1, &["another command"]);
    assert_eq!(fs::read(file(&other, "results.json")).unwrap(), b"kept");
}

#[test]
fn a_grid_is_run_whole_or_in_shards() {
    let grid = |out: &str, more: &[&str]| -> Vec<String> {
        let args = [
            "ablate",
            "unlearn",
            "--world",
            "shift",
            "--seeds",
            "2",
            "--widths",
            "32x16",
            "--budget",
            "64",
            "--episode-lengths",
            "1",
            "--ranks",
            "1,2",
            "--steps",
            "2",
            "--lambdas",
            "0.5",
            "--rewards",
            "probability",
            "--initial-means",
            "0,0.5",
            "--log-stds",
            "-1",
            "--quiet",
            "--out",
            out,
        ];
        args.iter().chain(more).map(ToString::to_string).collect()
    };
    let run = |args: Vec<String>| done(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let whole = fresh("ablate-whole");
    let shown = run(grid(&whole, &[]));
    assert!(shown.contains("4 combinations") && shown.contains("The saddle"), "{shown}");
    let shards = [fresh("ablate-0"), fresh("ablate-1")];
    run(grid(&shards[0], &["--shard", "0/2"]));
    run(grid(&shards[1], &["--shard", "1/2"]));
    let merged = fresh("ablate-merged");
    done(&["merge", &shards[0], &shards[1], "--out", &merged]);
    for name in ["results.csv", "report.md", "report.html", "results.json"] {
        assert!(
            fs::read(file(&whole, name)).unwrap() == fs::read(file(&merged, name)).unwrap(),
            "{name}"
        );
    }
    let csv = fs::read_to_string(file(&whole, "results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 4 * 2);
    // At rank 2 the step is s·√2, so the columns of the file hold s itself.
    assert!(csv.lines().skip(1).all(|line| line.split(',').nth(3) == Some("2")), "{csv}");
}

#[test]
fn debiasing_is_compared_in_shards_too() {
    let compare = |out: &str, more: &[&str]| {
        let args = [
            "compare",
            "debias",
            "--seeds",
            "1",
            "--budget",
            "64",
            "--world",
            "mask",
            "--editor",
            "sep-cma-es,es,threshold,none",
            "--quiet",
            "--out",
            out,
        ];
        let args: Vec<&str> = args.iter().chain(more).copied().collect();
        done(&args)
    };
    let whole = fresh("debias-whole");
    compare(&whole, &[]);
    let shards = [fresh("debias-0"), fresh("debias-1")];
    compare(&shards[0], &["--shard", "0/2"]);
    compare(&shards[1], &["--shard", "1/2", "--threads", "1"]);
    let merged = fresh("debias-merged");
    done(&["merge", &shards[1], &shards[0], "--out", &merged]);
    for name in ["results.csv", "report.md", "report.html", "groups.svg"] {
        assert!(
            fs::read(file(&whole, name)).unwrap() == fs::read(file(&merged, name)).unwrap(),
            "{name}"
        );
    }
    // Shards of different commands do not go together.
    let other = fresh("debias-other");
    done(&compare_small(&other));
    refused(&["merge", &shards[0], &other, "--out", &fresh("debias-no")], 1, &["command"]);
}

/// A comparison of another command.
fn compare_small(out: &str) -> Vec<&str> {
    compare(out, &["--shard", "0/3"])
}

/// Runs a shell line in `dir`, where `reweight` is the program that was built.
fn shell(line: &str, dir: &str, variables: &[(&str, &str)]) {
    let program = Path::new(env!("CARGO_BIN_EXE_reweight")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", program.display()))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The recipes of `examples/shards` and of the README, with the variables that their schedulers set.
#[test]
#[cfg(unix)]
fn recipes_for_many_machines_run() {
    const OPTIONS: &str =
        "--classes 7 --seeds 1 --widths 32x16 --budget 60 --editor es,logit-mask --quiet";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Options that are given twice are refused, so the recipe's own go.
    let small = |text: &str| text.replace("--classes 0-9 --seeds 5", "");
    let slurm = small(&fs::read_to_string(root.join("examples/shards/slurm.sh")).unwrap());
    let yaml = small(&fs::read_to_string(root.join("examples/shards/kubernetes.yaml")).unwrap());
    let folded = yaml.split(">-\n").nth(1).unwrap().split("      volumes:").next().unwrap();
    let line: Vec<&str> = folded.split_whitespace().collect();
    let line = line.join(" ").replace("/results/", "results/");
    let merged: Vec<String> = ["slurm", "kubernetes"]
        .into_iter()
        .map(|name| {
            let dir = fresh(&format!("recipe-{name}"));
            fs::create_dir_all(&dir).unwrap();
            for index in ["0", "1"] {
                let (script, variables) = match name {
                    "slurm" => (
                        slurm.clone(),
                        [("SLURM_ARRAY_TASK_ID", index), ("SLURM_ARRAY_TASK_COUNT", "2")],
                    ),
                    _ => (line.clone(), [("JOB_COMPLETION_INDEX", index), ("SHARDS", "2")]),
                };
                let variables: Vec<_> =
                    variables.into_iter().chain([("OPTIONS", OPTIONS)]).collect();
                shell(&script, &dir, &variables);
                // Submitted again, it finds its units done.
                shell(&script, &dir, &variables);
            }
            shell("reweight merge results/shard-* --out results/all", &dir, &[]);
            format!("{dir}/results/all")
        })
        .collect();
    assert!(
        fs::read(file(&merged[0], "results.csv")).unwrap()
            == fs::read(file(&merged[1], "results.csv")).unwrap()
    );
}
