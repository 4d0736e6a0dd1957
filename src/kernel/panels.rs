//! Dense layers with samples in the lanes: weights are spread, samples are vectors.
//!
//! Forward and gradient by the input are the same product; only the strides of the weights differ.

use core::mem::MaybeUninit;

use super::isa::{Isa, Operand};
use super::shape::{LANES, TOGETHER};
use super::tile::{Rows, STEPS, Spread, Tile, copy, from, from_mut, heights, panel_tiles, split};
use super::{Start, together};

/// Rows of A that are packed together: a few tiles share what lies in the L1 cache of B.
const STRIP: usize = 24;
/// Panels that share a packed strip; a block of their samples stays in the L2 cache.
const GROUP: usize = 16;

/// `c[panel][row][lane] = start + Σₖ a(row, k)·b[panel][k][lane]`.
///
/// With one tile of rows, it walks over all panels and whole chains. Otherwise chains are cut into
/// blocks, so that a block of B serves all rows from the L1 cache, and long rows of weights are
/// packed into strips first, so that neither lines nor sets of that cache are wasted.
#[inline(always)]
pub(super) fn panels<I: Isa>(
    isa: I,
    rows: usize,
    depth: usize,
    a: Spread<'_>,
    start: Start<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    // Of a result with values, every size is bounded by the length of some slice.
    if c.is_empty() {
        return;
    }
    if I::SMALL && I::WIDTH == LANES && align_of::<I::Vector>() == align_of::<f32>() {
        small(isa, rows, depth, a, start, b, c);
        return;
    }
    let panels = c.len() / (rows * LANES).max(1);
    let whole = if together::pays::<I>(rows, depth) { panels / TOGETHER * TOGETHER } else { 0 };
    together::together(isa, whole, rows, depth, a, start, b, c);
    if whole == panels {
        return;
    }
    let (panels, done) = (panels - whole, whole * rows * LANES);
    let (b, c) = (from(b, whole * depth * LANES), from_mut(c, done));
    let start = match start {
        Start::Values(values) => Start::Values(from(values, done)),
        start => start,
    };
    if rows <= I::ROWS {
        one_tile(isa, panels, rows, depth, a, start, b, c);
        return;
    }
    let pack = I::CACHED
        && I::ROWS > 1
        && a.row == 1
        && a.step > 16
        && panels > 1
        && rows * depth > if panels < 16 { 4096 } else { 2048 };
    let mut scratch = if pack { Some(isa.scratch()) } else { None };
    let (group, strips) = if pack { (GROUP, rows.div_ceil(STRIP)) } else { (1, 1) };
    let blocks = depth.div_ceil(STEPS).max(1);
    for first in (0..panels).step_by(group) {
        for (k, block) in split(depth, blocks) {
            for (m, strip) in split(rows, strips) {
                let mut a = Spread { values: from(a.values, m * a.row + k * a.step), ..a };
                if let Some(scratch) = &mut scratch {
                    let values = pack_strip(block, a, scratch.as_mut());
                    a = Spread { values, row: 1, step: STRIP };
                }
                for panel in first..panels.min(first + group) {
                    let b = from(b, (panel * depth + k) * LANES);
                    for (row, height) in heights::<I>(strip) {
                        let at = (panel * rows + m + row) * LANES;
                        let start =
                            if k == 0 { First::new(start, m + row, at) } else { First::Continue };
                        let a = Spread { values: from(a.values, row * a.row), ..a };
                        let size = [1, block, 0, 0];
                        panel_tiles!(
                            I,
                            height,
                            panel_tile(isa, size, a, b, start, from_mut(c, at))
                        );
                    }
                }
            }
        }
    }
}

/// Copies `STRIP` neighbouring rows of A, so that the steps of the chain lie side by side. What lies
/// beyond the last row is copied too, and not used.
#[inline(always)]
fn pack_strip<'a>(depth: usize, a: Spread<'_>, to: &'a mut [MaybeUninit<f32>]) -> &'a [f32] {
    let (to, _) = to.as_chunks_mut::<STRIP>();
    let depth = depth.min(to.len());
    for (k, to) in to.iter_mut().enumerate().take(depth) {
        let values = from(a.values, k * a.step);
        match values.first_chunk::<STRIP>() {
            // SAFETY: `to` has room for STRIP values, and any may be written to it.
            Some(values) => unsafe {
                to.as_mut_ptr().cast::<[f32; STRIP]>().write_unaligned(*values)
            },
            None => {
                *to = [MaybeUninit::new(0.0); STRIP];
                for (to, &value) in to.iter_mut().zip(values) {
                    to.write(value);
                }
            }
        }
    }
    // SAFETY: every value of the first `depth` chunks, which exist, has just been written.
    unsafe { core::slice::from_raw_parts(to.as_ptr().cast(), depth * STRIP) }
}

/// [`panels`] where one tile holds all rows.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn one_tile<I: Isa>(
    isa: I,
    panels: usize,
    rows: usize,
    depth: usize,
    a: Spread<'_>,
    start: Start<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    let (b_panel, c_panel) = (depth * LANES, rows * LANES);
    let size = [panels, depth, b_panel, c_panel];
    panel_tiles!(I, rows, panel_tile(isa, size, a, b, First::new(start, 0, 0), c));
}

/// What the chains of one tile start from.
#[derive(Clone, Copy)]
pub(super) enum First<'a> {
    Zero,
    PerRow(&'a [f32]),
    Rows(&'a [f32]),
    Continue,
}

impl<'a> First<'a> {
    /// The start of row `row`, whose values begin at `at`.
    #[inline(always)]
    pub(super) fn new(start: Start<'a>, row: usize, at: usize) -> Self {
        match start {
            Start::Zero => Self::Zero,
            Start::Bias(bias) => Self::PerRow(from(bias, row)),
            Start::Values(values) => Self::Rows(from(values, at)),
        }
    }
}

/// [`panels`] for small programs and little stack: whole chains, and no copies of tiles, which lie side by side in C.
/// They have four rows or one.
#[inline(always)]
fn small<I: Isa>(
    isa: I,
    rows: usize,
    depth: usize,
    a: Spread<'_>,
    start: Start<'_>,
    b: &[f32],
    c: &mut [f32],
) {
    let mut at = 0;
    let (mut row, mut b) = (0, b);
    while at < c.len() {
        let height = if rows - row >= 4 { 4 } else { 1 };
        let to = from_mut(c, at);
        let start = First::new(start, row, at);
        let a = Spread { values: from(a.values, row * a.row), ..a };
        if height == 4 {
            in_place::<I, 4>(isa, depth, a, b, start, to);
        } else {
            in_place::<I, 1>(isa, depth, a, b, start, to);
        }
        row += height;
        at += height * LANES;
        if row >= rows {
            row = 0;
            b = from(b, depth * LANES);
        }
    }
}

/// `M` rows of one vector, of one panel.
#[inline(always)]
fn in_place<I: Isa, const M: usize>(
    isa: I,
    depth: usize,
    a: Spread<'_>,
    b: &[f32],
    start: First<'_>,
    c: &mut [f32],
) {
    let Some(c) = c.get_mut(..M * LANES) else { return };
    match start {
        First::Zero => c.fill(0.0),
        First::PerRow(values) => {
            for (row, &value) in c.chunks_exact_mut(LANES).zip(values) {
                row.fill(value);
            }
        }
        First::Rows(values) => copy(c, values),
        First::Continue => {}
    }
    let fits = depth > 0
        && (M - 1) * a.row + (depth - 1) * a.step < a.values.len()
        && depth * LANES <= b.len();
    debug_assert!(fits || depth == 0, "a tile reads beyond its operands");
    if !fits {
        return;
    }
    let row = a.row;
    let a = Operand { at: a.values.as_ptr(), step: a.step, offset: |m| m * row };
    let b = Operand { at: b.as_ptr(), step: LANES, offset: |_| 0 };
    // SAFETY: `c` holds M vectors; the caller has found that a vector is as wide as a panel and aligned as its values
    // are. Operands are read up to row M − 1 and step depth − 1, as `fits` says.
    unsafe {
        let sums = &mut *c.as_mut_ptr().cast::<[[I::Vector; 1]; M]>();
        isa.chains(sums, depth, a, b);
    }
}

/// One tile of rows over the lanes of every panel; `size` is the number of panels, the depth, and
/// the distances between panels of B and of C.
#[inline(always)]
fn panel_tile<I: Isa, const M: usize, const V: usize>(
    isa: I,
    [panels, depth, b_panel, c_panel]: [usize; 4],
    a: Spread<'_>,
    b: &[f32],
    start: First<'_>,
    c: &mut [f32],
) {
    let columns = Tile::<I, M, V>::COLUMNS;
    for panel in 0..panels {
        for lane in (0..LANES).step_by(columns) {
            let at = panel * c_panel + lane;
            let mut tile = match start {
                First::Zero => Tile::<I, M, V>::zero(isa),
                First::PerRow(values) => Tile::spread(isa, values),
                First::Rows(values) => Tile::load(isa, from(values, at), LANES, LANES),
                First::Continue => Tile::load(isa, from(c, at), LANES, LANES),
            };
            let b = from(b, panel * b_panel + lane);
            tile.accumulate(depth, a, Rows { values: b, step: LANES, panel: LANES });
            tile.store(from_mut(c, at), LANES, LANES);
        }
    }
}
