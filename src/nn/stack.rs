//! The list of layers and its builder.

use super::layer::Name;
use super::{Kind, Layer, StackError};
use crate::kernel::{Conv2d, Pool2d};

/// Largest number of layers of a stack, activations counted: 16, or 6 where there is no operating system and so
/// little memory.
pub const MAX_LAYERS: usize = if cfg!(target_os = "none") { 6 } else { 16 };

/// Layers, each fed by the one before it. Holds sizes only; parameters are a slice of
/// [`parameters`](Self::parameters) values that the caller owns.
///
/// ```
/// use reweight::nn::Stack;
/// # fn main() -> Result<(), reweight::nn::StackError> {
/// let mut net = Stack::new([1, 28, 28]);
/// net.conv2d("conv1", 8, [6, 6], [3, 3], [0, 0])?.relu()?.dense("fc1", 10)?;
/// assert_eq!((net.inputs(), net.outputs(), net.parameters()), (784, 10, 296 + 5130));
/// # Ok(())
/// # }
/// ```
/// Building is `const`, so that a network's layers can be a `static` in flash.
#[derive(Clone, PartialEq)]
pub struct Stack {
    input: [usize; 3],
    layers: [Layer; MAX_LAYERS],
    len: usize,
}

impl core::fmt::Debug for Stack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { input, .. } = self;
        f.debug_struct("Stack").field("input", input).field("layers", &self.layers()).finish()
    }
}

impl Stack {
    /// No layers yet. `input` is channels, rows, columns; a flat input of n features is `[n, 1, 1]`.
    pub const fn new(input: [usize; 3]) -> Self {
        const NONE: Layer =
            Layer { name: Name::EMPTY, kind: Kind::Relu, offset: 0, input: [0; 3], output: [0; 3] };
        Self { input, layers: [NONE; MAX_LAYERS], len: 0 }
    }

    /// Adds a layer of any kind. `name` may be empty for a layer without weights.
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub const fn add(&mut self, name: &str, kind: Kind) -> Result<&mut Self, StackError> {
        let name = ok!(Name::new(name));
        if name.as_bytes().is_empty() && kind.fan_in() > 0 {
            return Err(StackError::Name);
        }
        if self.position(name.as_bytes()).is_some() {
            return Err(StackError::DuplicateName);
        }
        let input = self.output_shape();
        let output = ok!(kind.shape(input));
        let offset = self.parameters();
        let end = ok!(offset.checked_add(kind.weights()), StackError::TooLarge);
        let end = ok!(end.checked_add(kind.biases()), StackError::TooLarge);
        if end > isize::MAX as usize / 4 {
            return Err(StackError::TooLarge);
        }
        let Some((_, [layer, ..])) = self.layers.split_at_mut_checked(self.len) else {
            return Err(StackError::TooManyLayers);
        };
        *layer = Layer { name, kind, offset, input, output };
        self.len += 1;
        Ok(self)
    }

    /// Adds a dense layer with biases; its input is what the stack gives, flattened.
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub const fn dense(&mut self, name: &str, outputs: usize) -> Result<&mut Self, StackError> {
        let inputs = ok!(self.features());
        self.add(name, Kind::Dense { inputs, outputs, bias: true })
    }

    /// Adds a 2-d convolution with biases: `kernel`, `stride` and `padding` are rows, columns.
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub const fn conv2d(
        &mut self,
        name: &str,
        channels: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Result<&mut Self, StackError> {
        let conv = Conv2d { input: self.output_shape(), channels, kernel, stride, padding };
        self.add(name, Kind::Conv2d { conv, bias: true })
    }

    /// Adds a pooling layer that keeps the largest value of each window (rows, columns).
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub const fn max_pool(
        &mut self,
        window: [usize; 2],
        stride: [usize; 2],
    ) -> Result<&mut Self, StackError> {
        self.add("", Kind::MaxPool(Pool2d { input: self.output_shape(), window, stride }))
    }

    /// Adds a pooling layer that keeps the mean of each window (rows, columns).
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub const fn average_pool(
        &mut self,
        window: [usize; 2],
        stride: [usize; 2],
    ) -> Result<&mut Self, StackError> {
        self.add("", Kind::AveragePool(Pool2d { input: self.output_shape(), window, stride }))
    }

    /// Adds a rectified linear unit.
    ///
    /// # Errors
    /// [`StackError::TooManyLayers`].
    pub const fn relu(&mut self) -> Result<&mut Self, StackError> {
        self.add("", Kind::Relu)
    }

    /// Adds a hyperbolic tangent.
    ///
    /// # Errors
    /// [`StackError::TooManyLayers`].
    pub const fn tanh(&mut self) -> Result<&mut Self, StackError> {
        self.add("", Kind::Tanh)
    }

    /// All layers, from input to output.
    pub const fn layers(&self) -> &[Layer] {
        match self.layers.split_at_checked(self.len) {
            Some((layers, _)) => layers,
            None => &[],
        }
    }

    /// Index of the layer of this name.
    pub const fn find(&self, name: &str) -> Option<usize> {
        self.position(name.as_bytes())
    }

    const fn position(&self, name: &[u8]) -> Option<usize> {
        let (mut layers, mut index) = (self.layers(), 0);
        while let [layer, rest @ ..] = layers {
            if !name.is_empty() && same(layer.name.as_bytes(), name) {
                return Some(index);
            }
            (layers, index) = (rest, index + 1);
        }
        None
    }

    /// Channels, rows and columns of the input.
    pub const fn input(&self) -> [usize; 3] {
        self.input
    }

    /// Channels, rows and columns of the output.
    pub const fn output_shape(&self) -> [usize; 3] {
        match self.layers().last() {
            Some(layer) => layer.output,
            None => self.input,
        }
    }

    /// Features of the input.
    pub const fn inputs(&self) -> usize {
        features(self.input)
    }

    /// Features of the output.
    pub const fn outputs(&self) -> usize {
        features(self.output_shape())
    }

    /// Number of parameters: length of the flat slice.
    pub const fn parameters(&self) -> usize {
        match self.layers().last() {
            Some(layer) => layer.offset + layer.kind.weights() + layer.kind.biases(),
            None => 0,
        }
    }

    /// Largest number of features of any activation, the input included.
    pub fn widest(&self) -> usize {
        self.layers().iter().map(Layer::outputs).fold(self.inputs(), usize::max)
    }

    const fn features(&self) -> Result<usize, StackError> {
        match self.outputs() {
            usize::MAX => Err(StackError::TooLarge),
            features => Ok(features),
        }
    }
}

/// Product of a shape; `usize::MAX` when it cannot be addressed (possible for an input only).
const fn features([a, b, c]: [usize; 3]) -> usize {
    a.saturating_mul(b).saturating_mul(c)
}

/// Whether two names are equal.
const fn same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, rest @ ..], [b, others @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}
