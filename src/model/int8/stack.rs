//! The list of quantised layers: sizes, where parameters lie, scales of activations.

use crate::model::ForwardError;
use crate::nn::{Kind, MAX_LAYERS, Stack};
use core::ops::Range;

/// How a real number stands for an 8-bit one: `scale · (q − zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Int8Scale {
    /// Scale, above 0.
    pub scale: f32,
    /// Zero point.
    pub zero: i8,
}

impl Int8Scale {
    /// What covers `low ..= high` and zero; a scale of 1 for nothing but zero.
    pub fn covering(low: f32, high: f32, activations: Int8Activations) -> Self {
        let (low, high) = (if low < 0.0 { low } else { 0.0 }, if high > 0.0 { high } else { 0.0 });
        let scale = match activations {
            Int8Activations::Affine => (high - low) / 255.0,
            Int8Activations::Symmetric => (if -low > high { -low } else { high }) / 127.0,
        };
        if !(scale > 0.0 && scale.is_finite()) {
            return Self { scale: 1.0, zero: 0 };
        }
        let zero = match activations {
            Int8Activations::Affine => round(-128.0 - low / scale) as i8,
            Int8Activations::Symmetric => 0,
        };
        Self { scale, zero }
    }

    /// The nearest 8-bit number, halves away from zero; what lies beyond is held to the ends.
    pub fn quantise(&self, value: f32) -> i8 {
        round(value / self.scale).saturating_add(i32::from(self.zero)).clamp(-128, 127) as i8
    }
}

/// Rounds halves away from zero; what does not fit is held to the ends of i32, NaN is 0.
#[inline(always)]
pub(crate) fn round(value: f32) -> i32 {
    let whole = value as i32;
    // Exact: beyond 2²³ there is no fraction.
    let rest = value - whole as f32;
    whole.saturating_add(i32::from(rest >= 0.5) - i32::from(rest <= -0.5))
}

/// Where the zero point of activations lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Int8Activations {
    /// Where it has to be for the least and the largest value to be the ends of the range: −128 behind a ReLU.
    #[default]
    Affine,
    /// At 0: half of the range is lost behind a ReLU.
    Symmetric,
}

/// A quantised layer and the ReLU behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Int8Layer {
    /// Its index in the network that was quantised.
    pub source: usize,
    /// What it computes, with its sizes: dense, a convolution or max pooling.
    pub kind: Kind,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Features that it takes.
    pub inputs: usize,
    /// Features that it gives.
    pub outputs: usize,
    /// Scale of what it takes.
    pub input: Int8Scale,
    /// Scale of what it gives; of no meaning for the last layer, whose sums are the logits.
    pub output: Int8Scale,
    pub(super) first_weight: usize,
    pub(super) first_row: usize,
}

impl Int8Layer {
    /// Inputs × outputs of its weights as a matrix; `None` for pooling.
    pub const fn matrix(&self) -> Option<(usize, usize)> {
        self.kind.matrix()
    }

    /// Where its weights lie among all, row by row.
    pub fn weight_range(&self) -> Range<usize> {
        self.first_weight..self.first_weight + self.kind.weights()
    }

    /// Where its rows' values lie among all: biases, factors, scales.
    pub fn row_range(&self) -> Range<usize> {
        self.first_row..self.first_row + self.rows()
    }

    /// Output rows: outputs of a dense layer, channels of a convolution; 0 for pooling.
    pub fn rows(&self) -> usize {
        self.matrix().map_or(0, |(_, outputs)| outputs)
    }

    /// Layers of the network that was quantised that it stands for.
    pub(super) fn sources(&self) -> Range<usize> {
        self.source..self.source + 1 + usize::from(self.relu)
    }
}

/// Quantised layers, each fed by the one before it. Sizes and scales of activations only; weights, biases and
/// factors are an [`Int8Parameters`](super::Int8Parameters).
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Stack {
    pub(super) first: usize,
    pub(super) layers: heapless::Vec<Int8Layer, MAX_LAYERS>,
}

const UNKNOWN: Int8Scale = Int8Scale { scale: 1.0, zero: 0 };

impl Int8Stack {
    /// The layers of `stack` from `first` on, scales still unknown.
    ///
    /// # Errors
    /// [`ForwardError::Failed`]: a layer that there is no quantised form of, or no dense layer as the last.
    pub(super) fn plan(stack: &Stack, first: usize) -> Result<Self, ForwardError> {
        let mut layers = heapless::Vec::<Int8Layer, MAX_LAYERS>::new();
        let (mut first_weight, mut first_row) = (0, 0);
        for (source, layer) in stack.layers().iter().enumerate().skip(first) {
            let kind = *layer.kind();
            match (kind, layers.last_mut()) {
                (Kind::Relu, Some(before)) => {
                    if before.relu {
                        return Err(UNSUPPORTED);
                    }
                    before.relu = true;
                    continue;
                }
                (Kind::Dense { .. } | Kind::Conv2d { .. } | Kind::MaxPool(_), _) => {}
                _ => return Err(UNSUPPORTED),
            }
            let made = Int8Layer {
                source,
                kind,
                relu: false,
                inputs: layer.inputs(),
                outputs: layer.outputs(),
                input: UNKNOWN,
                output: UNKNOWN,
                first_weight,
                first_row,
            };
            first_weight = made.weight_range().end;
            first_row = made.row_range().end;
            layers.push(made).map_err(|_| UNSUPPORTED)?;
        }
        match layers.last() {
            Some(Int8Layer { kind: Kind::Dense { .. }, relu: false, .. }) => {
                Ok(Self { first, layers })
            }
            _ => Err(ForwardError::Failed("the last layer of an int8 network has to be dense")),
        }
    }

    /// All layers of `stack`, with the scales of what each takes and gives that `scales` knows by its index.
    ///
    /// # Errors
    /// [`ForwardError::Failed`]: a layer that there is no quantised form of.
    pub(crate) fn of_scales(
        stack: &Stack,
        mut scales: impl FnMut(usize) -> (Int8Scale, Int8Scale),
    ) -> Result<Self, ForwardError> {
        let mut made = Self::plan(stack, 0)?;
        for (index, layer) in made.layers.iter_mut().enumerate() {
            (layer.input, layer.output) = scales(index);
        }
        Ok(made)
    }

    /// First layer of the original network that is quantised; those before it stay in f32.
    pub fn first(&self) -> usize {
        self.first
    }

    /// All layers, from input to output.
    pub fn layers(&self) -> &[Int8Layer] {
        &self.layers
    }

    /// The layer that stands for this one of the original network.
    pub fn find(&self, source: usize) -> Option<usize> {
        self.layers.iter().position(|layer| layer.source == source)
    }

    /// Features of the input.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Classes: features of the output.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// Weights of all layers.
    pub fn weights(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.weight_range().end)
    }

    /// Output rows of all layers.
    pub fn rows(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.row_range().end)
    }

    /// Scale of the input.
    pub fn input_scale(&self) -> Int8Scale {
        self.layers.first().map_or(UNKNOWN, |layer| layer.input)
    }
}

const UNSUPPORTED: ForwardError = ForwardError::Failed(
    "int8 networks are made of dense, convolutional and max pooling layers with ReLU behind them",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_away_from_zero() {
        let values = [0.5, -0.5, 1.5, -2.5, 0.499_999_97, -0.499_999_97, 8_388_609.0, 126.5];
        assert_eq!(values.map(round), [1, -1, 2, -3, 0, 0, 8_388_609, 127]);
        assert_eq!([f32::NAN, 1e20, -1e20].map(round), [0, i32::MAX, i32::MIN]);
    }

    #[test]
    fn scales_cover_the_range_and_hit_zero() {
        let affine = |low, high| Int8Scale::covering(low, high, Int8Activations::Affine);
        let relu = affine(0.0, 5.1);
        assert_eq!(relu, Int8Scale { scale: 5.1 / 255.0, zero: -128 });
        assert_eq!([0.0, 5.1, 9.0, -1.0].map(|x| relu.quantise(x)), [-128, 127, 127, -128]);
        let both = affine(-1.0, 3.0);
        assert_eq!((both.zero, both.quantise(0.0)), (-64, -64));
        assert_eq!(affine(0.5, 2.55).zero, -128, "zero is always there");
        assert_eq!(affine(0.0, 0.0), Int8Scale { scale: 1.0, zero: 0 });
        assert_eq!(affine(f32::NAN, f32::INFINITY), Int8Scale { scale: 1.0, zero: 0 });
        let symmetric = Int8Scale::covering(-1.0, 3.0, Int8Activations::Symmetric);
        assert_eq!(symmetric, Int8Scale { scale: 3.0 / 127.0, zero: 0 });
    }

    #[test]
    fn layers_without_an_integer_form_are_refused() {
        let mut stack = Stack::new([3, 1, 1]);
        stack.dense("a", 4).unwrap().tanh().unwrap().dense("b", 2).unwrap();
        assert!(Int8Stack::plan(&stack, 0).is_err());
        assert!(Int8Stack::plan(&stack, 2).is_ok(), "layers before the first stay in f32");
        assert!(Int8Stack::plan(&stack, 3).is_err());
        let mut stack = Stack::new([3, 1, 1]);
        stack.dense("a", 4).unwrap().relu().unwrap();
        assert!(Int8Stack::plan(&stack, 0).is_err());
    }
}
