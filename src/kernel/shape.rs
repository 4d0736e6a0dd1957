//! The shapes that kernels work on, and how their values lie in memory.

/// Samples that lie side by side in a panel.
///
/// A constant of the target that changes no bit: every sample's arithmetic is its own.
pub const LANES: usize =
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) { 32 } else { 4 };

/// Panels that [`Kernel::low_rank_forward`](super::Kernel::low_rank_forward) does fastest at a time.
///
/// Three panels are twelve vectors of eight lanes, which can be dealt to tiles of twelve chains for
/// every rank up to 4.
pub const TOGETHER: usize = if LANES == 32 { 3 } else { 1 };

/// How the samples of a batch lie in memory: panels of `width` samples, `[panel][feature][lane]`.
///
/// Width [`LANES`] puts samples in the vector lanes. Width 1 is the plain row-major form
/// `[sample][feature]`, for single samples and small batches. The last panel may be part empty; its
/// spare lanes hold whatever was computed from spare lanes, and nothing reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    samples: usize,
    width: usize,
}

impl Batch {
    /// `samples` samples in panels of [`LANES`].
    pub const fn lanes(samples: usize) -> Self {
        Self { samples, width: LANES }
    }

    /// `samples` samples in row-major order.
    pub const fn rows(samples: usize) -> Self {
        Self { samples, width: 1 }
    }

    /// The better of both for training: rows for a handful of samples, lanes otherwise.
    pub const fn fitting(samples: usize) -> Self {
        if samples <= LANES / 4 { Self::rows(samples) } else { Self::lanes(samples) }
    }

    /// Number of samples.
    pub const fn samples(self) -> usize {
        self.samples
    }

    /// Samples in a panel: 1 or [`LANES`].
    pub const fn width(self) -> usize {
        // Whoever divides by it need not fear 0.
        if self.width == LANES { LANES } else { 1 }
    }

    /// Number of panels, the last one possibly part empty.
    pub const fn panels(self) -> usize {
        self.samples.div_ceil(self.width())
    }

    /// The samples of panel `index` as a batch of their own.
    pub const fn panel(self, index: usize) -> Self {
        self.part(index, 1)
    }

    /// The samples of `count` panels from panel `first` on as a batch of their own; fewer where the
    /// batch ends.
    pub const fn part(self, first: usize, count: usize) -> Self {
        let before = first.saturating_mul(self.width);
        let (left, most) = (self.samples.saturating_sub(before), count.saturating_mul(self.width));
        Self { samples: if left < most { left } else { most }, width: self.width }
    }

    /// Length of a buffer of `features` features for this batch; `usize::MAX`, which no slice has,
    /// where that would overflow.
    pub const fn len(self, features: usize) -> usize {
        self.panels().saturating_mul(features).saturating_mul(self.width)
    }

    /// True when there are no samples.
    pub const fn is_empty(self) -> bool {
        self.samples == 0
    }

    /// Where `feature` of `sample` lies in a buffer of `features` features.
    pub const fn at(self, features: usize, sample: usize, feature: usize) -> usize {
        let width = self.width();
        ((sample / width) * features + feature) * width + sample % width
    }
}

/// Geometry of a 2-d convolution. Features are ordered `[channel][row][column]`, weights
/// `[input channel, kernel row, kernel column][output channel]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Input channels, rows and columns.
    pub input: [usize; 3],
    /// Output channels.
    pub channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step of the kernel over rows and columns, at least 1.
    pub stride: [usize; 2],
    /// Rows and columns of zeros around the input. Taps on them are left out of the chain.
    pub padding: [usize; 2],
}

impl Conv2d {
    /// Output channels, rows and columns; rows and columns are 0 when the kernel does not fit.
    pub const fn output(&self) -> [usize; 3] {
        [
            self.channels,
            window_count(self.input[1], self.kernel[0], self.stride[0], self.padding[0]),
            window_count(self.input[2], self.kernel[1], self.stride[1], self.padding[1]),
        ]
    }

    /// Length of the input of one sample.
    pub const fn input_len(&self) -> usize {
        product(self.input)
    }

    /// Length of the output of one sample.
    pub const fn output_len(&self) -> usize {
        product(self.output())
    }

    /// Taps of one output value: input channels × kernel rows × kernel columns.
    pub const fn taps(&self) -> usize {
        product([self.input[0], self.kernel[0], self.kernel[1]])
    }
}

/// Geometry of a pooling layer, without padding. Features are ordered `[channel][row][column]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Input channels, rows and columns.
    pub input: [usize; 3],
    /// Rows and columns of the window.
    pub window: [usize; 2],
    /// Step of the window over rows and columns, at least 1.
    pub stride: [usize; 2],
}

impl Pool2d {
    /// Output channels, rows and columns.
    pub const fn output(&self) -> [usize; 3] {
        [
            self.input[0],
            window_count(self.input[1], self.window[0], self.stride[0], 0),
            window_count(self.input[2], self.window[1], self.stride[1], 0),
        ]
    }

    /// Length of the input of one sample.
    pub const fn input_len(&self) -> usize {
        product(self.input)
    }

    /// Length of the output of one sample.
    pub const fn output_len(&self) -> usize {
        product(self.output())
    }
}

/// `usize::MAX`, which no slice has, where the product would overflow.
const fn product(sizes: [usize; 3]) -> usize {
    sizes[0].saturating_mul(sizes[1]).saturating_mul(sizes[2])
}

const fn window_count(size: usize, window: usize, stride: usize, padding: usize) -> usize {
    let padded = size.saturating_add(padding.saturating_mul(2));
    if window == 0 || stride == 0 || padded < window {
        0
    } else {
        ((padded - window) / stride).saturating_add(1)
    }
}
