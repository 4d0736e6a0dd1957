//! What the figures say, in sentences.

use super::group::{Figure, Group, Look, Pair, needs, pair};
use super::markdown::{Written, prose};
use super::table::{finite, share};
use crate::report::words::{NOTHING, count};
use std::fmt::Write as _;

/// An edit counts as working when at most this much of the FPR gap is left …
const GAP_LEFT: f64 = 2.0 / 3.0;
/// … at most this much of the gap at the matched threshold …
const MATCHED_LEFT: f64 = 0.9;
/// … and no more than this is lost of AUC and of accuracy.
const LOSS: f64 = 0.005;

const GAP: Figure = |f| f.fped_mean;
const MATCHED: Figure = |f| f.matched_gap;
const AUC: Figure = |f| f.auc;
const ACCURACY: Figure = |f| f.accuracy;
const TPR: Figure = |f| f.tpr;

/// "0.126 → 0.055".
fn arrow((before, after): Pair) -> String {
    format!("{} → {}", share(before), share(after))
}

/// What is left of a figure, as a share of what it was.
fn left((before, after): Pair) -> Option<f64> {
    before.zip(after).filter(|(before, _)| *before > 0.0).map(|(before, after)| after / before)
}

/// "0.62", or a dash.
fn ratio(value: Option<f64>) -> String {
    value.map_or(NOTHING.into(), |value| format!("{value:.2}"))
}

/// Whether the chosen edit worked, with its figures.
pub(super) fn did_it_work(look: &Look<'_>) -> String {
    let Look { group, pooled, .. } = look;
    let evaluations = group.mean(|run| Some(run.evaluations as f64)).map_or(NOTHING.into(), count);
    let mut text = format!(
        "**{}** The edit looked at is **{}** ({evaluations} evaluations), of all edits by reward alone \
         the one with the lowest gap at the matched threshold that keeps accuracy (chosen by these \
         figures of the test split, which flatters it a little): mean FPR gap {} ({} by chance), at the matched threshold {}, worst group {}; AUC {}, accuracy {}, \
         recall of toxic comments {}.",
        outcome(look),
        prose(&group.subject()),
        arrow(look.pair(GAP)),
        share(look.pair(|f| f.gap_null).1),
        arrow(look.pair(MATCHED)),
        arrow(look.pair(|f| f.worst_gap)),
        arrow(look.pair(AUC)),
        arrow(look.pair(ACCURACY)),
        arrow(look.pair(TPR)),
    );
    if group.runs.len() > 1 {
        let fell = group.runs.iter().filter(|run| {
            let gaps = run.before.fped_mean.zip(run.after.fped_mean);
            gaps.is_some_and(|(before, after)| after < before)
        });
        let of = if pooled.is_some() { "folds" } else { "seeds" };
        let _ = write!(text, " The gap fell in {} of {} {of}.", fell.count(), group.runs.len());
    }
    text
}

/// One sentence. It counts as working when a third of the gap and a tenth of the matched gap are gone,
/// and AUC and accuracy are kept.
fn outcome(look: &Look<'_>) -> String {
    let (gap, matched) = (left(look.pair(GAP)), left(look.pair(MATCHED)));
    let lost = |name: &str, (before, after): Pair| {
        let lost = before? - after?;
        (lost > LOSS).then(|| format!("{lost:.3} of {name}"))
    };
    let losses: Vec<String> = [("AUC", AUC), ("accuracy", ACCURACY)]
        .into_iter()
        .filter_map(|(name, figure)| lost(name, look.pair(figure)))
        .collect();
    let price = if losses.is_empty() {
        String::new()
    } else {
        format!(", at the price of {}", losses.join(" and "))
    };
    let chance = look.pair(|f| f.gap_null_high).0;
    match (gap, matched) {
        (None, _) => "Whether it worked cannot be said: the FPR gap is undefined.".into(),
        _ if look.pair(GAP).0 <= chance => {
            "Whether it worked cannot be said: the gap before the edit is one that chance gives too.".into()
        }
        (Some(gap), Some(matched)) if gap <= GAP_LEFT && matched > MATCHED_LEFT => {
            format!("It did not work: the gap fell because less is flagged, not for the groups' sake{price}.")
        }
        (Some(gap), Some(_)) if gap <= GAP_LEFT && losses.is_empty() => "It worked.".into(),
        (Some(gap), Some(_)) if gap <= GAP_LEFT => format!("It worked{price}."),
        (Some(gap), None) if gap <= GAP_LEFT => {
            format!("The gap fell{price}; whether by flagging less alone was not measured.")
        }
        (Some(gap), _) if gap < 1.0 => {
            format!("It worked in part: {:.0} % of the gap is left{price}.", 100.0 * gap)
        }
        _ => format!("It did not work: the gap did not fall{price}."),
    }
}

/// What the runs on the layer that the paper edits gain.
pub(super) fn paper_layer(text: &mut String, all: &[Group<'_>]) -> Written {
    let runs = || all.iter().filter(|group| group.world.is_some() && group.layer == "16x2");
    if runs().next().is_none() {
        return Ok(());
    }
    write!(text, "The layer that the paper edits is 16x2.")?;
    for group in runs() {
        let left = |figure: Figure| left((group.before(figure), group.after(figure)));
        let (gap, matched) = (left(GAP), left(MATCHED));
        write!(
            text,
            " {} leaves {} of the FPR gap and {} of the gap at the matched threshold",
            prose(&group.subject()),
            ratio(gap),
            ratio(matched)
        )?;
        match (gap, matched) {
            (Some(gap), Some(matched)) if gap < MATCHED_LEFT && matched > MATCHED_LEFT => write!(
                text,
                ": what is gained there is a shift of the threshold (recall of toxic comments {}).",
                arrow((group.before(TPR), group.after(TPR)))
            )?,
            (Some(gap), Some(_)) if gap < MATCHED_LEFT => {
                write!(text, ": the gain is more than a shift of the threshold.")?;
            }
            (Some(_), _) => write!(text, ": little or nothing is gained.")?,
            (None, _) => write!(text, ".")?,
        }
    }
    writeln!(text, "\n")
}

/// Whether `a` is at least as good as `b` on AUC and gap, to the places that are printed.
fn as_good(a: Pair, b: Pair) -> bool {
    let values = (finite(a.0), finite(b.0), finite(a.1), finite(b.1));
    matches!(values, (Some(auc), Some(other), Some(gap), Some(wider)) if auc >= other && gap <= wider)
}

/// Over all folds: the best edit by reward alone against not reading the words.
pub(super) fn against_blindness(
    text: &mut String,
    look: Option<&Look<'_>>,
    all: &[Group<'_>],
) -> Written {
    let Some(look) = look else { return Ok(()) };
    let name = prose(&look.group.subject());
    let Some(blind) = all.iter().find(|group| group.editor == "blindness") else {
        return writeln!(
            text,
            "The best edit by reward alone is {name}; blindness was not run, so whether not reading the \
             words does as well is open.\n"
        );
    };
    let blind = |figure: Figure| pair(look.results, blind, figure).1;
    let ours = (look.pair(AUC).1, look.pair(GAP).1);
    let theirs = (blind(AUC), blind(GAP));
    let says = match (as_good(theirs, ours), as_good(ours, theirs)) {
        (true, true) => "Blindness does exactly as well as the best edit by reward alone",
        (true, false) => "Blindness does as well as the best edit by reward alone, or better",
        (false, true) => "The best edit by reward alone does better than blindness",
        (false, false) => {
            "Neither blindness nor the best edit by reward alone is better on both AUC and gap"
        }
    };
    writeln!(
        text,
        "{says}: {name} has an FPR gap of {} (matched {}) at AUC {}, blindness one of {} (matched {}) at AUC \
         {}; the unedited network {} at {}. Blindness is told which words name a group.\n",
        share(ours.1),
        share(look.pair(MATCHED).1),
        share(ours.0),
        share(theirs.1),
        share(blind(MATCHED)),
        share(theirs.0),
        share(look.pair(GAP).0),
        share(look.pair(AUC).0),
    )
}

/// References that do as well, what they need, and what is left without that.
pub(super) fn where_it_wins(
    text: &mut String,
    look: Option<&Look<'_>>,
    all: &[Group<'_>],
) -> Written {
    let Some(look) = look else { return Ok(()) };
    let group = look.group;
    let after = |group: &Group<'_>, figure: Figure| pair(look.results, group, figure).1;
    let figures = |group: &Group<'_>| (after(group, AUC), after(group, GAP));
    let ours = figures(group);
    let references = || all.iter().filter(|group| group.world.is_none() && group.editor != "none");
    let shown = |group: &Group<'_>| {
        let (auc, gap) = figures(group);
        format!(
            "{} (AUC {}, gap {}, matched {})",
            group.editor,
            share(auc),
            share(gap),
            share(after(group, MATCHED))
        )
    };
    write!(
        text,
        "## Where this wins, and where not\n\n{} has AUC {}, an FPR gap of {} and one of {} at the matched \
         threshold{}. ",
        prose(&group.subject()),
        share(ours.0),
        share(ours.1),
        share(after(group, MATCHED)),
        match (look.pooled, group.runs.len()) {
            (Some(_), _) => ", over all folds",
            (None, 1) => "",
            (None, _) => ", means over the seeds",
        }
    )?;
    let free = |group: &&Group<'_>| {
        let needs = needs(group.editor, group.kind);
        !(needs.gradients || needs.training_data || needs.words || needs.inside)
    };
    let (better, worse): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
        references().partition(|group| as_good(figures(group), ours));
    if better.is_empty() && worse.is_empty() {
        write!(text, "No reference was run, so what other means would give is open. ")?;
    } else if better.is_empty() {
        write!(text, "No reference does as well on both AUC and gap. ")?;
    } else {
        write!(text, "As well or better on both AUC and gap do ")?;
        for (index, group) in better.iter().enumerate() {
            let joint = match index {
                0 => "",
                _ if index + 1 == better.len() => " and ",
                _ => ", ",
            };
            write!(text, "{joint}{}{}", shown(group), given(group))?;
        }
        let told = if better.iter().any(free) { "" } else { " Where that is at hand, use it." };
        write!(text, ".{told} ")?;
    }
    let (beaten, mixed): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
        worse.into_iter().partition(|group| as_good(ours, figures(group)));
    let list = |groups: &[&Group<'_>]| {
        groups.iter().map(|group| shown(group)).collect::<Vec<_>>().join(", ")
    };
    if !beaten.is_empty() {
        write!(text, "It does better than {}. ", list(&beaten))?;
    }
    if !mixed.is_empty() {
        write!(text, "Ahead on one of the two and behind on the other: {}. ", list(&mixed))?;
    }
    write!(
        text,
        "An edit by reward alone needs no gradients, nothing of what trained the network, no look at its \
         activations and no list of words: labels and groups of the reward split, and the network's \
         answers, are all. "
    )?;
    let rivals: Vec<String> = references().filter(free).map(shown).collect();
    if rivals.is_empty() {
        write!(text, "No reference in this report makes do with that. ")?;
    } else {
        write!(text, "With no more than that, the references offer {}. ", rivals.join(", "))?;
    }
    writeln!(
        text,
        "So it is the way for networks that are deployed, held as int8 or otherwise opaque, and for bias \
         that no list of words describes; elsewhere the references above are the measure.\n"
    )
}

/// " with gradients and training data".
fn given(group: &Group<'_>) -> String {
    let needs = needs(group.editor, group.kind);
    let list: Vec<&str> = [
        (needs.gradients, "gradients"),
        (needs.training_data, "what trained the network"),
        (needs.words, "the words that name a group"),
        (needs.inside, "activations"),
    ]
    .into_iter()
    .filter_map(|(needed, name)| needed.then_some(name))
    .collect();
    match list.as_slice() {
        [] => String::new(),
        [one] => format!(", given {one}"),
        [first @ .., last] => format!(", given {} and {last}", first.join(", ")),
    }
}
