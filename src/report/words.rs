//! Numbers and phrases that several reports share.

use super::summary::{Group, Stat, TO_TARGET};
use crate::metric::statistics::mean;
use crate::metric::{TowAccuracies, tug_of_war};
use crate::run::TARGET_VALUE;
use crate::run::record::{Results, RunRecord};

/// Stands where there is no figure.
pub(super) const NOTHING: &str = "–";

/// An edit counts as done at this accuracy on the forgotten classes or below …
pub(super) const DONE_FORGET: f32 = 0.05;
/// … with at most this much accuracy lost on the retained ones (test split, both).
pub(super) const DONE_DROP: f32 = 0.03;

/// A share in per cent: "95.8".
pub(super) fn percent(share: f64) -> String {
    // No "-0.0".
    format!("{:.1}", 100.0 * share + 0.0)
}

/// "2,000".
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A mean of counts.
pub(super) fn count(mean: f64) -> String {
    // Counts are positive; the cast saturates.
    thousands(mean.round() as u64)
}

/// "2" or "2 ± 1", both through `show`.
pub(super) fn with_std(stat: Option<Stat>, show: impl Fn(f64) -> String) -> String {
    match stat {
        None => NOTHING.into(),
        Some(Stat { mean, std: Some(std), .. }) => format!("{} ± {}", show(mean), show(std)),
        Some(Stat { mean, std: None, .. }) => show(mean),
    }
}

/// The value of the reward whose first reach is recorded: "0.975".
pub(super) fn target_value() -> String {
    TARGET_VALUE.to_string()
}

/// Mean evaluations to the target and in how many runs it was reached: "312", "312 (4/5)", "never".
pub(super) fn to_target(group: &Group<'_>) -> String {
    match group.stat(TO_TARGET) {
        None if group.world.is_none() => NOTHING.into(),
        None => "never".into(),
        Some(stat) if stat.n < group.runs.len() => {
            format!("{} ({}/{})", count(stat.mean), stat.n, group.runs.len())
        }
        Some(stat) => count(stat.mean),
    }
}

/// Whether a run's edit counts as done.
pub(super) fn done(run: &RunRecord) -> bool {
    // Samples that are forgotten are answered like those that were never seen.
    let forgotten = if run.forget.is_empty() {
        (run.after.forget_test - run.after.retain_test).abs() <= DONE_DROP
    } else {
        run.after.forget_test <= DONE_FORGET
    };
    forgotten && run.before.retain_test - run.after.retain_test <= DONE_DROP
}

/// The sets of classes that runs forget, each once, in the order of first appearance.
pub(super) fn forget_sets(results: &Results) -> Vec<Vec<u32>> {
    let mut sets: Vec<Vec<u32>> = Vec::new();
    for run in &results.runs {
        if !sets.contains(&run.forget) {
            sets.push(run.forget.clone());
        }
    }
    sets
}

/// Share of the training samples that is forgotten, in per cent, where no classes are.
pub(super) fn random_share(results: &Results) -> Option<String> {
    let share = results.config.get("forget_random")?.as_f64()?;
    Some(format!("{:.6}", 100.0 * share).trim_end_matches('0').trim_end_matches('.').into())
}

/// "class 7", "classes 7, 8 and 9", "one class at a time (0 to 9)", "10 % of the training samples".
pub(super) fn classes(results: &Results) -> String {
    if let Some(share) = random_share(results) {
        return format!("{share} % of the training samples");
    }
    let sets = forget_sets(results);
    if sets.len() > 1 {
        let mut single: Vec<u64> =
            sets.iter().filter_map(|set| set.first().copied().map(u64::from)).collect();
        single.sort_unstable();
        return format!("one class at a time ({})", in_a_row(&single));
    }
    let forget: Vec<String> =
        sets.first().map(|set| set.iter().map(ToString::to_string).collect()).unwrap_or_default();
    match forget.as_slice() {
        [] => "no class".into(),
        [one] => format!("class {one}"),
        [first @ .., last] => format!("classes {} and {last}", first.join(", ")),
    }
}

/// "0 to 4" or "1, 5, 9".
fn in_a_row(numbers: &[u64]) -> String {
    let row = numbers.windows(2).all(|pair| matches!(pair, [a, b] if a.checked_add(1) == Some(*b)));
    match numbers {
        [first, .., last] if row && numbers.len() > 2 => format!("{first} to {last}"),
        _ => list(numbers),
    }
}

/// ToW of retrained networks against those of other seeds, the mean over pairs that forget the same;
/// `None` without such pairs.
pub(super) fn tow_between_retrained(results: &Results) -> Option<f64> {
    let retrained: Vec<(&RunRecord, TowAccuracies)> = results
        .runs
        .iter()
        .filter(|run| run.editor == "retrain")
        .filter_map(|run| {
            let train = run.after_train?;
            let accuracies = TowAccuracies {
                forget_train: train.forget.into(),
                retain_train: train.retain.into(),
                retain_test: run.after.retain_test.into(),
            };
            Some((run, accuracies))
        })
        .collect();
    let mut values = Vec::new();
    for (index, (run, ours)) in retrained.iter().enumerate() {
        for (other, theirs) in retrained.iter().skip(index + 1) {
            if run.forget == other.forget && run.seed != other.seed {
                values.push(tug_of_war(*ours, *theirs));
            }
        }
    }
    mean(&values)
}

/// The seeds of the runs, each once, in the order of first appearance.
pub(super) fn seeds(results: &Results) -> Vec<u64> {
    let mut seeds = Vec::new();
    for run in &results.runs {
        if !seeds.contains(&run.seed) {
            seeds.push(run.seed);
        }
    }
    seeds
}

/// "seed 0", "5 seeds (0 to 4)", "3 seeds (1, 5, 9)".
pub(super) fn seeds_in_words(results: &Results) -> String {
    let seeds = seeds(results);
    let in_a_row =
        seeds.windows(2).all(|pair| matches!(pair, [a, b] if a.checked_add(1) == Some(*b)));
    match seeds.as_slice() {
        [] => "no seed".into(),
        [seed] => format!("seed {seed}"),
        [first, .., last] if in_a_row => format!("{} seeds ({first} to {last})", seeds.len()),
        _ => format!("{} seeds ({})", seeds.len(), list(&seeds)),
    }
}

fn list(seeds: &[u64]) -> String {
    seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// "layer fc2 (32 outputs × 128 inputs) of digits-cnn".
pub(super) fn layer(results: &Results) -> String {
    results.runs.first().map_or("no layer".into(), |run| {
        let target = &run.target;
        format!(
            "layer {} ({} outputs × {} inputs) of {}",
            target.layer, target.rows, target.cols, target.name
        )
    })
}

/// "ppo in shift world", "retrain".
pub(super) fn subject(editor: &str, world: Option<&str>) -> String {
    world.map_or(editor.into(), |world| format!("{editor} in {world} world"))
}

/// Whether all seeds edit one network, which was loaded.
pub(super) fn shared(results: &Results) -> bool {
    results.config.contains_key("model")
}

/// The notes of all runs, then those of single ones, each text once, after the runs that it speaks of.
pub(super) fn notes(results: &Results) -> Vec<String> {
    /// Seeds of the runs of one editor in one world.
    type Seeds = (String, Vec<u64>);
    let mut notes: Vec<(&str, Vec<Seeds>)> = Vec::new();
    for run in &results.runs {
        let Some(text) = run.note.as_deref() else { continue };
        let subject = subject(&run.editor, run.world.as_deref());
        let index = notes.iter().position(|(known, _)| *known == text).unwrap_or_else(|| {
            notes.push((text, Vec::new()));
            notes.len() - 1
        });
        let Some((_, speaks_of)) = notes.get_mut(index) else { continue };
        match speaks_of.iter_mut().find(|(known, _)| *known == subject) {
            Some((_, seeds)) => seeds.push(run.seed),
            None => speaks_of.push((subject, vec![run.seed])),
        }
    }
    let of_runs = notes.into_iter().map(|(text, speaks_of)| {
        let runs: usize = speaks_of.iter().map(|(_, seeds)| seeds.len()).sum();
        let who: Vec<String> = speaks_of
            .iter()
            .map(|(subject, seeds)| {
                format!(
                    "{subject}, seed{} {}",
                    if seeds.len() == 1 { "" } else { "s" },
                    list(seeds)
                )
            })
            .collect();
        let runs = if runs == 1 { String::new() } else { format!(" ({runs} runs)") };
        format!("{}{runs}: {text}", who.join("; "))
    });
    results.notes.iter().cloned().chain(of_runs).collect()
}

/// Name of the file of a world's learning curves.
pub(super) fn curve_file(world: &str) -> String {
    // A name that was read from a file must not lead out of the folder.
    let name: String = world
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    format!("curves-{name}.svg")
}
