//! The prefix cache: a network with one layer under edit, run from that layer on.

use super::panels::{panel_of, panel_of_mut, panels_of};
use super::sparse::{FirstLayer, sparse_low_rank};
use super::{Forward, ForwardError, Logits, Samples, SparseSamples};
use crate::error::ShapeError;
use crate::kernel::{Bag, Batch, Kernel, LANES, LowRank, Start, TOGETHER};
use crate::nn::{Kind, Layer, Stack};
use crate::slab::{Arena, Need};
use core::ops::Range;

/// A network whose dense or convolutional layer `layer` is edited again and again, over fixed samples.
///
/// Everything before the layer is computed once: its input x, and for a dense layer its output W·x + b.
/// Two ways to run an edited layer: with *formed* weights W′ ([`Change::Weights`]), or *thin*,
/// continuing the cached output by a low-rank term ([`Change::LowRank`]). The thin form is the chain of
/// W·x carried on over the rank, so it differs from the formed one in last bits; each is exact in
/// itself. Convolutions are run with formed weights only ([`is_thin`](Self::is_thin)).
#[derive(Debug)]
pub struct Prefix<'a> {
    kernel: Kernel,
    stack: &'a Stack,
    parameters: &'a mut [f32],
    layer: usize,
    /// Features that the layer takes and gives.
    taken: usize,
    given: usize,
    /// Its weights as a matrix.
    inputs: usize,
    outputs: usize,
    samples: Samples<'a>,
    /// Input of the layer where it is sparse: then the layer is the first one, and `x` is empty.
    bag: Option<Bag<'a>>,
    /// What it gives for inputs that are not in the bag.
    fixed: Option<&'a [f32]>,
    /// Input of the layer, in panels.
    x: &'a mut [f32],
    /// Output of the unedited layer, in panels; empty without the thin form.
    base: &'a mut [f32],
    /// Output of the layer as edited so far, in panels; empty when nothing is to accumulate.
    current: &'a mut [f32],
    /// [`TOGETHER`] panels each: V·x, the layer's output, logits; one panel: the tail's activations.
    thin: &'a mut [f32],
    hidden: &'a mut [f32],
    logits: &'a mut [f32],
    scratch: &'a mut [f32],
}

/// How the layer differs from the original.
#[derive(Clone, Copy, Debug)]
pub enum Change<'c> {
    /// Whole weights, inputs × outputs.
    Weights(&'c [f32]),
    /// `W + V·U` on top of the original, or of what [`Prefix::accumulate`] added since.
    LowRank {
        /// Rank r, at least 1.
        rank: usize,
        /// r × outputs, step included.
        u: &'c [f32],
        /// inputs × r.
        v: &'c [f32],
    },
}

impl<'a> Prefix<'a> {
    /// Memory for `samples` samples and changes of rank at most `rank`; `accumulate` when
    /// [`accumulate`](Self::accumulate) will be called.
    pub fn need(
        stack: &Stack,
        layer: usize,
        samples: usize,
        rank: usize,
        accumulate: bool,
    ) -> Need {
        Self::need_of(stack, layer, samples, rank, accumulate, false)
    }

    /// As [`need`](Self::need), for [`sparse`](Self::sparse) samples.
    pub fn sparse_need(
        stack: &Stack,
        layer: usize,
        samples: usize,
        rank: usize,
        accumulate: bool,
    ) -> Need {
        Self::need_of(stack, layer, samples, rank, accumulate, true)
    }

    fn need_of(
        stack: &Stack,
        layer: usize,
        samples: usize,
        rank: usize,
        accumulate: bool,
        sparse: bool,
    ) -> Need {
        let (batch, panel) = (Batch::lanes(samples), Batch::lanes(LANES));
        let together = Batch::lanes(TOGETHER * LANES);
        let Sizes { taken, given, thin, .. } = Sizes::of(stack, layer).unwrap_or_default();
        let outputs_kept = usize::from(thin) + usize::from(thin && accumulate);
        let group = if thin { together } else { panel };
        let first = stack.layers().first().map_or(0, Layer::outputs);
        let taken = match (sparse, layer) {
            (true, 0) => 0,
            (true, _) => batch.len(taken) + panel.len(first),
            (false, _) => batch.len(taken),
        };
        Need::f32s(
            taken
                + outputs_kept * batch.len(given)
                + if thin { together.len(rank) } else { 0 }
                + group.len(given)
                + group.len(stack.outputs())
                + stack.scratch(panel),
        )
    }

    /// Runs the network up to `layer` over `samples`, which lie in panels of
    /// [`LANES`](crate::kernel::LANES).
    ///
    /// # Errors
    /// [`ForwardError`]: the layer has no weights, a slice has the wrong length, the arena is too
    /// small, or a label is not a class.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a mut [f32],
        layer: usize,
        samples: Samples<'a>,
        rank: usize,
        accumulate: bool,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let batch = samples.batch;
        ShapeError::check("samples of a panel", LANES, batch.width())?;
        ShapeError::check("input", batch.len(stack.inputs()), samples.inputs.len())?;
        let source = (None, None);
        Self::build(kernel, stack, parameters, layer, samples, source, rank, accumulate, arena)
    }

    /// As [`new`](Self::new) over sparse samples; the first layer is dense and takes them as they are.
    /// Where it is the edited one, its input stays sparse.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[allow(clippy::too_many_arguments)]
    pub fn sparse(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a mut [f32],
        layer: usize,
        samples: SparseSamples<'a>,
        rank: usize,
        accumulate: bool,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let SparseSamples { bag, labels, fixed } = samples;
        ShapeError::check("input", stack.inputs(), bag.inputs())?;
        if let Some(fixed) = fixed {
            let outputs = stack.layers().first().map_or(0, Layer::outputs);
            let expected = Batch::lanes(bag.samples()).len(outputs);
            ShapeError::check("fixed part of the first layer", expected, fixed.len())?;
        }
        let source = (Some(bag), fixed);
        let samples = Samples { batch: Batch::lanes(bag.samples()), inputs: &[], labels };
        Self::build(kernel, stack, parameters, layer, samples, source, rank, accumulate, arena)
    }

    #[allow(clippy::too_many_arguments)]
    fn build(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a mut [f32],
        layer: usize,
        samples: Samples<'a>,
        (bag, fixed): (Option<Bag<'a>>, Option<&'a [f32]>),
        rank: usize,
        accumulate: bool,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let Sizes { taken, given, inputs, outputs, thin: has_thin } =
            Sizes::of(stack, layer).ok_or(ForwardError::NoWeights { layer })?;
        let (batch, panel) = (samples.batch, Batch::lanes(LANES));
        let together = Batch::lanes(TOGETHER * LANES);
        ShapeError::check("labels", batch.samples(), samples.labels.len())?;
        ShapeError::check("parameters", stack.parameters(), parameters.len())?;
        let first_layer = match (bag, stack.layers().first()) {
            (Some(_), Some(first)) => Some(FirstLayer::of(first)?),
            _ => None,
        };
        let stays_sparse = bag.is_some() && layer == 0;
        let group = if has_thin { together } else { panel };
        let x = arena.take(if stays_sparse { 0 } else { batch.len(taken) })?;
        let base = arena.take(if has_thin { batch.len(given) } else { 0 })?;
        let current = arena.take(if has_thin && accumulate { batch.len(given) } else { 0 })?;
        let thin = arena.take(if has_thin { together.len(rank) } else { 0 })?;
        let hidden = arena.take(group.len(given))?;
        let logits = arena.take(group.len(stack.outputs()))?;
        let scratch = arena.take(stack.scratch(panel))?;
        let staged = match &first_layer {
            Some(first) if !stays_sparse => arena.take(panel.len(first.outputs))?,
            _ => Default::default(),
        };
        for index in 0..batch.panels() {
            let part = batch.panel(index);
            match (bag, &first_layer) {
                (Some(bag), Some(first)) if stays_sparse => {
                    let base = panel_of_mut(base, given, index);
                    first.run(
                        kernel,
                        bag.part(index * LANES, LANES),
                        fixed,
                        index,
                        parameters,
                        base,
                    )?;
                    continue;
                }
                (Some(bag), Some(first)) => {
                    first.run(
                        kernel,
                        bag.part(index * LANES, LANES),
                        fixed,
                        index,
                        parameters,
                        staged,
                    )?;
                    let x = panel_of_mut(x, taken, index);
                    stack.forward(kernel, 1..layer, part, parameters, staged, scratch, x)?;
                }
                _ => {
                    let input = panel_of(samples.inputs, stack.inputs(), index);
                    let x = panel_of_mut(x, taken, index);
                    stack.forward(kernel, 0..layer, part, parameters, input, scratch, x)?;
                }
            }
            if has_thin {
                let (x, base) = (panel_of(x, taken, index), panel_of_mut(base, given, index));
                stack.forward(kernel, layer..layer + 1, part, parameters, x, scratch, base)?;
            }
        }
        let mut prefix = Self {
            kernel,
            stack,
            parameters,
            layer,
            taken,
            given,
            inputs,
            outputs,
            samples,
            bag: bag.filter(|_| stays_sparse),
            fixed: fixed.filter(|_| stays_sparse),
            x,
            base,
            current,
            thin,
            hidden,
            logits,
            scratch,
        };
        prefix.restore();
        Ok(prefix)
    }

    /// Inputs of the edited layer: rows of its weights (taps of a convolution).
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of the edited layer: columns of its weights (channels of a convolution).
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether changes of low rank can be run without forming weights: dense layers.
    pub fn is_thin(&self) -> bool {
        matches!(self.stack.layers().get(self.layer).map(Layer::kind), Some(Kind::Dense { .. }))
    }

    /// Weights of the unedited layer, inputs × outputs.
    pub fn original(&self) -> &[f32] {
        let layer = self.stack.layers().get(self.layer);
        layer.and_then(|layer| self.parameters.get(layer.weight_range())).unwrap_or_default()
    }

    /// The samples that the network is run on.
    pub fn samples(&self) -> Samples<'a> {
        self.samples
    }

    /// Forgets what [`accumulate`](Self::accumulate) added.
    pub fn restore(&mut self) {
        if !self.current.is_empty() {
            self.current.copy_from_slice(self.base);
        }
    }

    /// Multiplies the layer's weights and bias by `factor` and divides the next layer's weights by it,
    /// which changes nothing that the network computes (exactly so for a power of two) when only
    /// ReLU and pooling lie between. False, and nothing done, where that is not so, or where the layer has a
    /// fixed part, which is not this network's to scale.
    pub fn rescale(&mut self, factor: f32) -> bool {
        let layers = self.stack.layers();
        let Some(layer) = layers.get(self.layer) else { return false };
        if self.fixed.is_some() {
            return false;
        }
        let mut after = layers.iter().skip(self.layer + 1);
        let homogeneous =
            |kind: &Kind| matches!(kind, Kind::Relu | Kind::MaxPool(_) | Kind::AveragePool(_));
        let Some(next) = after.find(|layer| !homogeneous(layer.kind())) else { return false };
        if next.weight_range().is_empty() || !(factor > 0.0 && factor.is_finite()) {
            return false;
        }
        let scale = |parameters: &mut [f32], range: Range<usize>, factor: f32| {
            for value in parameters.get_mut(range).unwrap_or_default() {
                *value *= factor;
            }
        };
        scale(self.parameters, layer.weight_range(), factor);
        if let Some(bias) = layer.bias_range() {
            scale(self.parameters, bias, factor);
        }
        scale(self.parameters, next.weight_range(), 1.0 / factor);
        let all = 0..self.base.len();
        scale(self.base, all.clone(), factor);
        if !self.current.is_empty() {
            scale(self.current, all, factor);
        }
        true
    }

    /// Adds a low-rank change for good (until [`restore`](Self::restore)), for episodes of several
    /// steps.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice does not fit, the prefix was made without `accumulate`, or the layer
    /// has no thin form.
    pub fn accumulate(&mut self, rank: usize, u: &[f32], v: &[f32]) -> Result<(), ShapeError> {
        let whole = self.samples.batch.len(self.given);
        ShapeError::check("outputs to accumulate", whole, self.current.len())?;
        let change = LowRank { inputs: self.inputs, rank, outputs: self.outputs, v, u };
        for index in (0..self.samples.batch.panels()).step_by(TOGETHER) {
            let part = self.samples.batch.part(index, TOGETHER);
            let before = panels_of(self.current, self.outputs, index, part);
            let thin = self.thin.get_mut(..part.len(rank)).unwrap_or_default();
            let hidden = self.hidden.get_mut(..part.len(self.outputs)).unwrap_or_default();
            if let Some(bag) = self.bag {
                let bag = bag.part(index * LANES, part.samples());
                sparse_low_rank(self.kernel, bag, change, false, before, thin, hidden)?;
            } else {
                let x = panels_of(self.x, self.inputs, index, part);
                self.kernel.low_rank_forward(part, change, false, before, x, thin, hidden)?;
            }
            let first = index * self.outputs * LANES;
            let current = self.current.get_mut(first..first + hidden.len()).unwrap_or_default();
            current.copy_from_slice(hidden);
        }
        Ok(())
    }

    /// The network with its layer changed, to be run.
    pub fn with<'p>(&'p mut self, change: Change<'p>) -> Changed<'p, 'a> {
        Changed { prefix: self, change }
    }
}

/// A [`Prefix`] with one change to its layer.
#[derive(Debug)]
pub struct Changed<'p, 'a> {
    prefix: &'p mut Prefix<'a>,
    change: Change<'p>,
}

impl Forward for Changed<'_, '_> {
    fn samples(&self) -> usize {
        self.prefix.samples.batch.samples()
    }

    fn classes(&self) -> usize {
        self.prefix.stack.outputs()
    }

    fn kernel(&self) -> Kernel {
        self.prefix.kernel
    }

    fn for_each_logits(&mut self, visit: &mut dyn FnMut(Logits<'_>)) -> Result<(), ForwardError> {
        let Prefix {
            kernel,
            stack,
            ref parameters,
            layer,
            taken,
            given,
            inputs,
            outputs,
            samples,
            bag,
            fixed,
            ref x,
            ref base,
            ref current,
            ref mut thin,
            ref mut hidden,
            ref mut logits,
            ref mut scratch,
        } = *self.prefix;
        let before: &[f32] = if current.is_empty() { base } else { current };
        let classes = stack.outputs();
        let layers = stack.layers();
        let edited = layers.get(layer);
        let bias =
            edited.and_then(|layer| layer.bias_range()).and_then(|range| parameters.get(range));
        let conv = edited.and_then(|layer| match layer.kind() {
            Kind::Conv2d { conv, .. } => Some(conv),
            _ => None,
        });
        // Activations right after the layer work in place, without a copy.
        let is_activation =
            |index: &usize| layers.get(*index).is_some_and(|layer| layer.kind().is_activation());
        let tail = (layer + 1..layers.len()).find(|index| !is_activation(index));
        let activations = layer + 1..tail.unwrap_or(layers.len());
        let thin_form = matches!(self.change, Change::LowRank { .. });
        let relu = thin_form
            && layers
                .get(activations.start)
                .is_some_and(|layer| matches!(layer.kind(), Kind::Relu));
        let activations = activations.start + usize::from(relu)..activations.end;
        let bias_of = |layer: &Layer| layer.bias_range().and_then(|range| parameters.get(range));
        let head = layers
            .last()
            .filter(|last| {
                tail == Some(layers.len() - 1) && matches!(last.kind(), Kind::Dense { .. })
            })
            .and_then(|last| {
                let start = bias_of(last).map_or(Start::Zero, Start::Bias);
                Some((parameters.get(last.weight_range())?, start))
            });
        let together = if thin_form { TOGETHER } else { 1 };
        for index in (0..samples.batch.panels()).step_by(together) {
            let part = samples.batch.part(index, together);
            let x = panels_of(x, taken, index, part);
            let bag = bag.map(|bag| bag.part(index * LANES, part.samples()));
            let hidden = hidden.get_mut(..part.len(given)).unwrap_or_default();
            match (self.change, conv) {
                (Change::Weights(weights), None) => {
                    let start = bias.map_or(Start::Zero, Start::Bias);
                    if let Some(bag) = bag {
                        let fixed = fixed.map(|fixed| panels_of(fixed, outputs, index, part));
                        let start = fixed.map_or(start, Start::Values);
                        kernel.sparse_forward(bag, outputs, weights, start, hidden)?;
                    } else {
                        kernel.dense_forward(part, inputs, outputs, weights, start, x, hidden)?;
                    }
                }
                (Change::Weights(weights), Some(conv)) => {
                    kernel.conv2d_forward(part, conv, weights, bias, x, hidden)?;
                }
                (Change::LowRank { .. }, Some(_)) => return Err(ForwardError::NotThin { layer }),
                (Change::LowRank { rank, u, v }, None) => {
                    let thin = thin.get_mut(..part.len(rank)).unwrap_or_default();
                    let change = LowRank { inputs, rank, outputs, v, u };
                    let before = panels_of(before, outputs, index, part);
                    if let Some(bag) = bag {
                        sparse_low_rank(kernel, bag, change, relu, before, thin, hidden)?;
                    } else {
                        kernel.low_rank_forward(part, change, relu, before, x, thin, hidden)?;
                    }
                }
            }
            for activation in layers.get(activations.clone()).unwrap_or_default() {
                match activation.kind() {
                    Kind::Tanh => kernel.tanh(hidden),
                    _ => kernel.relu(hidden),
                }
            }
            let logits = logits.get_mut(..part.len(classes)).unwrap_or_default();
            if let Some((weights, start)) = head {
                kernel.dense_forward(part, given, classes, weights, start, hidden, logits)?;
            }
            for panel in 0..part.panels() {
                let (first, batch) = ((index + panel) * LANES, part.panel(panel));
                let hidden = panel_of_mut(hidden, given, panel);
                let values = match tail {
                    None => hidden,
                    Some(tail) => {
                        let values = panel_of_mut(logits, classes, panel);
                        // A tail of one dense layer is the common case and needs no scratch.
                        if head.is_none() {
                            let scratch = scratch.get_mut(..stack.scratch(batch));
                            let scratch = scratch.unwrap_or_default();
                            let tail = tail..layers.len();
                            stack.forward(
                                kernel, tail, batch, parameters, hidden, scratch, values,
                            )?;
                        }
                        values
                    }
                };
                visit(Logits { first, batch, classes, values });
            }
        }
        Ok(())
    }
}

/// Sizes of the edited layer.
#[derive(Clone, Copy, Default)]
struct Sizes {
    /// Features that it takes and gives.
    taken: usize,
    given: usize,
    /// Its weights as a matrix.
    inputs: usize,
    outputs: usize,
    /// Whether there is a thin form.
    thin: bool,
}

impl Sizes {
    fn of(stack: &Stack, layer: usize) -> Option<Self> {
        let layer = stack.layers().get(layer)?;
        let (inputs, outputs) = layer.kind().matrix()?;
        let thin = matches!(layer.kind(), Kind::Dense { .. });
        Some(Self { taken: layer.inputs(), given: layer.outputs(), inputs, outputs, thin })
    }
}
