//! `results.csv` of debiasing: one row per run.

use crate::run::debias::{DebiasFigures, DebiasResults};

type Column = (&'static str, fn(&DebiasFigures) -> Option<f64>);

const FIGURES: [Column; 20] = [
    ("auc", |f| f.auc),
    ("accuracy", |f| f.accuracy),
    ("tpr", |f| f.tpr),
    ("fpr", |f| f.fpr),
    ("threshold", |f| Some(f.threshold.into())),
    ("jigsaw_score", |f| f.jigsaw_score),
    ("subgroup_auc", |f| f.subgroup_auc),
    ("bpsn_auc", |f| f.bpsn_auc),
    ("bnsp_auc", |f| f.bnsp_auc),
    ("fped_mean", |f| f.fped_mean),
    ("fned_mean", |f| f.fned_mean),
    ("worst_gap", |f| f.worst_gap),
    ("gap_null", |f| f.gap_null),
    ("fned_null", |f| f.fned_null),
    ("matched_gap", |f| f.matched_gap),
    ("matched_worst", |f| f.matched_worst),
    ("matched_accuracy", |f| f.matched_accuracy),
    ("equalized_odds", |f| f.equalized_odds),
    ("demographic_parity", |f| f.demographic_parity),
    ("reward", |f| f.reward.map(|reward| reward.reward.into())),
];

/// One row per run, and per other test data of a run; null is an empty field.
pub fn debias_csv(results: &DebiasResults) -> String {
    let head = ["target", "layer", "editor", "kind", "world", "seed", "test", "evaluations"];
    let columns =
        |when: &'static str| FIGURES.iter().map(move |(name, _)| format!("{when}_{name}"));
    let mut rows = vec![
        head.iter()
            .map(ToString::to_string)
            .chain(columns("before"))
            .chain(columns("after"))
            .chain(["edit_norm".into(), "digest".into()])
            .collect::<Vec<_>>(),
    ];
    for run in &results.runs {
        let own = [("test", &run.before, &run.after)];
        let others =
            run.elsewhere.iter().map(|(name, before, after)| (name.as_str(), before, after));
        for (test, before, after) in own.into_iter().chain(others) {
            let figures = |figures: &DebiasFigures| {
                FIGURES.iter().map(|(_, of)| number(of(figures))).collect::<Vec<_>>()
            };
            rows.push(
                [
                    run.target.name.clone(),
                    run.target.layer.clone(),
                    run.editor.clone(),
                    run.kind.clone(),
                    run.world.clone().unwrap_or_default(),
                    run.seed.to_string(),
                    test.into(),
                    run.evaluations.to_string(),
                ]
                .into_iter()
                .chain(figures(before))
                .chain(figures(after))
                .chain([number(run.edit_norm), run.digest.clone()])
                .collect(),
            );
        }
    }
    let line =
        |row: &Vec<String>| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",");
    rows.iter().map(|row| line(row) + "\n").collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.into()
    }
}
