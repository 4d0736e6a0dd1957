//! Covariance matrix adaptation with a whole matrix: memory in n², time in n³.

use super::bounded;
use super::eigen::{combine, dot, eigen};
use super::selection::{MAX_POPULATION, Selection, population, ranking, raw_weight};
use crate::error::TooSmall;
use crate::num;
use crate::rng::Rng;
use crate::slab::{Arena, Need};

/// Least variance along an axis in units of the largest: f32 resolves no less.
const FLOOR: f32 = 1e-6;

/// CMA-ES (Hansen 2016, arXiv 1604.00772) with negative weights, as pycma 4.5 runs it with
/// `CMA_diagonal_decoding: 0`. The step size follows the length of its path at every n; pycma does so below 300
/// and beyond that when it is told to (`AdaptSigma: CMAAdaptSigmaCSA`). The matrix is decomposed anew
/// after `1 / (10 n (c₁ + c_μ))` generations.
///
/// Points are not bounded. A caller whose space is a box squashes or clips them and tells the value of
/// the point that it carried out.
#[derive(Debug)]
pub struct CmaEs<'a> {
    mean: &'a mut [f32],
    /// C; its upper triangle is kept.
    covariance: &'a mut [f32],
    /// Eigenvectors of the C of the last decomposition, one per row.
    axes: &'a mut [f32],
    /// Roots of its eigenvalues.
    lengths: &'a mut [f32],
    step_path: &'a mut [f32],
    covariance_path: &'a mut [f32],
    /// (point − mean) / σ of the population, candidate by candidate.
    steps: &'a mut [f32],
    point: &'a mut [f32],
    scratch: &'a mut [f32],
    sigma: f64,
    generation: i32,
    decomposed: i32,
    selection: Selection,
    rates: Rates,
}

/// Rates of the covariance, which follow from n.
#[derive(Clone, Copy, Debug)]
struct Rates {
    path_decay: f64,
    rank_one: f64,
    rank_mu: f64,
    /// What the weight of a candidate of the worse half is to be multiplied by.
    negative: f64,
    /// Generations between two decompositions.
    gap: f64,
}

impl Rates {
    fn new(n: usize, selection: &Selection) -> Self {
        let (count, parents) = (selection.population, selection.parents);
        let (n, mu) = (n as f64, selection.effective);
        let share = if count < 6 { count as f64 / 6.0 } else { 1.0 };
        let rank_one = share * 2.0 / ((n + 1.3) * (n + 1.3) + mu);
        let rank_mu = 2.0 * (0.25 + mu + 1.0 / mu - 2.0) / ((n + 2.0) * (n + 2.0) + mu);
        let rank_mu = if rank_mu < 1.0 - rank_one { rank_mu } else { 1.0 - rank_one };
        let worse = || (parents..count).map(|rank| -raw_weight(count, rank));
        let sum: f64 = worse().sum();
        let squares: f64 = worse().map(|weight| weight * weight).sum();
        // C shall not decay, C shall stay positive definite, and the negative half shall not outweigh.
        let bounds = [
            1.0 + rank_one / rank_mu,
            (1.0 - rank_one - rank_mu) / (n * rank_mu),
            1.0 + 2.0 * (sum * sum / squares) / (mu + 2.0),
        ];
        let least = bounds.into_iter().fold(f64::INFINITY, |a, b| if b < a { b } else { a });
        Self {
            path_decay: (4.0 + mu / n) / (n + 4.0 + 2.0 * mu / n),
            rank_one,
            rank_mu,
            negative: least / sum,
            gap: 1.0 / (10.0 * n * (rank_one + rank_mu)),
        }
    }
}

impl<'a> CmaEs<'a> {
    /// Memory for a search over n numbers.
    pub const fn need(n: usize) -> Need {
        let matrices = n.saturating_mul(n).saturating_mul(2);
        bounded(matrices.saturating_add(n.saturating_mul(6 + population(n))))
    }

    /// A search that starts from N(`start`, `sigma`²·I).
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(arena: &mut Arena<'a>, start: &[f32], sigma: f32) -> Result<Self, TooSmall> {
        let n = start.len();
        let selection = Selection::new(n.max(1));
        let square = n.saturating_mul(n);
        let search = Self {
            mean: arena.take(n)?,
            covariance: arena.take(square)?,
            axes: arena.take(square)?,
            lengths: arena.take(n)?,
            step_path: arena.take(n)?,
            covariance_path: arena.take(n)?,
            steps: arena.take(selection.population * n)?,
            point: arena.take(n)?,
            scratch: arena.take(n)?,
            sigma: f64::from(sigma),
            generation: 0,
            decomposed: 0,
            selection,
            rates: Rates::new(n.max(1), &selection),
        };
        search.mean.copy_from_slice(start);
        search.lengths.fill(1.0);
        for matrix in [&mut *search.covariance, &mut *search.axes] {
            matrix.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal = 1.0);
        }
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

    /// As [`ask`](Self::ask), with standard normals from `normal`, candidate by candidate, one per axis.
    pub fn ask_with(&mut self, normal: &mut dyn FnMut() -> f32) {
        if f64::from(self.generation) >= f64::from(self.decomposed) + self.rates.gap {
            self.decompose();
        }
        let n = self.mean.len();
        for step in self.steps.chunks_exact_mut(n.max(1)) {
            step.fill(0.0);
            for (axis, &length) in self.axes.chunks_exact(n.max(1)).zip(&*self.lengths) {
                combine(step, length * normal(), axis);
            }
        }
    }

    /// Candidate `index` of this generation, from 0 to λ − 1; empty when there is no such candidate.
    pub fn candidate(&mut self, index: usize) -> &[f32] {
        let n = self.mean.len();
        let Some(step) = self.steps.get(index.saturating_mul(n)..).and_then(|rest| rest.get(..n))
        else {
            return &[];
        };
        let sigma = self.sigma as f32;
        for ((to, &mean), &step) in self.point.iter_mut().zip(&*self.mean).zip(step) {
            *to = mean + sigma * step;
        }
        self.point
    }

    /// Puts a point of the caller's in the place of candidate `index`; entries beyond n and candidates
    /// beyond λ are left out.
    pub fn inject(&mut self, index: usize, point: &[f32]) {
        let n = self.mean.len();
        let rest = self.steps.get_mut(index.saturating_mul(n)..).unwrap_or_default();
        let entries = rest.iter_mut().take(n).zip(point).zip(&*self.mean);
        for ((step, &point), &mean) in entries {
            *step = ((f64::from(point) - f64::from(mean)) / self.sigma) as f32;
        }
    }

    /// Takes the values of all candidates, in order, and moves the distribution; larger is better, NaN
    /// is worst. Does nothing when there are not as many values as candidates.
    pub fn tell(&mut self, values: &[f32]) {
        let (rates, selection, n) = (self.rates, self.selection, self.mean.len());
        if values.len() != selection.population || n == 0 {
            return;
        }
        self.generation += 1;
        let ranking = ranking(values);
        let (cs, cc) = (selection.step_decay, rates.path_decay);
        // The mean of the selected steps, in `point`, moves the mean; as it is in the axes' units it moves
        // the step path.
        self.point.fill(0.0);
        for (&candidate, &weight) in ranking.iter().zip(&selection.weights) {
            combine(self.point, weight as f32, step_of(self.steps, candidate, n));
        }
        for (mean, &shift) in self.mean.iter_mut().zip(&*self.point) {
            *mean = (f64::from(*mean) + self.sigma * f64::from(shift)) as f32;
        }
        self.scratch.fill(0.0);
        for (axis, &length) in self.axes.chunks_exact(n).zip(&*self.lengths) {
            combine(self.scratch, (dot(axis, self.point) / f64::from(length)) as f32, axis);
        }
        let gain = selection.gain(cs);
        for (path, &shift) in self.step_path.iter_mut().zip(&*self.scratch) {
            *path = ((1.0 - cs) * f64::from(*path) + gain * f64::from(shift)) as f32;
        }
        let norm = dot(self.step_path, self.step_path);
        let moving = if selection.moving(norm, self.generation, n) { 1.0 } else { 0.0 };
        let gain = moving * selection.gain(cc);
        for (path, &shift) in self.covariance_path.iter_mut().zip(&*self.point) {
            *path = ((1.0 - cc) * f64::from(*path) + gain * f64::from(shift)) as f32;
        }
        // Rates of all candidates, and what of C is left.
        let mut shares = [0.0f64; MAX_POPULATION];
        let mut left = 1.0 - rates.rank_one * (1.0 - (1.0 - moving) * cc * (2.0 - cc));
        for (rank, (share, &candidate)) in shares.iter_mut().zip(&ranking).enumerate() {
            let weight = match selection.weights.get(rank).filter(|_| rank < selection.parents) {
                Some(&weight) => weight,
                None => rates.negative * raw_weight(selection.population, rank),
            };
            left -= rates.rank_mu * weight;
            *share = rates.rank_mu * weight;
            if weight < 0.0 {
                // So that a long step against C takes no more than a short one.
                let step = step_of(self.steps, candidate, n);
                let mut square = 0.0;
                for (axis, &length) in self.axes.chunks_exact(n).zip(&*self.lengths) {
                    let along = dot(axis, step) / f64::from(length);
                    square += along * along;
                }
                *share *= n as f64 / (square + 1e-9);
            }
        }
        for (index, row) in self.covariance.chunks_exact_mut(n).enumerate() {
            let row = row.get_mut(index..).unwrap_or_default();
            row.iter_mut().for_each(|entry| *entry *= left as f32);
            let mut add = |share: f64, vector: &[f32]| {
                let vector = vector.get(index..).unwrap_or_default();
                let own = f64::from(vector.first().copied().unwrap_or(0.0));
                combine(row, (share * own) as f32, vector);
            };
            add(rates.rank_one, self.covariance_path);
            for (&share, &candidate) in shares.iter().zip(&ranking) {
                add(share, step_of(self.steps, candidate, n));
            }
        }
        self.sigma *= selection.step_change(norm);
    }

    /// Takes axes and lengths from C. A matrix that cannot be decomposed leaves them as they are.
    fn decompose(&mut self) {
        self.decomposed = self.generation;
        if !num::all_finite(self.covariance) {
            return;
        }
        self.axes.copy_from_slice(self.covariance);
        if !eigen(self.axes, self.lengths, self.scratch) {
            // Never seen: begin again with a ball.
            self.axes.fill(0.0);
            let n = self.lengths.len();
            self.axes.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal = 1.0);
            self.lengths.fill(1.0);
            self.covariance.copy_from_slice(self.axes);
            return;
        }
        let most = self.lengths.iter().fold(0.0f32, |a, &b| if b > a { b } else { a });
        for length in self.lengths.iter_mut() {
            let variance = if *length > FLOOR * most { *length } else { FLOOR * most };
            *length = num::sqrt(variance);
        }
    }

    /// The mean of the distribution.
    pub fn mean(&self) -> &[f32] {
        self.mean
    }

    /// σ.
    pub fn sigma(&self) -> f32 {
        self.sigma as f32
    }

    /// Entry (row, column) of C, without σ²; 0 outside.
    pub fn covariance(&self, row: usize, column: usize) -> f32 {
        let n = self.mean.len();
        let (first, second) = if row < column { (row, column) } else { (column, row) };
        if second >= n {
            return 0.0;
        }
        self.covariance.get(first * n + second).copied().unwrap_or(0.0)
    }

    /// False once a number of the distribution is no longer finite.
    pub fn is_finite(&self) -> bool {
        self.sigma.is_finite() && num::all_finite(self.mean) && num::all_finite(self.covariance)
    }
}

/// Step of one candidate.
fn step_of(steps: &[f32], candidate: usize, n: usize) -> &[f32] {
    steps.get(candidate * n..(candidate + 1) * n).unwrap_or_default()
}
