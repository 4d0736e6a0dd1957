//! Rows of CSV files (RFC 4180), read in one pass, and the lines on which they begin.
//!
//! The `csv` crate cuts the rows. It forgives a quote that is never closed and counts the lines of files
//! that end lines with `\r\n` differently, so the bytes pass through [`Lines`] first, which knows both.

use crate::data::error::{DataError, Problem};
use crate::data::unpacked::Unpacked;
use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};
use sha2::{Digest, Sha256};
use std::io::{self, Cursor, Read};

/// The most bytes of (unpacked) text that one file may have: 4 GiB, five times the largest known one.
pub(super) const MAX_BYTES: u64 = 1 << 32;

/// UTF-8's byte order mark, which some spreadsheets write in front.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of a file behind its header.
pub(super) struct Rows<'n, R: Read> {
    name: &'n str,
    reader: Reader<Lines<R>>,
    record: ByteRecord,
    header: Vec<String>,
    line: u64,
}

impl<'n, R: Read> Rows<'n, R> {
    /// Reads the header. `limit` is the most bytes of text.
    pub(super) fn open(name: &'n str, source: R, limit: u64) -> Result<Self, DataError> {
        let lines = Lines::open(source, limit).map_err(|problem| DataError::new(name, problem))?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(lines);
        let mut rows =
            Self { name, reader, record: ByteRecord::new(), header: Vec::new(), line: 1 };
        if !rows.read()? {
            return Err(rows.error(Problem::Empty));
        }
        let names = rows.record.iter().map(|name| String::from_utf8_lossy(name).trim().to_string());
        rows.header = names.collect();
        Ok(rows)
    }

    /// Names of the columns.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// Which column has this name.
    ///
    /// # Errors
    /// [`Problem::ColumnTwice`].
    pub(super) fn column(&self, name: &'static str) -> Result<Option<usize>, DataError> {
        let mut found = (0..).zip(&self.header).filter(|(_, other)| *other == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(self.error(Problem::ColumnTwice { column: name })),
            (first, _) => Ok(first.map(|(index, _)| index)),
        }
    }

    /// Goes to the next row, whose number of fields is the header's; false at the end.
    pub(super) fn next(&mut self) -> Result<bool, DataError> {
        if !self.read()? {
            return Ok(false);
        }
        let (expected, found) = (self.header.len(), self.record.len());
        if expected != found {
            return Err(self.error(Problem::Fields { line: self.line, expected, found }));
        }
        Ok(true)
    }

    /// A field of the row.
    ///
    /// # Errors
    /// [`Problem::NotUtf8`].
    pub(super) fn field(&self, column: usize) -> Result<&str, DataError> {
        let bytes = self.record.get(column).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|error| {
            let before = self.record.iter().take(column).map(newlines).sum::<u64>();
            let own = newlines(bytes.get(..error.valid_up_to()).unwrap_or_default());
            self.error(Problem::NotUtf8 { line: self.line + before + own })
        })
    }

    /// A number from 0 to 1; none where the field is empty.
    ///
    /// # Errors
    /// [`Problem::Cell`].
    pub(super) fn share(&self, column: usize) -> Result<Option<f64>, DataError> {
        let field = self.field(column)?.trim();
        match field.parse::<f64>() {
            _ if field.is_empty() => Ok(None),
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Some(share)),
            _ => Err(self.unexpected(column, "a number from 0 to 1")),
        }
    }

    /// The error of a field that is not what it must be.
    pub(super) fn unexpected(&self, column: usize, expected: &'static str) -> DataError {
        let found = self.record.get(column).unwrap_or_default();
        let found = String::from_utf8_lossy(found).chars().take(40).collect();
        let column = self.header.get(column).cloned().unwrap_or_default();
        self.error(Problem::Cell { line: self.line, column, expected, found })
    }

    /// A problem with the file.
    pub(super) fn error(&self, problem: Problem) -> DataError {
        DataError::new(self.name, problem)
    }

    /// The file itself, once every row is read.
    pub(super) fn into_file(self) -> R {
        self.reader.into_inner().content.into_inner().1.into_file()
    }

    fn read(&mut self) -> Result<bool, DataError> {
        let read = self.reader.read_byte_record(&mut self.record);
        let read = read.map_err(|error| self.read_error(error.into_kind()))?;
        // Behind the row's own line break, with every break inside its fields counted.
        let end = self.reader.position().line();
        let inside = self.record.iter().map(newlines).sum::<u64>();
        self.line = end.saturating_sub(1 + inside).max(1);
        match self.reader.get_ref().open_quote() {
            Some(line) if end > line => Err(self.error(Problem::OpenQuote { line })),
            _ => Ok(read),
        }
    }

    fn read_error(&self, kind: ErrorKind) -> DataError {
        let lines = self.reader.get_ref();
        self.error(match kind {
            _ if lines.offset > lines.limit => {
                Problem::FileTooLarge { found: lines.offset, limit: lines.limit }
            }
            ErrorKind::Io(error) => lines.content.get_ref().1.problem(lines.offset, &error),
            other => Problem::Read { offset: lines.offset, reason: format!("{other:?}") },
        })
    }
}

fn newlines(field: &[u8]) -> u64 {
    field.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Where in a field a byte stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Start,
    Bare,
    Quoted,
    /// Behind a quote in a quoted field: its end, or the first of two.
    Quote,
}

/// The content of a file whose rows all end in `\n`, without a byte order mark. What stands in quotes is
/// left as it is.
struct Lines<R: Read> {
    content: io::Chain<Cursor<Vec<u8>>, Unpacked<R>>,
    limit: u64,
    offset: u64,
    place: Place,
    line: u64,
    /// Line of the quote that opened last.
    opened: u64,
    /// The byte before.
    last: u8,
    ended: bool,
}

impl<R: Read> Lines<R> {
    fn open(source: R, limit: u64) -> Result<Self, Problem> {
        let mut content = Unpacked::open(source)
            .map_err(|error| Problem::Read { offset: 0, reason: error.to_string() })?;
        let mut first = Vec::new();
        let read = content.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut first);
        read.map_err(|error| content.problem(first.len() as u64, &error))?;
        if first == BYTE_ORDER_MARK {
            first.clear();
        }
        let content = Cursor::new(first).chain(content);
        let (place, last) = (Place::Start, b'\n');
        Ok(Self { content, limit, offset: 0, place, line: 1, opened: 0, last, ended: false })
    }

    /// Line of the quote that is still open at the end.
    fn open_quote(&self) -> Option<u64> {
        (self.ended && self.place == Place::Quoted).then_some(self.opened)
    }

    /// What becomes of the next byte.
    fn step(&mut self, byte: u8) -> Option<u8> {
        let last = std::mem::replace(&mut self.last, byte);
        if byte == b'\n' && last == b'\r' && self.place == Place::Start {
            return None;
        }
        let byte = if byte == b'\r' && self.place != Place::Quoted { b'\n' } else { byte };
        self.place = match (self.place, byte) {
            (Place::Start, b'"') => {
                self.opened = self.line;
                Place::Quoted
            }
            (Place::Quoted, b'"') => Place::Quote,
            (Place::Quoted, _) | (Place::Quote, b'"') => Place::Quoted,
            (_, b',' | b'\n') => Place::Start,
            _ => Place::Bare,
        };
        self.line += u64::from(byte == b'\n');
        Some(byte)
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let read = self.content.read(buffer)?;
            self.offset += read as u64;
            if self.offset > self.limit {
                return Err(io::Error::other("too long"));
            }
            if read == 0 && !buffer.is_empty() {
                self.ended = true;
                let whole = self.place == Place::Start && matches!(self.last, b'\n' | b'\r');
                return Ok(match buffer.first_mut() {
                    Some(first) if !whole => {
                        *first = b'\n';
                        1
                    }
                    _ => 0,
                });
            }
            let mut kept = 0;
            for index in 0..read {
                let byte = buffer.get(index).copied().and_then(|byte| self.step(byte));
                if let (Some(byte), Some(to)) = (byte, buffer.get_mut(kept)) {
                    *to = byte;
                    kept += 1;
                }
            }
            if kept > 0 || buffer.is_empty() {
                return Ok(kept);
            }
        }
        Ok(0)
    }
}

/// A file that is digested, and whose reader is told how far it is.
pub(super) struct Watched<'p, R> {
    file: R,
    hasher: Sha256,
    read: u64,
    size: u64,
    progress: &'p mut dyn FnMut(u64, u64),
}

impl<'p, R> Watched<'p, R> {
    /// `size` in bytes; `progress` gets the bytes that were read, and the size.
    pub(super) fn new(file: R, size: u64, progress: &'p mut dyn FnMut(u64, u64)) -> Self {
        Self { file, hasher: Sha256::new(), read: 0, size, progress }
    }

    /// sha256 of what was read, in hexadecimal.
    pub(super) fn digest(self) -> String {
        self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if read > 0 {
            self.hasher.update(buffer.get(..read).unwrap_or_default());
            self.read += read as u64;
            (self.progress)(self.read, self.size);
        }
        Ok(read)
    }
}
