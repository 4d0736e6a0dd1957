//! Architectures that the crate trains itself.

use crate::nn::{Stack, StackError};

/// Input of `digits-cnn`: channels, rows, columns.
pub const DIGITS_INPUT: [usize; 3] = [1, 28, 28];

/// `digits-cnn`: 28×28 → `conv1` 6×6 stride 3, 8 channels (8×8×8 = 512) → `fc1` → `fc2` → `fc3`, ReLU
/// between.
///
/// `inputs` × `outputs` is the shape of `fc2`, the layer that is edited by default: 128 × 32 as in
/// the paper. With `inputs` 512 there is no `fc1`: `fc2` reads the convolution itself. With
/// [`digits_cnn_deeper`] another hidden layer follows `fc2`.
///
/// # Errors
/// [`StackError`] for a size that is 0 or overflows.
pub fn digits_cnn(inputs: usize, outputs: usize, classes: usize) -> Result<Stack, StackError> {
    digits_cnn_deeper(inputs, outputs, None, classes)
}

/// [`digits_cnn`] with a hidden layer `fc3` of `behind` units between `fc2` and the output layer, which
/// then is `fc4`.
///
/// # Errors
/// As [`digits_cnn`].
pub fn digits_cnn_deeper(
    inputs: usize,
    outputs: usize,
    behind: Option<usize>,
    classes: usize,
) -> Result<Stack, StackError> {
    let mut stack = Stack::new(DIGITS_INPUT);
    stack.conv2d("conv1", 8, [6, 6], [3, 3], [0, 0])?.relu()?;
    if inputs != 512 {
        stack.dense("fc1", inputs)?.relu()?;
    }
    stack.dense("fc2", outputs)?.relu()?;
    match behind {
        None => stack.dense("fc3", classes)?,
        Some(units) => stack.dense("fc3", units)?.relu()?.dense("fc4", classes)?,
    };
    Ok(stack)
}

/// `toxicity-mlp`: `words` inputs of a bag → 64 (`embed`) → 16 (`64x16`) → 2 (`16x2`), ReLU between.
///
/// The last layer is the paper's; the one before is edited by default.
///
/// # Errors
/// [`StackError`] for no words, or too many.
pub fn toxicity_mlp(words: usize) -> Result<Stack, StackError> {
    let mut stack = Stack::new([words, 1, 1]);
    stack.dense("embed", 64)?.relu()?.dense("64x16", 16)?.relu()?.dense("16x2", 2)?;
    Ok(stack)
}
