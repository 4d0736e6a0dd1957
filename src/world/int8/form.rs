//! One row of integers after an action.

use super::{Int8Form, Int8Range};
use crate::num;
use crate::world::{Change, WorldKind};

/// How the rows of a layer change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forming {
    pub(super) change: Change,
    pub(super) form: Int8Form,
    pub(super) range: Int8Range,
}

/// A row as it is.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) index: usize,
    pub(super) weights: &'r [i8],
    pub(super) scale: f32,
}

impl Forming {
    /// Length of an action.
    pub(super) const fn action_len(&self) -> usize {
        match self.form {
            Int8Form::Weights => self.change.action_len(),
            Int8Form::RowMultipliers => self.change.outputs,
        }
    }

    /// Writes the row after `action` to `to` and returns its scale; `None` where it is not finite. `wanted` is
    /// working memory of a row.
    pub(super) fn row(
        &self,
        action: &[f32],
        row: Row<'_>,
        wanted: &mut [f32],
        to: &mut [i8],
    ) -> Option<f32> {
        if self.form == Int8Form::RowMultipliers {
            to.iter_mut().zip(row.weights).for_each(|(to, &q)| *to = q);
            let factor = 1.0 + self.change.step * action.get(row.index).copied().unwrap_or(0.0);
            let scale = row.scale * if factor > 0.0 { factor } else { 0.0 };
            return scale.is_finite().then_some(scale);
        }
        self.product(action, row.index, wanted);
        let largest = self.apply(row, wanted);
        if !largest.is_finite() {
            return None;
        }
        // Powers of two: nothing is rounded but the result.
        let (mut scale, mut shrink) = (row.scale, 1.0f32);
        while self.range == Int8Range::Grow && largest * shrink >= 127.5 {
            (scale, shrink) = (2.0 * scale, 0.5 * shrink);
        }
        for (to, &wanted) in to.iter_mut().zip(&*wanted) {
            *to = nearest(wanted * shrink);
        }
        scale.is_finite().then_some(scale)
    }

    /// `D·r`, the row of `U·Vᵀ`: one sum over the rank, unfused.
    fn product(&self, action: &[f32], index: usize, row: &mut [f32]) {
        let (u, v) = self.change.factors(action);
        let (rank, outputs) = (self.change.rank, self.change.outputs);
        if let (1, Some(&u)) = (rank, u.get(index)) {
            row.iter_mut().zip(v).for_each(|(to, &v)| *to = u * v);
            return;
        }
        for (to, v) in row.iter_mut().zip(v.chunks_exact(rank.max(1))) {
            let u = u.iter().skip(index).step_by(outputs.max(1));
            *to = u.zip(v).fold(0.0, |sum, (&u, &v)| sum + u * v);
        }
    }

    /// From `D·r` to what the integers would be if they were none; returns the largest size.
    fn apply(&self, row: Row<'_>, wanted: &mut [f32]) -> f32 {
        let step = self.change.step / self.change.rank as f32;
        let in_units = step / row.scale;
        let mut largest = 0.0f32;
        for (wanted, &q) in wanted.iter_mut().zip(row.weights) {
            let q = f32::from(q);
            *wanted = match self.change.kind {
                WorldKind::Mask => q * (1.0 + step * *wanted),
                WorldKind::Shift => q + in_units * *wanted,
            };
            let size = num::abs(*wanted);
            // True for NaN as well, which then stays.
            largest = if size <= largest { largest } else { size };
        }
        largest
    }
}

/// Rounded, halves away from zero, and held to ±127.
#[inline(always)]
fn nearest(value: f32) -> i8 {
    let whole = value as i32;
    let rest = value - whole as f32;
    let rounded = whole.saturating_add(i32::from(rest >= 0.5) - i32::from(rest <= -0.5));
    rounded.clamp(-127, 127) as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Config;

    fn row(kind: WorldKind, form: Int8Form, range: Int8Range, action: &[f32]) -> ([i8; 3], f32) {
        let config = Config { step: 2.0, ..Config::new(kind) };
        let change = Change::new(&config, 0.5, 3, 2);
        let forming = Forming { change, form, range };
        let weights = [100, -3, 0];
        let (mut wanted, mut to) = ([9.0; 3], [9; 3]);
        let scale = forming.row(
            action,
            Row { index: 1, weights: &weights, scale: 0.25 },
            &mut wanted,
            &mut to,
        );
        (to, scale.unwrap())
    }

    #[test]
    fn integers_by_hand() {
        use {Int8Form::*, Int8Range::*, WorldKind::*};
        // u[1] = .5, v = 1, .5, −1: D = .5, .25, −.5.
        let action = [0.0, 0.5, 1.0, 0.5, -1.0];
        // 200, −4.5, −0; held, or halved.
        assert_eq!(row(Mask, Weights, Saturate, &action), ([127, -5, 0], 0.25));
        assert_eq!(row(Mask, Weights, Grow, &action), ([100, -2, 0], 0.5));
        // A step of 2 · .5 is four units of .25: 102, −2, −2.
        assert_eq!(row(Shift, Weights, Grow, &action), ([102, -2, -2], 0.25));
        assert_eq!(row(Mask, RowMultipliers, Grow, &[0.0, 0.25]), ([100, -3, 0], 0.375));
        assert_eq!(row(Mask, RowMultipliers, Grow, &[0.0, -1.0]), ([100, -3, 0], 0.0));
        assert_eq!(row(Shift, Weights, Grow, &[0.0; 5]), ([100, -3, 0], 0.25));
        assert_eq!([2.5, -2.5, 0.49, 300.0, -300.0].map(nearest), [3, -3, 0, 127, -127]);
    }
}
