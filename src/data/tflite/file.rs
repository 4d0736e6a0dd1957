//! What a file holds: operators, tensors, their quantisation, and where their bytes lie.

use super::names;
use super::table::{Bytes, Table};
use crate::data::error::{DataError, Problem, one_line};
use crate::data::safetensors::read_file;
use std::ops::Range;
use std::path::Path;

/// The largest file that is read, in bytes: what a FlatBuffer's offsets reach.
const MAX_BYTES: u64 = (1 << 31) - 1;
/// Operators, tensors, buffers and dimensions that are read at most; what is for microcontrollers has few.
const MAX_ITEMS: usize = 10_000;
const MAX_DIMENSIONS: usize = 8;
/// Number of the options of a dense layer among those of all operators.
const DENSE_OPTIONS: u8 = 8;
/// Characters of a name that are kept.
const MAX_NAME: usize = 200;

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TfTensor {
    /// Its name; the beginning, where it is long.
    pub name: String,
    /// Number of its type.
    pub(super) kind: u8,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Where its values lie in the file; `None` for those that are computed.
    pub data: Option<Range<usize>>,
    /// Index of its buffer.
    pub(super) buffer: usize,
    pub(super) scales: Range<usize>,
    pub(super) zeros: Range<usize>,
    /// The dimension that scales are for, where there are several.
    pub axis: usize,
}

impl TfTensor {
    /// Name of its type: "INT8", …
    pub fn kind(&self) -> String {
        names::kind(self.kind).0
    }

    /// Number of values, at most `usize::MAX`.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |len, &side| len.saturating_mul(side))
    }

    /// True when a dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An operator of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TfOperator {
    /// Its name: "FULLY_CONNECTED", …
    pub name: String,
    pub(super) code: u32,
    pub(super) inputs: Range<usize>,
    pub(super) outputs: Range<usize>,
    /// Of dense layers: the number of the activation, and whether weights are shuffled.
    pub(super) activation: u8,
    pub(super) format: u8,
}

/// A .tflite file, whole in memory, with what its first subgraph is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TfLite {
    pub(super) place: String,
    pub(super) bytes: Vec<u8>,
    pub(super) tensors: Vec<TfTensor>,
    pub(super) operators: Vec<TfOperator>,
    pub(super) buffers: Vec<Range<usize>>,
    pub(super) inputs: Range<usize>,
    pub(super) outputs: Range<usize>,
}

impl TfLite {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError`] when it cannot be read, is longer than 2 GiB, or is not of this format.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let bytes = read_file(path, MAX_BYTES)?;
        Self::read(&path.display().to_string(), bytes)
    }

    /// Reads a file's content. `place` stands in errors.
    ///
    /// # Errors
    /// [`Problem::NotTflite`] for other files, versions and several subgraphs; [`Problem::Tflite`] for an offset, a
    /// length or an index that leads nowhere.
    pub fn read(place: &str, bytes: Vec<u8>) -> Result<Self, DataError> {
        let source = Bytes { place, bytes: &bytes };
        let other = |reason: String| DataError::new(place, Problem::NotTflite { reason });
        if !is_tflite(&bytes) {
            return Err(other("bytes 4 to 7 should be TFL3".into()));
        }
        let model = source.root()?;
        match model.u32(0)? {
            3 => {}
            version => return Err(other(format!("expected version 3, found {version}"))),
        }
        let codes = list(source, &model, 1, "operator code", |code| {
            // Numbers above 127 stand in the newer field alone.
            Ok((u32::from(code.u8(0)?).max(code.u32(3)?), text(source, &code, 1)?))
        })?;
        let buffers = list(source, &model, 4, "buffer", |buffer| {
            if buffer.is_set(1)? {
                return Err(other("its weights lie behind the FlatBuffer".into()));
            }
            buffer.vector(0, 1, "data of a buffer")
        })?;
        let subgraphs = model.vector(2, 4, "subgraphs")?;
        if subgraphs.len() != 4 {
            return Err(other(format!("expected one subgraph, found {}", subgraphs.len() / 4)));
        }
        let graph = source.entry(&subgraphs, 0, "subgraph")?;
        let tensors = list(source, &graph, 0, "tensor", |table| tensor(source, &table, &buffers))?;
        let operators =
            list(source, &graph, 3, "operator", |table| operator(source, &table, &codes))?;
        // Vectors that several operators share would cost more time than the file has bytes.
        let arguments = |made: &TfOperator| made.inputs.len() + made.outputs.len();
        if operators.iter().map(arguments).sum::<usize>() > bytes.len() {
            return Err(other("its operators have more arguments than the file has bytes".into()));
        }
        let inputs = graph.vector(1, 4, "inputs")?;
        let outputs = graph.vector(2, 4, "outputs")?;
        let place = place.to_string();
        Ok(Self { place, bytes, tensors, operators, buffers, inputs, outputs })
    }

    /// Where it was read from, as errors name it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Bytes of the whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its tensors.
    pub fn tensors(&self) -> &[TfTensor] {
        &self.tensors
    }

    /// Its operators, in the order in which they run.
    pub fn operators(&self) -> &[TfOperator] {
        &self.operators
    }

    /// Scales of a tensor of this file and its zero points: none, one of each, or one for each index of
    /// [`axis`](TfTensor::axis).
    pub fn quantisation<'f>(
        &'f self,
        tensor: &TfTensor,
    ) -> (impl ExactSizeIterator<Item = f32> + use<'f>, impl ExactSizeIterator<Item = i64> + use<'f>)
    {
        let scales = self.bytes.get(tensor.scales.clone()).unwrap_or_default();
        let zeros = self.bytes.get(tensor.zeros.clone()).unwrap_or_default();
        (
            scales.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)),
            zeros.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)),
        )
    }

    /// Indices of the tensors that an operator takes and of those that it gives; below 0 for one left out.
    pub fn arguments<'f>(
        &'f self,
        operator: &TfOperator,
    ) -> (impl ExactSizeIterator<Item = i32> + use<'f>, impl ExactSizeIterator<Item = i32> + use<'f>)
    {
        (self.indices(operator.inputs.clone()), self.indices(operator.outputs.clone()))
    }

    /// Indices of the tensors that the network takes and of those that it gives.
    pub fn ends(&self) -> (impl ExactSizeIterator<Item = i32>, impl ExactSizeIterator<Item = i32>) {
        (self.indices(self.inputs.clone()), self.indices(self.outputs.clone()))
    }

    fn indices(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = i32> + '_ {
        let bytes = self.bytes.get(range).unwrap_or_default();
        bytes.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes))
    }
}

/// Whether bytes begin as a .tflite file does: an offset, then the identifier.
pub(crate) fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

/// Reads every table of a vector of tables.
fn list<'b, T>(
    source: Bytes<'b>,
    table: &Table<'b>,
    field: usize,
    what: &'static str,
    read: impl Fn(Table<'b>) -> Result<T, DataError>,
) -> Result<Vec<T>, DataError> {
    let range = table.vector(field, 4, what)?;
    let count = range.len() / 4;
    if count > MAX_ITEMS {
        let problem = format!("expected at most {MAX_ITEMS} of them, found {count}");
        return Err(source.fault(range.start, what, problem));
    }
    (0..count).map(|index| read(source.entry(&range, index, what)?)).collect()
}

/// A text; its beginning, on one line.
fn text(source: Bytes<'_>, table: &Table<'_>, field: usize) -> Result<String, DataError> {
    let range = table.vector(field, 1, "name")?;
    let end = range.end.min(range.start.saturating_add(4 * MAX_NAME));
    let bytes = source.bytes.get(range.start..end).unwrap_or_default();
    let text: String = String::from_utf8_lossy(bytes).chars().take(MAX_NAME).collect();
    Ok(one_line(&text))
}

fn tensor(
    source: Bytes<'_>,
    table: &Table<'_>,
    buffers: &[Range<usize>],
) -> Result<TfTensor, DataError> {
    let name = text(source, table, 3)?;
    let wrong = |expected: String, found: String| {
        let tensor = name.clone();
        Err(DataError::new(source.place, Problem::Tensor { tensor, expected, found }))
    };
    let sides = table.vector(0, 4, "shape")?;
    if sides.len() > 4 * MAX_DIMENSIONS {
        let found = (sides.len() / 4).to_string();
        return wrong(format!("at most {MAX_DIMENSIONS} dimensions"), found);
    }
    let sides = source.bytes.get(sides).unwrap_or_default().as_chunks().0;
    let mut shape = Vec::with_capacity(MAX_DIMENSIONS);
    for &side in sides {
        match usize::try_from(i32::from_le_bytes(side)) {
            Ok(side) => shape.push(side),
            Err(_) => {
                let found = i32::from_le_bytes(side).to_string();
                return wrong("dimensions of 0 or more".into(), found);
            }
        }
    }
    let buffer = table.u32(2)? as usize;
    let Some(data) = buffers.get(buffer) else {
        return wrong(format!("one of {} buffers", buffers.len()), format!("buffer {buffer}"));
    };
    let (mut scales, mut zeros, mut axis) = (0..0, 0..0, 0);
    if let Some(table) = table.table(4, "quantisation")? {
        (scales, zeros) = (table.vector(2, 4, "scales")?, table.vector(3, 8, "zero points")?);
        axis = table.u32(6)? as usize;
    }
    let data = Some(data.clone()).filter(|data| !data.is_empty());
    let kind = table.u8(1)?;
    if let (Some(bits), Some(data)) = (names::kind(kind).1, &data) {
        let values = shape.iter().fold(1u128, |len, &side| len.saturating_mul(side as u128));
        let expected = values.saturating_mul(bits.into()).div_ceil(8);
        if expected != data.len() as u128 {
            let expected =
                format!("{expected} bytes of {} in shape {shape:?}", names::kind(kind).0);
            return wrong(expected, format!("{} bytes", data.len()));
        }
    }
    Ok(TfTensor { name, kind, shape, data, buffer, scales, zeros, axis })
}

fn operator(
    source: Bytes<'_>,
    table: &Table<'_>,
    codes: &[(u32, String)],
) -> Result<TfOperator, DataError> {
    let index = table.u32(0)? as usize;
    let Some((code, custom)) = codes.get(index) else {
        let what = format!("operator code {index}, of {} that there are", codes.len());
        let at = "an operator".into();
        return Err(DataError::new(source.place, Problem::Tflite { at, what }));
    };
    let (mut activation, mut format) = (0, 0);
    if *code == names::FULLY_CONNECTED
        && table.u8(3)? == DENSE_OPTIONS
        && let Some(options) = table.table(4, "options of a dense layer")?
    {
        (activation, format) = (options.u8(0)?, options.u8(1)?);
    }
    let name = match *code {
        names::CUSTOM => format!("CUSTOM {custom}"),
        code => names::operator(code),
    };
    let (inputs, outputs) = (table.vector(1, 4, "inputs")?, table.vector(2, 4, "outputs")?);
    Ok(TfOperator { name, code: *code, inputs, outputs, activation, format })
}
