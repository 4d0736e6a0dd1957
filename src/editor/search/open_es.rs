//! The evolution strategy of OpenAI: Gaussian smoothing with mirrored pairs, ranks and Adam.

use super::{MAX_POPULATION, bounded};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::Kernel;
use crate::num;
use crate::optim::{Adam, AdamConfig};
use crate::rng::Rng;
use crate::slab::{Arena, Need};

/// Settings of [`OpenEs`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenEsConfig {
    /// Mirrored pairs of a generation, m; from 1 to 32.
    pub pairs: usize,
    /// Standard deviation of the noise, σ, above 0.
    pub sigma: f32,
    /// Adam's learning rate.
    pub rate: f32,
}

impl Default for OpenEsConfig {
    /// m = 20, σ = .2, rate .1.
    fn default() -> Self {
        Self { pairs: 20, sigma: 0.2, rate: 0.1 }
    }
}

/// Evolution strategies as Salimans et al. 2017 (arXiv 1703.03864) run them: candidates `mean ± σ·ε`, all
/// values replaced by centred ranks ρ in [−½, ½], and Adam climbs `Σ (ρ⁺ − ρ⁻)·ε / (2m)`; the factor 1/σ is
/// left out, as in their code, since Adam divides it away. Without their weight decay, which is for policies:
/// a point of this search is the edit itself.
///
/// Equal values share their mean rank (theirs are ranked by place), so that a plateau has no slope.
#[derive(Debug)]
pub struct OpenEs<'a> {
    config: OpenEsConfig,
    kernel: Kernel,
    mean: &'a mut [f32],
    /// ε of every pair, one after the other.
    noise: &'a mut [f32],
    slope: &'a mut [f32],
    point: &'a mut [f32],
    adam: Adam<'a>,
}

impl<'a> OpenEs<'a> {
    /// Memory for a search over n numbers.
    pub const fn need(config: &OpenEsConfig, n: usize) -> Need {
        bounded(n.saturating_mul(5 + pairs(config)))
    }

    /// A search that starts from `start`, which should not be a saddle of what is searched.
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(
        config: OpenEsConfig,
        kernel: Kernel,
        start: &[f32],
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        let (n, pairs) = (start.len(), pairs(&config));
        let search = Self {
            config: OpenEsConfig { pairs, ..config },
            kernel,
            mean: arena.take(n)?,
            noise: arena.take(pairs.saturating_mul(n))?,
            slope: arena.take(n)?,
            point: arena.take(n)?,
            adam: Adam::new(AdamConfig::default(), n, arena)?,
        };
        search.mean.copy_from_slice(start);
        Ok(search)
    }

    /// 2m, candidates of a generation.
    pub fn population(&self) -> usize {
        2 * self.config.pairs
    }

    /// Draws the noise of the next generation.
    pub fn ask(&mut self, rng: &mut Rng) {
        self.ask_with(&mut || rng.normal());
    }

    /// As [`ask`](Self::ask), with standard normals from `normal`, pair by pair.
    pub fn ask_with(&mut self, normal: &mut dyn FnMut() -> f32) {
        self.noise.iter_mut().for_each(|value| *value = normal());
    }

    /// Candidate `index` of this generation: `mean + σ·ε` of pair index / 2 for an even one, `mean − σ·ε` for
    /// an odd one; empty when there is no such candidate.
    pub fn candidate(&mut self, index: usize) -> &[f32] {
        let n = self.mean.len();
        if index >= self.population() {
            return &[];
        }
        let step = if index.is_multiple_of(2) { self.config.sigma } else { -self.config.sigma };
        let own = index / 2 * n;
        let noise = self.noise.get(own..own + n).unwrap_or_default();
        for ((to, &mean), &noise) in self.point.iter_mut().zip(&*self.mean).zip(noise) {
            *to = mean + step * noise;
        }
        self.point
    }

    /// Takes the values of all candidates, in order, and moves the mean; larger is better, NaN is worst.
    /// Does nothing when there are not as many values as candidates.
    ///
    /// # Errors
    /// None in practice: all lengths are this search's own.
    pub fn tell(&mut self, values: &[f32]) -> Result<(), ShapeError> {
        let count = self.population();
        if values.len() != count {
            return Ok(());
        }
        let mut ranks = [0.0f32; MAX_POPULATION];
        centred_ranks(values, &mut ranks);
        self.slope.fill(0.0);
        let pairs = self.noise.chunks_exact(self.mean.len().max(1)).zip(ranks.chunks_exact(2));
        for (noise, ranks) in pairs {
            let difference = ranks.iter().rev().fold(0.0, |sum, &rank| rank - sum);
            // Adam goes down.
            let factor = -difference / count as f32;
            for (slope, &noise) in self.slope.iter_mut().zip(noise) {
                *slope += factor * noise;
            }
        }
        self.adam.step(self.kernel, self.config.rate, self.slope, self.mean)
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

/// Pairs that a generation has: those of the configuration, within its bounds.
const fn pairs(config: &OpenEsConfig) -> usize {
    match config.pairs {
        0 => 1,
        pairs if pairs > MAX_POPULATION / 2 => MAX_POPULATION / 2,
        pairs => pairs,
    }
}

/// Ranks of the values from −½ (worst) to ½ (best); equals share the mean of theirs.
fn centred_ranks(values: &[f32], ranks: &mut [f32]) {
    let key = |value: f32| if value.is_nan() { f32::NEG_INFINITY } else { value };
    let last = values.len().saturating_sub(1).max(1) as f32;
    for (rank, &own) in ranks.iter_mut().zip(values) {
        let own = key(own);
        let below = values.iter().filter(|&&other| key(other) < own).count();
        let equal = values.iter().filter(|&&other| key(other) == own).count();
        *rank = (below as f32 + (equal.max(1) - 1) as f32 / 2.0) / last - 0.5;
    }
}
