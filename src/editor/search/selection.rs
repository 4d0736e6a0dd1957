//! What both forms of CMA-ES share: population, weights, and the length of the step path.

use core::cmp::Ordering;
use heapless::Vec;

/// Largest population, reached at e²⁰ (4.9·10⁸) dimensions.
pub const MAX_POPULATION: usize = 64;

/// What follows from n alone in Hansen 2016 (arXiv 1604.00772, table 1), with the decay of the step path as
/// pycma has it (+3 in the denominator, at most ½).
#[derive(Clone, Copy, Debug)]
pub(super) struct Selection {
    pub(super) population: usize,
    pub(super) parents: usize,
    /// Of the parents, from best to worst; they sum to 1.
    pub(super) weights: [f64; MAX_POPULATION / 2],
    /// μ_eff.
    pub(super) effective: f64,
    pub(super) step_decay: f64,
    pub(super) damping: f64,
    pub(super) expected_norm: f64,
}

impl Selection {
    /// For n ≥ 1 dimensions.
    pub(super) fn new(n: usize) -> Self {
        let population = population(n);
        let parents = population / 2;
        let raw = |rank: usize| raw_weight(population, rank);
        let weight_sum: f64 = (0..parents).map(raw).sum();
        let squares: f64 = (0..parents).map(|rank| raw(rank) * raw(rank)).sum();
        let mu = weight_sum * weight_sum / squares;
        let mut weights = [0.0; MAX_POPULATION / 2];
        for (rank, weight) in weights.iter_mut().take(parents).enumerate() {
            *weight = raw(rank) / weight_sum;
        }
        let n = n as f64;
        let step_decay = (mu + 2.0) / (n + mu + 3.0);
        // Above ½ for n ≤ 3 alone.
        let step_decay = if step_decay < 0.5 { step_decay } else { 0.5 };
        let excess = libm::sqrt((mu - 1.0) / (n + 1.0)) - 1.0;
        Self {
            population,
            parents,
            weights,
            effective: mu,
            step_decay,
            damping: 1.0 + 2.0 * if excess > 0.0 { excess } else { 0.0 } + step_decay,
            // E‖N(0, I)‖ = √2 Γ((n + 1)/2) / Γ(n/2).
            expected_norm: core::f64::consts::SQRT_2
                * libm::exp(libm::lgamma((n + 1.0) / 2.0) - libm::lgamma(n / 2.0)),
        }
    }

    /// √(c(2 − c)·μ_eff), what a new step counts in a path that decays by c.
    pub(super) fn gain(&self, decay: f64) -> f64 {
        libm::sqrt(decay * (2.0 - decay) * self.effective)
    }

    /// h_σ: whether the step path of squared length `norm` after `generation` generations is short enough
    /// for the other path to move.
    pub(super) fn moving(&self, norm: f64, generation: i32, n: usize) -> bool {
        let dimensions = n.max(1) as f64;
        let bias = 1.0 - libm::pow(1.0 - self.step_decay, 2.0 * f64::from(generation));
        norm / bias / dimensions - 1.0 < 1.0 + 4.0 / (dimensions + 1.0)
    }

    /// The factor by which σ changes when the step path has squared length `norm`; e at most.
    pub(super) fn step_change(&self, norm: f64) -> f64 {
        let relative = libm::sqrt(norm) / self.expected_norm - 1.0;
        let change = self.step_decay / self.damping * relative;
        libm::exp(if change < 1.0 { change } else { 1.0 })
    }
}

/// λ = 4 + ⌊3 ln n⌋.
pub(super) const fn population(n: usize) -> usize {
    // ⌊3 ln n⌋ is the number of thresholds e^(k/3) that n has reached; as a const fn, so that `need`
    // is one. Powers of e^(1/3) in f64 are exact enough: no whole number lies nearer to one of the first
    // 60 thresholds than 1.8e-10 of it.
    let mut threshold = 1.395_612_425_086_089_5;
    let mut count = 0;
    while threshold <= n as f64 && count < MAX_POPULATION - 4 {
        count += 1;
        threshold *= 1.395_612_425_086_089_5;
    }
    4 + count
}

/// ln((λ + 1)/2) − ln(rank + 1), ranks from 0; negative for the worse half.
pub(super) fn raw_weight(population: usize, rank: usize) -> f64 {
    libm::log((population as f64 + 1.0) / 2.0) - libm::log(rank as f64 + 1.0)
}

/// Indices of the values from best to worst; equals keep their order, NaN is worst.
pub(super) fn ranking(values: &[f32]) -> Vec<usize, MAX_POPULATION> {
    let mut order: Vec<usize, MAX_POPULATION> = Vec::new();
    let value = |index: usize| {
        let value = values.get(index).copied().unwrap_or(f32::NAN);
        if value.is_nan() { f32::NEG_INFINITY } else { value }
    };
    for index in 0..values.len() {
        let behind = |&held: &usize| value(held).partial_cmp(&value(index)) == Some(Ordering::Less);
        let place = order.iter().position(behind).unwrap_or(order.len());
        let _ = order.insert(place, index);
    }
    order
}
