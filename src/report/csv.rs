//! `results.csv` and `timings.csv`: one row per run, quoted as RFC 4180 says, rows ended by a newline.

use crate::run::record::{Figures, Results, RunRecord};
use std::fmt::Display;

const COLUMNS: [&str; 43] = [
    "target",
    "layer",
    "rows",
    "cols",
    "test_accuracy",
    "target_digest",
    "editor",
    "kind",
    "world",
    "seed",
    "forget",
    "budget",
    "evaluations",
    "evaluations_to_target",
    "before_retain_test",
    "before_forget_test",
    "before_utility",
    "before_edit",
    "before_reward",
    "after_retain_test",
    "after_forget_test",
    "after_utility",
    "after_edit",
    "after_reward",
    "policy_retain_test",
    "policy_forget_test",
    "policy_reward",
    "tow",
    "average_gap",
    "js_to_retrained",
    "probe_recovery",
    "probe_long",
    "probe_mlp",
    "probe_layers",
    "relearn_steps",
    "mia",
    "mia_threshold",
    "lira_accuracy",
    "lira_tpr",
    "edit_norm",
    "digest",
    "note",
    "data_digest",
];

/// `results.csv`: every figure of every run. Null is an empty field, the forgotten classes are joined
/// by semicolons, as are the probes of layers (`fc1=0.9`), shares are in [0, 1].
pub fn csv(results: &Results) -> String {
    let mut text = String::new();
    row(&mut text, COLUMNS);
    for run in &results.runs {
        row(&mut text, fields(results, run));
    }
    text
}

/// `timings.csv`: what differs from machine to machine.
pub fn timings(results: &Results) -> String {
    let mut text = String::new();
    row(&mut text, ["editor", "world", "forget", "seed", "seconds", "peak_bytes"]);
    for run in &results.runs {
        row(
            &mut text,
            [
                run.editor.clone(),
                optional(run.world.as_ref()),
                forgotten(run),
                run.seed.to_string(),
                run.seconds.to_string(),
                optional(run.peak_bytes),
            ],
        );
    }
    text
}

/// Forgotten classes, with semicolons between.
fn forgotten(run: &RunRecord) -> String {
    run.forget.iter().map(ToString::to_string).collect::<Vec<_>>().join(";")
}

fn fields(results: &Results, run: &RunRecord) -> [String; 43] {
    let [b_retain, b_forget, b_utility, b_edit, b_reward] = figures(&run.before);
    let [a_retain, a_forget, a_utility, a_edit, a_reward] = figures(&run.after);
    let layers = run.probe_layers.iter();
    let layers: Vec<_> =
        layers.map(|probe| format!("{}={}", probe.layer, probe.recovery)).collect();
    [
        run.target.name.clone(),
        run.target.layer.clone(),
        run.target.rows.to_string(),
        run.target.cols.to_string(),
        run.target.test_accuracy.to_string(),
        run.target.digest.clone(),
        run.editor.clone(),
        run.kind.clone(),
        optional(run.world.as_ref()),
        run.seed.to_string(),
        forgotten(run),
        run.budget.to_string(),
        run.evaluations.to_string(),
        optional(run.evaluations_to_target),
        b_retain,
        b_forget,
        b_utility,
        b_edit,
        b_reward,
        a_retain,
        a_forget,
        a_utility,
        a_edit,
        a_reward,
        optional(run.policy.map(|policy| policy.retain_test)),
        optional(run.policy.map(|policy| policy.forget_test)),
        optional(run.policy.map(|policy| policy.reward)),
        optional(run.tow),
        optional(run.average_gap),
        optional(run.js_to_retrained),
        optional(run.probe_recovery),
        optional(run.probe_long),
        optional(run.probe_mlp),
        layers.join(";"),
        optional(run.relearn_steps),
        optional(run.mia),
        optional(run.mia_threshold),
        optional(run.lira.map(|lira| lira.accuracy)),
        optional(run.lira.map(|lira| lira.tpr)),
        optional(run.edit_norm),
        run.digest.clone(),
        optional(run.note.as_ref()),
        results.data.digest.clone(),
    ]
}

fn figures(figures: &Figures) -> [String; 5] {
    [figures.retain_test, figures.forget_test, figures.utility, figures.edit, figures.reward]
        .map(|value| value.to_string())
}

fn optional(value: Option<impl Display>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn row(text: &mut String, fields: impl IntoIterator<Item = impl AsRef<str>>) {
    for (index, field) in fields.into_iter().enumerate() {
        let field = field.as_ref();
        if index > 0 {
            text.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}
