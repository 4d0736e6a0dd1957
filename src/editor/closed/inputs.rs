//! What closed forms need of a layer's inputs: moments over the reward split, and the directions that are
//! dual to some of them.

use crate::editor::{EditError, Job};
use crate::error::TooSmall;
use crate::kernel::{Batch, Kernel, LANES};
use crate::model::Samples;
use crate::nn::{Kind, Stack};
use crate::num;
use crate::slab::{Arena, Need};
use crate::task::ClassSet;

/// Classes that can be forgotten at once.
pub(in crate::editor) const MAX_CLASSES: usize = 32;

/// Over which samples second moments are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The retained ones, about zero.
    Retain,
    /// All, about their mean.
    All,
}

/// What does not change from layer to layer.
#[derive(Clone, Copy)]
pub(super) struct Source<'s> {
    pub(super) kernel: Kernel,
    pub(super) stack: &'s Stack,
    pub(super) samples: Samples<'s>,
    pub(super) forget: ClassSet,
}

impl<'s> Source<'s> {
    /// The job's network and reward split.
    pub(super) fn of(job: &mut Job<'s>) -> Result<Self, EditError> {
        let network = job.network().ok_or(NO_NETWORK)?;
        let samples = network.reward.ok_or(NO_NETWORK)?;
        if network.forget.len() > MAX_CLASSES {
            return Err(EditError::Unfit("too many classes at once"));
        }
        Ok(Self { kernel: network.kernel, stack: network.stack, samples, forget: network.forget })
    }

    /// Inputs and outputs of a dense layer.
    pub(super) fn shape(&self, layer: usize) -> Result<(usize, usize), EditError> {
        match self.stack.layers().get(layer).map(|layer| layer.kind()) {
            Some(&Kind::Dense { inputs, outputs, .. }) => Ok((inputs, outputs)),
            _ => Err(EditError::Unfit("closed forms act on dense layers; this one is not")),
        }
    }
}

pub(super) const NO_NETWORK: EditError = EditError::Unfit(
    "it needs the whole network and the reward split, which this job does not give",
);

/// Moments of the inputs (d) of one dense layer.
pub(super) struct Inputs<'m> {
    /// d.
    pub(super) features: usize,
    /// Classes to forget.
    pub(super) classes: usize,
    /// Mean over retained samples.
    pub(super) retain: &'m mut [f32],
    /// Mean over all samples.
    pub(super) all: &'m mut [f32],
    /// Mean over each forgotten class, d × classes.
    pub(super) class: &'m mut [f32],
    /// Samples of each forgotten class over all samples.
    pub(super) shares: [f32; MAX_CLASSES],
    /// d × d second moments; a factor after [`dual`](Self::dual).
    pub(super) second: &'m mut [f32],
    /// d × classes.
    dual: &'m mut [f32],
    /// classes × classes.
    small: &'m mut [f32],
}

impl<'m> Inputs<'m> {
    /// Memory for the widest dense layer of `stack`.
    pub(super) fn need(stack: &Stack) -> Need {
        let dense = stack.layers().iter().filter_map(|layer| match layer.kind() {
            Kind::Dense { inputs, .. } => Some(*inputs),
            _ => None,
        });
        let classes = stack.outputs().min(MAX_CLASSES);
        let panel = Batch::lanes(LANES);
        dense
            .map(|d| {
                Need::f32s(
                    d.saturating_mul(d)
                        .saturating_add(2 * d + 2 * d * classes + classes * classes)
                        .saturating_add(panel.len(d).saturating_mul(2)),
                )
            })
            .fold(Need::default(), Need::or)
            .and(Need::f32s(stack.scratch(panel)))
    }

    /// Takes them of layer `layer` in two forward passes over the reward split.
    pub(super) fn of(
        source: &Source<'_>,
        parameters: &[f32],
        layer: usize,
        over: Over,
        arena: &mut Arena<'m>,
    ) -> Result<Self, EditError> {
        let Source { kernel, forget, .. } = *source;
        let (features, _) = source.shape(layer)?;
        let classes = forget.len();
        let mut inputs = Self {
            features,
            classes,
            retain: arena.take(features)?,
            all: arena.take(features)?,
            class: arena.take(features * classes)?,
            shares: [0.0; MAX_CLASSES],
            second: arena.take(features * features)?,
            dual: arena.take(features * classes)?,
            small: arena.take(classes * classes)?,
        };
        let mut pass = Pass::new(source, layer, features, arena)?;
        let place = |label: u8| forget.iter().position(|class| class == label);
        let (mut counts, mut retained) = ([0u32; MAX_CLASSES], 0u32);
        pass.run(source, parameters, &mut |_, _, rows, labels| {
            for (row, &label) in rows.chunks_exact(features.max(1)).zip(labels) {
                match place(label) {
                    Some(class) => {
                        if let Some(count) = counts.get_mut(class) {
                            *count += 1;
                        }
                        let own = inputs.class.iter_mut().skip(class).step_by(classes);
                        own.zip(row).for_each(|(sum, &x)| *sum += x);
                    }
                    None => {
                        retained += 1;
                        inputs.retain.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
                    }
                }
            }
            Ok(())
        })?;
        let counts = counts.get(..classes).unwrap_or_default();
        let samples = counts.iter().fold(retained, |sum, count| sum + count);
        if retained == 0 || counts.contains(&0) {
            return Err(EditError::Unfit("the retain or the forget set has no samples"));
        }
        inputs.all.copy_from_slice(inputs.retain);
        let rows = inputs.class.chunks_exact_mut(classes.max(1));
        for ((row, all), retain) in rows.zip(&mut *inputs.all).zip(&mut *inputs.retain) {
            for (sum, &count) in row.iter_mut().zip(counts) {
                *all += *sum;
                *sum /= count as f32;
            }
            *all /= samples as f32;
            *retain /= retained as f32;
        }
        for (share, &count) in inputs.shares.iter_mut().zip(counts) {
            *share = count as f32 / samples as f32;
        }
        let (second, all) = (&mut *inputs.second, &*inputs.all);
        pass.run(source, parameters, &mut |part, x, rows, labels| {
            // The factor on one side is enough: Σ x (x − m)ᵀ = Σ (x − m)(x − m)ᵀ for the mean m.
            for (row, &label) in rows.chunks_exact_mut(features.max(1)).zip(labels) {
                match over {
                    Over::Retain if place(label).is_some() => row.fill(0.0),
                    Over::Retain => {}
                    Over::All => row.iter_mut().zip(all).for_each(|(x, mean)| *x -= mean),
                }
            }
            Ok(kernel.dense_weight_gradient(part, features, features, x, rows, second)?)
        })?;
        let count = if over == Over::Retain { retained } else { samples };
        let scale = 1.0 / count as f32;
        inputs.second.iter_mut().for_each(|value| *value *= scale);
        Ok(inputs)
    }

    /// V (d × classes) with `V = A⁻¹F (Fᵀ A⁻¹ F)⁻¹`, so that `Vᵀ F = I`; A is the second moments +
    /// `ridge·tr/d·I`, F (d × classes) some directions. To be called once.
    pub(super) fn dual(&mut self, ridge: f32, directions: &[f32]) -> &[f32] {
        let (d, k) = (self.features, self.classes);
        let mut trace = 0.0f64;
        for &value in self.second.iter().step_by(d + 1) {
            trace += f64::from(value);
        }
        let added = (f64::from(ridge) * trace / d.max(1) as f64) as f32;
        num::cholesky(self.second, d, added);
        self.dual.copy_from_slice(directions);
        num::cholesky_solve(self.second, d, self.dual, k);
        for (at, value) in self.small.iter_mut().enumerate() {
            let of = |values: &[f32], column: usize, row: usize| {
                f64::from(values.get(row * k + column).copied().unwrap_or(0.0))
            };
            let (a, b) = (at / k.max(1), at % k.max(1));
            let mut sum = 0.0f64;
            for row in 0..d {
                sum += of(directions, a, row) * of(self.dual, b, row);
            }
            *value = sum as f32;
        }
        num::cholesky(self.small, k, 0.0);
        for row in self.dual.chunks_exact_mut(k.max(1)) {
            num::cholesky_solve(self.small, k, row, 1);
        }
        self.dual
    }
}

/// One panel of a layer's inputs after the other.
pub(super) struct Pass<'m> {
    layer: usize,
    x: &'m mut [f32],
    rows: &'m mut [f32],
    scratch: &'m mut [f32],
}

/// A panel: its batch, inputs of the layer in panels and row by row, labels.
pub(super) type Visit<'v> =
    &'v mut dyn FnMut(Batch, &[f32], &mut [f32], &[u8]) -> Result<(), EditError>;

impl<'m> Pass<'m> {
    /// Memory for a layer of `features` inputs.
    pub(super) fn need(stack: &Stack, features: usize) -> Need {
        let panel = Batch::lanes(LANES);
        Need::f32s(panel.len(features).saturating_mul(2)).and(Need::f32s(stack.scratch(panel)))
    }

    pub(super) fn new(
        source: &Source<'_>,
        layer: usize,
        features: usize,
        arena: &mut Arena<'m>,
    ) -> Result<Self, TooSmall> {
        let panel = Batch::lanes(LANES);
        Ok(Self {
            layer,
            x: arena.take(panel.len(features))?,
            rows: arena.take(panel.len(features))?,
            scratch: arena.take(source.stack.scratch(panel))?,
        })
    }

    pub(super) fn run(
        &mut self,
        source: &Source<'_>,
        parameters: &[f32],
        visit: Visit<'_>,
    ) -> Result<(), EditError> {
        let Source { kernel, stack, samples, .. } = *source;
        let batch = samples.batch;
        let features = stack.layers().get(self.layer).map_or(0, |layer| layer.inputs());
        let panels = samples.inputs.chunks(Batch::lanes(LANES).len(stack.inputs()).max(1));
        for ((index, input), labels) in panels.enumerate().zip(samples.labels.chunks(LANES)) {
            let part = batch.panel(index);
            let x = self.x.get_mut(..part.len(features)).unwrap_or_default();
            stack.forward(kernel, 0..self.layer, part, parameters, input, self.scratch, x)?;
            let rows = self.rows.get_mut(..part.samples() * features).unwrap_or_default();
            kernel.to_rows(part, features, 1, x, rows)?;
            visit(part, x, rows, labels)?;
        }
        Ok(())
    }
}
