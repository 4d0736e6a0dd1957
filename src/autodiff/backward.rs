//! The way back: each operation turns its gradient into those of its operands.

use super::losses::{at, held};
use super::node::{Node, Op, Var};
use super::tape::{Tape, TapeError, part};
use crate::error::ShapeError;
use crate::kernel::Kernel;
use crate::num;
use core::ops::Range;

/// How a kernel turns (y, dy) of an activation into dx.
type MapGradient = fn(Kernel, &[f32], &[f32], &mut [f32]) -> Result<(), ShapeError>;

impl Tape<'_> {
    /// Differentiates the scalar `loss` with respect to everything before it.
    ///
    /// Gradients of parameters are added to `gradients`, which is as long as `parameters`; gradients of
    /// values are read with [`gradient`](Self::gradient).
    ///
    /// # Errors
    /// [`TapeError`] when `loss` is not one number, or the slices do not fit.
    pub fn backward(
        &mut self,
        loss: Var,
        parameters: &[f32],
        gradients: &mut [f32],
    ) -> Result<(), TapeError> {
        ShapeError::check("loss", 1, self.node(loss)?.len)?;
        ShapeError::check("gradients", parameters.len(), gradients.len())?;
        self.walked = loss.index + 1;
        for node in self.nodes.iter().take(self.walked) {
            let range = node.start + node.len..node.start + node.len + node.gradient_len();
            self.slab.get_mut(range).unwrap_or_default().fill(0.0);
        }
        let seed = self.node(loss)?.start + 1;
        if let Some(seed) = self.slab.get_mut(seed) {
            *seed = 1.0;
        }
        // A node whose operand already holds a gradient adds to it; the first one overwrites.
        let mut touched = [false; super::tape::MAX_NODES];
        for index in (0..=loss.index).rev() {
            let Some(node) = self.nodes.get(index).cloned() else { continue };
            self.node_backward(&node, parameters, gradients, &mut touched)?;
        }
        Ok(())
    }

    fn node_backward(
        &mut self,
        node: &Node,
        parameters: &[f32],
        gradients: &mut [f32],
        touched: &mut [bool],
    ) -> Result<(), TapeError> {
        let kernel = self.kernel;
        match &node.op {
            Op::Input => {}
            Op::Parameter { at } => {
                let range = node.start + node.len..node.start + 2 * node.len;
                let from = self.slab.get(range).unwrap_or_default();
                let to = gradients.get_mut(*at..*at + node.len).unwrap_or_default();
                add(to, from);
            }
            Op::Dense { x, dense } => {
                let batch = node.batch;
                let (x, dy, rows) = self.parts(node, *x)?;
                let (inputs, outputs) = (x.features, dense.outputs);
                kernel.to_rows(batch, outputs, 1, dy, rows)?;
                let weights = dense.weights..dense.weights + inputs * outputs;
                let dw = slice(gradients, weights)?;
                kernel.dense_weight_gradient(batch, inputs, outputs, x.value, rows, dw)?;
                if let Some(bias) = dense.bias {
                    let db = slice(gradients, bias..bias + outputs)?;
                    kernel.bias_gradient(batch.samples(), outputs, rows, db)?;
                }
                let w = part(parameters, dense.weights, inputs * outputs)?;
                x.receive(touched, |dx| {
                    kernel.dense_input_gradient(batch, inputs, outputs, w, dy, dx)
                })?;
            }
            Op::Conv2d { x, conv, weights, bias } => {
                let batch = node.batch;
                let (x, dy, rows) = self.parts(node, *x)?;
                let [channels, height, width] = conv.output();
                kernel.to_rows(batch, channels, height * width, dy, rows)?;
                let len = conv.taps() * channels;
                let dw = slice(gradients, *weights..*weights + len)?;
                kernel.conv2d_weight_gradient(batch, conv, x.value, rows, dw)?;
                if let Some(bias) = bias {
                    let db = slice(gradients, *bias..*bias + channels)?;
                    kernel.bias_gradient(batch.samples() * height * width, channels, rows, db)?;
                }
                let w = part(parameters, *weights, len)?;
                x.receive(touched, |dx| kernel.conv2d_input_gradient(batch, conv, w, dy, dx))?;
            }
            Op::MaxPool { x, pool } => {
                let (x, dy, _) = self.parts(node, *x)?;
                let value = x.value;
                x.receive(touched, |dx| kernel.max_pool_gradient(node.batch, pool, value, dy, dx))?;
            }
            Op::AveragePool { x, pool } => {
                let (x, dy, _) = self.parts(node, *x)?;
                x.receive(touched, |dx| kernel.average_pool_gradient(node.batch, pool, dy, dx))?;
            }
            Op::Relu { x } => self.map_backward(node, *x, touched, Kernel::relu_gradient)?,
            Op::Tanh { x } => self.map_backward(node, *x, touched, Kernel::tanh_gradient)?,
            Op::CrossEntropy { logits } => self.cross_entropy_backward(node, *logits, touched)?,
            Op::KlDivergence { logits, temperature } => {
                self.kl_divergence_backward(node, *logits, *temperature, touched)?;
            }
            Op::SquaredError { prediction } => {
                let (x, dy, targets) = self.parts(node, *prediction)?;
                let scale = 2.0 * at(dy, 0) / targets.len().max(1) as f32;
                let (batch, features) = (x.batch, x.features);
                let (value, gradient) = x.accumulate(touched);
                for (index, &target) in targets.iter().enumerate() {
                    let place =
                        batch.at(features, index / features.max(1), index % features.max(1));
                    if let Some(to) = gradient.get_mut(place) {
                        *to += scale * (at(value, place) - target);
                    }
                }
            }
            Op::LogProbability { mean, log_std } => {
                self.log_prob_backward(node, *mean, *log_std, touched)?;
            }
            Op::Entropy { log_std } => {
                let (x, dy, _) = self.parts(node, *log_std)?;
                let scale = at(dy, 0);
                x.accumulate(touched).1.iter_mut().for_each(|to| *to += scale);
            }
            Op::Surrogate { log_probability, clip } => {
                let (x, dy, kept) = self.parts(node, *log_probability)?;
                let count = x.value.len();
                let scale = -at(dy, 0) / count.max(1) as f32;
                let (old, advantages) = kept.split_at_checked(count).unwrap_or_default();
                let (value, gradient) = x.accumulate(touched);
                let rows = value.iter().zip(old).zip(advantages);
                for (to, ((&new, &old), &advantage)) in gradient.iter_mut().zip(rows) {
                    let ratio = num::exp(new - old);
                    let clipped = held(ratio, *clip);
                    // Where the clipped term is the smaller one, the loss does not see the ratio.
                    if ratio * advantage <= clipped * advantage {
                        *to += scale * advantage * ratio;
                    }
                }
            }
            Op::WeightedSum { terms } => {
                let seed = self.slab.get(node.start + 1).copied().unwrap_or(0.0);
                for &(var, weight) in terms {
                    let to = self.node(var)?.start + 1;
                    if let Some(to) = self.slab.get_mut(to) {
                        *to += weight * seed;
                    }
                    if let Some(touched) = touched.get_mut(var.index) {
                        *touched = true;
                    }
                }
            }
        }
        Ok(())
    }

    fn map_backward(
        &mut self,
        node: &Node,
        x: Var,
        touched: &mut [bool],
        gradient: MapGradient,
    ) -> Result<(), TapeError> {
        let kernel = self.kernel;
        let range = node.start..node.start + node.len;
        let (before, rest) = self.slab.split_at_mut(node.start);
        let (y, rest) = rest.split_at(range.len());
        let dy = rest.get(..node.len).unwrap_or_default();
        let operand = self.nodes.get(x.index).ok_or(TapeError::UnknownVar)?;
        let operand = Operand::new(operand, x, before);
        operand.receive(touched, |dx| gradient(kernel, y, dy, dx))
    }

    fn cross_entropy_backward(
        &mut self,
        node: &Node,
        logits: Var,
        touched: &mut [bool],
    ) -> Result<(), TapeError> {
        let (x, dy, kept) = self.parts(node, logits)?;
        let (batch, classes) = (x.batch, x.features);
        let (softmax, kept) = kept.split_at_checked(x.value.len()).unwrap_or_default();
        let (labels, weights) = kept.split_at_checked(kept.len() / 2).unwrap_or_default();
        let share = at(dy, 0) / labels.len().max(1) as f32;
        let (_, gradient) = x.accumulate(touched);
        for (sample, (&label, &weight)) in labels.iter().zip(weights).enumerate() {
            let scale = share * weight;
            for class in 0..classes {
                let place = batch.at(classes, sample, class);
                let wanted = if class == label as usize { 1.0 } else { 0.0 };
                if let Some(to) = gradient.get_mut(place) {
                    *to += scale * (at(softmax, place) - wanted);
                }
            }
        }
        Ok(())
    }

    fn kl_divergence_backward(
        &mut self,
        node: &Node,
        logits: Var,
        temperature: f32,
        touched: &mut [bool],
    ) -> Result<(), TapeError> {
        let (x, dy, kept) = self.parts(node, logits)?;
        let (batch, classes) = (x.batch, x.features);
        let (softmax, targets) = kept.split_at_checked(x.value.len()).unwrap_or_default();
        let scale = at(dy, 0) / (batch.samples().max(1) as f32 * temperature);
        let (_, gradient) = x.accumulate(touched);
        for sample in 0..batch.samples() {
            let place = |class: usize| batch.at(classes, sample, class);
            // 1 for probabilities, up to rounding; exact for any other weights as well.
            let mass: f32 = (0..classes).map(|class| at(targets, place(class))).sum();
            for place in (0..classes).map(place) {
                if let Some(to) = gradient.get_mut(place) {
                    *to += scale * (mass * at(softmax, place) - at(targets, place));
                }
            }
        }
        Ok(())
    }

    fn log_prob_backward(
        &mut self,
        node: &Node,
        mean: Var,
        log_std: Var,
        touched: &mut [bool],
    ) -> Result<(), TapeError> {
        let count = node.batch.samples();
        let mean_node = self.node(mean)?.clone();
        let std_node = self.node(log_std)?.clone();
        let (entries, batch) = (mean_node.features, mean_node.batch);
        let (before, memory) = self.slab.split_at_mut(node.start);
        let gradient = memory.get(count..2 * count).unwrap_or_default();
        let kept = memory.get(2 * count..).unwrap_or_default();
        let (actions, inverses) = kept.split_at_checked(count * entries).unwrap_or_default();
        for (sample, (&dy, action)) in
            gradient.iter().zip(actions.chunks_exact(entries.max(1))).enumerate()
        {
            // A clipped ratio sends nothing back.
            if dy == 0.0 {
                continue;
            }
            let row = if batch.samples() == 1 { 0 } else { sample };
            for (entry, (&action, &inverse)) in action.iter().zip(inverses).enumerate() {
                let place = mean_node.start + batch.at(entries, row, 0) + entry * batch.width();
                let z = (action - at(before, place)) * inverse;
                let of_mean = place + mean_node.len;
                if let (true, Some(to)) = (mean_node.differentiable, before.get_mut(of_mean)) {
                    *to += dy * (z * inverse);
                }
                let of_std = std_node.start + std_node.len + entry;
                if let (true, Some(to)) = (std_node.differentiable, before.get_mut(of_std)) {
                    *to += dy * (z * z - 1.0);
                }
            }
        }
        for var in [mean, log_std] {
            if let Some(touched) = touched.get_mut(var.index) {
                *touched = true;
            }
        }
        Ok(())
    }

    /// The operand `x` of `node`, the node's gradient, and its extra memory.
    fn parts(
        &mut self,
        node: &Node,
        x: Var,
    ) -> Result<(Operand<'_>, &[f32], &mut [f32]), TapeError> {
        let operand = self.nodes.get(x.index).ok_or(TapeError::UnknownVar)?;
        let (before, rest) = self.slab.split_at_mut(node.start);
        let rest = rest.get_mut(node.len..).unwrap_or_default();
        let (gradient, rest) = rest.split_at_mut_checked(node.len).unwrap_or_default();
        let extra = rest.get_mut(..node.extra).unwrap_or_default();
        Ok((Operand::new(operand, x, before), gradient, extra))
    }
}

/// An operand on the way back: its value, and where its gradient goes.
struct Operand<'t> {
    index: usize,
    batch: crate::kernel::Batch,
    features: usize,
    value: &'t [f32],
    gradient: &'t mut [f32],
}

impl<'t> Operand<'t> {
    fn new(node: &Node, var: Var, before: &'t mut [f32]) -> Self {
        let memory = before.get_mut(node.start..).unwrap_or_default();
        let (value, rest) = memory.split_at_mut_checked(node.len).unwrap_or_default();
        let gradient = rest.get_mut(..node.gradient_len()).unwrap_or_default();
        Self { index: var.index, batch: node.batch, features: node.features, value, gradient }
    }

    /// Lets a kernel write the gradient, if one is wanted. Layers have one consumer each.
    fn receive(
        self,
        touched: &mut [bool],
        write: impl FnOnce(&mut [f32]) -> Result<(), ShapeError>,
    ) -> Result<(), TapeError> {
        if self.gradient.is_empty() {
            return Ok(());
        }
        if touched.get(self.index).copied().unwrap_or(false) {
            return Err(TapeError::Shared);
        }
        if let Some(touched) = touched.get_mut(self.index) {
            *touched = true;
        }
        Ok(write(self.gradient)?)
    }

    /// Value and gradient, the latter to be added to (empty where none is wanted).
    fn accumulate(self, touched: &mut [bool]) -> (&'t [f32], &'t mut [f32]) {
        if let Some(touched) = touched.get_mut(self.index) {
            *touched = true;
        }
        (self.value, self.gradient)
    }
}

fn slice(values: &mut [f32], range: Range<usize>) -> Result<&mut [f32], ShapeError> {
    let short = ShapeError { what: "gradients", expected: range.end, found: values.len() };
    values.get_mut(range).ok_or(short)
}

fn add(to: &mut [f32], from: &[f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from;
    }
}
