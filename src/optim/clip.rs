//! The clip of the global norm.

use crate::num;

/// Scales all gradients by `limit / (norm + 1e-6)` where that is below 1 (as PyTorch's
/// `clip_grad_norm_`), and returns the Euclidean norm before, its sum taken in rising order in f64.
///
/// A norm that is infinite or NaN leaves the gradients as they are: the caller sees it in the result.
pub fn clip_global_norm(gradients: &mut [f32], limit: f32) -> f32 {
    let norm = num::norm(gradients);
    let scale = limit / (norm + 1e-6);
    if norm.is_finite() && scale < 1.0 {
        for gradient in gradients {
            *gradient *= scale;
        }
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::clip_global_norm;

    #[test]
    fn long_gradients_are_shortened_and_short_ones_kept() {
        let mut gradients = [3.0, -4.0, 0.0];
        assert_eq!(clip_global_norm(&mut gradients, 10.0), 5.0);
        assert_eq!(gradients, [3.0, -4.0, 0.0]);
        assert_eq!(clip_global_norm(&mut gradients, 0.5), 5.0);
        assert!((crate::num::norm(&gradients) - 0.5).abs() < 1e-6);
        assert!((gradients[0] / gradients[1] + 0.75).abs() < 1e-6);
    }

    #[test]
    fn a_norm_that_is_no_number_changes_nothing_and_is_seen() {
        let mut gradients = [1.0, f32::INFINITY];
        assert_eq!(clip_global_norm(&mut gradients, 0.5), f32::INFINITY);
        assert_eq!(gradients, [1.0, f32::INFINITY]);
        assert!(clip_global_norm(&mut [f32::NAN, 2.0], 0.5).is_nan());
        // Each is finite, their norm is not.
        let mut large = [f32::MAX; 2];
        assert!(!clip_global_norm(&mut large, 0.5).is_finite());
        assert_eq!(large, [f32::MAX; 2]);
    }
}
