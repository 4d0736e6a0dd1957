//! Where the rows and columns of a layer stand in its panels: once in a dense layer, at every position in a convolution.
//!
//! A convolution is one dense layer, taps × channels, at every position of its output. What is known of its rows
//! and columns is therefore over samples *and* positions; a tap beyond the border is 0, as the convolution reads it.
//! No patch is unfolded: a column's values are read where they lie. Positions are summed within a sample first,
//! so that sums stay as exact as those of a dense layer, which has one position and loses no bit by that.

use super::build::Kept;
use super::statistics::{Moments, Roles};
use crate::kernel::{Conv2d, LANES};
use crate::nn::{Kind, Layer, Stack};

/// A layer whose rows and columns can be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positions<'s> {
    layer: &'s Layer,
    conv: Option<&'s Conv2d>,
}

impl<'s> Positions<'s> {
    /// Those of layer `layer`; `None` where it is neither dense nor a convolution.
    pub(super) fn of(stack: &'s Stack, layer: usize) -> Option<Self> {
        let layer = stack.layers().get(layer)?;
        let conv = match layer.kind() {
            Kind::Dense { .. } => None,
            Kind::Conv2d { conv, .. } => Some(conv),
            _ => return None,
        };
        Some(Self { layer, conv })
    }

    /// Columns and rows: inputs and outputs, or taps and channels.
    pub(super) fn sizes(self) -> (usize, usize) {
        self.layer.kind().matrix().unwrap_or_default()
    }

    /// Features of a sample that the layer takes and gives, all positions counted.
    pub(super) fn features(self) -> (usize, usize) {
        (self.layer.inputs(), self.layer.outputs())
    }

    /// How many there are, at least 1.
    pub(super) fn count(self) -> usize {
        let [_, rows, columns] = self.layer.output_shape();
        if self.conv.is_some() { (rows * columns).max(1) } else { 1 }
    }

    /// Values that a panel holds of one row.
    pub(super) fn size(self) -> usize {
        (self.count() * LANES).max(1)
    }

    /// Whether the layer is dense.
    pub(super) fn is_dense(self) -> bool {
        self.conv.is_none()
    }

    /// The position that is kept of the `index`-th sample that is kept: multiples of the golden ratio (Weyl's
    /// sequence), which spread evenly over the positions however many samples there are.
    fn chosen(self, index: usize) -> usize {
        const GOLDEN: u32 = 0x9e37_79b9;
        let share = (index as u32).wrapping_mul(GOLDEN).wrapping_add(1 << 31);
        ((u64::from(share) * self.count() as u64) >> 32) as usize
    }

    /// Adds what a panel shows of the rows.
    pub(super) fn add_rows(self, moments: &mut Moments<'_>, roles: &Roles, panel: &[f32]) {
        if self.is_dense() {
            return moments.add(roles, panel);
        }
        for (row, lanes) in panel.chunks_exact(self.size()).enumerate() {
            moments.add_sums(row, roles, &Sums::of(lanes.chunks_exact(LANES)));
        }
    }

    /// Adds what a panel of the layer's input shows of the columns.
    pub(super) fn add_columns(self, moments: &mut Moments<'_>, roles: &Roles, panel: &[f32]) {
        let Some(conv) = self.conv else { return moments.add(roles, panel) };
        for column in 0..conv.taps() {
            let tap = Tap::of(conv, column);
            let [_, rows, columns] = conv.output();
            let lines = (0..rows).filter_map(|row| tap.line(row));
            let lanes = lines
                .flat_map(|line| (0..columns).filter_map(move |at| Some(line + tap.across(at)?)));
            moments.add_sums(
                column,
                roles,
                &Sums::of(lanes.filter_map(|feature| lanes_of(panel, feature))),
            );
        }
    }

    /// Adds where a panel's rows are active: 1 where a value is above 0.
    pub(super) fn add_active(self, moments: &mut Moments<'_>, roles: &Roles, panel: &[f32]) {
        if self.is_dense() {
            return moments.add_active(roles, panel);
        }
        for (row, lanes) in panel.chunks_exact(self.size()).enumerate() {
            let mut counts = [0.0; LANES];
            for lanes in lanes.chunks_exact(LANES) {
                for (count, _) in counts.iter_mut().zip(lanes).filter(|(_, x)| **x > 0.0) {
                    *count += 1.0;
                }
            }
            moments.add_sums(row, roles, &Sums { values: counts, squares: counts });
        }
    }

    /// Adds the squares that forget samples show of the rows.
    pub(super) fn add_squares(self, sums: &mut [f32], roles: &Roles, panel: &[f32]) {
        for (sum, lanes) in sums.iter_mut().zip(panel.chunks_exact(self.size())) {
            let squares = Sums::of(lanes.chunks_exact(LANES)).squares;
            for (square, role) in squares.iter().zip(&roles.forget) {
                *sum += role * square;
            }
        }
    }

    /// Keeps what lane `lane` of a panel shows at one position, x and where the rows were active, as sample
    /// `sample` of `kept`; without a ReLU behind the layer its rows always are.
    pub(super) fn keep(
        self,
        kept: &mut Kept<'_>,
        sample: usize,
        lane: usize,
        (x, p): (&[f32], &[f32]),
        gated: bool,
    ) {
        let ((columns, rows), count) = (self.sizes(), self.count());
        let position = self.chosen(sample);
        let at = |panel: &[f32], feature: usize| panel.get(feature * LANES + lane).copied();
        for column in 0..columns {
            let value = self.read(column, position).and_then(|feature| at(x, feature));
            if let Some(slot) = kept.x.get_mut(kept.batch.at(columns, sample, column)) {
                *slot = value.unwrap_or(0.0);
            }
        }
        for row in 0..rows {
            let on = at(p, row * count + position).is_some_and(|p| p > 0.0);
            if let Some(gate) = kept.gates.get_mut(kept.batch.at(rows, sample, row)) {
                *gate = if on || !gated { 1.0 } else { 0.0 };
            }
        }
    }

    /// The feature of the layer's input that column `column` reads at a position; none beyond the border.
    fn read(self, column: usize, position: usize) -> Option<usize> {
        let Some(conv) = self.conv else { return Some(column) };
        let [_, _, columns] = conv.output();
        let tap = Tap::of(conv, column);
        let line = tap.line(position / columns.max(1))?;
        Some(line + tap.across(position % columns.max(1))?)
    }
}

/// One tap of a convolution: an input channel and a place in the kernel.
#[derive(Clone, Copy)]
struct Tap<'c> {
    conv: &'c Conv2d,
    channel: usize,
    row: usize,
    column: usize,
}

impl<'c> Tap<'c> {
    fn of(conv: &'c Conv2d, index: usize) -> Self {
        let [rows, columns] = conv.kernel;
        let (line, column) = (index / columns.max(1), index % columns.max(1));
        Self { conv, channel: line / rows.max(1), row: line % rows.max(1), column }
    }

    /// Where the line begins that it reads for a row of the output; none beyond the border.
    fn line(self, row: usize) -> Option<usize> {
        let [_, height, width] = self.conv.input;
        let [stride, _] = self.conv.stride;
        let [padding, _] = self.conv.padding;
        let at = (row * stride + self.row).checked_sub(padding).filter(|&at| at < height)?;
        Some((self.channel * height + at) * width)
    }

    /// Where in its line it reads for a column of the output; none beyond the border.
    fn across(self, column: usize) -> Option<usize> {
        let [_, _, width] = self.conv.input;
        let [_, stride] = self.conv.stride;
        let [_, padding] = self.conv.padding;
        (column * stride + self.column).checked_sub(padding).filter(|&at| at < width)
    }
}

/// Sums over the positions of the samples of a panel, and of squares.
pub(super) struct Sums {
    pub(super) values: [f32; LANES],
    pub(super) squares: [f32; LANES],
}

impl Sums {
    fn of<'p>(positions: impl Iterator<Item = &'p [f32]>) -> Self {
        let mut sums = Self { values: [0.0; LANES], squares: [0.0; LANES] };
        for lanes in positions {
            let to = sums.values.iter_mut().zip(&mut sums.squares);
            for ((value, square), &x) in to.zip(lanes) {
                *value += x;
                *square += x * x;
            }
        }
        sums
    }
}

fn lanes_of(panel: &[f32], feature: usize) -> Option<&[f32]> {
    panel.get(feature * LANES..(feature + 1) * LANES)
}
