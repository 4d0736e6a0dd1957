//! Searches for the best change.

use super::objective::Objective;
use crate::editor::search::{OnePlusOneEs, SepCmaEs};
use crate::rng::{Purpose, Rng};
use crate::run::RunError;
use crate::slab::Heap;

/// What a search came to.
pub(super) struct Found {
    pub(super) change: Vec<f32>,
    pub(super) reward: f32,
}

/// Steps of sep-CMA-ES below which no candidate differs from another once rounded: it begins anew at the best.
const CONVERGED: f32 = 0.1;

/// The best change and its reward, the unchanged network first.
struct Best<'o, 's> {
    objective: &'o mut Objective<'s>,
    found: Found,
    budget: u64,
    watch: &'o dyn Fn(f64),
}

impl Best<'_, '_> {
    fn reward(&mut self, change: &[f32]) -> Result<f32, RunError> {
        let reward = self.objective.reward(change)?;
        if reward > self.found.reward {
            self.found.reward = reward;
            self.found.change.copy_from_slice(change);
        }
        let part = (self.budget / 50).max(1);
        if self.objective.evaluations.is_multiple_of(part) {
            (self.watch)(part as f64 / self.budget as f64);
        }
        Ok(reward)
    }

    fn left(&self) -> u64 {
        self.budget.saturating_sub(self.objective.evaluations)
    }
}

/// Searches with `editor` for `budget` evaluations from the unchanged network on.
pub(super) fn search(
    editor: &str,
    objective: &mut Objective<'_>,
    budget: u64,
    sigma: f32,
    seed: u64,
    watch: &dyn Fn(f64),
) -> Result<Found, RunError> {
    let change = vec![0.0; objective.len()];
    let reward = objective.reward(&change)?;
    let mut best = Best { objective, found: Found { change, reward }, budget, watch };
    let mut rng = Rng::new(seed, Purpose::Search);
    match editor {
        "sep-cma-es" => sep_cma_es(&mut best, sigma, &mut rng)?,
        "es" => es(&mut best, sigma, &mut rng)?,
        "sparse-es" => sparse_es(&mut best, sigma, &mut rng)?,
        "random" => random(&mut best, sigma, &mut rng)?,
        other => return Err(RunError::Usage(format!("--editor: there is no {other} for repair"))),
    }
    Ok(best.found)
}

/// Separable CMA-ES from N(0, σ²), begun anew at the best change where it has converged.
fn sep_cma_es(best: &mut Best<'_, '_>, sigma: f32, rng: &mut Rng) -> Result<(), RunError> {
    let n = best.found.change.len();
    let mut heap = Heap::new(SepCmaEs::need(n));
    loop {
        let start = best.found.change.clone();
        let mut arena = heap.arena();
        let mut search = SepCmaEs::new(&mut arena, &start, sigma)
            .map_err(crate::model::ForwardError::TooSmall)?;
        let mut values = vec![0.0; search.population()];
        loop {
            if best.left() < values.len() as u64 {
                return Ok(());
            }
            search.ask(rng);
            for (index, value) in values.iter_mut().enumerate() {
                *value = best.reward(search.candidate(index))?;
            }
            search.tell(&values);
            let widest = search.deviations().iter().copied().fold(0.0, f32::max);
            if !search.is_finite() || search.sigma() * widest < CONVERGED {
                break;
            }
        }
    }
}

/// (1+1)-ES over all numbers at once.
fn es(best: &mut Best<'_, '_>, sigma: f32, rng: &mut Rng) -> Result<(), RunError> {
    let n = best.found.change.len();
    let mut heap = Heap::new(OnePlusOneEs::need(n));
    let mut arena = heap.arena();
    let (start, reward) = (best.found.change.clone(), best.found.reward);
    let mut search = OnePlusOneEs::starting_at(&start, reward, sigma, &mut arena)
        .map_err(crate::model::ForwardError::TooSmall)?;
    while best.left() > 0 {
        search.ask(rng);
        let reward = best.reward(search.candidate())?;
        search.tell(reward);
    }
    Ok(())
}

/// A (1+1) search that changes one to three numbers at a time, by steps from 8 σ down to an eighth of σ.
fn sparse_es(best: &mut Best<'_, '_>, sigma: f32, rng: &mut Rng) -> Result<(), RunError> {
    let mut parent = best.found.change.clone();
    let mut held = best.found.reward;
    while best.left() > 0 {
        let mut child = parent.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(child.len() as u32) as usize;
            // Spread evenly over six octaves.
            let size = 8.0 * sigma * crate::num::exp(-6.0 * core::f32::consts::LN_2 * rng.unit());
            if let Some(number) = child.get_mut(at) {
                *number = (*number + size * rng.normal()).clamp(-254.0, 254.0);
            }
        }
        let reward = best.reward(&child)?;
        if reward >= held {
            (parent, held) = (child, reward);
        }
    }
    Ok(())
}

/// A control: changes of every size up to σ around the unchanged network, none learning from another.
fn random(best: &mut Best<'_, '_>, sigma: f32, rng: &mut Rng) -> Result<(), RunError> {
    let mut change = vec![0.0; best.found.change.len()];
    while best.left() > 0 {
        let size = sigma * rng.unit();
        change.iter_mut().for_each(|number| *number = size * rng.normal());
        best.reward(&change)?;
    }
    Ok(())
}
