//! Every editor, with intervals.

use super::super::summary::{
    EVALUATIONS, FORGET, GAP, Group, JS, MIA, Metric, NORM, PROBE, RELEARN, RETAIN, TOW, sections,
};
use super::super::svg::escape;
use super::super::versus;
use super::super::words::{self, percent};
use super::table::{Cell, Column, table};
use super::{mark, needs, summary};
use crate::run::record::Results;

pub(super) fn section(results: &Results) -> String {
    let target = words::target_value();
    let columns = [
        Column::text("editor"),
        Column::text("world"),
        Column::number(
            "forget %",
            "accuracy on the forgotten class, test split: mean ± standard deviation",
        ),
        Column::number(
            "retain %",
            "accuracy on all other classes, test split: mean ± standard deviation",
        ),
        Column::number(
            "ToW",
            "tug of war against retraining: interquartile mean and 95 % interval",
        ),
        Column::number(
            "better %",
            "probability of a higher ToW than sep-cma-es in the same world, on the same network",
        ),
        Column::number("gap", "mean distance to retraining of three accuracies and the attack"),
        Column::number(
            "JS",
            "divergence of the outputs to retraining's on forgotten samples, nats",
        ),
        Column::number("probe %", "forgotten class read by a linear probe"),
        Column::number("relearn", "optimiser steps until half of the class is back, at most 300"),
        Column::number(
            "MIA %",
            "accuracy of a membership attack on the forgotten samples, 50 is chance",
        ),
        Column::number("done %", "share of runs with at most 5 % left and 3 points lost"),
        Column::number("evaluations", "of the reward"),
        Column::number(
            "to target",
            "mean evaluations until the reward reached its target, where it did",
        ),
        Column::number("‖ΔW‖/‖W‖", "size of the edit of the layer"),
        Column::text("needs"),
    ];
    let rows: Vec<Vec<Cell>> = sections(&results.runs)
        .iter()
        .flat_map(|(_, groups)| groups)
        .map(|group| row(results, group))
        .collect();
    let runs = results.runs.len();
    let caption = format!(
        "{runs} runs. ± is the standard deviation over runs; ToW is the interquartile mean with its 95 % \
         bootstrap interval (stratified by class). \"To target\" is the mean over the runs that reached a reward of {target}. A \
         heading sorts."
    );
    table(&caption, &columns, &rows, true)
}

fn row(results: &Results, group: &Group<'_>) -> Vec<Cell> {
    let acts = group.world.is_some();
    let mean = |metric: Metric, show: fn(f64) -> String| {
        let stat = group.stat(metric);
        Cell::number(stat.map(|stat| stat.mean), |value| {
            let std = stat.and_then(|stat| stat.std);
            let std = std.map_or(String::new(), |std| format!(" <small>± {}</small>", show(std)));
            format!("{}{std}", show(value))
        })
    };
    let three = |value: f64| format!("{value:.3}");
    let tow = summary(results, group, "tow");
    let done = group.runs.iter().filter(|run| words::done(run)).count();
    let better = versus::improvement(results, group);
    vec![
        Cell::html(format!("{}{}", mark(group), escape(group.editor)), group.editor),
        Cell::text(group.world.unwrap_or(words::NOTHING)),
        mean(FORGET, percent),
        mean(RETAIN, percent),
        Cell::number(tow.map(|tow| tow.iqm).or(group.stat(TOW).map(|stat| stat.mean)), |value| {
            let interval = tow.and_then(|tow| tow.iqm_ci95);
            let interval = interval.map_or(String::new(), |[low, high]| {
                format!(" <small>[{low:.3}, {high:.3}]</small>")
            });
            format!("{value:.3}{interval}")
        }),
        Cell::number(better.map(|better| better.value), |value| {
            let interval = better.and_then(|better| better.interval);
            let interval = interval.map_or(String::new(), |[low, high]| {
                format!(" <small>[{}, {}]</small>", percent(low), percent(high))
            });
            format!("{}{interval}", percent(value))
        }),
        mean(GAP, three),
        mean(JS, three),
        mean(PROBE, percent),
        mean(RELEARN, |value| format!("{value:.1}")),
        mean(MIA, percent),
        Cell::number(Some(done as f64 / group.runs.len().max(1) as f64), |share| {
            format!("{:.0}", 100.0 * share)
        }),
        Cell::number(group.stat(EVALUATIONS).filter(|_| acts).map(|stat| stat.mean), words::count),
        Cell::number(group.stat(super::super::summary::TO_TARGET).map(|stat| stat.mean), |_| {
            words::to_target(group)
        }),
        mean(NORM, |value| format!("{value:.2}")),
        Cell::text(needs(group.editor)),
    ]
}
