//! `report.html` of debiasing.

use super::group::{Figure, Group, Look, groups, needs, unedited};
use super::table::{COLUMNS, share};
use super::{front_svg, groups_svg, verdict};
use crate::report::html::{Cell, Column, Section, inlined, page, paragraph, settings_block, table};
use crate::report::svg::escape;
use crate::report::words::{NOTHING, count, thousands};
use crate::run::debias::DebiasResults;
use std::fmt::Write as _;

/// `report.html`: a first screen in words and one table, then every editor, the groups, the words and texts
/// of the edit that is looked at closely, and what is needed to repeat the run. It holds no seconds.
pub fn debias_html(results: &DebiasResults) -> String {
    let all = groups(results);
    let look = Look::new(results, &all);
    let target = results.runs.first().map_or("nothing", |run| run.target.name.as_str());
    let mut sections =
        vec![Section { id: "editors", title: "All editors".into(), body: editors(results, &all) }];
    if let Some(look) = &look {
        let plot = groups_svg(results).map_or(String::new(), |svg| {
            figure(
                &svg,
                "groups-plot",
                "False positive rates of every group before and after the edit.",
            )
        });
        let body = plot + &group_table(look);
        sections.push(Section { id: "groups", title: "Group by group".into(), body });
    }
    if let Some(svg) = front_svg(results) {
        let body = figure(
            &svg,
            "front-plot",
            "AUC against the gap for shares of utility and prices of size.",
        );
        sections.push(Section { id: "front", title: "AUC against gap".into(), body });
    }
    if let Some(look) =
        look.as_ref().filter(|look| !look.group.runs.iter().all(|run| run.words.is_empty()))
    {
        sections.push(Section { id: "words", title: "Words and texts".into(), body: words(look) });
    }
    if !results.notes.is_empty() {
        let body = results.notes.iter().map(|note| paragraph(note)).collect();
        sections.push(Section { id: "notes", title: "Notes".into(), body });
    }
    let config = &results.config;
    let mut body = settings_block(&results.command, &results.version, &results.data, config);
    body.push_str(&digests(results));
    sections.push(Section { id: "settings", title: "Settings and digests".into(), body });
    page(&format!("Debiasing {target}"), &first_screen(results, look.as_ref(), &all), &sections)
}

fn first_screen(results: &DebiasResults, look: Option<&Look<'_>>, all: &[Group<'_>]) -> String {
    let data = &results.data;
    let seeds = all.first().map_or(0, |group| group.runs.len());
    let mut html = paragraph(&format!(
        "What was done: a classifier of comments was edited so that it treats groups alike, with {seeds} {}. Editors \
         were paid for figures of the reward split alone ({} comments); all figures are of the test split of {} ({} \
         comments), which no editor saw.",
        if results.pooled.is_empty() { "seeds" } else { "folds" },
        thousands(data.reward as u64),
        data.name,
        thousands(data.test as u64)
    ));
    let answer =
        look.map_or("No editor acted by reward alone in a world.".into(), verdict::did_it_work);
    html.push_str(&paragraph(&answer.replace("**", "")));
    // The edit that the words speak of, beside what a reader would compare it with.
    let named =
        ["none", "threshold", "blindness", "fine-tune-last", "leace", "retrain", "equalized-odds"];
    let chosen = look.map(|look| look.group).into_iter();
    let others = named.iter().filter_map(|name| all.iter().find(|group| group.editor == *name));
    let rows: Vec<Vec<Cell>> = chosen.chain(others).map(row).collect();
    html.push_str(&table(
        "Shares of 1, means over all runs: the edit that is looked at closely beside the references",
        &columns(),
        &rows,
        false,
    ));
    html
}

fn columns() -> Vec<Column> {
    let mut columns = vec![Column::text("editor"), Column::text("world"), Column::text("layer")];
    let help = |name: &str| match name {
        "FPR gap" => "mean distance of a group's false positive rate from that of all comments",
        "matched" => "the gap where as many comments are flagged as before the edit",
        "worst" => "the largest gap of a group",
        "FNR gap" => "the same of missed toxic comments",
        "null" => "the gap when groups are dealt at random",
        "TPR" => "share of toxic comments that are flagged",
        _ => "",
    };
    columns.extend(COLUMNS.iter().map(|(name, _)| Column::number(name, help(name))));
    columns.push(Column::number("evaluations", "of the reward"));
    columns.push(Column::text("needs"));
    columns
}

fn row(group: &Group<'_>) -> Vec<Cell> {
    let kind = if group.world.is_some() { "reward" } else { group.kind };
    let shape = if group.world == Some("mask") { " mask" } else { "" };
    let mark = format!("<span class=\"kind {}{shape}\" aria-hidden=\"true\"></span>", escape(kind));
    let text = |text: &str| Cell::text(if text.is_empty() { NOTHING } else { text });
    let mut row = vec![
        Cell::html(format!("{mark}{}", escape(group.editor)), group.editor),
        text(group.world.unwrap_or("")),
        text(group.layer),
    ];
    row.extend(COLUMNS.iter().map(|(name, figure)| number(group, name, *figure)));
    let spent = group.mean(|run| Some(run.evaluations as f64)).filter(|spent| *spent > 0.0);
    row.push(Cell::number(spent, count));
    row.push(Cell::text(&what_it_needs(group)));
    row
}

fn number(group: &Group<'_>, name: &str, figure: Figure) -> Cell {
    let stat = group.stat(figure);
    Cell::number(stat.map(|stat| stat.mean), |value| {
        let std = stat.and_then(|stat| stat.std).filter(|_| name.ends_with("gap"));
        let std = std.map_or(String::new(), |std| format!(" <small>± {std:.3}</small>"));
        format!("{}{std}", share(Some(value)))
    })
}

fn what_it_needs(group: &Group<'_>) -> String {
    let needs = needs(group.editor, group.kind);
    let parts = [
        (needs.gradients, "gradients"),
        (needs.training_data, "training data"),
        (needs.words, "words of groups"),
        (needs.inside, "forward passes"),
    ];
    let parts: Vec<&str> =
        parts.into_iter().filter_map(|(yes, what)| yes.then_some(what)).collect();
    match (parts.is_empty(), group.world.is_some() || group.kind == "reward") {
        (true, true) => "reward".into(),
        (true, false) => NOTHING.into(),
        (false, _) => parts.join(", "),
    }
}

fn editors(results: &DebiasResults, all: &[Group<'_>]) -> String {
    let rows: Vec<Vec<Cell>> = all.iter().map(row).collect();
    let before: Vec<String> = COLUMNS
        .iter()
        .map(|(name, figure)| format!("{name} {}", share(unedited(results, *figure))))
        .collect();
    paragraph(&format!("Before any edit: {}.", before.join(", ")))
        + &table(
            "Shares of 1, means over all runs; ± is the standard deviation over runs. A heading sorts.",
            &columns(),
            &rows,
            true,
        )
}

fn figure(svg: &str, class: &str, caption: &str) -> String {
    format!(
        "<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n",
        inlined(svg, class),
        escape(caption)
    )
}

fn group_table(look: &Look<'_>) -> String {
    let columns = [
        Column::text("group"),
        Column::number("comments", "of the test split"),
        Column::number("FPR before", "non-toxic comments that are flagged"),
        Column::number("FPR after", "non-toxic comments that are flagged"),
        Column::number("gap before", "distance from all comments"),
        Column::number("gap after", "distance from all comments"),
        Column::number("null", "the gap when groups are dealt at random"),
        Column::number("FNR before", "toxic comments that are missed"),
        Column::number("FNR after", "toxic comments that are missed"),
    ];
    let cell = |value: Option<f64>| Cell::number(value, |value| share(Some(value)));
    let rows: Vec<Vec<Cell>> = look
        .rows()
        .into_iter()
        .map(|row| {
            vec![
                Cell::text(row.name),
                Cell::number(Some(row.n as f64), count),
                cell(row.fpr.0),
                cell(row.fpr.1),
                cell(row.gap.0),
                cell(row.gap.1),
                cell(row.gap_null),
                cell(row.fnr.0),
                cell(row.fnr.1),
            ]
        })
        .collect();
    let caption = format!("{}, means over runs. A heading sorts.", look.group.subject());
    table(&caption, &columns, &rows, true)
}

fn words(look: &Look<'_>) -> String {
    let mut html = String::new();
    let Some(run) = look.group.runs.first() else { return html };
    let changed: Vec<Vec<Cell>> = run
        .words
        .iter()
        .map(|word| {
            let weight = |after: bool| {
                word.weights.map(|(old, new)| f64::from(if after { new } else { old }))
            };
            vec![
                Cell::text(&word.word),
                Cell::number(Some(word.change), |value| format!("{value:.2}")),
                Cell::number(weight(false), |value| format!("{value:+.2}")),
                Cell::number(weight(true), |value| format!("{value:+.2}")),
            ]
        })
        .collect();
    let columns = [
        Column::text("word"),
        Column::number("change", "size of the change over size of the weights"),
        Column::number("weight before", "mean, where outputs are evidence of toxicity"),
        Column::number("weight after", "mean, where outputs are evidence of toxicity"),
    ];
    let caption = format!("The words that changed most, seed {}. A heading sorts.", run.seed);
    html.push_str(&table(&caption, &columns, &changed, true));
    let columns = [
        Column::text("comment"),
        Column::text("label"),
        Column::number("before", "probability of being toxic"),
        Column::number("after", "probability of being toxic"),
    ];
    let examples: Vec<Vec<Cell>> = run
        .examples
        .iter()
        .map(|example| {
            vec![
                Cell::text(&example.text),
                Cell::text(if example.toxic { "toxic" } else { "not toxic" }),
                Cell::number(Some(example.before.into()), |value| format!("{value:.3}")),
                Cell::number(Some(example.after.into()), |value| format!("{value:.3}")),
            ]
        })
        .collect();
    if !examples.is_empty() {
        html.push_str(&table("Some comments of the test split", &columns, &examples, true));
    }
    html
}

fn digests(results: &DebiasResults) -> String {
    let columns = [
        Column::text("editor"),
        Column::text("world"),
        Column::text("layer"),
        Column::number("seed", "of target and editor"),
        Column::text("target"),
        Column::text("digest"),
    ];
    let rows: Vec<Vec<Cell>> = results
        .runs
        .iter()
        .map(|run| {
            vec![
                Cell::text(&run.editor),
                Cell::text(run.world.as_deref().unwrap_or(NOTHING)),
                Cell::text(if run.target.layer.is_empty() { NOTHING } else { &run.target.layer }),
                Cell::number(Some(run.seed as f64), |seed| format!("{seed:.0}")),
                Cell::text(&run.target.digest),
                Cell::text(&run.digest),
            ]
        })
        .collect();
    let mut html = String::from("<details><summary>Digests of all runs</summary>\n");
    html.push_str(&table(
        "FNV-1a 64 of the rewards in their order, then the edited layer",
        &columns,
        &rows,
        true,
    ));
    let _ = writeln!(html, "</details>");
    html
}
