//! Dense layers of few outputs, samples in the lanes: vectors of several panels in one tile.
//!
//! A tile of four rows has eight chains over half a panel, which is as many as it takes to keep the
//! multipliers busy if nothing is ever late. The vectors of three panels can be dealt to tiles of
//! twelve chains, whatever the number of rows.

// Loops over M and V are counted, so that they unroll and a tile stays in registers.
#![allow(clippy::needless_range_loop)]

use core::array;
use core::sync::atomic::{Ordering, compiler_fence};

use super::Start;
use super::isa::Isa;
use super::panels::First;
use super::shape::{LANES, TOGETHER};
use super::tile::{Spread, Tile, from, from_mut, split};

/// Rows of the tallest tile.
const ROWS: usize = 4;

/// Whether panels are better done together: chains have to be worth dealing, and what several strips
/// of rows read has to stay in the L1 cache.
#[inline(always)]
pub(super) const fn pays<I: Isa>(rows: usize, depth: usize) -> bool {
    match LANES / I::WIDTH {
        4 => depth >= 32 && (rows <= ROWS || rows <= 3 * ROWS && depth <= 64),
        2 => depth >= 32 && rows <= ROWS,
        _ => false,
    }
}

/// The first `count` panels of a product, a multiple of [`TOGETHER`]; see `panels`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn together<I: Isa>(
    isa: I,
    count: usize,
    rows: usize,
    depth: usize,
    a: Spread<'_>,
    start: Start<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    let size = [depth, depth * LANES, rows * LANES];
    for panel in (0..count).step_by(TOGETHER) {
        let b = from(b, panel * depth * LANES);
        for (row, height) in split(rows, rows.div_ceil(ROWS)) {
            let at = (panel * rows + row) * LANES;
            let (start, c) = (First::new(start, row, at), from_mut(c, at));
            let a = Spread { values: from(a.values, row * a.row), ..a };
            match (LANES / I::WIDTH, height) {
                (4, 1) => strip::<I, 1, 12>(isa, size, a, b, start, c),
                (4, 2) => strip::<I, 2, 6>(isa, size, a, b, start, c),
                (4, 3) => strip::<I, 3, 4>(isa, size, a, b, start, c),
                (4, 4) => strip::<I, 4, 3>(isa, size, a, b, start, c),
                (2, 1) => strip::<I, 1, 6>(isa, size, a, b, start, c),
                (2, 2) => strip::<I, 2, 6>(isa, size, a, b, start, c),
                (2, 3) => strip::<I, 3, 6>(isa, size, a, b, start, c),
                (2, 4) => strip::<I, 4, 3>(isa, size, a, b, start, c),
                _ => debug_assert!(false, "no tile of this height"),
            }
        }
    }
}

/// `M` rows over the lanes of the panels, `V` vectors at a time; `size` is the depth and the
/// distances between panels of B and of C.
#[inline(always)]
fn strip<I: Isa, const M: usize, const V: usize>(
    isa: I,
    [depth, b_panel, c_panel]: [usize; 3],
    a: Spread<'_>,
    b: &[f32],
    start: First<'_>,
    c: &mut [f32],
) {
    let each = LANES / I::WIDTH;
    for first in (0..TOGETHER * each).step_by(V) {
        let columns = |panel: usize| {
            array::from_fn(|v| (first + v) / each * panel + (first + v) % each * I::WIDTH)
        };
        let mut tile = match start {
            First::Zero => Tile::<I, M, V>::zero(isa),
            First::PerRow(values) => Tile::spread(isa, values),
            First::Rows(values) => Tile::load_at(isa, values, columns(c_panel)),
            First::Continue => Tile::load_at(isa, c, columns(c_panel)),
        };
        tile.accumulate_at(depth, a, b, columns(b_panel));
        tile.store_at(c, columns(c_panel));
    }
}

/// Tiles whose vectors lie anywhere: vector v of a row of values begins at `columns[v]`, and rows are
/// `LANES` apart.
impl<I: Isa, const M: usize, const V: usize> Tile<I, M, V> {
    /// Sixteen registers are barely enough: fences then keep the compiler from reading ahead, for
    /// which it would move sums to memory. They cost nothing else.
    const TIGHT: bool = I::WIDTH == 8 && M * V + if M < V { M } else { V } + 1 >= 16;

    /// Whether `rows` rows lie in `len` values.
    #[inline(always)]
    fn fits(rows: usize, columns: &[usize; V], len: usize) -> bool {
        let last = columns.iter().fold(0, |last, &column| last.max(column));
        let fits = rows == 0 || (rows - 1) * LANES + last + I::WIDTH <= len;
        debug_assert!(fits, "a tile reaches beyond its operands");
        fits
    }

    /// Chains that continue values.
    #[inline(always)]
    fn load_at(isa: I, values: &[f32], columns: [usize; V]) -> Self {
        let mut tile = Self::zero(isa);
        if Self::fits(M, &columns, values.len()) {
            for m in 0..M {
                for v in 0..V {
                    let at = m * LANES + columns[v];
                    // SAFETY: `fits` says that every vector of the M rows lies in `values`.
                    tile.sums[m][v] = unsafe { isa.load(values.as_ptr().add(at)) };
                }
            }
        }
        tile
    }

    /// Writes the chains.
    #[inline(always)]
    fn store_at(&self, values: &mut [f32], columns: [usize; V]) {
        if Self::fits(M, &columns, values.len()) {
            for m in 0..M {
                for v in 0..V {
                    let at = m * LANES + columns[v];
                    // SAFETY: `fits` says that every vector of the M rows lies in `values`.
                    unsafe { self.isa.store(values.as_mut_ptr().add(at), self.sums[m][v]) };
                }
            }
        }
    }

    /// Continues every chain by `depth` steps, one row of `b` each. Does nothing where an operand is
    /// too short, which is a mistake of the caller.
    #[inline(always)]
    fn accumulate_at(&mut self, depth: usize, a: Spread<'_>, b: &[f32], columns: [usize; V]) {
        let fits = depth == 0 || (M - 1) * a.row + (depth - 1) * a.step < a.values.len();
        debug_assert!(fits, "a tile reads beyond its operands");
        if !fits || !Self::fits(depth, &columns, b.len()) {
            return;
        }
        let isa = self.isa;
        let mut sums = self.sums;
        let (mut a_at, mut b_at) = (a.values.as_ptr(), b.as_ptr());
        for _ in 0..depth {
            // SAFETY: in step k this reads a vector of row k < depth, inside B by `Self::fits`.
            let vector = |v: usize| unsafe { isa.load(b_at.add(columns[v])) };
            // SAFETY: in step k this reads a[row·m + step·k], inside A by `fits`.
            let factor = |m: usize| isa.splat(unsafe { *a_at.add(m * a.row) });
            if M < V {
                let factors: [I::Vector; M] = array::from_fn(factor);
                for v in 0..V {
                    if Self::TIGHT {
                        compiler_fence(Ordering::Acquire);
                    }
                    let vector = vector(v);
                    for m in 0..M {
                        sums[m][v] = isa.fma(factors[m], vector, sums[m][v]);
                    }
                }
            } else {
                // The last vector is read again for every row, so that one register stays free.
                let vectors: [I::Vector; V] = array::from_fn(vector);
                for m in 0..M {
                    if Self::TIGHT {
                        compiler_fence(Ordering::Acquire);
                    }
                    let factor = factor(m);
                    for v in 0..V {
                        let vector = if v == V - 1 { vector(v) } else { vectors[v] };
                        sums[m][v] = isa.fma(factor, vector, sums[m][v]);
                    }
                }
            }
            a_at = a_at.wrapping_add(a.step);
            b_at = b_at.wrapping_add(LANES);
        }
        self.sums = sums;
    }
}
