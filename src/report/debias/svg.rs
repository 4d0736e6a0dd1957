//! Plots.
use crate::run::debias::DebiasResults;
/// Groups.
pub fn groups_svg(_: &DebiasResults) -> Option<String> {
    None
}
/// Front.
pub fn front_svg(_: &DebiasResults) -> Option<String> {
    None
}
