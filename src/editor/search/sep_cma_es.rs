//! Covariance matrix adaptation with a diagonal matrix: memory and time linear in n.

use super::bounded;
use super::selection::{Selection, population, ranking};
use crate::error::TooSmall;
use crate::num;
use crate::rng::Rng;
use crate::slab::{Arena, Need};

/// Separable CMA-ES (Ros and Hansen 2008, "A simple modification in CMA-ES achieving linear time and
/// space complexity") as pycma 4.5 runs it with `CMA_diagonal`: the rates of Hansen 2016 (arXiv
/// 1604.00772, table 1) with those of the covariance raised for a diagonal, and an update of the
/// standard deviations in the exponent, `d ← d·exp(½ ln 2 · Σ ωₖ (vₖ² − 1))` over the evolution path and
/// the selected samples. Positive weights only (pycma's `CMA_active: False`). The step size follows the
/// length of its path at every n; pycma does so below 300 and beyond that when it is told to
/// (`AdaptSigma: CMAAdaptSigmaCSA`).
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
    selection: Selection,
    rates: Rates,
}

/// Rates of the covariance, which follow from n.
#[derive(Clone, Copy, Debug)]
struct Rates {
    path_decay: f64,
    rank_one: f64,
    rank_mu: f64,
}

impl Rates {
    fn new(n: usize, selection: &Selection) -> Self {
        let (n, mu) = (n as f64, selection.effective);
        let root = libm::sqrt(n);
        let rank_one = 1.0 / (n + 2.0 * root + mu / n);
        let rank_mu = (0.25 + mu + 1.0 / mu - 2.0) / (n + 4.0 * root + mu / 2.0);
        Self {
            path_decay: (1.0 + 1.0 / n + mu / n) / (root + 1.0 / n + 2.0 * mu / n),
            rank_one,
            rank_mu: if rank_mu < 1.0 - rank_one { rank_mu } else { 1.0 - rank_one },
        }
    }
}

impl<'a> SepCmaEs<'a> {
    /// Memory for a search over n numbers.
    pub const fn need(n: usize) -> Need {
        bounded(n.saturating_mul(5 + population(n)))
    }

    /// A search that starts from N(`start`, `sigma`²).
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(arena: &mut Arena<'a>, start: &[f32], sigma: f32) -> Result<Self, TooSmall> {
        let n = start.len();
        let selection = Selection::new(n.max(1));
        let search = Self {
            mean: arena.take(n)?,
            deviations: arena.take(n)?,
            step_path: arena.take(n)?,
            deviation_path: arena.take(n)?,
            normals: arena.take(selection.population * n)?,
            point: arena.take(n)?,
            sigma: f64::from(sigma),
            generation: 0,
            selection,
            rates: Rates::new(n.max(1), &selection),
        };
        search.mean.copy_from_slice(start);
        search.deviations.fill(1.0);
        Ok(search)
    }

    /// λ, candidates of a generation.
    pub fn population(&self) -> usize {
        self.selection.population
    }

    /// Draws the candidates of the next generation.
    pub fn ask(&mut self, rng: &mut Rng) {
        self.ask_with(&mut || rng.normal());
    }

    /// As [`ask`](Self::ask), with standard normals from `normal`, candidate by candidate.
    pub fn ask_with(&mut self, normal: &mut dyn FnMut() -> f32) {
        self.normals.iter_mut().for_each(|z| *z = normal());
    }

    /// Candidate `index` of this generation, from 0 to λ − 1; empty when there is no such candidate.
    pub fn candidate(&mut self, index: usize) -> &[f32] {
        if index >= self.selection.population {
            return &[];
        }
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
        let (rates, selection) = (self.rates, self.selection);
        if values.len() != selection.population {
            return;
        }
        let n = self.mean.len();
        let weights = selection.weights.get(..selection.parents).unwrap_or_default();
        let ranking = ranking(values);
        self.generation += 1;
        let (cs, cc) = (selection.step_decay, rates.path_decay);
        let normal = |normals: &[f32], rank: usize, coordinate: usize| -> f64 {
            let candidate = ranking.get(rank).copied().unwrap_or(0);
            f64::from(normals.get(candidate * n + coordinate).copied().unwrap_or(0.0))
        };
        // The mean of the selected samples, in standard normal coordinates; then the step path.
        let mut norm = 0.0f64;
        for coordinate in 0..n {
            let shift: f64 = (weights.iter().enumerate())
                .map(|(rank, weight)| weight * normal(self.normals, rank, coordinate))
                .sum();
            if let (Some(mean), Some(deviation), Some(path), Some(kept)) = (
                self.mean.get_mut(coordinate),
                self.deviations.get(coordinate),
                self.step_path.get_mut(coordinate),
                self.point.get_mut(coordinate),
            ) {
                *mean = (f64::from(*mean) + self.sigma * (f64::from(*deviation) * shift)) as f32;
                *path = ((1.0 - cs) * f64::from(*path) + selection.gain(cs) * shift) as f32;
                *kept = shift as f32;
                norm += f64::from(*path) * f64::from(*path);
            }
        }
        let moving = if selection.moving(norm, self.generation, n) { 1.0 } else { 0.0 };
        let rank_one = rates.rank_one * (1.0 - (1.0 - moving) * cc * (2.0 - cc));
        for coordinate in 0..n {
            let shift = f64::from(self.point.get(coordinate).copied().unwrap_or(0.0));
            let Some(path) = self.deviation_path.get_mut(coordinate) else { break };
            *path = ((1.0 - cc) * f64::from(*path) + moving * selection.gain(cc) * shift) as f32;
            let mut exponent = rank_one * (f64::from(*path) * f64::from(*path) - 1.0);
            for (rank, weight) in weights.iter().enumerate() {
                let z = normal(self.normals, rank, coordinate);
                exponent += rates.rank_mu * weight * (z * z - 1.0);
            }
            if let Some(deviation) = self.deviations.get_mut(coordinate) {
                let factor = libm::exp(0.5 * core::f64::consts::LN_2 * exponent);
                *deviation = (f64::from(*deviation) * factor) as f32;
            }
        }
        self.sigma *= selection.step_change(norm);
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
