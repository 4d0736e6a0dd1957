//! FlatBuffers: tables, vectors and strings, each inside the file or an error.

use crate::data::error::{DataError, Problem};
use std::ops::Range;

/// A file's bytes with its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'b> {
    pub(super) place: &'b str,
    pub(super) bytes: &'b [u8],
}

impl<'b> Bytes<'b> {
    /// Something at byte `offset` that the format does not allow.
    pub(super) fn fault(self, offset: usize, what: &str, problem: String) -> DataError {
        let at = format!("byte {offset} ({what})");
        DataError::new(self.place, Problem::Tflite { at, what: problem })
    }

    fn slice(self, at: usize, len: usize, what: &str) -> Result<&'b [u8], DataError> {
        at.checked_add(len).and_then(|end| self.bytes.get(at..end)).ok_or_else(|| {
            let problem =
                format!("expected {len} bytes there, the file has {} in all", self.bytes.len());
            self.fault(at, what, problem)
        })
    }

    fn u16(self, at: usize, what: &str) -> Result<u16, DataError> {
        let bytes = self.slice(at, 2, what)?;
        Ok(bytes.first_chunk().map_or(0, |&bytes| u16::from_le_bytes(bytes)))
    }

    fn u32(self, at: usize, what: &str) -> Result<u32, DataError> {
        let bytes = self.slice(at, 4, what)?;
        Ok(bytes.first_chunk().map_or(0, |&bytes| u32::from_le_bytes(bytes)))
    }

    /// Where the offset at `at` leads.
    fn follow(self, at: usize, what: &str) -> Result<usize, DataError> {
        let offset = self.u32(at, what)? as usize;
        match at.checked_add(offset) {
            Some(to) if offset >= 4 && to < self.bytes.len() => Ok(to),
            _ => {
                let most = self.bytes.len();
                let problem = format!("an offset of {offset} leads out of the {most} bytes");
                Err(self.fault(at, what, problem))
            }
        }
    }

    /// The table that the file's first offset leads to.
    pub(super) fn root(self) -> Result<Table<'b>, DataError> {
        Table::new(self, self.follow(0, "offset of the model")?, "model")
    }

    /// Entry `index` of a vector of offsets of tables.
    pub(super) fn entry(
        self,
        vector: &Range<usize>,
        index: usize,
        what: &'static str,
    ) -> Result<Table<'b>, DataError> {
        let at = vector.start.saturating_add(index.saturating_mul(4));
        Table::new(self, self.follow(at, what)?, what)
    }
}

/// A table: fields that are found by a list of their places, the *vtable*.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'b> {
    bytes: Bytes<'b>,
    at: usize,
    fields: usize,
    /// Bytes of the table itself.
    size: usize,
    /// Bytes of its vtable.
    listed: usize,
    what: &'static str,
}

impl<'b> Table<'b> {
    fn new(bytes: Bytes<'b>, at: usize, what: &'static str) -> Result<Self, DataError> {
        // Signed, and taken away.
        let back = bytes.u32(at, what)? as i32;
        let fields =
            i64::try_from(at).ok().and_then(|at| usize::try_from(at - i64::from(back)).ok());
        let Some(fields) = fields else {
            let problem = "its list of fields lies before the file begins".into();
            return Err(bytes.fault(at, what, problem));
        };
        let listed = usize::from(bytes.u16(fields, what)?);
        let size = usize::from(bytes.u16(fields.saturating_add(2), what)?);
        if listed < 4 || listed % 2 != 0 || size < 4 {
            let problem = format!(
                "expected sizes of a list of fields and of its table, found {listed} and {size}"
            );
            return Err(bytes.fault(fields, what, problem));
        }
        bytes.slice(fields, listed, what)?;
        bytes.slice(at, size, what)?;
        Ok(Self { bytes, at, fields, size, listed, what })
    }

    /// Where field `index`, of `size` bytes, lies; `None` where it has its default.
    fn field(&self, index: usize, size: usize) -> Result<Option<usize>, DataError> {
        let slot = 4 + 2 * index;
        if slot + 2 > self.listed {
            return Ok(None);
        }
        let offset = usize::from(self.bytes.u16(self.fields + slot, self.what)?);
        if offset == 0 {
            return Ok(None);
        }
        if offset < 4 || offset + size > self.size {
            let problem = format!("field {index} at {offset} lies outside of the table");
            return Err(self.bytes.fault(self.at, self.what, problem));
        }
        Ok(Some(self.at + offset))
    }

    pub(super) fn u8(&self, index: usize) -> Result<u8, DataError> {
        let Some(at) = self.field(index, 1)? else { return Ok(0) };
        Ok(self.bytes.slice(at, 1, self.what)?.first().copied().unwrap_or(0))
    }

    pub(super) fn u32(&self, index: usize) -> Result<u32, DataError> {
        self.field(index, 4)?.map_or(Ok(0), |at| self.bytes.u32(at, self.what))
    }

    pub(super) fn table(
        &self,
        index: usize,
        what: &'static str,
    ) -> Result<Option<Table<'b>>, DataError> {
        let Some(at) = self.field(index, 4)? else { return Ok(None) };
        Ok(Some(Table::new(self.bytes, self.bytes.follow(at, what)?, what)?))
    }

    /// Bytes of a vector of items of `size` bytes; empty where there is none.
    pub(super) fn vector(
        &self,
        index: usize,
        size: usize,
        what: &str,
    ) -> Result<Range<usize>, DataError> {
        let Some(at) = self.field(index, 4)? else { return Ok(0..0) };
        let at = self.bytes.follow(at, what)?;
        let count = self.bytes.u32(at, what)? as usize;
        // The length stands before the items.
        let start = at.saturating_add(4);
        let len = count.saturating_mul(size);
        self.bytes.slice(start, len, what)?;
        Ok(start..start + len)
    }

    /// Whether a vector lies outside of the FlatBuffer: the field that says where is not 0.
    pub(super) fn is_set(&self, index: usize) -> Result<bool, DataError> {
        let Some(at) = self.field(index, 8)? else { return Ok(false) };
        Ok(self.bytes.slice(at, 8, self.what)?.iter().any(|&byte| byte != 0))
    }
}
