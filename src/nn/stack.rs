//! The list of layers and its builder.

use super::{Kind, Layer, Name, StackError};
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
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    input: [usize; 3],
    layers: heapless::Vec<Layer, MAX_LAYERS>,
}

impl Stack {
    /// No layers yet. `input` is channels, rows, columns; a flat input of n features is `[n, 1, 1]`.
    pub fn new(input: [usize; 3]) -> Self {
        Self { input, layers: heapless::Vec::new() }
    }

    /// Adds a layer of any kind. `name` may be empty for a layer without weights.
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub fn add(&mut self, name: &str, kind: Kind) -> Result<&mut Self, StackError> {
        if name.is_empty() && kind.fan_in() > 0 {
            return Err(StackError::Name);
        }
        if self.find(name).is_some() {
            return Err(StackError::DuplicateName);
        }
        let name = Name::try_from(name).map_err(|_| StackError::Name)?;
        let input = self.output_shape();
        let output = kind.shape(input)?;
        let offset = self.parameters();
        offset
            .checked_add(kind.weights())
            .and_then(|end| end.checked_add(kind.biases()))
            .filter(|&end| end <= isize::MAX as usize / 4)
            .ok_or(StackError::TooLarge)?;
        self.layers
            .push(Layer { name, kind, offset, input, output })
            .map_err(|_| StackError::TooManyLayers)?;
        Ok(self)
    }

    /// Adds a dense layer with biases; its input is what the stack gives, flattened.
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub fn dense(&mut self, name: &str, outputs: usize) -> Result<&mut Self, StackError> {
        let inputs = self.features()?;
        self.add(name, Kind::Dense { inputs, outputs, bias: true })
    }

    /// Adds a 2-d convolution with biases: `kernel`, `stride` and `padding` are rows, columns.
    ///
    /// # Errors
    /// [`StackError`] when it does not fit; the stack is then as before.
    pub fn conv2d(
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
    pub fn max_pool(
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
    pub fn average_pool(
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
    pub fn relu(&mut self) -> Result<&mut Self, StackError> {
        self.add("", Kind::Relu)
    }

    /// Adds a hyperbolic tangent.
    ///
    /// # Errors
    /// [`StackError::TooManyLayers`].
    pub fn tanh(&mut self) -> Result<&mut Self, StackError> {
        self.add("", Kind::Tanh)
    }

    /// All layers, from input to output.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Index of the layer of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| !name.is_empty() && layer.name == *name)
    }

    /// Channels, rows and columns of the input.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// Channels, rows and columns of the output.
    pub fn output_shape(&self) -> [usize; 3] {
        self.layers.last().map_or(self.input, Layer::output_shape)
    }

    /// Features of the input.
    pub fn inputs(&self) -> usize {
        features(self.input)
    }

    /// Features of the output.
    pub fn outputs(&self) -> usize {
        features(self.output_shape())
    }

    /// Number of parameters: length of the flat slice.
    pub fn parameters(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.range().end)
    }

    /// Largest number of features of any activation, the input included.
    pub fn widest(&self) -> usize {
        self.layers.iter().map(Layer::outputs).fold(self.inputs(), usize::max)
    }

    fn features(&self) -> Result<usize, StackError> {
        match self.outputs() {
            usize::MAX => Err(StackError::TooLarge),
            features => Ok(features),
        }
    }
}

/// Product of a shape; `usize::MAX` when it cannot be addressed (possible for an input only).
fn features(shape: [usize; 3]) -> usize {
    shape.iter().fold(1, |total, &size| total.saturating_mul(size))
}
