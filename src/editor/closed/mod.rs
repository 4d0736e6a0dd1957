//! Edits in closed form, from activations of forward passes.
//!
//! `mean-match`, `leace` and `inlp` take the class out of what the layer sees or gives, `memit` gives it other
//! classes' answers, all without an evaluation. The others
//! are one rank-1 direction per class, then the ten scales of its calibrated step: they see what a transferred policy sees and spend the same evaluations, so that the comparison is
//! between the directions. In MaskWorld, where a direction in the inputs acts through the weights,
//! columns carry the sign in which more of them pushes the forget class.

mod activation;
mod inlp;
mod inputs;
mod lda;
mod leace;
mod mean_match;
mod memit;
mod projection;

use super::sight::{REACH, SCALES};
use super::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::Env;
use crate::model::ForwardError;
use crate::num;
use crate::slab::{Arena, Need};
use crate::world::{Neurons, WorldKind};
use heapless::Vec;

pub(super) use activation::activation;
pub(super) use inlp::Inlp;
pub(super) use inputs::MAX_CLASSES;
pub(super) use lda::lda;
pub(super) use leace::Leace;
pub(super) use mean_match::{MeanMatch, aim, need as aim_need};
pub(super) use memit::Memit;
pub(super) use projection::projection;

/// Writes u and v of one class; `spare` is as long as v.
type Direction = fn(
    &mut Neurons<'_>,
    u: &mut [f32],
    v: &mut [f32],
    spare: &mut [f32],
) -> Result<(), ForwardError>;

/// An editor that takes its direction from a formula.
pub(crate) struct Closed(pub(crate) Direction);

const NO_VIEW: EditError =
    EditError::Unfit("it needs a view of the layer, which this job does not give");

impl Editor for Closed {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        Need::f32s(5 * shape.spec.action.len)
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let n = job.spec().action.len;
        let sight = job.sight().ok_or(NO_VIEW)?;
        let first = sight.neurons.first().ok_or(NO_VIEW)?;
        let (rows, columns) = (first.outputs(), first.inputs());
        let classes = n / (rows + columns).max(1);
        let (whole, scaled) = (arena.take(n)?, arena.take(n)?);
        let (u, v, spare) = (arena.take(rows)?, arena.take(columns)?, arena.take(columns)?);
        let (of_u, of_v) = whole.split_at_mut(rows * classes);
        let mut steps: Vec<f32, MAX_CLASSES> = Vec::new();
        for (class, neurons) in sight.neurons.iter_mut().enumerate() {
            (self.0)(neurons, u, v, spare)?;
            let step = neurons.calibration(sight.step, u, v);
            steps.push(step).map_err(|_| EditError::Unfit("too many classes at once"))?;
            let own = of_u.get_mut(class * rows..(class + 1) * rows).unwrap_or_default();
            own.copy_from_slice(u);
            for (to, &value) in of_v.iter_mut().skip(class).step_by(classes.max(1)).zip(&*v) {
                *to = value;
            }
        }
        for (index, scale) in core::iter::once(1.0).chain(SCALES).enumerate() {
            scaled.copy_from_slice(whole);
            for (own, step) in scaled.chunks_mut(rows.max(1)).zip(&steps) {
                own.iter_mut().for_each(|value| *value *= step * scale / REACH);
            }
            if index == 0 {
                job.set_policy(scaled);
            } else if job.remaining() > 0 {
                job.try_actions(scaled)?;
            }
        }
        Ok(Outcome::Actions)
    }
}

/// Divides by `1.5` (shift) or `2.5` (mask) times the rms and clips to ±1.
fn into_space(kind: WorldKind, values: &mut [f32]) {
    let width = match kind {
        WorldKind::Shift => 1.5,
        WorldKind::Mask => 2.5,
    };
    let scale = width * num::rms(values);
    for value in values {
        *value = if scale > 0.0 { (*value / scale).clamp(-1.0, 1.0) } else { 0.0 };
    }
}

/// u = −gp.
fn against_the_class(neurons: &Neurons<'_>, u: &mut [f32]) {
    for (to, &gp) in u.iter_mut().zip(neurons.sensitivity()) {
        *to = -gp;
    }
    into_space(neurons.request().kind, u);
}

/// In MaskWorld, gives every column the sign in which it pushes the class.
fn signed(neurons: &Neurons<'_>, v: &mut [f32], signs: &mut [f32]) {
    if neurons.request().kind == WorldKind::Mask {
        neurons.column_signs(signs);
        v.iter_mut().zip(signs).for_each(|(value, sign)| *value *= *sign);
    }
}
