//! `mean-match`: the forgotten class's mean pre-activation becomes that of the retained ones.

use super::inputs::{Inputs, NO_NETWORK, Over, Source};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::{Edit, Env};
use crate::slab::{Arena, Need};

/// `W ← W − (z̄_f − z̄_r) vᵀ` with `v = M⁻¹ m_f / (m_fᵀ M⁻¹ m_f)`, M the retained inputs' uncentred second
/// moments + .03·tr/d·I: the smallest change of the retained outputs that carries the class's mean
/// pre-activation onto theirs. An action of ShiftWorld, one rank per class; several layers are matched one
/// after the other. Measured for this crate; kin to mean projection (Haghighatkhah et al. 2022, arXiv
/// 2212.04273) and to ROME's rank-1 update (Meng et al. 2022, arXiv 2202.05262).
pub(crate) struct MeanMatch;

/// Ridge in units of the mean diagonal entry.
const RIDGE: f32 = 0.03;

impl Editor for MeanMatch {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        need(shape)
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let action = arena.take(job.spec().action.len)?;
        aim(job, action, arena)?;
        job.set_policy(action);
        Ok(Outcome::Policy)
    }
}

/// Working memory of [`aim`] and of the action that it writes.
pub(in crate::editor) fn need(shape: &JobShape<'_>) -> Need {
    Inputs::need(shape.stack).and(Need::f32s(shape.spec.action.len))
}

/// Writes the action of one step that mean-matches every edited layer. Of each rank-1 term V spans [−1, 1]
/// and U is as long as the term calls for. The job's network holds the edit afterwards.
pub(in crate::editor) fn aim(
    job: &mut Job<'_>,
    action: &mut [f32],
    arena: &mut Arena<'_>,
) -> Result<(), EditError> {
    let source = Source::of(job)?;
    if job.horizon() != 1 {
        return Err(EditError::Unfit("mean match takes one step (--episode-length 1)"));
    }
    let mut rest = action;
    for (index, &layer) in job.layers().iter().enumerate() {
        let (inputs, outputs) = source.shape(layer)?;
        let edited = job.edited_part(index).map(|edited| edited.edit);
        let Some(Edit::Shift { rank, step } | Edit::Rounded { rank, step, .. }) = edited else {
            return Err(EditError::Unfit("mean match acts in shift world alone"));
        };
        let classes = source.forget.len();
        if rank < classes {
            return Err(EditError::Unfit("mean match needs a rank for every class (--rank)"));
        }
        let network = job.network().ok_or(NO_NETWORK)?;
        let mut work = arena.scratch();
        let mut moments = Inputs::of(&source, network.parameters, layer, Over::Retain, &mut work)?;
        let (own, after) =
            rest.split_at_mut_checked(rank * (inputs + outputs)).ok_or(NO_NETWORK)?;
        rest = after;
        let (u, v) = own.split_at_mut(rank * outputs);
        let range = source.stack.layers().get(layer).map(|layer| layer.weight_range());
        let weights =
            range.and_then(|range| network.parameters.get_mut(range)).ok_or(NO_NETWORK)?;
        // U, factor by factor: how far the class's mean output lies from the retained one, against it.
        for (class, own) in u.chunks_exact_mut(outputs.max(1)).take(classes).enumerate() {
            let means = moments.class.iter().skip(class).step_by(classes);
            for ((row, &mean), &retain) in
                weights.chunks_exact(outputs.max(1)).zip(means).zip(&*moments.retain)
            {
                own.iter_mut().zip(row).for_each(|(to, &weight)| *to -= (mean - retain) * weight);
            }
        }
        let directions = core::mem::take(&mut moments.class);
        let dual = moments.dual(RIDGE, directions);
        for (row, dual) in weights.chunks_exact_mut(outputs.max(1)).zip(dual.chunks(classes)) {
            for (own, &factor) in u.chunks_exact(outputs.max(1)).zip(dual) {
                row.iter_mut().zip(own).for_each(|(weight, &to)| *weight += factor * to);
            }
        }
        let largest = |most: f32, value: &f32| most.max(value.abs());
        for (class, own) in u.chunks_exact_mut(outputs.max(1)).take(classes).enumerate() {
            let column = || dual.iter().skip(class).step_by(classes);
            let (of_u, of_v) = (own.iter().fold(0.0, largest), column().fold(0.0, largest));
            let reach = of_u * of_v * rank as f32 / step;
            // A class that is matched already calls for nothing.
            if reach.is_nan() || reach <= 0.0 {
                own.fill(0.0);
                continue;
            }
            if reach > 1.0 {
                return Err(EditError::Unfit(
                    "mean match goes further than a step of this world (raise --step)",
                ));
            }
            // A class that is matched already calls for nothing.
            if reach <= 0.0 {
                own.fill(0.0);
                continue;
            }
            own.iter_mut().for_each(|value| *value = (*value / of_u * reach).clamp(-1.0, 1.0));
            for (to, &from) in v.iter_mut().skip(class).step_by(rank).zip(column()) {
                *to = (from / of_v).clamp(-1.0, 1.0);
            }
        }
    }
    Ok(())
}
