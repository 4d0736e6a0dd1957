//! Pooling over windows.

use super::isa::Isa;
use super::shape::LANES;
use super::{Batch, Pool2d};

#[inline(always)]
pub(super) fn max_pool<I: Isa>(_: I, batch: Batch, pool: &Pool2d, x: &[f32], y: &mut [f32]) {
    each_panel(batch, pool, x, y, Panel::<LANES>::largest, Panel::<1>::largest);
}

#[inline(always)]
pub(super) fn average_pool<I: Isa>(_: I, batch: Batch, pool: &Pool2d, x: &[f32], y: &mut [f32]) {
    each_panel(batch, pool, x, y, Panel::<LANES>::mean, Panel::<1>::mean);
}

#[inline(always)]
pub(super) fn max_pool_gradient<I: Isa>(
    _: I,
    batch: Batch,
    pool: &Pool2d,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    dx.fill(0.0);
    if dx.is_empty() || dy.is_empty() {
        return;
    }
    let (inputs, outputs) = (pool.input_len(), pool.output_len());
    let width = batch.width();
    let (inputs, outputs) = ((inputs * width).max(1), (outputs * width).max(1));
    let panels = x.chunks_exact(inputs).zip(dy.chunks_exact(outputs));
    for ((x, dy), dx) in panels.zip(dx.chunks_exact_mut(inputs)) {
        if width == LANES {
            Panel::<LANES>::largest_gradient(pool, x, dy, dx);
        } else {
            Panel::<1>::largest_gradient(pool, x, dy, dx);
        }
    }
}

#[inline(always)]
pub(super) fn average_pool_gradient<I: Isa>(
    _: I,
    batch: Batch,
    pool: &Pool2d,
    dy: &[f32],
    dx: &mut [f32],
) {
    dx.fill(0.0);
    each_panel(batch, pool, dy, dx, Panel::<LANES>::mean_gradient, Panel::<1>::mean_gradient);
}

/// Calls the form for panels or for rows with both operands of every panel.
#[inline(always)]
fn each_panel(
    batch: Batch,
    pool: &Pool2d,
    a: &[f32],
    b: &mut [f32],
    lanes: impl Fn(&Pool2d, &[f32], &mut [f32]),
    rows: impl Fn(&Pool2d, &[f32], &mut [f32]),
) {
    // Of operands with values, every size is bounded by their lengths.
    if a.is_empty() || b.is_empty() {
        return;
    }
    let panels = batch.panels().max(1);
    let (of_a, of_b) = ((a.len() / panels).max(1), (b.len() / panels).max(1));
    for (a, b) in a.chunks_exact(of_a).zip(b.chunks_exact_mut(of_b)) {
        if batch.width() == LANES { lanes(pool, a, b) } else { rows(pool, a, b) }
    }
}

/// Pooling of `W` samples side by side.
struct Panel<const W: usize>;

impl<const W: usize> Panel<W> {
    #[inline(always)]
    fn largest(pool: &Pool2d, x: &[f32], y: &mut [f32]) {
        let (x, _) = x.as_chunks::<W>();
        for (to, window) in y.as_chunks_mut::<W>().0.iter_mut().zip(windows(pool)) {
            let mut values = window.filter_map(|feature| x.get(feature));
            let mut best = values.next().copied().unwrap_or([0.0; W]);
            for row in values {
                for (best, &value) in best.iter_mut().zip(row) {
                    *best = if value > *best { value } else { *best };
                }
            }
            *to = best;
        }
    }

    #[inline(always)]
    fn mean(pool: &Pool2d, x: &[f32], y: &mut [f32]) {
        let scale = scale(pool);
        let (x, _) = x.as_chunks::<W>();
        for (to, window) in y.as_chunks_mut::<W>().0.iter_mut().zip(windows(pool)) {
            let mut values = window.filter_map(|feature| x.get(feature));
            let mut sum = values.next().copied().unwrap_or([0.0; W]);
            for row in values {
                for (sum, &value) in sum.iter_mut().zip(row) {
                    *sum += value;
                }
            }
            *to = sum.map(|sum| sum * scale);
        }
    }

    #[inline(always)]
    fn largest_gradient(pool: &Pool2d, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (x, _) = x.as_chunks::<W>();
        let (dx, _) = dx.as_chunks_mut::<W>();
        for (dy, window) in dy.as_chunks::<W>().0.iter().zip(windows(pool)) {
            for (lane, &gradient) in dy.iter().enumerate() {
                let mut best: Option<(usize, f32)> = None;
                for feature in window.clone() {
                    let Some(&value) = x.get(feature).and_then(|row| row.get(lane)) else {
                        continue;
                    };
                    if best.is_none_or(|(_, held)| value > held) {
                        best = Some((feature, value));
                    }
                }
                let to = best.and_then(|(feature, _)| dx.get_mut(feature)?.get_mut(lane));
                if let Some(to) = to {
                    *to += gradient;
                }
            }
        }
    }

    #[inline(always)]
    fn mean_gradient(pool: &Pool2d, dy: &[f32], dx: &mut [f32]) {
        let scale = scale(pool);
        let (dx, _) = dx.as_chunks_mut::<W>();
        for (dy, window) in dy.as_chunks::<W>().0.iter().zip(windows(pool)) {
            for feature in window {
                if let Some(dx) = dx.get_mut(feature) {
                    for (dx, &gradient) in dx.iter_mut().zip(dy) {
                        *dx += gradient * scale;
                    }
                }
            }
        }
    }
}

/// One over the size of the window.
#[inline(always)]
fn scale(pool: &Pool2d) -> f32 {
    1.0 / (pool.window[0] * pool.window[1]) as f32
}

/// The input features of every window, in the order of the output features.
#[inline(always)]
fn windows(pool: &Pool2d) -> impl Iterator<Item = impl Iterator<Item = usize> + Clone> {
    let [channels, rows, cols] = pool.output();
    let [_, height, width] = pool.input;
    let (stride, window) = (pool.stride, pool.window);
    (0..channels).flat_map(move |channel| {
        (0..rows).flat_map(move |row| {
            (0..cols).map(move |col| {
                let first = (channel * height + row * stride[0]) * width + col * stride[1];
                (0..window[0]).flat_map(move |y| (0..window[1]).map(move |x| first + y * width + x))
            })
        })
    })
}
