//! The plain forward pass: the path that rewards are computed on.

use super::{Kind, Layer, Stack};
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, Start};
use core::ops::Range;

/// Values of the widest activation that are worked on at a time: a piece of the batch runs through
/// all layers while it is in the cache. Changes no bit.
const PIECE: usize = 1 << 15;

impl Stack {
    /// Values of scratch that [`forward`](Self::forward) needs for all layers.
    pub fn scratch(&self, batch: Batch) -> usize {
        self.scratch_of(0..self.layers().len(), batch)
    }

    /// Values of scratch that [`forward`](Self::forward) needs for these layers.
    pub fn scratch_of(&self, layers: Range<usize>, batch: Batch) -> usize {
        let run = self.layers().get(layers).unwrap_or(&[]);
        buffer(run, piece(run, batch)).saturating_mul(2)
    }

    /// The first layer behind `layer` that is no activation; the number of layers where there is none.
    pub(crate) fn behind(&self, layer: usize) -> usize {
        let layers = self.layers();
        let is_activation =
            |index: &usize| layers.get(*index).is_some_and(|layer| layer.kind().is_activation());
        (layer + 1..layers.len()).find(|index| !is_activation(index)).unwrap_or(layers.len())
    }

    /// Scratch of passes up to `layer`, through it, and from what follows its activations to the end.
    pub(crate) fn scratch_around(&self, layer: usize, batch: Batch) -> usize {
        let before = self.scratch_of(0..layer, batch);
        let own = self.scratch_of(layer..layer + 1, batch);
        before.max(own).max(self.scratch_of(self.behind(layer)..self.layers().len(), batch))
    }

    /// Runs `layers` (indices) on `input`: the features that the first of them takes, in the
    /// layout of `batch`. `output` is laid out the same. An empty range copies. `params` are all
    /// parameters of the stack; `scratch` holds at least [`scratch_of`](Self::scratch_of) values.
    ///
    /// # Errors
    /// [`ShapeError`] for a slice of a wrong length, or a range outside the stack.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        kernel: Kernel,
        layers: Range<usize>,
        batch: Batch,
        params: &[f32],
        input: &[f32],
        scratch: &mut [f32],
        output: &mut [f32],
    ) -> Result<(), ShapeError> {
        let found = layers.end.max(layers.start);
        let outside = ShapeError { what: "layers", expected: self.layers().len(), found };
        let run = self.layers().get(layers).ok_or(outside)?;
        ShapeError::check("parameters", self.parameters(), params.len())?;
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            ShapeError::check("output", input.len(), output.len())?;
            output.copy_from_slice(input);
            return Ok(());
        };
        let (inputs, outputs) = (first.inputs(), last.outputs());
        ShapeError::check("input", len(batch, inputs), input.len())?;
        ShapeError::check("output", len(batch, outputs), output.len())?;
        let pass = piece(run, batch);
        let half = buffer(run, pass);
        let (expected, found) = (half.saturating_mul(2), scratch.len());
        let short = ShapeError { what: "scratch", expected, found };
        let halves = scratch.split_at_mut_checked(half).filter(|(_, other)| other.len() >= half);
        let (one, other) = halves.ok_or(short)?;
        let each = pass.len(inputs).max(1);
        let (mut rest, mut left) = (input, batch.samples());
        for y in output.chunks_mut(pass.len(outputs).max(1)) {
            let (x, behind) = rest.split_at_checked(each).unwrap_or((rest, &[]));
            if x.is_empty() {
                break;
            }
            rest = behind;
            let part = with_samples(batch, left.min(pass.samples()));
            left -= part.samples();
            run_piece(kernel, run, part, params, x, one, other, y)?;
        }
        Ok(())
    }
}

/// Length of a buffer, `usize::MAX` when that overflows, so that no slice has it.
fn len(batch: Batch, features: usize) -> usize {
    batch.panels().saturating_mul(features).saturating_mul(batch.width())
}

fn with_samples(batch: Batch, samples: usize) -> Batch {
    if batch.width() == 1 { Batch::rows(samples) } else { Batch::lanes(samples) }
}

/// The part of the batch that runs through the layers at a time: whole panels.
fn piece(run: &[Layer], batch: Batch) -> Batch {
    let inputs = run.first().map_or(1, Layer::inputs);
    let widest = run.iter().map(Layer::outputs).fold(inputs, usize::max);
    let panels = (PIECE / widest.saturating_mul(batch.width()).max(1)).max(1);
    with_samples(batch, batch.samples().min(panels * batch.width()))
}

/// Where the block of layers that begins at `start` ends: one layer and the activations after it.
fn block_end(run: &[Layer], start: usize) -> usize {
    let after = run.iter().skip(start + 1).take_while(|layer| layer.kind.is_activation()).count();
    start + 1 + after
}

/// Values of the largest activation that is neither input nor output of `run`.
fn buffer(run: &[Layer], batch: Batch) -> usize {
    let (mut largest, mut end) = (0, block_end(run, 0));
    while end < run.len() {
        largest = largest.max(run.get(end).map_or(0, Layer::inputs));
        end = block_end(run, end);
    }
    len(batch, largest)
}

#[allow(clippy::too_many_arguments)]
fn run_piece<'s>(
    kernel: Kernel,
    run: &[Layer],
    batch: Batch,
    params: &[f32],
    input: &[f32],
    mut from: &'s mut [f32],
    mut to: &'s mut [f32],
    output: &mut [f32],
) -> Result<(), ShapeError> {
    let mut start = 0;
    while start < run.len() {
        let end = block_end(run, start);
        let block = run.get(start..end).unwrap_or(&[]);
        let Some(layer) = block.first() else { break };
        let x: &[f32] = if start == 0 { input } else { cut(from, len(batch, layer.inputs()))? };
        let y: &mut [f32] =
            if end == run.len() { output } else { cut_mut(to, len(batch, layer.outputs()))? };
        layer.apply(kernel, batch, params, x, y)?;
        for activation in block.iter().skip(1) {
            activation.apply_in_place(kernel, y);
        }
        core::mem::swap(&mut from, &mut to);
        start = end;
    }
    Ok(())
}

fn cut(buffer: &[f32], len: usize) -> Result<&[f32], ShapeError> {
    let short = ShapeError { what: "scratch", expected: len, found: buffer.len() };
    buffer.get(..len).ok_or(short)
}

fn cut_mut(buffer: &mut [f32], len: usize) -> Result<&mut [f32], ShapeError> {
    let short = ShapeError { what: "scratch", expected: len, found: buffer.len() };
    buffer.get_mut(..len).ok_or(short)
}

impl Stack {
    /// Applies these layers, all of them activations, in place; another kind of layer does nothing.
    pub(crate) fn activate(&self, kernel: Kernel, layers: Range<usize>, values: &mut [f32]) {
        for layer in self.layers().get(layers).unwrap_or_default() {
            layer.apply_in_place(kernel, values);
        }
    }
}

impl Layer {
    fn apply(
        &self,
        kernel: Kernel,
        batch: Batch,
        params: &[f32],
        x: &[f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        let weights = params.get(self.weight_range()).unwrap_or(&[]);
        let bias = self.bias_range().and_then(|range| params.get(range));
        match &self.kind {
            Kind::Dense { inputs, outputs, .. } => {
                let start = bias.map_or(Start::Zero, Start::Bias);
                kernel.dense_forward(batch, *inputs, *outputs, weights, start, x, y)
            }
            Kind::Conv2d { conv, .. } => kernel.conv2d_forward(batch, conv, weights, bias, x, y),
            Kind::MaxPool(pool) => kernel.max_pool(batch, pool, x, y),
            Kind::AveragePool(pool) => kernel.average_pool(batch, pool, x, y),
            Kind::Relu | Kind::Tanh => {
                ShapeError::check("output", x.len(), y.len())?;
                y.copy_from_slice(x);
                self.apply_in_place(kernel, y);
                Ok(())
            }
        }
    }

    fn apply_in_place(&self, kernel: Kernel, y: &mut [f32]) {
        match self.kind {
            Kind::Relu => kernel.relu(y),
            Kind::Tanh => kernel.tanh(y),
            _ => {}
        }
    }
}
