//! Optimisers that ask for rewards and are told them; they maximise, and know no environment.
//!
//! What belongs here: search algorithms over ℝⁿ, each on memory from an arena. What does not: how a
//! point becomes an action (`reward/`), budgets and counting ([`Job`](super::Job)).

mod one_plus_one;
mod sep_cma_es;

pub use one_plus_one::OnePlusOneEs;
pub use sep_cma_es::{MAX_POPULATION, SepCmaEs};
