//! What can be wrong with a data set.

use std::fmt;

/// What is wrong with a data set, and where: one line when displayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataError {
    /// The file, the folder, or the name of the set.
    pub place: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong. Offsets count bytes of the decompressed content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such file or folder.
    Missing,
    /// The operating system could not read on.
    Read {
        /// Bytes that were read before.
        offset: u64,
        /// What the operating system says.
        reason: String,
    },
    /// The gzip stream is cut or damaged.
    Gzip {
        /// Bytes that were unpacked before.
        offset: u64,
        /// What the decoder says.
        reason: String,
    },
    /// The content ends too early.
    Cut {
        /// Where the part begins that is not whole.
        offset: u64,
        /// What stands there: "the header", "pixels", "labels".
        what: &'static str,
        /// Bytes that it takes.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The content goes on after its last value.
    Trailing {
        /// Where it should have ended.
        offset: u64,
    },
    /// An IDX file begins with two zero bytes, this one does not.
    NotIdx {
        /// Its first two bytes.
        found: [u8; 2],
    },
    /// IDX data of another type than unsigned byte (8), at offset 2.
    Type {
        /// The type that it declares.
        found: u8,
    },
    /// IDX data of another number of dimensions, at offset 3.
    Dimensions {
        /// Three for images, one for labels.
        expected: u8,
        /// The number that it declares.
        found: u8,
    },
    /// A side of an image is zero or absurdly long.
    Side {
        /// Where it is declared.
        offset: u64,
        /// "rows" or "columns".
        what: &'static str,
        /// What is declared.
        found: u32,
        /// The longest side that is read.
        limit: u32,
    },
    /// Images should be given a side that is zero or absurdly long.
    NewSide {
        /// "rows" or "columns".
        what: &'static str,
        /// What was asked for.
        found: usize,
        /// The longest side.
        limit: u32,
    },
    /// Number and size of samples call for more bytes than this crate ever holds.
    TooLarge {
        /// Bytes that they call for.
        found: u128,
        /// The most that is held.
        limit: u64,
    },
    /// There is not one sample.
    Empty,
    /// A label is too large.
    Label {
        /// Which sample, from 0. In a labels file its byte stands at offset 8 + sample.
        sample: usize,
        /// Its label.
        found: u8,
        /// Labels are below this.
        limit: usize,
    },
    /// The numbers of images and labels differ.
    Counts {
        /// Images.
        images: usize,
        /// Labels.
        labels: usize,
        /// The file that the labels come from.
        labels_file: String,
    },
    /// The pixels do not fill whole images of the size they are said to have.
    Pixels {
        /// Values that the size calls for.
        expected: u128,
        /// Values that are there.
        found: usize,
    },
    /// The images of the test set have another size than those of the training set.
    Sizes {
        /// Rows and columns of the training images.
        train: (usize, usize),
        /// Rows and columns of the test images.
        test: (usize, usize),
    },
    /// The content is not what it must be.
    Digest {
        /// sha256 that it must have.
        expected: &'static str,
        /// sha256 that it has.
        found: String,
    },
    /// A class has no sample in one of the parts.
    Class {
        /// The class.
        class: usize,
        /// The part that has none: "train", "reward", "test".
        part: &'static str,
        /// Samples of the class in the whole set.
        samples: usize,
    },
    /// A folder without `*images*` or without `*labels*`.
    NoFiles {
        /// "images" or "labels".
        what: &'static str,
    },
    /// An images file without its labels file, or the reverse.
    Unpaired {
        /// The file that stands alone.
        file: String,
        /// "images" or "labels".
        lacks: &'static str,
    },
    /// Several sets lie in a folder, and nothing says which is meant.
    Ambiguous {
        /// The images files that were found, or two names for one file.
        files: String,
    },
    /// A file has more bytes than are read of its kind.
    FileTooLarge {
        /// Bytes that it has.
        found: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The file is no safetensors file.
    NotSafetensors {
        /// What gives it away.
        reason: String,
    },
    /// The file is no .tflite file, or one of a kind that is not read.
    NotTflite {
        /// What gives it away.
        reason: String,
    },
    /// A part of a .tflite file is wrong, or nothing that can be edited.
    Tflite {
        /// Where: "byte 120 (tensor)", "operator 1 (CONV_2D)", …
        at: String,
        /// What is wrong there, and what was expected.
        what: String,
    },
    /// A tensor is not what it must be.
    Tensor {
        /// Its name.
        tensor: String,
        /// What was expected.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A tensor is missing.
    NoTensor {
        /// Its name.
        tensor: String,
        /// Names that are near, joined by commas; empty when none is.
        near: String,
    },
    /// The description of a network is wrong.
    Arch {
        /// Where: "layer 3 (conv2d features.0)", "input", …
        at: String,
        /// What is wrong there, and what was expected.
        what: String,
    },
    /// A network cannot be written back into the file that it came from.
    NotWritable {
        /// Name of the layer.
        layer: String,
        /// Why.
        reason: String,
    },
    /// A CSV file without the columns that are needed.
    NoColumns {
        /// The columns that are needed.
        expected: String,
        /// The columns that it has, joined by commas.
        found: String,
    },
    /// A CSV file has two columns of one name.
    ColumnTwice {
        /// The name.
        column: &'static str,
    },
    /// A quote of a CSV file that is never closed.
    OpenQuote {
        /// Its line, from 1.
        line: u64,
    },
    /// A row of a CSV file has more or fewer fields than its header.
    Fields {
        /// The line, from 1, on which the row begins.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// A field of a CSV file is not what it must be.
    Cell {
        /// The line, from 1, on which its row begins.
        line: u64,
        /// Name of its column.
        column: String,
        /// What was expected.
        expected: &'static str,
        /// What is there; its beginning, where it is long.
        found: String,
    },
    /// Bytes that are no UTF-8.
    NotUtf8 {
        /// Their line, from 1.
        line: u64,
    },
    /// Comments of one class.
    OneClass {
        /// Number of comments.
        comments: usize,
        /// Whether they are toxic.
        toxic: bool,
    },
}

impl DataError {
    /// A problem with `place`.
    pub(super) fn new(place: &str, problem: Problem) -> Self {
        Self { place: place.to_string(), problem }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", one_line(&self.place), self.problem)
    }
}

/// Text whose control characters, which would break a message of one line, are escaped; cut when it is
/// very long.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == 1000 {
            line.push('…');
            break;
        }
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

impl std::error::Error for DataError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "there is no such file or folder"),
            Self::Read { offset, reason } => write!(f, "cannot be read at byte {offset}: {reason}"),
            Self::Gzip { offset, reason } => {
                write!(
                    f,
                    "the gzip stream is cut or damaged after {offset} unpacked bytes: {reason}"
                )
            }
            Self::Cut { offset, what, expected, found } => write!(
                f,
                "the file is cut: {what} at byte {offset} should take {expected} bytes, {found} are there"
            ),
            Self::Trailing { offset } => {
                write!(f, "the file should end at byte {offset} by its own header, but goes on")
            }
            Self::NotIdx { found: [a, b] } => write!(
                f,
                "not an IDX file: its first two bytes should be 00 00 (or 1f 8b for gzip), found {a:02x} {b:02x}"
            ),
            Self::Type { found } => {
                write!(f, "byte 2: expected data type 08 (unsigned bytes), found {found:02x}")
            }
            Self::Dimensions { expected, found } => {
                let kind = if *expected == 3 { "images" } else { "labels" };
                write!(f, "byte 3: expected {expected} dimension(s) ({kind}), found {found}")
            }
            Self::Side { offset, what, found, limit } => {
                write!(f, "byte {offset}: expected 1 to {limit} {what}, found {found}")
            }
            Self::NewSide { what, found, limit } => {
                write!(f, "cannot be resampled to {found} {what}: expected 1 to {limit}")
            }
            Self::TooLarge { found, limit } => {
                write!(
                    f,
                    "{found} bytes by number and size of samples, at most {limit} are accepted"
                )
            }
            Self::Empty => write!(f, "expected at least one sample, found none"),
            Self::Label { sample, found, limit } => write!(
                f,
                "label {found} of sample {sample} is out of range: labels are 0 to {}",
                limit.saturating_sub(1)
            ),
            Self::Counts { images, labels, labels_file } => {
                write!(f, "{images} images, but {labels} labels in {labels_file}")
            }
            Self::Pixels { expected, found } => {
                write!(f, "expected {expected} pixels by number and size of images, found {found}")
            }
            Self::Sizes { train, test } => write!(
                f,
                "training images are {} x {}, test images {} x {}: they must have one size",
                train.0, train.1, test.0, test.1
            ),
            Self::Digest { expected, found } => {
                write!(f, "damaged: its content should have sha256 {expected}, found {found}")
            }
            Self::Class { class, part, samples } => write!(
                f,
                "class {class} has {samples} sample(s), none of them in the {part} part: every part needs one"
            ),
            Self::NoFiles { what } => {
                write!(f, "expected IDX files, but no file has \"{what}\" in its name")
            }
            Self::Unpaired { file, lacks } => {
                write!(f, "{file} has no {lacks} file beside it (the same name with \"{lacks}\")")
            }
            Self::Ambiguous { files } => write!(
                f,
                "expected one set, or one train and one test set, found {files}: name one images file instead"
            ),
            Self::FileTooLarge { found, limit } => {
                write!(f, "{found} bytes, at most {limit} are read")
            }
            Self::NotSafetensors { reason } => write!(f, "not a safetensors file: {reason}"),
            Self::NotTflite { reason } => write!(f, "not a .tflite file that is read: {reason}"),
            Self::Tflite { at, what } => write!(f, "{at}: {what}"),
            Self::Tensor { tensor, expected, found } => {
                write!(f, "tensor {tensor}: expected {expected}, found {found}")
            }
            Self::NoTensor { tensor, near } if near.is_empty() => {
                write!(f, "there is no tensor {tensor}, nor one of a similar name")
            }
            Self::NoTensor { tensor, near } => {
                write!(f, "there is no tensor {tensor} (similar names: {near})")
            }
            Self::Arch { at, what } => write!(f, "{at}: {what}"),
            Self::NotWritable { layer, reason } => {
                write!(f, "layer {layer} cannot be written back: {reason}")
            }
            Self::NoColumns { expected, found } => {
                write!(f, "expected columns {expected}; found {}", one_line(found))
            }
            Self::ColumnTwice { column } => {
                write!(f, "line 1: expected one column {column}, found several")
            }
            Self::OpenQuote { line } => {
                write!(f, "line {line}: a quote that opens here is not closed before the file ends")
            }
            Self::Fields { line, expected, found } => {
                write!(f, "line {line}: expected {expected} fields as in the header, found {found}")
            }
            Self::Cell { line, column, expected, found } => {
                let column = one_line(column);
                write!(f, "line {line}, column {column}: expected {expected}, found {found:?}")
            }
            Self::NotUtf8 { line } => write!(f, "line {line}: expected UTF-8, found other bytes"),
            Self::OneClass { comments, toxic } => {
                let which = if *toxic { "toxic" } else { "not toxic" };
                write!(f, "expected toxic comments and others, found {comments}, all {which}")
            }
        }
    }
}
