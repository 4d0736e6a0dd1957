//! Names of numbers in the format.

/// Operators whose numbers are looked up here: those of common networks.
const OPERATORS: &[(u32, &str)] = &[
    (0, "ADD"),
    (1, "AVERAGE_POOL_2D"),
    (2, "CONCATENATION"),
    (3, "CONV_2D"),
    (4, "DEPTHWISE_CONV_2D"),
    (6, "DEQUANTIZE"),
    (7, "EMBEDDING_LOOKUP"),
    (FULLY_CONNECTED, "FULLY_CONNECTED"),
    (14, "LOGISTIC"),
    (16, "LSTM"),
    (17, "MAX_POOL_2D"),
    (18, "MUL"),
    (19, "RELU"),
    (21, "RELU6"),
    (22, "RESHAPE"),
    (25, "SOFTMAX"),
    (28, "TANH"),
    (CUSTOM, "CUSTOM"),
    (34, "PAD"),
    (36, "GATHER"),
    (39, "TRANSPOSE"),
    (40, "MEAN"),
    (41, "SUB"),
    (42, "DIV"),
    (43, "SQUEEZE"),
    (44, "UNIDIRECTIONAL_SEQUENCE_LSTM"),
    (45, "STRIDED_SLICE"),
    (49, "SPLIT"),
    (53, "CAST"),
    (67, "TRANSPOSE_CONV"),
    (83, "PACK"),
    (98, "LEAKY_RELU"),
    (114, "QUANTIZE"),
    (126, "BATCH_MATMUL"),
];

/// A dense layer.
pub(super) const FULLY_CONNECTED: u32 = 9;
/// An operator that is named by a text.
pub(super) const CUSTOM: u32 = 32;
/// The type of 8-bit integers with a sign.
pub(super) const INT8: u8 = 9;
/// The type of 32-bit integers with a sign.
pub(super) const INT32: u8 = 2;

/// Name of an operator: "FULLY_CONNECTED", or "number 77".
pub(super) fn operator(code: u32) -> String {
    let known = OPERATORS.iter().find(|(number, _)| *number == code);
    known.map_or_else(|| format!("number {code}"), |(_, name)| (*name).into())
}

/// Name of a tensor's type and the bits of a value; `None` for bits that are not fixed.
pub(super) fn kind(code: u8) -> (String, Option<u32>) {
    let (name, bits) = match code {
        0 => ("FLOAT32", Some(32)),
        1 => ("FLOAT16", Some(16)),
        INT32 => ("INT32", Some(32)),
        3 => ("UINT8", Some(8)),
        4 => ("INT64", Some(64)),
        5 => ("STRING", None),
        6 => ("BOOL", Some(8)),
        7 => ("INT16", Some(16)),
        INT8 => ("INT8", Some(8)),
        10 => ("FLOAT64", Some(64)),
        17 => ("INT4", Some(4)),
        _ => return (format!("type {code}"), None),
    };
    (name.into(), bits)
}
