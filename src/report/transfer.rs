//! What a transferred policy did, beside its controls: a table for the terminal and for `report.md`.

use super::terminal::wrap;
use crate::run::{Applied, AppliedRow};
use std::fmt::Write as _;

/// Rows of one editor.
struct Group<'a> {
    editor: &'a str,
    step: usize,
    rows: Vec<&'a AppliedRow>,
}

impl Group<'_> {
    fn mean(&self, of: impl Fn(&AppliedRow) -> f64) -> f64 {
        self.rows.iter().map(|row| of(row)).sum::<f64>() / self.rows.len().max(1) as f64
    }

    fn worst(&self, of: impl Fn(&AppliedRow) -> f64) -> f64 {
        self.rows.iter().map(|row| of(row)).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Accuracy that was lost on the retain set, in points.
fn drop(row: &AppliedRow) -> f64 {
    100.0 * (f64::from(row.before[0]) - f64::from(row.after[0]))
}

/// Worst accuracy on a class that is to be forgotten, in %.
fn forget(row: &AppliedRow) -> f64 {
    row.each.iter().map(|&class| 100.0 * f64::from(class)).fold(0.0, f64::max)
}

fn groups(rows: &[AppliedRow]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in rows {
        let of = |group: &&mut Group<'_>| group.editor == row.editor && group.step == row.step;
        match groups.iter_mut().find(of) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { editor: &row.editor, step: row.step, rows: vec![row] }),
        }
    }
    groups.sort_by_key(|group| group.step);
    groups
}

/// Probability that the policy's edit scores more on the test split than another editor's of the same
/// network and classes (ties count half); `None` where there is nothing to compare.
fn improvement(rows: &[AppliedRow], other: &str, step: usize) -> Option<f64> {
    let (mut won, mut count) = (0.0, 0usize);
    for policy in rows.iter().filter(|row| row.editor == "policy" && row.step == step) {
        for row in rows.iter().filter(|row| row.editor == other && row.step == step) {
            let same = row.policy_seed.is_none()
                || policy.policy_seed.is_none()
                || row.policy_seed == policy.policy_seed;
            if row.seed == policy.seed && row.forget == policy.forget && same {
                count += 1;
                won += match policy.test_reward.total_cmp(&row.test_reward) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
    }
    (count > 0).then(|| won / count as f64)
}

/// After how many edits training the policy has paid, against cold search.
fn payback(applied: &Applied) -> Option<String> {
    let groups = groups(&applied.rows);
    let policy = groups.iter().find(|group| group.editor == "policy")?;
    let reached = policy.mean(|row| row.test_reward.into());
    let spent = policy.mean(|row| row.evaluations as f64);
    let cold: Vec<&Group<'_>> =
        groups.iter().filter(|group| group.editor.starts_with("sep-cma-es@")).collect();
    let last = cold.last()?;
    let match_of = cold.iter().find(|group| group.mean(|row| row.test_reward.into()) >= reached);
    let trained = applied.policy.evaluations as f64;
    Some(match match_of {
        Some(group) => {
            let each = group.mean(|row| row.evaluations as f64) - spent;
            if each <= 0.0 {
                return Some(
                    "Cold search reaches the policy's reward with no more evaluations.".into(),
                );
            }
            format!(
                "Cold search needs {:.0} evaluations to reach the policy's reward on the test split: the \
                 {trained:.0} evaluations that trained a policy have paid after {:.0} edits.",
                group.mean(|row| row.evaluations as f64),
                (trained / each).ceil()
            )
        }
        None => {
            let each = last.mean(|row| row.evaluations as f64) - spent;
            format!(
                "Cold search does not reach the policy's reward on the test split in {:.0} evaluations; at that \
                 price the {trained:.0} evaluations that trained a policy have paid after {:.0} edits at the \
                 latest.",
                last.mean(|row| row.evaluations as f64),
                (trained / each.max(1.0)).ceil()
            )
        }
    })
}

fn classes(rows: &[AppliedRow]) -> String {
    let mut seen: Vec<String> = Vec::new();
    for row in rows {
        let list: Vec<String> = row.forget.iter().map(ToString::to_string).collect();
        let list = list.join("+");
        if !seen.contains(&list) {
            seen.push(list);
        }
    }
    seen.join(", ")
}

fn title(applied: &Applied) -> String {
    let target = applied.results.runs.first().map(|run| &run.target);
    let networks = applied.targets.len();
    format!(
        "Policy {} ({} world, features {}) on {}: layer {} ({} → {}), {networks} network{}, class{} {}",
        applied.policy.name,
        applied.policy.kind.name(),
        applied.policy.features.name(),
        target.map_or("", |target| target.name.as_str()),
        target.map_or("", |target| target.layer.as_str()),
        target.map_or(0, |target| target.cols),
        target.map_or(0, |target| target.rows),
        if networks == 1 { "" } else { "s" },
        if applied.rows.iter().all(|row| row.forget == applied.rows[0].forget) { "" } else { "es" },
        classes(&applied.rows),
    )
}

/// The cells of the table, head first.
fn cells(applied: &Applied) -> Vec<[String; 8]> {
    let groups = groups(&applied.rows);
    let steps = groups.iter().any(|group| group.step > 0);
    let mut cells = vec![
        ["editor", "n", "evals", "forget", "worst", "retain", "worst drop", "hit"]
            .map(ToString::to_string),
    ];
    for group in &groups {
        let name = if steps {
            let all: Vec<String> = group
                .rows
                .first()
                .map_or(Vec::new(), |row| row.forget.iter().map(ToString::to_string).collect());
            format!("{} after {}", group.editor, all.join(", "))
        } else {
            group.editor.to_string()
        };
        let hits = group.rows.iter().filter(|row| row.hit()).count();
        cells.push([
            name,
            group.rows.len().to_string(),
            format!("{:.0}", group.worst(|row| row.evaluations as f64)),
            format!("{:.2}", group.mean(|row| 100.0 * f64::from(row.after[1]))),
            format!("{:.1}", group.worst(forget)),
            format!(
                "{:.2} → {:.2}",
                group.mean(|row| 100.0 * f64::from(row.before[0])),
                group.mean(|row| 100.0 * f64::from(row.after[0]))
            ),
            format!("{:+.2}", group.worst(drop)),
            format!("{:.0} %", 100.0 * hits as f64 / group.rows.len().max(1) as f64),
        ]);
    }
    cells
}

const LEGEND: &str = "figures in % of the test split; worst: of any class and network; hit: forget at most 1 % and \
                      retain at most 1 point below the original";

/// What is said below the table.
fn remarks(applied: &Applied) -> Vec<String> {
    let mut remarks = Vec::new();
    let others: Vec<String> = {
        let mut seen: Vec<String> = Vec::new();
        for group in groups(&applied.rows) {
            if group.editor != "policy"
                && group.step == 0
                && !seen.iter().any(|s| s == group.editor)
            {
                seen.push(group.editor.to_string());
            }
        }
        seen
    };
    let odds: Vec<String> = others
        .iter()
        .filter(|other| *other != "retrain")
        .filter_map(|other| improvement(&applied.rows, other, 0).map(|p| format!("{other} {p:.2}")))
        .collect();
    if !odds.is_empty() {
        remarks.push(format!(
            "Probability of improvement of the policy, paired, reward on the test split: over {}.",
            odds.join(", ")
        ));
    }
    remarks.extend(payback(applied));
    remarks.push(format!(
        "Besides its evaluations an edit takes one pass over the reward split and {} passes of what lies behind \
         the layer over at most {} samples.",
        applied.probe_passes,
        crate::world::PROBES
    ));
    remarks.extend(applied.results.notes.iter().cloned());
    remarks
}

/// The table for a terminal.
pub fn transfer_text(applied: &Applied) -> String {
    let cells = cells(applied);
    let width =
        |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut text = wrap(&title(applied), "");
    text.push_str(&wrap(LEGEND, ""));
    text.push('\n');
    for row in &cells {
        let mut line = format!("{:<w$}", row[0], w = width(0));
        for (column, cell) in row.iter().enumerate().skip(1) {
            let _ = write!(line, "  {cell:>w$}", w = width(column));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for remark in remarks(applied) {
        text.push('\n');
        text.push_str(&wrap(&remark, ""));
    }
    text
}

/// The same as Markdown, with the command that trained the policy and one line per edit.
pub fn transfer_markdown(applied: &Applied) -> String {
    let mut text = format!("# Transfer\n\n{}.\n{LEGEND}.\n\n", title(applied));
    for (index, row) in cells(applied).iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    for remark in remarks(applied) {
        let _ = write!(text, "\n{remark}\n");
    }
    let _ = write!(
        text,
        "\nThe policy was trained by `reweight {}` ({} evaluations for each seed).\n\n## Every edit\n\n\
         | editor | policy | network | forgotten | evals | forget | retain | reward on the test split |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        applied.policy.trained, applied.policy.evaluations
    );
    for row in &applied.rows {
        let list = |values: Vec<String>| values.join(", ");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.2} → {:.2} | {:.4} |",
            row.editor,
            row.policy_seed.map_or("–".into(), |seed| seed.to_string()),
            row.seed,
            list(row.forget.iter().map(ToString::to_string).collect()),
            row.evaluations,
            list(row.each.iter().map(|each| format!("{:.1}", 100.0 * f64::from(*each))).collect()),
            100.0 * f64::from(row.before[0]),
            100.0 * f64::from(row.after[0]),
            row.test_reward
        );
    }
    text
}
