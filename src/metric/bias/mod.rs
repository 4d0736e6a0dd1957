//! Bias of a classifier between groups of samples: rates, gaps, AUCs per group, and what chance gives.
//!
//! What belongs here: figures that compare groups, from scores, labels and who belongs where. What
//! does not: which words or columns make a group (`data`), and what an editor is paid for (`task`).
//!
//! Labels: 1 is positive (toxic), any other value negative. Scores: higher is more toxic; a sample is
//! predicted positive iff its score ≥ the threshold. A rate without samples is undefined: it is
//! skipped and counted, and never stands as 0.

mod jigsaw;
mod null;
mod planes;
mod rates;
mod threshold;

pub use jigsaw::{GroupAucs, Jigsaw, jigsaw, jigsaw_scratch};
pub use null::{Null, null_gap, null_gap_scratch};
pub use planes::{BitPlanes, predict};
pub use rates::{
    Gap, GapKind, Rates, Spread, demographic_parity_difference, equalized_odds_difference,
    equalized_odds_gap, fnr_gap, fpr_gap, gap, gap_of, gaps_of, rates,
};
pub use threshold::{matched_threshold, matched_threshold_scratch};

use super::MetricError;
use crate::error::ShapeError;

/// Most groups of one membership: the bits of a word.
pub const MOST_GROUPS: usize = 64;

/// Which samples belong to which groups. Groups may overlap and may be empty.
#[derive(Clone, Copy, Debug)]
pub struct Membership<'a> {
    /// Number of groups, at most [`MOST_GROUPS`]. Bits above it are ignored.
    pub groups: usize,
    /// Per sample: bit g is set when it belongs to group g.
    pub members: &'a [u64],
    /// Per sample: bit g is set when nobody said. The sample is then neither in group g nor among
    /// the others that g is compared with; it still counts overall. An empty slice: all is known.
    pub missing: &'a [u64],
}

impl Membership<'_> {
    /// Checks the number of groups and the lengths.
    fn check(&self, samples: usize) -> Result<(), MetricError> {
        if self.groups > MOST_GROUPS {
            return Err(MetricError::TooManyGroups { groups: self.groups });
        }
        ShapeError::check("members", samples, self.members.len())?;
        if !self.missing.is_empty() {
            ShapeError::check("missing", samples, self.missing.len())?;
        }
        Ok(())
    }

    /// Bits of the groups that exist.
    fn mask(&self) -> u64 {
        match self.groups {
            0 => 0,
            groups => u64::MAX >> MOST_GROUPS.saturating_sub(groups),
        }
    }

    /// Bits of the groups that a sample is known to belong to.
    fn inside(&self, index: usize) -> u64 {
        self.members.get(index).map_or(0, |members| members & !self.unknown(index) & self.mask())
    }

    /// Bits of the groups that a sample is known not to belong to.
    fn outside(&self, index: usize) -> u64 {
        self.members.get(index).map_or(0, |members| !members & !self.unknown(index) & self.mask())
    }

    fn unknown(&self, index: usize) -> u64 {
        self.missing.get(index).copied().unwrap_or(0)
    }
}
