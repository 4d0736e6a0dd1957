//! `report.html`: one file that answers on its first screen, opens without a network, and is read on a
//! phone, on paper, and by those who do not trust it.
//!
//! What belongs here: pure functions from [`Results`] to HTML, the style and the script of the page. What
//! does not: statistics (`summary`), phrases that the other reports use as well (`words`).

mod classes;
mod comparison;
mod heat;
mod opening;
mod page;
mod png;
mod privacy;
mod scatter;
mod settings;
mod table;
#[cfg(test)]
mod tests;

use super::curves_svg;
use super::summary::{Group, Metric, worlds};
use super::words::{self, percent};
use crate::editor;
use crate::run::record::{Results, SummaryRecord};
pub(super) use page::{Section, page, paragraph};
pub(super) use settings::settings_block;
pub(super) use table::{Cell, Column, table};

/// `report.html` of `unlearn` or `compare unlearn`. [`Results::summary`] holds the intervals.
pub fn html(results: &Results) -> String {
    let title = format!("Forgetting {}", words::classes(results));
    let mut sections = vec![
        Section {
            id: "comparison",
            title: "All editors".into(),
            body: comparison::section(results),
        },
        Section {
            id: "scatter",
            title: "Retain against forget".into(),
            body: scatter::section(results),
        },
    ];
    let curves: String = worlds(&results.runs)
        .into_iter()
        .filter_map(|world| Some(curve(results, world, &curves_svg(results, world)?)))
        .collect();
    if !curves.is_empty() {
        sections.push(Section { id: "curves", title: "Learning curves".into(), body: curves });
    }
    sections.push(Section {
        id: "privacy",
        title: "Hiding is not erasing".into(),
        body: privacy::section(results),
    });
    if results.runs.iter().any(|run| run.classwise.is_some()) {
        let body = classes::section(results);
        sections.push(Section { id: "classes", title: "Class by class".into(), body });
    }
    if results.runs.iter().any(|run| run.heat.is_some()) {
        let body = heat::section(results);
        sections.push(Section { id: "edits", title: "The edits".into(), body });
    }
    let notes = words::notes(results);
    if !notes.is_empty() {
        let body = notes.iter().map(|note| paragraph(note)).collect();
        sections.push(Section { id: "notes", title: "Notes".into(), body });
    }
    sections.push(Section {
        id: "settings",
        title: "Settings and digests".into(),
        body: settings::section(results),
    });
    page(&title, &opening::first_screen(results), &sections)
}

/// Learning curves with their caption.
fn curve(results: &Results, world: &str, svg: &str) -> String {
    let class = words::curve_file(world).trim_end_matches(".svg").to_string();
    let svg = inlined(svg, &class);
    let runs =
        if words::forget_sets(results).len() > 1 { "runs (classes × seeds)" } else { "seeds" };
    format!(
        "<figure>\n{svg}<figcaption>Best reward so far on the reward split, against evaluations of it: mean over \
         {runs}, band from the least to the greatest.</figcaption>\n</figure>\n"
    )
}

/// A plot with a style of its own, as part of a page: its rules are kept to itself.
pub(super) fn inlined(svg: &str, class: &str) -> String {
    svg.replacen("<svg ", &format!("<svg class=\"{class}\" "), 1)
        .replacen("<style>", &format!("<style>\n.{class} {{"), 1)
        .replacen("</style>", "}\n</style>", 1)
        .replace("id=\"title\"", &format!("id=\"{class}-title\""))
        .replace("aria-labelledby=\"title\"", &format!("aria-labelledby=\"{class}-title\""))
}

/// The class of the coloured mark of a group: kind, and square in MaskWorld.
fn mark(group: &Group<'_>) -> String {
    let kind = kind(group.editor);
    let shape = if group.world == Some("mask") { " mask" } else { "" };
    format!("<span class=\"kind {kind}{shape}\" aria-hidden=\"true\"></span>")
}

/// "reward", "gradient", "closed" or "reference".
fn kind(name: &str) -> &'static str {
    editor::find(name).map_or("reference", |editor| editor.kind.name())
}

/// What a method needs to look at, in words.
fn needs(name: &str) -> &'static str {
    match editor::find(name) {
        Some(editor) if editor.gradients => "gradients, training data",
        Some(editor) if editor.training_data => "training data",
        Some(editor) => match editor.kind.name() {
            "reward" if editor.view == editor::View::None => "reward",
            "reward" | "closed" => "forward passes, reward",
            _ => "nothing",
        },
        None => "",
    }
}

/// The statistics of a metric over the runs of a group.
fn summary<'r>(results: &'r Results, group: &Group<'_>, metric: &str) -> Option<&'r SummaryRecord> {
    results.summary.iter().find(|record| {
        record.metric == metric
            && record.editor == group.editor
            && record.world.as_deref() == group.world
    })
}

/// Mean of a figure over a group, in per cent.
fn share(group: &Group<'_>, metric: Metric) -> String {
    group.stat(metric).map_or(words::NOTHING.into(), |stat| percent(stat.mean))
}

/// Whether a group is a control, which is not meant to work.
fn control(name: &str) -> bool {
    editor::find(name).is_some_and(|editor| editor.source == "control")
}
