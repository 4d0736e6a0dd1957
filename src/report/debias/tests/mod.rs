mod files;
mod markdown;

use super::*;

use crate::run::debias::*;
use crate::run::record::{DataRecord, SCHEMA, TargetRecord};
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
        fpr: Some(0.1 + 0.04 * left),
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
        auc: Some(if world == "mask" { 0.922 } else { 0.926 } + 0.0011 * ((index * 5) % 12) as f64),
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

/// The part of a report under this head.
fn section<'t>(text: &'t str, head: &str) -> &'t str {
    let start = text.find(&format!("{head}\n")).unwrap_or_else(|| panic!("no {head} in\n{text}"));
    let rest = &text[start + head.len()..];
    let ends = ["\n## ", "\n### "].map(|next| rest.find(next).unwrap_or(rest.len()));
    &rest[..ends[0].min(ends[1])]
}

fn line<'t>(text: &'t str, start: &str) -> &'t str {
    let found = text.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no line starts with {start} in\n{text}"))
}
