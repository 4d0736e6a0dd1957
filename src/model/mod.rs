//! The networks that are edited, and how they are run.
//!
//! What belongs here: built-in architectures, training them, running a network over samples, and
//! the prefix cache that makes an edited network cheap to run again. What does not: layers and
//! their parameters (`nn`), what a good network is (`task`), how it is changed (`world`).
//!
//! A task looks at a network through [`Forward`] alone: logits of samples, panel by panel. A network
//! that lives elsewhere (on a device, in integers, behind a wire) can be edited by implementing it.

mod builtin;
mod changed;
mod fill;
pub mod int8;
mod panels;
mod parameters;
mod plain;
mod prefix;
mod sparse;
mod tap;
mod train;

pub use builtin::{DIGITS_INPUT, digits_cnn, digits_cnn_deeper, toxicity_mlp};
pub use changed::Changed;
pub use parameters::Parameters;
pub use plain::Plain;
pub use prefix::{Change, Prefix};
pub use tap::Tap;
pub use train::{Lesson, Progress, Rows, Training, train, train_need, train_on, train_where};

use crate::autodiff::TapeError;
use crate::error::{ShapeError, TooSmall};
use crate::kernel::{Bag, Batch, Kernel};
use core::fmt;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Trains the target network.
    Train,
    /// What editors may look at.
    Reward,
    /// Final figures only.
    Test,
}

/// The logits of some samples.
#[derive(Debug)]
pub struct Logits<'a> {
    /// Index of the first sample within its split.
    pub first: usize,
    /// How many samples there are, and how they lie.
    pub batch: Batch,
    /// Number of classes.
    pub classes: usize,
    /// The logits, `batch.len(classes)` values. Writable: softmax may be taken in place.
    pub values: &'a mut [f32],
}

/// A network together with the samples of one split.
pub trait Forward {
    /// Number of samples.
    fn samples(&self) -> usize;

    /// Number of classes: logits per sample.
    fn classes(&self) -> usize;

    /// The kernels that the network runs on.
    fn kernel(&self) -> Kernel;

    /// Runs the network over all samples and shows the logits, in rising order of samples.
    ///
    /// # Errors
    /// [`ForwardError`] when the network cannot be run.
    fn for_each_logits(&mut self, visit: &mut dyn FnMut(Logits<'_>)) -> Result<(), ForwardError>;

    /// The same, and leaves what the tapped layers take in `taps`, which stand in rising order of layers. A
    /// network that lives elsewhere need not be able to.
    ///
    /// # Errors
    /// As [`for_each_logits`](Self::for_each_logits), or when the activations cannot be shown.
    fn for_each_tapped(
        &mut self,
        taps: &mut [Tap<'_>],
        visit: &mut dyn FnMut(Logits<'_>),
    ) -> Result<(), ForwardError> {
        if taps.is_empty() {
            return self.for_each_logits(visit);
        }
        Err(ForwardError::Failed("this network does not show what is between its layers"))
    }
}

/// Samples of one split: inputs in panels, and their labels.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// How the samples lie.
    pub batch: Batch,
    /// Inputs, `batch.len(features)` values.
    pub inputs: &'a [f32],
    /// Class of each sample.
    pub labels: &'a [u8],
}

/// Samples of one split whose inputs are sparse rows: the first layer is dense and takes them as they are.
#[derive(Clone, Copy, Debug)]
pub struct SparseSamples<'a> {
    /// Inputs.
    pub bag: Bag<'a>,
    /// Class of each sample.
    pub labels: &'a [u8],
    /// What the first layer gives for inputs that are not in the bag, its bias included: in panels, as its
    /// output. Chains begin there, so weights of those inputs need not be run again and again.
    pub fixed: Option<&'a [f32]>,
}

/// Why a network could not be run or trained.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ForwardError {
    /// A slice does not fit the network.
    Shape(ShapeError),
    /// The slab does not hold what is needed.
    TooSmall(TooSmall),
    /// The tape of a training step.
    Tape(TapeError),
    /// The layer has no weights that could be edited.
    NoWeights {
        /// Index of the layer.
        layer: usize,
    },
    /// The layer is no dense one, so a change of low rank has to be formed.
    NotThin {
        /// Index of the layer.
        layer: usize,
    },
    /// A loss, a gradient or a weight became infinite or NaN.
    NotFinite {
        /// Step of training.
        step: usize,
    },
    /// A label is not a class of the network.
    Label {
        /// The label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// There is nothing to train on.
    NoSamples,
    /// The network's own trouble.
    Failed(&'static str),
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error) => error.fmt(f),
            Self::TooSmall(error) => error.fmt(f),
            Self::Tape(error) => error.fmt(f),
            Self::NoWeights { layer } => write!(f, "layer {layer} has no weights to edit"),
            Self::NotThin { layer } => {
                write!(
                    f,
                    "layer {layer} is not dense: its changes are run with formed weights only"
                )
            }
            Self::NotFinite { step } => {
                write!(f, "training diverged at step {step}: a value is no longer finite")
            }
            Self::Label { label, classes } => {
                write!(f, "label {label} is not one of the network's {classes} classes")
            }
            Self::NoSamples => f.write_str("there are no samples to train on"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for ForwardError {}

impl From<ShapeError> for ForwardError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl From<TooSmall> for ForwardError {
    fn from(error: TooSmall) -> Self {
        Self::TooSmall(error)
    }
}

impl From<TapeError> for ForwardError {
    fn from(error: TapeError) -> Self {
        Self::Tape(error)
    }
}
