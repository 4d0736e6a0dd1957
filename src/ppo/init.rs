//! Initial parameters of a policy and its value network.

use super::config::{Config, Initial};
use super::mlp::{Fixed, Mlp};
use crate::num;
use crate::rng::Rng;

/// Fills the parameters of one network. `gain` is that of an orthogonal last layer.
pub(super) fn network(config: &Config, mlp: &Mlp, gain: f32, rng: &mut Rng, params: &mut [f32]) {
    for layer in 0..mlp.layers() {
        let (inputs, outputs) = mlp.shape(layer);
        let (weights, biases) = mlp.ranges(layer);
        if weights.is_empty() {
            continue;
        }
        let gain = if layer + 1 == mlp.layers() { gain } else { core::f32::consts::SQRT_2 };
        let bound = 1.0 / num::sqrt(inputs.max(1) as f32);
        if let Some(weights) = params.get_mut(weights) {
            match config.init {
                Initial::Orthogonal => orthogonal(weights, inputs, outputs, gain, rng),
                Initial::FanIn => fill(weights, bound, rng),
            }
        }
        if let (Initial::FanIn, Some(biases)) = (config.init, params.get_mut(biases)) {
            fill(biases, bound, rng);
        }
    }
}

fn fill(values: &mut [f32], bound: f32, rng: &mut Rng) {
    for value in values {
        *value = rng.uniform(-bound, bound);
    }
}

/// What the first layer of a fixed network computes of its only input, drawn without forming the
/// layer's weights, and the constants of its shifts.
///
/// For orthogonal weights x·W is gain·‖x‖ times the first coordinates of a uniformly distributed
/// unit vector.
pub(super) fn fixed(config: &Config, x: &[f32], rng: &mut Rng, z: &mut [f32]) -> Fixed {
    let (mut sum, mut square) = (0.0f64, 0.0f64);
    for &value in x {
        sum += f64::from(num::abs(value));
        square += f64::from(value) * f64::from(value);
    }
    match config.init {
        Initial::Orthogonal => {
            let mut length = 0.0f64;
            let units = z.len();
            for index in 0..x.len().max(units) {
                let normal = rng.normal();
                length += f64::from(normal) * f64::from(normal);
                if let Some(z) = z.get_mut(index) {
                    *z = normal;
                }
            }
            let factor = core::f64::consts::SQRT_2 * libm::sqrt(square / length);
            for z in z {
                *z = (f64::from(*z) * factor) as f32;
            }
        }
        Initial::FanIn => {
            let bound = 1.0 / num::sqrt(x.len().max(1) as f32);
            for z in z {
                let mut total = 0.0f64;
                for &value in x {
                    total += f64::from(value) * f64::from(rng.uniform(-bound, bound));
                }
                *z = (total + f64::from(rng.uniform(-bound, bound))) as f32;
            }
        }
    }
    Fixed { scale: (sum + 1.0) as f32, norm_weight: (square + 1.0) as f32 }
}

/// A Gaussian matrix (in × out) whose rows or columns, whichever are fewer, are made orthonormal by
/// Gram and Schmidt's process, each projected twice, then multiplied by `gain`.
fn orthogonal(weights: &mut [f32], inputs: usize, outputs: usize, gain: f32, rng: &mut Rng) {
    for weight in weights.iter_mut() {
        *weight = rng.normal();
    }
    // Entry i of vector k lies at k·start + i·step.
    let (count, len) = (inputs.min(outputs), inputs.max(outputs));
    let (start, step) = if outputs <= inputs { (1, outputs) } else { (outputs, 1) };
    let dot = |weights: &[f32], a: usize, b: usize| {
        let mut total = 0.0f64;
        for index in 0..len {
            let at = |vector: usize| weights.get(vector * start + index * step).copied();
            total += f64::from(at(a).unwrap_or(0.0)) * f64::from(at(b).unwrap_or(0.0));
        }
        total
    };
    for vector in 0..count {
        for earlier in (0..vector).chain(0..vector) {
            let along = dot(weights, vector, earlier);
            for index in 0..len {
                let part = weights.get(earlier * start + index * step).copied().unwrap_or(0.0);
                if let Some(weight) = weights.get_mut(vector * start + index * step) {
                    *weight = (f64::from(*weight) - along * f64::from(part)) as f32;
                }
            }
        }
        let length = libm::sqrt(dot(weights, vector, vector));
        let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
        for index in 0..len {
            if let Some(weight) = weights.get_mut(vector * start + index * step) {
                *weight = (f64::from(*weight) * factor) as f32;
            }
        }
    }
    for weight in weights.iter_mut() {
        *weight *= gain;
    }
}
