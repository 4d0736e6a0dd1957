//! Edits of several layers, and outputs that are switched off after them, as one file.

use super::container::{FileKind, SnapshotError, Writer, open};
use serde::{Deserialize, Serialize};

/// Edits that one file holds, at most.
pub const MOST_EDITS: usize = 8;

/// Whole edit files ([`EditFile`](super::EditFile)) that are applied one after the other; then the biases of
/// some classes in the last layer are set to one value.
#[derive(Clone, Debug, PartialEq)]
pub struct EditsFile<'b> {
    /// Digest of the whole network before the first edit.
    pub before: u64,
    /// Digest of the whole network at the end.
    pub after: u64,
    /// Classes whose outputs are switched off; empty for none.
    pub masked: &'b [u8],
    /// The edit files, in their order.
    pub edits: heapless::Vec<&'b [u8], MOST_EDITS>,
}

#[derive(Serialize, Deserialize)]
struct Record<'b> {
    before: u64,
    after: u64,
    #[serde(borrow)]
    masked: &'b [u8],
    edits: u32,
}

impl EditsFile<'_> {
    /// Bytes that the file takes at the most.
    pub fn bound(&self) -> usize {
        let edits = self.edits.iter().map(|edit| edit.len() + 10);
        edits.fold(super::HEAD + 40 + self.masked.len(), usize::saturating_add)
    }

    /// Writes the file to the front of `out` and returns its length.
    ///
    /// # Errors
    /// [`SnapshotError::TooSmall`].
    pub fn write(&self, out: &mut [u8]) -> Result<usize, SnapshotError> {
        let mut writer = Writer::new(FileKind::Edits, out);
        let (before, after, masked) = (self.before, self.after, self.masked);
        writer.record(&Record { before, after, masked, edits: self.edits.len() as u32 })?;
        for edit in &self.edits {
            writer.record(edit)?;
        }
        writer.finish()
    }
}

impl<'b> EditsFile<'b> {
    /// Reads and checks a file; the edits in it are checked by whoever reads those.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(bytes: &'b [u8]) -> Result<Self, SnapshotError> {
        let mut reader = open(FileKind::Edits, bytes)?;
        let record: Record<'b> = reader.record("the description of several edits")?;
        let mut edits = heapless::Vec::new();
        for _ in 0..record.edits {
            let edit: &'b [u8] = reader.record("an edit")?;
            edits.push(edit).map_err(|_| reader.malformed("at most 8 edits"))?;
        }
        // Nothing may follow.
        reader.values(0)?;
        Ok(Self { before: record.before, after: record.after, masked: record.masked, edits })
    }
}
