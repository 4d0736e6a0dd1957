//! What a grid shows, in sentences.

use super::super::words::{count, percent};
use super::cells::{Cell, inside, most, over, window, worlds};
use crate::run::record::{ABLATE_TARGET, AblateResults};

/// The preset's own values, around which causes are told.
const LOG_STD: f32 = -1.0;
const LAMBDA: f32 = 0.5;

/// "ppo in shift world forgets class 7 …": what was varied.
pub(super) fn what(results: &AblateResults, cells: &[Cell<'_>]) -> String {
    let seeds = results.runs.iter().map(|run| run.seed).collect::<std::collections::BTreeSet<_>>();
    format!(
        "PPO (the preset edit but for what is varied) made a layer forget, in {} combinations of settings, each on \
         {} networks with seeds of their own. Figures are of the test split; the deviation is over seeds. At \
         rank r the step is s·√r, so that entries of the change keep their size.",
        cells.len(),
        seeds.len()
    )
}

/// What the grid says of each world: the saddle, the step, the cure.
pub(super) fn findings(cells: &[Cell<'_>]) -> Vec<String> {
    worlds(cells).into_iter().flat_map(|world| of_world(cells, world)).collect()
}

fn of_world(cells: &[Cell<'_>], world: &str) -> Vec<String> {
    let mut said = Vec::new();
    let single: Vec<&Cell<'_>> = cells
        .iter()
        .filter(|cell| cell.setting.world == world && cell.setting.episode_length == 1)
        .collect();
    let (low, high) = window(world);
    let mut levels: Vec<f32> = single.iter().map(|cell| cell.setting.log_std).collect();
    levels.sort_by(f32::total_cmp);
    levels.dedup();
    for level in levels {
        let at = |on_saddle: bool| -> Vec<&Cell<'_>> {
            let ours = single.iter().filter(|cell| inside(cell) && cell.setting.log_std == level);
            ours.filter(|cell| (cell.setting.initial_mean == 0.0) == on_saddle).copied().collect()
        };
        let (on, off) = (at(true), at(false));
        if on.is_empty() || off.is_empty() {
            continue;
        }
        said.push(format!(
            "The saddle ({world} world, T = 1, steps {low} to {high}, log-std {level}): U = V = 0, and (U, V) and \
             (−U, −V) are the same edit, so a policy whose mean starts there finds a slope by its noise alone. It \
             reaches a reward of {ABLATE_TARGET} after {} evaluations and leaves {} % of the class (± {} points over \
             seeds); one whose mean starts off the saddle after {}, and leaves {} % (± {}).",
            count(over(&on, |cell| cell.to_target)),
            percent(over(&on, |cell| cell.forget)),
            percent(over(&on, |cell| cell.forget_std)),
            count(over(&off, |cell| cell.to_target)),
            percent(over(&off, |cell| cell.forget)),
            percent(over(&off, |cell| cell.forget_std)),
        ));
    }
    let off: Vec<&Cell<'_>> =
        single.iter().filter(|cell| cell.setting.initial_mean != 0.0).copied().collect();
    let beyond: Vec<&Cell<'_>> =
        off.iter().filter(|cell| cell.setting.step > high).copied().collect();
    let below: Vec<&Cell<'_>> =
        off.iter().filter(|cell| cell.setting.step < low).copied().collect();
    let within: Vec<&Cell<'_>> = off.iter().filter(|cell| inside(cell)).copied().collect();
    if !within.is_empty() && (!beyond.is_empty() || !below.is_empty()) {
        let mut text = format!(
            "The step ({world} world, T = 1, mean off the saddle): with steps from {low} to {high} the deviation of \
             the retain accuracy is {} points on average",
            percent(over(&within, |cell| cell.retain_std))
        );
        if !beyond.is_empty() {
            text += &format!(
                ", above {high} it is {} (noise-free policy: {})",
                percent(over(&beyond, |cell| cell.retain_std)),
                percent(over(&beyond, |cell| cell.policy_retain_std))
            );
        }
        if !below.is_empty() {
            text += &format!(
                "; below {low} {} % of the forgotten class is left",
                percent(over(&below, |cell| cell.forget))
            );
        }
        said.push(text + ".");
    }
    let cure: Vec<&Cell<'_>> = off
        .iter()
        .filter(|cell| {
            inside(cell) && cell.setting.log_std == LOG_STD && cell.setting.lambda == LAMBDA
        })
        .copied()
        .collect();
    if !cure.is_empty() {
        said.push(format!(
            "The cure ({world} world): in all {} cells with T = 1, λ = {LAMBDA}, the mean off the saddle, log-std \
             {LOG_STD} and a step from {low} to {high}, the deviation of the retain accuracy over seeds is at most {} \
             points (the paper: 9 to 13), with {} % of the forgotten class left in the worst of them.",
            cure.len(),
            percent(most(&cure, |cell| cell.retain_std)),
            percent(most(&cure, |cell| cell.forget)),
        ));
    }
    said
}
