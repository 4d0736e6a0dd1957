//! What the settings of `unlearn` come to in a world: step, rank, what pays, evaluations.

use super::config::{Preset, UnlearnConfig};
use super::erase::{COLD_BUDGET, Erase, WARM_BUDGET};
use crate::editor::{EditorInfo, EditorKind, REACH, View, full_rank_step};
use crate::task::RewardKind;
use crate::world::{Config, Unit as StepUnit, WorldKind};

impl UnlearnConfig {
    pub(super) fn reward_kind(&self) -> RewardKind {
        self.reward.unwrap_or(match self.preset {
            Preset::Edit => RewardKind::Probability,
            Preset::Paper => RewardKind::Accuracy,
        })
    }

    /// The world of `kind` under this configuration.
    pub fn world(&self, kind: WorldKind) -> Config {
        let mut world = match self.preset {
            Preset::Edit => Config::new(kind),
            Preset::Paper => Config::paper(kind),
        };
        if let Some(unit) = self.unit {
            world.unit = unit;
        }
        world.step = self.step.unwrap_or(match (kind, world.unit) {
            (WorldKind::Mask, _) if self.preset == Preset::Paper => 1.0,
            (WorldKind::Shift, StepUnit::Absolute) => ABSOLUTE_STEP,
            _ if matches!(self.erase, Some(Erase::Cold | Erase::Off)) => {
                // The entries of D shrink as 1/√r.
                world.step * (self.rank as f32).sqrt()
            }
            _ => world.step,
        });
        world.rank = self.rank;
        world.lambda = self.lambda;
        world.horizon = self.episode_length;
        world
    }

    /// The world of an editor that sees the layer: its step reaches further, its rank is the number of
    /// classes.
    pub(super) fn world_of_view(&self, kind: WorldKind) -> Config {
        let mut world = Config::new(kind);
        world.lambda = self.lambda;
        world.rank = self.forget.len().max(1);
        world.step = self.step_of_view(kind) * REACH * world.rank as f32;
        world
    }

    /// The world of an editor that scales single weights of a layer of inputs × outputs: a mask of full rank.
    pub(super) fn world_of_weights(&self, (inputs, outputs): (usize, usize)) -> Config {
        let mut world = Config::new(WorldKind::Mask);
        world.lambda = self.lambda;
        world.rank = inputs.min(outputs).max(1);
        world.step = full_rank_step(world.rank);
        world
    }

    /// The step of such an editor before its world's reach.
    pub(super) fn step_of_view(&self, kind: WorldKind) -> f32 {
        self.step.unwrap_or(Config::new(kind).step)
    }

    /// Evaluations of an editor in a world.
    pub(super) fn budget_for(&self, editor: &EditorInfo, kind: WorldKind) -> u64 {
        match editor.view {
            View::None => self.budget_of(kind),
            View::Inputs if editor.kind == EditorKind::Closed => 0,
            View::Inputs => self.budget.unwrap_or(WARM_BUDGET),
            // A policy that learns here needs what searches need.
            View::Neurons if editor.kind == EditorKind::Reward => self.budget_of(kind),
            View::Neurons | View::Policy => self.budget.unwrap_or(VIEW_BUDGET),
        }
    }

    pub(super) fn budget_of(&self, kind: WorldKind) -> u64 {
        self.budget.unwrap_or(match (self.preset, kind) {
            _ if self.erase == Some(Erase::Warm) => WARM_BUDGET,
            _ if self.erase.is_some() => COLD_BUDGET,
            (Preset::Paper, _) => 10_240,
            (Preset::Edit, WorldKind::Shift) => 2_000,
            (Preset::Edit, WorldKind::Mask) => 5_000,
        })
    }
}

/// Evaluations of editors that see the layer: ten scales of three policies, then as many of a search.
const VIEW_BUDGET: u64 = 60;

/// ShiftWorld's step in absolute units: what 1.5 × rms is for the layer 128 × 32 of `digits-cnn`.
const ABSOLUTE_STEP: f32 = 0.2;
