//! What can be wrong with a layer that is to be added.

use core::fmt;

/// Why a layer does not fit on a stack. The stack is left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackError {
    /// The stack holds [`MAX_LAYERS`](super::MAX_LAYERS) layers already.
    TooManyLayers,
    /// The name is longer than 16 bytes, or a layer with weights has none.
    Name,
    /// Another layer has this name.
    DuplicateName,
    /// The layer takes another input than the stack gives.
    Input {
        /// Features that the stack gives.
        expected: usize,
        /// Features that the layer takes.
        found: usize,
    },
    /// A dimension, window or stride of zero.
    Zero,
    /// The kernel or window is larger than the input with its padding.
    DoesNotFit,
    /// A size that this machine cannot address.
    TooLarge,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyLayers => write!(f, "more than {} layers", super::MAX_LAYERS),
            Self::Name => f.write_str("the name of a layer has 1 to 16 bytes"),
            Self::DuplicateName => f.write_str("two layers have the same name"),
            Self::Input { expected, found } => {
                write!(f, "the layer takes {found} features, the stack gives {expected}")
            }
            Self::Zero => f.write_str("a dimension, window or stride of the layer is zero"),
            Self::DoesNotFit => f.write_str("the window is larger than the padded input"),
            Self::TooLarge => f.write_str("the layer is too large to address"),
        }
    }
}

impl core::error::Error for StackError {}
