//! The clip of the global norm.

use crate::num;

/// Scales all gradients by `limit / (norm + 1e-6)` where that is below 1 (as PyTorch's
/// `clip_grad_norm_`), and returns the Euclidean norm before, its sum taken in rising order in f64.
pub fn clip_global_norm(gradients: &mut [f32], limit: f32) -> f32 {
    let norm = num::norm(gradients);
    let scale = limit / (norm + 1e-6);
    if scale < 1.0 {
        for gradient in gradients {
            *gradient *= scale;
        }
    }
    norm
}
