//! Proximal policy optimisation with [`NeuronPolicy`] on one network: a policy of a few hundred parameters,
//! shared by all rows and all columns, learns from nothing on the layer that it edits.

use crate::editor::sight::{REACH, Sight};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::{Env, EnvError};
use crate::kernel::Batch;
use crate::num;
use crate::ppo::{Context, NeuronConfig, NeuronPolicy, NeuronPpo, Side};
use crate::slab::{Arena, Need};
use crate::world::FeatureSet;

/// `ppo-neuron`.
pub(crate) struct PpoNeuron;

/// Settings for one context: 32 samples of it make an update.
const CONFIG: NeuronConfig = NeuronConfig {
    contexts: 1,
    samples: 32,
    epochs: 6,
    learning_rate: 1e-2,
    learning_rate_end: 0.1,
    clip: 0.2,
    max_grad_norm: 1.0,
    log_std: -1.0,
    log_std_low: -3.0,
    log_std_high: 0.5,
    responds: true,
};

/// Units of the hidden layers.
const HIDDEN: usize = 16;

const NO_VIEW: EditError =
    EditError::Unfit("it needs a view of the layer, which this job does not give");

fn policy(features: FeatureSet) -> NeuronPolicy {
    NeuronPolicy {
        row_features: features.rows(),
        column_features: features.columns(),
        hidden: HIDDEN,
        rank: 1,
    }
}

/// The job as what a policy is trained on: its features, and its reward.
struct Watched<'w, 'a> {
    job: &'w mut Job<'a>,
    shape: (usize, usize),
    column_features: &'w [f32],
    scaled: &'w mut [f32],
}

impl Context for Watched<'_, '_> {
    fn rows(&self) -> usize {
        self.shape.0
    }

    fn columns(&self) -> usize {
        self.shape.1
    }

    fn column_features(&self) -> &[f32] {
        self.column_features
    }

    fn row_features(&mut self, v: &[f32], features: &mut [f32]) -> Result<(), EnvError> {
        let neurons = self.job.sight().and_then(|sight| sight.neurons.first_mut());
        let neurons = neurons.ok_or(EnvError::Failed("the job gives no view of the layer"))?;
        neurons
            .row_features(v, features)
            .map_err(|_| EnvError::Failed("the rows' features could not be taken"))
    }

    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        self.scaled.copy_from_slice(action);
        at_own_step(self.scaled, self.shape.0);
        self.job.try_actions(self.scaled)
    }
}

/// The world of an editor with a view reaches further than its own step, which is what is learned at.
fn at_own_step(action: &mut [f32], rows: usize) {
    for value in action.iter_mut().take(rows) {
        *value /= REACH;
    }
}

/// Rows, columns and features of the one class to forget.
fn seen(sight: &Sight<'_>) -> Result<(usize, usize, FeatureSet), EditError> {
    match &*sight.neurons {
        [one] => Ok((one.outputs(), one.inputs(), one.request().features)),
        [] => Err(NO_VIEW),
        _ => Err(EditError::Unfit("it learns to forget one class at a time")),
    }
}

impl Editor for PpoNeuron {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        // The largest set of features; rows and columns together are the action of rank 1.
        let (n, policy) = (shape.spec.action.len, policy(FeatureSet::All));
        let most = policy.row_features.max(policy.column_features);
        NeuronPpo::need(&policy, &CONFIG, (n, n), 1)
            .and(Need::f32s(2 * n + 2 * Batch::lanes(n).len(most) + policy.scratch()))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let (kernel, seed, n) = (job.settings().kernel, job.seed(), job.spec().action.len);
        let update = CONFIG.evaluations() as u64;
        if job.remaining() < update {
            return Err(EditError::Budget { need: update, have: job.remaining() });
        }
        let sight = job.sight().ok_or(NO_VIEW)?;
        let (rows, columns, features) = seen(sight)?;
        if rows + columns != n {
            return Err(NO_VIEW);
        }
        let policy = policy(features);
        let column_features = arena.take(Batch::lanes(columns).len(policy.column_features))?;
        if let Some(neurons) = sight.neurons.first() {
            column_features.copy_from_slice(neurons.column_features());
        }
        let (scaled, action) = (arena.take(n)?, arena.take(n)?);
        let row_features = arena.take(Batch::lanes(rows).len(policy.row_features))?;
        let scratch = arena.take(policy.scratch())?;
        let mut ppo = NeuronPpo::new(policy, CONFIG, kernel, (rows, columns), 1, seed, arena)?;
        let updates = job.remaining() / update;
        for index in 0..updates {
            let mut context =
                Watched { job: &mut *job, shape: (rows, columns), column_features, scaled };
            ppo.update(&mut [&mut context], index as f32 / updates as f32)?;
        }
        // Without noise: columns first, as rows respond to them.
        let (u, v) = action.split_at_mut(rows);
        let parameters = ppo.parameters();
        policy.means(kernel, parameters, Side::Columns, columns, column_features, scratch, v)?;
        v.iter_mut().for_each(|value| *value = num::tanh(*value));
        let neurons = job.sight().and_then(|sight| sight.neurons.first_mut()).ok_or(NO_VIEW)?;
        neurons.row_features(v, row_features)?;
        policy.means(kernel, parameters, Side::Rows, rows, row_features, scratch, u)?;
        u.iter_mut().for_each(|value| *value = num::tanh(*value));
        at_own_step(action, rows);
        job.set_policy(action);
        Ok(Outcome::Actions)
    }
}
