//! Blindness: the words that name a group lose what sets them apart.

use super::{Judge, TextEdit, TextProblem};
use crate::editor::EditError;

/// The words are dropped: their weights are 0.
pub(super) fn dropped(problem: &TextProblem<'_>, _: &mut dyn Judge) -> Result<TextEdit, EditError> {
    let scaled = scaled(problem, 0.0)?;
    Ok(TextEdit { parameters: scaled, ..TextEdit::default() })
}

/// All of them get the mean of their weights.
pub(super) fn one_token(
    problem: &TextProblem<'_>,
    _: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let (outputs, weights) = problem.first()?;
    let mut parameters = problem.parameters.to_vec();
    let matrix = parameters.get_mut(weights).unwrap_or_default();
    let words: Vec<usize> = problem.words.iter().flatten().map(|&word| word as usize).collect();
    for output in 0..outputs {
        let total: f64 = words
            .iter()
            .filter_map(|word| matrix.get(word * outputs + output))
            .map(|&weight| f64::from(weight))
            .sum();
        let mean = (total / words.len().max(1) as f64) as f32;
        for word in &words {
            if let Some(weight) = matrix.get_mut(word * outputs + output) {
                *weight = mean;
            }
        }
    }
    Ok(TextEdit { parameters, ..TextEdit::default() })
}

/// The parameters with the weights of the words that name a group times `factor`.
pub(super) fn scaled(problem: &TextProblem<'_>, factor: f32) -> Result<Vec<f32>, EditError> {
    let (outputs, weights) = problem.first()?;
    let mut parameters = problem.parameters.to_vec();
    let matrix = parameters.get_mut(weights).unwrap_or_default();
    for &word in problem.words.iter().flatten() {
        let row = matrix.get_mut(word as usize * outputs..(word as usize + 1) * outputs);
        row.unwrap_or_default().iter_mut().for_each(|weight| *weight *= factor);
    }
    Ok(parameters)
}
