//! `report.md` of debiasing: for a reader who was not there.

use super::group::{Figure, Group, Look, groups, needs, targets, unedited};
use super::table::{COLUMNS, elsewhere, share, worst_rate};
use super::{details, repeat, verdict};
use crate::report::words::{NOTHING, count, thousands, with_std};
use crate::run::debias::{DebiasFigures, DebiasResults, PooledRun};
use std::fmt::Write as _;

pub(super) type Written = std::fmt::Result;

/// `report.md`: what was done and whether it worked, in words, then in tables; what the figures do not
/// say; what is needed to repeat them. It holds no seconds.
pub fn debias_markdown(results: &DebiasResults) -> String {
    let all = groups(results);
    let look = Look::new(results, &all);
    let target = results.runs.first().map_or("nothing", |run| run.target.name.as_str());
    let mut text = format!("# Debiasing {}\n\n", prose(target));
    // Writing to a String cannot fail.
    let _ = opening(&mut text, results, look.as_ref())
        .and_then(|()| editors(&mut text, results, &all))
        .and_then(|()| pooled(&mut text, results, look.as_ref(), &all))
        .and_then(|()| others(&mut text, results, &all))
        .and_then(|()| look.iter().try_for_each(|look| details::groups(&mut text, look)))
        .and_then(|()| look.iter().try_for_each(|look| details::kinds(&mut text, look, &all)))
        .and_then(|()| details::front(&mut text, results))
        .and_then(|()| look.iter().try_for_each(|look| details::words(&mut text, look)))
        .and_then(|()| look.iter().try_for_each(|look| details::examples(&mut text, look)))
        .and_then(|()| verdict::where_it_wins(&mut text, look.as_ref(), &all))
        .and_then(|()| repeat::notes(&mut text, results, &all))
        .and_then(|()| repeat::settings(&mut text, results, &all));
    text
}

fn opening(text: &mut String, results: &DebiasResults, look: Option<&Look<'_>>) -> Written {
    let Some(first) = results.runs.first() else {
        return writeln!(text, "Nothing was edited: there are no runs.\n");
    };
    let (target, data) = (&first.target, &results.data);
    let several = targets(results).len();
    let times = match (results.pooled.is_empty(), several) {
        (false, folds) => format!("in {folds} folds, each comment in the test of one of them"),
        (true, 1) => format!("with seed {}", first.seed),
        (true, seeds) => format!("with {seeds} seeds"),
    };
    // The edited layer is that of the chosen edit; the first run may be of a reference.
    let layer = look.and_then(|look| look.group.runs.first()).map_or(String::new(), |run| {
        let target = &run.target;
        format!("layer {} ({} outputs × {} inputs) of ", target.layer, target.rows, target.cols)
    });
    let bias = match results.config.get("bias").and_then(|bias| bias.as_str()) {
        Some("fnr-gap") => "misses toxic comments as often whichever group they name",
        Some("equalized-odds") => "errs as often, in both ways, whichever group a comment names",
        Some("jigsaw") => "ranks comments as well whichever group they name",
        _ => "flags non-toxic comments as often whichever group they name",
    };
    write!(
        text,
        "What was done: {}{} was edited so that it {bias}, {times}. Editors were paid for figures of the reward split \
         alone ({} comments); all figures below are of the test split of {} ({} comments), which no \
         editor saw. ",
        layer,
        prose(&target.name),
        thousands(data.reward as u64),
        prose(&data.name),
        thousands(data.test as u64),
    )?;
    match look {
        Some(look) => writeln!(text, "{}\n", verdict::did_it_work(look)),
        None => writeln!(
            text,
            "No editor acted by reward alone in a world, so there is none to judge.\n"
        ),
    }
}

fn editors(text: &mut String, results: &DebiasResults, all: &[Group<'_>]) -> Written {
    if all.is_empty() {
        return Ok(());
    }
    let of = if results.pooled.is_empty() { "seeds" } else { "folds" };
    let over = match targets(results).len() {
        1 => String::new(),
        n => format!(" Means over {n} {of}, the FPR gap ± standard deviation."),
    };
    writeln!(
        text,
        "## Editors\n\nShares of 1.{over} *FPR gap*: mean distance of a group's false positive rate from \
         that of all comments. *null*: what that gap is when the groups are dealt at random, so the least \
         that can be told from nothing. *matched*: the gap at the threshold at which the reward split's \
         false positive rate is what it was before the edit; flagging less of everything gains nothing \
         there. *worst*: the largest gap of a group. *FNR gap*: the same of missed toxic comments. \
         *Jigsaw*: the score of that competition, from AUCs per group. {NOTHING}: undefined, or not \
         computed.\n"
    )?;
    let mut worlds: Vec<&str> = Vec::new();
    for world in all.iter().filter_map(|group| group.world) {
        if !worlds.contains(&world) {
            worlds.push(world);
        }
    }
    for world in worlds {
        writeln!(text, "### By reward alone, {} world\n", prose(world))?;
        head(text, &["editor", "layer", "evaluations"])?;
        unedited_row(text, results, &format!("unedited | {NOTHING} | {NOTHING}"))?;
        for group in all.iter().filter(|group| group.world == Some(world)) {
            row(
                text,
                group,
                &format!("{} | {} | {}", group.editor, layer(group.layer), spent(group)),
            )?;
        }
        writeln!(text)?;
    }
    let references = || all.iter().filter(|group| group.world.is_none() && group.editor != "none");
    if references().next().is_some() {
        writeln!(
            text,
            "### References\n\nWhat each is given that an edit by reward alone is not: *gradients* of the \
             network, what *trained* it, and a list of the *words* that name a group.\n"
        )?;
        head(text, &["method", "layer", "evaluations", "gradients", "trained", "words"])?;
        let blank = [NOTHING; 5].join(" | ");
        unedited_row(text, results, &format!("unedited | {blank}"))?;
        for group in references() {
            let needs = needs(group.editor, group.kind);
            let yes = |needed: bool| if needed { "yes" } else { "no" };
            let first = format!(
                "{} | {} | {} | {} | {} | {}",
                group.editor,
                layer(group.layer),
                spent(group),
                yes(needs.gradients),
                yes(needs.training_data),
                yes(needs.words)
            );
            row(text, group, &first)?;
        }
        writeln!(text)?;
        for group in references() {
            if let Some(editor) = crate::editor::text::find_text(group.editor) {
                writeln!(text, "- {}: {}.", editor.name, editor.summary)?;
            }
        }
        writeln!(text)?;
    }
    verdict::paper_layer(text, all)
}

/// Evaluations; a dash for methods that look at no reward.
fn spent(group: &Group<'_>) -> String {
    let mean = group.mean(|run| Some(run.evaluations as f64)).filter(|&mean| mean > 0.0);
    let none = if group.world.is_some() { "0" } else { NOTHING };
    mean.map_or(none.into(), count)
}

pub(super) fn layer(name: &str) -> String {
    if name.is_empty() { NOTHING.into() } else { prose(name) }
}

/// These heads, then those of the figures; numbers stand to the right.
fn head(text: &mut String, first: &[&str]) -> Written {
    let names = || first.iter().copied().chain(COLUMNS.iter().map(|(name, _)| *name));
    let right = |name: &str| {
        ["evaluations", "n"].contains(&name) || COLUMNS.iter().any(|column| column.0 == name)
    };
    let rule = names().map(|name| if right(name) { " ---: |" } else { " --- |" });
    writeln!(text, "| {} |\n|{}", names().collect::<Vec<_>>().join(" | "), rule.collect::<String>())
}

fn unedited_row(text: &mut String, results: &DebiasResults, first: &str) -> Written {
    let cells: Vec<String> =
        COLUMNS.iter().map(|(_, figure)| share(unedited(results, *figure))).collect();
    writeln!(text, "| {first} | {} |", cells.join(" | "))
}

fn row(text: &mut String, group: &Group<'_>, first: &str) -> Written {
    let cells: Vec<String> = COLUMNS
        .iter()
        .map(|(name, figure)| match *name {
            "FPR gap" => with_std(group.stat(*figure), |value| share(Some(value))),
            _ => share(group.after(*figure)),
        })
        .collect();
    writeln!(text, "| {first} | {} |", cells.join(" | "))
}

fn pooled(
    text: &mut String,
    results: &DebiasResults,
    look: Option<&Look<'_>>,
    all: &[Group<'_>],
) -> Written {
    let Some(first) = results.pooled.first() else { return Ok(()) };
    writeln!(
        text,
        "## All folds together\n\nRates of the predictions on all {} comments, each by a network that did \
         not see it; AUC and Jigsaw are means over the folds, as scores of different networks do not \
         compare. With few comments per group most of a single fold's gap is chance, so only this table \
         can carry a claim.\n",
        thousands(first.after.n as u64)
    )?;
    head(text, &["editor", "world", "layer", "n"])?;
    let row = |name: String, figures: &DebiasFigures| {
        let cells = COLUMNS.iter().map(|(_, figure)| share(figure(figures)));
        format!(
            "| {name} | {} | {} |\n",
            thousands(figures.n as u64),
            cells.collect::<Vec<_>>().join(" | ")
        )
    };
    text.push_str(&row(format!("unedited | {NOTHING} | {NOTHING}"), &first.before));
    for run in results.pooled.iter().filter(|run| run.editor != "none") {
        let PooledRun { editor, world, layer: name, after, .. } = run;
        let world = world.as_deref().unwrap_or(NOTHING);
        text.push_str(&row(
            format!("{} | {} | {}", prose(editor), prose(world), layer(name)),
            after,
        ));
    }
    writeln!(
        text,
        "\nDealt at random, 95 % of deals give the unedited network a gap of at most {}.\n",
        share(first.before.gap_null_high)
    )?;
    verdict::against_blindness(text, look, all)
}

/// Heads and figures of the tables of other test data.
const OTHERS: [(&str, Figure); 6] = [
    ("AUC", |f| f.auc),
    ("accuracy", |f| f.accuracy),
    ("TPR", |f| f.tpr),
    ("FPR gap", |f| f.fped_mean),
    ("matched", |f| f.matched_gap),
    ("worst group's FPR", worst_rate),
];

fn others(text: &mut String, results: &DebiasResults, all: &[Group<'_>]) -> Written {
    for name in elsewhere(results) {
        let figure = |group: &Group<'_>, after: bool, figure: Figure| {
            group.mean(|run| {
                let row = run.elsewhere.iter().find(|(other, ..)| *other == name)?;
                figure(if after { &row.2 } else { &row.1 })
            })
        };
        let n = results.runs.iter().flat_map(|run| &run.elsewhere).find(|row| row.0 == name);
        writeln!(
            text,
            "## On {}\n\nThe same edits on {} other comments, before → after.\n",
            prose(&name),
            n.map_or(NOTHING.into(), |row| thousands(row.2.n as u64))
        )?;
        let names: Vec<&str> = OTHERS.iter().map(|(name, _)| *name).collect();
        writeln!(
            text,
            "| edit | {} | null |\n| --- |{}",
            names.join(" | "),
            " ---: |".repeat(names.len() + 1)
        )?;
        for group in all.iter().filter(|group| group.editor != "none") {
            let cells = OTHERS.iter().map(|(_, of)| {
                format!(
                    "{} → {}",
                    share(figure(group, false, *of)),
                    share(figure(group, true, *of))
                )
            });
            writeln!(
                text,
                "| {} | {} | {} |",
                prose(&group.subject()),
                cells.collect::<Vec<_>>().join(" | "),
                share(figure(group, true, |f| f.gap_null))
            )?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// Text of others as plain text in a table or paragraph of Markdown.
pub(super) fn prose(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (index, &c) in characters.iter().enumerate() {
        let word = |at: Option<usize>| {
            at.and_then(|at| characters.get(at)).is_some_and(|c| c.is_alphanumeric())
        };
        match c {
            c if c.is_control() => out.push(' '),
            // Within a word it emphasises nothing, and names of groups are full of it.
            '_' if word(index.checked_sub(1)) && word(Some(index + 1)) => out.push(c),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' | '#' | '@' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
