//! What the reports say of hiding and erasing: probes, relearning, attacks on membership.

use super::markdown::cell;
use super::summary::{
    AVERAGE_GAP, FORGET, Group, MIA, MIA_THRESHOLD, Metric, PROBE, PROBE_LONG, PROBE_MLP, RELEARN,
    RETAIN, groups, sections,
};
use super::words::{self, NOTHING, percent, with_std};
use crate::run::record::Results;
use std::fmt::{Result as Written, Write as _};

/// Whether any run has one of the figures.
fn computed(results: &Results) -> bool {
    let figures: [Metric; 3] = [PROBE, RELEARN, MIA];
    results.runs.iter().any(|run| figures.iter().any(|figure| figure(run).is_some()))
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
    if results.runs.iter().any(|run| PROBE(run).is_some()) {
        writeln!(
            text,
            "- *Probe*: how many of the forgotten test samples a classifier recognises that is trained, with \
         all labels, on the train split's features of the edited network (in %). *10* and *60*: softmax \
         regression on the last hidden features after as many epochs; *MLP*: one with 64 hidden units; \
         then the 10-epoch probe of every hidden layer. A probe as good as that of `none`: the class was \
         hidden. One as good as that of `retrain`: no more is left than other classes give away.\n\
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
         retained test samples and of the logistic MIA, in points; 0 is equal.\n"
    )?;
    table(text, results)
}

/// Names of the probed layers, from the input on.
fn layers(results: &Results) -> Vec<&str> {
    let longest = results.runs.iter().max_by_key(|run| run.probe_layers.len());
    longest.map_or(Vec::new(), |run| run.probe_layers.iter().map(|probe| &*probe.layer).collect())
}

fn table(text: &mut String, results: &Results) -> Written {
    let layers = layers(results);
    write!(text, "| editor | world | probe 10 | 60 | MLP |")?;
    for layer in &layers {
        write!(text, " {} |", cell(layer))?;
    }
    writeln!(
        text,
        " relearn | MIA logistic | MIA threshold | gap |\n| --- | --- |{}",
        " ---: |".repeat(7 + layers.len())
    )?;
    for group in sections(&results.runs).iter().flat_map(|(_, groups)| groups) {
        let stat = |metric: Metric| with_std(group.stat(metric), percent);
        write!(
            text,
            "| {} | {} | {} | {} | {} |",
            cell(group.editor),
            cell(group.world.unwrap_or(NOTHING)),
            stat(PROBE),
            stat(PROBE_LONG),
            stat(PROBE_MLP)
        )?;
        for layer in &layers {
            let of = group.stat_of(|run| {
                run.probe_layers.iter().find(|probe| probe.layer == *layer).map(|p| p.recovery)
            });
            write!(text, " {} |", with_std(of, percent))?;
        }
        let three = |metric: Metric| with_std(group.stat(metric), |value| format!("{value:.3}"));
        writeln!(
            text,
            " {} | {} | {} | {} |",
            with_std(group.stat(RELEARN), steps),
            three(MIA),
            three(MIA_THRESHOLD),
            stat(AVERAGE_GAP)
        )?;
    }
    writeln!(text)
}

fn steps(mean: f64) -> String {
    format!("{mean:.1}")
}

/// The terminal's lines: a narrow table below the main one; none where nothing was computed.
pub(super) fn lines(results: &Results) -> Vec<String> {
    /// Characters of the first column and of the others.
    const NAME: usize = 24;
    const FIGURE: usize = 9;
    if !computed(results) {
        return Vec::new();
    }
    let row = |name: &str, figures: [String; 6]| {
        let name: String = name.chars().take(NAME).collect();
        let figures = figures.iter().map(|figure| format!("{figure:>FIGURE$}"));
        format!("{name:<NAME$}{}", figures.collect::<String>())
    };
    let head = ["probe", "60", "MLP", "relearn", "MIA", "gap"].map(str::to_string);
    let mut lines = vec![row("is it erased?", head)];
    lines.push("─".repeat(lines.first().map_or(0, |line| line.chars().count())));
    for group in sections(&results.runs).iter().flat_map(|(_, groups)| groups) {
        let mean = |metric: Metric, show: fn(f64) -> String| figure(group, metric, show);
        let three = |value: f64| format!("{value:.3}");
        let name = match group.world {
            Some(world) => format!("  {}, {world}", group.editor),
            None => format!("  {}", group.editor),
        };
        let figures = [
            mean(PROBE, percent),
            mean(PROBE_LONG, percent),
            mean(PROBE_MLP, percent),
            mean(RELEARN, steps),
            mean(MIA, three),
            mean(AVERAGE_GAP, percent),
        ];
        lines.push(row(&name, figures));
    }
    lines
}

fn figure(group: &Group<'_>, metric: Metric, show: fn(f64) -> String) -> String {
    group.stat(metric).map_or(NOTHING.into(), |stat| show(stat.mean))
}

/// What the terminal's columns mean.
pub(super) fn legend(results: &Results) -> Option<String> {
    let subject = words::classes(results);
    let probed = results.runs.iter().any(|run| PROBE(run).is_some());
    computed(results).then(|| {
        let probes = format!(
            "probe, 60, MLP: {subject} read from the last features by softmax probes of 10 and 60 epochs \
             and by a small network, in %. relearn: steps until half of it is back. "
        );
        format!(
            "{}MIA: membership told by the loss (.5: chance). gap: mean distance to retrain, points. \
             Compare with none and retrain, not with 0",
            if probed { &*probes } else { "" }
        )
    })
}
