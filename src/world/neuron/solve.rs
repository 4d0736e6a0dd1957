//! Systems with a ridge, solved in place.

/// Solves `(A + ρ·tr(A)/n·I) x = b` for a symmetric positive semi-definite A (n × n, row-major, whole
/// or lower triangle), by Cholesky's decomposition with sums in f64 in rising order. A is overwritten,
/// `b` becomes x; all zeros where A is.
///
/// By hand, so that its bits are the same on every machine.
pub(super) fn solve_ridge(matrix: &mut [f32], ridge: f32, b: &mut [f32]) {
    let n = b.len();
    if n == 0 || matrix.len() < n * n {
        return;
    }
    let mut trace = 0.0f64;
    for row in 0..n {
        trace += f64::from(at(matrix, row * n + row));
    }
    let added = f64::from(ridge) * trace / n as f64;
    if !(added > 0.0 && added.is_finite()) {
        b.fill(0.0);
        return;
    }
    for row in 0..n {
        let Some((done, rest)) = matrix.split_at_mut_checked(row * n) else { return };
        let Some(own) = rest.get_mut(..n) else { return };
        for column in 0..row {
            let other = done.get(column * n..column * n + n).unwrap_or_default();
            let sum = f64::from(at(own, column)) - dot(own, other, column);
            let pivot = f64::from(at(other, column));
            if let Some(slot) = own.get_mut(column) {
                *slot = (sum / pivot) as f32;
            }
        }
        let sum = f64::from(at(own, row)) + added - dot(own, own, row);
        // Rounding may eat a pivot that the ridge keeps above 0.
        let pivot = libm::sqrt(if sum > added * 1e-3 { sum } else { added * 1e-3 });
        if let Some(slot) = own.get_mut(row) {
            *slot = pivot as f32;
        }
    }
    for row in 0..n {
        let own = matrix.get(row * n..row * n + n).unwrap_or_default();
        let sum = f64::from(at(b, row)) - dot(own, b, row);
        if let Some(slot) = b.get_mut(row) {
            *slot = (sum / f64::from(at(own, row))) as f32;
        }
    }
    for row in (0..n).rev() {
        let mut sum = f64::from(at(b, row));
        for below in row + 1..n {
            sum -= f64::from(at(matrix, below * n + row)) * f64::from(at(b, below));
        }
        if let Some(slot) = b.get_mut(row) {
            *slot = (sum / f64::from(at(matrix, row * n + row))) as f32;
        }
    }
}

fn at(values: &[f32], index: usize) -> f32 {
    values.get(index).copied().unwrap_or(0.0)
}

fn dot(a: &[f32], b: &[f32], len: usize) -> f64 {
    let mut sum = 0.0f64;
    for (&a, &b) in a.iter().zip(b).take(len) {
        sum += f64::from(a) * f64::from(b);
    }
    sum
}
