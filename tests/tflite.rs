//! .tflite files: what is read, what its layers compute, what is written back, and any bytes as a file.
#![cfg(feature = "std")]

use proptest::prelude::*;
use reweight::data::tflite::{TfChain, TfLite};
use reweight::kernel::{Backend, Kernel};
use reweight::model::int8::{Int8Link, chain_need, run_chain};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

fn data(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)).unwrap()
}

static ORACLE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("oracle/tflite.json")).unwrap());

/// Rows of 8-bit integers.
fn rows(value: &Value) -> Vec<Vec<i8>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn run(kernel: Kernel, chain: &TfChain, x: &[Vec<i8>], packed: bool) -> Vec<Vec<i8>> {
    let pack = |layer: &reweight::data::tflite::TfDense| {
        let mut packed_weights = vec![0; Kernel::packed_i8_len(layer.inputs, layer.outputs)];
        kernel.pack_i8(layer.inputs, layer.outputs, &layer.weights, &mut packed_weights).unwrap();
        if packed { packed_weights } else { Vec::new() }
    };
    let packs: Vec<Vec<i32>> = chain.layers.iter().map(pack).collect();
    let links: Vec<Int8Link<'_>> =
        chain.layers.iter().zip(&packs).map(|(layer, packed)| layer.link(packed)).collect();
    let mut work = vec![0; chain_need(&links, x.len())];
    let mut y = vec![0; x.len() * chain.outputs()];
    run_chain(kernel, &links, x.len(), &x.concat(), &mut work, &mut y).unwrap();
    y.chunks(chain.outputs()).map(<[i8]>::to_vec).collect()
}

/// Compares with TensorFlow Lite Micro, on every kernel that this processor has.
fn agrees(chain: &TfChain, x: &[Vec<i8>], expected: &Value) {
    let expected = rows(expected);
    for backend in [Backend::Portable, Backend::Avx2, Backend::Avx512, Backend::Neon] {
        let Some(kernel) = Kernel::new(backend) else { continue };
        for packed in [false, true] {
            assert_eq!(run(kernel, chain, x, packed), expected, "{backend:?}, packed {packed}");
        }
    }
}

/// All inputs of a network of one.
fn everything() -> Vec<Vec<i8>> {
    (-128..=127).map(|x| vec![x]).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(pair).collect()
}

#[test]
fn the_sine_is_what_an_interpreter_computes() {
    let file = TfLite::read("sine", data("sine.tflite")).unwrap();
    assert_eq!(file.operators().len(), 3);
    assert_eq!(file.tensors().len(), 10);
    let chain = file.dense(None).unwrap();
    let sizes: Vec<_> = chain.layers.iter().map(|layer| (layer.inputs, layer.outputs)).collect();
    assert_eq!(sizes, [(1, 16), (16, 16), (16, 1)]);
    agrees(&chain, &everything(), &ORACLE["sine"]["y"]);
}

#[test]
fn the_dense_layer_of_speech_is_edited_alone() {
    let file = TfLite::read("speech", data("speech.tflite")).unwrap();
    let error = file.dense(None).unwrap_err().to_string();
    for part in ["speech", "operator 0 (RESHAPE)", "FULLY_CONNECTED", "--layer", "operator 2"] {
        assert!(error.contains(part), "{error}");
    }
    let chain = file.dense(Some("2")).unwrap();
    assert_eq!((chain.inputs(), chain.outputs()), (4000, 4));
    assert_eq!(chain, file.dense(Some("final_fc_weights/read/transpose")).unwrap());
    agrees(&chain, &rows(&ORACLE["speech"]["x"]), &ORACLE["speech"]["y"]);
    let error = file.dense(Some("1")).unwrap_err().to_string();
    assert!(error.contains("operator 1 (DEPTHWISE_CONV_2D)"), "{error}");
    for nothing in ["4", "first_weights/read", "-1", ""] {
        let error = file.dense(Some(nothing)).unwrap_err().to_string();
        assert!(error.contains("below 4"), "{error}");
    }
    let mut edited = chain.clone();
    edited.layers[0].weights[15_999] -= 1;
    edited.layers[0].bias[3] += 1;
    let bytes = file.with(&edited).unwrap();
    assert_eq!(bytes.iter().zip(file.bytes()).filter(|(new, old)| new != old).count(), 2);
}

#[test]
fn activations_rows_and_absent_biases() {
    for case in ORACLE["chains"].as_array().unwrap() {
        let file = TfLite::read("chain", hex(case["file"].as_str().unwrap())).unwrap();
        let chain = file.dense(None).unwrap();
        agrees(&chain, &rows(&case["x"]), &case["y"]);
        assert_eq!(file.with(&chain).unwrap(), file.bytes());
        for (index, layer) in chain.layers.iter().enumerate() {
            if !layer.has_bias() {
                let mut edited = chain.clone();
                edited.layers[index].bias[0] = 1;
                let error = file.with(&edited).unwrap_err().to_string();
                assert!(error.contains("no biases") && error.contains(&layer.name), "{error}");
            }
        }
    }
}

#[test]
fn edits_are_written_into_their_bytes_and_no_others() {
    let file = TfLite::read("sine", data("sine.tflite")).unwrap();
    let chain = file.dense(None).unwrap();
    assert_eq!(file.with(&chain).unwrap(), file.bytes());
    // The edit that the oracle makes.
    let mut edited = chain.clone();
    for layer in &mut edited.layers {
        for (index, weight) in layer.weights.iter_mut().enumerate() {
            *weight = (i32::from(*weight) + (7 * index % 11) as i32 - 5).clamp(-128, 127) as i8;
        }
        for (index, bias) in layer.bias.iter_mut().enumerate() {
            *bias += 100 * ((3 * index % 7) as i32 - 3);
        }
    }
    let bytes = file.with(&edited).unwrap();
    let digest =
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(digest, ORACLE["edited"]["sha256"].as_str().unwrap());
    let ranges: Vec<_> = (file.tensors().iter()).filter_map(|tensor| tensor.data.clone()).collect();
    assert_eq!(ranges.iter().map(|range| range.len()).sum::<usize>(), 288 + 4 * 33);
    for (at, (new, old)) in bytes.iter().zip(file.bytes()).enumerate() {
        assert!(new == old || ranges.iter().any(|range| range.contains(&at)), "byte {at}");
    }
    let read = TfLite::read("edited", bytes).unwrap().dense(None).unwrap();
    assert_eq!(read, edited);
    agrees(&read, &everything(), &ORACLE["edited"]["y"]);
    // Values that do not fit.
    edited.layers[1].weights.pop();
    let error = file.with(&edited).unwrap_err().to_string();
    assert!(error.contains("dense_3/MatMul") && error.contains("number of values"), "{error}");
}

#[test]
fn what_cannot_be_edited_names_operator_and_tensor() {
    let file = TfLite::read("sine", data("sine.tflite")).unwrap();
    // The weights' scale, as it stands in the file, is followed by its vector of zero points.
    let scale = file.quantisation(&file.tensors()[4]).0.next().unwrap().to_le_bytes();
    let refused = |file: TfLite, parts: &[&str]| {
        let error = file.dense(None).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    let bytes = data("sine.tflite");
    let at = bytes.windows(4).position(|window| window == scale).unwrap();
    for (name, new, parts) in [
        ("scale", f32::NAN.to_le_bytes(), ["operator 1", "dense_3/MatMul", "NaN"]),
        ("scale", (-1.0f32).to_le_bytes(), ["operator 1", "dense_3/MatMul", "-1"]),
        ("scale", 0.0f32.to_le_bytes(), ["operator 1", "dense_3/MatMul", "above 0"]),
    ] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&new);
        refused(TfLite::read(name, bytes).unwrap(), &parts);
    }
    // The zero point of these weights, wherever it stands.
    let mut zeros = (0..bytes.len() - 8).filter(|&zero| {
        let mut bytes = bytes.clone();
        bytes[zero..zero + 8].copy_from_slice(&3i64.to_le_bytes());
        TfLite::read("zero", bytes).is_ok_and(|file| {
            file.tensors().len() == 10 && file.quantisation(&file.tensors()[4]).1.eq([3])
        })
    });
    let zero = zeros.next_back().unwrap();
    let mut zeroed = bytes.clone();
    zeroed[zero..zero + 8].copy_from_slice(&3i64.to_le_bytes());
    refused(
        TfLite::read("zero", zeroed).unwrap(),
        &[
            "operator 1 (FULLY_CONNECTED)",
            "tensor sequential_1/dense_3/MatMul",
            "zero points of 0",
            "found 3",
        ],
    );
    // Another operator: the code stands behind the table's list of fields.
    let mut softmax = bytes.clone();
    let code = (0..bytes.len()).rev().find(|&at| {
        let mut bytes = bytes.clone();
        bytes[at] = 25;
        bytes[at] != data("sine.tflite")[at]
            && TfLite::read("code", bytes).is_ok_and(|file| file.operators()[0].name == "SOFTMAX")
    });
    softmax[code.unwrap()] = 25;
    refused(TfLite::read("code", softmax).unwrap(), &["operator 0 (SOFTMAX)", "no dense layer"]);
    // A magic word, a version, a cut.
    for (name, at, new, part) in [("magic", 4, 0, "TFL3"), ("version", 56, 4, "version 3, found 4")]
    {
        let mut bytes = bytes.clone();
        bytes[at] = new;
        let error = TfLite::read(name, bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_file_that_is_cut_is_an_error_at_every_length() {
    for name in ["sine.tflite", "speech.tflite"] {
        let bytes = data(name);
        for len in (0..bytes.len()).step_by(if bytes.len() > 4000 { 37 } else { 1 }) {
            let error = TfLite::read("cut", bytes[..len].to_vec()).unwrap_err().to_string();
            assert!(error.starts_with("cut: ") && !error.contains('\n'), "{len}: {error}");
        }
    }
}

/// Whatever these bytes are: read, looked at, edited and written back without a panic or a lie.
fn survives(bytes: Vec<u8>) {
    let Ok(file) = TfLite::read("any", bytes) else { return };
    for tensor in file.tensors() {
        let (scales, zeros) = file.quantisation(tensor);
        let _ = (scales.count(), zeros.count(), tensor.kind(), tensor.len());
    }
    let names = (0..file.operators().len().min(8)).map(|index| Some(index.to_string()));
    for name in names.chain([None]) {
        let Ok(mut chain) = file.dense(name.as_deref()) else { continue };
        let x = vec![vec![7; chain.inputs()]; 2];
        run(Kernel::auto(), &chain, &x, true);
        // Refused where values are shared.
        let Ok(bytes) = file.with(&chain) else { continue };
        assert_eq!(bytes, file.bytes());
        for layer in &mut chain.layers {
            layer.weights[0] = !layer.weights[0];
        }
        let Ok(bytes) = file.with(&chain) else { continue };
        assert_eq!(bytes.len(), file.bytes().len());
        let read = TfLite::read("any", bytes).unwrap().dense(name.as_deref()).unwrap();
        assert_eq!(read, chain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_flips_and_cuts_are_survived(
        which in 0..5usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = match which {
            0 | 1 => data("sine.tflite"),
            2 => data("speech.tflite"),
            other => hex(ORACLE["chains"][other - 3]["file"].as_str().unwrap()),
        };
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        survives(bytes);
    }

    #[test]
    fn any_bytes_behind_the_magic_word_are_survived(
        mut bytes in prop::collection::vec(prop_oneof![0..64u8, any::<u8>()], 8..600),
    ) {
        bytes[..8].copy_from_slice(b"\x08\0\0\0TFL3");
        survives(bytes);
    }
}
