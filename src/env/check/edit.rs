//! Rules for environments that edit a layer: what a step may do to its weights.

use super::{Actions, Checker, parts, weights};
use crate::env::{Edit, Edited, End, Violation};
use crate::rng::{Purpose, Rng};

impl Checker<'_> {
    /// The change from `before` to the weights now, against what the environment declares.
    pub(super) fn check_edit(&mut self, step: usize) -> Result<(), Violation> {
        let mut first = 0;
        for edited in parts(self.env) {
            let own = first..first + edited.weights.len();
            first = own.end;
            let before = self.before.get(own.clone()).unwrap_or(&[]);
            let change = self.change.get_mut(own.clone()).unwrap_or(&mut []);
            check_part(step, &edited, own.start, before, change)?;
        }
        Ok(())
    }

    /// The zero action, as the first step and after an edit.
    pub(super) fn zero_action(&mut self) -> Result<(), Violation> {
        let space = self.spec.action;
        if self.shape.is_none() || space.low > 0.0 || space.high < 0.0 {
            return Ok(());
        }
        for step in [1, 2] {
            self.reset(self.seed, false)?;
            if step == 2 && self.one_step()?.end != End::Running {
                return Ok(());
            }
            self.action.fill(0.0);
            self.step(step)?;
            for (index, (&before, after)) in self.before.iter().zip(weights(self.env)).enumerate() {
                // By value: adding a zero may turn −0 into +0.
                if before != after {
                    return Err(Violation::ZeroAction { index, before, after });
                }
            }
        }
        Ok(())
    }

    /// The recorded actions once more, on a rescaled layer.
    pub(super) fn rescaled(&mut self) -> Result<(), Violation> {
        const FACTOR: f32 = 4.0;
        if !self.env.rescale(FACTOR) {
            return Ok(());
        }
        let result = self.rescaled_episode();
        self.env.rescale(1.0 / FACTOR);
        result
    }

    fn rescaled_episode(&mut self) -> Result<(), Violation> {
        self.reset(self.seed, false)?;
        let mut rng = Rng::new(self.seed, Purpose::Action);
        for step in 1..=self.recorded {
            self.fill_action(Actions::Uniform, &mut rng);
            let after = self.step(step)?.reward;
            let before = self.rewards[step - 1];
            if before.to_bits() != after.to_bits() {
                return Err(Violation::RescaleNoticed { step, before, after });
            }
        }
        Ok(())
    }
}

/// The change of one layer's weights, whose first is number `first`; `change` is working memory.
fn check_part(
    step: usize,
    edited: &Edited<'_>,
    first: usize,
    before: &[f32],
    change: &mut [f32],
) -> Result<(), Violation> {
    let pairs = (first..).zip(before.iter().zip(edited.weights));
    match edited.edit {
        Edit::Mask => {
            for (index, (&before, &after)) in pairs {
                if before == 0.0 && after != 0.0 {
                    return Err(Violation::MaskedZero { step, index, after });
                }
            }
            Ok(())
        }
        Edit::Shift { .. } | Edit::Rounded { .. } => {
            let (rank, step_limit, mesh) = match edited.edit {
                Edit::Rounded { rank, step, rounding } => (rank, step, rounding),
                Edit::Shift { rank, step } => (rank, step, 0.0),
                Edit::Mask => (0, 0.0, 0.0),
            };
            let limit = step_limit + mesh;
            let mut largest = 0.0f32;
            for ((index, (&before, &after)), slot) in pairs.zip(&mut *change) {
                let change = after - before;
                largest = largest.max(before.abs()).max(after.abs());
                // The sum is rounded once, and the bound may be met exactly.
                let rounding = 2.0 * f32::EPSILON * (limit.abs() + before.abs());
                if change.abs() > limit + rounding {
                    return Err(Violation::ShiftStep { step, index, change, limit });
                }
                *slot = change;
            }
            let rest = rest_above_rank(change, edited.inputs, edited.outputs, rank);
            // Each change carries the rounding of the weight it was added to; an elimination
            // step can double what the entries carry.
            let growth = (1u32 << rank.min(12)) as f32;
            // Of what a grid adds, it can leave four times as much (and a little, where a pivot is as small).
            let of_mesh = 2.0 * mesh * (1u64 << (3 * rank.min(12))) as f32;
            if rest > 4.0 * f32::EPSILON * growth * largest + of_mesh {
                return Err(Violation::ShiftRank { step, rank, rest });
            }
            Ok(())
        }
    }
}

/// The largest entry that is left of a matrix once `rank` steps of Gaussian elimination with
/// complete pivoting have taken out a row and a column each: 0 (up to rounding) for a matrix of that
/// rank. The matrix is overwritten.
fn rest_above_rank(matrix: &mut [f32], rows: usize, cols: usize, rank: usize) -> f32 {
    if cols == 0 || rank >= rows.min(cols) {
        return 0.0;
    }
    for _ in 0..rank {
        let (at, pivot) = largest_entry(matrix);
        if pivot == 0.0 {
            return 0.0;
        }
        let (pivot_row, pivot_col) = (at / cols, at % cols);
        for row in 0..rows {
            let factor = matrix[row * cols + pivot_col] / pivot;
            if row == pivot_row || factor == 0.0 {
                continue;
            }
            for col in 0..cols {
                matrix[row * cols + col] -= factor * matrix[pivot_row * cols + col];
            }
            matrix[row * cols + pivot_col] = 0.0;
        }
        matrix[pivot_row * cols..(pivot_row + 1) * cols].fill(0.0);
    }
    largest_entry(matrix).1.abs()
}

fn largest_entry(values: &[f32]) -> (usize, f32) {
    let mut best = (0, 0.0f32);
    for (index, &value) in values.iter().enumerate() {
        if value.abs() > best.1.abs() {
            best = (index, value);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::rest_above_rank;
    use crate::rng::{Purpose, Rng};

    #[test]
    fn elimination_finds_the_rank() {
        let mut rng = Rng::new(5, Purpose::Data);
        let (rows, cols) = (9, 6);
        for rank in 1..=4usize {
            let u: [f32; 36] = core::array::from_fn(|_| rng.uniform(-1.0, 1.0));
            let v: [f32; 24] = core::array::from_fn(|_| rng.uniform(-1.0, 1.0));
            let product = |row: usize, col: usize| {
                (0..rank).map(|k| u[row * 4 + k] * v[col * 4 + k]).sum::<f32>()
            };
            let matrix: [f32; 54] = core::array::from_fn(|i| product(i / cols, i % cols));
            assert!(rest_above_rank(&mut matrix.clone(), rows, cols, rank) < 1e-5);
            assert!(rest_above_rank(&mut matrix.clone(), rows, cols, rank - 1) > 1e-2);
        }
        assert_eq!(rest_above_rank(&mut [0.0; 4], 2, 2, 1), 0.0);
        assert_eq!(rest_above_rank(&mut [], 0, 0, 0), 0.0);
    }
}
