//! The table of editors.

use super::Editor;
use super::closed::{Closed, Inlp, Leace, MeanMatch, Memit, activation, lda, projection};
use super::gradient::{
    BadTeacher, FineTune, Fisher, GradientAscent, NegGrad, RandomLabels, Scrub, Ssd, Unsir,
};
use super::reference::{LogitMask, Retrain, Untouched};
use super::reward::{
    Ars, Cma, FlatPpo, MeanMatchWarm, OnePlusOne, OpenAi, PpoNeuron, Random, Savani, SepCma,
    Transferred, Variant,
};
use crate::world::WorldKind;

/// What a method may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditorKind {
    /// The reward alone.
    Reward,
    /// Gradients of the target.
    Gradient,
    /// Activations of forward passes, in closed form.
    Closed,
    /// A reference to compare with.
    Reference,
}

impl EditorKind {
    /// "reward", "gradient", "closed" or "reference".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reward => "reward",
            Self::Gradient => "gradient",
            Self::Closed => "closed",
            Self::Reference => "reference",
        }
    }
}

/// What a method sees of the edited layer, by forward passes, besides the reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Nothing.
    None,
    /// Its inputs on the reward split.
    Inputs,
    /// Statistics of its rows and columns.
    Neurons,
    /// The same, and a policy that was trained to act on them.
    Policy,
}

/// The worlds that a method acts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acts {
    /// Either.
    Both,
    /// MaskWorld alone.
    Mask,
    /// MaskWorld alone, at full rank: each weight is scaled by itself.
    MaskEach,
    /// ShiftWorld alone.
    Shift,
    /// Neither: it changes the network itself.
    Neither,
}

impl Acts {
    /// Whether it acts in that world.
    pub fn within(self, kind: WorldKind) -> bool {
        match self {
            Self::Both => true,
            Self::Mask | Self::MaskEach => kind == WorldKind::Mask,
            Self::Shift => kind == WorldKind::Shift,
            Self::Neither => false,
        }
    }
}

/// One row of the table.
pub struct EditorInfo {
    /// The name by which the program, results and documentation know it.
    pub name: &'static str,
    /// What it may look at.
    pub kind: EditorKind,
    /// Where it acts.
    pub acts: Acts,
    /// Whether it needs gradients of the target.
    pub gradients: bool,
    /// Whether it needs the samples that trained the target.
    pub training_data: bool,
    /// What it sees of the edited layer besides the reward.
    pub view: View,
    /// One line for the reader of a report.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The method.
    pub editor: &'static dyn Editor,
}

impl core::fmt::Debug for EditorInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EditorInfo")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Every editor.
pub const EDITORS: &[EditorInfo] = &[
    EditorInfo {
        name: "ppo",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "proximal policy optimisation with a network over all weights (the paper's agent)",
        source: "Schulman et al. 2017, arXiv 1707.06347; arXiv 2606.13461",
        editor: &FlatPpo,
    },
    EditorInfo {
        name: "ppo-neuron",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Neurons,
        summary: "proximal policy optimisation with one small network for all rows and one for all columns",
        source: "this project",
        editor: &PpoNeuron,
    },
    EditorInfo {
        name: "sep-cma-es",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "covariance matrix adaptation with a diagonal matrix",
        source: "Ros and Hansen 2008; Hansen 2016, arXiv 1604.00772",
        editor: &SepCma,
    },
    EditorInfo {
        name: "cma-es",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "covariance matrix adaptation with a whole matrix, for at most 600 numbers",
        source: "Hansen 2016, arXiv 1604.00772",
        editor: &Cma,
    },
    EditorInfo {
        name: "openai-es",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "mirrored Gaussian noise, centred ranks, Adam",
        source: "Salimans et al. 2017, arXiv 1703.03864",
        editor: &OpenAi,
    },
    EditorInfo {
        name: "ars",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "augmented random search: differences along the best of 16 directions",
        source: "Mania et al. 2018, arXiv 1803.07055",
        editor: &Ars,
    },
    EditorInfo {
        name: "es",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "(1+1) evolution strategy with the one-fifth success rule",
        source: "Rechenberg 1973; Kern et al. 2004",
        editor: &OnePlusOne,
    },
    EditorInfo {
        name: "policy",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Policy,
        summary: "a policy trained on other classes of other networks, applied as it is",
        source: "this project",
        editor: &Transferred(Variant::Whole),
    },
    EditorInfo {
        name: "sep-cma-es-warm",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Policy,
        summary: "sep-CMA-ES that starts from the trained policy's action",
        source: "this project",
        editor: &Transferred(Variant::Warm),
    },
    EditorInfo {
        name: "mean-match-warm",
        kind: EditorKind::Reward,
        acts: Acts::Shift,
        gradients: false,
        training_data: false,
        view: View::Inputs,
        summary: "sep-CMA-ES that starts from the action of mean-match",
        source: "this project",
        editor: &MeanMatchWarm,
    },
    EditorInfo {
        name: "policy-untrained",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Policy,
        summary: "control: the same policy before its training",
        source: "control",
        editor: &Transferred(Variant::Untrained),
    },
    EditorInfo {
        name: "policy-shuffled",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Policy,
        summary: "control: the same policy, its rows and columns exchanged at random",
        source: "control",
        editor: &Transferred(Variant::Shuffled),
    },
    EditorInfo {
        name: "random",
        kind: EditorKind::Reward,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "uniform random search, the best kept",
        source: "Bergstra and Bengio 2012",
        editor: &Random,
    },
    EditorInfo {
        name: "savani",
        kind: EditorKind::Reward,
        acts: Acts::MaskEach,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "every weight scaled at random by some 10 %, the best network kept",
        source: "Savani et al. 2020, arXiv 2006.08564",
        editor: &Savani,
    },
    EditorInfo {
        name: "projection",
        kind: EditorKind::Closed,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Neurons,
        summary: "contrast of the layer's inputs, against the class, ten scales",
        source: "difference of means: Turner et al. 2023, arXiv 2308.10248",
        editor: &Closed(projection),
    },
    EditorInfo {
        name: "lda",
        kind: EditorKind::Closed,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Neurons,
        summary: "linear discriminant of the layer's inputs, against the class, ten scales",
        source: "Fisher 1936",
        editor: &Closed(lda),
    },
    EditorInfo {
        name: "activation",
        kind: EditorKind::Closed,
        acts: Acts::Both,
        gradients: false,
        training_data: false,
        view: View::Neurons,
        summary: "least squares under the pattern of active rows, ten scales",
        source: "this project",
        editor: &Closed(activation),
    },
    EditorInfo {
        name: "mean-match",
        kind: EditorKind::Closed,
        acts: Acts::Shift,
        gradients: false,
        training_data: false,
        view: View::Inputs,
        summary: "the class's mean output carried onto that of the others, with the least change of theirs",
        source: "this project",
        editor: &MeanMatch,
    },
    EditorInfo {
        name: "leace",
        kind: EditorKind::Closed,
        acts: Acts::Neither,
        gradients: false,
        training_data: false,
        view: View::Inputs,
        summary: "least-squares concept erasure at the layer's inputs, folded into weights and biases",
        source: "Belrose et al. 2023, arXiv 2306.03819",
        editor: &Leace,
    },
    EditorInfo {
        name: "memit",
        kind: EditorKind::Closed,
        acts: Acts::Neither,
        gradients: false,
        training_data: false,
        view: View::Inputs,
        summary: "forget samples answered as their runner-up class, with the least change for the others",
        source: "Meng et al. 2023, arXiv 2210.07229",
        editor: &Memit,
    },
    EditorInfo {
        name: "inlp",
        kind: EditorKind::Closed,
        acts: Acts::Neither,
        gradients: false,
        training_data: false,
        view: View::Inputs,
        summary: "iterative null-space projection of the layer's inputs, up to 8 directions",
        source: "Ravfogel et al. 2020, arXiv 2004.07667",
        editor: &Inlp,
    },
    EditorInfo {
        name: "fine-tune",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "training goes on with the retain samples alone",
        source: "Fan et al. 2024 (their baseline), arXiv 2310.12508",
        editor: &FineTune { last: false },
    },
    EditorInfo {
        name: "fine-tune-last",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "the same, of the last dense layer alone",
        source: "Goel et al. 2022, arXiv 2201.06640",
        editor: &FineTune { last: true },
    },
    EditorInfo {
        name: "gradient-ascent",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "ascent on the loss of the forget samples until 1 % are left",
        source: "Thudi et al. 2022, arXiv 2109.13398",
        editor: &GradientAscent,
    },
    EditorInfo {
        name: "neggrad",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "descent on the retain samples and ascent on the forget samples at once (NegGrad+)",
        source: "Kurmanji et al. 2023, arXiv 2302.09880",
        editor: &NegGrad,
    },
    EditorInfo {
        name: "random-labels",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "the forget samples taught other labels at random",
        source: "Graves et al. 2021, arXiv 2010.10981",
        editor: &RandomLabels(None),
    },
    EditorInfo {
        name: "salun",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "the same, on the half of the weights that matter most to the forget samples",
        source: "Fan et al. 2024, arXiv 2310.12508",
        editor: &RandomLabels(Some(0.5)),
    },
    EditorInfo {
        name: "bad-teacher",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "the outputs of a network that knows nothing taught on the forget samples",
        source: "Chundawat et al. 2023, arXiv 2205.08096",
        editor: &BadTeacher,
    },
    EditorInfo {
        name: "unsir",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "noise against the class taught as the class, then the retain samples",
        source: "Tarun et al. 2023, arXiv 2111.08947",
        editor: &Unsir,
    },
    EditorInfo {
        name: "scrub",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "away from the former network on the forget samples, back to it on the others",
        source: "Kurmanji et al. 2023, arXiv 2302.09880",
        editor: &Scrub,
    },
    EditorInfo {
        name: "ssd",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "weights that matter to the forget samples alone dampened (selective synaptic dampening)",
        source: "Foster et al. 2024, arXiv 2308.07707",
        editor: &Ssd,
    },
    EditorInfo {
        name: "fisher",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "noise on the weights that matter little to the retain samples",
        source: "Golatkar et al. 2020, arXiv 1911.04933",
        editor: &Fisher { reset: false },
    },
    EditorInfo {
        name: "fisher-reset",
        kind: EditorKind::Gradient,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "the same, and the class's row of the last layer cleared, as in the common code",
        source: "Golatkar et al. 2020, arXiv 1911.04933",
        editor: &Fisher { reset: true },
    },
    EditorInfo {
        name: "logit-mask",
        kind: EditorKind::Reference,
        acts: Acts::Neither,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "the forgotten class's output switched off",
        source: "trivial baseline",
        editor: &LogitMask,
    },
    EditorInfo {
        name: "none",
        kind: EditorKind::Reference,
        acts: Acts::Neither,
        gradients: false,
        training_data: false,
        view: View::None,
        summary: "the network as it was",
        source: "trivial baseline",
        editor: &Untouched,
    },
    EditorInfo {
        name: "retrain",
        kind: EditorKind::Reference,
        acts: Acts::Neither,
        gradients: true,
        training_data: true,
        view: View::None,
        summary: "trained again from scratch without the forget set",
        source: "the definition of exact unlearning",
        editor: &Retrain,
    },
];

/// The editor of that name.
pub fn find(name: &str) -> Option<&'static EditorInfo> {
    EDITORS.iter().find(|editor| editor.name == name)
}
