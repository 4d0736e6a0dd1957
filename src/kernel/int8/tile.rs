//! Products with outputs in the lanes: packed weights are vectors, a few inputs at a time are spread.
//!
//! The algorithm exists once, over a [`Dot`]: an instruction that multiplies the inputs of a word (two or four)
//! with as many weights in each lane and adds the products to the lane's sum. All sums are exact modulo 2³².

// Loops over M and V are counted, so that they unroll and a tile stays in registers.
#![allow(clippy::needless_range_loop)]

use super::DenseI8;
use super::finish::{Finish, LANES, Round};
use crate::kernel::tile::split;
use core::array;
use core::mem::MaybeUninit;

/// Most samples of a tile.
pub(super) const MOST_ROWS: usize = 8;
/// Words of a sample that are made at a time.
const WORDS: usize = 256;
/// Panels that share a sample's words.
const GROUP: usize = 4;

/// Words of `MOST_ROWS` samples. Not set beforehand: for a few samples of a small layer that would be most of the work.
type Words = [[MaybeUninit<i32>; WORDS]; MOST_ROWS];

/// An instruction that multiplies and adds. A value of the type proves that the processor has it.
pub(super) trait Dot: Round {
    /// Sixteen sums, or sixteen words.
    type Vector: Copy;
    /// Inputs in a word.
    const INPUTS: usize;
    /// Most samples of a tile.
    const ROWS: usize;
    /// Panels of a tile, 1 or 2.
    const PANELS: usize;

    /// Sixteen words.
    fn load(self, words: &[i32; LANES]) -> Self::Vector;

    /// Sixteen times the same word.
    fn splat(self, word: i32) -> Self::Vector;

    /// Adds the products of inputs and weights to the sums, lane by lane.
    fn add(self, sums: Self::Vector, inputs: Self::Vector, weights: Self::Vector) -> Self::Vector;

    /// Writes sixteen sums.
    fn store(self, sums: Self::Vector, to: &mut [i32; LANES]);

    /// Makes words of inputs and writes all of `to`, which has room for them and for less than a word more; that is filled
    /// up with what counts as 0 beside weights of 0.
    fn words(self, inputs: &[i8], zero: i8, to: &mut [MaybeUninit<i32>]);

    /// The word of up to [`INPUTS`](Self::INPUTS) weights, filled up with 0.
    fn weights(weights: &[i8]) -> i32;

    /// What the products lack, for each unit of the sum of a row's weights.
    fn lacks(zero: i8) -> i32;
}

/// Rows of [`LANES`] words in a panel: the sums of the weights, then their words. Two inputs in a word take the
/// most.
pub(super) const fn panel_rows(inputs: usize) -> usize {
    inputs.div_ceil(2).saturating_add(1)
}

/// Packs weights (`outputs × inputs`) into panels.
#[inline(always)]
pub(super) fn pack<D: Dot>(_: D, inputs: usize, weights: &[i8], packed: &mut [i32]) {
    packed.fill(0);
    let (rows, _) = packed.as_chunks_mut::<LANES>();
    let panels = rows.chunks_exact_mut(panel_rows(inputs));
    for (panel, weights) in panels.zip(weights.chunks(inputs.saturating_mul(LANES).max(1))) {
        for (lane, weights) in weights.chunks(inputs.max(1)).enumerate().take(LANES) {
            let Some((sums, words)) = panel.split_first_mut() else { continue };
            // At most 2¹⁵ weights of 2⁷ before it wraps around, as the products do.
            sums[lane] = weights.iter().fold(0, |sum: i32, &w| sum.wrapping_add(w.into()));
            for (to, weights) in words.iter_mut().zip(weights.chunks(D::INPUTS)) {
                to[lane] = D::weights(weights);
            }
        }
    }
}

/// The layer over all samples, from its packed weights.
#[inline(always)]
pub(super) fn dense<D: Dot, F: Finish>(
    dot: D,
    layer: &DenseI8<'_>,
    x: &[i8],
    finish: &F,
    y: &mut [F::Output],
) {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    // No outputs: nothing to do.
    let Some(samples) = y.len().checked_div(outputs) else { return };
    let (rows, _) = layer.packed.as_chunks::<LANES>();
    let panel = |index: usize| -> (&[i32; LANES], &[[i32; LANES]]) {
        let rows = rows.get(index * panel_rows(inputs)..).unwrap_or_default();
        match rows.get(..1 + inputs.div_ceil(D::INPUTS)).and_then(<[_]>::split_first) {
            Some((sums, words)) => (sums, words),
            None => (&[0; LANES], &[]),
        }
    };
    let panels = outputs.div_ceil(LANES);
    let mut words: Words = [[MaybeUninit::uninit(); WORDS]; MOST_ROWS];
    let whole = inputs <= WORDS * D::INPUTS;
    for group in (0..panels).step_by(GROUP) {
        let mut ready = [F::Ready::default(); GROUP];
        let mut starts = [[0; LANES]; GROUP];
        let both = ready.iter_mut().zip(&mut starts).zip(group..panels);
        for ((ready, start), index) in both {
            *ready = finish.ready(index * LANES);
            let (sums, _) = panel(index);
            let bias = layer.bias.iter().skip(index * LANES);
            start.iter_mut().zip(bias).for_each(|(to, &bias)| *to = bias);
            for (to, sum) in start.iter_mut().zip(sums) {
                *to = to.wrapping_add(sum.wrapping_mul(D::lacks(layer.zero)));
            }
        }
        for (first, height) in split(samples, samples.div_ceil(D::ROWS)) {
            // All inputs of the tile are there, which its words need.
            let Some(x) = x.get(first * inputs..(first + height) * inputs) else { return };
            let y = y.get_mut(first * outputs..(first + height) * outputs).unwrap_or_default();
            if whole {
                fill(dot, x, inputs, 0, layer.zero, &mut words);
            }
            let mut p = 0;
            while p < GROUP.min(panels - group) {
                let two = D::PANELS == 2 && p + 1 < GROUP.min(panels - group);
                let job = Job {
                    layer,
                    x,
                    row: (group + p) * LANES,
                    w: [panel(group + p).1, if two { panel(group + p + 1).1 } else { &[] }],
                    start: starts.get(p..).unwrap_or_default(),
                    ready: ready.get(p..).unwrap_or_default(),
                    whole,
                };
                macro_rules! tiles {
                    ($($m:literal)*) => {
                        match (height, two) {
                            $(($m, false) if $m <= D::ROWS => {
                                tile::<D, F, $m, 1>(dot, job, &mut words, y);
                            }
                            ($m, true) if $m <= D::ROWS => {
                                tile::<D, F, $m, 2>(dot, job, &mut words, y);
                            })*
                            _ => debug_assert!(false, "no tile of this height"),
                        }
                    };
                }
                tiles!(1 2 3 4 5 6 7 8);
                p += 1 + usize::from(two);
            }
        }
    }
}

/// What a tile works on.
struct Job<'j, F: Finish> {
    layer: &'j DenseI8<'j>,
    /// Inputs of its samples.
    x: &'j [i8],
    /// Its first output.
    row: usize,
    /// Words of the weights of its panels.
    w: [&'j [[i32; LANES]]; 2],
    /// What the sums of each panel begin with, and what their finish takes.
    start: &'j [[i32; LANES]],
    ready: &'j [F::Ready],
    /// Whether the samples' words are there, all of them.
    whole: bool,
}

/// Makes words of each sample's inputs from input `from` on: as many of each as weights have, or [`WORDS`].
#[inline(always)]
fn fill<D: Dot>(dot: D, x: &[i8], inputs: usize, from: usize, zero: i8, words: &mut Words) {
    for (x, words) in x.chunks_exact(inputs.max(1)).zip(words) {
        let x = x.get(from..).unwrap_or_default();
        let some = x.get(..WORDS * D::INPUTS).unwrap_or(x);
        let len = some.len().div_ceil(D::INPUTS);
        dot.words(some, zero, words.get_mut(..len).unwrap_or_default());
    }
}

/// `M` samples by `V` panels; `y` is the samples' outputs.
#[inline(always)]
fn tile<D: Dot, F: Finish, const M: usize, const V: usize>(
    dot: D,
    job: Job<'_, F>,
    words: &mut Words,
    y: &mut [F::Output],
) {
    let DenseI8 { inputs, outputs, zero, .. } = *job.layer;
    let start: [D::Vector; V] =
        array::from_fn(|v| dot.load(job.start.get(v).unwrap_or(&[0; LANES])));
    let mut sums = [start; M];
    for block in 0..job.w[0].len().div_ceil(WORDS) {
        if !job.whole {
            fill(dot, job.x, inputs, block * WORDS * D::INPUTS, zero, words);
        }
        let left = |v: usize| job.w[v].get(block * WORDS..).unwrap_or_default();
        let steps = (0..V).map(|v| left(v).len()).fold(WORDS, usize::min);
        let w: [_; V] = array::from_fn(|v| left(v).as_ptr());
        for k in 0..steps {
            // SAFETY: every panel has at least `steps` rows from here on.
            let weights: [D::Vector; V] = array::from_fn(|v| dot.load(unsafe { &*w[v].add(k) }));
            for m in 0..M {
                // SAFETY: k < steps ≤ WORDS; `fill` has written as many words of M samples as weights have.
                let inputs = dot.splat(unsafe { words[m].as_ptr().add(k).read().assume_init() });
                for v in 0..V {
                    sums[m][v] = dot.add(sums[m][v], inputs, weights[v]);
                }
            }
        }
    }
    // Stored before anything else is done with them: this loop unrolls, so that sums are never looked up by a
    // running index, for which every one of them would be written back to memory at each step above.
    let mut values = [[[0; LANES]; V]; M];
    for m in 0..M {
        for v in 0..V {
            dot.store(sums[m][v], &mut values[m][v]);
        }
    }
    for (v, &ready) in job.ready.iter().enumerate().take(V) {
        for (values, y) in values.iter().zip(y.chunks_exact_mut(outputs.max(1))) {
            let y = y.get_mut(job.row + v * LANES..).unwrap_or_default();
            F::finish(dot, &ready, &values[v], y);
        }
    }
}

/// Inputs that are made into words at a time: as many bytes as the widest vector holds.
const BLOCK: usize = 64;

/// Two inputs less their zero point in each word, the first in the low half.
#[inline(always)]
pub(super) fn pairs(inputs: &[i8], zero: i8, to: &mut [MaybeUninit<i32>]) {
    // SAFETY: a word is two halves, aligned as them at the least; neither need be set.
    let halves = unsafe { core::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), 2 * to.len()) };
    let zero = i16::from(zero);
    each(inputs, halves, |x| (i16::from(x) - zero).to_le());
}

/// Four inputs plus 128 in the bytes of each word, the first in the lowest.
#[inline(always)]
pub(super) fn quads(inputs: &[i8], to: &mut [MaybeUninit<i32>]) {
    // SAFETY: a word is four bytes, and none need be set.
    let bytes = unsafe { core::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), 4 * to.len()) };
    each(inputs, bytes, |x| x as u8 ^ 0x80);
}

/// Writes what becomes of each input, and zeros behind the last.
#[inline(always)]
fn each<T: Copy + Default>(inputs: &[i8], to: &mut [MaybeUninit<T>], of: impl Fn(i8) -> T) {
    let (to, rest) = to.split_at_mut(inputs.len().min(to.len()));
    if !rest.is_empty() {
        rest.fill(MaybeUninit::new(T::default()));
    }
    // Blocks of a known length become a few vector instructions; a loop over the whole would also be one, with
    // more work before and after it than in it.
    let (blocks, last) = inputs.as_chunks::<BLOCK>();
    let (to, to_last) = to.as_chunks_mut::<BLOCK>();
    for (to, block) in to.iter_mut().zip(blocks) {
        for i in 0..BLOCK {
            to[i] = MaybeUninit::new(of(block[i]));
        }
    }
    to_last.iter_mut().zip(last).for_each(|(to, &x)| *to = MaybeUninit::new(of(x)));
}

/// Up to two weights in the halves of a word.
#[inline(always)]
pub(super) fn pair(weights: &[i8]) -> i32 {
    let of = |index: usize| weights.get(index).map_or(0, |&w| i16::from(w) as u16);
    (u32::from(of(0)) | u32::from(of(1)) << 16) as i32
}

/// Up to four weights in the bytes of a word.
#[inline(always)]
pub(super) fn quad(weights: &[i8]) -> i32 {
    let mut bytes = [0; 4];
    bytes.iter_mut().zip(weights).for_each(|(to, &w)| *to = w as u8);
    i32::from_le_bytes(bytes)
}
