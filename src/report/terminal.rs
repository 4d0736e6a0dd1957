//! The table that `unlearn` prints.

use super::hiding;
use super::summary::{
    EVALUATIONS, FORGET, FORGET_BEFORE, Group, Metric, POLICY_FORGET, POLICY_RETAIN, RETAIN,
    RETAIN_BEFORE, REWARD, sections,
};
use super::words::{self, NOTHING};
use crate::run::record::Results;

/// Columns of the terminal.
const WIDTH: usize = 100;

/// Between columns.
const GAP: &str = "  ";

/// How much of the deviations is shown: less where the table would be too wide.
#[derive(Clone, Copy, PartialEq)]
enum Detail {
    All,
    NotOfPolicy,
    None,
    /// None, and long names are cut.
    Narrow,
}

/// A cell is a list of parts that stand below one another in their column.
type Row = Vec<Vec<String>>;

enum Line {
    Title(String),
    Row(Row),
}

/// The summary for the terminal: at most 100 columns of plain text.
pub fn table(results: &Results) -> String {
    let several = words::seeds(results).len() > 1;
    let mut text = wrap(
        &format!(
            "Forgetting {} of {}: {}, {}",
            words::classes(results),
            results.data.name,
            words::layer(results),
            words::seeds_in_words(results),
        ),
        "",
    );
    text.push_str("figures in % of the test split");
    text.push_str(if several { ", mean ± std over seeds\n" } else { "\n" });
    text.push('\n');
    let details = [Detail::All, Detail::NotOfPolicy, Detail::None, Detail::Narrow];
    let drawn = details.map(|detail| draw(results, detail));
    let fits = |lines: &&Vec<String>| lines.iter().all(|line| line.chars().count() <= WIDTH);
    for line in drawn.iter().find(fits).or(drawn.last()).into_iter().flatten() {
        text.extend(line.chars().take(WIDTH));
        text.push('\n');
    }
    if sections(&results.runs).iter().any(|(world, _)| world.is_some()) {
        let target = words::target_value();
        text.push('\n');
        text.push_str(&wrap(
            &format!(
                "policy: without noise, or the mean of the search distribution. to {}: mean \
                 evaluations until the reward first reached {target} (in how many runs, where not in all)",
                target.trim_start_matches('0')
            ),
            "",
        ));
    }
    if let Some(legend) = hiding::legend(results) {
        text.push('\n');
        for line in hiding::lines(results) {
            text.push_str(&line);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&wrap(&legend, ""));
    }
    let notes = words::notes(results);
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        text.push_str(&wrap(&format!("note: {note}"), "      "));
    }
    text
}

fn draw(results: &Results, detail: Detail) -> Vec<String> {
    let target = words::target_value();
    let header = [
        "editor".to_string(),
        "forget".into(),
        "retain".into(),
        if detail == Detail::Narrow { "policy" } else { "policy: forget / retain" }.into(),
        "reward".into(),
        "evals".into(),
        format!("to {}", target.trim_start_matches('0')),
    ];
    let mut lines = Vec::new();
    for (world, groups) in sections(&results.runs) {
        lines
            .push(Line::Title(world.map_or("references".into(), |world| format!("{world} world"))));
        lines.extend(groups.iter().map(|group| Line::Row(row(group, detail))));
    }
    let rows: Vec<&Row> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Row(row) => Some(row),
            Line::Title(_) => None,
        })
        .collect();
    let parts: Vec<Vec<usize>> =
        (0..header.len()).map(|column| part_widths(&rows, column)).collect();
    let widths: Vec<usize> = header
        .iter()
        .zip(&parts)
        .enumerate()
        .map(|(column, (title, parts))| {
            let lone = rows.iter().filter_map(|row| row.get(column)).filter(|cell| cell.len() == 1);
            lone.filter_map(|cell| cell.first())
                .map(|part| part.chars().count())
                .chain([title.chars().count(), parts.iter().sum()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut drawn =
        vec![join(header.iter().zip(&widths).enumerate().map(|(column, (title, &width))| {
            if column >= FIRST_NUMBER { right(title, width) } else { left(title, width) }
        }))];
    drawn.push("─".repeat(drawn.first().map_or(0, |line| line.chars().count())));
    for line in lines {
        drawn.push(match line {
            Line::Title(title) => title,
            Line::Row(row) => join(row.iter().zip(&parts).zip(&widths).enumerate().map(
                |(column, ((cell, parts), &width))| match cell.as_slice() {
                    [part] if column >= FIRST_NUMBER => right(part, width),
                    [part] => left(part, width),
                    several => left(&assemble(several, parts), width),
                },
            )),
        });
    }
    drawn
}

/// Characters of a name that was cut.
const NAME: usize = 12;

/// Columns from here on stand to the right.
const FIRST_NUMBER: usize = 4;

fn row(group: &Group<'_>, detail: Detail) -> Row {
    let std = matches!(detail, Detail::All | Detail::NotOfPolicy);
    let acts = group.world.is_some();
    let mut policy = figure(group, POLICY_FORGET, detail == Detail::All);
    if group.stat(POLICY_FORGET).is_some() {
        policy.push(" / ".into());
        policy.extend(figure(group, POLICY_RETAIN, detail == Detail::All));
    }
    vec![
        vec![format!("  {}", name(group.editor, detail))],
        change(group, FORGET_BEFORE, FORGET, std),
        change(group, RETAIN_BEFORE, RETAIN, std),
        policy,
        vec![group.stat(REWARD).map_or(NOTHING.into(), |stat| format!("{:.3}", stat.mean))],
        vec![match group.stat(EVALUATIONS) {
            Some(stat) if acts => words::count(stat.mean),
            _ => NOTHING.into(),
        }],
        vec![words::to_target(group)],
    ]
}

fn name(editor: &str, detail: Detail) -> String {
    if detail == Detail::Narrow && editor.chars().count() > NAME {
        editor.chars().take(NAME - 1).chain(['…']).collect()
    } else {
        editor.into()
    }
}

fn change(group: &Group<'_>, before: Metric, after: Metric, std: bool) -> Vec<String> {
    let mut parts = figure(group, before, false);
    parts.pop();
    parts.push(" → ".into());
    parts.extend(figure(group, after, std));
    parts
}

/// Mean and deviation (empty where there is none), or one part that says that there is neither.
fn figure(group: &Group<'_>, metric: Metric, std: bool) -> Vec<String> {
    match group.stat(metric) {
        None => vec![NOTHING.into()],
        Some(stat) => vec![
            words::percent(stat.mean),
            stat.std
                .filter(|_| std)
                .map_or(String::new(), |std| format!("±{}", words::percent(std))),
        ],
    }
}

fn part_widths(rows: &[&Row], column: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for cell in rows.iter().filter_map(|row| row.get(column)).filter(|cell| cell.len() > 1) {
        for (index, part) in cell.iter().enumerate() {
            let width = part.chars().count();
            match widths.get_mut(index) {
                Some(known) => *known = width.max(*known),
                None => widths.push(width),
            }
        }
    }
    widths
}

fn assemble(parts: &[String], widths: &[usize]) -> String {
    parts
        .iter()
        .zip(widths)
        .map(|(part, &width)| {
            if part.is_empty() || part.starts_with('±') {
                left(part, width)
            } else {
                right(part, width)
            }
        })
        .collect()
}

fn left(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

fn right(text: &str, width: usize) -> String {
    format!("{text:>width$}")
}

fn join(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_string()
}

/// Breaks at spaces; lines after the first begin with `indent`.
pub(super) fn wrap(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = indent.to_string();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}
