//! Fisher forgetting (Golatkar et al. 2020, arXiv 1911.04933): noise on every weight, the more of it the
//! less the weight matters to the retain samples.
//!
//! `w ← w + ξ, ξ ~ N(0, α / (F + 1e-8))` with F the Fisher information on retain samples,
//! `Σ_y p(y|x)·(∂CE_y/∂w)²`, of single samples. As the code that SSD and SalUn use: α = 1e-6;
//! `1 / (F + 1e-8)` is held to 1e3, in the last layer to 1e2; it is averaged over the inputs of an output
//! (of a convolution: at each place of its window); it counts 10 times in the last layer and for biases.
//! F is the mean over 500 retain samples here, over all of them there.
//!
//! The same code then sets the forgotten class's row of the last layer to noise around 0 of variance
//! 1e-4, which masks the logit: `fisher-reset` does so, `fisher` does not.

use super::{Aim, Begin, begin, need};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::nn::{Kind, Layer};
use crate::num;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use crate::task::ClassSet;

/// Samples of the Fisher information: every one costs a backward pass per class.
const SAMPLES: usize = 500;
const ALPHA: f32 = 1e-6;
const MOST: f32 = 1e3;
const MOST_OF_LAST: f32 = 1e2;
const TIMES: f32 = 10.0;
const VARIANCE_OF_RESET: f32 = 1e-4;

/// `fisher`, or `fisher-reset` which also clears the row of every forgotten class.
pub(crate) struct Fisher {
    pub(crate) reset: bool,
}

impl Editor for Fisher {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let classes = shape.stack.outputs();
        need(shape, 1, |parameters| Need::f32s(parameters + classes))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let Begin { mut learner, parameters, mut retain, classes, seed, .. } =
            begin(job, 1, arena)?;
        let variances = arena.take(parameters.len())?;
        let probabilities = arena.take(learner.stack.outputs())?;
        retain.keep(SAMPLES);
        let share = 1.0 / retain.all().len() as f32;
        for &index in retain.all() {
            learner.probabilities(parameters, index, probabilities)?;
            for (label, &probability) in (0..=u8::MAX).zip(&*probabilities) {
                learner.clear();
                learner.add(parameters, &[index], Aim::Labels(&[label]), 1.0)?;
                for (sum, &gradient) in variances.iter_mut().zip(&*learner.gradients) {
                    *sum += share * probability * gradient * gradient;
                }
            }
        }
        let layers = learner.stack.layers();
        let last = layers.iter().rposition(|layer| layer.kind().fan_in() > 0);
        let mut rng = Rng::new(seed, Purpose::Unlearning);
        for (index, layer) in layers.iter().enumerate() {
            let own = parameters.get_mut(layer.range()).unwrap_or_default();
            let variances = variances.get_mut(layer.range()).unwrap_or_default();
            spread(layer, Some(index) == last, variances);
            if self.reset && Some(index) == last {
                clear(layer, classes, own, variances);
            }
            for (weight, &variance) in own.iter_mut().zip(&*variances) {
                *weight += num::sqrt(variance) * rng.normal();
            }
        }
        learner.finish(parameters)?;
        Ok(Outcome::Network)
    }
}

/// Turns the Fisher information of a layer's parameters into variances of noise, in place.
fn spread(layer: &Layer, last: bool, values: &mut [f32]) {
    let most = if last { MOST_OF_LAST } else { MOST };
    for value in values.iter_mut() {
        *value = ALPHA * (1.0 / (*value + 1e-8)).min(most);
    }
    let (weights, biases) = values.split_at_mut_checked(layer.kind().weights()).unwrap_or_default();
    // Weights whose variances are averaged lie `places` apart: the inputs, or input channels, of one output.
    let places = places(layer.kind());
    for place in 0..places {
        let own = || weights.iter().skip(place).step_by(places);
        let (total, count) = own()
            .fold((0.0f64, 0u32), |(total, count), &value| (total + f64::from(value), count + 1));
        let mean = (total / f64::from(count.max(1))) as f32 * if last { TIMES } else { 1.0 };
        weights.iter_mut().skip(place).step_by(places).for_each(|value| *value = mean);
    }
    biases.iter_mut().for_each(|value| *value *= TIMES);
}

/// Weights of one input, or of one input channel.
fn places(kind: &Kind) -> usize {
    match kind {
        Kind::Dense { outputs, .. } => *outputs,
        Kind::Conv2d { conv, .. } => conv.kernel.iter().product::<usize>() * conv.channels,
        _ => 1,
    }
}

/// Sets what leads to the outputs of these classes to 0, and its variance to that of a reset.
fn clear(layer: &Layer, classes: ClassSet, own: &mut [f32], variances: &mut [f32]) {
    let Kind::Dense { outputs, .. } = *layer.kind() else { return };
    // A bias lies behind the weights as one more row of them.
    for class in classes.iter().map(usize::from).filter(|&class| class < outputs) {
        let values = own.iter_mut().zip(&mut *variances);
        for (value, variance) in values.skip(class).step_by(outputs) {
            (*value, *variance) = (0.0, VARIANCE_OF_RESET);
        }
    }
}
