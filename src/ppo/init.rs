//! What a first layer makes of an observation that never changes.

use super::config::{Config, Initial};
use crate::num;
use crate::rng::Rng;

/// How the learned shifts of a fixed first layer act, see [`FlatPolicy`](super::FlatPolicy).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fixed {
    /// ‖x‖₁ + 1: how far a shift moves what the layer gives.
    pub(super) scale: f32,
    /// ‖x‖₂² + 1: how often a shift's gradient counts in the squared norm of all gradients.
    pub(super) norm_weight: f64,
}

/// Draws what the layer's initial weights make of `x`, without forming them.
///
/// For orthogonal weights x·W is √2·‖x‖ times the first coordinates of a uniformly distributed unit
/// vector.
pub(super) fn fixed(config: &Config, x: &[f32], rng: &mut Rng, z: &mut [f32]) -> Fixed {
    let (mut sum, mut square) = (0.0f64, 0.0f64);
    for &value in x {
        sum += f64::from(num::abs(value));
        square += f64::from(value) * f64::from(value);
    }
    match config.init {
        Initial::Orthogonal => {
            let mut length = 0.0f64;
            for index in 0..x.len().max(z.len()) {
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
    Fixed { scale: (sum + 1.0) as f32, norm_weight: square + 1.0 }
}
