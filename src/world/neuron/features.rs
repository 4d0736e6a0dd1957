//! The feature sets, their names, and how a feature is normalised.

use crate::kernel::LANES;
use crate::num;
use crate::world::COLUMN_FEATURES;

/// Version of the definitions below: a policy that was trained on another one is refused.
pub const FEATURE_VERSION: u32 = 1;

/// A set of features. With `f` and `r` for means over forget and retain samples, `gp` for the
/// sensitivity `O[c, j] − Σ_k q_k O[k, j]` (q the mean softmax over the other classes on forget
/// samples), `rmsn(x) = x / rms(x)` and `std1(x) = (x − mean) / std` over the neurons of the layer,
/// everything held to [−4, 4] and 0 where a denominator is 0 (std1 also below 1e-5 of the mean). Of a convolution
/// columns are taps, rows channels, and samples are counted once for every position:
///
/// | columns | |
/// | --- | --- |
/// | `mf`, `mr`, `sr` | std1 of f(x), r(x), std over retain |
/// | `wn`, `wm` | std1 of the norm, rmsn of the mean of the column's weights |
/// | `z` | rmsn of (f(x) − r(x)) / (std_r + .1 · layer mean of std_r) |
/// | `flow` | rmsn of Σ_j W_ji gp_j P(H_j > 0 on forget) |
/// | `lda`, `lda3` | rmsn of (E_r[x xᵀ] + ρ·tr/d·I)⁻¹ f(x), ρ = .03 and 3 |
///
/// | rows | |
/// | --- | --- |
/// | `hf`, `hr`, `sr`, `wn`, `wm`, `z` | as for columns, of H and of the row's weights |
/// | `pz` | rmsn of f(P) − r(P) |
/// | `g`, `gp`, `o7` | rmsn of O[c, j] − mean of the others, of gp, of O[c, j] |
/// | `ostd` | std1 of the deviation of O[k, j] over k ≠ c |
/// | `lr` | rmsn of Σ_i W_ji max(0, f(x_i) − r(x_i)) |
/// | `act` | P(H_j > 0 on forget) − P(H_j > 0 on retain) |
/// | `lf` | rmsn of Σ_i W_ji abs(lda_i) f(x_i) |
/// | five of the response | see [`Neurons::row_features`](super::Neurons::row_features) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureSet {
    /// 13 of a row (`hf` … `act`), 7 of a column (`mf` … `flow`): no system of equations is solved.
    Core,
    /// `Core` and `lda3`: the default in ShiftWorld.
    CoreLda3,
    /// `Core`, `lda`, `lf`, and rows that respond to the columns' choice: the default in MaskWorld.
    All,
    /// The words of a classifier of texts: 1 of a row, 7 of a column, see
    /// [`Columns`](crate::world::Columns). [`Neurons`](super::Neurons) do not have it.
    Words,
}

impl FeatureSet {
    /// Every set that [`Neurons`](super::Neurons) have.
    pub const ALL: [Self; 3] = [Self::Core, Self::CoreLda3, Self::All];

    /// "core", "core+lda3", "all" or "words".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::CoreLda3 => "core+lda3",
            Self::All => "all",
            Self::Words => "words",
        }
    }

    /// The set of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Words]).find(|set| set.name() == name)
    }

    /// Number of features of a row.
    pub const fn rows(self) -> usize {
        match self {
            Self::Core | Self::CoreLda3 => 13,
            Self::All => 14 + RESPONSES,
            Self::Words => 1,
        }
    }

    /// Number of features of a column.
    pub const fn columns(self) -> usize {
        match self {
            Self::Core => 7,
            Self::CoreLda3 | Self::All => 8,
            Self::Words => COLUMN_FEATURES,
        }
    }

    /// Whether rows respond to the columns' choice.
    pub const fn responds(self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether inputs of the layer are kept: a system of equations is solved.
    pub const fn keeps(self) -> bool {
        !matches!(self, Self::Core | Self::Words)
    }

    /// How many features of a column, the first ones, say something of it whatever the edit pushes at: `mf` to `z`.
    pub(super) const fn descriptive(self) -> usize {
        match self {
            Self::Words => 0,
            _ => 6,
        }
    }

    pub(super) const fn ridge(self) -> f32 {
        match self {
            Self::CoreLda3 => 3.0,
            _ => 0.03,
        }
    }
}

/// Features of a row's response.
pub(super) const RESPONSES: usize = 5;

/// Features beyond this are held to it.
const LIMIT: f32 = 4.0;

/// How a feature is made comparable between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    /// (x − mean) / std, held to ±4; zeros where all values are the same up to rounding: noise would
    /// be blown up to a feature.
    Std1,
    /// x / rms(x), held to ±4; zeros where the rms is 0.
    Rmsn,
    /// As it is.
    None,
}

/// A normalisation with the numbers of one layer: the centre, and the rms around it, which is 0 where the feature is
/// zero throughout and below 0 where it is left as it is.
pub(super) type Normal = [f32; 2];

const LEFT: Normal = [0.0, -1.0];

impl Norm {
    /// Takes the numbers of a feature's values, one per neuron; leaves them centred.
    pub(super) fn measure(self, values: &mut [f32]) -> Normal {
        let centre = match self {
            Self::Std1 => num::mean(values),
            Self::Rmsn => 0.0,
            Self::None => return LEFT,
        };
        if self == Self::Std1 {
            values.iter_mut().for_each(|value| *value -= centre);
        }
        let rms = num::rms(values);
        let same = self == Self::Std1 && rms <= SAME * num::abs(centre);
        [centre, if same { 0.0 } else { rms }]
    }

    /// Normalises a feature's values, one per neuron.
    pub(super) fn apply(self, values: &mut [f32]) {
        let [_, rms] = self.measure(values);
        values.iter_mut().for_each(|value| *value = normal_of(*value, [0.0, rms]));
    }
}

/// One value as it is among all others.
pub(super) fn normal_of(value: f32, [centre, rms]: Normal) -> f32 {
    if rms < 0.0 {
        return value;
    }
    // An rms that is no number makes zeros, as 0 does.
    if rms > 0.0 { held((value - centre) / rms) } else { 0.0 }
}

/// x / rms(x), held to ±4; zeros where the rms is 0.
pub(in crate::world) fn rmsn(values: &mut [f32]) {
    Norm::Rmsn.apply(values);
}

/// (x − mean) / std, held to ±4; zeros where all values are the same up to rounding.
pub(in crate::world) fn std1(values: &mut [f32]) {
    Norm::Std1.apply(values);
}

/// Values whose deviation is below this part of their mean are the same.
const SAME: f32 = 1e-5;

fn held(value: f32) -> f32 {
    value.clamp(-LIMIT, LIMIT)
}

/// Puts one feature of all neurons into panels of `features` features.
pub(in crate::world) fn put(panels: &mut [f32], features: usize, feature: usize, values: &[f32]) {
    for (panel, values) in panels.chunks_mut((features * LANES).max(1)).zip(values.chunks(LANES)) {
        let lanes = panel.get_mut(feature * LANES..).unwrap_or_default();
        for (to, &value) in lanes.iter_mut().zip(values) {
            *to = value;
        }
    }
}
