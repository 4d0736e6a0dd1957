//! One action of a trained policy, panel by panel.

use super::build::Neurons;
use crate::error::ShapeError;
use crate::kernel::{Batch, LANES};
use crate::model::ForwardError;
use crate::num;
use crate::ppo::{NeuronPolicy, Side};
use crate::slab::{Arena, Need};

impl Neurons<'_> {
    /// Working memory of [`act`](Self::act): one panel.
    pub const fn act_need(policy: &NeuronPolicy) -> Need {
        let (rows, columns) = (policy.row_features, policy.column_features);
        let widest = if rows > columns { rows } else { columns };
        Need::f32s(widest * LANES + policy.scratch())
    }

    /// Writes the action of rank 1 (U, then V) of a policy that was trained on these features, without noise. It
    /// keeps nothing of the features, so it works in little memory after [`sparing`](Self::sparing) too.
    ///
    /// # Errors
    /// [`ForwardError`]: features that respond to the columns' choice, a policy of another rank or other features,
    /// a slice that does not fit, or an arena that holds less than [`act_need`](Self::act_need).
    #[inline(never)]
    pub fn act(
        &self,
        policy: &NeuronPolicy,
        parameters: &[f32],
        action: &mut [f32],
        arena: &mut Arena<'_>,
    ) -> Result<(), ForwardError> {
        let set = self.request().features;
        if set.responds() {
            return Err(ForwardError::Failed("rows of these features respond to the columns"));
        }
        let (rows, columns) = (self.outputs(), self.inputs());
        ShapeError::check("rank of the policy", 1, policy.rank)?;
        ShapeError::check("row features of the policy", set.rows(), policy.row_features)?;
        ShapeError::check("column features of the policy", set.columns(), policy.column_features)?;
        ShapeError::check("action", rows + columns, action.len())?;
        let mut arena = arena.scratch();
        let widest = policy.row_features.max(policy.column_features);
        let (features, scratch) = (arena.take(widest * LANES)?, arena.take(policy.scratch())?);
        let (u, v) = action.split_at_mut_checked(rows).unwrap_or_default();
        for (side, to, each) in
            [(Side::Columns, v, policy.column_features), (Side::Rows, u, policy.row_features)]
        {
            let panel = features.get_mut(..each * LANES).unwrap_or_default();
            for index in 0..Batch::lanes(to.len()).panels() {
                match side {
                    Side::Columns => self.column_panels(index, panel)?,
                    Side::Rows => self.row_panels(index, panel)?,
                }
                let own = to.chunks_mut(LANES).nth(index).unwrap_or_default();
                policy.means(self.kernel(), parameters, side, own.len(), panel, scratch, own)?;
                own.iter_mut().for_each(|value| *value = num::tanh(*value));
            }
        }
        Ok(())
    }
}
