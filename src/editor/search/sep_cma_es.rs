//! Covariance matrix adaptation with a diagonal matrix: memory and time linear in n.

use crate::error::TooSmall;
use crate::num;
use crate::rng::Rng;
use crate::slab::{Arena, Need};
use core::cmp::Ordering;
use heapless::Vec;

/// Largest population: that of 10⁸ dimensions.
pub const MAX_POPULATION: usize = 64;

/// Separable CMA-ES (Ros and Hansen 2008, "A simple modification in CMA-ES achieving linear time and
/// space complexity") as pycma 4.5 runs it with `CMA_diagonal`: the rates of Hansen 2016 (arXiv
/// 1604.00772, table 1) with those of the covariance raised for a diagonal, and an update of the
/// standard deviations in the exponent, `d ← d·exp(½ ln 2 · Σ ωₖ (vₖ² − 1))` over the evolution path and
/// the selected samples. Positive weights only (pycma's `CMA_active: False`).
///
/// Points are not bounded. A caller whose space is a box squashes or clips them and tells the value of
/// the point that it carried out.
#[derive(Debug)]
pub struct SepCmaEs<'a> {
    mean: &'a mut [f32],
    /// Standard deviation of each coordinate, without σ.
    deviations: &'a mut [f32],
    step_path: &'a mut [f32],
    deviation_path: &'a mut [f32],
    /// Standard normals of the population, candidate by candidate.
    normals: &'a mut [f32],
    point: &'a mut [f32],
    sigma: f64,
    generation: i32,
    rates: Rates,
}

/// Everything that follows from n.
#[derive(Clone, Copy, Debug)]
struct Rates {
    population: usize,
    parents: usize,
    /// Σ of the raw weights, by which they are divided.
    weight_sum: f64,
    /// μ_eff.
    effective: f64,
    step_decay: f64,
    damping: f64,
    path_decay: f64,
    rank_one: f64,
    rank_mu: f64,
    expected_norm: f64,
}

impl Rates {
    fn new(n: usize) -> Self {
        let population = population(n);
        let parents = population / 2;
        let raw = |rank: usize| raw_weight(population, rank);
        let weight_sum: f64 = (0..parents).map(raw).sum();
        let squares: f64 = (0..parents).map(|rank| raw(rank) * raw(rank)).sum();
        let mu = weight_sum * weight_sum / squares;
        let n = n as f64;
        let root = libm::sqrt(n);
        let step_decay = (mu + 2.0) / (n + mu + 3.0);
        let excess = libm::sqrt((mu - 1.0) / (n + 1.0)) - 1.0;
        let rank_one = 1.0 / (n + 2.0 * root + mu / n);
        let rank_mu = (0.25 + mu + 1.0 / mu - 2.0) / (n + 4.0 * root + mu / 2.0);
        Self {
            population,
            parents,
            weight_sum,
            effective: mu,
            step_decay,
            damping: 1.0 + 2.0 * if excess > 0.0 { excess } else { 0.0 } + step_decay,
            path_decay: (1.0 + 1.0 / n + mu / n) / (root + 1.0 / n + 2.0 * mu / n),
            rank_one,
            rank_mu: if rank_mu < 1.0 - rank_one { rank_mu } else { 1.0 - rank_one },
            // E‖N(0, I)‖ = √2 Γ((n + 1)/2) / Γ(n/2).
            expected_norm: core::f64::consts::SQRT_2
                * libm::exp(libm::lgamma((n + 1.0) / 2.0) - libm::lgamma(n / 2.0)),
        }
    }

    fn weight(&self, rank: usize) -> f64 {
        raw_weight(self.population, rank) / self.weight_sum
    }
}

/// λ = 4 + ⌊3 ln n⌋.
const fn population(n: usize) -> usize {
    // ⌊3 ln n⌋ is the number of thresholds e^(k/3) that n has reached; as a const fn, so that `need`
    // is one. Powers of e^(1/3) in f64 are exact enough: no n lies within 1e-9 of a threshold.
    let mut threshold = 1.395_612_425_086_089_5;
    let mut count = 0;
    while threshold <= n as f64 && count < MAX_POPULATION - 4 {
        count += 1;
        threshold *= 1.395_612_425_086_089_5;
    }
    4 + count
}

fn raw_weight(population: usize, rank: usize) -> f64 {
    libm::log((population as f64 + 1.0) / 2.0) - libm::log(rank as f64 + 1.0)
}

impl<'a> SepCmaEs<'a> {
    /// Memory for a search over n numbers.
    pub const fn need(n: usize) -> Need {
        Need::f32s((5 + population(n)) * n)
    }

    /// A search that starts from N(`start`, `sigma`²).
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(arena: &mut Arena<'a>, start: &[f32], sigma: f32) -> Result<Self, TooSmall> {
        let n = start.len();
        let rates = Rates::new(n.max(1));
        let search = Self {
            mean: arena.take(n)?,
            deviations: arena.take(n)?,
            step_path: arena.take(n)?,
            deviation_path: arena.take(n)?,
            normals: arena.take(rates.population * n)?,
            point: arena.take(n)?,
            sigma: f64::from(sigma),
            generation: 0,
            rates,
        };
        search.mean.copy_from_slice(start);
        search.deviations.fill(1.0);
        Ok(search)
    }

    /// λ, candidates of a generation.
    pub fn population(&self) -> usize {
        self.rates.population
    }

    /// Draws the candidates of the next generation.
    pub fn ask(&mut self, rng: &mut Rng) {
        self.ask_with(&mut || rng.normal());
    }

    /// As [`ask`](Self::ask), with standard normals from `normal`, candidate by candidate.
    pub fn ask_with(&mut self, normal: &mut dyn FnMut() -> f32) {
        self.normals.iter_mut().for_each(|z| *z = normal());
    }

    /// Candidate `index` of this generation.
    pub fn candidate(&mut self, index: usize) -> &[f32] {
        let n = self.mean.len();
        let normals = self.normals.get(index * n..(index + 1) * n).unwrap_or_default();
        let sigma = self.sigma as f32;
        let places = self.mean.iter().zip(&*self.deviations).zip(normals);
        for (to, ((&mean, &deviation), &z)) in self.point.iter_mut().zip(places) {
            *to = mean + sigma * (deviation * z);
        }
        self.point
    }

    /// Takes the values of all candidates, in order, and moves the distribution; larger is better, NaN
    /// is worst. Does nothing when there are not as many values as candidates.
    pub fn tell(&mut self, values: &[f32]) {
        let rates = self.rates;
        if values.len() != rates.population {
            return;
        }
        let n = self.mean.len();
        let ranking = ranking(values);
        self.generation += 1;
        let (cs, cc) = (rates.step_decay, rates.path_decay);
        let gain = |decay: f64| libm::sqrt(decay * (2.0 - decay) * rates.effective);
        let normal = |normals: &[f32], rank: usize, coordinate: usize| -> f64 {
            let candidate = ranking.get(rank).copied().unwrap_or(0);
            f64::from(normals.get(candidate * n + coordinate).copied().unwrap_or(0.0))
        };
        // The mean of the selected samples, in standard normal coordinates; then the step path.
        let mut norm = 0.0f64;
        for coordinate in 0..n {
            let shift: f64 = (0..rates.parents)
                .map(|rank| rates.weight(rank) * normal(self.normals, rank, coordinate))
                .sum();
            if let (Some(mean), Some(deviation), Some(path), Some(kept)) = (
                self.mean.get_mut(coordinate),
                self.deviations.get(coordinate),
                self.step_path.get_mut(coordinate),
                self.point.get_mut(coordinate),
            ) {
                *mean = (f64::from(*mean) + self.sigma * (f64::from(*deviation) * shift)) as f32;
                *path = ((1.0 - cs) * f64::from(*path) + gain(cs) * shift) as f32;
                *kept = shift as f32;
                norm += f64::from(*path) * f64::from(*path);
            }
        }
        let dimensions = n.max(1) as f64;
        let bias = 1.0 - libm::pow(1.0 - cs, 2.0 * f64::from(self.generation));
        let moving = norm / bias / dimensions - 1.0 < 1.0 + 4.0 / (dimensions + 1.0);
        let moving = if moving { 1.0 } else { 0.0 };
        let rank_one = rates.rank_one * (1.0 - (1.0 - moving) * cc * (2.0 - cc));
        for coordinate in 0..n {
            let shift = f64::from(self.point.get(coordinate).copied().unwrap_or(0.0));
            let Some(path) = self.deviation_path.get_mut(coordinate) else { break };
            *path = ((1.0 - cc) * f64::from(*path) + moving * gain(cc) * shift) as f32;
            let mut exponent = rank_one * (f64::from(*path) * f64::from(*path) - 1.0);
            for rank in 0..rates.parents {
                let z = normal(self.normals, rank, coordinate);
                exponent += rates.rank_mu * rates.weight(rank) * (z * z - 1.0);
            }
            if let Some(deviation) = self.deviations.get_mut(coordinate) {
                let factor = libm::exp(0.5 * core::f64::consts::LN_2 * exponent);
                *deviation = (f64::from(*deviation) * factor) as f32;
            }
        }
        let change = cs / rates.damping * (libm::sqrt(norm) / rates.expected_norm - 1.0);
        self.sigma *= libm::exp(if change < 1.0 { change } else { 1.0 });
    }

    /// The mean of the distribution.
    pub fn mean(&self) -> &[f32] {
        self.mean
    }

    /// σ.
    pub fn sigma(&self) -> f32 {
        self.sigma as f32
    }

    /// Standard deviations of the coordinates, without σ.
    pub fn deviations(&self) -> &[f32] {
        self.deviations
    }

    /// False once a number of the distribution is no longer finite.
    pub fn is_finite(&self) -> bool {
        self.sigma.is_finite() && num::all_finite(self.mean) && num::all_finite(self.deviations)
    }
}

/// Indices of the values from best to worst; equals keep their order.
fn ranking(values: &[f32]) -> Vec<usize, MAX_POPULATION> {
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
