//! The prefix cache: a network with one layer under edit, run from that layer on.

use super::changed::Changed;
use super::panels::panels_of;
use super::sparse::sparse_low_rank;
use super::{Parameters, Samples};
use crate::error::ShapeError;
use crate::kernel::{Bag, Kernel, LANES, LowRank, TOGETHER};
use crate::nn::{Kind, Layer, Stack};
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
    pub(super) kernel: Kernel,
    pub(super) stack: &'a Stack,
    pub(super) parameters: Parameters<'a>,
    pub(super) layer: usize,
    /// Features that the layer takes and gives.
    pub(super) taken: usize,
    pub(super) given: usize,
    /// Its weights as a matrix.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) samples: Samples<'a>,
    /// Input of the layer where it is sparse: then the layer is the first one, and `x` is empty.
    pub(super) bag: Option<Bag<'a>>,
    /// What it gives for inputs that are not in the bag.
    pub(super) fixed: Option<&'a [f32]>,
    /// Input of the layer, in panels: that of the network, where it is the first layer.
    pub(super) x: &'a [f32],
    /// Output of the unedited layer, in panels; empty without the thin form.
    pub(super) base: &'a mut [f32],
    /// Output of the layer as edited so far, in panels; empty when nothing is to accumulate.
    pub(super) current: &'a mut [f32],
    /// [`TOGETHER`] panels each: V·x, the layer's output, logits; one panel: the tail's activations.
    pub(super) thin: &'a mut [f32],
    pub(super) hidden: &'a mut [f32],
    pub(super) logits: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
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
    /// The layers.
    pub fn stack(&self) -> &'a Stack {
        self.stack
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
    /// ReLU and pooling lie between. False, and nothing done, where that is not so, where the layer has a
    /// fixed part, which is not this network's to scale, or where the parameters are only read.
    pub fn rescale(&mut self, factor: f32) -> bool {
        let layers = self.stack.layers();
        let Some(layer) = layers.get(self.layer) else { return false };
        if self.fixed.is_some() {
            return false;
        }
        let Some(parameters) = self.parameters.writable() else { return false };
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
        scale(parameters, layer.weight_range(), factor);
        if let Some(bias) = layer.bias_range() {
            scale(parameters, bias, factor);
        }
        scale(parameters, next.weight_range(), 1.0 / factor);
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

    /// Sets the weights of another layer behind the edited one. Nothing that is cached depends on them.
    ///
    /// # Errors
    /// [`ShapeError`]: the layer stands before the edited one or is that, has no such weights, or the parameters
    /// are only read.
    pub fn put(&mut self, layer: usize, weights: &[f32]) -> Result<(), ShapeError> {
        let behind = self.stack.layers().get(layer).filter(|_| layer > self.layer);
        let range = behind.map(|layer| layer.weight_range());
        let parameters = self.parameters.writable();
        let slot = range.zip(parameters).and_then(|(range, values)| values.get_mut(range));
        let slot = slot.unwrap_or_default();
        ShapeError::check("weights of a layer behind", slot.len(), weights.len())?;
        slot.copy_from_slice(weights);
        Ok(())
    }

    /// Weights of any layer as they are now; empty for one without.
    pub fn weights_of(&self, layer: usize) -> &[f32] {
        let layer = self.stack.layers().get(layer);
        layer.and_then(|layer| self.parameters.get(layer.weight_range())).unwrap_or_default()
    }

    /// The network with its layer changed, to be run.
    pub fn with<'p>(&'p mut self, change: Change<'p>) -> Changed<'p, 'a> {
        Changed::new(self, change)
    }
}
