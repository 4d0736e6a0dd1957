//! The safetensors container: named tensors behind a JSON header.
//!
//! Layout (<https://huggingface.co/docs/safetensors>, "Format"): the header's length as a little-endian
//! u64; the header, a JSON object from names to `dtype`, `shape` and `data_offsets` (`__metadata__`
//! holds text); then the data, which the offsets count from and which the tensors cover without a gap.

use super::error::{DataError, Problem, one_line};
use super::idx::MAX_BYTES;
use super::near::nearest;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// The longest header that is read, in bytes: the format's own limit.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes before the header.
const PREFIX: usize = 8;

/// What a tensor's entry in the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its type as the format writes it: "F32", …
    pub dtype: String,
    /// Its shape, outermost dimension first; empty for a single number.
    pub shape: Vec<usize>,
    /// Where its bytes lie in the file.
    range: Range<usize>,
}

impl Tensor {
    /// Number of values.
    pub fn len(&self) -> usize {
        // The reader has checked that this does not overflow.
        self.shape.iter().product()
    }

    /// True when a dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file of tensors, whole in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeTensors {
    place: String,
    bytes: Vec<u8>,
    tensors: Vec<Tensor>,
}

impl SafeTensors {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError`] when it cannot be read, has more than [`MAX_BYTES`] bytes, or is not of this
    /// format.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let place = path.display().to_string();
        let bytes = read_file(path, MAX_BYTES)?;
        Self::read(&place, bytes)
    }

    /// Reads a file's content. `place` stands in errors.
    ///
    /// # Errors
    /// [`DataError`]: the content is cut, its header is not the format's, an entry's offsets lie outside,
    /// overlap, leave a gap, or do not fit its shape.
    pub fn read(place: &str, bytes: Vec<u8>) -> Result<Self, DataError> {
        let fail = |problem| Err(DataError::new(place, problem));
        let found = bytes.len() as u64;
        let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
            return fail(Problem::Cut {
                offset: 0,
                what: "the header's length",
                expected: 8,
                found,
            });
        };
        let expected = u64::from_le_bytes(*prefix);
        if expected > MAX_HEADER {
            let reason = format!("its header would have {expected} bytes by the first 8");
            return fail(Problem::NotSafetensors { reason });
        }
        // Below MAX_HEADER, so the cast keeps it.
        let Some((header, data)) = rest.split_at_checked(expected as usize) else {
            let found = rest.len() as u64;
            return fail(Problem::Cut { offset: 8, what: "the header", expected, found });
        };
        let header: Header = match serde_json::from_slice(header) {
            Ok(header) => header,
            Err(error) => {
                let reason = format!("its header: {}", one_line(&error.to_string()));
                return fail(Problem::NotSafetensors { reason });
            }
        };
        let start = bytes.len() - data.len();
        let mut tensors = Vec::with_capacity(header.0.len());
        for (name, entry) in header.0 {
            tensors.push(entry.check(place, name, start, data.len())?);
        }
        let mut order: Vec<&Tensor> = tensors.iter().collect();
        order.sort_by_key(|tensor| (tensor.range.start, tensor.range.end));
        let mut end = start;
        for tensor in order {
            if tensor.range.start != end {
                return fail(Problem::Tensor {
                    tensor: one_line(&tensor.name),
                    expected: format!(
                        "bytes that begin where the one before ends ({})",
                        end - start
                    ),
                    found: format!("offset {}", tensor.range.start - start),
                });
            }
            end = tensor.range.end;
        }
        if end != bytes.len() {
            return fail(Problem::Trailing { offset: end as u64 });
        }
        Ok(Self { place: place.to_string(), bytes, tensors })
    }

    /// Where it was read from, as errors name it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Bytes of the whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The tensors, in the order of the header.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensor of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The tensor of that name.
    ///
    /// # Errors
    /// [`Problem::NoTensor`] lists names that are near.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, DataError> {
        self.find(name).ok_or_else(|| {
            let names = self.tensors.iter().map(|tensor| tensor.name.as_str());
            let near = nearest(name, names).iter().map(|name| one_line(name)).collect::<Vec<_>>();
            DataError::new(
                &self.place,
                Problem::NoTensor { tensor: one_line(name), near: near.join(", ") },
            )
        })
    }

    /// The values of a tensor of this file, in stored order; F16, BF16 and F64 are converted.
    ///
    /// # Errors
    /// [`Problem::Tensor`] for another type, or a value that is not finite (as f32).
    pub fn values(&self, tensor: &Tensor) -> Result<Vec<f32>, DataError> {
        let bytes = self.bytes.get(tensor.range.clone()).unwrap_or_default();
        let values: Vec<f32> = match tensor.dtype.as_str() {
            "F32" => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            "F64" => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            "F16" => bytes.as_chunks().0.iter().map(|&b| half(u16::from_le_bytes(b))).collect(),
            "BF16" => {
                let wide = |&b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16);
                bytes.as_chunks().0.iter().map(wide).collect()
            }
            other => {
                let expected = "type F32, F16, BF16 or F64".into();
                return Err(self.wrong(tensor, expected, format!("type {}", one_line(other))));
            }
        };
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => {
                let found = values.get(index).copied().unwrap_or(f32::NAN);
                let expected = "finite values (as f32)".into();
                Err(self.wrong(tensor, expected, format!("{found} at index {index}")))
            }
        }
    }

    /// Puts `values` in the place of a tensor's in `bytes`, a copy of this file's; every other byte
    /// stays.
    ///
    /// # Errors
    /// [`Problem::Tensor`] when the tensor is not of type F32 or has another number of values.
    pub(super) fn replace(
        &self,
        tensor: &Tensor,
        values: &[f32],
        bytes: &mut [u8],
    ) -> Result<(), DataError> {
        self.writable(tensor)?;
        match bytes.get_mut(tensor.range.clone()) {
            Some(slot) if slot.len() == 4 * values.len() => {
                for (to, value) in slot.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                    *to = value.to_le_bytes();
                }
                Ok(())
            }
            _ => {
                let expected = format!("{} values to write", tensor.len());
                Err(self.wrong(tensor, expected, values.len().to_string()))
            }
        }
    }

    /// Whether edited values of this tensor can be written back.
    pub(super) fn writable(&self, tensor: &Tensor) -> Result<(), DataError> {
        if tensor.dtype == "F32" {
            return Ok(());
        }
        let expected = "type F32, the only one that edited weights are written back as".into();
        Err(self.wrong(tensor, expected, format!("type {}", one_line(&tensor.dtype))))
    }

    /// What is wrong with a tensor of this file.
    pub(super) fn wrong(&self, tensor: &Tensor, expected: String, found: String) -> DataError {
        let tensor = one_line(&tensor.name);
        DataError::new(&self.place, Problem::Tensor { tensor, expected, found })
    }
}

/// Reads a whole file of at most `limit` bytes.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let place = path.display().to_string();
    let failed = |error: std::io::Error| super::dir::unreadable(&place, &error);
    let found = fs::metadata(path).map_err(failed)?.len();
    if found > limit {
        return Err(DataError::new(&place, Problem::FileTooLarge { found, limit }));
    }
    fs::read(path).map_err(failed)
}

/// Bytes of one value; `None` for types that are not known here.
fn size(dtype: &str) -> Option<usize> {
    match dtype {
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => Some(1),
        "U16" | "I16" | "F16" | "BF16" => Some(2),
        "U32" | "I32" | "F32" => Some(4),
        "U64" | "I64" | "F64" | "C64" => Some(8),
        _ => None,
    }
}

/// IEEE 754 binary16 as f32, exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (bits >> 10 & 31, f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2.0f32.powi(i32::from(exponent) - 25),
    }
}

/// The entries of a header, each name once.
struct Header(Vec<(String, Entry)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from names to tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = std::collections::BTreeMap::new();
                let mut order = 0usize;
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let entry = map.next_value::<Entry>()?;
                    if entries.insert(name.clone(), (order, entry)).is_some() {
                        return Err(A::Error::custom(format!("tensor {name:?} is there twice")));
                    }
                    order += 1;
                }
                let mut list: Vec<_> =
                    entries.into_iter().map(|(name, (at, entry))| (at, name, entry)).collect();
                list.sort_by_key(|(at, ..)| *at);
                Ok(Header(list.into_iter().map(|(_, name, entry)| (name, entry)).collect()))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl Entry {
    /// The tensor `name`, whose data are the `len` bytes from `start` on.
    fn check(
        self,
        place: &str,
        name: String,
        start: usize,
        len: usize,
    ) -> Result<Tensor, DataError> {
        let wrong = |expected: String, found: String| {
            let tensor = one_line(&name);
            Err(DataError::new(place, Problem::Tensor { tensor, expected, found }))
        };
        let [from, to] = self.data_offsets;
        if from > to || to > len as u64 {
            return wrong(
                format!("offsets within the {len} bytes of data"),
                format!("{from} to {to}"),
            );
        }
        // In u128: a product of lengths that are each below 2^64 is stopped once it passes 2^64.
        let count = self.shape.iter().try_fold(1u128, |count, &side| {
            Some(count.checked_mul(u128::from(side))?)
                .filter(|&count| count <= u128::from(u64::MAX))
        });
        let Some(count) = count else {
            return wrong("a shape that can be addressed".into(), format!("{:?}", self.shape));
        };
        let held = to - from;
        if let Some(size) = size(&self.dtype)
            && count * size as u128 != u128::from(held)
        {
            let expected = format!(
                "{} bytes of {} in shape {:?}",
                count * size as u128,
                self.dtype,
                self.shape
            );
            return wrong(expected, format!("{held} bytes"));
        }
        let small = |side: &u64| usize::try_from(*side).ok();
        let shape: Option<Vec<usize>> = self.shape.iter().map(small).collect();
        // `to` is at most the length of a slice.
        let range = start + from as usize..start + to as usize;
        match shape.filter(|_| usize::try_from(count).is_ok()) {
            Some(shape) => Ok(Tensor { name, dtype: self.dtype, shape, range }),
            None => wrong("a shape that can be addressed".into(), format!("{:?}", self.shape)),
        }
    }
}
