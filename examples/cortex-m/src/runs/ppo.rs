//! Proximal policy optimisation of a policy shared by all rows and all columns, trained on the device.

use super::{CLASS, Editable, Fault, Log, Subject};
use crate::data::EDITED;
use reweight::env::EnvError;
use reweight::kernel::Batch;
use reweight::num::Digest;
use reweight::ppo::{Context, NeuronConfig, NeuronPolicy, NeuronPpo};
use reweight::slab::{Arena, Need};
use reweight::task::ClassSet;
use reweight::world::{FeatureSet, NeuronRequest, Neurons, WorldKind};

const POLICY: NeuronPolicy = NeuronPolicy {
    row_features: FeatureSet::Core.rows(),
    column_features: FeatureSet::Core.columns(),
    hidden: 8,
    rank: 1,
};

/// Seven actions make an update: each is remembered, in a kilobyte and a quarter.
const CONFIG: NeuronConfig = NeuronConfig {
    contexts: 1,
    samples: 7,
    epochs: 6,
    learning_rate: 1e-2,
    learning_rate_end: 0.1,
    clip: 0.2,
    max_grad_norm: 1.0,
    log_std: -1.0,
    log_std_low: -3.0,
    log_std_high: 0.5,
    responds: false,
};

/// Memory of [`ppo`]: features, the trainer and the best action. Looking at the layer takes what the trainer takes
/// later.
pub fn ppo_need(subject: &Subject<'_>) -> Need {
    let (columns, rows) = EDITED;
    let features = Batch::lanes(columns).len(POLICY.column_features)
        + Batch::lanes(rows).len(POLICY.row_features);
    let trainer = NeuronPpo::need(&POLICY, &CONFIG, (rows, columns), 1);
    Need::f32s(features + rows + columns).and(trainer.or(Neurons::sparing_need(subject.stack, 0)))
}

/// The layer as what the policy is trained on.
struct Layer<'w> {
    world: &'w mut dyn Editable,
    columns: &'w [f32],
    rows: &'w [f32],
    best: &'w mut [f32],
    held: f32,
    digest: Digest,
    log: Log<'w>,
}

impl Context for Layer<'_> {
    fn rows(&self) -> usize {
        EDITED.1
    }

    fn columns(&self) -> usize {
        EDITED.0
    }

    fn column_features(&self) -> &[f32] {
        self.columns
    }

    fn row_features(&mut self, _: &[f32], features: &mut [f32]) -> Result<(), EnvError> {
        if features.len() != self.rows.len() {
            return Err(EnvError::Failed("the rows' features do not fit"));
        }
        features.copy_from_slice(self.rows);
        Ok(())
    }

    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        let reward = self.world.evaluate(action)?;
        self.digest.value(reward);
        (self.log)(reward);
        if reward > self.held {
            self.held = reward;
            self.best.copy_from_slice(action);
        }
        Ok(reward)
    }
}

/// Trains for `updates` updates of seven evaluations; leaves the best edit in the world.
#[inline(never)]
pub fn ppo(
    subject: &Subject<'_>,
    kind: WorldKind,
    world: &mut dyn Editable,
    updates: u32,
    seed: u64,
    arena: &mut Arena<'_>,
    log: Log<'_>,
) -> Result<Digest, Fault> {
    let (kernel, (columns, rows)) = (subject.kernel, EDITED);
    let column_features = arena.take(Batch::lanes(columns).len(POLICY.column_features))?;
    let row_features = arena.take(Batch::lanes(rows).len(POLICY.row_features))?;
    let best = arena.take(rows + columns)?;
    look(subject, kind, column_features, row_features, arena.scratch())?;
    let shape = (rows, columns);
    let mut ppo = NeuronPpo::new(POLICY, CONFIG, kernel, shape, 1, seed, arena)?;
    let mut layer = Layer {
        world,
        columns: column_features,
        rows: row_features,
        best,
        held: f32::NEG_INFINITY,
        digest: Digest::new(),
        log,
    };
    for update in 0..updates {
        ppo.update(&mut [&mut layer], update as f32 / updates.max(1) as f32)?;
    }
    let Layer { world, best, digest, .. } = layer;
    world.apply(best)?;
    Ok(digest)
}

/// The features of rows and columns; what they were made of is forgotten.
#[inline(never)]
fn look(
    subject: &Subject<'_>,
    kind: WorldKind,
    columns: &mut [f32],
    rows: &mut [f32],
    arena: Arena<'_>,
) -> Result<(), Fault> {
    let request =
        NeuronRequest { kind, features: FeatureSet::Core, class: CLASS, gone: ClassSet::EMPTY };
    let Subject { kernel, stack, parameters, samples } = *subject;
    // Not longer than what is looked at.
    let mut arena = arena;
    let neurons = Neurons::sparing(kernel, stack, parameters, 0, samples, request, &mut arena)?;
    neurons.column_panels(0, columns)?;
    neurons.row_panels(0, rows)?;
    Ok(())
}
