//! Optimisers that ask for rewards and are told them; they maximise, and know no environment.
//!
//! What belongs here: search algorithms over ℝⁿ, each on memory from an arena. What does not: how a
//! point becomes an action (`reward/`), budgets and counting ([`Job`](super::Job)).

mod ars;
mod cma_es;
mod eigen;
mod one_plus_one;
mod open_es;
mod selection;
mod sep_cma_es;

pub use ars::{Ars, ArsConfig};
pub use cma_es::CmaEs;
pub use one_plus_one::{LeanOnePlusOneEs, OnePlusOneEs};
pub use open_es::{OpenEs, OpenEsConfig};
pub use selection::MAX_POPULATION;
pub use sep_cma_es::SepCmaEs;

use crate::slab::Need;

/// A need for `values` numbers; an absurd one is cut so that others can still be added to it.
const fn bounded(values: usize) -> Need {
    const MOST: usize = usize::MAX / 4;
    Need::f32s(if values < MOST { values } else { MOST })
}
