//! What forward passes show of the rows and columns of a layer, for policies that act on each alike.
//!
//! What belongs here: the features of rows and columns, the effective next layer, and the size of
//! step that the network's own confidence asks for. What does not: the policy (`ppo`), closed-form
//! edits made of the same numbers (`editor`).
//!
//! For a forget class c, [`Neurons`] streams once over the samples of the reward split, forget (label
//! c) and retain (all others), and keeps moments of the layer's input x, its output P before the
//! activation and H after it. What lies behind the layer is a black box that is run forward:
//! the *effective next layer* `O[k, j]` is the mean over forget samples of
//! `(z_k(H + δ_j e_j) − z_k(H)) / δ_j`, z the logits and `δ_j = .5·max(std_f H_j, .2·mean_j std_f H_j)`.
//! It equals the next layer's weights where that layer gives the logits, and stands in for the rest
//! of the network where it does not, so one policy edits any depth.
//!
//! Of a convolution the columns are its taps (input channel, kernel row, kernel column; beyond the border 0), the
//! rows its output channels. Moments are over samples and positions, `O[k, j]` is what raising channel j at every
//! position does, and of each sample that is kept for systems of equations and responses one position is.

mod act;
mod assemble;
mod build;
mod closed;
mod context;
mod covariance;
mod features;
mod look;
mod pass;
mod positions;
mod response;
mod settle;
mod solve;
mod statistics;

pub use build::{MAX_FORGET, MAX_RETAIN, NeuronRequest, Neurons, PROBES};
pub use context::NeuronContext;
pub use features::{FEATURE_VERSION, FeatureSet};
pub(super) use features::{put, rmsn, std1};
pub use settle::LENGTHS;
