//! What the reports say of hiding and erasing: probes, relearning, attacks on membership.

use super::markdown::cell;
use super::summary::{
    FORGET, GAP, LIRA, LIRA_TPR, MIA, MIA_THRESHOLD, Metric, PROBE, PROBE_LONG, PROBE_MLP, RELEARN,
    RETAIN, groups, sections,
};
use super::words::{self, NOTHING, percent, with_std};
use crate::run::record::Results;
use std::fmt::{Result as Written, Write as _};

/// Title of a column, its figure, and how that is shown.
type Column = (&'static str, Metric, fn(f64) -> String);

/// Whether any run has one of the figures.
fn computed(results: &Results) -> bool {
    [PROBE, RELEARN, MIA].into_iter().any(|metric| has(results, metric))
}

/// The section of `report.md`.
pub(super) fn section(text: &mut String, results: &Results) -> Written {
    write!(
        text,
        "## Hiding is not erasing\n\nLow accuracy on the forgotten class says that the network no longer \
         answers with it, not that its features no longer hold it. "
    )?;
    let groups = groups(&results.runs);
    if let Some(mask) = groups.iter().find(|group| group.editor == "logit-mask") {
        let figure = |metric| mask.stat(metric).map_or(NOTHING.into(), |stat| percent(stat.mean));
        write!(
            text,
            "logit-mask, which switches off one output per class by hand and learns nothing, has {} % on \
             the forgotten and {} % on the retained classes in the same columns, and setting that one \
             number back undoes it. ",
            figure(FORGET),
            figure(RETAIN)
        )?;
    }
    if !computed(results) {
        return writeln!(
            text,
            "What would tell them apart was not computed in this run: `probe_recovery`, `relearn_steps` \
             and `mia` are empty in `results.csv` and null in `results.json`.\n"
        );
    }
    writeln!(
        text,
        "These figures tell them apart; read them against `none`, the network before any edit, and \
         `retrain`, which never saw what is forgotten, not against 0.\n"
    )?;
    if has(results, PROBE) {
        writeln!(
            text,
            "- *Probe*: how many of the forgotten test samples a classifier recognises that is trained, \
             with all labels, on the train split's features of the edited network (in %). *10* and *60*: \
             softmax regression on the last hidden features after as many epochs; *MLP*: one with 64 \
             hidden units; then the 10-epoch probe of every hidden layer. A probe as good as that of \
             `none`: the class was hidden. One as good as that of `retrain`: no more is left than other \
             classes give away.\n\
             - *Relearn*: steps of training (all layers, Adam 1e-3, batches of 64) until half the original \
             accuracy on the class is back, 300 at most. Fewer than `retrain` needs: the network remembers. \
             Far more is a trace of the edit, too."
        )?;
    }
    writeln!(
        text,
        "- *MIA*: can one tell by the loss which samples of what is forgotten were trained on? Balanced \
         accuracy, ½ is chance; *logistic* fitted on those samples, *threshold* on the retained ones.\n\
         - *Gap*: mean distance to `retrain` of the accuracies on forgotten train, retained train and \
         retained test samples and of the logistic MIA, in points; 0 is equal."
    )?;
    if has(results, LIRA) {
        let networks = results.runs.iter().find_map(|run| run.lira).map_or(0, |lira| lira.networks);
        writeln!(
            text,
            "- *U-LiRA*: can one tell, sample by sample, networks that unlearned it from networks that \
             never saw it, having seen {networks} of either kind? Share of right guesses, ½ is chance; \
             *TPR*: share of forgotten samples found where at most 1 % of the others are taken for \
             forgotten, .01 is chance. For `retrain`: retrained networks against one another, the floor."
        )?;
    }
    writeln!(text)?;
    table(text, results)
}

fn has(results: &Results, metric: Metric) -> bool {
    results.runs.iter().any(|run| metric(run).is_some())
}

/// Names of the probed layers, from the input on.
fn layers(results: &Results) -> Vec<&str> {
    let longest = results.runs.iter().max_by_key(|run| run.probe_layers.len());
    longest.map_or(Vec::new(), |run| run.probe_layers.iter().map(|probe| &*probe.layer).collect())
}

fn table(text: &mut String, results: &Results) -> Written {
    let three = |value: f64| format!("{value:.3}");
    let all: [Column; 9] = [
        ("probe 10", PROBE, percent),
        ("60", PROBE_LONG, percent),
        ("MLP", PROBE_MLP, percent),
        ("relearn", RELEARN, steps),
        ("MIA logistic", MIA, three),
        ("MIA threshold", MIA_THRESHOLD, three),
        ("gap", GAP, percent),
        ("U-LiRA", LIRA, three),
        ("TPR at 1 %", LIRA_TPR, three),
    ];
    let shown: Vec<_> = all.iter().filter(|(_, metric, _)| has(results, *metric)).collect();
    let layers = layers(results);
    write!(text, "| editor | world |")?;
    for name in shown.iter().map(|(name, ..)| *name).chain(layers.iter().copied()) {
        write!(text, " {} |", cell(name))?;
    }
    writeln!(text, "\n| --- | --- |{}", " ---: |".repeat(shown.len() + layers.len()))?;
    for group in sections(&results.runs).iter().flat_map(|(_, groups)| groups) {
        write!(text, "| {} | {} |", cell(group.editor), cell(group.world.unwrap_or(NOTHING)))?;
        for (_, metric, show) in &shown {
            write!(text, " {} |", with_std(group.stat(*metric), show))?;
        }
        for layer in &layers {
            let of = group.stat_of(|run| {
                run.probe_layers.iter().find(|probe| probe.layer == *layer).map(|p| p.recovery)
            });
            write!(text, " {} |", with_std(of, percent))?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn steps(mean: f64) -> String {
    format!("{mean:.1}")
}

/// Characters of the first column of the terminal's table, and of the others.
const NAME: usize = 24;
const FIGURE: usize = 9;

/// The terminal's lines: a narrow table below the main one; none where nothing was computed.
pub(super) fn lines(results: &Results) -> Vec<String> {
    let three = |value: f64| format!("{value:.3}");
    let all: [Column; 8] = [
        ("probe", PROBE, percent),
        ("60", PROBE_LONG, percent),
        ("MLP", PROBE_MLP, percent),
        ("relearn", RELEARN, steps),
        ("MIA", MIA, three),
        ("gap", GAP, percent),
        ("U-LiRA", LIRA, three),
        ("TPR", LIRA_TPR, three),
    ];
    let shown: Vec<_> = all.iter().filter(|(_, metric, _)| has(results, *metric)).collect();
    if !computed(results) {
        return Vec::new();
    }
    let row = |name: &str, figures: Vec<String>| {
        let name: String = name.chars().take(NAME).collect();
        let figures = figures.iter().map(|figure| format!("{figure:>FIGURE$}"));
        format!("{name:<NAME$}{}", figures.collect::<String>())
    };
    let head = shown.iter().map(|(name, ..)| name.to_string()).collect();
    let mut lines = vec![row("is it erased?", head)];
    lines.push("─".repeat(lines.first().map_or(0, |line| line.chars().count())));
    for group in sections(&results.runs).iter().flat_map(|(_, groups)| groups) {
        let name = match group.world {
            Some(world) => format!("  {}, {world}", group.editor),
            None => format!("  {}", group.editor),
        };
        let figures = shown.iter().map(|(_, metric, show)| {
            group.stat(*metric).map_or(NOTHING.into(), |stat| show(stat.mean))
        });
        lines.push(row(&name, figures.collect()));
    }
    lines
}

/// What the terminal's columns mean.
pub(super) fn legend(results: &Results) -> Option<String> {
    if !computed(results) {
        return None;
    }
    let mut text = String::new();
    if has(results, PROBE) {
        text = format!(
            "probe, 60, MLP: {} read from the last features by softmax probes of 10 and 60 epochs and by a \
             small network, in %. relearn: steps until half of it is back. ",
            words::classes(results)
        );
    }
    text.push_str(
        "MIA: membership told by the loss (.5: chance). gap: mean distance to retrain, points. ",
    );
    if has(results, LIRA) {
        text.push_str(
            "U-LiRA: unlearned and unseen samples told apart (.5: chance); TPR: at 1 % false positives \
             (.01: chance). ",
        );
    }
    text.push_str("Compare with none and retrain, not with 0");
    Some(text)
}
