//! `activation`: the same trade-off, with the pattern of active rows taken into account.

use super::{against_the_class, into_space};
use crate::model::ForwardError;
use crate::world::Neurons;

/// Starts from u = −gp, takes the columns that answer best to it, then the rows that answer best to
/// those: [`Neurons::activation_columns`] and [`Neurons::row_solution`]. Measured for this crate; further
/// rounds make it worse.
pub(crate) fn activation(
    neurons: &mut Neurons<'_>,
    u: &mut [f32],
    v: &mut [f32],
    _: &mut [f32],
) -> Result<(), ForwardError> {
    let kind = neurons.request().kind;
    against_the_class(neurons, u);
    neurons.activation_columns(u, v)?;
    into_space(kind, v);
    neurons.row_solution(v, u)?;
    into_space(kind, u);
    Ok(())
}
