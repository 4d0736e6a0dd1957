//! Statistics over a matrix of runs × tasks, with bootstrap intervals in which every task keeps its runs.
//!
//! Agarwal et al., "Deep RL at the edge of the statistical precipice" (2108.13264): a task is what runs
//! are replicates of (one class to forget, say), given as the slice of its runs. Tasks may differ in
//! their number of runs, and every run counts the same; a task without runs counts for nothing.

use super::{carve, mean, quantile};
use crate::error::{ShapeError, TooSmall};
use crate::metric::MetricError;
use crate::rng::Rng;

/// A figure of all runs of all tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// The mean.
    Mean,
    /// The mean after ⌊n/4⌋ of all n values were cut at each end.
    InterquartileMean,
    /// How far runs stay below `target` on average: target − mean of min(value, target).
    OptimalityGap {
        /// What counts as reached, 1 for figures in [0, 1].
        target: f64,
    },
}

impl Aggregate {
    /// Values of scratch that [`interval`](Self::interval) needs; [`of`](Self::of) needs those of no
    /// replicates.
    pub fn scratch(tasks: &[&[f64]], replicates: usize) -> usize {
        runs(tasks).saturating_add(replicates)
    }

    /// The figure; `None` without runs, NaN with one NaN among them.
    ///
    /// # Errors
    /// [`TooSmall`] when the scratch, which is overwritten, holds less than [`scratch`](Self::scratch).
    pub fn of(self, tasks: &[&[f64]], scratch: &mut [f64]) -> Result<Option<f64>, TooSmall> {
        let all = carve(scratch, runs(tasks))?;
        let values = tasks.iter().flat_map(|task| task.iter());
        all.iter_mut().zip(values).for_each(|(to, &value)| *to = value);
        if all.iter().any(|value| value.is_nan()) {
            return Ok(Some(f64::NAN));
        }
        Ok(self.of_values(all))
    }

    /// 95 % percentile-bootstrap interval of the figure, `[low, high]`: every replicate draws the runs of
    /// each task anew, with replacement and independently of other tasks. `None` when no task has two
    /// runs, or without replicates; NaN with one NaN among the runs.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn interval(
        self,
        tasks: &[&[f64]],
        replicates: usize,
        rng: &mut Rng,
        scratch: &mut [f64],
    ) -> Result<Option<[f64; 2]>, TooSmall> {
        let (figures, sample) =
            carve(scratch, Self::scratch(tasks, replicates))?.split_at_mut(replicates);
        if tasks.iter().all(|task| task.len() < 2) {
            return Ok(None);
        }
        Ok(percentiles(figures, any_nan(tasks), || {
            let mut rest = &mut *sample;
            for task in tasks {
                let (drawn, after) = rest.split_at_mut(task.len());
                draw(task, rng, drawn);
                rest = after;
            }
            self.of_values(sample)
        }))
    }

    /// Of values without NaN, in any order; they may be sorted.
    fn of_values(self, values: &mut [f64]) -> Option<f64> {
        match self {
            Self::Mean => mean(values),
            Self::InterquartileMean => {
                values.sort_unstable_by(f64::total_cmp);
                let cut = values.len() / 4;
                mean(values.get(cut..values.len() - cut).unwrap_or_default())
            }
            Self::OptimalityGap { target } => {
                values.iter_mut().for_each(|value| *value = value.min(target));
                mean(values).map(|mean| target - mean)
            }
        }
    }
}

/// Probability that a run of x scores above a run of y on the same task, ties counting ½, the mean over
/// tasks, in [0, 1]. `x` and `y` are runs by task; tasks in which one of them has no run are left out,
/// and without any task it is `None`. NaN in a run gives NaN.
///
/// # Errors
/// `Shape` for different numbers of tasks.
pub fn improvement(x: &[&[f64]], y: &[&[f64]]) -> Result<Option<f64>, MetricError> {
    ShapeError::check("tasks of y", x.len(), y.len())?;
    Ok(mean_over(x.iter().zip(y).filter_map(|(x, y)| better(x, y))))
}

/// 95 % percentile-bootstrap interval of [`improvement`]: every replicate draws the runs of x and of y
/// anew in each task, independently of each other. `None` when no task has two runs of either, or
/// without replicates.
///
/// `scratch` holds at least `replicates` values and the runs of the largest task of x and of y, and is
/// overwritten.
///
/// # Errors
/// `Shape` for different numbers of tasks, `Scratch` for one value too few.
pub fn improvement_interval(
    x: &[&[f64]],
    y: &[&[f64]],
    replicates: usize,
    rng: &mut Rng,
    scratch: &mut [f64],
) -> Result<Option<[f64; 2]>, MetricError> {
    ShapeError::check("tasks of y", x.len(), y.len())?;
    let (of_x, of_y) = (largest(x), largest(y));
    let need = replicates.saturating_add(of_x).saturating_add(of_y);
    let (figures, rest) = carve(scratch, need)?.split_at_mut(replicates);
    let (drawn_x, drawn_y) = rest.split_at_mut(of_x);
    let both = || x.iter().zip(y).filter(|(x, y)| !x.is_empty() && !y.is_empty());
    if both().all(|(x, y)| x.len() < 2 && y.len() < 2) {
        return Ok(None);
    }
    Ok(percentiles(figures, any_nan(x) || any_nan(y), || {
        mean_over(both().filter_map(|(x, y)| {
            let drawn_x = drawn_x.get_mut(..x.len())?;
            let drawn_y = drawn_y.get_mut(..y.len())?;
            draw(x, rng, drawn_x);
            draw(y, rng, drawn_y);
            better(drawn_x, drawn_y)
        }))
    }))
}

/// As [`improvement`] where run i of x and run i of y share what they began from (the network that was
/// edited): the share of pairs in which x scores above y, ties counting ½, the mean over tasks.
///
/// # Errors
/// `Shape` for different numbers of tasks, or of runs of a task.
pub fn paired_improvement(x: &[&[f64]], y: &[&[f64]]) -> Result<Option<f64>, MetricError> {
    check_pairs(x, y)?;
    Ok(mean_over(
        x.iter().zip(y).filter_map(|(x, y)| mean_over(x.iter().zip(*y).map(|(x, y)| wins(*x, *y)))),
    ))
}

/// 95 % percentile-bootstrap interval of [`paired_improvement`]: every replicate draws the pairs of each
/// task anew. `None` when no task has two pairs, or without replicates.
///
/// `scratch` holds at least `replicates` values and is overwritten.
///
/// # Errors
/// `Shape` as there, `Scratch` for one value too few.
pub fn paired_improvement_interval(
    x: &[&[f64]],
    y: &[&[f64]],
    replicates: usize,
    rng: &mut Rng,
    scratch: &mut [f64],
) -> Result<Option<[f64; 2]>, MetricError> {
    check_pairs(x, y)?;
    let figures = carve(scratch, replicates)?;
    if x.iter().all(|task| task.len() < 2) {
        return Ok(None);
    }
    Ok(percentiles(figures, any_nan(x) || any_nan(y), || {
        mean_over(x.iter().zip(y).filter_map(|(x, y)| {
            mean_over((0..x.len()).map(|_| {
                let pair = below(x.len(), rng);
                // The index is always inside; NaN would show if it were not.
                let of = |task: &[f64]| task.get(pair).copied().unwrap_or(f64::NAN);
                wins(of(x), of(y))
            }))
        }))
    }))
}

fn check_pairs(x: &[&[f64]], y: &[&[f64]]) -> Result<(), MetricError> {
    ShapeError::check("tasks of y", x.len(), y.len())?;
    for (x, y) in x.iter().zip(y) {
        ShapeError::check("runs of a task of y", x.len(), y.len())?;
    }
    Ok(())
}

/// 1 where x is above y, ½ for a tie.
fn wins(x: f64, y: f64) -> f64 {
    match x.partial_cmp(&y) {
        Some(core::cmp::Ordering::Greater) => 1.0,
        Some(core::cmp::Ordering::Equal) => 0.5,
        Some(core::cmp::Ordering::Less) => 0.0,
        None => f64::NAN,
    }
}

/// Mann and Whitney's U of x over y, divided by the number of pairs; `None` without pairs.
fn better(x: &[f64], y: &[f64]) -> Option<f64> {
    mean_over(x.iter().flat_map(|&x| y.iter().map(move |&y| wins(x, y))))
}

fn mean_over(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut total, mut count) = (0.0, 0u64);
    for value in values {
        total += value;
        count += 1;
    }
    (count > 0).then(|| total / count as f64)
}

fn runs(tasks: &[&[f64]]) -> usize {
    tasks.iter().fold(0, |total, task| total.saturating_add(task.len()))
}

fn largest(tasks: &[&[f64]]) -> usize {
    tasks.iter().map(|task| task.len()).max().unwrap_or(0)
}

fn any_nan(tasks: &[&[f64]]) -> bool {
    tasks.iter().any(|task| task.iter().any(|value| value.is_nan()))
}

/// An index below `len`; among the first 2³² − 1 of more.
fn below(len: usize, rng: &mut Rng) -> usize {
    rng.below(u32::try_from(len).unwrap_or(u32::MAX)) as usize
}

/// Draws as many values of `task` as `drawn` holds, with replacement.
fn draw(task: &[f64], rng: &mut Rng, drawn: &mut [f64]) {
    for slot in drawn {
        *slot = task.get(below(task.len(), rng)).copied().unwrap_or(f64::NAN);
    }
}

/// Fills `figures` with replicates of a statistic and takes their 2.5 % and 97.5 % quantiles.
fn percentiles(
    figures: &mut [f64],
    nan: bool,
    mut replicate: impl FnMut() -> Option<f64>,
) -> Option<[f64; 2]> {
    if figures.is_empty() {
        return None;
    }
    if nan {
        return Some([f64::NAN; 2]);
    }
    for slot in figures.iter_mut() {
        *slot = replicate()?;
    }
    figures.sort_unstable_by(f64::total_cmp);
    quantile(figures, 0.025).zip(quantile(figures, 0.975)).map(|(low, high)| [low, high])
}
