//! Small symmetric systems, by hand, so that their bits are the same on every machine.

/// Chains that a dot product is dealt to, joined by a fixed tree.
const CHAINS: usize = 4;

/// Right-hand sides that are solved side by side.
const SIDE: usize = 16;

/// Replaces a symmetric positive semi-definite A (n × n, row-major; the lower triangle is read) by the
/// lower factor L of `A + added·I = L·Lᵀ`. Sums are taken in f64, entries kept in f32.
///
/// `added` is at least 0; pivots that rounding ate are kept at a millionth of the largest diagonal
/// entry, so that L can always be divided by. Does nothing when `matrix` is shorter than n².
pub fn cholesky(matrix: &mut [f32], n: usize, added: f32) {
    if n == 0 || matrix.len() / n < n {
        return;
    }
    let largest = matrix.iter().step_by(n + 1).take(n).fold(0.0f32, |most, &x| x.max(most));
    let added = f64::from(added);
    let least = (f64::from(largest) + added) * 1e-6;
    let least = if least > 0.0 && least.is_finite() { least } else { 1.0 };
    for row in 0..n {
        let Some((done, rest)) = matrix.split_at_mut_checked(row * n) else { return };
        let Some(own) = rest.get_mut(..n) else { return };
        for (column, other) in done.chunks_exact(n).enumerate() {
            let (Some(&value), Some(&pivot)) = (own.get(column), other.get(column)) else { return };
            let sum = f64::from(value) - dot(own, other, column);
            if let Some(slot) = own.get_mut(column) {
                *slot = (sum / f64::from(pivot)) as f32;
            }
        }
        let sum = f64::from(own.get(row).copied().unwrap_or(0.0)) + added - dot(own, own, row);
        if let Some(slot) = own.get_mut(row) {
            *slot = libm::sqrt(if sum > least { sum } else { least }) as f32;
        }
    }
}

/// Solves `L·Lᵀ·X = B` for `columns` right-hand sides, in place: `b` is n × columns, row-major, and L
/// (n × n) as [`cholesky`] leaves it. Sums are taken in f64 in rising order of the factor's columns (then
/// rows). Does nothing when a slice is too short.
pub fn cholesky_solve(factor: &[f32], n: usize, b: &mut [f32], columns: usize) {
    if n == 0 || columns == 0 || factor.len() / n < n || b.len() / columns < n {
        return;
    }
    for first in (0..columns).step_by(SIDE) {
        let last = columns.min(first + SIDE);
        for row in 0..n {
            let mut sums = [0.0f64; SIDE];
            let Some((done, rest)) = b.split_at_mut_checked(row * columns) else { return };
            let own = factor.get(row * n..row * n + n).unwrap_or_default();
            for (&entry, x) in own.iter().take(row).zip(done.chunks_exact(columns)) {
                add(&mut sums, entry, x.get(first..last));
            }
            finish(&sums, own.get(row), rest.get_mut(first..last));
        }
        for row in (0..n).rev() {
            let mut sums = [0.0f64; SIDE];
            let Some((rest, done)) = b.split_at_mut_checked((row + 1) * columns) else { return };
            let below = factor.iter().skip((row + 1) * n + row).step_by(n);
            for (&entry, x) in below.zip(done.chunks_exact(columns)) {
                add(&mut sums, entry, x.get(first..last));
            }
            let own = rest.get_mut(row * columns + first..row * columns + last);
            finish(&sums, factor.get(row * n + row), own);
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f64; SIDE], entry: f32, x: Option<&[f32]>) {
    for (sum, &x) in sums.iter_mut().zip(x.unwrap_or_default()) {
        *sum += f64::from(entry) * f64::from(x);
    }
}

#[inline(always)]
fn finish(sums: &[f64; SIDE], pivot: Option<&f32>, own: Option<&mut [f32]>) {
    let pivot = f64::from(pivot.copied().unwrap_or(1.0));
    for (value, sum) in own.unwrap_or_default().iter_mut().zip(sums) {
        *value = ((f64::from(*value) - sum) / pivot) as f32;
    }
}

/// Σ a·b over the first `len` entries: [`CHAINS`] chains in f64, then those that are left, in order.
fn dot(a: &[f32], b: &[f32], len: usize) -> f64 {
    let (a, b) = (a.get(..len).unwrap_or_default(), b.get(..len).unwrap_or_default());
    let (of_a, rest_a) = a.as_chunks::<CHAINS>();
    let (of_b, rest_b) = b.as_chunks::<CHAINS>();
    let mut sums = [0.0f64; CHAINS];
    for (a, b) in of_a.iter().zip(of_b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(a) * f64::from(b);
        }
    }
    let [first, second, third, fourth] = sums;
    let mut sum = (first + second) + (third + fourth);
    for (&a, &b) in rest_a.iter().zip(rest_b) {
        sum += f64::from(a) * f64::from(b);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in [−1, 1): the room of random numbers stands above this one.
    fn numbers(count: usize) -> Vec<f32> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        core::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn solutions_solve() {
        for (n, columns) in [(1, 1), (5, 3), (33, 17), (40, 32)] {
            let x: Vec<f32> = numbers(2 * n * n);
            let entry = |i: usize, j: usize| -> f32 {
                (0..2 * n).map(|k| x[k * n + i] * x[k * n + j]).sum()
            };
            let matrix: Vec<f32> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
            let b: Vec<f32> = numbers(n * columns);
            let (mut factor, mut solved) = (matrix.clone(), b.clone());
            cholesky(&mut factor, n, 0.5);
            cholesky_solve(&factor, n, &mut solved, columns);
            for row in 0..n {
                for column in 0..columns {
                    let own = f64::from(solved[row * columns + column]) * 0.5;
                    let whole: f64 = (0..n)
                        .map(|k| {
                            f64::from(matrix[row * n + k]) * f64::from(solved[k * columns + column])
                        })
                        .sum();
                    let wanted = f64::from(b[row * columns + column]);
                    assert!(
                        (whole + own - wanted).abs() < 2e-4,
                        "{n} x {columns}: {whole} {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_solved_stays_finite() {
        let mut zeros = [0.0f32; 9];
        cholesky(&mut zeros, 3, 0.0);
        let mut b = [1.0f32; 3];
        cholesky_solve(&zeros, 3, &mut b, 1);
        assert!(b.iter().all(|value| value.is_finite()));
        cholesky(&mut [1.0], 2, 0.0);
        cholesky_solve(&[1.0], 2, &mut [1.0], 1);
        cholesky_solve(&[], 0, &mut [], 0);
    }
}
