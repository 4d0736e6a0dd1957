//! What a network answers on the test split, class by class.

use crate::run::error::RunError;
use crate::run::measure::Gauge;
use crate::run::record::Classwise;

/// Accuracies by class before and after the edit, and which classes the edited network answers with.
pub(in crate::run) fn classwise(
    gauge: &Gauge<'_>,
    original: &[f32],
    edited: &[f32],
) -> Result<Classwise, RunError> {
    let (before, after) = (predictions(gauge, original)?, predictions(gauge, edited)?);
    let accuracies = |rows: &[Vec<u32>]| {
        rows.iter()
            .enumerate()
            .map(|(class, row)| {
                let count: u32 = row.iter().sum();
                (count > 0).then(|| row[class] as f32 / count as f32)
            })
            .collect()
    };
    Ok(Classwise { before: accuracies(&before), after: accuracies(&after), predictions: after })
}

/// Test samples of class (outer) that the network takes for class (inner).
fn predictions(gauge: &Gauge<'_>, parameters: &[f32]) -> Result<Vec<Vec<u32>>, RunError> {
    let (stack, test) = (gauge.stack, &gauge.data.test);
    let logits = test.through(gauge.kernel, stack, parameters, 0..stack.layers().len())?;
    let mut counts = vec![vec![0; stack.outputs()]; stack.outputs()];
    for (&label, class) in test.labels().iter().zip(super::answers(gauge, &logits)?) {
        counts[usize::from(label)][class as usize] += 1;
    }
    Ok(counts)
}
