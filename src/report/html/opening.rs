//! The first screen: what was done, whether it worked, against what, in words and one table.

use super::super::summary::{
    EVALUATIONS, FORGET, FORGET_BEFORE, Group, Metric, PROBE, RELEARN, RETAIN, RETAIN_BEFORE,
    REWARD, TOW, groups,
};
use super::super::svg::escape;
use super::super::words::{self, NOTHING, thousands};
use super::page::paragraph;
use super::table::{Cell, Column, table};
use super::{control, kind, mark, needs, share};
use crate::run::record::Results;

/// The first screen.
pub(super) fn first_screen(results: &Results) -> String {
    let groups = groups(&results.runs);
    let mut html = paragraph(&what(results));
    html.push_str("<ul class=\"answers\">\n");
    for answer in [worked(&groups), against(&groups), erased(&groups)].into_iter().flatten() {
        html.push_str(&format!("<li>{answer}</li>\n"));
    }
    html.push_str("</ul>\n");
    html.push_str(&short_table(&groups));
    html
}

fn what(results: &Results) -> String {
    let data = &results.data;
    format!(
        "What was done: {} was edited so that the network forgets {} of {} and keeps the rest, with {}, {}. \
         Editors that work by reward see the reward split alone ({} samples); all accuracies are of the test \
         split ({} samples).",
        words::layer(results),
        words::classes(results),
        data.name,
        words::seeds_in_words(results),
        if words::shared(results) {
            "every method on one network that was loaded from a file"
        } else {
            "each a network trained for itself and edited by every method"
        },
        thousands(data.reward as u64),
        thousands(data.test as u64),
    )
}

/// The best editor of a kind by ToW, or by reward where nothing was retrained.
fn best<'g, 'a>(
    groups: &'g [Group<'a>],
    wanted: &str,
    world: Option<&str>,
) -> Option<&'g Group<'a>> {
    let value = |group: &Group<'_>| {
        let stat = group.stat(TOW).or_else(|| group.stat(REWARD));
        stat.map_or(f64::NEG_INFINITY, |stat| stat.mean)
    };
    groups
        .iter()
        .filter(|group| kind(group.editor) == wanted && !control(group.editor))
        .filter(|group| world.is_none() || group.world == world)
        .max_by(|one, other| value(one).total_cmp(&value(other)))
}

fn named<'g, 'a>(groups: &'g [Group<'a>], editor: &str) -> Option<&'g Group<'a>> {
    groups.iter().find(|group| group.editor == editor)
}

fn subject(group: &Group<'_>) -> String {
    format!("<strong>{}</strong>", escape(&words::subject(group.editor, group.world)))
}

fn done(group: &Group<'_>) -> String {
    let done = group.runs.iter().filter(|run| words::done(run)).count();
    format!("{done} of {}", group.runs.len())
}

fn tow(group: &Group<'_>) -> String {
    group.stat(TOW).map_or(String::new(), |stat| format!(", ToW {:.3}", stat.mean))
}

fn worked(groups: &[Group<'_>]) -> Option<String> {
    let group = best(groups, "reward", None)?;
    Some(format!(
        "Did it work: by reward alone, {} did best: done in {} runs (at most {} % of the forgotten samples \
         recognised, at most {} points of the rest lost); forgotten {} → {} %, retained {} → {} %{}, after {} \
         evaluations of the reward.",
        subject(group),
        done(group),
        100.0 * words::DONE_FORGET,
        100.0 * words::DONE_DROP,
        share(group, FORGET_BEFORE),
        share(group, FORGET),
        share(group, RETAIN_BEFORE),
        share(group, RETAIN),
        tow(group),
        group.stat(EVALUATIONS).map_or(NOTHING.into(), |stat| words::count(stat.mean)),
    ))
}

fn against(groups: &[Group<'_>]) -> Option<String> {
    let line = |group: &Group<'_>, what: &str| {
        format!(
            "{} ({what}): forgotten {} %, retained {} %{}",
            subject(group),
            share(group, FORGET),
            share(group, RETAIN),
            tow(group)
        )
    };
    let parts: Vec<String> = [
        named(groups, "logit-mask")
            .map(|group| line(group, "one output switched off, nothing learned")),
        best(groups, "gradient", None).map(|group| line(group, "gradients and training data")),
        best(groups, "closed", None).map(|group| line(group, "closed form")),
        named(groups, "retrain").map(|group| line(group, "trained again without the class")),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| format!("Against what: {}.", parts.join("; ")))
}

fn erased(groups: &[Group<'_>]) -> Option<String> {
    let group = best(groups, "reward", None)?;
    let ours = group.stat(PROBE)?.mean;
    let steps = |group: &Group<'_>| {
        group.stat(RELEARN).map_or(String::new(), |stat| {
            format!(" and training brings it back in {:.0} steps", stat.mean)
        })
    };
    let mut text = format!(
        "Is it erased: a linear probe of the features of {} still tells {} % of the forgotten samples{}",
        subject(group),
        words::percent(ours),
        steps(group)
    );
    let Some(retrain) = named(groups, "retrain") else { return Some(text + ".") };
    let theirs = retrain.stat(PROBE)?.mean;
    text += &format!(
        "; of a network that never saw the class it tells {} %{}. {}",
        words::percent(theirs),
        steps(retrain),
        if ours > theirs + 0.03 {
            "So the class is hidden, not erased."
        } else {
            "So its last features hold no more of the class than those."
        }
    );
    Some(text)
}

/// The best of each kind beside the references.
fn short_table(groups: &[Group<'_>]) -> String {
    let mut chosen: Vec<&Group<'_>> = Vec::new();
    for world in ["shift", "mask"] {
        chosen.extend(best(groups, "reward", Some(world)));
    }
    chosen.extend(best(groups, "closed", None));
    chosen.extend(best(groups, "gradient", None));
    for name in ["logit-mask", "retrain", "none"] {
        chosen.extend(named(groups, name));
    }
    let columns = [
        Column::text("editor"),
        Column::number("forget %", "accuracy on the forgotten class, test split"),
        Column::number("retain %", "accuracy on all other classes, test split"),
        Column::number("ToW", "tug of war: 1 is equal to retraining"),
        Column::number("probe %", "forgotten class read from the features by a linear probe"),
        Column::number("relearn", "optimiser steps until half of the class is back"),
        Column::number("evaluations", "of the reward"),
        Column::text("needs"),
    ];
    let rows: Vec<Vec<Cell>> = chosen
        .into_iter()
        .map(|group| {
            let acts = group.world.is_some();
            let cell = |metric: Metric, show: fn(f64) -> String| {
                Cell::number(group.stat(metric).map(|stat| stat.mean), show)
            };
            let name = match group.world {
                Some(world) => format!("{}, {world}", group.editor),
                None => group.editor.to_string(),
            };
            vec![
                Cell::html(format!("{}{}", mark(group), escape(&name)), &name),
                cell(FORGET, words::percent),
                cell(RETAIN, words::percent),
                cell(TOW, |value| format!("{value:.3}")),
                cell(PROBE, words::percent),
                cell(RELEARN, |value| format!("{value:.0}")),
                Cell::number(
                    group.stat(EVALUATIONS).filter(|_| acts).map(|stat| stat.mean),
                    words::count,
                ),
                Cell::text(needs(group.editor)),
            ]
        })
        .collect();
    table(
        "The best of each kind beside the references; means over all runs",
        &columns,
        &rows,
        false,
    )
}
