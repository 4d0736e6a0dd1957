//! Files that may be gzipped, as their first bytes say.

use super::error::Problem;
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};

/// The first bytes of a file, put back before the rest.
pub(super) type Whole<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// The content of a file, unpacked on the way if need be.
pub(super) enum Unpacked<R: Read> {
    Plain(Whole<R>),
    Gzip(MultiGzDecoder<Whole<R>>),
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first two bytes.
    pub(super) fn open(mut source: R) -> io::Result<Self> {
        let mut first = Vec::new();
        source.by_ref().take(2).read_to_end(&mut first)?;
        let gzip = first == [0x1f, 0x8b];
        let whole = io::Cursor::new(first).chain(source);
        Ok(if gzip { Self::Gzip(MultiGzDecoder::new(whole)) } else { Self::Plain(whole) })
    }

    /// What an error of reading means after `offset` bytes of content.
    pub(super) fn problem(&self, offset: u64, error: &io::Error) -> Problem {
        let reason = error.to_string();
        // The decoder answers a damaged stream with these kinds; others come from the system.
        let damage = matches!(
            error.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        );
        match self {
            Self::Gzip(_) if damage => Problem::Gzip { offset, reason },
            _ => Problem::Read { offset, reason },
        }
    }

    /// The file itself.
    pub(super) fn into_file(self) -> R {
        let whole = match self {
            Self::Plain(whole) => whole,
            Self::Gzip(decoder) => decoder.into_inner(),
        };
        whole.into_inner().1
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
        }
    }
}
