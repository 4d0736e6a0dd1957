//! Both worlds over a network of 8-bit integers.
//!
//! What belongs here: how an action changes integers and scales, and the environment around that. What does
//! not: how a quantised network is run (`model::int8`), what it is paid for (`task`).
//!
//! # What an action does
//!
//! *MaskWorld* on weights: `q ← round(q·(1 + s·D))`. *ShiftWorld*: `q ← round(q + s·u·D/scale)`, scale the row's
//! and u the rms of the layer as real numbers. Halves round away from zero. What lies beyond ±127 is held there, or
//! the row's scale is doubled until it fits ([`Int8Range`]); a step that leaves a weight's integer where it
//! was changes nothing, so small steps are lost.
//!
//! *MaskWorld on row multipliers* ([`Int8Form::RowMultipliers`]): an action is one number for each row, and
//! the row's fixed-point factor becomes `1 + s·u` times itself, 0 at the least. Weights stay, in flash if need be. The
//! row's bias is scaled with it, as it is part of the sum that the factor multiplies.
//!
//! # The rank of a rounded change
//!
//! An action of rank r asks for a change of rank r; rounding adds up to half an integer to every entry, and that
//! has any rank. So a step of ShiftWorld is declared as [`Edit::Rounded`](crate::env::Edit::Rounded): within `rounding`, half of the
//! largest row's scale, of a matrix of rank r. Where weights are held at ±127 no rank is claimed at all.

mod env;
mod form;
mod value;

pub use env::Int8World;

/// What of a layer is edited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Int8Form {
    /// Its weights, by both factors of an action.
    #[default]
    Weights,
    /// Its rows' factors, by one number each: for masks alone.
    RowMultipliers,
}

/// What becomes of weights beyond ±127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Int8Range {
    /// They are held there.
    Saturate,
    /// Their row's scale is doubled, and its weights and bias are halved, as often as it takes.
    #[default]
    Grow,
}
