//! What a .tflite file holds, in words.

use crate::data::tflite::TfLite;
use crate::run::int8::affine;
use std::fmt::Write;

/// Scales and zero points that are spelled out.
const FEW: usize = 1;

/// Operators, tensors, quantisation and bytes of a file, and which dense layers can be edited.
pub(in crate::run) fn describe(file: &TfLite) -> String {
    let mut text = format!(
        "{}: .tflite, {} bytes, {} operators, {} tensors\n",
        file.place(),
        file.bytes().len(),
        file.operators().len(),
        file.tensors().len()
    );
    // Writing to a String cannot fail.
    let list = |indices: &mut dyn Iterator<Item = i32>| -> String {
        let shown: Vec<String> = indices.take(8).map(|index| index.to_string()).collect();
        let rest = if indices.next().is_some() { ", …" } else { "" };
        format!("{}{rest}", shown.join(", "))
    };
    let (mut inputs, mut outputs) = file.ends();
    let _ = writeln!(text, "takes tensor {}, gives {}", list(&mut inputs), list(&mut outputs));
    for (index, operator) in file.operators().iter().enumerate() {
        let (mut inputs, mut outputs) = file.arguments(operator);
        let (inputs, outputs) = (list(&mut inputs), list(&mut outputs));
        let edit = match file.dense(Some(&index.to_string())) {
            Ok(chain) => chain.layers.first().map_or(String::new(), |layer| {
                let (from, to) = (layer.inputs, layer.outputs);
                format!(", {from} -> {to}{}: can be edited", layer.activation.name())
            }),
            Err(_) => String::new(),
        };
        let _ = writeln!(text, "  operator {index} {}: {inputs} -> {outputs}{edit}", operator.name);
    }
    for (index, tensor) in file.tensors().iter().enumerate() {
        let (mut scales, mut zeros) = file.quantisation(tensor);
        let quantised = match (scales.len(), zeros.len()) {
            (0, _) => String::new(),
            (FEW, FEW) => {
                let (scale, zero) = (scales.next().unwrap_or(0.0), zeros.next().unwrap_or(0));
                format!(", {}", affine(scale, zero))
            }
            (scales, _) => format!(", {scales} scales along dimension {}", tensor.axis),
        };
        let bytes = match &tensor.data {
            Some(range) => format!(", {} bytes from {}", range.len(), range.start),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "  tensor {index} {:?} {}{quantised}{bytes}  {}",
            tensor.shape,
            tensor.kind(),
            tensor.name
        );
    }
    text
}
