//! Samples of a function as a CSV file: numbers that go in, then numbers that come out.

use super::error::{DataError, Problem, one_line};
use super::safetensors::read_file;
use std::path::Path;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 28;

/// Samples of a function, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Numbers that go in, `[sample][input]`.
    pub x: Vec<f32>,
    /// Numbers that come out, `[sample][output]`.
    pub y: Vec<f32>,
}

/// Reads a CSV file of rows of `inputs` numbers and `outputs` numbers after them. A first line without any number is
/// taken for names of columns.
///
/// # Errors
/// [`DataError`] names the line: another number of fields, or a field that is no finite number.
pub fn load_pairs(path: &Path, inputs: usize, outputs: usize) -> Result<Pairs, DataError> {
    let bytes = read_file(path, MAX_BYTES)?;
    read_pairs(&path.display().to_string(), &bytes, inputs, outputs)
}

/// Reads a file's content; `place` stands in errors.
pub(super) fn read_pairs(
    place: &str,
    bytes: &[u8],
    inputs: usize,
    outputs: usize,
) -> Result<Pairs, DataError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let fail = |problem| Err(DataError::new(place, problem));
    let (mut pairs, mut record) = (Pairs::default(), csv::ByteRecord::new());
    let mut first = true;
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let reason = one_line(&error.to_string());
                return fail(Problem::Read { offset: reader.position().byte(), reason });
            }
        }
        let line = record.position().map_or(line, csv::Position::line);
        let number = |field: &[u8]| {
            std::str::from_utf8(field).ok()?.parse::<f32>().ok().filter(|value| value.is_finite())
        };
        let names = first && record.iter().all(|field| number(field).is_none());
        first = false;
        if names {
            continue;
        }
        let expected = inputs.saturating_add(outputs);
        if record.len() != expected {
            return fail(Problem::Fields { line, expected, found: record.len() });
        }
        for (column, field) in record.iter().enumerate() {
            match number(field) {
                Some(value) if column < inputs => pairs.x.push(value),
                Some(value) => pairs.y.push(value),
                None => {
                    let found = String::from_utf8_lossy(field.get(..40).unwrap_or(field)).into();
                    let column = (column + 1).to_string();
                    return fail(Problem::Cell {
                        line,
                        column,
                        expected: "a finite number",
                        found,
                    });
                }
            }
        }
    }
    if pairs.y.is_empty() {
        return fail(Problem::Empty);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_and_without_names() {
        let expected = Pairs { x: vec![1.0, -2.5, 0.0, 3e2], y: vec![4.0, 5.0] };
        for text in ["1,-2.5,4\n0, 3e2 ,5\n", "a,b,c\r\n1,-2.5,4\r\n\r\n0,300,5"] {
            assert_eq!(read_pairs("f", text.as_bytes(), 2, 1).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, parts) in [
            ("", ["f:", "one sample"]),
            ("x,y\n", ["f:", "one sample"]),
            ("1,2\n3\n", ["line 2", "found 1"]),
            ("1,2\n3,4,5\n", ["line 2", "expected 2"]),
            ("x,y\n1,2\n3,four\n", ["line 3, column 2", "four"]),
            ("1,2\nNaN,4\n", ["line 2, column 1", "finite"]),
            ("1,1e99\n", ["line 1, column 2", "1e99"]),
        ] {
            let error = read_pairs("f", text.as_bytes(), 1, 1).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{text:?}: {error}");
            }
        }
        assert!(read_pairs("f", b"1,\xff\xff\n", 1, 1).is_err());
    }
}
