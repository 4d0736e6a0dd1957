//! Relearning: how soon an edited network has the forgotten classes back when it is trained on.

use super::student::Course;
use crate::rng::{Purpose, Rng};
use crate::run::error::RunError;
use crate::run::measure::Gauge;
use crate::run::prepare::Part;
use crate::run::target::Target;

/// Samples of a step, learning rate, and steps at most.
const MINIBATCH: usize = 64;
const RATE: f32 = 1e-3;
const MOST_STEPS: u64 = 300;

/// Biases of the output layer below this are set to it first: no gradient brings −∞ back.
const LOWEST_BIAS: f32 = -20.0;

/// Steps of Adam on all layers, on train samples with their own labels, until the accuracy on the
/// forgotten classes of the reward split is half the original network's; at most 300. 0 for a network that
/// has it already.
pub(super) fn steps(
    gauge: &Gauge<'_>,
    target: &Target,
    parameters: &[f32],
    seed: u64,
) -> Result<Option<u64>, RunError> {
    let (stack, data, forget) = (gauge.stack, gauge.data, gauge.task.forget());
    let labels = data.reward.labels();
    let ours: Vec<usize> =
        (0..labels.len()).filter(|&index| forget.contains(labels[index])).collect();
    if ours.is_empty() || data.train.is_empty() {
        return Ok(None);
    }
    let reward = data.reward.select(&ours);
    let right = |parameters: &[f32]| right(gauge, &reward, parameters);
    let wanted = right(&target.parameters)?.div_ceil(2);
    let mut parameters = parameters.to_vec();
    let biases = stack.layers().last().and_then(|layer| layer.bias_range());
    let biases = biases.and_then(|range| parameters.get_mut(range)).unwrap_or_default();
    biases.iter_mut().for_each(|bias| *bias = bias.max(LOWEST_BIAS));
    if right(&parameters)? >= wanted {
        return Ok(Some(0));
    }
    let course = Course {
        kernel: gauge.kernel,
        stack,
        rows: data.train.samples().inputs,
        labels: data.train.labels(),
        minibatch: MINIBATCH,
        rate: RATE,
        steps: MOST_STEPS as usize,
    };
    let mut taken = MOST_STEPS;
    // Not the stream of the probes.
    let rng = Rng::new(seed, Purpose::Relearning);
    course.follow(&mut parameters, rng, &mut |step, parameters| {
        let back = right(parameters)? >= wanted;
        if back {
            taken = step as u64;
        }
        Ok(!back)
    })?;
    Ok(Some(taken))
}

/// How many samples the network gets right.
fn right(gauge: &Gauge<'_>, part: &Part, parameters: &[f32]) -> Result<usize, RunError> {
    let end = gauge.stack.layers().len();
    let logits = part.through(gauge.kernel, gauge.stack, parameters, 0..end)?;
    let answers = super::answers(gauge, &logits)?;
    Ok(answers.iter().zip(part.labels()).filter(|(a, b)| **a == u32::from(**b)).count())
}
