//! Moments over forget and retain samples, summed in the order of the samples.

use super::positions::Sums;
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
#[derive(Debug, Default)]
pub(super) struct Moments<'a> {
    pub(super) forget: &'a mut [f32],
    pub(super) retain: &'a mut [f32],
    /// Sum of squares at first, the deviation after [`finish`](Self::finish); empty where nobody asks for it.
    pub(super) deviation: &'a mut [f32],
    /// .1 of the layer's mean deviation.
    floor: f32,
}

impl<'a> Moments<'a> {
    pub(super) fn new(features: usize, arena: &mut Arena<'a>) -> Result<Self, TooSmall> {
        Ok(Self { deviation: arena.take(features)?, ..Self::means(features, arena)? })
    }

    /// Without deviations.
    pub(super) fn means(features: usize, arena: &mut Arena<'a>) -> Result<Self, TooSmall> {
        let (forget, retain) = (arena.take(features)?, arena.take(features)?);
        Ok(Self { forget, retain, deviation: Default::default(), floor: 0.0 })
    }

    /// Adds what is active of a panel: 1 where a value is above 0.
    pub(super) fn add_active(&mut self, roles: &Roles, panel: &[f32]) {
        self.add_means(roles, panel, |value| if value > 0.0 { 1.0 } else { 0.0 });
    }

    fn add_means(&mut self, roles: &Roles, panel: &[f32], of: impl Fn(f32) -> f32) {
        let sums = self.forget.iter_mut().zip(self.retain.iter_mut());
        for ((forget, retain), lanes) in sums.zip(panel.chunks_exact(LANES)) {
            let (mut f, mut r) = (*forget, *retain);
            for ((&x, &is_forget), &is_retain) in lanes.iter().zip(&roles.forget).zip(&roles.retain)
            {
                f += is_forget * of(x);
                r += is_retain * of(x);
            }
            (*forget, *retain) = (f, r);
        }
    }

    /// Adds a panel, `[feature][lane]`.
    pub(super) fn add(&mut self, roles: &Roles, panel: &[f32]) {
        if self.deviation.is_empty() {
            return self.add_means(roles, panel, |value| value);
        }
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

    /// Adds what the samples of a panel show of one feature, all positions together.
    pub(super) fn add_sums(&mut self, index: usize, roles: &Roles, sums: &Sums) {
        let add = |to: Option<&mut f32>, role: &[f32; LANES], values: &[f32; LANES]| {
            if let Some(to) = to {
                role.iter().zip(values).for_each(|(role, value)| *to += role * value);
            }
        };
        add(self.forget.get_mut(index), &roles.forget, &sums.values);
        add(self.retain.get_mut(index), &roles.retain, &sums.values);
        add(self.deviation.get_mut(index), &roles.retain, &sums.squares);
    }

    /// Sums become means and deviations, of so many samples at so many positions.
    pub(super) fn finish(&mut self, forget: usize, retain: usize) {
        let (forget, retain) = (1.0 / forget as f32, 1.0 / retain as f32);
        self.forget.iter_mut().for_each(|value| *value *= forget);
        self.retain.iter_mut().for_each(|value| *value *= retain);
        for (mean, square) in self.retain.iter().zip(&mut *self.deviation) {
            *square = deviation(*square * retain, *mean);
        }
        self.floor = 0.1 * num::mean(self.deviation);
    }

    /// `(f − r) / (std_r + .1 · layer mean of std_r)`; 0 where the denominator is.
    pub(super) fn contrast_of(&self, index: usize) -> f32 {
        let of = |values: &[f32]| values.get(index).copied().unwrap_or(0.0);
        let scale = of(self.deviation) + self.floor;
        if scale > 0.0 { (of(self.forget) - of(self.retain)) / scale } else { 0.0 }
    }

    /// The same of all features.
    pub(super) fn contrast(&self, out: &mut [f32]) {
        for (index, to) in out.iter_mut().enumerate() {
            *to = self.contrast_of(index);
        }
    }
}

/// Deviation from the mean square and the mean.
pub(super) fn deviation(square: f32, mean: f32) -> f32 {
    let variance = square - mean * mean;
    if variance > 0.0 { num::sqrt(variance) } else { 0.0 }
}
