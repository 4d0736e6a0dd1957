//! A network with one layer changed, run from its prefix cache.

use super::panels::{panel_of, panel_of_mut, panels_of};
use super::prefix::{Change, Prefix};
use super::sparse::sparse_low_rank;
use super::tap::{Tap, check_taps, run_tapped};
use super::{Forward, ForwardError, Logits};
use crate::kernel::{Bag, Batch, Kernel, LANES, LowRank, Start, TOGETHER};
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
        self.check(taps)?;
        let plan = self.plan(taps);
        let batch = self.prefix.samples.batch;
        for index in (0..batch.panels()).step_by(plan.together) {
            let part = batch.part(index, plan.together);
            match self.change {
                Change::Weights(weights) => self.prefix.run_formed(weights, index, part)?,
                Change::LowRank { rank, u, v } => {
                    self.prefix.run_thin((rank, u, v), plan.relu, index, part)?;
                }
            }
            self.prefix.activate(&plan, part);
            if plan.head {
                self.prefix.run_head(part)?;
            }
            for panel in 0..part.panels() {
                let batch = part.panel(panel);
                self.prefix.show(&plan, batch, [panel, index + panel], taps, visit)?;
            }
        }
        Ok(())
    }
}

/// How the layers from the edited one on are run.
#[derive(Clone, Copy)]
struct Plan {
    /// Panels at a time.
    together: usize,
    /// Whether the edited layer's own product ends in ReLU; then from where on and up to the tail activations work in
    /// place.
    relu: bool,
    activations: usize,
    /// The first layer behind them; the number of layers where there is none.
    tail: usize,
    /// Whether the tail is one dense layer, the common case: that needs no scratch, and takes panels together.
    head: bool,
    /// Taps of the edited layer's input, the first ones.
    own_taps: usize,
}

impl Changed<'_, '_> {
    /// Whether what is asked for can be seen.
    #[cfg_attr(target_os = "none", inline(never))]
    fn check(&self, taps: &[Tap<'_>]) -> Result<(), ForwardError> {
        let Prefix { stack, samples, bag, .. } = &*self.prefix;
        check_taps(stack, samples.batch, taps)?;
        let Plan { tail, own_taps, .. } = self.plan(taps);
        let shown = |tap: &Tap<'_>| tail < stack.layers().len() && tap.layer >= tail;
        let behind = taps.get(own_taps..).unwrap_or_default();
        if behind.iter().all(shown) && (own_taps == 0 || bag.is_none()) {
            return Ok(());
        }
        Err(ForwardError::Failed("the prefix cache does not hold these activations"))
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn plan(&self, taps: &[Tap<'_>]) -> Plan {
        let Prefix { stack, layer, .. } = &*self.prefix;
        let layers = stack.layers();
        let after = layers.get(layer + 1..).unwrap_or_default();
        // Activations right after the layer work in place, without a copy.
        let in_place = after.iter().take_while(|layer| layer.kind().is_activation()).count();
        let tail = layer + 1 + in_place;
        let thin = matches!(self.change, Change::LowRank { .. });
        let relu = thin && matches!(after.first().map(Layer::kind), Some(Kind::Relu));
        let own_taps = taps.iter().take_while(|tap| tap.layer == *layer).count();
        Plan {
            together: if thin { TOGETHER } else { 1 },
            relu,
            activations: layer + 1 + usize::from(relu),
            tail,
            head: taps.is_empty()
                && tail + 1 == layers.len()
                && matches!(layers.last().map(Layer::kind), Some(Kind::Dense { .. })),
            own_taps,
        }
    }
}

/// Parts of a pass; not inlined where there is little stack, so that theirs is not added up.
impl Prefix<'_> {
    /// The activations behind the edited layer.
    #[cfg_attr(target_os = "none", inline(never))]
    fn activate(&mut self, plan: &Plan, part: Batch) {
        let hidden = self.hidden.get_mut(..part.len(self.given)).unwrap_or_default();
        let layers = self.stack.layers().get(plan.activations..plan.tail);
        for activation in layers.unwrap_or_default() {
            match activation.kind() {
                Kind::Tanh => self.kernel.tanh(hidden),
                _ => self.kernel.relu(hidden),
            }
        }
    }

    /// One panel of those together, which is panel `whole` of all: the tail where it has not been run, taps, and the
    /// visit.
    #[cfg_attr(target_os = "none", inline(never))]
    fn show(
        &mut self,
        plan: &Plan,
        batch: Batch,
        [panel, whole]: [usize; 2],
        taps: &mut [Tap<'_>],
        visit: &mut dyn FnMut(Logits<'_>),
    ) -> Result<(), ForwardError> {
        let (own, taps) = taps.split_at_mut(plan.own_taps);
        for tap in own {
            let to = panel_of_mut(tap.values, self.taken, whole);
            to.copy_from_slice(panel_of(self.x, self.taken, whole));
        }
        let (first, classes) = (whole * LANES, self.stack.outputs());
        let is_last = plan.tail >= self.stack.layers().len();
        if !plan.head && !is_last {
            self.run_tail(plan.tail, batch, [panel, whole], taps)?;
        }
        let values = if is_last { &mut *self.hidden } else { &mut *self.logits };
        let values = panel_of_mut(values, classes, panel);
        visit(Logits { first, batch, classes, values });
        Ok(())
    }

    /// The layer with whole weights.
    #[cfg_attr(target_os = "none", inline(never))]
    fn run_formed(
        &mut self,
        weights: &[f32],
        index: usize,
        part: Batch,
    ) -> Result<(), ForwardError> {
        let &mut Self { kernel, stack, layer, taken, given, inputs, outputs, .. } = self;
        let layer = stack.layers().get(layer);
        let bias = layer.and_then(|layer| layer.bias_range());
        let bias = bias.and_then(|range| self.parameters.get(range));
        let hidden = self.hidden.get_mut(..part.len(given)).unwrap_or_default();
        let x = panels_of(self.x, taken, index, part);
        if let Some(Kind::Conv2d { conv, .. }) = layer.map(Layer::kind) {
            return Ok(kernel.conv2d_forward(part, conv, weights, bias, x, hidden)?);
        }
        let start = bias.map_or(Start::Zero, Start::Bias);
        let Some(bag) = self.bag else {
            return Ok(kernel.dense_forward(part, inputs, outputs, weights, start, x, hidden)?);
        };
        let fixed = self.fixed.map(|fixed| panels_of(fixed, outputs, index, part));
        let start = fixed.map_or(start, Start::Values);
        let bag = bag.part(index * LANES, part.samples());
        Ok(kernel.sparse_forward(bag, outputs, weights, start, hidden)?)
    }

    /// What is known of the layer's output, continued by a change of low rank.
    #[cfg_attr(target_os = "none", inline(never))]
    fn run_thin(
        &mut self,
        change: (usize, &[f32], &[f32]),
        relu: bool,
        index: usize,
        part: Batch,
    ) -> Result<(), ForwardError> {
        if !self.is_thin() {
            return Err(ForwardError::NotThin { layer: self.layer });
        }
        let &mut Self { kernel, taken, inputs, outputs, .. } = self;
        let (rank, u, v) = change;
        let change = LowRank { inputs, rank, outputs, v, u };
        if let Some(bag) = self.bag {
            return self.run_thin_sparse(bag, change, relu, index, part);
        }
        let before: &[f32] = if self.current.is_empty() { self.base } else { self.current };
        let before = panels_of(before, outputs, index, part);
        let thin = self.thin.get_mut(..part.len(rank)).unwrap_or_default();
        let hidden = self.hidden.get_mut(..part.len(outputs)).unwrap_or_default();
        let x = panels_of(self.x, taken, index, part);
        Ok(kernel.low_rank_forward(part, change, relu, before, x, thin, hidden)?)
    }

    /// The same for sparse inputs.
    #[cfg_attr(target_os = "none", inline(never))]
    fn run_thin_sparse(
        &mut self,
        bag: Bag<'_>,
        change: LowRank<'_>,
        relu: bool,
        index: usize,
        part: Batch,
    ) -> Result<(), ForwardError> {
        let before: &[f32] = if self.current.is_empty() { self.base } else { self.current };
        let before = panels_of(before, change.outputs, index, part);
        let thin = self.thin.get_mut(..part.len(change.rank)).unwrap_or_default();
        let hidden = self.hidden.get_mut(..part.len(change.outputs)).unwrap_or_default();
        let bag = bag.part(index * LANES, part.samples());
        Ok(sparse_low_rank(self.kernel, bag, change, relu, before, thin, hidden)?)
    }

    /// The last layer, which is dense and stands right behind, for panels together.
    #[cfg_attr(target_os = "none", inline(never))]
    fn run_head(&mut self, part: Batch) -> Result<(), ForwardError> {
        let &mut Self { kernel, stack, given, .. } = self;
        let Some(last) = stack.layers().last() else { return Ok(()) };
        let bias = last.bias_range().and_then(|range| self.parameters.get(range));
        let start = bias.map_or(Start::Zero, Start::Bias);
        let weights = self.parameters.get(last.weight_range()).unwrap_or_default();
        let hidden = self.hidden.get(..part.len(given)).unwrap_or_default();
        let classes = stack.outputs();
        let logits = self.logits.get_mut(..part.len(classes)).unwrap_or_default();
        Ok(kernel.dense_forward(part, given, classes, weights, start, hidden, logits)?)
    }

    /// All layers behind, for one panel of those together, which is panel `whole` of all.
    #[cfg_attr(target_os = "none", inline(never))]
    fn run_tail(
        &mut self,
        tail: usize,
        batch: Batch,
        [panel, whole]: [usize; 2],
        taps: &mut [Tap<'_>],
    ) -> Result<(), ForwardError> {
        let &mut Self { kernel, stack, given, .. } = self;
        let hidden = panel_of(self.hidden, given, panel);
        let values = panel_of_mut(self.logits, stack.outputs(), panel);
        let (parameters, scratch) = (&*self.parameters, &mut *self.scratch);
        Ok(run_tapped(
            kernel, stack, tail, batch, parameters, whole, hidden, taps, scratch, values,
        )?)
    }
}
