use super::*;

use crate::run::debias::*;
use crate::run::record::{DataRecord, SCHEMA, TargetRecord};
use serde_json::json;
use std::collections::BTreeMap;

/// Name, non-toxic comments and signed FPR gap of the groups of the fixture.
const GROUPS: [(&str, usize, f64); 9] = [
    ("gay", 380, 0.37),
    ("muslim", 402, 0.25),
    ("black", 371, 0.09),
    ("female", 415, 0.05),
    ("mental_illness", 333, 0.01),
    ("male", 390, -0.05),
    ("white", 404, -0.09),
    ("jewish", 362, -0.11),
    ("christian", 441, -0.13),
];

/// Figures at this share of the unedited network's gap.
fn figures(left: f64, matched: f64, auc: f64, accuracy: f64) -> DebiasFigures {
    let groups = GROUPS.iter().map(|&(name, negatives, gap)| GroupFigures {
        name: name.into(),
        n: 2 * negatives,
        negatives,
        fpr: Some(0.14 + gap * left),
        fnr: Some(0.12 - 0.3 * gap * left),
        gap: Some(gap * left),
        gap_null: Some(0.3 / (negatives as f64).sqrt()),
        matched_gap: Some(gap * matched),
        subgroup_auc: Some(auc - 0.02),
    });
    DebiasFigures {
        n: 8_000,
        auc: Some(auc),
        accuracy: Some(accuracy),
        tpr: Some(0.87),
        fpr: Some(0.14),
        threshold: 0.5,
        jigsaw_score: Some(auc - 0.01),
        fped_mean: Some(0.128 * left),
        fped: 1.15 * left,
        fned_mean: Some(0.106 * left),
        worst_gap: Some(0.37 * left),
        gap_null: Some(0.0135),
        gap_null_high: Some(0.018),
        matched_gap: Some(0.128 * matched),
        kinds: ["judgement", "attack", "homonym"]
            .map(|name| KindFigures {
                name: name.into(),
                n: 2_000,
                auc: (name != "homonym").then_some(auc - 0.03),
            })
            .to_vec(),
        groups: groups.collect(),
        ..DebiasFigures::default()
    }
}

fn run(editor: &str, kind: &str, world: Option<&str>, layer: &str, seed: u64) -> DebiasRun {
    let wobble = 0.01 * seed as f64;
    let after = match (editor, layer) {
        ("sep-cma-es", _) => figures(0.44 + wobble, 0.81, 0.933, 0.876),
        (_, "16x2") => figures(0.62 + wobble, 0.97, 0.929, 0.863),
        ("ppo", _) => figures(0.46 + wobble, 0.83, 0.936, 0.881),
        ("blindness", _) => {
            let mut blind = figures(0.2, 0.25, 0.894, 0.793);
            blind.kinds[1].auc = Some(0.639);
            blind
        }
        ("threshold", _) => figures(0.63, 1.0, 0.927, 0.859),
        ("fine-tune", _) => figures(0.35, 0.64, 0.951, 0.908),
        _ => figures(1.0, 1.0, 0.927, 0.866),
    };
    DebiasRun {
        target: TargetRecord {
            name: "toxicity-mlp".into(),
            layer: layer.into(),
            rows: 16,
            cols: 64,
            test_accuracy: 0.866,
            digest: format!("{seed:016x}"),
        },
        editor: editor.into(),
        kind: kind.into(),
        world: world.map(str::to_string),
        seed,
        budget: 4_000,
        evaluations: if world.is_some() { 4_000 } else { 0 },
        seconds: 1.5,
        before: figures(1.0, 1.0, 0.927, 0.866),
        after,
        edit: world.map(|_| "mean".into()),
        other: None,
        elsewhere: Vec::new(),
        edit_norm: Some(0.2),
        digest: "0123456789abcdef".into(),
        curve: Vec::new(),
        words: Vec::new(),
        examples: Vec::new(),
    }
}

/// What a run of `debias` with two seeds gives, in shape and size.
fn fixture() -> DebiasResults {
    let mut runs = Vec::new();
    for seed in 0..2 {
        for world in ["shift", "mask"] {
            for (editor, layer) in [("ppo", "64x16"), ("ppo", "16x2"), ("sep-cma-es", "64x16")] {
                runs.push(run(editor, "reward", Some(world), layer, seed));
            }
        }
        for (editor, kind) in [
            ("none", "reference"),
            ("blindness", "reference"),
            ("threshold", "reference"),
            ("fine-tune", "gradient"),
        ] {
            runs.push(run(editor, kind, None, "", seed));
        }
    }
    let config = DebiasConfig { seeds: 2, front: true, ..DebiasConfig::default() };
    let point = |world: &str, index: usize| FrontPoint {
        world: world.into(),
        lambda: [0.2, 0.5, 0.8][index % 3],
        size_penalty: [0.0, 0.03, 0.1, 0.3][index / 3],
        auc: Some(0.926 + 0.0011 * ((index * 5) % 12) as f64),
        gap: Some(0.05 + 0.006 * ((index * 7) % 12) as f64),
        matched_gap: None,
        best: index == 0 || index == 7,
    };
    DebiasResults {
        schema: SCHEMA,
        command: "debias".into(),
        version: "0.1.0".into(),
        config: config.record(),
        data: DataRecord {
            name: "built-in comments".into(),
            train: 6_000,
            reward: 4_000,
            test: 8_000,
            digest: "ab".repeat(32),
        },
        runs,
        pooled: Vec::new(),
        front: ["shift", "mask"]
            .iter()
            .flat_map(|world| (0..12).map(|index| point(world, index)))
            .collect(),
        notes: vec!["One line of <comments> was skipped.".into()],
    }
}

fn empty() -> DebiasResults {
    let mut results = fixture();
    results.runs.clear();
    results.front.clear();
    results.notes.clear();
    results.config = BTreeMap::new();
    results
}

/// The part of a report under this head.
fn section<'t>(text: &'t str, head: &str) -> &'t str {
    let start = text.find(&format!("{head}\n")).unwrap_or_else(|| panic!("no {head} in\n{text}"));
    let rest = &text[start + head.len()..];
    let level = head.split(' ').next().unwrap_or("##");
    rest.find(&format!("\n{level} ")).map_or(rest, |end| &rest[..end])
}

fn line<'t>(text: &'t str, start: &str) -> &'t str {
    let found = text.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no line starts with {start} in\n{text}"))
}

fn pooled() -> DebiasResults {
    let mut results = fixture();
    results.data.name = "train.csv".into();
    let row = |editor: &str, world: Option<&str>, layer: &str, after| PooledRun {
        editor: editor.into(),
        world: world.map(str::to_string),
        layer: layer.into(),
        before: DebiasFigures { n: 12_183, ..figures(0.77, 0.77, 0.9357, 0.86) },
        after: DebiasFigures { n: 12_183, ..after },
        elsewhere: Vec::new(),
    };
    results.pooled = vec![
        row("ppo", Some("shift"), "64x16", figures(0.66, 0.68, 0.930, 0.853)),
        row("sep-cma-es", Some("shift"), "64x16", figures(0.6, 0.6, 0.931, 0.851)),
        row("none", None, "", figures(0.77, 0.77, 0.9357, 0.86)),
        row("blindness", None, "", figures(0.55, 0.58, 0.9339, 0.859)),
    ];
    results
}

#[test]
fn the_report_has_every_part_in_order() {
    let mut results = fixture();
    results.runs[4].words = vec![];
    let text = debias_markdown(&results);
    let mut from = 0;
    for head in [
        "# Debiasing toxicity-mlp",
        "## Editors",
        "### By reward alone, shift world",
        "### By reward alone, mask world",
        "### References",
        "## Groups",
        "## Kinds of comments",
        "## AUC against gap",
        "## Where this wins, and where not",
        "## Notes",
        "## To repeat it",
    ] {
        let at = text[from..].find(&format!("{head}\n"));
        from += at.unwrap_or_else(|| panic!("{head} is missing or out of order in\n{text}"));
    }
    for absent in ["## All folds", "## On ", "## Words", "## Examples"] {
        assert!(!text.contains(absent), "{absent} without figures");
    }
}

#[test]
fn the_opening_says_what_was_done_and_whether_it_worked() {
    let text = debias_markdown(&fixture());
    let opening = line(&text, "layer 64x16 (16 outputs × 64 inputs) of toxicity-mlp");
    // 0.128 · (0.44 + 0.45) / 2 and 0.128 · 0.81
    for part in [
        "with 2 seeds",
        "4,000 comments",
        "8,000 comments",
        "**It worked.**",
        "sep-cma-es in shift world, 64x16",
        "FPR gap 0.128 → 0.057 (0.014 by chance)",
        "matched threshold 0.128 → 0.104",
        "worst group 0.370 → 0.165",
        "AUC 0.927 → 0.933",
        "accuracy 0.866 → 0.876",
        "fell in 2 of 2 seeds",
    ] {
        assert!(opening.contains(part), "{part} is missing in {opening}");
    }
}

#[test]
fn the_verdict_follows_the_figures() {
    let outcome = |after: DebiasFigures| {
        let mut results = fixture();
        results.runs.truncate(1);
        results.runs[0].after = after;
        let text = debias_markdown(&results);
        let start = text.find("**").expect("a verdict") + 2;
        text[start..].split("**").next().expect("its end").to_string()
    };
    let good = || figures(0.4, 0.5, 0.93, 0.87);
    assert_eq!(outcome(good()), "It worked.");
    assert_eq!(
        outcome(figures(0.4, 0.5, 0.907, 0.86)),
        "It worked, at the price of 0.020 of AUC and 0.006 of accuracy."
    );
    assert!(outcome(figures(0.4, 0.95, 0.93, 0.87)).contains("because less is flagged"));
    assert_eq!(
        outcome(figures(0.8, 0.8, 0.93, 0.87)),
        "It worked in part: 80 % of the gap is left."
    );
    assert!(outcome(figures(1.2, 0.8, 0.93, 0.87)).contains("the gap did not fall"));
    let unmatched = DebiasFigures { matched_gap: None, ..good() };
    assert!(outcome(unmatched).contains("was not measured"));
    let undefined = DebiasFigures { fped_mean: None, matched_gap: None, ..good() };
    assert!(outcome(undefined).contains("undefined"));
    let mut chance = fixture();
    chance.runs.iter_mut().for_each(|run| run.before.gap_null_high = Some(0.2));
    assert!(debias_markdown(&chance).contains("one that chance gives too"));
}

#[test]
fn tables_of_editors_begin_with_the_unedited_network() {
    let text = debias_markdown(&fixture());
    let shift = section(&text, "### By reward alone, shift world");
    let rows: Vec<&str> = shift.lines().filter(|line| line.starts_with("| ")).collect();
    let unedited = "| unedited | – | – | 0.927 | 0.866 | 0.870 | 0.128 | 0.128 | 0.370 | 0.106 | 0.917 | 0.014 |";
    assert_eq!(rows[2], unedited, "rows {rows:?}");
    // Gaps 0.128 · 0.46 and 0.47: mean 0.05952, standard deviation 0.00091.
    assert!(
        rows[3]
            .starts_with("| ppo | 64x16 | 4,000 | 0.936 | 0.881 | 0.870 | 0.060 ± 0.001 | 0.106 |")
    );
    let references = section(&text, "### References");
    assert!(
        line(references, "| blindness")
            .starts_with("| blindness | – | – | no | no | yes | 0.894 |")
    );
    assert!(
        line(references, "| fine-tune")
            .starts_with("| fine-tune | – | – | yes | no | no | 0.951 |")
    );
    assert!(!references.contains("| none"), "the unedited network stands twice");
    let heads = shift.lines().find(|line| line.starts_with("| editor")).expect("heads");
    assert_eq!(heads.matches('|').count(), unedited.matches('|').count());
}

#[test]
fn the_papers_layer_is_called_what_it_is() {
    let mut results = fixture();
    let text = debias_markdown(&results);
    let says = line(&text, "The paper's layer");
    assert!(
        says.contains("leaves 0.62 of the FPR gap and 0.97 of the gap at the matched threshold")
    );
    assert!(says.contains("a shift of the threshold"), "{says}");
    results.runs.retain(|run| run.target.layer != "16x2");
    assert!(!debias_markdown(&results).contains("The paper's layer"));
}

#[test]
fn references_that_do_as_well_are_named() {
    let text = debias_markdown(&fixture());
    let says = section(&text, "## Where this wins, and where not");
    let named = "As well or better on both AUC and gap do fine-tune (AUC 0.951, gap 0.045, matched 0.082), \
                 given gradients.";
    assert!(says.contains(named), "{says}");
    assert!(says.contains("It does better than threshold"), "{says}");
    assert!(!says.contains("better than blindness"), "blindness has a lower gap: {says}");
    assert!(says.contains("int8"));
    let mut alone = fixture();
    alone.runs.retain(|run| run.world.is_some());
    let text = debias_markdown(&alone);
    assert!(section(&text, "## Where this wins, and where not").contains("No reference was run"));
}

#[test]
fn pooled_figures_say_whether_blindness_does_as_well() {
    let mut results = pooled();
    let text = debias_markdown(&results);
    let folds = section(&text, "## All folds together");
    assert!(
        line(folds, "| blindness").starts_with("| blindness | – | – | 12,183 | 0.934 | 0.859 |")
    );
    assert!(folds.contains("Blindness does as well as the best edit by reward alone, or better"));
    assert!(folds.contains("at most 0.018"), "{folds}");
    assert!(
        line(&text, "layer 64x16").contains("FPR gap 0.099 → 0.077"),
        "the opening is not pooled"
    );
    results.pooled[3].after = figures(0.9, 0.9, 0.92, 0.859);
    assert!(
        debias_markdown(&results)
            .contains("The best edit by reward alone does better than blindness")
    );
    results.pooled[3].after = figures(0.5, 0.5, 0.92, 0.859);
    assert!(debias_markdown(&results).contains("Neither blindness nor"));
    results.pooled.truncate(3);
    assert!(debias_markdown(&results).contains("blindness was not run"));
}

#[test]
fn groups_kinds_and_the_front_have_their_figures() {
    let text = debias_markdown(&fixture());
    let groups = section(&text, "## Groups");
    assert!(groups.contains("(groups.svg)"));
    // 0.14 + 0.37 · 0.445; 0.37 · 0.81
    assert!(
        line(groups, "| gay").starts_with(
            "| gay | 760 | 380 | 0.510 → 0.305 | +0.370 → +0.165 | +0.370 → +0.300 | 0.009 → 0.071 | 0.015 |"
        ),
        "{groups}"
    );
    assert!(line(groups, "| mental_illness").contains("+0.010 → +0.004"));
    let kinds = section(&text, "## Kinds of comments");
    assert_eq!(line(kinds, "| attack"), "| attack | 2,000 | 0.897 | 0.903 | 0.639 |");
    assert_eq!(line(kinds, "| homonym"), "| homonym | 2,000 | – | – | – |");
    assert!(
        kinds.contains("costs 0.258 of AUC on attack, where the edit has 0.903 in place of 0.897")
    );
    let front = section(&text, "## AUC against gap");
    assert!(front.contains("(front.svg)"));
    assert_eq!(line(front, "| shift | 0.2 | 0 |"), "| shift | 0.2 | 0 | 0.926 | 0.050 | – | yes |");
}

#[test]
fn words_and_examples_cannot_break_the_page() {
    let mut results = fixture();
    for run in &mut results.runs {
        run.words =
            vec![ChangedWord { word: "a|b".into(), change: 0.25, weights: Some((2.62, 1.17)) }];
        run.examples = vec![ExampleText {
            text: "*you* are | <script>\n`x` a_b _c_ [d](e)".into(),
            toxic: false,
            before: 0.953,
            after: 0.44,
        }];
        run.elsewhere =
            vec![("test.csv".into(), figures(1.0, 1.0, 0.9, 0.8), figures(0.5, 0.9, 0.89, 0.8))];
    }
    let text = debias_markdown(&results);
    let words = section(&text, "## Words that changed most");
    assert!(words.contains("| a\\|b | 0.250 | 2.62 → 1.17 |"), "{words}");
    let examples = section(&text, "## Examples");
    let row =
        "| \\*you\\* are \\| \\<script\\> \\`x\\` a_b \\_c\\_ \\[d\\](e) | no | 0.953 | 0.440 |";
    assert!(examples.contains(row), "{examples}");
    assert!(text.contains("\\<comments\\> was skipped"), "notes are not escaped");
    let other = section(&text, "## On test.csv");
    assert!(
        line(other, "| fine-tune")
            .contains("0.900 → 0.890 | 0.800 → 0.800 | 0.870 → 0.870 | 0.128 → 0.064 |"),
        "{other}"
    );
    // The worst group's false positive rate: 0.14 + 0.37 and 0.14 + 0.37 / 2.
    assert!(line(other, "| fine-tune").contains("0.510 → 0.325"), "{other}");
}

#[test]
fn undefined_figures_are_dashes_and_no_runs_are_said() {
    let mut results = fixture();
    for run in &mut results.runs {
        run.before = DebiasFigures::default();
        run.after = DebiasFigures { auc: Some(f64::NAN), ..DebiasFigures::default() };
    }
    results.front.iter_mut().for_each(|point| (point.auc, point.gap) = (None, Some(f64::NAN)));
    let text = debias_markdown(&results);
    assert!(text.contains("| unedited | – | – | – | – | – | – | – | – | – | – | – |"), "{text}");
    assert!(line(&text, "| shift | 0.2 | 0 |").contains("| – | – | – |"));
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    assert_eq!((groups_svg(&results), front_svg(&results)), (None, None));

    let none = empty();
    assert!(debias_markdown(&none).contains("there are no runs"));
    assert_eq!((groups_svg(&none), front_svg(&none)), (None, None));
    assert_eq!(debias_csv(&none).lines().count(), 1);
    assert!(!debias_table(&none).is_empty());
}

#[test]
fn the_command_repeats_the_settings() {
    let command =
        |results: &DebiasResults| line(&debias_markdown(results), "reweight debias").to_string();
    assert_eq!(command(&fixture()), "reweight debias --front --seeds 2 --out report");
    let mut results = pooled();
    let config = DebiasConfig {
        data: Some("x".into()),
        layer: Some("embed".into()),
        worlds: vec![crate::world::WorldKind::Mask],
        editors: vec!["ppo".into(), "blindness".into()],
        groups: vec!["gay".into(), "it's".into()],
        set: vec![("learning_rate".into(), "0.01".into())],
        budget: Some(300),
        lambda: 0.7,
        step: Some(0.9),
        matched: true,
        folds: Some(5),
        ..DebiasConfig::default()
    };
    results.config = config.record();
    assert_eq!(
        command(&results),
        "reweight debias --data DATA --layer embed --world mask --budget 300 --step 0.9 --folds 5 --groups \
         'gay,it'\\''s' --lambda 0.7 --matched --set learning_rate=0.01 --editor ppo,blindness --out report"
    );
    let text = debias_markdown(&results);
    assert!(line(&text, "| lambda").contains("0.7 |"), "a widened setting");
    assert!(text.contains(&"ab".repeat(32)) && text.contains("0123456789abcdef"));
}

#[test]
fn plots_are_clean_on_any_figures() {
    let mut results = fixture();
    for run in &mut results.runs {
        run.after.groups[0].fpr = None;
        run.after.groups[1].gap_null = Some(f64::NAN);
        run.before.groups[2].fpr = Some(f64::INFINITY);
        for figures in [&mut run.before, &mut run.after] {
            figures.groups[3].name = "<b>\"&".into();
        }
    }
    results.front[0].auc = Some(f64::NAN);
    let groups = groups_svg(&results).expect("rates");
    let front = front_svg(&results).expect("points");
    for svg in [&groups, &front] {
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title id=\"title\">") && svg.contains("prefers-color-scheme: dark"));
        for bad in ["NaN", "inf", "<script", "<b>"] {
            assert!(!svg.contains(bad), "{bad} in\n{svg}");
        }
    }
    assert!(groups.contains("&lt;b&gt;&quot;&amp; (415)"));
    // A mark for each rate that is there: 9 groups and the key, less one of each kind.
    assert_eq!(groups.matches("class=\"ring rg\"").count(), 9);
    assert_eq!(groups.matches("<circle class=\"f0\"").count(), 9);
    assert_eq!(front.matches("<title>").count(), 23);
}

#[test]
fn rows_of_csv_and_json_hold_the_records() {
    let mut results = fixture();
    results.runs[0].editor = "a,\"b\"".into();
    results.runs[0].after.tpr = None;
    let text = debias_csv(&results);
    assert_eq!(text.lines().count(), 1 + results.runs.len());
    let mut reader = ::csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let heads = reader.headers().expect("heads").clone();
    let first = reader.records().next().expect("a row").expect("a row of as many fields");
    let field =
        |name: &str| first.get(heads.iter().position(|head| head == name).expect("a column"));
    assert_eq!(field("editor"), Some("a,\"b\""));
    assert_eq!(field("after_tpr"), Some(""));
    assert_eq!(field("before_tpr"), Some("0.87"));
    results.config.insert("lambda".into(), json!(0.5));
    let read: DebiasResults =
        serde_json::from_str(&debias_json(&results)).expect("JSON of the schema");
    assert_eq!(read, results);
}

/// Writes the plots and the report of the fixture to the folder that this variable names, to be looked at.
#[test]
fn pictures_can_be_looked_at() {
    let Some(dir) = std::env::var_os("REWEIGHT_PICTURES").map(std::path::PathBuf::from) else {
        return;
    };
    let results = fixture();
    for (name, text) in [
        ("report.md", Some(debias_markdown(&results))),
        ("pooled.md", Some(debias_markdown(&pooled()))),
        ("groups.svg", groups_svg(&results)),
        ("front.svg", front_svg(&results)),
    ] {
        std::fs::write(dir.join(name), text.expect("a text"))
            .expect("a folder that can be written");
    }
}
