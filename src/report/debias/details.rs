//! The chosen edit looked at closely, and the front.

use super::group::{Group, Look, Pair, mean};
use super::markdown::{Written, prose};
use super::table::{share, signed};
use crate::report::words::{NOTHING, thousands};
use crate::run::debias::{DebiasFigures, DebiasResults};
use std::fmt::Write as _;

pub(super) fn groups(text: &mut String, look: &Look<'_>) -> Written {
    let rows = look.rows();
    if rows.is_empty() {
        return Ok(());
    }
    let over = match (look.pooled, look.group.runs.len()) {
        (Some(_), _) => ", all folds together",
        (None, 1) => "",
        (None, _) => ", means over the seeds",
    };
    writeln!(
        text,
        "## Groups\n\n{}{over}, before → after. *gap*: the group's false positive rate minus that of all \
         comments ({}); *null*: the distance that a group of this size has by chance.\n\n\
         ![False positive rates of the groups before and after the edit](groups.svg)\n\n\
         | group | n | not toxic | FPR | gap | matched gap | FNR | null |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        prose(&look.group.subject()),
        arrow(look.pair(|f| f.fpr), share),
    )?;
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            prose(row.name),
            thousands(row.n as u64),
            thousands(row.negatives as u64),
            arrow(row.fpr, share),
            arrow(row.gap, signed),
            arrow(row.matched_gap, signed),
            arrow(row.fnr, share),
            share(row.gap_null)
        )?;
    }
    writeln!(text)
}

fn arrow((before, after): Pair, show: fn(Option<f64>) -> String) -> String {
    format!("{} → {}", show(before), show(after))
}

/// AUC among the comments of one kind, mean over the runs.
fn kind_auc(group: &Group<'_>, after: bool, name: &str) -> Option<f64> {
    let of = |figures: &DebiasFigures| figures.kinds.iter().find(|kind| kind.name == name)?.auc;
    group.mean(|run| of(if after { &run.after } else { &run.before }))
}

pub(super) fn kinds(text: &mut String, look: &Look<'_>, all: &[Group<'_>]) -> Written {
    let group = look.group;
    let kinds = group.runs.first().map_or(&[][..], |run| &run.after.kinds);
    if kinds.is_empty() {
        return Ok(());
    }
    let blind = all.iter().find(|group| group.editor == "blindness");
    writeln!(
        text,
        "## Kinds of comments\n\nAUC among the comments of one kind. A kind of toxic or of other comments \
         alone has none.\n\n\
         | kind | n | unedited | {} | blindness |\n| --- | ---: | ---: | ---: | ---: |",
        prose(&group.subject())
    )?;
    let mut most: Option<(f64, &str)> = None;
    for kind in kinds {
        let before = kind_auc(group, false, &kind.name);
        let without = blind.and_then(|group| kind_auc(group, true, &kind.name));
        if let Some((before, without)) = before.zip(without) {
            let lost = before - without;
            if most.is_none_or(|(most, _)| lost > most) {
                most = Some((lost, &kind.name));
            }
        }
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            prose(&kind.name),
            thousands(kind.n as u64),
            share(before),
            share(kind_auc(group, true, &kind.name)),
            share(without)
        )?;
    }
    writeln!(text)?;
    // Less than that is no destruction.
    let Some((lost, name)) = most.filter(|(lost, _)| *lost >= 0.01) else { return Ok(()) };
    writeln!(
        text,
        "Not reading the words that name a group costs {lost:.3} of AUC on {}, where the edit has {} in \
         place of {}.\n",
        prose(name),
        share(kind_auc(group, true, name)),
        share(kind_auc(group, false, name))
    )
}

pub(super) fn front(text: &mut String, results: &DebiasResults) -> Written {
    if results.front.is_empty() {
        return Ok(());
    }
    write!(
        text,
        "## AUC against gap\n\nThe first target, edited by sep-cma-es for several λ (share of utility in \
         the reward) and μ (price of large edits); test split. *best*: no other point of its world has \
         both a higher AUC and a lower gap."
    )?;
    if let Some(run) = results.runs.first() {
        let f = &run.before;
        write!(text, " Unedited: AUC {}, FPR gap {}.", share(f.auc), share(f.fped_mean))?;
    }
    writeln!(text)?;
    if super::front_svg(results).is_some() {
        writeln!(text, "\n![AUC against FPR gap](front.svg)")?;
    }
    writeln!(
        text,
        "\n| world | λ | μ | AUC | FPR gap | matched | best |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    )?;
    for point in &results.front {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            prose(&point.world),
            point.lambda,
            point.size_penalty,
            share(point.auc),
            share(point.gap),
            share(point.matched_gap),
            if point.best { "yes" } else { "" }
        )?;
    }
    writeln!(text)
}

pub(super) fn words(text: &mut String, look: &Look<'_>) -> Written {
    let Some(run) = look.group.runs.first().filter(|run| !run.words.is_empty()) else {
        return Ok(());
    };
    writeln!(
        text,
        "## Words that changed most\n\nOf {}, seed {}. *change*: length of the change of the word's \
         weights, in lengths of an average word's weights.\n\n\
         | word | change | mean weight before → after |\n| --- | ---: | ---: |",
        prose(&look.group.subject()),
        run.seed
    )?;
    for word in run.words.iter().take(10) {
        let weights = word.weights.map_or(NOTHING.into(), |(before, after)| {
            let two = |value: f32| {
                mean([f64::from(value)].into_iter())
                    .map_or(NOTHING.into(), |value| format!("{value:.2}"))
            };
            format!("{} → {}", two(before), two(after))
        });
        writeln!(text, "| {} | {} | {weights} |", prose(&word.word), share(Some(word.change)))?;
    }
    writeln!(text)
}

pub(super) fn examples(text: &mut String, look: &Look<'_>) -> Written {
    let Some(run) = look.group.runs.first().filter(|run| !run.examples.is_empty()) else {
        return Ok(());
    };
    writeln!(
        text,
        "## Examples\n\nOf the test split, with the probability of being toxic before and after {}, seed \
         {}: those that changed most, so neither drawn at random nor typical. Some are offensive.\n\n\
         | comment | toxic | before | after |\n| --- | --- | ---: | ---: |",
        prose(&look.group.subject()),
        run.seed
    )?;
    for example in &run.examples {
        writeln!(
            text,
            "| {} | {} | {} | {} |",
            prose(&example.text),
            if example.toxic { "yes" } else { "no" },
            share(Some(example.before.into())),
            share(Some(example.after.into()))
        )?;
    }
    writeln!(text)
}
