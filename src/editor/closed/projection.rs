//! `projection`: the contrast of the inputs between forget and retain samples, against the class.

use super::{against_the_class, into_space, signed};
use crate::model::ForwardError;
use crate::world::Neurons;

/// v = (f(x) − r(x)) / (std_r + .1 · mean std_r), u = −gp: the difference of means that is projected
/// out, as in activation steering (Turner et al. 2023, arXiv 2308.10248), folded into the weights.
pub(crate) fn projection(
    neurons: &mut Neurons<'_>,
    u: &mut [f32],
    v: &mut [f32],
    spare: &mut [f32],
) -> Result<(), ForwardError> {
    against_the_class(neurons, u);
    neurons.contrast(v);
    signed(neurons, v, spare);
    into_space(neurons.request().kind, v);
    Ok(())
}
