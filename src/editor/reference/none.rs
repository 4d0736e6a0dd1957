//! No edit.

use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::slab::{Arena, Need};

/// `none`.
pub(crate) struct Untouched;

impl Editor for Untouched {
    fn need(&self, _: &JobShape<'_>) -> Need {
        Need::default()
    }

    fn edit(&self, _: &mut Job<'_>, _: &mut Arena<'_>) -> Result<Outcome, EditError> {
        Ok(Outcome::Network)
    }
}
