//! The container: head, checksum, and the codec that bodies share.

use core::fmt;
use postcard::ser_flavors::Size;
use serde::{Deserialize, Serialize};

/// Bytes of the head.
pub const HEAD: usize = 14;

/// The version that is written; older ones can be read.
pub const VERSION: u16 = 1;

/// The first bytes of every file.
pub const MAGIC: &[u8] = b"RWT";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A network: layers and parameters (`.rwn`).
    Network,
    /// An edit: the actions that change one layer (`.rwe`).
    Edit,
    /// A policy (`.rwp`).
    Policy,
    /// An edit of some of the inputs of a layer (`.rwe`).
    WordEdit,
    /// Edits of several layers, and outputs that are switched off (`.rwe`).
    Edits,
    /// A network in 8-bit integers (`.rwq`).
    Int8Network,
}

impl FileKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Network => b'N',
            Self::Edit => b'E',
            Self::Policy => b'P',
            Self::WordEdit => b'W',
            Self::Edits => b'M',
            Self::Int8Network => b'Q',
        }
    }

    /// "a network", "an edit", "a policy", "an edit of some inputs", "several edits" or "an int8 network".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "a network",
            Self::Edit => "an edit",
            Self::Policy => "a policy",
            Self::WordEdit => "an edit of some inputs",
            Self::Edits => "several edits",
            Self::Int8Network => "an int8 network",
        }
    }
}

/// Why bytes are not the file that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The first bytes are not reweight's.
    NotOurs,
    /// A kind that this version does not know.
    UnknownKind {
        /// The kind's byte.
        byte: u8,
    },
    /// A file of another kind.
    WrongKind {
        /// What it holds.
        found: FileKind,
        /// What it should hold.
        expected: FileKind,
    },
    /// Written by a newer version.
    Newer {
        /// Its version.
        found: u16,
        /// The newest version that can be read.
        supported: u16,
    },
    /// Fewer or more bytes than the head says.
    Length {
        /// What the head says, the head included.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// The checksum does not fit: a bit has changed.
    Checksum,
    /// The body is not what its kind calls for.
    Malformed {
        /// Offset in the file from which on it could not be read.
        offset: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// A value is infinite or NaN.
    NotFinite {
        /// Index of the value.
        index: usize,
    },
    /// The buffer to write to is too small.
    TooSmall {
        /// Its length in bytes.
        have: usize,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("not a file of reweight's (it does not begin with RWT)"),
            Self::UnknownKind { byte } => write!(f, "a file of unknown kind {byte:#04x}"),
            Self::WrongKind { found, expected } => {
                write!(f, "the file holds {}, {} was expected", found.name(), expected.name())
            }
            Self::Newer { found, supported } => write!(
                f,
                "written in version {found} of the format, this program reads up to {supported}"
            ),
            Self::Length { expected, found } => {
                write!(
                    f,
                    "the file has {found} bytes, its head says {expected}: it was cut or extended"
                )
            }
            Self::Checksum => f.write_str("the checksum does not fit: the file is damaged"),
            Self::Malformed { offset, expected } => {
                write!(f, "malformed at byte {offset}: expected {expected}")
            }
            Self::NotFinite { index } => write!(f, "value {index} is not a finite number"),
            Self::TooSmall { have } => write!(f, "the buffer of {have} bytes is too small"),
        }
    }
}

impl core::error::Error for SnapshotError {}

/// What the head of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the file holds.
    pub kind: FileKind,
    /// Version of the format.
    pub version: u16,
    /// Bytes of the body.
    pub body: usize,
}

/// Checks the whole container and returns its head.
///
/// # Errors
/// [`SnapshotError`].
pub fn peek(bytes: &[u8]) -> Result<Head, SnapshotError> {
    if bytes.get(..3) != Some(MAGIC) {
        return Err(SnapshotError::NotOurs);
    }
    let cut = SnapshotError::Length { expected: HEAD, found: bytes.len() };
    let (head, body) = bytes.split_at_checked(HEAD).ok_or(cut)?;
    let &[_, _, _, byte, v0, v1, l0, l1, l2, l3, c0, c1, c2, c3] = head else { return Err(cut) };
    let kinds = [
        FileKind::Network,
        FileKind::Edit,
        FileKind::Policy,
        FileKind::WordEdit,
        FileKind::Edits,
        FileKind::Int8Network,
    ];
    let kind = kinds.into_iter().find(|kind| kind.byte() == byte);
    let kind = kind.ok_or(SnapshotError::UnknownKind { byte })?;
    let version = u16::from_le_bytes([v0, v1]);
    if version > VERSION {
        return Err(SnapshotError::Newer { found: version, supported: VERSION });
    }
    if version == 0 {
        return Err(SnapshotError::Malformed { offset: 4, expected: "a version of at least 1" });
    }
    let expected = HEAD.saturating_add(u32::from_le_bytes([l0, l1, l2, l3]) as usize);
    if expected != bytes.len() {
        return Err(SnapshotError::Length { expected, found: bytes.len() });
    }
    if checksum(&head[..HEAD - 4], body) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(SnapshotError::Checksum);
    }
    Ok(Head { kind, version, body: body.len() })
}

/// Checks the container and opens its body for reading.
pub(super) fn open(kind: FileKind, bytes: &[u8]) -> Result<Reader<'_>, SnapshotError> {
    let found = peek(bytes)?.kind;
    if found != kind {
        return Err(SnapshotError::WrongKind { found, expected: kind });
    }
    Ok(Reader { file: bytes.len(), rest: bytes.get(HEAD..).unwrap_or_default() })
}

/// Reads a body front to back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'b> {
    file: usize,
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn offset(&self) -> usize {
        self.file - self.rest.len()
    }

    /// An error at the current place.
    pub(super) fn malformed(&self, expected: &'static str) -> SnapshotError {
        SnapshotError::Malformed { offset: self.offset(), expected }
    }

    /// The next postcard record, in the one form in which it would be written: postcard also reads
    /// numbers that are padded with zeros, so only the length can differ.
    pub(super) fn record<T: Serialize + Deserialize<'b>>(
        &mut self,
        expected: &'static str,
    ) -> Result<T, SnapshotError> {
        let (value, rest) =
            postcard::take_from_bytes::<T>(self.rest).map_err(|_| self.malformed(expected))?;
        let shortest = postcard::serialize_with_flavor(&value, Size::default());
        if shortest != Ok(self.rest.len() - rest.len()) {
            return Err(self.malformed("numbers in their shortest form"));
        }
        self.rest = rest;
        Ok(value)
    }

    /// The next `len` bytes as they are.
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'b [u8], SnapshotError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(self.malformed("as many bytes as the sizes call for"))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The rest of the body as exactly `count` finite values.
    pub(super) fn values(self, count: usize) -> Result<Values<'b>, SnapshotError> {
        if count.checked_mul(4) != Some(self.rest.len()) {
            return Err(self.malformed("as many values as the sizes call for"));
        }
        let values = Values { bytes: self.rest };
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(SnapshotError::NotFinite { index }),
            None => Ok(values),
        }
    }
}

/// Values that lie in a file, at any alignment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Values<'b> {
    pub(super) bytes: &'b [u8],
}

impl Values<'_> {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / 4
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = f32> + '_ {
        self.bytes.chunks_exact(4).map(|four| match *four {
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
            _ => f32::NAN,
        })
    }
}

/// Writes a body front to back, then the head.
#[derive(Debug)]
pub(super) struct Writer<'o> {
    out: &'o mut [u8],
    kind: FileKind,
    used: usize,
}

impl<'o> Writer<'o> {
    pub(super) fn new(kind: FileKind, out: &'o mut [u8]) -> Self {
        Self { out, kind, used: HEAD }
    }

    fn too_small(&self) -> SnapshotError {
        SnapshotError::TooSmall { have: self.out.len() }
    }

    pub(super) fn record<T: Serialize>(&mut self, value: &T) -> Result<(), SnapshotError> {
        let too_small = self.too_small();
        let rest = self.out.get_mut(self.used..).ok_or(too_small)?;
        let written = postcard::to_slice(value, rest).map_err(|_| too_small)?;
        self.used += written.len();
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: impl Iterator<Item = u8>) -> Result<(), SnapshotError> {
        for byte in bytes {
            let too_small = self.too_small();
            *self.out.get_mut(self.used).ok_or(too_small)? = byte;
            self.used += 1;
        }
        Ok(())
    }

    pub(super) fn values(&mut self, values: &[f32]) -> Result<(), SnapshotError> {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(SnapshotError::NotFinite { index });
        }
        let too_small = self.too_small();
        let end = self.used.saturating_add(values.len().saturating_mul(4));
        let slot = self.out.get_mut(self.used..end).ok_or(too_small)?;
        for (to, value) in slot.chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        self.used = end;
        Ok(())
    }

    /// Writes the head and returns the length of the file.
    pub(super) fn finish(self) -> Result<usize, SnapshotError> {
        let too_small = self.too_small();
        let (head, rest) = self.out.split_at_mut_checked(HEAD).ok_or(too_small)?;
        let body = rest.get(..self.used - HEAD).ok_or(too_small)?;
        let len = u32::try_from(body.len()).map_err(|_| too_small)?;
        let (front, crc) = head.split_at_mut(HEAD - 4);
        front[..3].copy_from_slice(MAGIC);
        front[3] = self.kind.byte();
        front[4..6].copy_from_slice(&VERSION.to_le_bytes());
        front[6..].copy_from_slice(&len.to_le_bytes());
        crc.copy_from_slice(&checksum(front, body).to_le_bytes());
        Ok(self.used)
    }
}

/// CRC-32 (IEEE 802.3, reflected) of two pieces.
fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in head.iter().chain(body) {
        crc = (crc >> 8) ^ TABLE[((crc ^ u32::from(byte)) & 0xff) as usize];
    }
    !crc
}

const TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ if value & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(checksum(b"1234", b"56789"), 0xcbf4_3926);
        assert_eq!(checksum(b"", b""), 0);
    }
}
