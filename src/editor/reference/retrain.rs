//! Retraining without the forget set, with the target's own initialisation and sample order.

use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::model::{train_need, train_where};
use crate::slab::{Arena, Need};

/// `retrain`.
pub(crate) struct Retrain;

impl Editor for Retrain {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        shape.training.map_or(Need::default(), |set| {
            train_need(shape.stack, set.samples.batch.samples(), &set.training)
        })
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let network = job.network().ok_or(EditError::Unfit("there is no network to retrain"))?;
        let set = network
            .training
            .ok_or(EditError::Unfit("what the network was trained on is not known"))?;
        let forget = network.forget;
        let labels = set.samples.labels;
        train_where(
            network.kernel,
            network.stack,
            network.parameters,
            &set.samples,
            &|index| labels.get(index).is_some_and(|&label| !set.forgets(forget, index, label)),
            &set.training,
            set.seed,
            arena,
            &mut |_| {},
        )?;
        Ok(Outcome::Network)
    }
}
