use crate::data::{DataError, Problem, SafeTensors};

/// A file of the format around a header and data.
pub(super) fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

pub(super) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file of F32 tensors, in the given order.
pub(super) fn tensors(list: &[(&str, &[usize], Vec<f32>)]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, shape, values) in list {
        let start = data.len();
        data.extend(floats(values));
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{}]}}"#,
            data.len()
        ));
    }
    file(&format!("{{{}}}", entries.join(",")), &data)
}

fn read(bytes: Vec<u8>) -> Result<SafeTensors, DataError> {
    SafeTensors::read("net.safetensors", bytes)
}

fn refused(bytes: Vec<u8>, named: &[&str]) -> Problem {
    let error = read(bytes).unwrap_err();
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message:?}");
    assert!(message.starts_with("net.safetensors: "), "{message}");
    for name in named {
        assert!(message.contains(name), "{message:?} does not name {name:?}");
    }
    error.problem
}

#[test]
fn what_was_written_is_read() {
    let header = concat!(
        r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"#,
        r#""n":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}   "#
    );
    let data = [&7i32.to_le_bytes()[..], &floats(&[1.5, -2.0])].concat();
    let bytes = file(header, &data);
    let read = read(bytes.clone()).unwrap();
    assert_eq!(read.bytes(), bytes);
    let names: Vec<_> = read.tensors().iter().map(|t| (t.name.as_str(), t.len())).collect();
    assert_eq!(names, [("b", 2), ("n", 1)]);
    assert_eq!(read.values(read.tensor("b").unwrap()).unwrap(), [1.5, -2.0]);
    let error = read.values(read.tensor("n").unwrap()).unwrap_err().to_string();
    assert!(
        error.contains("tensor n") && error.contains("I32") && error.contains("F32"),
        "{error}"
    );
}

#[test]
fn other_floats_are_converted() {
    let header = concat!(
        r#"{"h":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},"#,
        r#""g":{"dtype":"BF16","shape":[2],"data_offsets":[10,14]},"#,
        r#""d":{"dtype":"F64","shape":[2],"data_offsets":[14,30]}}"#
    );
    let mut data: Vec<u8> =
        [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0x8000].iter().flat_map(|b| b.to_le_bytes()).collect();
    data.extend([0x3f80u16, 0xc040].iter().flat_map(|b| b.to_le_bytes()));
    data.extend([0.1f64, 1e300].iter().flat_map(|b| b.to_le_bytes()));
    let read = read(file(header, &data)).unwrap();
    let values = |name| read.values(read.tensor(name).unwrap());
    assert_eq!(values("h").unwrap(), [1.0, -2.0, 2.0f32.powi(-24), 65504.0, -0.0]);
    assert_eq!(values("g").unwrap(), [1.0, -3.0]);
    let error = values("d").unwrap_err().to_string();
    assert!(error.contains("tensor d") && error.contains("inf at index 1"), "{error}");
}

#[test]
fn cut_files_are_errors() {
    let whole = tensors(&[("a", &[2, 3], vec![1.0; 6]), ("b", &[2], vec![0.5; 2])]);
    let header = whole.len() - 32;
    assert!(read(whole.clone()).is_ok());
    for len in 0..whole.len() {
        let problem = refused(whole[..len].to_vec(), &[]);
        let cut = matches!(problem, Problem::Cut { .. });
        assert_eq!(cut, len < header, "{len}: {problem:?}");
    }
    refused(whole[..whole.len() - 1].to_vec(), &["tensor b", "within the 31 bytes", "24 to 32"]);
    refused([&whole[..], b"x"].concat(), &["goes on"]);
}

#[test]
fn headers_that_are_none_are_errors() {
    refused(b"PK\x03\x04 this is a zip archive".to_vec(), &["not a safetensors file", "first 8"]);
    refused(file("no json", b""), &["not a safetensors file"]);
    refused(file("[1, 2]", b""), &["not a safetensors file", "from names to tensors"]);
    refused(file("{} {}", b""), &["not a safetensors file", "trailing"]);
    refused(file("{\"a\":\n\n7}", b""), &["not a safetensors file"]);
    refused(file(&"[".repeat(100_000), b""), &["not a safetensors file"]);
    let entry = |entry: &str| file(&format!("{{\"a\\n\":{entry}}}"), &[0; 8]);
    refused(entry(r#"{"dtype":"F32","shape":[2]}"#), &["data_offsets"]);
    refused(entry(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}"#), &["x"]);
    refused(entry(r#"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#), &["-2"]);
    let twice = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
        "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    refused(file(twice, &[0; 8]), &["\"a\"", "twice"]);
}

#[test]
fn offsets_and_shapes_must_fit() {
    let one = |dtype: &str, shape: &str, from: u64, to: u64| {
        let entry =
            format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#);
        file(&format!("{{\"w\":{entry}}}"), &[0; 16])
    };
    assert!(read(one("F32", "[2,2]", 0, 16)).is_ok());
    assert!(read(one("F4", "[32]", 0, 16)).is_ok(), "types that nobody reads are let through");
    refused(one("F32", "[2,2]", 0, 24), &["tensor w", "within the 16 bytes", "0 to 24"]);
    refused(one("F32", "[2,2]", 16, 0), &["tensor w", "16 to 0"]);
    refused(one("F32", "[2,2]", 0, u64::MAX), &["tensor w"]);
    refused(
        one("F32", "[2,3]", 0, 16),
        &["tensor w", "24 bytes of F32 in shape [2, 3]", "16 bytes"],
    );
    refused(one("F16", "[4]", 0, 16), &["tensor w", "8 bytes of F16"]);
    refused(one("F32", "[4294967296,4294967296,4294967296]", 0, 16), &["tensor w", "addressed"]);
    refused(one("F32", "[4]", 4, 16), &["tensor w", "12 bytes"]);
    refused(one("F32", "[3]", 4, 16), &["tensor w", "where the one before ends (0)", "offset 4"]);
    let overlap = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
        "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    refused(file(overlap, &[0; 12]), &["tensor b", "(8)", "offset 4"]);
}

#[test]
fn a_missing_tensor_lists_names_that_are_near() {
    let read = read(tensors(&[
        ("features.0.weight", &[1], vec![1.0]),
        ("features.3.weight", &[1], vec![1.0]),
        ("head", &[1], vec![1.0]),
    ]))
    .unwrap();
    let message = read.tensor("feature.0.weight").unwrap_err().to_string();
    assert!(message.contains("similar names: features.0.weight, features.3.weight"), "{message}");
    assert!(!message.contains("head"), "{message}");
    let message = read.tensor("zzzz").unwrap_err().to_string();
    assert!(message.contains("no tensor zzzz"), "{message}");
}
