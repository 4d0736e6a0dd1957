//! Optimisers that ask for rewards and are told them; they maximise, and know no environment.
//!
//! What belongs here: search algorithms over ℝⁿ, each on memory from an arena. What does not: how a
//! point becomes an action (`reward/`), budgets and counting ([`Job`](super::Job)).

mod one_plus_one;
mod sep_cma_es;

pub use one_plus_one::OnePlusOneEs;
pub use sep_cma_es::{MAX_POPULATION, SepCmaEs};

use crate::slab::Need;

/// A need for `values` numbers; an absurd one is cut so that others can still be added to it.
const fn bounded(values: usize) -> Need {
    const MOST: usize = usize::MAX / 4;
    Need::f32s(if values < MOST { values } else { MOST })
}
