//! Evolution strategies: (1+1)-ES in the least memory, sep-CMA-ES in a few kilobytes.

use super::{Editable, Fault, Log};
use reweight::editor::search::{LeanOnePlusOneEs, SepCmaEs};
use reweight::num::{self, Digest};
use reweight::rng::{Purpose, Rng};
use reweight::slab::{Arena, Need};

/// Memory of [`one_plus_one`].
pub const fn one_plus_one_need(n: usize) -> Need {
    LeanOnePlusOneEs::need(n)
}

/// (1+1)-ES on the action itself, which the world clips; leaves the best edit in the world.
#[inline(never)]
pub fn one_plus_one(
    world: &mut dyn Editable,
    evaluations: u32,
    seed: u64,
    arena: &mut Arena<'_>,
    log: Log<'_>,
) -> Result<Digest, Fault> {
    let rng = Rng::new(seed, Purpose::Search);
    let mut search = LeanOnePlusOneEs::new(world.action_len(), rng, arena)?;
    let mut digest = Digest::new();
    for _ in 0..evaluations {
        let reward = world.evaluate_drawn(&mut |child| search.ask(child))?;
        search.tell(reward);
        digest.value(reward);
        log(reward);
    }
    world.apply(search.mean())?;
    Ok(digest)
}

/// Memory of [`sep_cma_es`].
pub const fn sep_cma_es_need(n: usize) -> Need {
    SepCmaEs::need(n).and(Need::f32s(2 * n))
}

/// sep-CMA-ES from near 0, squashed by tanh; leaves the best edit in the world.
#[inline(never)]
pub fn sep_cma_es(
    world: &mut dyn Editable,
    evaluations: u32,
    seed: u64,
    arena: &mut Arena<'_>,
    log: Log<'_>,
) -> Result<Digest, Fault> {
    let n = world.action_len();
    let (action, best) = (arena.take(n)?, arena.take(n)?);
    let mut rng = Rng::new(seed, Purpose::Search);
    action.iter_mut().for_each(|value| *value = 0.1 * rng.normal());
    let (mut search, mut digest) = (SepCmaEs::new(arena, action, 0.3)?, Digest::new());
    let population = search.population();
    let mut values = [0.0; 64];
    let mut held = f32::NEG_INFINITY;
    for _ in 0..evaluations as usize / population {
        search.ask(&mut rng);
        for (index, value) in values.iter_mut().enumerate().take(population) {
            for (to, &from) in action.iter_mut().zip(search.candidate(index)) {
                *to = num::tanh(from);
            }
            *value = world.evaluate(action)?;
            digest.value(*value);
            log(*value);
            if *value > held {
                held = *value;
                best.copy_from_slice(action);
            }
        }
        search.tell(values.get(..population).unwrap_or_default());
    }
    world.apply(best)?;
    Ok(digest)
}
