//! What an editor may see of the edited layer besides the reward.

use crate::error::ShapeError;
use crate::ppo::NeuronPolicy;
use crate::world::{Columns, FeatureSet, Neurons, WorldKind};

/// How far beyond its own step s the world of an editor with a [`Sight`] reaches: the calibration
/// raises s up to five-fold, the scale search doubles that. Such a world has the step
/// `s · REACH · classes` and rank `classes`, so that the sum of one rank-1 edit per class, each
/// raised to its own calibrated step, is an action inside [−1, 1].
pub const REACH: f32 = 10.0;

/// What forward passes show of the edited layer, one view per class to forget, and the policies that
/// were trained to act on it.
#[derive(Debug)]
pub struct Sight<'a> {
    /// One view per class.
    pub neurons: &'a mut [Neurons<'a>],
    /// The view of a classifier of texts, in place of those.
    pub columns: Option<&'a Columns<'a>>,
    /// Trained policies, for the editors that need them.
    pub policies: Option<Policies<'a>>,
    /// Step s of the world before [`REACH`].
    pub step: f32,
}

/// Policies of one design, trained with different seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policies<'a> {
    /// The world that they act in.
    pub kind: WorldKind,
    /// The features that they see.
    pub features: FeatureSet,
    /// Step s that they were trained with.
    pub step: f32,
    policy: NeuronPolicy,
    parameters: &'a [f32],
}

impl<'a> Policies<'a> {
    /// Policies of rank 1 whose parameters lie one after the other.
    ///
    /// # Errors
    /// [`ShapeError`] when the slice does not hold a whole number of them, at least one.
    pub fn new(
        kind: WorldKind,
        features: FeatureSet,
        step: f32,
        hidden: usize,
        parameters: &'a [f32],
    ) -> Result<Self, ShapeError> {
        let policy = NeuronPolicy {
            row_features: features.rows(),
            column_features: features.columns(),
            hidden,
            rank: 1,
        };
        let (each, found) = (policy.parameters(), parameters.len());
        if found == 0 || !found.is_multiple_of(each) {
            return Err(ShapeError { what: "policy parameters", expected: each, found });
        }
        Ok(Self { kind, features, step, policy, parameters })
    }

    /// The sizes of each.
    pub fn policy(&self) -> NeuronPolicy {
        self.policy
    }

    /// How many there are.
    pub fn seeds(&self) -> usize {
        self.parameters.len() / self.policy.parameters()
    }

    /// Parameters of policy `seed`; `None` where there is none.
    pub fn parameters(&self, seed: usize) -> Option<&'a [f32]> {
        let each = self.policy.parameters();
        self.parameters.get(seed.checked_mul(each)?..seed.checked_add(1)?.checked_mul(each)?)
    }
}

/// What a transferred policy does after its first action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refine {
    /// Nothing: no evaluation at all.
    None,
    /// The best of ten scales of the calibrated step, for each policy.
    Scale,
    /// The same, then a (1+1)-ES from the best for the rest of the budget.
    Es,
}

impl Refine {
    /// "none", "scale" or "es".
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Scale => "scale",
            Self::Es => "es",
        }
    }

    /// What is done unless asked otherwise: in ShiftWorld nothing, where more only overfits the reward
    /// split; in MaskWorld everything.
    pub const fn default_of(kind: WorldKind) -> Self {
        match kind {
            WorldKind::Shift => Self::None,
            WorldKind::Mask => Self::Es,
        }
    }
}

/// Where the length of a transferred policy's first step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Predicted from what one pass showed ([`Neurons::calibration`]): the edited layer is not run.
    Predicted,
    /// That prediction, set right by passes of some samples through the edited layer
    /// ([`Neurons::settle`]): no reward, but labels and logits after the edit are looked at.
    Settled,
}

impl Length {
    /// "predicted" or "settled".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Predicted => "predicted",
            Self::Settled => "settled",
        }
    }

    /// What is done unless asked otherwise: scales find their length by reward; where nothing follows, the first has
    /// to be the right one.
    pub const fn default_of(refine: Refine) -> Self {
        match refine {
            Refine::None => Self::Settled,
            Refine::Scale | Refine::Es => Self::Predicted,
        }
    }
}

/// Factors of the calibrated step that a scale search tries.
pub const SCALES: [f32; 10] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.6, 2.0];
