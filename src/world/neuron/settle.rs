//! How far to go along an action: lengths are tried on the samples that were kept, by forward passes alone.

use super::build::{
    Around, Kept, MAX_FORGET, MAX_RETAIN, NeuronRequest, Neurons, larger, larger_of,
};
use super::positions::Positions;
use super::response::MOST;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES, Start};
use crate::model::ForwardError;
use crate::nn::Stack;
use crate::num;
use crate::world::WorldKind;

/// Lengths that [`Neurons::settle`] tries at most: the predicted one, then longer ones or shorter ones.
pub const LENGTHS: usize = 1 + larger(LONGER, SHORTER);

/// The others are the predicted one times or divided by powers of this.
const RATIO: f32 = 1.08;
const LONGER: usize = 9;
const SHORTER: usize = 11;

/// The part of the forget samples whose margins are looked at; the rest may be odd.
const QUANTILE: f32 = 0.98;

/// Their margin is to fall to −3, and lower by as much as the network's mean margin is above 8: a network that is
/// surer of what it says is so of samples it was not shown, too.
const BELOW: f32 = 3.0;
const USUAL_MARGIN: f32 = 8.0;

/// The part of the retain samples that the predicted length may lose before a shorter one is looked for, and that a
/// longer one may lose.
const LOSS: f32 = 0.002;
const LOSS_BEYOND: f32 = 0.005;

/// By how much a longer length has to come closer.
const CLOSER: f32 = 1e-3;

/// Working memory: outputs and their changes of every kept sample, the weights of the changes, one panel of
/// outputs and of logits, margins, and what a pass takes.
pub(super) fn need(stack: &Stack, layer: usize, samples: usize) -> usize {
    let Some((inputs, outputs)) = Positions::of(stack, layer).map(Positions::sizes) else {
        return 0;
    };
    let kept = |most: usize| 2 * Batch::lanes(samples.min(most)).len(outputs);
    kept(MAX_FORGET)
        + kept(MAX_RETAIN)
        + inputs * outputs
        + LANES * (outputs + stack.outputs())
        + MAX_FORGET
        + scratch(stack, layer)
}

fn scratch(stack: &Stack, layer: usize) -> usize {
    let panel = Batch::lanes(LANES);
    let own = stack.scratch_of(layer..layer + 1, panel);
    own.max(stack.scratch_of(layer + 1..stack.layers().len(), panel))
}

/// Kept samples as the layer gives them, and how an edit of length 1 changes that.
struct Moved<'k> {
    kept: &'k Kept<'k>,
    outputs: &'k mut [f32],
    changes: &'k mut [f32],
}

/// Takes a sample's index and its logits, by class.
type Show<'s> = &'s mut dyn FnMut(usize, &dyn Fn(usize) -> f32);

/// What lies behind the layer, one panel at a time.
struct Behind<'w> {
    kernel: Kernel,
    around: Around<'w>,
    panel: &'w mut [f32],
    logits: &'w mut [f32],
    scratch: &'w mut [f32],
}

impl Neurons<'_> {
    /// The factor of the step that makes the rank-1 action (u, v) forget, as [`calibration`](Self::calibration)
    /// predicts it, set right by what forward passes of the kept samples through the edited layer and what lies
    /// behind it show. A length *reaches* its aim where 98 % of the forget samples have a margin of at most
    /// `−3 − max(0, mean margin − 8)`. A prediction that does so stays, unless more than .2 % of the retain samples
    /// are lost by it: then the shortest length down to .43 of it that reaches takes its place. One that does not is made
    /// longer, at most doubled, until it does or comes as close as it can, as long as at most .5 % of the retain samples are lost. At
    /// most 5, and at most [`LENGTHS`] lengths are tried. Labels and logits are looked at, no reward.
    ///
    /// A shorter length leaves less margin than the prediction: a class that is to stay forgotten while others follow
    /// wants the prediction.
    ///
    /// Without kept samples ([`FeatureSet::Core`](crate::world::FeatureSet::Core)), and for convolutions, of whose
    /// samples one position alone is kept, the prediction as it is.
    ///
    /// # Errors
    /// [`ForwardError`] for a slice that does not fit.
    pub fn settle(&mut self, step: f32, u: &[f32], v: &[f32]) -> Result<f32, ForwardError> {
        ShapeError::check("rows", self.outputs, u.len())?;
        ShapeError::check("columns", self.inputs, v.len())?;
        let predicted = self.calibration(step, u, v);
        let (inputs, outputs, kernel) = (self.inputs, self.outputs, self.kernel);
        let (Some(around), Some(forget), Some(retain)) = (self.around, &self.forget, &self.retain)
        else {
            return Ok(predicted);
        };
        let Around { stack, parameters, layer } = around;
        if !Positions::of(stack, layer).is_some_and(Positions::is_dense) {
            return Ok(predicted);
        }
        let expected = need(stack, layer, usize::MAX);
        let short = ShapeError { what: "working memory", expected, found: self.work.len() };
        let mut rest = &mut *self.work;
        let mut take = |len: usize| rest.split_off_mut(..len).ok_or(short);
        let mut moved = |kept| -> Result<_, ShapeError> {
            let &Kept { batch, .. } = kept;
            let (outputs, changes) = (take(batch.len(outputs))?, take(batch.len(outputs))?);
            Ok(Moved { kept, outputs, changes })
        };
        let (mut forget, mut retain) = (moved(forget)?, moved(retain)?);
        let weights = take(inputs * outputs)?;
        let behind = Behind {
            kernel,
            around,
            panel: take(LANES * outputs)?,
            logits: take(LANES * stack.outputs())?,
            scratch: take(scratch(stack, layer))?,
        };
        let margins = take(forget.kept.batch.samples())?;
        let unit = match self.request.kind {
            WorldKind::Shift => predicted * step * num::rms(self.weights),
            WorldKind::Mask => predicted * step,
        };
        let columns = weights.chunks_exact_mut(outputs.max(1)).zip(v);
        for ((to, &v), from) in columns.zip(self.weights.chunks_exact(outputs.max(1))) {
            for ((to, &weight), &u) in to.iter_mut().zip(from).zip(u) {
                *to = match self.request.kind {
                    WorldKind::Shift => unit * u * v,
                    WorldKind::Mask => unit * u * v * weight,
                };
            }
        }
        for Moved { kept, outputs: p, changes } in [&mut forget, &mut retain] {
            let Kept { batch, x, .. } = kept;
            kernel.dense_forward(*batch, inputs, outputs, weights, Start::Zero, x, changes)?;
            let panels =
                x.chunks((inputs * LANES).max(1)).zip(p.chunks_mut((outputs * LANES).max(1)));
            for (index, (x, p)) in panels.enumerate() {
                let part = batch.panel(index);
                stack.forward(kernel, layer..layer + 1, part, parameters, x, behind.scratch, p)?;
            }
        }
        let [mean, _] = self.margin;
        let wanted = -BELOW - num::relu(mean - USUAL_MARGIN);
        let mut trial =
            Trial { request: self.request, classes: self.classes, wanted, behind, margins };
        let length = trial.length(&forget, &retain)?;
        let factor = predicted * length;
        Ok(if factor < MOST { factor } else { MOST })
    }
}

/// Lengths of one action, tried on the kept samples.
struct Trial<'w> {
    request: NeuronRequest,
    classes: usize,
    wanted: f32,
    behind: Behind<'w>,
    margins: &'w mut [f32],
}

impl Trial<'_> {
    /// The one to take, in units of the predicted one.
    fn length(&mut self, forget: &Moved<'_>, retain: &Moved<'_>) -> Result<f32, ForwardError> {
        let samples = retain.kept.batch.samples() as f32;
        let right = self.right(retain, 0.0)?;
        let first = self.short_by(forget, 1.0)?;
        if first <= 0.0 {
            if self.right(retain, 1.0)? >= right - LOSS * samples {
                return Ok(1.0);
            }
            for index in (1..=SHORTER).rev() {
                let length = 1.0 / power(RATIO, index);
                if self.short_by(forget, length)? <= 0.0 {
                    return Ok(length);
                }
            }
            return Ok(1.0);
        }
        let mut closest = (first, 1.0);
        for index in 1..=LONGER {
            let length = power(RATIO, index);
            if self.right(retain, length)? < right - LOSS_BEYOND * samples {
                break;
            }
            let short_by = self.short_by(forget, length)?;
            if short_by < closest.0 - CLOSER {
                closest = (short_by, length);
            }
            if short_by <= 0.0 {
                break;
            }
        }
        Ok(closest.1)
    }

    /// How far the forget samples' margins are from where they are wanted; at most 0 where they are there.
    fn short_by(&mut self, forget: &Moved<'_>, length: f32) -> Result<f32, ForwardError> {
        let Self { request, classes, behind, margins, .. } = self;
        let class = usize::from(request.class);
        behind.run(forget, length, &mut |sample, z| {
            let others = || (0..*classes).filter(|&k| k != class && is_left(request, k)).map(z);
            let largest = others().fold(f32::NEG_INFINITY, larger_of);
            let sum: f32 = others().map(|z| num::exp(z - largest)).sum();
            if let Some(to) = margins.get_mut(sample) {
                *to = z(class) - (largest + num::ln(sum));
            }
        })?;
        margins.sort_unstable_by(f32::total_cmp);
        let place = QUANTILE * margins.len().saturating_sub(1) as f32;
        Ok(margins.get(place as usize).copied().unwrap_or(0.0) - self.wanted)
    }

    /// Retain samples whose label has the largest logit.
    fn right(&mut self, retain: &Moved<'_>, length: f32) -> Result<f32, ForwardError> {
        let Self { request, classes, behind, .. } = self;
        let mut right = 0.0;
        behind.run(retain, length, &mut |sample, z| {
            let label = retain.kept.labels.get(sample).copied().unwrap_or(0.0) as usize;
            let own = z(label);
            let beaten = |k: usize| is_left(request, k) && k != label && z(k) >= own;
            right += if (0..*classes).any(beaten) { 0.0 } else { 1.0 };
        })?;
        Ok(right)
    }
}

/// Whether a class was not forgotten earlier.
fn is_left(request: &NeuronRequest, class: usize) -> bool {
    u8::try_from(class).is_ok_and(|class| !request.gone.contains(class))
}

impl Behind<'_> {
    /// Shows every kept sample's logits after an edit of `length`.
    fn run(&mut self, moved: &Moved<'_>, length: f32, show: Show<'_>) -> Result<(), ForwardError> {
        let Self { kernel, around: Around { stack, parameters, layer }, panel, logits, scratch } =
            self;
        let layers = *layer + 1..stack.layers().len();
        let width = panel.len().max(1);
        let panels = moved.outputs.chunks(width).zip(moved.changes.chunks(width));
        for (index, (p, change)) in panels.enumerate() {
            let part = moved.kept.batch.panel(index);
            for ((to, &p), &change) in panel.iter_mut().zip(p).zip(change) {
                *to = p + length * change;
            }
            stack.forward(*kernel, layers.clone(), part, parameters, panel, scratch, logits)?;
            for lane in 0..part.samples() {
                let z = |k: usize| logits.get(k * LANES + lane).copied().unwrap_or(0.0);
                show(index * LANES + lane, &z);
            }
        }
        Ok(())
    }
}

fn power(base: f32, exponent: usize) -> f32 {
    (0..exponent).fold(1.0, |product, _| product * base)
}
