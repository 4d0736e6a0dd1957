//! `lda`: the direction of linear discriminant analysis, against the class.

use super::{against_the_class, into_space, signed};
use crate::model::ForwardError;
use crate::world::Neurons;

/// v = (E_r[x xᵀ] + .03·tr/d·I)⁻¹ f(x) (Fisher 1936, with a ridge and the uncentred covariance), u = −gp.
/// It answers to forget samples with the least response to retain samples.
pub(crate) fn lda(
    neurons: &mut Neurons<'_>,
    u: &mut [f32],
    v: &mut [f32],
    spare: &mut [f32],
) -> Result<(), ForwardError> {
    against_the_class(neurons, u);
    neurons.discriminant(v)?;
    signed(neurons, v, spare);
    into_space(neurons.request().kind, v);
    Ok(())
}
