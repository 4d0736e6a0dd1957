//! Statistics of the cells of a grid.

use crate::metric::statistics::{mean, sample_std};
use crate::run::record::{AblateResults, AblateRun, AblateSetting};

use super::super::words::{DONE_DROP, DONE_FORGET};

/// One cell, over its seeds.
pub(super) struct Cell<'a> {
    pub(super) setting: &'a AblateSetting,
    /// Mean accuracy on the retained classes after the best edit, and its deviation over seeds.
    pub(super) retain: f64,
    pub(super) retain_std: f64,
    /// The same on the forgotten classes.
    pub(super) forget: f64,
    pub(super) forget_std: f64,
    /// Deviation of the retain accuracy of the noise-free policy.
    pub(super) policy_retain_std: f64,
    /// Share of the seeds whose edit counts as done.
    pub(super) done: f64,
    /// Mean evaluations until the reward first reached its target; all that were used where it did not.
    pub(super) to_target: f64,
}

/// The cells in the order of the runs.
pub(super) fn cells(results: &AblateResults) -> Vec<Cell<'_>> {
    let mut groups: Vec<(&AblateSetting, Vec<&AblateRun>)> = Vec::new();
    for run in &results.runs {
        match groups.last_mut() {
            Some((setting, runs)) if **setting == run.setting => runs.push(run),
            _ => groups.push((&run.setting, vec![run])),
        }
    }
    groups.into_iter().map(|(setting, runs)| cell(setting, &runs)).collect()
}

fn cell<'a>(setting: &'a AblateSetting, runs: &[&AblateRun]) -> Cell<'a> {
    let values = |of: fn(&AblateRun) -> f32| -> Vec<f64> {
        runs.iter().map(|run| f64::from(of(run))).collect()
    };
    let retain = values(|run| run.after.retain_test);
    let forget = values(|run| run.after.forget_test);
    let policy: Vec<f64> = runs
        .iter()
        .filter_map(|run| run.policy)
        .map(|policy| f64::from(policy.retain_test))
        .collect();
    let done = runs.iter().filter(|run| {
        run.after.forget_test <= DONE_FORGET
            && run.before.retain_test - run.after.retain_test <= DONE_DROP
    });
    let to_target: Vec<f64> = runs
        .iter()
        .map(|run| run.evaluations_to_target.unwrap_or(run.evaluations) as f64)
        .collect();
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    Cell {
        setting,
        retain: or_nan(mean(&retain)),
        retain_std: or_nan(sample_std(&retain)),
        forget: or_nan(mean(&forget)),
        forget_std: or_nan(sample_std(&forget)),
        policy_retain_std: or_nan(sample_std(&policy)),
        done: done.count() as f64 / runs.len().max(1) as f64,
        to_target: or_nan(mean(&to_target)),
    }
}

/// A factor of the grid: its name, and its level in a cell.
type Factor = (&'static str, fn(&AblateSetting) -> String);

/// Every factor but the world.
pub(super) const FACTORS: [Factor; 7] = [
    ("episode length", |setting| setting.episode_length.to_string()),
    ("rank", |setting| setting.rank.to_string()),
    ("step", |setting| setting.step.to_string()),
    ("λ", |setting| setting.lambda.to_string()),
    ("reward", |setting| setting.reward.clone()),
    ("initial mean ±", |setting| setting.initial_mean.to_string()),
    ("log-std", |setting| setting.log_std.to_string()),
];

/// The levels of a factor in the order of first appearance.
pub(super) fn levels(cells: &[&Cell<'_>], of: fn(&AblateSetting) -> String) -> Vec<String> {
    let mut levels = Vec::new();
    for cell in cells {
        let level = of(cell.setting);
        if !levels.contains(&level) {
            levels.push(level);
        }
    }
    levels
}

/// The worlds in the order of first appearance.
pub(super) fn worlds<'a>(cells: &[Cell<'a>]) -> Vec<&'a str> {
    let mut worlds: Vec<&str> = Vec::new();
    for cell in cells {
        if !worlds.contains(&cell.setting.world.as_str()) {
            worlds.push(&cell.setting.world);
        }
    }
    worlds
}

/// Mean of a statistic over cells; NaN for none.
pub(super) fn over(cells: &[&Cell<'_>], of: fn(&Cell<'_>) -> f64) -> f64 {
    mean(&cells.iter().map(|cell| of(cell)).collect::<Vec<_>>()).unwrap_or(f64::NAN)
}

/// Largest of a statistic over cells; NaN for none.
pub(super) fn most(cells: &[&Cell<'_>], of: fn(&Cell<'_>) -> f64) -> f64 {
    cells.iter().map(|cell| of(cell)).fold(f64::NAN, f64::max)
}

/// The steps inside which a world's edits keep what they should, in units of the layer.
pub(super) fn window(world: &str) -> (f32, f32) {
    if world == "mask" { (1.0, 2.0) } else { (0.5, 4.0) }
}

/// Whether a cell's step lies inside its world's window.
pub(super) fn inside(cell: &Cell<'_>) -> bool {
    let (low, high) = window(&cell.setting.world);
    (low..=high).contains(&cell.setting.step)
}
