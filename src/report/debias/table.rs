//! The table of the terminal.

use super::group::{Figure, Group, groups};
use crate::report::words::{NOTHING, count};
use crate::run::debias::DebiasResults;
use std::fmt::Write as _;

/// Columns of figures: their heads, and how they are shown.
pub(super) const COLUMNS: [(&str, Figure); 9] = [
    ("AUC", |f| f.auc),
    ("accuracy", |f| f.accuracy),
    ("TPR", |f| f.tpr),
    ("FPR gap", |f| f.fped_mean),
    ("matched", |f| f.matched_gap),
    ("worst", |f| f.worst_gap),
    ("FNR gap", |f| f.fned_mean),
    ("Jigsaw", |f| f.jigsaw_score),
    ("null", |f| f.gap_null),
];

/// Three places, as shares are compared in the third.
pub(super) fn share(value: Option<f64>) -> String {
    finite(value).map_or(NOTHING.into(), |value| format!("{value:.3}"))
}

/// The same with its sign.
pub(super) fn signed(value: Option<f64>) -> String {
    finite(value).map_or(NOTHING.into(), |value| format!("{value:+.3}"))
}

/// To three places, without a negative zero.
pub(super) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite()).map(|value| (1000.0 * value).round() / 1000.0 + 0.0)
}

/// Rows of one table: head, then one row per editor.
pub(super) fn rows(groups: &[&Group<'_>]) -> Vec<Vec<String>> {
    let head = ["editor", "world", "layer", "evaluations"].into_iter().map(str::to_string);
    let mut rows: Vec<Vec<String>> =
        vec![head.chain(COLUMNS.iter().map(|(name, _)| name.to_string())).collect()];
    for group in groups {
        let spent = group.mean(|run| Some(run.evaluations as f64)).map_or(NOTHING.into(), count);
        let text = |text: &str| if text.is_empty() { NOTHING.into() } else { text.to_string() };
        let first =
            [group.editor.into(), text(group.world.unwrap_or("")), text(group.layer), spent];
        let figures = COLUMNS.iter().map(|(_, figure)| share(group.after(*figure)));
        rows.push(first.into_iter().chain(figures).collect());
    }
    rows
}

/// Means over the seeds, for a terminal.
pub fn debias_table(results: &DebiasResults) -> String {
    let all = groups(results);
    let mut text = String::new();
    let seeds = all.first().map_or(0, |group| group.runs.len());
    let target = results.runs.first().map_or("", |run| run.target.name.as_str());
    let of = if results.pooled.is_empty() { "seeds" } else { "folds" };
    let _ = writeln!(
        text,
        "{target} on {}: {} comments to test, means over {seeds} {of}\n",
        results.data.name, results.data.test
    );
    text.push_str(&aligned(&rows(&all.iter().collect::<Vec<_>>())));
    let _ = writeln!(
        text,
        "\nFPR gap: mean distance of a group's false positive rate from that of all comments; null: what it \
         is when\ngroups are dealt at random; matched: the gap where as many comments are flagged as before \
         the edit; worst: the\nlargest group's gap; FNR gap: the same of missed toxic comments."
    );
    if !results.pooled.is_empty() {
        let _ = writeln!(
            text,
            "\nPredictions of all folds together, before -> after: FPR gap (null), matched gap, worst group"
        );
    }
    for row in &results.pooled {
        let world =
            row.world.as_deref().map_or(String::new(), |world| format!(" in {world} world"));
        let layer = if row.layer.is_empty() { String::new() } else { format!(", {}", row.layer) };
        let pair = |figure: Figure| {
            format!("{} -> {}", share(figure(&row.before)), share(figure(&row.after)))
        };
        let _ = writeln!(
            text,
            "  {:<44} {} ({})   {}   {}",
            format!("{}{world}{layer}", row.editor),
            pair(|f| f.fped_mean),
            share(row.after.gap_null),
            pair(|f| f.matched_gap),
            pair(|f| f.worst_gap)
        );
    }
    for name in elsewhere(results) {
        let _ = writeln!(text, "\n{name}: AUC, FPR gap, worst FPR of a group, before -> after");
        for group in &all {
            let figures = |after: bool, figure: Figure| {
                group.mean(|run| {
                    let row = run.elsewhere.iter().find(|(other, ..)| *other == name)?;
                    figure(if after { &row.2 } else { &row.1 })
                })
            };
            let pair = |figure: Figure| {
                format!("{} -> {}", share(figures(false, figure)), share(figures(true, figure)))
            };
            let _ = writeln!(
                text,
                "  {:<44} {}   {}   {}",
                group.subject(),
                pair(|f| f.auc),
                pair(|f| f.fped_mean),
                pair(worst_rate)
            );
        }
    }
    text
}

/// The largest false positive rate of a group.
pub(super) fn worst_rate(figures: &crate::run::debias::DebiasFigures) -> Option<f64> {
    figures.groups.iter().filter_map(|group| group.fpr).reduce(f64::max)
}

/// Names of other test data.
pub(super) fn elsewhere(results: &DebiasResults) -> Vec<String> {
    let first = results.runs.first();
    first.map_or(Vec::new(), |run| run.elsewhere.iter().map(|(name, ..)| name.clone()).collect())
}

/// Columns side by side: the first to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                let space = " ".repeat(width.saturating_sub(cell.chars().count()));
                if column < 3 { format!("{cell}{space}") } else { format!("{space}{cell}") }
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}
