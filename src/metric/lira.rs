//! U-LiRA: the likelihood-ratio attack on unlearning, example by example.
//!
//! Hayes et al., "Inexact unlearning needs more careful evaluations to avoid a false sense of privacy"
//! (2403.01218), after Carlini et al., "Membership inference attacks from first principles" (2112.03570).
//! A confidence is φ = ln(p/(1 − p)) of an example's own label. How φ is distributed over networks that
//! were trained with the example and then unlearned it, and over networks that never saw it, is learned
//! from networks of both kinds; a fresh network is judged by the larger likelihood.

use super::{MetricError, carve};
use crate::error::ShapeError;

/// Smallest deviation of a Gaussian: networks that agree to the last bit are no certainty.
const LEAST_DEVIATION: f64 = 0.01;

/// Confidences beyond this (either side of 0) count as this.
const MOST: f64 = 50.0;

/// Share of false positives at which true positives are counted.
const FALSE_POSITIVES: f64 = 0.01;

/// How well the attack tells unlearned examples from examples never seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lira {
    /// Share of right guesses by the larger likelihood, in [0, 1]; ½ is chance.
    pub accuracy: f64,
    /// True-positive rate where at most 1 % of the examples never seen are called unlearned; .01 is chance.
    pub tpr: f64,
}

/// φ = z − ln Σ exp(others) of the logit z of the label, which is ln(p/(1 − p)); in [−50, 50]. `logits` are
/// those of one sample; `None` without that label or for a NaN.
pub fn confidence(logits: impl Iterator<Item = f32> + Clone, label: usize) -> Option<f64> {
    let own = f64::from(logits.clone().nth(label)?);
    let others = || logits.clone().enumerate().filter(|(class, _)| *class != label);
    let most = others().map(|(_, z)| f64::from(z)).fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return (!own.is_nan()).then_some(MOST);
    }
    let sum: f64 = others().fold(0.0, |sum, (_, z)| sum + libm::exp(f64::from(z) - most));
    let phi = own - most - libm::log(sum);
    (!phi.is_nan()).then(|| phi.clamp(-MOST, MOST))
}

/// Attacks one unlearned and one retrained network.
///
/// `shadows` are confidences `[example][network]` of networks that unlearned the examples, and of networks
/// that never saw them; `fresh` those of the two networks, one per example. `scratch` holds at least twice
/// as many values as there are examples, and is overwritten.
///
/// # Errors
/// `Empty` without examples, or below two networks of a kind; `Shape`, `Nan`, `Scratch`.
pub fn lira(
    shadows: [&[f32]; 2],
    fresh: [&[f32]; 2],
    scratch: &mut [f64],
) -> Result<Lira, MetricError> {
    let [unlearned, unseen] = fresh;
    let examples = unlearned.len();
    ShapeError::check("fresh confidences of unseen", examples, unseen.len())?;
    MetricError::check_nan("fresh confidences of unlearned", unlearned)?;
    MetricError::check_nan("fresh confidences of unseen", unseen)?;
    for confidences in shadows {
        let networks = confidences.len().checked_div(examples).unwrap_or(0);
        if networks < 2 {
            return Err(MetricError::Empty);
        }
        ShapeError::check("shadow confidences", networks * examples, confidences.len())?;
        MetricError::check_nan("shadow confidences", confidences)?;
    }
    let networks = shadows.map(|confidences| confidences.len() / examples);
    let rows = shadows[0].chunks(networks[0]).zip(shadows[1].chunks(networks[1]));
    let (of_unlearned, rest) = carve(scratch, examples.saturating_mul(2))?.split_at_mut(examples);
    let (mut caught, mut passed) = (0u64, 0u64);
    for (index, (with, without)) in rows.enumerate() {
        let (with, without) = (Gaussian::of(with), Gaussian::of(without));
        let score = |values: &[f32]| {
            let phi = values.get(index).map_or(0.0, |&phi| f64::from(phi));
            with.log_density(phi) - without.log_density(phi)
        };
        let (ours, theirs) = (score(unlearned), score(unseen));
        caught += u64::from(ours > 0.0);
        passed += u64::from(theirs <= 0.0);
        if let (Some(to), Some(other)) = (of_unlearned.get_mut(index), rest.get_mut(index)) {
            (*to, *other) = (ours, theirs);
        }
    }
    rest.sort_unstable_by(|a, b| b.total_cmp(a));
    // Guesses above the first score that may not pass.
    let limit = rest.get((FALSE_POSITIVES * examples as f64) as usize).copied();
    let limit = limit.unwrap_or(f64::INFINITY);
    let above = of_unlearned.iter().filter(|&&score| score > limit).count();
    Ok(Lira {
        accuracy: (caught + passed) as f64 / (2 * examples) as f64,
        tpr: above as f64 / examples as f64,
    })
}

/// A normal distribution.
struct Gaussian {
    mean: f64,
    deviation: f64,
}

impl Gaussian {
    /// By maximum likelihood.
    fn of(values: &[f32]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().fold(0.0, |sum, &x| sum + f64::from(x)) / count;
        let square = |x: f32| (f64::from(x) - mean) * (f64::from(x) - mean);
        let variance = values.iter().fold(0.0, |sum, &x| sum + square(x)) / count;
        Self { mean, deviation: f64::max(libm::sqrt(variance), LEAST_DEVIATION) }
    }

    /// Up to a constant.
    fn log_density(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.deviation;
        -0.5 * z * z - libm::log(self.deviation)
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::error::TooSmall;
    use serde::Deserialize;

    /// Values of tests/oracle/attacks.py (scipy, scikit-learn).
    #[derive(Deserialize)]
    struct Oracle {
        lira: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        classes: usize,
        logits: Vec<f32>,
        labels: Vec<usize>,
        confidences: Vec<f64>,
        with: Vec<f32>,
        without: Vec<f32>,
        unlearned: Vec<f32>,
        unseen: Vec<f32>,
        accuracy: f64,
        tpr: f64,
    }

    #[test]
    fn the_attack_agrees_with_scipy() {
        let text = include_str!("../../tests/oracle/attacks.json");
        let oracle: Oracle = serde_json::from_str(text).unwrap();
        assert!(oracle.lira.len() >= 4);
        for case in oracle.lira {
            let rows = case.logits.chunks(case.classes).zip(&case.labels);
            for ((logits, &label), expected) in rows.zip(&case.confidences) {
                let ours = confidence(logits.iter().copied(), label).unwrap();
                assert!((ours - expected).abs() < 1e-9, "{ours} {expected}");
            }
            let mut scratch = vec![0.0; 2 * case.unseen.len()];
            let shadows = [&*case.with, &*case.without];
            let ours = lira(shadows, [&case.unlearned, &case.unseen], &mut scratch).unwrap();
            assert!((ours.accuracy - case.accuracy).abs() < 1e-12, "{ours:?} {}", case.accuracy);
            assert!((ours.tpr - case.tpr).abs() < 1e-12, "{ours:?} {}", case.tpr);
        }
    }

    #[test]
    fn certainty_chance_and_refusals() {
        let (high, low) = ([4.0f32, 4.1, 5.0, 5.1], [-1.0f32, -1.1, 0.0, 0.1]);
        let mut scratch = [0.0; 4];
        let ours = lira([&high, &low], [&[4.05, 5.05], &[-1.05, 0.05]], &mut scratch).unwrap();
        assert_eq!(ours, Lira { accuracy: 1.0, tpr: 1.0 });
        let same = lira([&high, &high], [&[4.05, 5.05], &[4.05, 5.05]], &mut scratch).unwrap();
        assert_eq!(same, Lira { accuracy: 0.5, tpr: 0.0 });
        let one = [4.0f32, 5.0];
        let refused = lira([&one, &low], [&[4.0, 5.0], &[4.0, 5.0]], &mut scratch);
        assert_eq!(refused, Err(MetricError::Empty), "one network of a kind");
        let short = lira([&high, &low], [&[4.0, 5.0], &[4.0, 5.0]], &mut [0.0; 3]);
        assert_eq!(short, Err(MetricError::Scratch(TooSmall { need: 4, have: 3 })));
        assert!(lira([&high, &low], [&[4.0, 5.0], &[4.0]], &mut scratch).is_err());
        assert!(lira([&high, &low], [&[4.0, f32::NAN], &[4.0, 5.0]], &mut scratch).is_err());
        assert_eq!(lira([&[], &[]], [&[], &[]], &mut scratch), Err(MetricError::Empty));
        let masked = [f32::NEG_INFINITY, 1.0, 2.0];
        assert_eq!(confidence(masked.iter().copied(), 0), Some(-50.0));
        assert_eq!(confidence(masked.iter().copied(), 3), None);
        assert_eq!(confidence([f32::NAN, 1.0].into_iter(), 0), None);
        assert_eq!(confidence([0.5f32].into_iter(), 0), Some(50.0), "no other class");
    }
}
