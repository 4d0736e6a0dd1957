//! Editors against one another, over tasks (what is forgotten) and runs (seeds).

use super::summary::{Group, Metric, TOW, groups, sections};
use super::words::{self, NOTHING, percent};
use crate::metric::statistics::{Aggregate, paired_improvement, paired_improvement_interval};
use crate::rng::{Purpose, Rng};
use crate::run::record::{Results, RunRecord};
use std::fmt::Write as _;

/// The editor that others are measured by: plain search, which gets furthest on one fixed network.
pub(super) const YARDSTICK: &str = "sep-cma-es";

/// Replicates of the bootstrap.
const REPLICATES: usize = 2_000;

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) interval: Option<[f64; 2]>,
}

impl Estimate {
    /// "0.985 [0.981, 0.989]", through `show`.
    pub(super) fn show(self, show: impl Fn(f64) -> String) -> String {
        let interval = self
            .interval
            .map_or(String::new(), |[low, high]| format!(" [{}, {}]", show(low), show(high)));
        format!("{}{interval}", show(self.value))
    }
}

/// Runs with a figure, by what they forget.
pub(super) fn tasks(runs: &[&RunRecord], sets: &[Vec<u32>], metric: Metric) -> Vec<Vec<f64>> {
    let of_set = |set: &Vec<u32>| {
        runs.iter().filter(|run| run.forget == *set).filter_map(|run| metric(run)).collect()
    };
    sets.iter().map(of_set).collect()
}

/// The interquartile mean over all runs with its stratified bootstrap interval; `None` without the figure.
pub(super) fn iqm(tasks: &[Vec<f64>]) -> Option<Estimate> {
    estimate(tasks, Aggregate::InterquartileMean)
}

/// An aggregate over all runs with its stratified bootstrap interval; `None` without the figure.
pub(super) fn estimate(tasks: &[Vec<f64>], aggregate: Aggregate) -> Option<Estimate> {
    let views: Vec<&[f64]> = tasks.iter().map(Vec::as_slice).collect();
    let mut scratch = vec![0.0; Aggregate::scratch(&views, REPLICATES)];
    let value = aggregate.of(&views, &mut scratch).ok().flatten()?;
    let mut rng = Rng::new(0, Purpose::Bootstrap);
    let interval = aggregate.interval(&views, REPLICATES, &mut rng, &mut scratch).ok().flatten();
    Some(Estimate { value, interval })
}

/// Probability that an editor has a higher ToW than the yardstick in the same world (in ShiftWorld for
/// editors of none), on the same network: ties count half. `None` for the yardstick itself, and where a
/// figure is missing.
pub(super) fn improvement(results: &Results, group: &Group<'_>) -> Option<Estimate> {
    let world = group.world.unwrap_or("shift");
    let yardstick = groups(&results.runs)
        .into_iter()
        .find(|other| other.editor == YARDSTICK && other.world == Some(world))?;
    if group.editor == YARDSTICK {
        return None;
    }
    let sets = words::forget_sets(results);
    // Pairs share the network: run by run of the same seed.
    let pairs: Vec<(Vec<f64>, Vec<f64>)> = sets
        .iter()
        .map(|set| {
            let ours = group.runs.iter().filter(|run| run.forget == *set);
            ours.filter_map(|run| {
                let same = |other: &&&RunRecord| other.forget == *set && other.seed == run.seed;
                Some((run.tow?, yardstick.runs.iter().find(same)?.tow?))
            })
            .unzip()
        })
        .collect();
    let views = |second: bool| -> Vec<&[f64]> {
        pairs.iter().map(|(x, y)| if second { y.as_slice() } else { x.as_slice() }).collect()
    };
    let (x, y) = (views(false), views(true));
    let value = paired_improvement(&x, &y).ok().flatten()?;
    let mut rng = Rng::new(0, Purpose::Bootstrap);
    let mut scratch = vec![0.0; REPLICATES];
    let interval =
        paired_improvement_interval(&x, &y, REPLICATES, &mut rng, &mut scratch).ok().flatten();
    Some(Estimate { value, interval })
}

/// The editors by ToW over all tasks, and ToW class by class: what a comparison of several classes adds to
/// `report.md`.
pub(super) fn section(text: &mut String, results: &Results) -> std::fmt::Result {
    let sets = words::forget_sets(results);
    let sections = sections(&results.runs);
    let all: Vec<&Group<'_>> = sections.iter().flat_map(|(_, groups)| groups).collect();
    if sets.len() < 2 || all.iter().all(|group| group.stat(TOW).is_none()) {
        return Ok(());
    }
    writeln!(
        text,
        "## Ranking\n\nToW over all classes and seeds: interquartile mean with its 95 % bootstrap interval \
         (stratified by class, {REPLICATES} replicates), and the probability of a higher ToW than {YARDSTICK} in \
         the same world (ShiftWorld for editors of none) on the same network, ties counting half. {}\n",
        spread(results)
    )?;
    writeln!(
        text,
        "| editor | world | ToW | better than {YARDSTICK}, % | done, % |\n| --- | --- | ---: | ---: | ---: |"
    )?;
    let mut ranked: Vec<(&Group<'_>, Option<Estimate>)> =
        all.iter().map(|group| (*group, iqm(&tasks(&group.runs, &sets, TOW)))).collect();
    let value = |estimate: &Option<Estimate>| estimate.map_or(f64::NEG_INFINITY, |e| e.value);
    ranked.sort_by(|(_, one), (_, other)| value(other).total_cmp(&value(one)));
    for (group, estimate) in &ranked {
        let done = group.runs.iter().filter(|run| words::done(run)).count();
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            group.editor,
            group.world.unwrap_or(NOTHING),
            estimate.map_or(NOTHING.into(), |e| e.show(|value| format!("{value:.3}"))),
            improvement(results, group).map_or(NOTHING.into(), |e| e.show(percent)),
            percent(done as f64 / group.runs.len().max(1) as f64),
        )?;
    }
    writeln!(text, "\n## Class by class\n\nMean ToW over seeds after each class was forgotten.\n")?;
    write!(text, "| editor | world |")?;
    for set in &sets {
        let names: Vec<String> = set.iter().map(ToString::to_string).collect();
        write!(text, " {} |", names.join("+"))?;
    }
    writeln!(text, "\n| --- | --- |{}", " ---: |".repeat(sets.len()))?;
    for (group, _) in &ranked {
        write!(text, "| {} | {} |", group.editor, group.world.unwrap_or(NOTHING))?;
        for task in tasks(&group.runs, &sets, TOW) {
            let mean = crate::metric::statistics::mean(&task);
            write!(text, " {} |", mean.map_or(NOTHING.into(), |mean| format!("{mean:.3}")))?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

/// What differences mean nothing, in words.
pub(super) fn spread(results: &Results) -> String {
    words::tow_between_retrained(results).map_or(String::new(), |tow| {
        format!(
            "Retraining compared with itself has a ToW of 1; networks retrained with different seeds have {tow:.3} \
             among one another, so differences below {:.3} mean little.",
            1.0 - tow
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    /// Two classes, three seeds: `ppo` beats the yardstick in two of three, ties once, and once has no pair.
    #[test]
    fn pairs_share_network_and_class() {
        let mut results = fixture();
        let template = results.runs[0].clone();
        let run = |editor: &str, class: u32, seed: u64, tow: f64| RunRecord {
            editor: editor.into(),
            world: Some("shift".into()),
            forget: vec![class],
            seed,
            tow: Some(tow),
            ..template.clone()
        };
        results.runs = vec![
            run(YARDSTICK, 7, 0, 0.9),
            run(YARDSTICK, 7, 1, 0.8),
            run(YARDSTICK, 3, 0, 0.7),
            // In the order of another seed, so that a pairing by place would be wrong.
            run("ppo", 7, 1, 0.85),
            run("ppo", 7, 0, 0.9),
            run("ppo", 3, 0, 0.71),
            run("ppo", 3, 5, 0.0),
        ];
        let groups = groups(&results.runs);
        assert_eq!(improvement(&results, &groups[0]), None, "the yardstick against itself");
        // Class 7: a win and a tie, .75; class 3: a win, 1.
        let found = improvement(&results, &groups[1]).unwrap();
        assert_eq!(found.value, 0.875);
        let [low, high] = found.interval.unwrap();
        assert!(low >= 0.75 - 1e-12 && high <= 1.0, "{low} {high}");
        let sets = words::forget_sets(&results);
        let by_class = tasks(&groups[1].runs, &sets, TOW);
        assert_eq!(by_class, [vec![0.85, 0.9], vec![0.71, 0.0]]);
        // Of 0, .71, .85, .9 one is cut at each end.
        assert!((iqm(&by_class).unwrap().value - 0.78).abs() < 1e-12);
        let mut text = String::new();
        section(&mut text, &results).unwrap();
        assert!(text.contains("| ppo | shift | 0.780 ") && text.contains("87.5"), "{text}");
    }
}
