//! How fast rewards of debiasing are on this machine.

use super::compact::Compact;
use super::config::{DebiasConfig, DebiasTarget, debias_layers};
use super::judge::Court;
use super::material::{Material, Sources, TextPart};
use super::target::TextTarget;
use crate::data::text::identity_reward_templates;
use crate::env::Env;
use crate::kernel::Kernel;
use crate::kernel::bench::best;
use crate::rng::{Purpose, Rng};
use crate::run::error::RunError;
use crate::slab::Heap;
use crate::task::Utility;
use crate::world::{World, WorldKind};
use std::time::Duration;

/// One reward evaluation of debiasing, timed.
#[derive(Clone, Debug, PartialEq)]
pub struct DebiasTiming {
    /// Network, layer and world.
    pub name: String,
    /// Whether the utility is the exact AUC (else accuracy).
    pub auc: bool,
    /// Comments.
    pub comments: usize,
    /// Best seconds of one evaluation.
    pub seconds: f64,
}

/// Comments of an evaluation of `toxicity-mlp`.
const COMMENTS: usize = 2_000;

/// Times evaluations of every layer of `toxicity-mlp` on 2,000 comments, and of `profanity` on 5,000
/// sentences, each for about `effort`.
///
/// # Errors
/// [`RunError`] when a world cannot be built.
pub fn time_debiasing(kernel: Kernel, effort: Duration) -> Result<Vec<DebiasTiming>, RunError> {
    let mut timings = Vec::new();
    for target in [DebiasTarget::Toxicity, DebiasTarget::Profanity] {
        let config = DebiasConfig { target, kernel, ..DebiasConfig::default() };
        let (network, mut material) = subject(&config)?;
        if network.foreign.is_none() {
            let first: Vec<usize> = (0..COMMENTS).collect();
            let bag = material.reward.bag.select(&first);
            let comments = material.reward.comments.select(&first);
            material.reward = TextPart { comments: comments.into(), bag: bag.into() };
        } else {
            // 30 terms × 140 and 800 without one.
            let comments = identity_reward_templates(0, 140, 800);
            material.reward = TextPart::new(comments, &network.language);
        }
        let court = Court::new(&material, Vec::new());
        let layers = debias_layers(&config.target);
        for layer in layers.iter().rev() {
            for kind in [WorldKind::Mask, WorldKind::Shift] {
                for utility in [Utility::Accuracy, Utility::Auc] {
                    let config = DebiasConfig { utility, ..config.clone() };
                    let seconds = time(&config, &network, &court, layer, kind, effort)?;
                    timings.push(DebiasTiming {
                        name: format!("{} {layer}, {}", network.name, kind.name()),
                        auc: utility == Utility::Auc,
                        comments: court.labels.len(),
                        seconds,
                    });
                }
            }
        }
    }
    Ok(timings)
}

fn subject(config: &DebiasConfig) -> Result<(TextTarget, Material), RunError> {
    let none = Sources { comments: None, elsewhere: Vec::new() };
    if matches!(config.target, DebiasTarget::Profanity) {
        let target = TextTarget::profanity()?;
        let material = Material::of_templates(&target, 0);
        return Ok((target, material));
    }
    let material = Material::new(config, &none, None, None, 0)?;
    let (Some(train), Some(training)) = (&material.train, material.training) else {
        return Err(RunError::Failed("there is nothing to train on".into()));
    };
    let language = &material.language;
    let target = TextTarget::train(config.kernel, language, train, &training, 0, "")?;
    Ok((target, material))
}

fn time(
    config: &DebiasConfig,
    target: &TextTarget,
    court: &Court,
    layer: &str,
    kind: WorldKind,
    effort: Duration,
) -> Result<f64, RunError> {
    let kernel = config.kernel;
    let compact = Compact::new(kernel, &target.stack, &target.parameters, &court.bag, None)?;
    let layer = compact.stack.find(layer).unwrap_or(0);
    let (need, wide) = court.need();
    let (mut task_heap, mut wide) = (Heap::new(need), vec![0; wide]);
    let mut task = court.task(config.task(), target, &mut task_heap, &mut wide)?;
    let samples = compact.samples(&court.labels)?;
    let (world, stack) = (config.world(kind), &compact.stack);
    let mut heap = Heap::new(World::sparse_need(&world, stack, layer, samples.labels.len()));
    let mut own = compact.parameters.clone();
    let mut world = World::sparse(
        world,
        kernel,
        stack,
        &mut own,
        layer,
        samples,
        &mut task,
        &mut heap.arena(),
    )?;
    let mut rng = Rng::new(1, Purpose::Search);
    let length = world.spec().action.len;
    let action: Vec<f32> = (0..length).map(|_| rng.uniform(-1.0, 1.0)).collect();
    Ok(best(effort, || {
        let _ = std::hint::black_box(world.evaluate(&action));
    }))
}
