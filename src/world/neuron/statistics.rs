//! Moments over forget and retain samples, summed in the order of the samples.

use crate::error::TooSmall;
use crate::kernel::LANES;
use crate::num;
use crate::slab::Arena;

/// What the samples of a panel count for: 1 in `forget` or in `retain`, 0 in both for spare lanes and
/// for classes that were forgotten earlier.
pub(super) struct Roles {
    pub(super) forget: [f32; LANES],
    pub(super) retain: [f32; LANES],
}

/// Mean over forget and over retain samples, and deviation over retain samples, of some features.
#[derive(Debug)]
pub(super) struct Moments<'a> {
    pub(super) forget: &'a mut [f32],
    pub(super) retain: &'a mut [f32],
    /// Sum of squares at first, the deviation after [`finish`](Self::finish).
    pub(super) deviation: &'a mut [f32],
}

impl<'a> Moments<'a> {
    pub(super) const fn need(features: usize) -> usize {
        3 * features
    }

    pub(super) fn new(features: usize, arena: &mut Arena<'a>) -> Result<Self, TooSmall> {
        Ok(Self {
            forget: arena.take(features)?,
            retain: arena.take(features)?,
            deviation: arena.take(features)?,
        })
    }

    /// Adds a panel, `[feature][lane]`.
    pub(super) fn add(&mut self, roles: &Roles, panel: &[f32]) {
        let sums = self.forget.iter_mut().zip(self.retain.iter_mut()).zip(&mut *self.deviation);
        for (((forget, retain), square), lanes) in sums.zip(panel.chunks_exact(LANES)) {
            let (mut f, mut r, mut q) = (*forget, *retain, *square);
            for ((&x, &is_forget), &is_retain) in lanes.iter().zip(&roles.forget).zip(&roles.retain)
            {
                f += is_forget * x;
                r += is_retain * x;
                q += is_retain * (x * x);
            }
            (*forget, *retain, *square) = (f, r, q);
        }
    }

    /// Sums become means and deviations.
    pub(super) fn finish(&mut self, forget: usize, retain: usize) {
        let (forget, retain) = (1.0 / forget as f32, 1.0 / retain as f32);
        self.forget.iter_mut().for_each(|value| *value *= forget);
        for (mean, square) in self.retain.iter_mut().zip(&mut *self.deviation) {
            *mean *= retain;
            *square = deviation(*square * retain, *mean);
        }
    }

    /// `(f − r) / (std_r + .1 · layer mean of std_r)`; 0 where the denominator is.
    pub(super) fn contrast(&self, out: &mut [f32]) {
        let floor = 0.1 * num::mean(self.deviation);
        let moments = self.forget.iter().zip(&*self.retain).zip(&*self.deviation);
        for (to, ((&forget, &retain), &deviation)) in out.iter_mut().zip(moments) {
            let scale = deviation + floor;
            *to = if scale > 0.0 { (forget - retain) / scale } else { 0.0 };
        }
    }
}

/// Deviation from the mean square and the mean.
pub(super) fn deviation(square: f32, mean: f32) -> f32 {
    let variance = square - mean * mean;
    if variance > 0.0 { num::sqrt(variance) } else { 0.0 }
}
