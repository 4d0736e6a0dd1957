//! Watching a command at work.

use super::record::RunRecord;

/// Somebody who watches: a progress bar, or nobody. Called from several threads.
pub trait Observer: Sync {
    /// A phase of `units` units begins.
    fn phase(&self, name: &str, units: usize) {
        let _ = (name, units);
    }

    /// A unit has moved on by `done` of the work of one unit (0 to 1 over its life).
    fn advanced(&self, fraction: f64) {
        let _ = fraction;
    }

    /// A unit of the current phase has ended.
    fn finished(&self, unit: &str) {
        let _ = unit;
    }

    /// Something that a user should know at once.
    fn warning(&self, text: &str) {
        let _ = text;
    }

    /// A run has been recorded.
    fn recorded(&self, run: &RunRecord) {
        let _ = run;
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
