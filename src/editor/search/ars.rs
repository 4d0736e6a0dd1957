//! Augmented random search: finite differences along the best of some random directions.

use super::{MAX_POPULATION, bounded};
use crate::error::TooSmall;
use crate::num;
use crate::rng::Rng;
use crate::slab::{Arena, Need};

/// Settings of [`Ars`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArsConfig {
    /// Directions of a generation, m; from 1 to 32.
    pub directions: usize,
    /// Of which the best count, b; from 1 to m.
    pub kept: usize,
    /// Step size α.
    pub rate: f32,
    /// Standard deviation of the noise, ν, above 0.
    pub noise: f32,
}

impl Default for ArsConfig {
    /// m = 16, b = 8, α = ν = .1.
    fn default() -> Self {
        Self { directions: 16, kept: 8, rate: 0.1, noise: 0.1 }
    }
}

/// ARS V1-t (Mania et al. 2018, arXiv 1803.07055, algorithm 1; no states are normalised): of m directions δ the b with
/// the largest max(R⁺, R⁻) move the mean by `α / (b·σ_R) · Σ (R⁺ − R⁻)·δ`, σ_R the standard
/// deviation of their 2b values. Where those are all equal it stays.
#[derive(Debug)]
pub struct Ars<'a> {
    config: ArsConfig,
    mean: &'a mut [f32],
    /// δ of every direction, one after the other.
    noise: &'a mut [f32],
    point: &'a mut [f32],
}

impl<'a> Ars<'a> {
    /// Memory for a search over n numbers.
    pub const fn need(config: &ArsConfig, n: usize) -> Need {
        bounded(n.saturating_mul(2 + directions(config)))
    }

    /// A search that starts from `start`, which should not be a saddle of what is searched.
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(config: ArsConfig, start: &[f32], arena: &mut Arena<'a>) -> Result<Self, TooSmall> {
        let (n, directions) = (start.len(), directions(&config));
        let kept = config.kept.clamp(1, directions);
        let search = Self {
            config: ArsConfig { directions, kept, ..config },
            mean: arena.take(n)?,
            noise: arena.take(directions.saturating_mul(n))?,
            point: arena.take(n)?,
        };
        search.mean.copy_from_slice(start);
        Ok(search)
    }

    /// 2m, candidates of a generation.
    pub fn population(&self) -> usize {
        2 * self.config.directions
    }

    /// Draws the directions of the next generation.
    pub fn ask(&mut self, rng: &mut Rng) {
        self.ask_with(&mut || rng.normal());
    }

    /// As [`ask`](Self::ask), with standard normals from `normal`, direction by direction.
    pub fn ask_with(&mut self, normal: &mut dyn FnMut() -> f32) {
        self.noise.iter_mut().for_each(|value| *value = normal());
    }

    /// Candidate `index` of this generation: `mean + ν·δ` of direction index / 2 for an even one,
    /// `mean − ν·δ` for an odd one; empty when there is no such candidate.
    pub fn candidate(&mut self, index: usize) -> &[f32] {
        let n = self.mean.len();
        if index >= self.population() {
            return &[];
        }
        let step = if index.is_multiple_of(2) { self.config.noise } else { -self.config.noise };
        let own = index / 2 * n;
        let noise = self.noise.get(own..own + n).unwrap_or_default();
        for ((to, &mean), &noise) in self.point.iter_mut().zip(&*self.mean).zip(noise) {
            *to = mean + step * noise;
        }
        self.point
    }

    /// Takes the values of all candidates, in order, and moves the mean; larger is better. Of directions
    /// with equal bests the first ones count; one with a value that is not finite never does. Does nothing
    /// when there are not as many values as candidates.
    pub fn tell(&mut self, values: &[f32]) {
        if values.len() != self.population() {
            return;
        }
        // The direction's difference, where it is among the best.
        let mut differences = [None::<f64>; MAX_POPULATION / 2];
        let best =
            |pair: &[f32]| pair.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        let usable = |pair: &[f32]| num::all_finite(pair);
        let (mut sum, mut squares, mut count) = (0.0f64, 0.0f64, 0usize);
        for (index, (slot, pair)) in differences.iter_mut().zip(values.chunks_exact(2)).enumerate()
        {
            let ahead = values.chunks_exact(2).enumerate().filter(|&(other, rival)| {
                let (own, theirs) = (best(pair), best(rival));
                usable(rival) && (theirs > own || (theirs == own && other < index))
            });
            if !usable(pair) || ahead.count() >= self.config.kept {
                continue;
            }
            for &value in pair {
                (sum, squares) =
                    (sum + f64::from(value), squares + f64::from(value) * f64::from(value));
                count += 1;
            }
            *slot = Some(pair.iter().rev().fold(0.0, |sum, &value| f64::from(value) - sum));
        }
        let mean = sum / count.max(1) as f64;
        let variance = squares / count.max(1) as f64 - mean * mean;
        // Rounding alone leaves that much of values that are all equal.
        let varies = variance > 1e-14 * (1.0 + mean * mean);
        if !varies {
            return;
        }
        let kept = (count / 2) as f64;
        let rate = f64::from(self.config.rate) / (kept * libm::sqrt(variance));
        let directions = self.noise.chunks_exact(self.mean.len().max(1)).zip(differences);
        for (noise, difference) in directions {
            let Some(difference) = difference else { continue };
            let factor = (rate * difference) as f32;
            for (mean, &noise) in self.mean.iter_mut().zip(noise) {
                *mean += factor * noise;
            }
        }
    }

    /// The mean of the distribution.
    pub fn mean(&self) -> &[f32] {
        self.mean
    }

    /// False once the mean is no longer finite.
    pub fn is_finite(&self) -> bool {
        num::all_finite(self.mean)
    }
}

/// Directions that a generation has: those of the configuration, within its bounds.
const fn directions(config: &ArsConfig) -> usize {
    match config.directions {
        0 => 1,
        directions if directions > MAX_POPULATION / 2 => MAX_POPULATION / 2,
        directions => directions,
    }
}
