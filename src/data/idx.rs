//! IDX, the format of MNIST, Fashion-MNIST and EMNIST, plain or gzipped.
//!
//! Layout (Y. LeCun, the MNIST database, "File formats"): two zero bytes, the type of the data
//! (8: unsigned byte), the number of dimensions, the size of each dimension as a big-endian u32,
//! then the data, last dimension fastest. Images have three dimensions (number, rows, columns),
//! labels one.

use super::error::{DataError, Problem};
use super::unpacked::Unpacked;
use std::io::Read;

/// The longest side of an image that is read, in pixels.
pub const MAX_SIDE: u32 = 4096;
/// The most pixels, or labels, that one file may declare: 1 GiB.
pub const MAX_BYTES: u64 = 1 << 30;
/// Labels are below this. The largest set of the format, EMNIST by class, has 62 classes.
pub const MAX_CLASSES: usize = 128;

/// Images of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawImages {
    /// Number of images, at least 1.
    pub count: usize,
    /// Rows of each, at least 1.
    pub rows: usize,
    /// Columns of each, at least 1.
    pub cols: usize,
    /// `count × rows × cols` values, `[image][row][column]`.
    pub pixels: Vec<u8>,
}

/// Reads an images file (`idx3-ubyte`), plain or gzipped as its first bytes say. `name` stands in
/// errors.
///
/// # Errors
/// [`DataError`] for anything but a whole, well-formed file with at least one image, with sides
/// of at most [`MAX_SIDE`] and at most [`MAX_BYTES`] pixels.
pub fn read_images(name: &str, source: impl Read) -> Result<RawImages, DataError> {
    let mut content = Content::open(name, source)?;
    let count = content.magic(3)?;
    let rows = content.side("rows")?;
    let cols = content.side("columns")?;
    let pixels = content.body("pixels", &[count, rows, cols])?;
    let [count, rows, cols] = [count, rows, cols].map(|size| size as usize);
    Ok(RawImages { count, rows, cols, pixels })
}

/// Reads a labels file (`idx1-ubyte`), plain or gzipped as its first bytes say. `name` stands in
/// errors.
///
/// # Errors
/// [`DataError`] for anything but a whole, well-formed file with at least one label, with labels
/// below [`MAX_CLASSES`].
pub fn read_labels(name: &str, source: impl Read) -> Result<Vec<u8>, DataError> {
    let mut content = Content::open(name, source)?;
    let count = content.magic(1)?;
    let labels = content.body("labels", &[count])?;
    check_labels(name, &labels, MAX_CLASSES)?;
    Ok(labels)
}

/// Checks that all labels are below `limit`.
pub(super) fn check_labels(name: &str, labels: &[u8], limit: usize) -> Result<(), DataError> {
    match labels.iter().position(|&label| usize::from(label) >= limit) {
        None => Ok(()),
        Some(sample) => {
            let found = labels.get(sample).copied().unwrap_or_default();
            Err(DataError::new(name, Problem::Label { sample, found, limit }))
        }
    }
}

/// A file being read, unpacked on the way if need be.
struct Content<'n, R: Read> {
    name: &'n str,
    reader: Unpacked<R>,
    offset: u64,
}

impl<'n, R: Read> Content<'n, R> {
    fn open(name: &'n str, source: R) -> Result<Self, DataError> {
        let reader = Unpacked::open(source).map_err(|error| {
            DataError::new(name, Problem::Read { offset: 0, reason: error.to_string() })
        })?;
        Ok(Self { name, reader, offset: 0 })
    }

    fn error(&self, problem: Problem) -> DataError {
        DataError::new(self.name, problem)
    }

    /// Up to `limit` bytes, fewer at the end of the content only. Memory grows with what is read.
    fn read(&mut self, limit: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(limit).read_to_end(&mut bytes);
        self.offset += bytes.len() as u64;
        match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.error(self.reader.problem(self.offset, &error))),
        }
    }

    /// Four bytes of the header, which takes `whole` bytes in all.
    fn header_bytes(&mut self, whole: u64) -> Result<[u8; 4], DataError> {
        let bytes = self.read(4)?;
        <[u8; 4]>::try_from(bytes).map_err(|_| {
            let found = self.offset;
            self.error(Problem::Cut { offset: 0, what: "the header", expected: whole, found })
        })
    }

    /// Checks the type and the number of dimensions; returns the first size, the number of samples.
    fn magic(&mut self, expected: u8) -> Result<u32, DataError> {
        let whole = 4 + 4 * u64::from(expected);
        let [a, b, kind, dimensions] = self.header_bytes(whole)?;
        if [a, b] != [0, 0] {
            return Err(self.error(Problem::NotIdx { found: [a, b] }));
        }
        if kind != 8 {
            return Err(self.error(Problem::Type { found: kind }));
        }
        if dimensions != expected {
            return Err(self.error(Problem::Dimensions { expected, found: dimensions }));
        }
        Ok(u32::from_be_bytes(self.header_bytes(whole)?))
    }

    /// The length of a side of the images.
    fn side(&mut self, what: &'static str) -> Result<u32, DataError> {
        let offset = self.offset;
        let found = u32::from_be_bytes(self.header_bytes(16)?);
        if (1..=MAX_SIDE).contains(&found) {
            return Ok(found);
        }
        Err(self.error(Problem::Side { offset, what, found, limit: MAX_SIDE }))
    }

    /// Everything after the header: as many bytes as `sizes` call for, and no more.
    fn body(&mut self, what: &'static str, sizes: &[u32]) -> Result<Vec<u8>, DataError> {
        // Three sizes of 32 bits fit 128 bits.
        let declared = sizes.iter().map(|&size| u128::from(size)).product::<u128>();
        if declared == 0 {
            return Err(self.error(Problem::Empty));
        }
        let expected = match u64::try_from(declared) {
            Ok(expected) if expected <= MAX_BYTES => expected,
            _ => return Err(self.error(Problem::TooLarge { found: declared, limit: MAX_BYTES })),
        };
        let offset = self.offset;
        // One byte more shows content that goes on, and makes the decoder check its checksum.
        let mut bytes = self.read(expected + 1)?;
        let found = bytes.len() as u64;
        if found < expected {
            return Err(self.error(Problem::Cut { offset, what, expected, found }));
        }
        if found > expected {
            return Err(self.error(Problem::Trailing { offset: offset + expected }));
        }
        bytes.shrink_to_fit();
        Ok(bytes)
    }
}
