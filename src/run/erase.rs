//! The settings of erasure (`unlearn --erase`).

use super::config::UnlearnConfig;
use crate::task::{ErasureConfig, Refit};

/// How features are made to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// From mean match on, paid by a softmax refit of the last layer.
    Warm,
    /// From scratch, paid by a refit by least squares and discriminants.
    Cold,
    /// The settings of [`Cold`](Self::Cold) without the refit in the reward: its control.
    Off,
}

impl Erase {
    /// "warm", "cold" or "off".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Off => "off",
        }
    }
}

/// The editors of warm erasure.
const ERASE_EDITORS: &[&str] =
    &["mean-match-warm", "mean-match", "leace", "logit-mask", "none", "retrain"];

/// The editors of erasure from scratch, and of its control.
const COLD_EDITORS: &[&str] = &["sep-cma-es", "logit-mask", "none", "retrain"];

/// Evaluations of warm erasure: more drift away from it.
pub(super) const WARM_BUDGET: u64 = 300;

/// Evaluations, rank and initial step size of erasure from scratch. More evaluations cost retain accuracy.
pub(super) const COLD_BUDGET: u64 = 3_000;
const COLD_RANK: usize = 4;
pub(super) const COLD_SIGMA: f32 = 0.4;

impl UnlearnConfig {
    /// The defaults of erasure: rank, editors, and λ for the weights of its four terms.
    pub fn erasing(erase: Erase, then_mask: bool) -> Self {
        let editors = match erase {
            Erase::Warm => ERASE_EDITORS,
            Erase::Cold | Erase::Off => COLD_EDITORS,
        };
        let config = Self {
            editors: editors.iter().map(ToString::to_string).collect(),
            rank: if erase == Erase::Warm { 1 } else { COLD_RANK },
            erase: Some(erase),
            then_mask,
            ..Self::default()
        };
        let lambda = config.erasure().map_or(config.lambda, |erasure| erasure.lambda());
        Self { lambda, ..config }
    }

    /// What erasure pays for, if it does.
    pub(super) fn erasure(&self) -> Option<ErasureConfig> {
        let config = match self.erase? {
            Erase::Warm => ErasureConfig::warm(),
            Erase::Cold => ErasureConfig::cold(),
            Erase::Off => return None,
        };
        let config = ErasureConfig { refit: self.refit.unwrap_or(config.refit), ..config };
        Some(if self.then_mask { config.masked() } else { config })
    }

    /// Whether a refit looks at every hidden layer behind the first edited one.
    pub(super) fn deep(&self) -> bool {
        let softmax = self.erasure().is_some_and(|erasure| erasure.refit == Refit::Softmax);
        self.deep.unwrap_or(softmax)
    }

    /// What has to be said of all runs.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(erasure) = self.erasure() {
            notes.push(format!(
                "The reward pays for erasure: a {} refit of the last layer{} is part of utility and edit. What \
                 that refit finds is what the editors were paid for, so it is no evidence; probes are.",
                erasure.refit.name(),
                if self.deep() { ", on every hidden layer behind the first edited one," } else { "" }
            ));
        }
        if self.then_mask {
            notes.push(
                "After every edit (references aside) the forgotten classes' outputs were switched off, as by \
                 logit-mask: forget accuracy is 0 for that reason alone."
                    .into(),
            );
        }
        notes
    }
}
