//! Samples of a function, as a network of integers takes them.

use super::config::Function;
use super::record::Errors;
use crate::data::tflite::TfChain;
use crate::data::{Pairs, load_pairs};
use crate::model::int8::Int8Scale;
use crate::num;
use crate::run::RunError;
use std::collections::BTreeMap;

/// Points of a function that is sampled here: for the reward, and for the final figures between them.
const REWARD_POINTS: usize = 256;
const TEST_POINTS: usize = 1000;

/// Samples of one part.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) count: usize,
    /// Inputs as the network takes them, `[sample][input]`.
    pub(super) x: Vec<i8>,
    /// The same as real numbers.
    pub(super) real: Vec<f32>,
    /// What it should give, `[sample][output]`.
    pub(super) y: Vec<f32>,
}

impl Part {
    fn new(pairs: Pairs, count: usize, scale: Int8Scale) -> Self {
        let x = pairs.x.iter().map(|&x| scale.quantise(x)).collect();
        Self { count, x, real: pairs.x, y: pairs.y }
    }

    /// Errors of these outputs.
    pub(super) fn errors(&self, outputs: &[i8], scale: Int8Scale) -> Errors {
        let errors =
            outputs.iter().zip(&self.y).map(|(&q, &y)| f64::from(real(scale, q) - y).abs());
        Errors::of(errors)
    }

    /// Errors of the best outputs that there are: what 8 bits of inputs and outputs cost whatever the weights are.
    pub(super) fn floor(&self, scale: Int8Scale) -> Errors {
        let (inputs, outputs) =
            (self.x.len() / self.count.max(1), self.y.len() / self.count.max(1));
        let mut groups: BTreeMap<&[i8], Vec<&[f32]>> = BTreeMap::new();
        let samples = self.x.chunks_exact(inputs.max(1)).zip(self.y.chunks_exact(outputs.max(1)));
        for (x, y) in samples {
            groups.entry(x).or_default().push(y);
        }
        let mut errors = Vec::with_capacity(self.y.len());
        for group in groups.values() {
            for output in 0..outputs {
                let values: Vec<f32> =
                    group.iter().filter_map(|y| y.get(output).copied()).collect();
                let low = values.iter().copied().fold(f32::INFINITY, f32::min);
                let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                // The largest error is least in the middle.
                let best = real(scale, scale.quantise(f32::midpoint(low, high)));
                errors.extend(values.iter().map(|value| f64::from(best - value).abs()));
            }
        }
        Errors::of(errors.into_iter())
    }
}

/// The real number that an output stands for.
pub(super) fn real(scale: Int8Scale, q: i8) -> f32 {
    scale.scale * (i32::from(q) - i32::from(scale.zero)) as f32
}

/// Samples for the reward, and others for the final figures.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) reward: Part,
    pub(super) test: Part,
    /// Half the range of the function's values on the reward samples; 1 where there is none.
    pub(super) half: f64,
}

impl Samples {
    /// Samples of `function` for the network `chain`.
    pub(super) fn new(function: &Function, chain: &TfChain) -> Result<Self, RunError> {
        let (inputs, outputs) = (chain.inputs(), chain.outputs());
        let (scale, _) = chain.ends();
        let (reward, test) = match function {
            Function::Sine { low, high } => {
                if (inputs, outputs) != (1, 1) {
                    return Err(RunError::Failed(format!(
                        "--function sine: expected a network of one input and one output, this one has {inputs} and \
                         {outputs}: give samples as a CSV file"
                    )));
                }
                let grid = |points: usize| {
                    let step = (high - low) / (points - 1) as f32;
                    let x: Vec<f32> = (0..points).map(|point| low + step * point as f32).collect();
                    let y = x.iter().map(|&x| num::sin(x)).collect();
                    Pairs { x, y }
                };
                (grid(REWARD_POINTS), grid(TEST_POINTS))
            }
            Function::File(path) => {
                let pairs = load_pairs(path, inputs, outputs)
                    .map_err(|error| RunError::Failed(error.to_string()))?;
                deal(&pairs, inputs, outputs)
            }
        };
        let count = |pairs: &Pairs| pairs.y.len() / outputs.max(1);
        let counts = (count(&reward), count(&test));
        if counts.0 < 2 || counts.1 < 1 {
            return Err(RunError::Failed(format!(
                "{}: expected at least 3 samples, every second one is kept for the final figures",
                function.name()
            )));
        }
        let low = reward.y.iter().copied().fold(f32::INFINITY, f32::min);
        let high = reward.y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let half = (f64::from(high) - f64::from(low)) / 2.0;
        Ok(Self {
            reward: Part::new(reward, counts.0, scale),
            test: Part::new(test, counts.1, scale),
            half: if half > 0.0 { half } else { 1.0 },
        })
    }
}

/// Every second sample for the reward, the others for the final figures.
fn deal(pairs: &Pairs, inputs: usize, outputs: usize) -> (Pairs, Pairs) {
    let part = |first: usize| {
        let every = |values: &[f32], width: usize| -> Vec<f32> {
            values.chunks_exact(width.max(1)).skip(first).step_by(2).flatten().copied().collect()
        };
        Pairs { x: every(&pairs.x, inputs), y: every(&pairs.y, outputs) }
    };
    (part(0), part(1))
}
