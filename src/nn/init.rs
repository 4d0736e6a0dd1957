//! Initial weights.

use super::{Layer, Stack};
use crate::error::ShapeError;
use crate::num;
use crate::rng::Rng;

/// A rule for initial weights. Numbers are drawn layer by layer, weights in stored order before
/// biases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Weights uniform in ±√(6 / fan-in), biases 0: keeps the variance through ReLU layers (He et
    /// al. 2015, "Delving deep into rectifiers", section 2.2, in its uniform form).
    HeUniform,
    /// Weights and biases uniform in ±1/√fan-in: PyTorch's default for `Linear` and `Conv2d`.
    FanIn,
    /// Rows or columns, whichever are fewer, orthogonal and of length `gain`; biases 0 (Saxe,
    /// McClelland and Ganguli 2014; PyTorch's `orthogonal_`).
    Orthogonal {
        /// Gain of all layers but the last with weights. √2 is usual before ReLU and tanh.
        hidden: f32,
        /// Gain of the last layer with weights.
        last: f32,
    },
}

impl Stack {
    /// Fills `params` by a rule.
    ///
    /// # Errors
    /// [`ShapeError`] when `params` does not hold [`parameters`](Self::parameters) values.
    pub fn initialise(
        &self,
        init: Init,
        params: &mut [f32],
        rng: &mut Rng,
    ) -> Result<(), ShapeError> {
        ShapeError::check("parameters", self.parameters(), params.len())?;
        let last = self.layers().iter().rposition(|layer| layer.kind.fan_in() > 0);
        for (index, layer) in self.layers().iter().enumerate() {
            let (whole, weights) = (layer.range(), layer.kind.weights());
            let Some(own) = params.get_mut(whole) else { continue };
            let Some((weights, biases)) = own.split_at_mut_checked(weights) else { continue };
            let fan_in = layer.kind.fan_in() as f32;
            match init {
                Init::HeUniform => {
                    uniform(weights, num::sqrt(6.0 / fan_in), rng);
                    biases.fill(0.0);
                }
                Init::FanIn => {
                    uniform(weights, 1.0 / num::sqrt(fan_in), rng);
                    uniform(biases, 1.0 / num::sqrt(fan_in), rng);
                }
                Init::Orthogonal { hidden, last: of_last } => {
                    let gain = if Some(index) == last { of_last } else { hidden };
                    orthogonal(layer, weights, gain, rng);
                    biases.fill(0.0);
                }
            }
        }
        Ok(())
    }
}

fn uniform(values: &mut [f32], bound: f32, rng: &mut Rng) {
    for value in values {
        *value = rng.uniform(-bound, bound);
    }
}

/// The k-th of the vectors that are made orthogonal: `len` values, `step` apart, from `first`.
#[derive(Clone, Copy)]
struct Line {
    first: usize,
    step: usize,
    len: usize,
}

impl Line {
    fn places(self) -> impl Iterator<Item = usize> {
        (0..self.len).map(move |index| self.first + index * self.step)
    }

    fn dot(self, other: Self, values: &[f32]) -> f64 {
        let mut total = 0.0f64;
        for (a, b) in self.places().zip(other.places()) {
            if let (Some(&a), Some(&b)) = (values.get(a), values.get(b)) {
                total += f64::from(a) * f64::from(b);
            }
        }
        total
    }

    fn draw(self, values: &mut [f32], rng: &mut Rng) {
        for place in self.places() {
            if let Some(value) = values.get_mut(place) {
                *value = rng.normal();
            }
        }
    }

    fn subtract(self, scale: f64, other: Self, values: &mut [f32]) {
        for (own, from) in self.places().zip(other.places()) {
            let part = values.get(from).map_or(0.0, |&value| scale * f64::from(value));
            if let Some(value) = values.get_mut(own) {
                *value = (f64::from(*value) - part) as f32;
            }
        }
    }

    fn scale(self, factor: f64, values: &mut [f32]) {
        for place in self.places() {
            if let Some(value) = values.get_mut(place) {
                *value = (f64::from(*value) * factor) as f32;
            }
        }
    }
}

/// Gaussian numbers, made orthogonal in place by the Gram–Schmidt process over the shorter
/// dimension. That is the QR decomposition with a positive diagonal of R, so the result is
/// uniformly distributed among orthogonal matrices, as PyTorch's is after its sign correction.
///
/// Every vector is projected twice ("twice is enough": Giraud, Langou and Rozložník 2005), sums are
/// kept in f64 in rising order.
fn orthogonal(layer: &Layer, weights: &mut [f32], gain: f32, rng: &mut Rng) {
    let inputs = layer.kind.fan_in();
    let outputs = weights.len().checked_div(inputs).unwrap_or(0);
    let (count, len) = (inputs.min(outputs), inputs.max(outputs));
    let line = |k: usize| match outputs <= inputs {
        true => Line { first: k, step: outputs, len },
        false => Line { first: k * outputs, step: 1, len },
    };
    for weight in weights.iter_mut() {
        *weight = rng.normal();
    }
    for k in 0..count {
        // A draw that lies within the span of those before it is drawn again; it never has been.
        for _ in 0..8 {
            let before = line(k).dot(line(k), weights);
            for _ in 0..2 {
                for earlier in 0..k {
                    let along = line(k).dot(line(earlier), weights);
                    line(k).subtract(along, line(earlier), weights);
                }
            }
            let after = line(k).dot(line(k), weights);
            if after > before * 1e-10 {
                line(k).scale(1.0 / libm::sqrt(after), weights);
                break;
            }
            line(k).draw(weights, rng);
        }
    }
    for weight in weights.iter_mut() {
        *weight *= gain;
    }
}
