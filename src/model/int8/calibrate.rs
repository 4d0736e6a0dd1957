//! Ranges of activations, taken on samples.

use super::stack::{Int8Activations, Int8Scale, Int8Stack};
use crate::error::{ShapeError, TooSmall};
use crate::kernel::{Bag, Batch, Kernel, LANES, Start};
use crate::model::{ForwardError, Samples};
use crate::nn::{Kind, MAX_LAYERS, Stack};
use crate::slab::{Arena, Need};

impl Int8Stack {
    /// Memory of [`calibrated`](Self::calibrated): three activations of a panel.
    pub fn calibration_need(stack: &Stack) -> Need {
        let panel = Batch::lanes(LANES);
        Need::f32s(stack.scratch(panel) + 2 * panel.len(stack.widest()))
    }

    /// The layers of `stack` from `first` on, with scales that cover what every layer gives on `samples`.
    ///
    /// Samples are the inputs of layer `first`, in panels: training samples where it is 0, otherwise what the
    /// layers before it make of them.
    ///
    /// # Errors
    /// [`ForwardError`]: a layer without a quantised form, slices that do not fit, an arena that is too small.
    pub fn calibrated(
        kernel: Kernel,
        stack: &Stack,
        parameters: &[f32],
        first: usize,
        samples: Samples<'_>,
        activations: Int8Activations,
        arena: &mut Arena<'_>,
    ) -> Result<Self, ForwardError> {
        let made = Self::plan(stack, first)?;
        let (whole, panel) = (samples.batch, Batch::lanes(LANES));
        ShapeError::check("samples of a panel", LANES, whole.width())?;
        ShapeError::check("input", whole.len(made.inputs()), samples.inputs.len())?;
        let mut calibration = Calibration::new(kernel, stack, parameters, made, arena)?;
        let panels = samples.inputs.chunks_exact(panel.len(calibration.made.inputs()).max(1));
        for (index, inputs) in panels.enumerate() {
            let part = whole.panel(index);
            calibration.input.widen(inputs, part.samples());
            let slot = calibration.from.get_mut(..inputs.len()).unwrap_or_default();
            slot.copy_from_slice(inputs);
            calibration.run(part, 0)?;
        }
        Ok(calibration.finish(activations))
    }

    /// All layers of `stack`, with scales that cover what every layer gives on the sparse rows of `bag`.
    ///
    /// # Errors
    /// [`ForwardError`]: as [`calibrated`](Self::calibrated), or a first layer that is not dense.
    pub fn calibrated_sparse(
        kernel: Kernel,
        stack: &Stack,
        parameters: &[f32],
        bag: Bag<'_>,
        activations: Int8Activations,
        arena: &mut Arena<'_>,
    ) -> Result<Self, ForwardError> {
        let made = Self::plan(stack, 0)?;
        ShapeError::check("input", made.inputs(), bag.inputs())?;
        let (Some(first), Some(Kind::Dense { outputs, .. })) =
            (stack.layers().first(), made.layers.first().map(|layer| layer.kind))
        else {
            return Err(ForwardError::Failed("the first layer does not take sparse samples"));
        };
        let relu = made.layers.first().is_some_and(|layer| layer.relu);
        let weights = parameters.get(first.weight_range()).unwrap_or_default();
        let bias = first.bias_range().and_then(|range| parameters.get(range));
        let start = bias.map_or(Start::Zero, Start::Bias);
        let whole = Batch::lanes(bag.samples());
        let mut calibration = Calibration::new(kernel, stack, parameters, made, arena)?;
        for sample in 0..bag.samples() {
            let (_, values) = bag.row(sample);
            values.iter().for_each(|&value| calibration.input.take(value));
        }
        for index in 0..whole.panels() {
            let part = whole.panel(index);
            let y = calibration.from.get_mut(..part.len(outputs)).unwrap_or_default();
            kernel.sparse_forward(bag.part(index * LANES, LANES), outputs, weights, start, y)?;
            if relu {
                kernel.relu(y);
            }
            if let Some(range) = calibration.ranges.first_mut() {
                range.widen(y, part.samples());
            }
            calibration.run(part, 1)?;
        }
        Ok(calibration.finish(activations))
    }
}

/// Ranges of all activations as samples pass.
struct Calibration<'c, 'a> {
    kernel: Kernel,
    stack: &'c Stack,
    parameters: &'c [f32],
    made: Int8Stack,
    scratch: &'a mut [f32],
    /// What the next layer takes.
    from: &'a mut [f32],
    to: &'a mut [f32],
    input: Range,
    ranges: [Range; MAX_LAYERS],
}

impl<'c, 'a> Calibration<'c, 'a> {
    fn new(
        kernel: Kernel,
        stack: &'c Stack,
        parameters: &'c [f32],
        made: Int8Stack,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        let panel = Batch::lanes(LANES);
        Ok(Self {
            kernel,
            stack,
            parameters,
            made,
            scratch: arena.take(stack.scratch(panel))?,
            from: arena.take(panel.len(stack.widest()))?,
            to: arena.take(panel.len(stack.widest()))?,
            input: Range::NOTHING,
            ranges: [Range::NOTHING; MAX_LAYERS],
        })
    }

    /// Runs a panel through the layers from `first` on.
    fn run(&mut self, part: Batch, first: usize) -> Result<(), ForwardError> {
        for (layer, range) in self.made.layers.iter().zip(&mut self.ranges).skip(first) {
            let x = self.from.get(..part.len(layer.inputs)).unwrap_or_default();
            let y = self.to.get_mut(..part.len(layer.outputs)).unwrap_or_default();
            let sources = layer.sources();
            self.stack.forward(self.kernel, sources, part, self.parameters, x, self.scratch, y)?;
            range.widen(y, part.samples());
            core::mem::swap(&mut self.from, &mut self.to);
        }
        Ok(())
    }

    fn finish(self, activations: Int8Activations) -> Int8Stack {
        let mut made = self.made;
        let mut scale = Int8Scale::covering(self.input.low, self.input.high, activations);
        for (layer, range) in made.layers.iter_mut().zip(self.ranges) {
            layer.input = scale;
            // The largest of some values has their scale.
            if !matches!(layer.kind, Kind::MaxPool(_)) {
                scale = Int8Scale::covering(range.low, range.high, activations);
            }
            layer.output = scale;
        }
        made
    }
}

/// Least and largest value.
#[derive(Clone, Copy)]
struct Range {
    low: f32,
    high: f32,
}

impl Range {
    const NOTHING: Self = Self { low: 0.0, high: 0.0 };

    /// Takes in the first `samples` lanes of a panel.
    fn widen(&mut self, panel: &[f32], samples: usize) {
        for &value in panel.chunks_exact(LANES).flat_map(|lanes| lanes.iter().take(samples)) {
            self.take(value);
        }
    }

    fn take(&mut self, value: f32) {
        if value < self.low {
            self.low = value;
        }
        if value > self.high {
            self.high = value;
        }
    }
}
