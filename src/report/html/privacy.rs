//! The privacy panel: what can still be read, relearned and attacked.

use super::super::summary::{
    FORGET, Group, MIA, MIA_THRESHOLD, Metric, PROBE, PROBE_LONG, PROBE_MLP, RELEARN, sections,
};
use super::super::svg::escape;
use super::super::versus;
use super::super::words::{self, percent};
use super::mark;
use super::page::paragraph;
use super::table::{Cell, Column, table};
use crate::metric::statistics::mean;
use crate::run::record::{Results, RunRecord};

pub(super) fn section(results: &Results) -> String {
    let mut html = paragraph(
        "A low accuracy on the forgotten class says that the network no longer answers with it, not that its \
         features no longer hold it. A probe is trained on the features of the edited network with the true \
         labels; relearning counts the optimiser steps on ordinary training samples until half of the former \
         accuracy is back; an attack tells training samples of the class from others by the loss. Equal to \
         retraining is the goal: less than retraining is as telling as more.",
    );
    let sections = sections(&results.runs);
    let groups: Vec<&Group<'_>> = sections.iter().flat_map(|(_, groups)| groups).collect();
    let any = |metric: Metric| groups.iter().any(|group| group.stat(metric).is_some());
    if !any(PROBE) && !any(RELEARN) && !any(MIA) {
        return html + &paragraph("None of this was computed in this run.");
    }
    let spread = versus::spread(results);
    if !spread.is_empty() {
        html.push_str(&paragraph(&spread));
    }
    let retrain = groups.iter().find(|group| group.editor == "retrain");
    let reference =
        |metric: Metric| retrain.and_then(|group| group.stat(metric)).map(|stat| stat.mean);
    let layers: Vec<&str> = results
        .runs
        .iter()
        .find(|run| !run.probe_layers.is_empty())
        .map(|run| run.probe_layers.iter().map(|probe| probe.layer.as_str()).collect())
        .unwrap_or_default();
    let mut columns = vec![
        Column::text("editor"),
        Column::text("world"),
        Column::number("forget %", "what the network itself still answers"),
        Column::number(
            "probe, 10 epochs %",
            "softmax probe of the last hidden features; the tick is retraining's",
        ),
        Column::number("60 epochs %", "the same, trained longer"),
        Column::number("hidden layer %", "a probe with 64 hidden units"),
    ];
    columns.extend(layers.iter().map(|layer| Column {
        title: format!("{layer} %"),
        help: "softmax probe of this layer's outputs, 10 epochs",
        number: true,
    }));
    columns.extend([
        Column::number("relearn", "optimiser steps until half of the class is back, at most 300"),
        Column::number("attack %", "logistic regression on the loss, 50 is chance"),
        Column::number("threshold %", "a threshold on the loss, 50 is chance"),
    ]);
    let rows: Vec<Vec<Cell>> = groups
        .iter()
        .map(|group| {
            let number = |metric: Metric, show: fn(f64) -> String| {
                Cell::number(group.stat(metric).map(|stat| stat.mean), show)
            };
            let mut row = vec![
                Cell::html(format!("{}{}", mark(group), escape(group.editor)), group.editor),
                Cell::text(group.world.unwrap_or(words::NOTHING)),
                number(FORGET, percent),
                Cell::number(group.stat(PROBE).map(|stat| stat.mean), |value| {
                    format!("{}{}", percent(value), bar(value, reference(PROBE)))
                }),
                number(PROBE_LONG, percent),
                number(PROBE_MLP, percent),
            ];
            row.extend(layers.iter().map(|layer| Cell::number(of_layer(group, layer), percent)));
            row.extend([
                number(RELEARN, |value| format!("{value:.1}")),
                number(MIA, percent),
                number(MIA_THRESHOLD, percent),
            ]);
            row
        })
        .collect();
    html.push_str(&table(
        "Means over all runs, test split. A heading sorts.",
        &columns,
        &rows,
        true,
    ));
    html
}

fn of_layer(group: &Group<'_>, layer: &str) -> Option<f64> {
    let of = |run: &&RunRecord| {
        run.probe_layers.iter().find(|probe| probe.layer == layer).map(|probe| probe.recovery)
    };
    mean(&group.runs.iter().filter_map(of).collect::<Vec<_>>())
}

/// A bar from 0 to 1 with a tick.
fn bar(value: f64, tick: Option<f64>) -> String {
    let at = |value: f64| 100.0 * value.clamp(0.0, 1.0);
    let tick =
        tick.map_or(String::new(), |tick| format!("<b style=\"left:{:.1}%\"></b>", at(tick)));
    format!(
        "<span class=\"bar\" aria-hidden=\"true\"><i style=\"width:{:.1}%\"></i>{tick}</span>",
        at(value)
    )
}
