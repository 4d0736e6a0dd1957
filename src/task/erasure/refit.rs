//! The last layer fitted anew on the features of an edited network.
//!
//! Sums of products are the kernels' chains; other sums run over the samples in order, those that end in a
//! figure in f64.

use crate::error::{ShapeError, TooSmall};
use crate::kernel::{Batch, Kernel, LANES, Start};
use crate::num;
use crate::slab::{Arena, Need};
use crate::task::ClassSet;

/// Ridge of least squares and of softmax regression, in units of the number of samples.
const RIDGE: f32 = 1e-3;

/// Scores of least squares are divided by this before the softmax.
const TEMPERATURE: f32 = 0.1;

/// Part of the mean diagonal entry that is added to the diagonal of the covariance within classes.
const SHRINKAGE: f32 = 0.01;

/// Added to a feature's deviation before it is divided by it.
const LEAST_DEVIATION: f32 = 1e-4;

/// Logarithm of the share of a class that a half does not have.
const ABSENT: f32 = -1e4;

/// What one layer takes, over all samples.
#[derive(Debug)]
pub(super) struct Features<'a> {
    features: usize,
    /// As the network leaves them; then standardised, each half in panels of its own.
    panels: &'a mut [f32],
    /// Standardised, row by row, one half after the other.
    rows: &'a mut [f32],
}

impl<'a> Features<'a> {
    pub(super) const fn need(features: usize, samples: usize) -> Need {
        // One panel more: the halves' panels.
        Need::f32s(Batch::lanes(samples + LANES).len(features) + samples * features)
    }

    pub(super) fn new(
        features: usize,
        samples: usize,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        Ok(Self {
            features,
            panels: arena.take(Batch::lanes(samples + LANES).len(features))?,
            rows: arena.take(samples * features)?,
        })
    }

    /// Where the network leaves them.
    pub(super) fn tap(&mut self, batch: Batch) -> &mut [f32] {
        self.panels.get_mut(..batch.len(self.features)).unwrap_or_default()
    }

    /// Panels and rows of half `half`.
    fn half(&self, sizes: [usize; 2], half: usize) -> (Batch, &[f32], &[f32]) {
        let [first, second] = sizes;
        let (before, size) = if half == 0 { (0, first) } else { (first, second) };
        let (batch, d) = (Batch::lanes(size), self.features);
        let from = if half == 0 { 0 } else { Batch::lanes(first).len(d) };
        (
            batch,
            self.panels.get(from..from + batch.len(d)).unwrap_or_default(),
            self.rows.get(before * d..(before + size) * d).unwrap_or_default(),
        )
    }
}

/// What is fitted: weights (features × classes) and biases.
#[derive(Clone, Copy)]
enum Fit {
    LeastSquares,
    Discriminants,
}

/// Working memory of a fit, shared by all layers.
#[derive(Debug)]
pub(super) struct Sitting<'a> {
    classes: usize,
    /// Samples of each half; the second is 0 where all are fitted at once.
    sizes: [usize; 2],
    /// Samples in the order of the halves, and their labels.
    order: &'a [u32],
    labels: &'a [u32],
    /// Samples × widest features: rows before they are dealt to halves.
    plain: &'a mut [f32],
    /// d × d.
    gram: &'a mut [f32],
    factor: &'a mut [f32],
    /// Classes × d, and classes.
    means: &'a mut [f32],
    counts: &'a mut [f32],
    /// d × classes, classes.
    weights: &'a mut [f32],
    bias: &'a mut [f32],
    step: &'a mut [f32],
    /// d each.
    mean: &'a mut [f32],
    deviation: &'a mut [f32],
    /// Samples × classes in panels, and row by row.
    scores: &'a mut [f32],
    rest: &'a mut [f32],
}

impl<'a> Sitting<'a> {
    pub(super) const fn need(widest: usize, samples: usize, classes: usize) -> Need {
        Need {
            f32s: samples * widest
                + 2 * widest * widest
                + 3 * widest * classes
                + 2 * classes
                + 2 * widest
                + Batch::lanes(samples).len(classes)
                + samples * classes,
            u32s: 2 * samples,
        }
    }

    /// For the samples of these labels. With `halves` each class is dealt to both, one sample in turn.
    pub(super) fn new(
        widest: usize,
        labels: &[u8],
        classes: usize,
        halves: bool,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        let samples = labels.len();
        let order = arena.take_indices(samples)?;
        let kinds = arena.take_indices(samples)?;
        // Bit c: whether class c's next sample goes to the second half.
        let mut turn = [0u64; 4];
        let mut second = |label: u8| -> bool {
            let Some(word) = turn.get_mut(usize::from(label >> 6)) else { return false };
            let odd = *word >> (label & 63) & 1 == 1;
            *word ^= 1 << (label & 63);
            odd && halves
        };
        let mut first = 0;
        for (sample, &label) in (0u32..).zip(labels) {
            let half = second(label);
            first += usize::from(!half);
            if let Some(slot) = kinds.get_mut(sample as usize) {
                *slot = u32::from(half);
            }
        }
        let mut next = [0, first];
        for (sample, half) in (0u32..).zip(&*kinds) {
            if let Some(place) = next.get_mut(*half as usize) {
                if let Some(slot) = order.get_mut(*place) {
                    *slot = sample;
                }
                *place += 1;
            }
        }
        for (kind, &sample) in kinds.iter_mut().zip(&*order) {
            *kind = u32::from(labels.get(sample as usize).copied().unwrap_or(0));
        }
        Ok(Self {
            classes,
            sizes: [first, samples - first],
            order,
            labels: kinds,
            plain: arena.take(samples * widest)?,
            gram: arena.take(widest * widest)?,
            factor: arena.take(widest * widest)?,
            means: arena.take(widest * classes)?,
            counts: arena.take(classes)?,
            weights: arena.take(widest * classes)?,
            bias: arena.take(classes)?,
            step: arena.take(widest * classes)?,
            mean: arena.take(widest)?,
            deviation: arena.take(widest)?,
            scores: arena.take(Batch::lanes(samples).len(classes))?,
            rest: arena.take(samples * classes)?,
        })
    }

    /// Brings features to mean 0 and deviation 1 and deals them to the halves.
    pub(super) fn standardise(
        &mut self,
        kernel: Kernel,
        features: &mut Features<'_>,
    ) -> Result<(), ShapeError> {
        let (d, samples) = (features.features, self.order.len());
        let batch = Batch::lanes(samples);
        let plain = self.plain.get_mut(..samples * d).unwrap_or_default();
        let panels = features.panels.get(..batch.len(d)).unwrap_or_default();
        kernel.to_rows(batch, d, 1, panels, plain)?;
        let mean = self.mean.get_mut(..d).unwrap_or_default();
        let deviation = self.deviation.get_mut(..d).unwrap_or_default();
        mean.fill(0.0);
        deviation.fill(0.0);
        kernel.bias_gradient(samples, d, plain, mean)?;
        let count = samples.max(1) as f32;
        mean.iter_mut().for_each(|sum| *sum /= count);
        for row in plain.chunks_exact(d.max(1)) {
            for ((square, &x), &mean) in deviation.iter_mut().zip(row).zip(&*mean) {
                *square += (x - mean) * (x - mean);
            }
        }
        for square in deviation.iter_mut() {
            *square = 1.0 / (num::sqrt(*square / count) + LEAST_DEVIATION);
        }
        for (to, &sample) in features.rows.chunks_exact_mut(d.max(1)).zip(self.order) {
            let at = sample as usize * d;
            let from = plain.get(at..at + d).unwrap_or_default();
            for (((to, &x), &mean), &inverse) in
                to.iter_mut().zip(from).zip(&*mean).zip(&*deviation)
            {
                *to = (x - mean) * inverse;
            }
        }
        let [first, second] = self.sizes;
        let (of_first, of_second) = features.rows.split_at_mut(first * d);
        let (first, second) = (Batch::lanes(first), Batch::lanes(second));
        let (to_first, rest) = features.panels.split_at_mut(first.len(d));
        kernel.to_panels(first, d, of_first, to_first)?;
        let to_second = rest.get_mut(..second.len(d)).unwrap_or_default();
        kernel.to_panels(second, d, of_second, to_second)
    }

    /// What is kept of retained classes and recovered of forgotten ones by fits on one half that are read on
    /// the other: by discriminants, and of the forgotten ones by the mean of those and of least squares.
    pub(super) fn blend(
        &mut self,
        kernel: Kernel,
        features: &Features<'_>,
        forget: ClassSet,
    ) -> Result<(f32, f32), ShapeError> {
        let (mut linear, mut squares) = (Recovered::default(), Recovered::default());
        for half in 0..2 {
            self.moments(kernel, features, half)?;
            for (fit, recovered) in
                [(Fit::Discriminants, &mut linear), (Fit::LeastSquares, &mut squares)]
            {
                self.fit(features.features, half, fit);
                self.read(kernel, features, 1 - half)?;
                self.count(1 - half, forget, recovered);
            }
        }
        let (kept, back) = linear.means();
        Ok((kept, 0.5 * (back + squares.means().1)))
    }

    /// The same by softmax regression on all samples.
    pub(super) fn softmax(
        &mut self,
        kernel: Kernel,
        features: &Features<'_>,
        forget: ClassSet,
        steps: usize,
    ) -> Result<(f32, f32), ShapeError> {
        let (d, classes) = (features.features, self.classes);
        let (batch, x, _) = features.half(self.sizes, 0);
        let samples = batch.samples();
        self.moments(kernel, features, 0)?;
        self.fit(d, 0, Fit::Discriminants);
        let ridge = RIDGE * samples as f32;
        let factor = self.factor.get_mut(..d * d).unwrap_or_default();
        factor.copy_from_slice(self.gram.get(..d * d).unwrap_or_default());
        num::cholesky(factor, d, ridge);
        for _ in 0..steps {
            self.read(kernel, features, 0)?;
            let scores = self.scores.get(..batch.len(classes)).unwrap_or_default();
            let rest = self.rest.get_mut(..samples * classes).unwrap_or_default();
            kernel.to_rows(batch, classes, 1, scores, rest)?;
            for (row, &label) in rest.chunks_exact_mut(classes.max(1)).zip(self.labels) {
                for (class, value) in (0u32..).zip(row) {
                    *value = if class == label { 1.0 - *value } else { -*value };
                }
            }
            let weights = self.weights.get_mut(..d * classes).unwrap_or_default();
            let step = self.step.get_mut(..d * classes).unwrap_or_default();
            for (to, &weight) in step.iter_mut().zip(&*weights) {
                *to = -ridge * weight;
            }
            kernel.dense_weight_gradient(batch, d, classes, x, rest, step)?;
            num::cholesky_solve(self.factor.get(..d * d).unwrap_or_default(), d, step, classes);
            for (weight, &by) in weights.iter_mut().zip(&*step) {
                *weight += 2.0 * by;
            }
            let sums = self.counts.get_mut(..classes).unwrap_or_default();
            sums.fill(0.0);
            kernel.bias_gradient(samples, classes, rest, sums)?;
            for (bias, &sum) in self.bias.iter_mut().zip(&*sums) {
                *bias += 2.0 * (sum / samples as f32);
            }
        }
        self.read(kernel, features, 0)?;
        let mut recovered = Recovered::default();
        self.count(0, forget, &mut recovered);
        Ok(recovered.means())
    }

    /// Labels of half `half`.
    fn labels(&self, half: usize) -> &'a [u32] {
        let (first, second) = self.labels.split_at_checked(self.sizes[0]).unwrap_or_default();
        if half == 0 { first } else { second }
    }

    /// Σ x xᵀ, class means and class sizes of half `half`.
    fn moments(
        &mut self,
        kernel: Kernel,
        features: &Features<'_>,
        half: usize,
    ) -> Result<(), ShapeError> {
        let (d, classes) = (features.features, self.classes);
        let (batch, x, rows) = features.half(self.sizes, half);
        let gram = self.gram.get_mut(..d * d).unwrap_or_default();
        gram.fill(0.0);
        kernel.dense_weight_gradient(batch, d, d, x, rows, gram)?;
        let labels = self.labels(half);
        let means = self.means.get_mut(..classes * d).unwrap_or_default();
        means.fill(0.0);
        self.counts.fill(0.0);
        for (row, &label) in rows.chunks_exact(d.max(1)).zip(labels) {
            let label = label as usize;
            let own = means.get_mut(label * d..(label + 1) * d).unwrap_or_default();
            own.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
            if let Some(count) = self.counts.get_mut(label) {
                *count += 1.0;
            }
        }
        for (own, &count) in means.chunks_exact_mut(d.max(1)).zip(&*self.counts) {
            let scale = if count > 0.0 { 1.0 / count } else { 0.0 };
            own.iter_mut().for_each(|sum| *sum *= scale);
        }
        Ok(())
    }

    /// Weights and biases from the moments of half `half`.
    fn fit(&mut self, d: usize, half: usize, fit: Fit) {
        let classes = self.classes;
        let samples = self.sizes.get(half).copied().unwrap_or(0).max(1) as f32;
        let gram = self.gram.get(..d * d).unwrap_or_default();
        let factor = self.factor.get_mut(..d * d).unwrap_or_default();
        let means = self.means.get(..classes * d).unwrap_or_default();
        let weights = self.weights.get_mut(..d * classes).unwrap_or_default();
        let mean = self.mean.get_mut(..d).unwrap_or_default();
        factor.copy_from_slice(gram);
        match fit {
            Fit::LeastSquares => {
                mean.fill(0.0);
                for (own, &count) in means.chunks_exact(d.max(1)).zip(&*self.counts) {
                    let share = count / samples;
                    mean.iter_mut().zip(own).for_each(|(mean, &own)| *mean += share * own);
                }
                subtract(factor, mean, samples, d);
                num::cholesky(factor, d, RIDGE * samples);
                // Xᵀ (T − T̄) = Σ over the class of (x − x̄).
                for (feature, (row, &mean)) in
                    weights.chunks_exact_mut(classes.max(1)).zip(&*mean).enumerate()
                {
                    let own = means.iter().skip(feature).step_by(d.max(1));
                    for ((to, &own), &count) in row.iter_mut().zip(own).zip(&*self.counts) {
                        *to = count * (own - mean) / TEMPERATURE;
                    }
                }
            }
            Fit::Discriminants => {
                for (own, &count) in means.chunks_exact(d.max(1)).zip(&*self.counts) {
                    subtract(factor, own, count, d);
                }
                let mut trace = 0.0f64;
                for value in factor.iter_mut() {
                    *value /= samples;
                }
                for &value in factor.iter().step_by(d + 1) {
                    trace += f64::from(value);
                }
                let added = (f64::from(SHRINKAGE) * trace / d.max(1) as f64) as f32;
                num::cholesky(factor, d, added);
                for (feature, row) in weights.chunks_exact_mut(classes.max(1)).enumerate() {
                    let own = means.iter().skip(feature).step_by(d.max(1));
                    row.iter_mut().zip(own).for_each(|(to, &own)| *to = own);
                }
            }
        }
        num::cholesky_solve(factor, d, weights, classes);
        let bias = self.bias.iter_mut().zip(&*self.counts);
        for (class, (bias, &count)) in bias.enumerate() {
            let about = match fit {
                Fit::LeastSquares => &*mean,
                Fit::Discriminants => means.get(class * d..(class + 1) * d).unwrap_or_default(),
            };
            let column = weights.iter().skip(class).step_by(classes.max(1));
            let mut along = 0.0f64;
            for (&at, &weight) in about.iter().zip(column) {
                along += f64::from(at) * f64::from(weight);
            }
            let share = count / samples;
            *bias = match fit {
                Fit::LeastSquares => share / TEMPERATURE - along as f32,
                Fit::Discriminants if count > 0.0 => num::ln(share) - 0.5 * along as f32,
                Fit::Discriminants => ABSENT,
            };
        }
    }

    /// Leaves the fit's probabilities of half `half` in `scores`.
    fn read(
        &mut self,
        kernel: Kernel,
        features: &Features<'_>,
        half: usize,
    ) -> Result<(), ShapeError> {
        let (d, classes) = (features.features, self.classes);
        let (batch, x, _) = features.half(self.sizes, half);
        let scores = self.scores.get_mut(..batch.len(classes)).unwrap_or_default();
        let weights = self.weights.get(..d * classes).unwrap_or_default();
        kernel.dense_forward(batch, d, classes, weights, Start::Bias(self.bias), x, scores)?;
        kernel.softmax(batch, classes, scores)
    }

    /// Adds the probabilities of half `half`.
    fn count(&self, half: usize, forget: ClassSet, recovered: &mut Recovered) {
        let labels = self.labels(half);
        let batch = Batch::lanes(labels.len());
        let at = |sample: usize, class: usize| {
            let place = batch.at(self.classes, sample, class);
            f64::from(self.scores.get(place).copied().unwrap_or(0.0))
        };
        for (sample, &label) in labels.iter().enumerate() {
            if u8::try_from(label).is_ok_and(|label| forget.contains(label)) {
                for class in forget.iter() {
                    recovered.sums[1] += at(sample, usize::from(class));
                }
                recovered.counts[1] += 1;
            } else {
                recovered.sums[0] += at(sample, label as usize);
                recovered.counts[0] += 1;
            }
        }
    }
}

/// `matrix -= count · x xᵀ`.
fn subtract(matrix: &mut [f32], x: &[f32], count: f32, d: usize) {
    for (row, &own) in matrix.chunks_exact_mut(d.max(1)).zip(x) {
        let scaled = count * own;
        row.iter_mut().zip(x).for_each(|(value, &x)| *value -= scaled * x);
    }
}

/// Probabilities of the own class of retained samples (0) and of any forgotten class of the others (1).
#[derive(Clone, Copy, Default)]
struct Recovered {
    sums: [f64; 2],
    counts: [usize; 2],
}

impl Recovered {
    fn means(&self) -> (f32, f32) {
        let [kept, back] = self.sums;
        let [retained, forgotten] = self.counts.map(|count| count.max(1) as f64);
        ((kept / retained) as f32, (back / forgotten) as f32)
    }
}
