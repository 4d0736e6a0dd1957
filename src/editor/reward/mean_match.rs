//! Separable CMA-ES that starts from the action of mean match, with σ₀ = .05.
//!
//! Its last evaluation is the distribution's mean, which after so few generations is usually worth more than any
//! candidate: noise costs a search that begins near its goal.

use super::require;
use crate::editor::closed::{aim, aim_need};
use crate::editor::search::SepCmaEs;
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::{Edit, Env};
use crate::num;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use heapless::Vec;

/// `mean-match-warm`.
pub(crate) struct MeanMatchWarm;

/// Initial step size, in units of the action before it is squashed.
const INITIAL_SIGMA: f32 = 0.05;

/// Where the largest entry of each factor stands in (0, 1): the search can go further by its inverse, twice.
const PLACE: f32 = 0.7;

/// Factors of U that one action may have.
const MOST_FACTORS: usize = 64;

/// A factor of U within an action, and the share of the world's step that it is searched in.
struct Factor {
    first: usize,
    len: usize,
    reach: f32,
}

impl Editor for MeanMatchWarm {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let n = shape.spec.action.len;
        aim_need(shape).or(SepCmaEs::need(n)).and(Need::f32s(2 * n))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let n = job.spec().action.len;
        let (action, point) = (arena.take(n)?, arena.take(n)?);
        aim(job, action, &mut arena.scratch())?;
        point.copy_from_slice(action);
        let factors = factors(job, point)?;
        for value in point.iter_mut() {
            let placed = PLACE * *value;
            *value = 0.5 * num::ln((1.0 + placed) / (1.0 - placed));
        }
        // The start itself is the first candidate: the search may not improve on it.
        require(job, 1)?;
        job.try_actions(action)?;
        let sigma = job.settings().warm_sigma.unwrap_or(INITIAL_SIGMA);
        let mut rng = Rng::new(job.seed(), Purpose::Search);
        let mut search = SepCmaEs::new(arena, point, sigma)?;
        let population = search.population();
        let mut searched = false;
        while job.remaining() > population as u64 {
            search.ask(&mut rng);
            let mut values: Vec<f32, 64> = Vec::new();
            for index in 0..population {
                act(search.candidate(index), &factors, action);
                let _ = values.push(job.try_actions(action)?);
            }
            search.tell(&values);
            searched = true;
        }
        act(search.mean(), &factors, action);
        job.set_policy(action);
        if searched {
            job.try_actions(action)?;
        }
        Ok(Outcome::Actions)
    }
}

/// Takes the length of every factor of U out of an action, so that its largest entry is 1.
fn factors(job: &Job<'_>, action: &mut [f32]) -> Result<Vec<Factor, MOST_FACTORS>, EditError> {
    let mut factors = Vec::new();
    let mut first = 0;
    for edited in (0..job.layers().len()).map_while(|index| job.edited_part(index)) {
        let (Edit::Shift { rank, .. } | Edit::Rounded { rank, .. }) = edited.edit else { continue };
        for factor in 0..rank {
            let start = first + factor * edited.outputs;
            let own = action.get_mut(start..start + edited.outputs).unwrap_or_default();
            let largest = own.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            if largest > 0.0 {
                own.iter_mut().for_each(|value| *value = (*value / largest).clamp(-1.0, 1.0));
            }
            let reach = largest / (PLACE * PLACE);
            factors
                .push(Factor { first: start, len: edited.outputs, reach })
                .map_err(|_| EditError::Unfit("too many classes at once"))?;
        }
        first += rank * (edited.inputs + edited.outputs);
    }
    Ok(factors)
}

/// The action of a point of the search.
fn act(point: &[f32], factors: &[Factor], action: &mut [f32]) {
    for (to, &value) in action.iter_mut().zip(point) {
        *to = num::tanh(value);
    }
    for factor in factors {
        let own = action.get_mut(factor.first..factor.first + factor.len).unwrap_or_default();
        own.iter_mut().for_each(|value| *value = (*value * factor.reach).clamp(-1.0, 1.0));
    }
}
