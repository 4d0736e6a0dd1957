//! Figures on slices: accuracy, AUC, bias between groups, divergence, tug-of-war, attacks, and statistics
//! over runs.
//!
//! What belongs here: pure functions from numbers to numbers, without a heap, that say what happens
//! for empty input and for NaN. What does not: anything that runs a network (`task`), or that knows
//! what a run is (`run`, `report`).

pub mod attack;
pub mod auc;
pub mod bias;
pub mod lira;
pub mod statistics;

use crate::error::{ShapeError, TooSmall};
use core::fmt;

/// Why a figure could not be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricError {
    /// Two arguments do not fit each other.
    Shape(ShapeError),
    /// There are no samples, so the figure has no value (it is not 0).
    Empty,
    /// A score or a threshold is NaN, which is neither above nor below any other.
    Nan {
        /// Which argument: "scores", "threshold", …
        what: &'static str,
        /// Its index; 0 for a single number.
        index: usize,
    },
    /// The caller's scratch holds fewer values than are needed.
    Scratch(TooSmall),
    /// More groups than a membership word has bits.
    TooManyGroups {
        /// The number that was given.
        groups: usize,
    },
    /// More samples than a ranking can number.
    TooManySamples {
        /// The number that was given.
        samples: usize,
    },
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error) => error.fmt(f),
            Self::Empty => f.write_str("no samples: the figure has no value"),
            Self::Nan { what, index } => write!(f, "{what}: NaN at index {index}"),
            Self::Scratch(TooSmall { need, have }) => {
                write!(f, "the scratch holds {have} values, {need} are needed")
            }
            Self::TooManyGroups { groups } => {
                write!(f, "{groups} groups: at most {} are possible", bias::MOST_GROUPS)
            }
            Self::TooManySamples { samples } => {
                write!(f, "{samples} samples: at most {} can be ranked", auc::MOST_SAMPLES)
            }
        }
    }
}

impl core::error::Error for MetricError {}

impl From<ShapeError> for MetricError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl From<TooSmall> for MetricError {
    fn from(error: TooSmall) -> Self {
        Self::Scratch(error)
    }
}

impl MetricError {
    /// Refuses the first NaN of `values`.
    fn check_nan(what: &'static str, values: &[f32]) -> Result<(), Self> {
        match values.iter().position(|value| value.is_nan()) {
            Some(index) => Err(Self::Nan { what, index }),
            None => Ok(()),
        }
    }
}

/// The first `need` values of `scratch`.
fn carve<T>(scratch: &mut [T], need: usize) -> Result<&mut [T], TooSmall> {
    let have = scratch.len();
    scratch.get_mut(..need).ok_or(TooSmall { need, have })
}

/// Share of samples whose predicted class is their label, in [0, 1].
///
/// Errors: `Shape` when the lengths differ, `Empty` without samples.
pub fn accuracy<T: PartialEq>(predicted: &[T], labels: &[T]) -> Result<f64, MetricError> {
    ShapeError::check("predicted", labels.len(), predicted.len())?;
    if labels.is_empty() {
        return Err(MetricError::Empty);
    }
    let right = predicted.iter().zip(labels).filter(|(guess, label)| guess == label).count();
    Ok(right as f64 / labels.len() as f64)
}

/// Jensen–Shannon divergence between two sets of predictions, in nats, the mean over samples; in
/// [0, ln 2].
///
/// `p` and `q` are softmax outputs, row-major `[samples][classes]`. Per sample it is
/// ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q)/2 and 0 · ln 0 = 0 (Lin, 1991, with equal
/// weights). Rows are taken as they are: they are not normalised here. NaN in a row gives NaN.
///
/// Errors: `Shape` when the lengths differ or `classes` does not divide them, `Empty` without
/// samples or classes.
pub fn js_divergence(p: &[f32], q: &[f32], classes: usize) -> Result<f64, MetricError> {
    ShapeError::check("q", p.len(), q.len())?;
    if p.is_empty() || classes == 0 {
        return Err(MetricError::Empty);
    }
    let samples = p.len() / classes;
    ShapeError::check("p", samples * classes, p.len())?;
    let mut total = 0.0;
    for (p, q) in p.chunks_exact(classes).zip(q.chunks_exact(classes)) {
        let mut divergence = 0.0;
        for (&p, &q) in p.iter().zip(q) {
            let (p, q) = (f64::from(p), f64::from(q));
            let middle = 0.5 * (p + q);
            divergence += relative(p, middle) + relative(q, middle);
        }
        // Rounding may leave two almost equal rows a hair below zero. NaN passes.
        total += if divergence < 0.0 { 0.0 } else { 0.5 * divergence };
    }
    Ok(total / samples as f64)
}

/// p · ln(p / m), and 0 for p = 0.
fn relative(p: f64, m: f64) -> f64 {
    if p == 0.0 { 0.0 } else { p * libm::log(p / m) }
}

/// The three accuracies that the tug-of-war score compares, each in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TowAccuracies {
    /// On the forget set's training samples.
    pub forget_train: f64,
    /// On the retain set's training samples.
    pub retain_train: f64,
    /// On the retain set's test samples.
    pub retain_test: f64,
}

/// Tug-of-war score of an edited network against one that was retrained without the forget set, in
/// [0, 1]; 1 when all three accuracies agree.
///
/// (1 − |Δforget|) · (1 − |Δretain|) · (1 − |Δtest|) (Zhao et al., "What makes unlearning hard and
/// what to do about it", 2406.01257). NaN in an accuracy gives NaN.
pub fn tug_of_war(edited: TowAccuracies, retrained: TowAccuracies) -> f64 {
    let near = |a: f64, b: f64| 1.0 - libm::fabs(a - b);
    near(edited.forget_train, retrained.forget_train)
        * near(edited.retain_train, retrained.retain_train)
        * near(edited.retain_test, retrained.retain_test)
}

/// Mean distance of an edited network to a retrained one over some figures (accuracy on forget train,
/// retain train and retain test samples, and a membership attack, say), each in [0, 1]; 0 when all
/// agree. The "average gap" of Fan et al., "SalUn" (2310.12508), as a share. NaN in a figure gives NaN;
/// figures that one side lacks are left out, and without any it is `None`.
pub fn average_gap(edited: &[f64], retrained: &[f64]) -> Option<f64> {
    let count = edited.len().min(retrained.len());
    let total: f64 = edited.iter().zip(retrained).fold(0.0, |sum, (a, b)| sum + libm::fabs(a - b));
    (count > 0).then(|| total / count as f64)
}

#[cfg(all(test, feature = "std"))]
mod attack_tests;
#[cfg(all(test, feature = "std"))]
mod tests;
