//! Products and the functions around them: the only room with `unsafe`.
//!
//! What belongs here: loops over matrices, convolutions, activations and optimiser steps, once as
//! portable code and once for each instruction set, behind a safe API that checks every length
//! itself. What does not: parameters, graphs, anything that knows what a network is.
//!
//! # Same bits everywhere
//!
//! Every output of a product is one chain of fused multiply-adds over its inner index in rising
//! order, starting from the bias, from zero or from a value already there. Kernels vectorise over
//! outputs or samples, never over the inner index, so blocking, vector width and backend cannot
//! change a bit. Activations and optimiser steps are unfused and element by element.
//!
//! # Layout
//!
//! Activations lie in panels, `[panel][feature][lane]` ([`Batch`]). Weights are stored in × out (the
//! inner index outermost), for convolutions `[taps][output channels]`.
//!
//! # `unsafe`
//!
//! Three things need it: intrinsics, whose presence a token proves (`isa`); reads and writes of a
//! register tile, whose extent it tests first (`tile`, `together`, `low_rank`, `sparse`, `int8`); calls into code
//! compiled for an instruction set, which only a [`Kernel`] of that set makes (`dispatch`).
#![allow(unsafe_code)]

mod backend;
mod bag;
#[cfg(feature = "std")]
pub mod bench;
mod columns;
mod conv;
mod dispatch;
mod element;
mod function;
pub mod int8;
mod isa;
mod layout;
mod low_rank;
#[cfg(test)]
mod naive;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod neon;
mod panels;
mod peak;
mod pool;
mod product;
mod shape;
mod sparse;
#[cfg(test)]
mod tests;
mod tile;
mod together;
// Only cores of the M profile lack 64-bit atomics.
#[cfg(all(
    target_arch = "arm",
    target_os = "none",
    target_abi = "eabihf",
    not(target_has_atomic = "64")
))]
mod thumb;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use backend::{Backend, Kernel};
pub use bag::Bag;
pub use shape::{Batch, Conv2d, LANES, Pool2d, TOGETHER};
pub(crate) use tile::copy;

/// What the chains of a product start from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// One value per output: the bias.
    Bias(&'a [f32]),
    /// One value per output and sample, laid out as the result: a product that is continued.
    Values(&'a [f32]),
}

/// A matrix `inputs × outputs` of low rank: V·U.
#[derive(Clone, Copy, Debug)]
pub struct LowRank<'a> {
    /// Inputs of the layer that it changes.
    pub inputs: usize,
    /// Rank r.
    pub rank: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// V, `inputs × r`.
    pub v: &'a [f32],
    /// U, `r × outputs`.
    pub u: &'a [f32],
}

/// The settings of one Adam step (Kingma and Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate α.
    pub rate: f32,
    /// Decay of the first moment β₁.
    pub beta1: f32,
    /// Decay of the second moment β₂.
    pub beta2: f32,
    /// ε, added to the root of the corrected second moment.
    pub epsilon: f32,
    /// 1 − β₁ᵗ.
    pub correction1: f32,
    /// 1 − β₂ᵗ.
    pub correction2: f32,
}
