//! The register tile: `M` rows of `V` vectors, every value one chain of fused multiply-adds.
//!
//! A tile holds `C[m][n]` and adds `Σₖ A(m, k)·B(k, n)` to it, k rising. A is read value by value and
//! spread over the lanes, B is read as vectors, so lanes, rows and tiles never mix: only the chain
//! over k is sequential, and its order is the caller's. What A and B are (weights and samples, samples
//! and weights, gradients) is the business of `panels`, `columns` and `conv`.

// Loops over M and V are counted, so that they unroll and a tile stays in registers.
#![allow(clippy::needless_range_loop)]

use core::mem::MaybeUninit;

use super::isa::{Isa, Operand};
use super::shape::LANES;

/// Steps of the chains between two visits of the result: what a tile reads stays in the L1 cache.
pub(super) const STEPS: usize = 128;

/// Where A lies: `values[row·m + step·k]`.
#[derive(Clone, Copy)]
pub(super) struct Spread<'a> {
    /// From the first row and step on.
    pub(super) values: &'a [f32],
    /// Distance from one row to the next.
    pub(super) row: usize,
    /// Distance from one step of the chain to the next.
    pub(super) step: usize,
}

/// Where B lies: `values[step·k + panel·(n / LANES) + n % LANES]`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// From the first step and column on.
    pub(super) values: &'a [f32],
    /// Distance from one step of the chain to the next.
    pub(super) step: usize,
    /// Distance from one group of `LANES` columns to the next; `LANES` where all lie side by side.
    pub(super) panel: usize,
}

/// The rest of a slice, empty where it would begin beyond the end.
#[inline(always)]
pub(super) fn from(values: &[f32], at: usize) -> &[f32] {
    values.get(at..).unwrap_or_default()
}

/// The rest of a slice, empty where it would begin beyond the end.
#[inline(always)]
pub(super) fn from_mut(values: &mut [f32], at: usize) -> &mut [f32] {
    values.get_mut(at..).unwrap_or_default()
}

/// The first `len` values of working memory, all zero; fewer where it is smaller.
#[inline(always)]
pub(super) fn zeroed(scratch: &mut [MaybeUninit<f32>], len: usize) -> &mut [f32] {
    let len = len.min(scratch.len());
    if let Some(values) = scratch.get_mut(..len) {
        values.fill(MaybeUninit::new(0.0));
    }
    // SAFETY: the first `len` values, which exist, have just been written.
    unsafe { core::slice::from_raw_parts_mut(scratch.as_mut_ptr().cast(), len) }
}

/// `total` in `parts` nearly equal pieces, as (first, length).
#[inline(always)]
pub(super) fn split(total: usize, parts: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let (base, longer) = (total / parts.max(1), total % parts.max(1));
    let mut first = 0;
    (0..parts).map(move |part| {
        let piece = (first, base + usize::from(part < longer));
        first += piece.1;
        piece
    })
}

/// `rows` rows in tiles, as (first, height): nearly equal and of [`Isa::ROWS`] rows at most, or of four rows and of
/// one where other heights are not compiled.
#[inline(always)]
pub(super) fn heights<I: Isa>(rows: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let fours = rows / 4;
    let parts = if I::SMALL { fours + rows % 4 } else { rows.div_ceil(I::ROWS) };
    split(rows, parts).enumerate().map(move |(part, piece)| match part {
        _ if !I::SMALL => piece,
        part if part < fours => (4 * part, 4),
        part => (3 * fours + part, 1),
    })
}

/// `M` rows of `V` vectors in registers.
pub(super) struct Tile<I: Isa, const M: usize, const V: usize> {
    pub(super) isa: I,
    pub(super) sums: [[I::Vector; V]; M],
}

impl<I: Isa, const M: usize, const V: usize> Tile<I, M, V> {
    /// Columns of the tile.
    pub(super) const COLUMNS: usize = V * I::WIDTH;

    /// Where the columns of vector `v` begin.
    #[inline(always)]
    fn offset(v: usize, panel: usize) -> usize {
        let first = v * I::WIDTH;
        first / LANES * panel + first % LANES
    }

    /// Chains that start from zero.
    #[inline(always)]
    pub(super) fn zero(isa: I) -> Self {
        Self { isa, sums: [[isa.splat(0.0); V]; M] }
    }

    /// Chains that start from one value per row.
    #[inline(always)]
    pub(super) fn spread(isa: I, values: &[f32]) -> Self {
        let mut tile = Self::zero(isa);
        if let Some(values) = values.first_chunk::<M>() {
            for m in 0..M {
                tile.sums[m] = [isa.splat(values[m]); V];
            }
        }
        tile
    }

    /// Chains that continue the first `columns` values of rows that are `row` apart.
    #[inline(always)]
    pub(super) fn load(isa: I, values: &[f32], row: usize, columns: usize) -> Self {
        let mut tile = Self::zero(isa);
        if columns >= Self::COLUMNS && values.len() >= (M - 1) * row + Self::COLUMNS {
            for m in 0..M {
                for v in 0..V {
                    // SAFETY: the last value read is at (M − 1)·row + COLUMNS − 1, inside `values`.
                    tile.sums[m][v] =
                        unsafe { isa.load(values.as_ptr().add(m * row + v * I::WIDTH)) };
                }
            }
            return tile;
        }
        // In memory, so that the dynamic lengths do not force the tile itself out of registers.
        let mut copy = tile.sums;
        for (m, sums) in flat_mut::<I, M, V>(&mut copy).chunks_exact_mut(Self::COLUMNS).enumerate()
        {
            copy_short(from(values, m * row), sums, columns);
        }
        tile.sums = copy;
        tile
    }

    /// Chains that continue `value(row, column)`, or zero where there is none.
    #[inline(always)]
    pub(super) fn gather(isa: I, value: impl Fn(usize, usize) -> Option<f32>) -> Self {
        let mut tile = Self::zero(isa);
        let mut copy = tile.sums;
        for (m, sums) in flat_mut::<I, M, V>(&mut copy).chunks_exact_mut(Self::COLUMNS).enumerate()
        {
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = value(m, n).unwrap_or(0.0);
            }
        }
        tile.sums = copy;
        tile
    }

    /// Writes the first `columns` values of each row to rows that are `row` apart.
    #[inline(always)]
    pub(super) fn store(&self, values: &mut [f32], row: usize, columns: usize) {
        if columns >= Self::COLUMNS && values.len() >= (M - 1) * row + Self::COLUMNS {
            for m in 0..M {
                for v in 0..V {
                    let at = m * row + v * I::WIDTH;
                    // SAFETY: the last value written is at (M − 1)·row + COLUMNS − 1, inside
                    // `values`.
                    unsafe { self.isa.store(values.as_mut_ptr().add(at), self.sums[m][v]) };
                }
            }
            return;
        }
        let copy = self.sums;
        for (m, sums) in flat::<I, M, V>(&copy).chunks_exact(Self::COLUMNS).enumerate() {
            copy_short(sums, from_mut(values, m * row), columns);
        }
    }

    /// Calls `visit(row, values of its columns)` for every row.
    #[inline(always)]
    pub(super) fn visit(&self, mut visit: impl FnMut(usize, &[f32])) {
        let copy = self.sums;
        for (m, sums) in flat::<I, M, V>(&copy).chunks_exact(Self::COLUMNS).enumerate() {
            visit(m, sums);
        }
    }

    /// Continues every chain by `depth` steps. Does nothing where an operand is too short, which is
    /// a mistake of the caller.
    #[inline(always)]
    pub(super) fn accumulate(&mut self, depth: usize, a: Spread<'_>, b: Rows<'_>) {
        if depth == 0 {
            return;
        }
        let fits = (M - 1) * a.row + (depth - 1) * a.step < a.values.len()
            && (depth - 1) * b.step + Self::offset(V - 1, b.panel) + I::WIDTH <= b.values.len();
        debug_assert!(fits, "a tile reads beyond its operands");
        if !fits {
            return;
        }
        // SAFETY: the offset of the last row is the largest, so `fits` is what `steps` asks for. The
        // usual distances between rows are cases of their own, because the addresses are then
        // constants.
        unsafe {
            match a.row {
                1 => self.steps(depth, |m| m, a, b),
                LANES => self.steps(depth, |m| m * LANES, a, b),
                row => self.steps(depth, |m| m * row, a, b),
            }
        }
    }

    /// [`accumulate`](Self::accumulate) where the second half of the rows lies `half` beyond the
    /// first.
    #[inline(always)]
    pub(super) fn accumulate_halves(
        &mut self,
        depth: usize,
        half: usize,
        a: Spread<'_>,
        b: Rows<'_>,
    ) {
        let rows = M.div_ceil(2);
        if depth == 0 {
            return;
        }
        let fits = half + (rows - 1) * a.row + (depth - 1) * a.step < a.values.len()
            && (depth - 1) * b.step + Self::offset(V - 1, b.panel) + I::WIDTH <= b.values.len();
        debug_assert!(fits, "a tile reads beyond its operands");
        if fits {
            // SAFETY: no row's offset is above half + (rows − 1)·row, so `fits` is what `steps`
            // asks for.
            unsafe {
                match a.row {
                    1 => self.steps(depth, |m| m / rows * half + m % rows, a, b),
                    row => self.steps(depth, |m| m / rows * half + m % rows * row, a, b),
                }
            }
        }
    }

    /// The loop over the chain. Row m of A begins at `row(m)`.
    ///
    /// # Safety
    /// `row(m) + (depth − 1)·a.step` lies inside A for every row m < M, and
    /// `(depth − 1)·b.step + offset(V − 1) + WIDTH` is at most the length of B.
    #[inline(always)]
    unsafe fn steps(
        &mut self,
        depth: usize,
        row: impl Fn(usize) -> usize,
        a: Spread<'_>,
        b: Rows<'_>,
    ) {
        let b_offset = |v| Self::offset(v, b.panel);
        let a = Operand { at: a.values.as_ptr(), step: a.step, offset: row };
        let b = Operand { at: b.values.as_ptr(), step: b.step, offset: b_offset };
        // SAFETY: step k reads a[row(m) + k·step], inside A by the contract, and
        // b[k·step + offset(v) ..][.. WIDTH]; offsets rise with v, so that ends inside B.
        unsafe { self.isa.chains(&mut self.sums, depth, a, b) };
    }

    /// [`accumulate`](Self::accumulate) where the rows of B may be shorter than the tile is wide:
    /// the spare columns then read on into the following row, and nothing stores them. Only where
    /// that would leave the slice is a row copied first.
    #[inline(always)]
    pub(super) fn accumulate_ragged(&mut self, depth: usize, a: Spread<'_>, b: Rows<'_>) {
        let whole = match b.values.len().checked_sub(Self::COLUMNS) {
            Some(room) if (depth.max(1) - 1) * b.step <= room => depth,
            Some(room) => room / b.step.max(1) + 1,
            None => 0,
        };
        let mut copy = [self.isa.splat(0.0); V];
        let mut k = 0;
        while k < depth {
            let a = Spread { values: from(a.values, k * a.step), ..a };
            let row = from(b.values, k * b.step);
            // One call for both cases, so that the loop over the chain is compiled once.
            let (steps, values) = if k < whole {
                (whole, row)
            } else {
                copy_short(row, flat_vectors_mut::<I>(&mut copy), Self::COLUMNS);
                (1, flat_vectors::<I>(&copy))
            };
            self.accumulate(steps, a, Rows { values, step: b.step, panel: LANES });
            k += steps;
        }
    }
}

/// Copies as many values as both slices have: unlike `copy_from_slice` it cannot panic.
#[inline(always)]
pub(crate) fn copy(to: &mut [f32], values: &[f32]) {
    copy_short(values, to, usize::MAX);
}

/// Copies `count` values, fewer where either slice is shorter.
#[inline(always)]
fn copy_short(values: &[f32], to: &mut [f32], count: usize) {
    for (to, &value) in to.iter_mut().zip(values).take(count) {
        *to = value;
    }
}

#[inline(always)]
fn flat<I: Isa, const M: usize, const V: usize>(sums: &[[I::Vector; V]; M]) -> &[f32] {
    flat_vectors::<I>(sums.as_flattened())
}

#[inline(always)]
fn flat_mut<I: Isa, const M: usize, const V: usize>(sums: &mut [[I::Vector; V]; M]) -> &mut [f32] {
    flat_vectors_mut::<I>(sums.as_flattened_mut())
}

#[inline(always)]
fn flat_vectors<I: Isa>(vectors: &[I::Vector]) -> &[f32] {
    // SAFETY: by the contract of `Isa` a vector is WIDTH f32 without padding.
    unsafe { core::slice::from_raw_parts(vectors.as_ptr().cast(), vectors.len() * I::WIDTH) }
}

#[inline(always)]
fn flat_vectors_mut<I: Isa>(vectors: &mut [I::Vector]) -> &mut [f32] {
    // SAFETY: by the contract of `Isa` a vector is WIDTH f32 without padding, of any bits; the
    // borrow is exclusive and passes on.
    unsafe {
        core::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), vectors.len() * I::WIDTH)
    }
}

/// Calls `$f::<I, M, V>` for tiles of `$height` rows that together span a panel: the width of a
/// tile shrinks from the panel to half of it where more rows would not fit the registers.
macro_rules! panel_tiles {
    ($I:ident, $height:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match (LANES / $I::WIDTH, $height) {
            (1, 1) => $f::<$I, 1, 1>($($arg),*),
            (1, 2) if $I::ROWS >= 4 && !$I::SMALL => $f::<$I, 2, 1>($($arg),*),
            (1, 3) if $I::ROWS >= 4 && !$I::SMALL => $f::<$I, 3, 1>($($arg),*),
            (1, 4) if $I::ROWS >= 4 => $f::<$I, 4, 1>($($arg),*),
            (8, 1) => $f::<$I, 1, 8>($($arg),*),
            (8, 2) if $I::ROWS >= 6 => $f::<$I, 2, 8>($($arg),*),
            (8, 3) if $I::ROWS >= 6 => $f::<$I, 3, 8>($($arg),*),
            (8, 4) if $I::ROWS >= 6 => $f::<$I, 4, 4>($($arg),*),
            (8, 5) if $I::ROWS >= 6 => $f::<$I, 5, 4>($($arg),*),
            (8, 6) if $I::ROWS >= 6 => $f::<$I, 6, 4>($($arg),*),
            (4, 1) => $f::<$I, 1, 4>($($arg),*),
            (4, 2) => $f::<$I, 2, 4>($($arg),*),
            (4, 3) => $f::<$I, 3, 4>($($arg),*),
            (4, 4) => $f::<$I, 4, 2>($($arg),*),
            (4, 5) => $f::<$I, 5, 2>($($arg),*),
            (4, 6) => $f::<$I, 6, 2>($($arg),*),
            (2, 1) => $f::<$I, 1, 2>($($arg),*),
            (2, 2) => $f::<$I, 2, 2>($($arg),*),
            (2, 3) => $f::<$I, 3, 2>($($arg),*),
            (2, 4) => $f::<$I, 4, 2>($($arg),*),
            (2, 5) => $f::<$I, 5, 2>($($arg),*),
            (2, 6) => $f::<$I, 6, 2>($($arg),*),
            (2, 7) => $f::<$I, 7, 2>($($arg),*),
            (2, 8) => $f::<$I, 8, 2>($($arg),*),
            (2, 9) => $f::<$I, 9, 2>($($arg),*),
            (2, 10) => $f::<$I, 10, 2>($($arg),*),
            (2, 11) => $f::<$I, 11, 2>($($arg),*),
            (2, 12) => $f::<$I, 12, 2>($($arg),*),
            _ => debug_assert!(false, "no tile of this height"),
        }
    };
}

/// Calls `$f::<I, M, V>` for tiles of `$height` rows and `$vectors` vectors.
macro_rules! column_tiles {
    ($I:ident, $height:expr, $vectors:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match ($vectors, $height) {
            (8, 1) if !$I::SMALL => $f::<$I, 1, 8>($($arg),*),
            (4, 1) => $f::<$I, 1, 4>($($arg),*),
            (2, 1) if !$I::SMALL => $f::<$I, 1, 2>($($arg),*),
            (1, 1) => $f::<$I, 1, 1>($($arg),*),
            (2, 2) if $I::ROWS >= 4 && !$I::SMALL => $f::<$I, 2, 2>($($arg),*),
            (2, 3) if $I::ROWS >= 4 && !$I::SMALL => $f::<$I, 3, 2>($($arg),*),
            (2, 4) if $I::ROWS >= 4 && !$I::SMALL => $f::<$I, 4, 2>($($arg),*),
            (2, 6) if $I::ROWS >= 6 => $f::<$I, 6, 2>($($arg),*),
            (2, 8) if $I::ROWS >= 12 => $f::<$I, 8, 2>($($arg),*),
            (2, 12) if $I::ROWS >= 12 => $f::<$I, 12, 2>($($arg),*),
            (1, 2) if $I::ROWS >= 4 && !$I::SMALL => $f::<$I, 2, 1>($($arg),*),
            (1, 3) if $I::ROWS >= 4 && !$I::SMALL => $f::<$I, 3, 1>($($arg),*),
            (1, 4) if $I::ROWS >= 4 => $f::<$I, 4, 1>($($arg),*),
            (1, 6) if $I::ROWS >= 6 => $f::<$I, 6, 1>($($arg),*),
            (1, 8) if $I::ROWS >= 6 => $f::<$I, 8, 1>($($arg),*),
            (1, 12) if $I::ROWS >= 6 => $f::<$I, 12, 1>($($arg),*),
            _ => debug_assert!(false, "no tile of this shape"),
        }
    };
}

pub(super) use {column_tiles, panel_tiles};
