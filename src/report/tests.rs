mod hiding;

use super::*;
use crate::run::record::*;
use serde_json::json as value;
use std::collections::BTreeMap;
use std::fs;

/// What a run of `unlearn` with three seeds gives, in shape and size.
pub(super) fn fixture() -> Results {
    let mut runs = Vec::new();
    for (world, budget) in [("shift", 2_000), ("mask", 5_000)] {
        for (editor, speed) in [("ppo", 0.004), ("sep-cma-es", 0.009)] {
            runs.extend((0..3).map(|seed| acting(editor, world, seed, budget, speed)));
        }
    }
    for editor in ["logit-mask", "none", "retrain"] {
        runs.extend((0..3).map(|seed| reference(editor, seed)));
    }
    let summary = summarise(&runs);
    Results {
        schema: SCHEMA,
        command: "unlearn".into(),
        version: "0.1.0".into(),
        config: BTreeMap::from([
            ("forget".into(), value!([7])),
            ("world_shift".into(), value!({"lambda": 0.7_f32, "step": 1.5_f32})),
            ("preset".into(), value!("edit")),
        ]),
        data: DataRecord {
            name: "built-in digits".into(),
            train: 3_597,
            reward: 1_000,
            test: 1_023,
            digest: "ab".repeat(32),
        },
        runs,
        summary,
        notes: Vec::new(),
    }
}

pub(super) fn reference(editor: &str, seed: u64) -> RunRecord {
    let wobble = seed as f32 * 0.004;
    let before = Figures {
        retain_test: 0.955 + wobble,
        forget_test: 0.95 + wobble,
        utility: 0.96,
        edit: 0.05,
        reward: 0.505,
    };
    let forgets = editor != "none";
    RunRecord {
        target: TargetRecord {
            name: "digits-cnn".into(),
            layer: "fc2".into(),
            rows: 32,
            cols: 128,
            test_accuracy: 0.956,
            digest: format!("{seed:016x}"),
        },
        editor: editor.into(),
        kind: "reference".into(),
        world: None,
        seed,
        forget: vec![7],
        budget: 0,
        evaluations: 0,
        evaluations_to_target: None,
        seconds: 0.25,
        peak_bytes: None,
        before,
        after: if forgets {
            Figures { forget_test: 0.0, retain_test: 0.962, reward: 0.98, ..before }
        } else {
            before
        },
        policy: None,
        tow: forgets.then_some(0.993),
        js_to_retrained: forgets.then_some(0.1 / 3.0),
        edit_norm: Some(0.0),
        digest: "0123456789abcdef".into(),
        ..RunRecord::default()
    }
}

pub(super) fn acting(editor: &str, world: &str, seed: u64, budget: u64, speed: f32) -> RunRecord {
    let run = reference(editor, seed);
    let wobble = seed as f32 * 0.003;
    let after = Figures {
        retain_test: 0.952 - wobble,
        forget_test: 0.003 * seed as f32,
        utility: 0.97,
        edit: 1.0,
        reward: 0.985 - wobble,
    };
    let curve = (1..=50)
        .map(|point| {
            let evaluations = point * budget / 50;
            let gained = 1.0 - (-speed * evaluations as f32 * (1.0 + 0.3 * seed as f32)).exp();
            let best = 0.505 + (after.reward - 0.505) * gained;
            CurvePoint { evaluations, best, mean: best - 0.1 }
        })
        .collect();
    RunRecord {
        kind: "reward".into(),
        world: Some(world.into()),
        budget,
        evaluations: budget,
        evaluations_to_target: (seed > 0).then_some(300 + 8 * seed),
        seconds: 12.5,
        peak_bytes: Some(123_456_789),
        after,
        policy: Some(PolicyFigures { retain_test: 0.951, forget_test: 0.011, reward: 0.981 }),
        tow: Some(0.97),
        js_to_retrained: Some(0.05),
        edit_norm: Some(0.61),
        curve,
        note: (editor == "ppo" && world == "mask").then(|| {
            "a note, of \"some\" length, which says what a reader has to know of this run and goes on \
             for longer than a line of the terminal is wide"
                .into()
        }),
        ..run
    }
}

pub(super) fn one_seed() -> Results {
    let mut results = fixture();
    results.runs.retain(|run| run.seed == 0);
    results.summary = summarise(&results.runs);
    results
}

fn slower(mut results: Results) -> Results {
    for run in &mut results.runs {
        run.seconds *= 3.7;
        run.peak_bytes = Some(42);
    }
    results
}

fn record<'a>(results: &'a Results, editor: &str, metric: &str) -> Option<&'a SummaryRecord> {
    let mut records = results.summary.iter();
    records.find(|record| record.editor == editor && record.metric == metric)
}

#[test]
fn summary_counts_what_is_there() {
    let results = fixture();
    let forget = record(&results, "ppo", "forget_test").unwrap();
    // Of 0, 0.003, 0.006: mean 0.003, deviation 0.003.
    assert_eq!((forget.world.as_deref(), forget.n), (Some("shift"), 3));
    assert!((forget.mean - 0.003).abs() < 1e-9 && (forget.std.unwrap() - 0.003).abs() < 1e-9);
    let [low, high] = forget.ci95.unwrap();
    assert!(low >= 0.0 && low < forget.mean && forget.mean < high && high <= 0.006_000_1);
    let drop = record(&results, "sep-cma-es", "retain_drop").unwrap();
    // Before: 0.955, 0.959, 0.963; after: 0.952, 0.949, 0.946.
    assert!((drop.mean - 0.01).abs() < 1e-6, "{}", drop.mean);
    let reached = record(&results, "ppo", "evaluations_to_target").unwrap();
    assert_eq!((reached.n, reached.mean), (2, 312.0));
    assert!(record(&results, "retrain", "evaluations_to_target").is_none());
    assert!(record(&results, "none", "tow").is_none());
    let order: Vec<_> = results.summary.iter().take(12).map(|record| &*record.metric).collect();
    let expected = "retain_test forget_test reward policy_retain_test policy_forget_test \
                    policy_reward retain_drop evaluations evaluations_to_target tow js_to_retrained \
                    edit_norm";
    assert_eq!(order, expected.split_whitespace().collect::<Vec<_>>());

    let single = one_seed();
    let forget = record(&single, "ppo", "forget_test").unwrap();
    assert_eq!((forget.n, forget.std, forget.ci95), (1, None, None));
    assert_eq!(summarise(&[]), []);
}

#[test]
fn json_reads_back_as_it_was() {
    let mut results = fixture();
    // Values whose shortest decimals a careless reader rounds wrongly.
    results.runs[0].seconds = 8.988_465_674_311_58e-5;
    results.runs[0].tow = Some(0.1 + 0.2);
    results.runs[0].after.reward = f32::from_bits(0x3f7f_fffd);
    let text = json(&results);
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
    assert!(text.contains("\"retain_test\": 0.955,"), "f32 in its own shortest form");
    assert!(text.contains("\"lambda\": 0.7,"), "settings of 32 bits too");
    assert!(text.contains("\"probe_recovery\": null") && text.contains("\"world\": null"));
    let read = read_json(&text).unwrap();
    assert_eq!(read.runs, results.runs);
    assert_eq!(read.summary, results.summary);
    assert_eq!(json(&read), text);
}

/// JSON has no NaN: such a figure is written as null, and is no number when it is read.
#[test]
fn json_reads_figures_that_are_not_finite() {
    let mut results = fixture();
    let run = &mut results.runs[0];
    run.target.test_accuracy = f32::NAN;
    run.after.reward = f32::INFINITY;
    run.policy.as_mut().unwrap().retain_test = f32::NAN;
    run.curve[0].mean = f32::NAN;
    run.tow = Some(f64::NAN);
    results.summary = summarise(&results.runs);
    results.summary[0].mean = f64::NAN;
    results.summary[0].iqm = f64::NAN;
    results.summary[0].ci95 = Some([f64::NAN, 1.0]);
    let text = json(&results);
    let read = read_json(&text).unwrap();
    let run = &read.runs[0];
    assert!(run.target.test_accuracy.is_nan() && run.after.reward.is_nan());
    assert!(run.policy.unwrap().retain_test.is_nan() && run.curve[0].mean.is_nan());
    assert_eq!(run.tow, None);
    let summary = &read.summary[0];
    assert!(summary.mean.is_nan() && summary.iqm.is_nan());
    assert!(summary.ci95.is_some_and(|[low, high]| low.is_nan() && high == 1.0));
    assert_eq!(json(&read), text);
    // A figure that is missing, or no figure, is still refused.
    assert!(read_json(&text.replacen("\"test_accuracy\": null,", "", 1)).is_err());
    assert!(read_json(&text.replacen("\"mean\": null", "\"mean\": \"a\"", 1)).is_err());
}

#[test]
fn json_of_another_schema_is_refused() {
    let text = json(&fixture());
    let newer = text.replacen("\"schema\": 1", "\"schema\": 2", 1);
    let message = read_json(&newer).unwrap_err();
    assert!(message.contains("schema 2 is newer") && message.contains("schema 1"), "{message}");
    // Even where nothing else is as this version knows it.
    assert!(read_json("{\"schema\": 9, \"runs\": 3}").unwrap_err().contains("schema 9 is newer"));
    assert!(read_json("{\"schema\": 0}").unwrap_err().contains("schema 0"));
    assert!(read_json("[]").unwrap_err().contains("not a results.json"));
    assert!(read_json(&text[..text.len() / 2]).is_err());
    let broken = text.replacen("\"seed\": 0", "\"seed\": \"a\"", 1);
    let message = read_json(&broken).unwrap_err();
    assert!(message.contains("breaks schema 1") && message.contains("line"), "{message}");
}

/// RFC 4180, read independently of the writer.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (vec![], vec![], String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    assert!(!quoted && row.is_empty() && field.is_empty());
    rows
}

#[test]
fn csv_has_one_row_per_run_and_quotes() {
    let mut results = fixture();
    results.runs[1].note = Some("two\nlines, \"quoted\"".into());
    let rows = parse_csv(&csv(&results));
    assert_eq!(rows.len(), 1 + results.runs.len());
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let column = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    assert_eq!(rows[2][column("note")], "two\nlines, \"quoted\"");
    assert_eq!(rows[2][column("after_forget_test")], "0.003");
    assert_eq!(rows[1][column("evaluations_to_target")], "");
    assert_eq!(rows[1][column("data_digest")], results.data.digest);
    assert_eq!(rows.last().unwrap()[column("world")], "");
    assert_eq!(rows.last().unwrap()[column("js_to_retrained")].parse::<f64>().unwrap(), 0.1 / 3.0);
    assert!(!rows[0].iter().any(|column| column.contains("seconds") || column.contains("bytes")));
    let timed = parse_csv(&timings(&results));
    assert_eq!(timed[1], ["ppo", "shift", "7", "0", "12.5", "123456789"]);
    assert_eq!(timed.last().unwrap(), &["retrain", "", "7", "2", "0.25", ""]);
}

#[test]
fn only_json_and_timings_know_the_machine() {
    let (fast, slow) = (fixture(), slower(fixture()));
    assert_eq!(csv(&fast), csv(&slow));
    assert_eq!(markdown(&fast), markdown(&slow));
    assert_eq!(table(&fast), table(&slow));
    assert_eq!(curves_svg(&fast, "mask"), curves_svg(&slow, "mask"));
    assert_ne!(timings(&fast), timings(&slow));
    assert_ne!(json(&fast), json(&slow));
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn table_is_aligned_and_fits() {
    let results = fixture();
    let text = table(&results);
    assert!(widest(&text) <= 100, "{text}");
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part}:\n{text}"));
    assert!(at("class 7") < at("shift world") && at("shift world") < at("mask world"));
    assert!(at("mask world") < at("references") && at("references") < at("note: "));
    // The heading may be broken anywhere.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("3 seeds (0 to 2)") && words.contains("mean ± std"), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.contains('→')).collect();
    assert_eq!(rows.len(), 7);
    // The arrows of both columns stand below one another.
    let arrows = |row: &str| -> Vec<usize> {
        row.chars().enumerate().filter(|(_, c)| *c == '→').map(|(index, _)| index).collect()
    };
    assert!(rows.iter().all(|row| arrows(row) == arrows(rows[0])), "{text}");
    assert!(rows[0].contains("95.4 →  0.3±0.3") && rows[0].contains("312 (2/3)"), "{text}");
    assert_eq!(text.matches("a note,").count(), 1);

    let single = table(&one_seed());
    assert!(!single.contains('±') && single.contains("never"), "{single}");
}

#[test]
fn table_fits_with_the_widest_figures() {
    let mut results = fixture();
    for run in &mut results.runs {
        let all = if run.seed == 0 { 1.0 } else { 0.0 };
        run.before.forget_test = 1.0;
        run.before.retain_test = 1.0;
        run.after.forget_test = all;
        run.after.retain_test = all;
        run.evaluations *= 1_000;
        run.evaluations_to_target = run.evaluations_to_target.map(|count| count * 10_000);
        if let Some(policy) = &mut run.policy {
            policy.forget_test = all;
            policy.retain_test = all;
        }
        if run.editor == "ppo" {
            run.editor = "a-name-that-is-rather-long".into();
        }
    }
    let text = table(&results);
    assert!(widest(&text) <= 100 && text.contains("(2/3)"), "{text}");
    let nothing = Results { runs: Vec::new(), summary: Vec::new(), ..fixture() };
    assert!(table(&nothing).contains("no class"));
    assert!(markdown(&nothing).contains("no class"));
}

#[test]
fn markdown_says_what_was_done_and_whether_it_worked() {
    let text = markdown(&fixture());
    for part in [
        "# Forgetting class 7\n",
        "**ppo in shift world**: done in 3 of 3. Forgotten 95.4 → 0.3 %, retained 95.9 → 94.9 %",
        "first reached after 312 (2 of 3 runs)",
        "| ppo | shift | 95.4 ± 0.4 → 0.3 ± 0.3 | 95.9 ± 0.4 → 94.9 ± 0.3 | 1.1 ± 0.0 |",
        "| none | – | 95.4 ± 0.4 → 95.4 ± 0.4 |",
        "test split",
        "Hiding is not erasing",
        "logit-mask, which switches off one output",
        "`probe_recovery`, `relearn_steps` and `mia` are empty",
        "ppo in mask world, seeds 0, 1, 2 (3 runs): a note",
        "![Best reward against evaluations in shift world](curves-shift.svg)",
        "\"lambda\":0.7",
        "`0123456789abcdef`",
        "sha256 `abab",
    ] {
        assert!(text.contains(part), "no {part}:\n{text}");
    }
    // Every row of a table has as many cells as its head.
    let mut cells = None;
    for line in text.lines() {
        let count = line.starts_with('|').then(|| line.matches('|').count());
        assert!(count.is_none() || cells.is_none() || count == cells, "{line}");
        cells = count;
    }
    let mut results = fixture();
    results.runs[0].probe_recovery = Some(0.875);
    results.runs.retain(|run| run.editor != "logit-mask");
    let text = markdown(&results);
    assert!(text.contains("| probe recovery |") && text.contains("| 0.875 |"));
    assert!(!text.contains("logit-mask, which") && !text.contains("are empty"));
}

/// Names of elements open and close in turn; returns how many of each name there are.
fn elements(svg: &str) -> BTreeMap<&str, usize> {
    let (mut open, mut count) = (Vec::new(), BTreeMap::new());
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag that ends");
        let name = tag.split_whitespace().next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            *count.entry(name).or_insert(0) += 1;
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    count
}

#[test]
fn svg_is_well_formed_and_has_a_line_per_editor() {
    let mut results = fixture();
    results.runs[0].editor = "<a&b>".into();
    results.runs[3].curve[7].best = f32::NAN;
    let svg = curves_svg(&results, "shift").unwrap();
    elements(&svg);
    assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.contains("&lt;a&amp;b&gt;"));
    let svg = curves_svg(&fixture(), "shift").unwrap();
    assert_eq!(svg.matches("class=\"line ").count(), 2);
    assert_eq!(svg.matches("class=\"band ").count(), 2);
    assert!(svg.contains("unedited 0.505") && svg.contains("prefers-color-scheme: dark"));
    assert!(svg.contains(">sep-cma-es 0.982<"), "mean of 0.985, 0.982, 0.979");
    let single = curves_svg(&one_seed(), "mask").unwrap();
    assert!(!single.contains("class=\"band ") && single.contains("one seed"));
    assert_eq!(curves_svg(&fixture(), "elsewhere"), None);
}

#[test]
fn svg_survives_curves_of_one_point_and_of_many_editors() {
    let mut results = fixture();
    for (index, run) in results.runs.iter_mut().enumerate() {
        run.curve.truncate(1);
        run.editor = format!("editor-{index}");
        run.before.reward = 1.0;
    }
    let svg = curves_svg(&results, "mask").unwrap();
    elements(&svg);
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("reweight-report-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn write_all_writes_every_file() {
    let dir = folder("all");
    let written = write_all(&dir, &fixture()).unwrap();
    let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    let expected = [
        "results.json",
        "results.csv",
        "timings.csv",
        "report.md",
        "report.html",
        "curves-shift.svg",
        "curves-mask.svg",
    ];
    assert_eq!(names, expected);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 7, "and nothing else");
    assert_eq!(fs::read_to_string(&written[3]).unwrap(), markdown(&fixture()));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn write_all_leaves_what_it_cannot_replace() {
    let dir = folder("blocked");
    let file = dir.join("file");
    fs::write(&file, "kept").unwrap();
    let error = write_all(&file, &fixture()).unwrap_err();
    assert!(error.to_string().contains(&*file.join("results.json").to_string_lossy()), "{error}");
    assert_eq!(error.path(), file.join("results.json"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");

    // A name that is taken by a folder, as a full or read-only disk would stop the second file.
    fs::create_dir(dir.join("results.csv")).unwrap();
    fs::write(dir.join("results.json"), "kept").unwrap();
    fs::write(dir.join("report.md"), "kept").unwrap();
    let error = write_all(&dir, &fixture()).unwrap_err();
    assert_eq!(error.path(), dir.join("results.csv"));
    for name in ["results.json", "report.md"] {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), "kept", "{name}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "no temporary file is left");
    fs::remove_dir_all(dir).unwrap();
}

#[cfg(unix)]
#[test]
fn write_all_leaves_a_read_only_folder_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder("read-only");
    fs::write(dir.join("results.json"), "kept").unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write all the same.
    let bound = fs::write(dir.join("probe"), "").is_err();
    let outcome = write_all(&dir, &fixture());
    let kept = fs::read_to_string(dir.join("results.json")).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(dir).unwrap();
    assert!(!bound || (outcome.is_err() && kept == "kept"));
}

#[test]
fn files_stay_in_their_folder() {
    assert_eq!(words::curve_file("../../a b"), "curves-______a_b.svg");
}
