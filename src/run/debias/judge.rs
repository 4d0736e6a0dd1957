//! The reward of whole networks, for references that search.

use super::material::Material;
use super::measure::membership;
use super::net::{Net, Weights};
use super::target::TextTarget;
use crate::data::text::{BagSet, Comments};
use crate::editor::EditError;
use crate::editor::text::Judge;
use crate::kernel::Kernel;
use crate::model::Split;
use crate::run::error::RunError;
use crate::slab::{Heap, Need};
use crate::task::{Debiasing, DebiasingConfig, DebiasingPart, Score, Task};
use std::sync::Arc;

/// The reward split as the task judges it: one or two parts.
pub(super) struct Court {
    pub(super) bag: Arc<BagSet>,
    pub(super) labels: Vec<u8>,
    parts: Vec<Arc<Comments>>,
    matched: Vec<Option<f64>>,
}

impl Court {
    /// Over the reward split of `material`; `matched` are the unedited network's false positive rates of
    /// its parts, where the bias is measured at the matched threshold.
    pub(super) fn new(material: &Material, matched: Vec<Option<f64>>) -> Self {
        let mut bag = Arc::clone(&material.reward.bag);
        let mut parts = vec![Arc::clone(&material.reward.comments)];
        if let Some(beside) = &material.beside {
            bag = Arc::new(bag.joined(&beside.bag));
            parts.push(Arc::clone(&beside.comments));
        }
        let labels = parts.iter().flat_map(|part| part.labels.iter().copied()).collect();
        Self { bag, labels, parts, matched }
    }

    fn sizes(&self) -> Vec<(usize, usize)> {
        self.parts.iter().map(|part| (part.len(), part.groups.len())).collect()
    }

    /// Memory of the task, and its wide words.
    pub(super) fn need(&self) -> (Need, usize) {
        let sizes = self.sizes();
        (Debiasing::need(&sizes), Debiasing::scratch(&sizes))
    }

    /// The task.
    pub(super) fn task<'a>(
        &'a self,
        config: DebiasingConfig,
        target: &'a TextTarget,
        heap: &'a mut Heap,
        wide: &'a mut [u64],
    ) -> Result<Debiasing<'a>, RunError> {
        let parts: Vec<DebiasingPart<'_>> = self
            .parts
            .iter()
            .zip(self.matched.iter().copied().chain([None, None]))
            .map(|(part, matched)| DebiasingPart {
                labels: &part.labels,
                membership: membership(part),
                matched,
            })
            .collect();
        let readout = target.language.readout();
        Ok(Debiasing::new(config, readout, &parts, &mut heap.arena(), wide)?)
    }
}

/// A network's reward, run from the words.
pub(super) struct WholeNetwork<'a> {
    pub(super) kernel: Kernel,
    pub(super) target: &'a TextTarget,
    pub(super) court: &'a Court,
    pub(super) task: Debiasing<'a>,
    pub(super) lambda: f32,
}

impl WholeNetwork<'_> {
    /// The score of a network like the target.
    pub(super) fn score(&mut self, net: Net<'_>) -> Result<Score, RunError> {
        let Self { kernel, court, task, .. } = self;
        net.on(*kernel, &court.bag, &court.labels, |net| task.score(net, Split::Reward))
    }
}

impl WholeNetwork<'_> {
    fn paid(&self, score: Score) -> f32 {
        self.lambda * score.utility + (1.0 - self.lambda) * score.edit
    }
}

impl Judge for WholeNetwork<'_> {
    fn reward(&mut self, parameters: &[f32]) -> Result<f32, EditError> {
        let target = self.target;
        let score = match &target.integers {
            None => self.score(Net::of_numbers(&target.stack, parameters)),
            Some(_) => Weights::written(target, parameters.to_vec())
                .and_then(|weights| self.score(weights.net(target))),
        };
        let score = score.map_err(|_| EditError::Unfit("the network could not be scored"))?;
        Ok(self.paid(score))
    }

    fn reward_at(&mut self, threshold: f32) -> Result<f32, EditError> {
        let usual = self.task.config().threshold;
        self.task.set_threshold(threshold);
        let score = self.task.rejudge();
        self.task.set_threshold(usual);
        Ok(self.paid(score?))
    }
}
