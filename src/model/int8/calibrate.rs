//! Ranges of activations, taken on samples.

use super::stack::{Int8Activations, Int8Scale, Int8Stack};
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES};
use crate::model::{ForwardError, Samples};
use crate::nn::{Kind, Stack};
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
        let mut made = Self::plan(stack, first)?;
        let (whole, panel) = (samples.batch, Batch::lanes(LANES));
        ShapeError::check("samples of a panel", LANES, whole.width())?;
        ShapeError::check("input", whole.len(made.inputs()), samples.inputs.len())?;
        let scratch = arena.take(stack.scratch(panel))?;
        let mut from = arena.take(panel.len(stack.widest()))?;
        let mut to = arena.take(panel.len(stack.widest()))?;
        let mut input = Range::NOTHING;
        let mut ranges = [Range::NOTHING; crate::nn::MAX_LAYERS];
        let panels = samples.inputs.chunks_exact(panel.len(made.inputs()).max(1));
        for (index, inputs) in panels.enumerate() {
            let part = whole.panel(index);
            let slot = from.get_mut(..inputs.len()).unwrap_or_default();
            slot.copy_from_slice(inputs);
            input.widen(slot, part.samples());
            for (layer, range) in made.layers.iter().zip(&mut ranges) {
                let x = from.get(..part.len(layer.inputs)).unwrap_or_default();
                let y = to.get_mut(..part.len(layer.outputs)).unwrap_or_default();
                stack.forward(kernel, layer.sources(), part, parameters, x, scratch, y)?;
                range.widen(y, part.samples());
                core::mem::swap(&mut from, &mut to);
            }
        }
        let mut scale = Int8Scale::covering(input.low, input.high, activations);
        for (layer, range) in made.layers.iter_mut().zip(ranges) {
            layer.input = scale;
            // The largest of some values has their scale.
            if !matches!(layer.kind, Kind::MaxPool(_)) {
                scale = Int8Scale::covering(range.low, range.high, activations);
            }
            layer.output = scale;
        }
        Ok(made)
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
            if value < self.low {
                self.low = value;
            }
            if value > self.high {
                self.high = value;
            }
        }
    }
}
