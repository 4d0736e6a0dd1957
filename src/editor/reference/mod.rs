//! What an honest report compares with.

mod logit_mask;
mod none;
mod retrain;

pub(super) use logit_mask::LogitMask;
pub use logit_mask::mask_logits;
pub(super) use none::Untouched;
pub(super) use retrain::Retrain;
