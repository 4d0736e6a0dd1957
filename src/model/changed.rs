//! A network with one layer changed, run from its prefix cache.

use super::panels::{panel_of, panel_of_mut, panels_of};
use super::prefix::{Change, Prefix};
use super::sparse::sparse_low_rank;
use super::tap::{Tap, check_taps, run_tapped};
use super::{Forward, ForwardError, Logits};
use crate::kernel::{Kernel, LANES, LowRank, Start, TOGETHER};
use crate::nn::{Kind, Layer};

/// A [`Prefix`] with one change to its layer.
#[derive(Debug)]
pub struct Changed<'p, 'a> {
    prefix: &'p mut Prefix<'a>,
    change: Change<'p>,
}

impl<'p, 'a> Changed<'p, 'a> {
    pub(super) fn new(prefix: &'p mut Prefix<'a>, change: Change<'p>) -> Self {
        Self { prefix, change }
    }
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
        self.for_each_tapped(&mut [], visit)
    }

    fn for_each_tapped(
        &mut self,
        taps: &mut [Tap<'_>],
        visit: &mut dyn FnMut(Logits<'_>),
    ) -> Result<(), ForwardError> {
        check_taps(self.prefix.stack, self.prefix.samples.batch, taps)?;
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
            x,
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
        let tapped = !taps.is_empty();
        let before_edit = taps.iter().take_while(|tap| tap.layer == layer).count();
        let (own, taps) = taps.split_at_mut(before_edit);
        let shown = |tap: &Tap<'_>| tail.is_some_and(|tail| tap.layer >= tail);
        if !taps.iter().all(shown) || (!own.is_empty() && bag.is_some()) {
            return Err(ForwardError::Failed("the prefix cache does not hold these activations"));
        }
        let bias_of = |layer: &Layer| layer.bias_range().and_then(|range| parameters.get(range));
        let head = layers
            .last()
            .filter(|last| {
                !tapped
                    && tail == Some(layers.len() - 1)
                    && matches!(last.kind(), Kind::Dense { .. })
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
                for tap in &mut *own {
                    let x = panel_of(x, taken, panel);
                    panel_of_mut(tap.values, taken, index + panel).copy_from_slice(x);
                }
                let values = match tail {
                    None => hidden,
                    Some(tail) => {
                        let values = panel_of_mut(logits, classes, panel);
                        // A tail of one dense layer is the common case and needs no scratch.
                        if head.is_none() {
                            let panel = index + panel;
                            run_tapped(
                                kernel, stack, tail, batch, parameters, panel, hidden, taps,
                                scratch, values,
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
