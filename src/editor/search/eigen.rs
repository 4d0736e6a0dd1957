//! Eigenvectors and eigenvalues of a symmetric matrix, in place and with the same bits on every machine.
//!
//! By hand because nalgebra's decompositions of matrices whose size is a value own their memory. Rows are
//! combined in f32, entry by entry; sums along a row are kept in f64 in a stated order.

use crate::num;

/// Rounds that one eigenvalue may take at most; some two are usual.
const PATIENCE: usize = 60;

/// Replaces a symmetric n × n matrix (row-major; the upper triangle is read) by its eigenvectors, one per
/// row, and writes the eigenvalue of each to `values`, in no order. `off` is scratch; both have n values.
///
/// Householder's reduction to three diagonals, then the implicit QL method with Wilkinson's shift (Golub
/// and Van Loan, 4th edition, 8.3). Values are exact to some n·2⁻²⁴ of the largest.
///
/// False, with the matrix spoilt, when a number is not finite or the method does not end.
pub(super) fn eigen(matrix: &mut [f32], values: &mut [f32], off: &mut [f32]) -> bool {
    let n = values.len();
    if n == 0 || off.len() != n || matrix.len() != n * n {
        return false;
    }
    for row in 0..n {
        for column in 0..row {
            let above = at(matrix, column * n + row);
            set(matrix, row * n + column, above);
        }
    }
    tridiagonalise(matrix, values, off);
    collect(matrix, n);
    num::all_finite(values)
        && num::all_finite(off)
        && diagonalise(matrix, values, off)
        && num::all_finite(values)
}

/// Leaves the diagonals in `values` and `off` (n − 1 values, then 0), and in row k of the matrix, behind
/// the diagonal, the vector of reflection k.
fn tridiagonalise(matrix: &mut [f32], values: &mut [f32], off: &mut [f32]) {
    let n = values.len();
    off.fill(0.0);
    for k in 0..n {
        set(values, k, at(matrix, k * n + k));
        let (above, below) = matrix.split_at_mut((k + 1) * n);
        let v = above.get_mut(k * n + k + 1..).unwrap_or_default();
        let Some(&first) = v.first() else { break };
        if v.len() == 1 {
            set(off, k, first);
            continue;
        }
        let length = libm::sqrt(dot(v, v));
        let end = if first > 0.0 { -length } else { length };
        set(off, k, end as f32);
        set(v, 0, (f64::from(first) - end) as f32);
        let square = dot(v, v);
        if !(square > 0.0 && square.is_finite()) {
            continue;
        }
        // A ← A − v·wᵀ − w·vᵀ with p = 2·A·v/‖v‖², w = p − v·(p·v)/‖v‖². p lies where later diagonals go.
        let w = off.get_mut(k + 1..).unwrap_or_default();
        for (to, row) in w.iter_mut().zip(below.chunks_exact(n)) {
            *to = (2.0 / square * dot(row.get(k + 1..).unwrap_or_default(), v)) as f32;
        }
        let along = (dot(w, v) / square) as f32;
        for (to, &v) in w.iter_mut().zip(&*v) {
            *to -= along * v;
        }
        for ((row, &own_v), &own_w) in below.chunks_exact_mut(n).zip(&*v).zip(&*w) {
            let row = row.get_mut(k + 1..).unwrap_or_default();
            for ((to, &v), &w) in row.iter_mut().zip(&*v).zip(&*w) {
                *to -= own_v * w + own_w * v;
            }
        }
    }
    set(off, n - 1, 0.0);
}

/// Turns the vectors of the reflections into the transpose of their product.
fn collect(matrix: &mut [f32], n: usize) {
    for k in (0..n).rev() {
        let (above, below) = matrix.split_at_mut((k + 1) * n);
        let Some(own) = above.get_mut(k * n..) else { return };
        let (head, v) = own.split_at_mut(k + 1);
        let square = dot(v, v);
        for row in below.chunks_exact_mut(n) {
            let (front, row) = row.split_at_mut(k + 1);
            if let Some(last) = front.last_mut() {
                *last = 0.0;
            }
            if v.len() > 1 && square > 0.0 {
                let factor = (2.0 / square * dot(row, v)) as f32;
                combine(row, -factor, v);
            }
        }
        v.fill(0.0);
        if let Some(diagonal) = head.last_mut() {
            *diagonal = 1.0;
        }
    }
}

/// Turns diagonals into eigenvalues, and the rows of the matrix with them.
fn diagonalise(matrix: &mut [f32], values: &mut [f32], off: &mut [f32]) -> bool {
    let n = values.len();
    let read = |slice: &[f32], index: usize| f64::from(at(slice, index));
    for low in 0..n {
        for round in 0.. {
            let small = |index: &usize| {
                let scale = num::abs(at(values, *index)) + num::abs(at(values, *index + 1));
                num::abs(at(off, *index)) <= f32::EPSILON / 2.0 * scale
            };
            let high = (low..n - 1).find(small).unwrap_or(n - 1);
            if high == low {
                break;
            }
            if round == PATIENCE {
                return false;
            }
            let edge = read(off, low);
            let half = (read(values, low + 1) - read(values, low)) / (2.0 * edge);
            let root = libm::hypot(half, 1.0);
            let shift = half + if half < 0.0 { -root } else { root };
            let mut bulge = read(values, high) - read(values, low) + edge / shift;
            let (mut sine, mut cosine, mut taken) = (1.0f64, 1.0f64, 0.0f64);
            let mut whole = true;
            for index in (low..high).rev() {
                let (out, kept) = (sine * read(off, index), cosine * read(off, index));
                let length = libm::hypot(out, bulge);
                set(off, index + 1, length as f32);
                if length == 0.0 {
                    set(values, index + 1, (read(values, index + 1) - taken) as f32);
                    set(off, high, 0.0);
                    whole = false;
                    break;
                }
                (sine, cosine) = (out / length, bulge / length);
                let rest = read(values, index + 1) - taken;
                let turned = (read(values, index) - rest) * sine + 2.0 * cosine * kept;
                taken = sine * turned;
                set(values, index + 1, (rest + taken) as f32);
                bulge = cosine * turned - kept;
                rotate(matrix, n, index, cosine as f32, sine as f32);
            }
            if whole {
                set(values, low, (read(values, low) - taken) as f32);
                set(off, low, bulge as f32);
                set(off, high, 0.0);
            }
        }
    }
    true
}

/// Rotates rows `index` and `index + 1`.
fn rotate(matrix: &mut [f32], n: usize, index: usize, cosine: f32, sine: f32) {
    let (above, below) = matrix.split_at_mut((index + 1) * n);
    let first = above.get_mut(index * n..).unwrap_or_default();
    let second = below.get_mut(..n).unwrap_or_default();
    for (a, b) in first.iter_mut().zip(second) {
        let (old_a, old_b) = (*a, *b);
        *b = sine * old_a + cosine * old_b;
        *a = cosine * old_a - sine * old_b;
    }
}

/// `to + factor·from`, entry by entry.
pub(super) fn combine(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// a·b in f64: four chains over every fourth product, added in order, then the rest.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut chains = [0.0f64; 4];
    let (fours_a, fours_b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest = fours_a.remainder().iter().zip(fours_b.remainder());
    for (a, b) in fours_a.zip(fours_b) {
        for ((chain, &a), &b) in chains.iter_mut().zip(a).zip(b) {
            *chain += f64::from(a) * f64::from(b);
        }
    }
    let [first, second, third, fourth] = chains;
    let mut total = first + second + third + fourth;
    for (&a, &b) in rest {
        total += f64::from(a) * f64::from(b);
    }
    total
}

fn at(values: &[f32], index: usize) -> f32 {
    values.get(index).copied().unwrap_or(0.0)
}

fn set(values: &mut [f32], index: usize, value: f32) {
    if let Some(slot) = values.get_mut(index) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Rng};

    /// A = Σ λₖ·zₖ·zₖᵀ again, and the rows are orthonormal; nalgebra finds the same values.
    fn check(n: usize, matrix: &[f32]) {
        let (mut vectors, mut values, mut off) = (matrix.to_vec(), vec![0.0; n], vec![0.0; n]);
        assert!(eigen(&mut vectors, &mut values, &mut off));
        let largest = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let bound = f64::from(largest) * 1e-6 * (n as f64).sqrt();
        for a in 0..n {
            for b in 0..n {
                let rows = (&vectors[a * n..(a + 1) * n], &vectors[b * n..(b + 1) * n]);
                let expected = f64::from(u8::from(a == b));
                assert!((dot(rows.0, rows.1) - expected).abs() < 1e-5, "rows {a}, {b} of {n}");
                let entry: f64 = (0..n)
                    .map(|k| {
                        let (x, y) = (vectors[k * n + a], vectors[k * n + b]);
                        f64::from(values[k]) * f64::from(x) * f64::from(y)
                    })
                    .sum();
                let held = f64::from(matrix[a.min(b) * n + a.max(b)]);
                assert!((entry - held).abs() <= bound, "{a}, {b} of {n}: {entry} and {held}");
            }
        }
        let of = |a: usize, b: usize| f64::from(matrix[a.min(b) * n + a.max(b)]);
        let mut theirs: Vec<f64> =
            nalgebra::DMatrix::from_fn(n, n, of).symmetric_eigenvalues().iter().copied().collect();
        theirs.sort_by(f64::total_cmp);
        values.sort_by(f32::total_cmp);
        for (&ours, theirs) in values.iter().zip(theirs) {
            assert!((f64::from(ours) - theirs).abs() <= bound, "{ours} and {theirs} of {n}");
        }
    }

    #[test]
    fn matrices_are_decomposed() {
        let mut rng = Rng::new(1, Purpose::Search);
        for n in [1usize, 2, 3, 4, 7, 20, 61, 160] {
            let random: Vec<f32> = (0..n * n).map(|_| rng.normal()).collect();
            check(n, &random);
            // Positive definite, with a condition of some 1e4.
            let scale = |index: usize| 10f32.powf(-4.0 * index as f32 / n as f32);
            let scaled: Vec<f32> = (0..n * n).map(|at| random[at] * scale(at / n).sqrt()).collect();
            let square: Vec<f32> = (0..n * n)
                .map(|at| {
                    let column = |c: usize| (0..n).map(move |r| r * n + c);
                    let pairs = column(at / n).zip(column(at % n));
                    pairs.map(|(a, b)| scaled[a] * scaled[b]).sum::<f32>()
                })
                .collect();
            check(n, &square);
            let diagonal = |value: fn(usize) -> f32| -> Vec<f32> {
                (0..n * n).map(|at| if at / n == at % n { value(at / n) } else { 0.0 }).collect()
            };
            check(n, &diagonal(|_| 1.0));
            check(n, &diagonal(|index| index as f32));
            check(n, &vec![0.5; n * n]);
            check(n, &vec![0.0; n * n]);
        }
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        for bad in [f32::NAN, f32::INFINITY, 3e38] {
            let mut matrix = vec![bad; 25];
            assert!(!eigen(&mut matrix, &mut [0.0; 5], &mut [0.0; 5]), "{bad}");
        }
        assert!(!eigen(&mut [1.0; 4], &mut [0.0; 3], &mut [0.0; 3]));
    }
}
