//! One layer: what it computes, and where its parameters lie.

use super::StackError;
use crate::kernel::{Conv2d, Pool2d};
use core::ops::Range;

/// Name of a layer, at most 16 bytes.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Name {
    bytes: [u8; 16],
    len: usize,
}

impl Name {
    pub(super) const EMPTY: Self = Self { bytes: [0; 16], len: 0 };

    // Bytes are indexed below the lengths of both, which is checked first.
    #[allow(clippy::indexing_slicing)]
    pub(super) const fn new(name: &str) -> Result<Self, StackError> {
        let (from, mut to) = (name.as_bytes(), Self::EMPTY);
        if from.len() > to.bytes.len() {
            return Err(StackError::Name);
        }
        while to.len < from.len() {
            to.bytes[to.len] = from[to.len];
            to.len += 1;
        }
        Ok(to)
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        match self.bytes.split_at_checked(self.len) {
            Some((name, _)) => name,
            None => &[],
        }
    }
}

impl core::fmt::Debug for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(core::str::from_utf8(self.as_bytes()).unwrap_or_default(), f)
    }
}

/// What a layer computes, with its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `y = x·W + b`.
    Dense {
        /// Input features.
        inputs: usize,
        /// Output features.
        outputs: usize,
        /// Whether there is a b.
        bias: bool,
    },
    /// 2-d convolution.
    Conv2d {
        /// Its geometry.
        conv: Conv2d,
        /// Whether each output channel has a bias.
        bias: bool,
    },
    /// Largest value of each window.
    MaxPool(Pool2d),
    /// Mean of each window.
    AveragePool(Pool2d),
    /// `x` where `x > 0`, else 0.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Kind {
    /// True for element-wise functions, which work in place.
    pub const fn is_activation(&self) -> bool {
        matches!(self, Self::Relu | Self::Tanh)
    }

    /// Number of weights, without biases.
    pub const fn weights(&self) -> usize {
        match self {
            Self::Dense { inputs, outputs, .. } => *inputs * *outputs,
            Self::Conv2d { conv, .. } => conv.taps() * conv.channels,
            _ => 0,
        }
    }

    /// Number of biases.
    pub const fn biases(&self) -> usize {
        match self {
            Self::Dense { outputs, bias: true, .. } => *outputs,
            Self::Conv2d { conv, bias: true } => conv.channels,
            _ => 0,
        }
    }

    /// Inputs of one output value: the fan-in of initialisation rules; 0 without weights.
    pub const fn fan_in(&self) -> usize {
        match self {
            Self::Dense { inputs, .. } => *inputs,
            Self::Conv2d { conv, .. } => conv.taps(),
            _ => 0,
        }
    }

    /// Inputs × outputs of the weights as a matrix, in stored order; `None` without weights. Those of
    /// a convolution are its taps × its channels: the same matrix works at every position.
    pub const fn matrix(&self) -> Option<(usize, usize)> {
        match self {
            Self::Dense { inputs, outputs, .. } => Some((*inputs, *outputs)),
            Self::Conv2d { conv, .. } => Some((conv.taps(), conv.channels)),
            _ => None,
        }
    }

    /// Checks every size, and gives the shape (channels, rows, columns) that this makes of `input`.
    pub(super) const fn shape(&self, input: [usize; 3]) -> Result<[usize; 3], StackError> {
        let features = ok!(product(&input));
        match self {
            Self::Dense { inputs, outputs, .. } => {
                ok!(same(features, *inputs));
                ok!(product(&[*inputs, *outputs]));
                Ok([*outputs, 1, 1])
            }
            Self::Conv2d { conv, .. } => {
                ok!(same(features, ok!(product(&conv.input))));
                let taps = ok!(product(&[conv.input[0], conv.kernel[0], conv.kernel[1]]));
                ok!(product(&[taps, conv.channels]));
                ok!(windows(conv.input, conv.kernel, conv.stride, conv.padding));
                ok!(product(&conv.output()));
                Ok(conv.output())
            }
            Self::MaxPool(pool) | Self::AveragePool(pool) => {
                ok!(same(features, ok!(product(&pool.input))));
                ok!(product(&pool.window));
                ok!(windows(pool.input, pool.window, pool.stride, [0, 0]));
                ok!(product(&pool.output()));
                Ok(pool.output())
            }
            Self::Relu | Self::Tanh => Ok(input),
        }
    }
}

/// Product of sizes that are at least 1 and stay addressable.
const fn product(mut sizes: &[usize]) -> Result<usize, StackError> {
    let mut total = 1usize;
    while let Some((&size, rest)) = sizes.split_first() {
        if size == 0 {
            return Err(StackError::Zero);
        }
        total = ok!(total.checked_mul(size), StackError::TooLarge);
        sizes = rest;
    }
    // A slice of f32 holds at most isize::MAX bytes.
    if total > isize::MAX as usize / 4 { Err(StackError::TooLarge) } else { Ok(total) }
}

const fn same(expected: usize, found: usize) -> Result<(), StackError> {
    if expected == found { Ok(()) } else { Err(StackError::Input { expected, found }) }
}

const fn windows(
    input: [usize; 3],
    window: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Result<(), StackError> {
    ok!(product(&window));
    ok!(side(input[1], window[0], stride[0], padding[0]));
    side(input[2], window[1], stride[1], padding[1])
}

const fn side(
    input: usize,
    window: usize,
    stride: usize,
    padding: usize,
) -> Result<(), StackError> {
    if stride == 0 {
        return Err(StackError::Zero);
    }
    let both = ok!(padding.checked_mul(2), StackError::TooLarge);
    let padded = ok!(input.checked_add(both), StackError::TooLarge);
    if window > padded {
        return Err(StackError::DoesNotFit);
    }
    // Positions reach `padded`; kernels add strides to them.
    let most = ok!(padded.checked_add(stride), StackError::TooLarge);
    if most > isize::MAX as usize / 4 { Err(StackError::TooLarge) } else { Ok(()) }
}

/// A layer of a [`Stack`](super::Stack).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    pub(super) name: Name,
    pub(super) kind: Kind,
    /// Where its parameters begin in the flat slice.
    pub(super) offset: usize,
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
}

impl Layer {
    /// Its name; empty for layers without parameters that were given none.
    pub fn name(&self) -> &str {
        core::str::from_utf8(self.name.as_bytes()).unwrap_or_default()
    }

    /// What it computes.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Where its weights lie in the flat parameter slice; empty when it has none.
    pub fn weight_range(&self) -> Range<usize> {
        self.offset..self.offset + self.kind.weights()
    }

    /// Where its biases lie in the flat parameter slice.
    pub fn bias_range(&self) -> Option<Range<usize>> {
        let start = self.weight_range().end;
        let count = self.kind.biases();
        (count > 0).then_some(start..start + count)
    }

    /// Where all its parameters lie: weights, then biases.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.weight_range().end + self.kind.biases()
    }

    /// Channels, rows and columns that it takes.
    pub fn input_shape(&self) -> [usize; 3] {
        self.input
    }

    /// Channels, rows and columns that it gives.
    pub fn output_shape(&self) -> [usize; 3] {
        self.output
    }

    /// Features that it takes.
    pub fn inputs(&self) -> usize {
        self.input.iter().product()
    }

    /// Features that it gives.
    pub fn outputs(&self) -> usize {
        self.output.iter().product()
    }
}
