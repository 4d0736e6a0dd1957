//! Accuracy class by class, before and after, and what the edited network answers.

use super::super::summary::{Group, sections};
use super::super::svg::escape;
use super::super::words::{self, percent};
use super::mark;
use super::page::paragraph;
use crate::run::record::{Classwise, Results, RunRecord};
use std::fmt::Write as _;

pub(super) fn section(results: &Results) -> String {
    let several = words::forget_sets(results).len() > 1;
    let mut html = paragraph(if several {
        "Per editor: the mean accuracy of every class (columns) on the test split after each class (rows) was \
         forgotten, and what the samples of the forgotten class are taken for."
    } else {
        "Per editor: the accuracy of every class on the test split before and after the edit, and what the \
         edited network answers; means over seeds."
    });
    for group in sections(&results.runs).iter().flat_map(|(_, groups)| groups) {
        let known: Vec<(&RunRecord, &Classwise)> =
            group.runs.iter().filter_map(|run| Some((*run, run.classwise.as_ref()?))).collect();
        if known.is_empty() {
            continue;
        }
        let body = if several { by_forgotten(results, &known) } else { single(&known) };
        let _ = writeln!(
            html,
            "<details{}><summary>{}{}</summary>\n{body}</details>",
            if opened(group) { " open" } else { "" },
            mark(group),
            escape(&words::subject(group.editor, group.world))
        );
    }
    html
}

/// The editor that a reader most likely looks for.
fn opened(group: &Group<'_>) -> bool {
    group.editor == "sep-cma-es" && group.world != Some("mask")
}

/// Mean over runs of accuracies by class; `None` for a class without samples.
fn means(
    known: &[(&RunRecord, &Classwise)],
    of: impl Fn(&Classwise) -> &[Option<f32>],
) -> Vec<Option<f64>> {
    let classes = known.iter().map(|(_, classwise)| of(classwise).len()).max().unwrap_or(0);
    (0..classes)
        .map(|class| {
            let values: Vec<f64> = known
                .iter()
                .filter_map(|(_, classwise)| of(classwise).get(class).copied().flatten())
                .map(f64::from)
                .collect();
            crate::metric::statistics::mean(&values)
        })
        .collect()
}

fn single(known: &[(&RunRecord, &Classwise)]) -> String {
    let before = means(known, |classwise| &classwise.before);
    let after = means(known, |classwise| &classwise.after);
    let forgotten: Vec<usize> = known
        .first()
        .map(|(run, _)| run.forget.iter().map(|&class| class as usize).collect())
        .unwrap_or_default();
    format!(
        "<div class=\"pair\">\n<figure>\n{}<figcaption>Before (light) and after. The forgotten class is \
         orange.</figcaption>\n</figure>\n<div>\n{}</div>\n</div>\n",
        bars(&before, &after, &forgotten),
        predictions(known, &forgotten)
    )
}

fn bars(before: &[Option<f64>], after: &[Option<f64>], forgotten: &[usize]) -> String {
    const LEFT: f64 = 34.0;
    const TOP: f64 = 8.0;
    const BOTTOM: f64 = 190.0;
    let pitch = (380.0 / before.len().max(1) as f64).min(60.0);
    let width = LEFT + pitch * before.len() as f64 + 8.0;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value.clamp(0.0, 1.0);
    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {width:.0} 214\" width=\"{width:.0}\" height=\"214\" role=\"img\" \
         aria-label=\"Accuracy of every class before and after\">\n"
    );
    for value in [0.0, 0.5, 1.0] {
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{width:.0}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text x=\"{1:.0}\" \
             y=\"{2:.1}\" text-anchor=\"end\">{3:.0}</text>",
            y(value),
            LEFT - 5.0,
            y(value) + 4.0,
            100.0 * value
        );
    }
    for (class, (before, after)) in before.iter().zip(after).enumerate() {
        let x = LEFT + pitch * class as f64;
        let kind = if forgotten.contains(&class) { "after forgotten" } else { "after" };
        for (value, kind, shift) in [(before, "before", 0.12), (after, kind, 0.5)] {
            if let Some(value) = value {
                let _ = writeln!(
                    svg,
                    "<rect class=\"{kind}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>class \
                     {class}: {} %</title></rect>",
                    x + shift * pitch,
                    y(*value),
                    0.36 * pitch,
                    BOTTOM - y(*value),
                    percent(*value)
                );
            }
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"207\" text-anchor=\"middle\">{class}</text>",
            x + 0.5 * pitch
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Shares of the samples of each class (rows) that are taken for each class (columns).
fn predictions(known: &[(&RunRecord, &Classwise)], rows: &[usize]) -> String {
    let classes = known.iter().map(|(_, classwise)| classwise.predictions.len()).max().unwrap_or(0);
    let mut sums = vec![vec![0u64; classes]; classes];
    for (_, classwise) in known {
        for (sums, counts) in sums.iter_mut().zip(&classwise.predictions) {
            sums.iter_mut().zip(counts).for_each(|(sum, &count)| *sum += u64::from(count));
        }
    }
    matrix(
        "Answers of the edited network, % of the samples of each class (rows)",
        &shares(&sums),
        rows,
    )
}

fn shares(sums: &[Vec<u64>]) -> Vec<Vec<Option<f64>>> {
    sums.iter()
        .map(|row| {
            let whole: u64 = row.iter().sum();
            row.iter().map(|&count| (whole > 0).then(|| count as f64 / whole as f64)).collect()
        })
        .collect()
}

/// A matrix of shares, shaded; rows in `marked` are those of forgotten classes.
fn matrix(caption: &str, rows: &[Vec<Option<f64>>], marked: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Matrix\"><table \
         class=\"matrix\"><caption>{}</caption>\n<thead><tr><th scope=\"col\"></th>",
        escape(caption)
    );
    for column in 0..columns {
        let _ = write!(html, "<th scope=\"col\">{column}</th>");
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (index, row) in rows.iter().enumerate() {
        if row.iter().all(Option::is_none) {
            continue;
        }
        let name = if marked.contains(&index) {
            format!("{index} (forgotten)")
        } else {
            index.to_string()
        };
        let _ = write!(html, "<tr><th scope=\"row\">{name}</th>");
        for value in row {
            let _ = match value {
                Some(value) if *value >= 0.0005 => write!(
                    html,
                    "<td style=\"background:rgba(var(--heat),{:.2})\">{}</td>",
                    0.75 * value.clamp(0.0, 1.0),
                    percent(*value)
                ),
                Some(_) => write!(html, "<td class=\"soft\">0</td>"),
                None => write!(html, "<td>{}</td>", words::NOTHING),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// For runs that forget different classes: one row per forgotten class.
fn by_forgotten(results: &Results, known: &[(&RunRecord, &Classwise)]) -> String {
    let (mut accuracies, mut answers) = (Vec::new(), Vec::new());
    for set in words::forget_sets(results) {
        let of_set: Vec<(&RunRecord, &Classwise)> =
            known.iter().filter(|(run, _)| run.forget == set).copied().collect();
        let class = set.first().map_or(0, |&class| class as usize);
        while accuracies.len() <= class {
            accuracies.push(Vec::new());
            answers.push(Vec::new());
        }
        accuracies[class] = means(&of_set, |classwise| &classwise.after);
        let classes =
            of_set.iter().map(|(_, classwise)| classwise.predictions.len()).max().unwrap_or(0);
        let mut sums = vec![0u64; classes];
        for (_, classwise) in &of_set {
            let row = classwise.predictions.get(class).map(Vec::as_slice).unwrap_or_default();
            sums.iter_mut().zip(row).for_each(|(sum, &count)| *sum += u64::from(count));
        }
        answers[class] = shares(&[sums]).pop().unwrap_or_default();
    }
    format!(
        "<div class=\"pair\">\n<div>{}</div>\n<div>{}</div>\n</div>\n",
        matrix(
            "Accuracy of every class (columns) after each was forgotten (rows), %",
            &accuracies,
            &[]
        ),
        matrix("What samples of the forgotten class (rows) are taken for, %", &answers, &[])
    )
}
