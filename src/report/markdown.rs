//! `report.md`: for a reader who was not there.

use super::hiding;
use super::json::shorten;
use super::summary::{
    EVALUATIONS, FORGET, FORGET_BEFORE, GAP, Group, JS, LIRA, LIRA_TPR, MIA, Metric, POLICY_FORGET,
    POLICY_RETAIN, PROBE, RELEARN, RETAIN, RETAIN_BEFORE, REWARD, TO_TARGET, TOW, sections, worlds,
};
use super::versus;
use super::words::{self, NOTHING, percent, thousands, with_std};
use crate::run::record::{Results, RunRecord};
use std::fmt::Write as _;

/// `report.md`: what was done and whether it worked, in words, then in tables; what the figures do not
/// say; what is needed to repeat them. It holds neither seconds nor bytes of memory.
pub fn markdown(results: &Results) -> String {
    let mut text = format!("# Forgetting {}\n\n", words::classes(results));
    // Writing to a String cannot fail.
    let _ = opening(&mut text, results)
        .and_then(|()| main_table(&mut text, results))
        .and_then(|()| curves(&mut text, results))
        .and_then(|()| hiding::section(&mut text, results))
        .and_then(|()| notes(&mut text, results))
        .and_then(|()| versus::section(&mut text, results))
        .and_then(|()| match words::forget_sets(results).len() {
            ..2 => per_seed(&mut text, results),
            _ => writeln!(text, "`results.csv` holds every run by itself.\n"),
        })
        .and_then(|()| spread(&mut text, results))
        .and_then(|()| settings(&mut text, results));
    text
}

type Written = std::fmt::Result;

fn opening(text: &mut String, results: &Results) -> Written {
    let data = &results.data;
    writeln!(
        text,
        "What was done: {} was edited so that the network forgets {} of {} and keeps the rest, with {}, \
         {}. An editor saw the reward split alone ({} samples); all accuracies below are of the test \
         split ({} samples).\n",
        words::layer(results),
        words::classes(results),
        cell(&data.name),
        words::seeds_in_words(results),
        if words::shared(results) {
            "every method on one network that was loaded from a file"
        } else {
            "each a network trained for itself and edited by every method"
        },
        thousands(data.reward as u64),
        thousands(data.test as u64),
    )?;
    let sections = sections(&results.runs);
    if sections.iter().any(|(world, _)| world.is_some()) {
        let drop = 100.0 * words::DONE_DROP;
        let forgotten = match words::random_share(results) {
            None => format!(
                "at most {} % of the forgotten samples are still recognised and at most {drop} points of \
                 accuracy on the retained classes are lost",
                100.0 * words::DONE_FORGET
            ),
            Some(_) => format!(
                "accuracy on the forgotten samples is within {drop} points of that on the test split, and \
                 at most {drop} points of the latter are lost"
            ),
        };
        writeln!(text, "Did it work: an edit counts as done when {forgotten}.\n")?;
    }
    for (world, groups) in &sections {
        for group in groups.iter().filter(|_| world.is_some()) {
            writeln!(text, "- {}", verdict(group))?;
        }
    }
    let references: Vec<String> = sections
        .iter()
        .filter(|(world, _)| world.is_none())
        .flat_map(|(_, groups)| groups)
        .map(|group| {
            let what = crate::editor::find(group.editor).map_or("", |editor| editor.summary);
            format!(
                "{} ({what}) has {} % on the forgotten and {} % on the retained classes",
                cell(group.editor),
                figure(group, FORGET),
                figure(group, RETAIN)
            )
        })
        .collect();
    if !references.is_empty() {
        writeln!(text, "- Against: {}.", references.join("; "))?;
    }
    writeln!(text)
}

/// One sentence on one editor in one world.
fn verdict(group: &Group<'_>) -> String {
    let runs = group.runs.len();
    let done = group.runs.iter().filter(|run| words::done(run)).count();
    let mut text = format!(
        "**{}**: done in {done} of {runs}. Forgotten {} → {} %, retained {} → {} %, after {} \
         evaluations",
        cell(&words::subject(group.editor, group.world)),
        figure(group, FORGET_BEFORE),
        figure(group, FORGET),
        figure(group, RETAIN_BEFORE),
        figure(group, RETAIN),
        group.stat(EVALUATIONS).map_or(NOTHING.into(), |stat| words::count(stat.mean)),
    );
    let target = words::target_value();
    let _ = match group.stat(TO_TARGET) {
        None => write!(text, "; a reward of {target} was never reached"),
        Some(stat) => write!(
            text,
            "; a reward of {target} was first reached after {} ({} of {runs} runs)",
            words::count(stat.mean),
            stat.n
        ),
    };
    if group.stat(POLICY_FORGET).is_some() {
        let _ = write!(
            text,
            ". What it learned, without exploration noise: forgotten {} %, retained {} %",
            figure(group, POLICY_FORGET),
            figure(group, POLICY_RETAIN)
        );
    }
    text.push('.');
    text
}

fn figure(group: &Group<'_>, metric: Metric) -> String {
    group.stat(metric).map_or(NOTHING.into(), |stat| percent(stat.mean))
}

fn main_table(text: &mut String, results: &Results) -> Written {
    let several = words::seeds(results).len() > 1;
    writeln!(
        text,
        "## Figures\n\nAccuracy in % of the test split{}. *Policy* is the noise-free policy, or the mean \
         of the search distribution. *Reward* (best edit, reward split) is λ·utility + (1 − λ)·edit. \
         *ToW* is the tug-of-war score against retraining (1 is equal to it), *JS* the Jensen–Shannon \
         divergence to it on the forgotten test samples in nats (0 is equal). {NOTHING}: does not apply \
         or was not computed.\n",
        if several { ", mean ± standard deviation over seeds" } else { "" }
    )?;
    let target = words::target_value();
    writeln!(
        text,
        "| editor | world | forget before → after | retain before → after | policy forget | policy \
         retain | reward | evaluations | to {target} | ToW | JS |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    let three = |value: f64| format!("{value:.3}");
    for group in sections(&results.runs).iter().flat_map(|(_, groups)| groups) {
        let stat = |metric: Metric| with_std(group.stat(metric), percent);
        let acts = group.world.is_some();
        writeln!(
            text,
            "| {} | {} | {} → {} | {} → {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(group.editor),
            cell(group.world.unwrap_or(NOTHING)),
            stat(FORGET_BEFORE),
            stat(FORGET),
            stat(RETAIN_BEFORE),
            stat(RETAIN),
            stat(POLICY_FORGET),
            stat(POLICY_RETAIN),
            with_std(group.stat(REWARD), three),
            group
                .stat(EVALUATIONS)
                .filter(|_| acts)
                .map_or(NOTHING.into(), |stat| words::count(stat.mean)),
            words::to_target(group),
            with_std(group.stat(TOW), three),
            with_std(group.stat(JS), three),
        )?;
    }
    writeln!(text)
}

fn curves(text: &mut String, results: &Results) -> Written {
    for world in worlds(&results.runs) {
        if super::curves_svg(results, world).is_some() {
            writeln!(
                text,
                "![Best reward against evaluations in {} world]({})\n",
                cell(world),
                words::curve_file(world)
            )?;
        }
    }
    Ok(())
}

fn notes(text: &mut String, results: &Results) -> Written {
    let notes = words::notes(results);
    if notes.is_empty() {
        return Ok(());
    }
    writeln!(text, "## Notes\n")?;
    for note in notes {
        writeln!(text, "- {}", note.replace('\n', " "))?;
    }
    writeln!(text)
}

/// Figures that are computed for some commands only, as columns of the table per seed.
const EXTRA: [(&str, Metric); 6] = [
    ("probe recovery", PROBE),
    ("relearn steps", RELEARN),
    ("mia", MIA),
    ("average gap", GAP),
    ("U-LiRA", LIRA),
    ("TPR at 1 %", LIRA_TPR),
];

fn per_seed(text: &mut String, results: &Results) -> Written {
    let extra: Vec<_> = EXTRA
        .into_iter()
        .filter(|(_, metric)| results.runs.iter().any(|run| metric(run).is_some()))
        .collect();
    write!(
        text,
        "## Per seed\n\n| editor | world | seed | forget before → after | retain before → after | policy \
         forget | policy retain | reward | evaluations | to {} | ToW | JS | ‖ΔW‖/‖W‖ |",
        words::target_value()
    )?;
    for (name, _) in &extra {
        write!(text, " {name} |")?;
    }
    writeln!(text, " digest |\n| --- | --- |{} --- |", " ---: |".repeat(11 + extra.len()))?;
    for run in sections(&results.runs).iter().flat_map(|(_, groups)| groups).flat_map(|g| &g.runs) {
        seed_row(text, run, &extra)?;
    }
    writeln!(text)
}

fn seed_row(text: &mut String, run: &RunRecord, extra: &[(&str, Metric)]) -> Written {
    let three = |value: Option<f64>| value.map_or(NOTHING.into(), |value| format!("{value:.3}"));
    let share = |value: Option<f32>| value.map_or(NOTHING.into(), |value| percent(value.into()));
    let reached = match (run.evaluations_to_target, &run.world) {
        (Some(count), _) => thousands(count),
        (None, Some(_)) => "never".into(),
        (None, None) => NOTHING.into(),
    };
    write!(
        text,
        "| {} | {} | {} | {} → {} | {} → {} | {} | {} | {:.3} | {} | {reached} | {} | {} | {} |",
        cell(&run.editor),
        cell(run.world.as_deref().unwrap_or(NOTHING)),
        run.seed,
        percent(run.before.forget_test.into()),
        percent(run.after.forget_test.into()),
        percent(run.before.retain_test.into()),
        percent(run.after.retain_test.into()),
        share(run.policy.map(|policy| policy.forget_test)),
        share(run.policy.map(|policy| policy.retain_test)),
        run.after.reward,
        run.world.as_ref().map_or(NOTHING.into(), |_| thousands(run.evaluations)),
        three(run.tow),
        three(run.js_to_retrained),
        three(run.edit_norm),
    )?;
    for (_, metric) in extra {
        write!(text, " {} |", three(metric(run)))?;
    }
    writeln!(text, " `{}` |", cell(&run.digest))
}

fn spread(text: &mut String, results: &Results) -> Written {
    let shown = ["forget_test", "retain_test", "reward"];
    let rows: Vec<_> = results
        .summary
        .iter()
        .filter(|row| {
            row.ci95.is_some() && row.world.is_some() && shown.contains(&row.metric.as_str())
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "## Spread over seeds\n\nInterquartile mean and 95 % bootstrap interval of the mean, shares of 1 \
         (all metrics: `summary` in `results.json`).\n\n\
         | editor | world | metric | n | mean | IQM | 95 % |\n\
         | --- | --- | --- | ---: | ---: | ---: | --- |"
    )?;
    for row in rows {
        let [low, high] = row.ci95.unwrap_or([f64::NAN; 2]);
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.4} | {:.4} | {low:.4} to {high:.4} |",
            cell(&row.editor),
            cell(row.world.as_deref().unwrap_or(NOTHING)),
            row.metric,
            row.n,
            row.mean,
            row.iqm
        )?;
    }
    writeln!(text)
}

fn settings(text: &mut String, results: &Results) -> Written {
    writeln!(
        text,
        "## To repeat it\n\nreweight {}, command `{}`. The same settings, data and seeds give the same \
         digests on every machine, with any number of threads and any kernel.\n\n\
         | setting | value |\n| --- | --- |",
        results.version, results.command
    )?;
    for (key, value) in &results.config {
        let mut value = value.clone();
        shorten(&mut value);
        let value = match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        writeln!(text, "| {} | `{}` |", cell(key), cell(&value))?;
    }
    writeln!(
        text,
        "\n| target network of seed | accuracy, whole test split | digest |\n| ---: | ---: | --- |"
    )?;
    for seed in words::seeds(results) {
        if let Some(run) = results.runs.iter().find(|run| run.seed == seed) {
            let accuracy = percent(run.target.test_accuracy.into());
            writeln!(text, "| {seed} | {accuracy} | `{}` |", cell(&run.target.digest))?;
        }
    }
    let data = &results.data;
    writeln!(
        text,
        "\nData: {}, {} {}, {} reward and {} test samples, sha256 `{}`.",
        cell(&data.name),
        thousands(data.train as u64),
        if words::shared(results) { "probe" } else { "training" },
        thousands(data.reward as u64),
        thousands(data.test as u64),
        cell(&data.digest)
    )
}

/// Text that may stand in a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
