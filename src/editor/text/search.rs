//! References that look at the reward a few times.

use super::blind::scaled;
use super::{Judge, TextEdit, TextProblem};
use crate::editor::EditError;
use crate::rng::{Purpose, Rng};

/// Thresholds that are tried.
const THRESHOLDS: u32 = 501;

/// The threshold of the best reward; the one nearest to .5 of equals.
pub(super) fn threshold(
    problem: &TextProblem<'_>,
    judge: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let mut best = (f32::NEG_INFINITY, 0.5f32);
    judge.reward(problem.parameters)?;
    for step in 0..THRESHOLDS {
        // From the middle outwards, so that of equals the first is the nearest.
        let offset = step.div_ceil(2) as f32 / (THRESHOLDS + 1) as f32;
        let threshold = if step % 2 == 0 { 0.5 + offset } else { 0.5 - offset };
        let reward = judge.reward_at(threshold)?;
        if reward > best.0 {
            best = (reward, threshold);
        }
    }
    Ok(TextEdit {
        parameters: problem.parameters.to_vec(),
        threshold: Some(best.1),
        evaluations: THRESHOLDS.into(),
        ..TextEdit::default()
    })
}

/// One factor for all words that name a group.
pub(super) fn column_scale(
    problem: &TextProblem<'_>,
    judge: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let mut best: Option<(f32, Vec<f32>)> = None;
    let steps = 10u8;
    for step in (0..steps).rev() {
        let parameters = scaled(problem, f32::from(step) / f32::from(steps))?;
        let reward = judge.reward(&parameters)?;
        if best.as_ref().is_none_or(|(held, _)| reward > *held) {
            best = Some((reward, parameters));
        }
    }
    let (_, parameters) = best.unwrap_or_default();
    Ok(TextEdit { parameters, evaluations: steps.into(), ..TextEdit::default() })
}

/// Spread of the factors of Savani's perturbation.
const SPREAD: f32 = 0.1;

/// Weights of the edited layer times factors from N(1, .1²), the best kept.
pub(super) fn savani(
    problem: &TextProblem<'_>,
    judge: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let layer = problem.stack.layers().get(problem.layer);
    let range = layer.map(|layer| layer.weight_range()).unwrap_or_default();
    let mut rng = Rng::new(problem.seed, Purpose::Search);
    let mut best = (f32::NEG_INFINITY, problem.parameters.to_vec());
    for _ in 0..problem.budget {
        let mut trial = problem.parameters.to_vec();
        for weight in trial.get_mut(range.clone()).unwrap_or_default() {
            *weight *= 1.0 + SPREAD * rng.normal();
        }
        let reward = judge.reward(&trial)?;
        if reward > best.0 {
            best = (reward, trial);
        }
    }
    Ok(TextEdit { parameters: best.1, evaluations: problem.budget, ..TextEdit::default() })
}
