use super::safetensors::{file, tensors};
use crate::data::{Arch, DataError, Foreign, SafeTensors};
use crate::kernel::{Batch, Kernel};

fn load(arch: &str, bytes: Vec<u8>) -> Result<Foreign, DataError> {
    let arch = Arch::read("net.json", arch.as_bytes())?;
    Foreign::new("net.json", &arch, SafeTensors::read("net.safetensors", bytes)?)
}

fn refused(arch: &str, bytes: Vec<u8>, named: &[&str]) {
    let message = load(arch, bytes).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message:?}");
    assert!(message.starts_with("net."), "{message}");
    for name in named {
        assert!(message.contains(name), "{message:?} does not name {name:?}");
    }
}

/// The logits of one sample.
fn run(net: &Foreign, x: &[f32]) -> Vec<f32> {
    let batch = Batch::rows(1);
    let mut scratch = vec![0.0; net.stack.scratch(batch)];
    let mut y = vec![0.0; net.stack.outputs()];
    let layers = 0..net.stack.layers().len();
    net.stack
        .forward(Kernel::auto(), layers, batch, &net.parameters, x, &mut scratch, &mut y)
        .unwrap();
    y
}

const SMALL: &str = r#"{"input": [2, 3, 4], "layers": [
    {"type": "conv2d", "name": "c", "stride": [1, 2], "padding": [1, 0]},
    {"type": "batch_norm", "name": "bn", "eps": 0.25},
    {"type": "relu"}, {"type": "dropout", "p": 0.5},
    {"type": "max_pool", "window": [3, 1], "stride": 1},
    {"type": "flatten"},
    {"type": "dense", "name": "d"}, {"type": "softmax"}]}"#;

fn pattern(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + seed * 101) % 29) as f32 / 8.0 - 1.75).collect()
}

fn small() -> Vec<u8> {
    tensors(&[
        ("bn.bias", &[3], vec![0.5, -0.25, 1.0]),
        ("bn.running_mean", &[3], vec![0.5, 1.0, -1.0]),
        ("bn.running_var", &[3], vec![0.75, 3.75, 0.0]),
        ("bn.weight", &[3], vec![1.5, -0.5, 2.0]),
        ("c.weight", &[3, 2, 2, 3], pattern(36, 1)),
        ("d.bias", &[4], pattern(4, 2)),
        ("d.weight", &[4, 6], pattern(24, 3)),
        ("unused", &[1], vec![9.0]),
    ])
}

/// The same network in f64, from PyTorch's definitions, tensors outputs first.
fn by_definition(x: &[f32]) -> Vec<f64> {
    let (w, d, db) = (pattern(36, 1), pattern(24, 3), pattern(4, 2));
    let (gamma, beta) = ([1.5, -0.5, 2.0], [0.5, -0.25, 1.0]);
    let (mean, var) = ([0.5, 1.0, -1.0], [0.75f64, 3.75, 0.0]);
    // 3 channels of 4 rows (3 + 2·1 − 2 + 1) × 1 column ((4 − 3) / 2 + 1).
    let mut hidden = [[0.0f64; 4]; 3];
    for (o, rows) in hidden.iter_mut().enumerate() {
        for (row, value) in rows.iter_mut().enumerate() {
            let mut sum = 0.0;
            for i in 0..2 {
                for ky in 0..2 {
                    for kx in 0..3 {
                        let r = row + ky;
                        if (1..=3).contains(&r) {
                            let weight = w[((o * 2 + i) * 2 + ky) * 3 + kx];
                            sum += f64::from(weight) * f64::from(x[(i * 3 + r - 1) * 4 + kx]);
                        }
                    }
                }
            }
            sum = (sum - mean[o]) / (var[o] + 0.25).sqrt() * gamma[o] + beta[o];
            *value = sum.max(0.0);
        }
    }
    let flat: Vec<f64> = hidden
        .iter()
        .flat_map(|rows| rows.windows(3).map(|w| w.iter().copied().fold(f64::MIN, f64::max)))
        .collect();
    (0..4)
        .map(|o| (0..6).map(|i| f64::from(d[o * 6 + i]) * flat[i]).sum::<f64>() + f64::from(db[o]))
        .collect()
}

#[test]
fn layers_follow_pytorchs_layout_and_batch_norm_is_folded() {
    let net = load(SMALL, small()).unwrap();
    assert_eq!(net.normalize, (0.0, 1.0));
    assert_eq!((net.stack.inputs(), net.stack.outputs()), (24, 4));
    for seed in 0..5 {
        let x = pattern(24, 10 + seed);
        for (got, exact) in run(&net, &x).into_iter().zip(by_definition(&x)) {
            assert!((f64::from(got) - exact).abs() < 1e-4, "{got} is not {exact}");
        }
    }
}

#[test]
fn only_what_was_edited_is_written() {
    let bytes = small();
    let net = load(SMALL, bytes.clone()).unwrap();
    assert_eq!(net.write(&net.parameters).unwrap(), bytes);
    let (conv, dense) = (net.stack.find("c").unwrap(), net.stack.find("d").unwrap());
    // Where tensors begin: the data are 308 bytes, in the order of `small`.
    let data = bytes.len() - 308;
    let (conv_at, bias_at, dense_at) = (data + 48, data + 192, data + 208);

    // One weight of the dense layer, input 2, output 3: value 3·6 + 2 of its tensor.
    let mut edited = net.parameters.clone();
    let range = net.stack.layers()[dense].weight_range();
    edited[range.start + 2 * 4 + 3] = 42.5;
    let mut expected = bytes.clone();
    let at = dense_at + 4 * (3 * 6 + 2);
    expected[at..at + 4].copy_from_slice(&42.5f32.to_le_bytes());
    assert_eq!(net.write(&edited).unwrap(), expected);

    // A bias, and a weight before a batch normalisation (factor −0.5 / √4 = −1/4 for output 1).
    let mut edited = net.parameters.clone();
    let range = net.stack.layers()[dense].bias_range().unwrap();
    edited[range.start + 1] = -1e4;
    let range = net.stack.layers()[conv].weight_range();
    edited[range.start + 5 * 3 + 1] = 3.0;
    let mut expected = bytes.clone();
    let at = bias_at + 4;
    expected[at..at + 4].copy_from_slice(&(-1e4f32).to_le_bytes());
    let at = conv_at + 4 * (12 + 5);
    expected[at..at + 4].copy_from_slice(&(-12.0f32).to_le_bytes());
    let written = net.write(&edited).unwrap();
    assert_eq!(written, expected);
    assert_eq!(load(SMALL, written).unwrap().parameters, edited);

    // The convolution has no bias of its own in the file.
    let mut edited = net.parameters.clone();
    edited[net.stack.layers()[conv].bias_range().unwrap().start] += 1.0;
    let message = net.write(&edited).unwrap_err().to_string();
    assert!(message.contains("layer c") && message.contains("no tensor"), "{message}");
    let message = net.write(&edited[1..]).unwrap_err().to_string();
    assert!(message.contains("parameters"), "{message}");
}

#[test]
fn what_hides_or_rounds_weights_is_not_written() {
    let arch = r#"{"input": [2, 1, 1], "layers": [
        {"type": "dense", "name": "a"}, {"type": "batch_norm", "name": "n"}]}"#;
    let net = load(
        arch,
        tensors(&[
            ("a.weight", &[2, 2], vec![1.0, 2.0, 3.0, 4.0]),
            ("n.running_mean", &[2], vec![0.0; 2]),
            ("n.running_var", &[2], vec![1.0; 2]),
            ("n.weight", &[2], vec![1.0, 0.0]),
        ]),
    )
    .unwrap();
    assert_eq!(net.parameters[1], 0.0);
    let message = net.writable(0).unwrap_err().to_string();
    assert!(message.contains("net.safetensors") && message.contains("factor of 0"), "{message}");
    let mut edited = net.parameters.clone();
    edited[0] = 7.0;
    assert_eq!(net.write(&edited).unwrap_err().to_string(), message);

    let arch = r#"{"input": [2, 1, 1], "layers": [{"type": "dense", "name": "a"},
        {"type": "dense", "name": "b", "weight": "a.weight"}]}"#;
    let net = load(arch, tensors(&[("a.weight", &[2, 2], vec![1.0; 4])])).unwrap();
    let message = net.writable(1).unwrap_err().to_string();
    assert!(message.contains("layer b") && message.contains("another layer"), "{message}");

    let header = r#"{"a.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}"#;
    let arch = r#"{"input": [2, 1, 1], "layers": [{"type": "dense", "name": "a"}]}"#;
    let net = load(arch, file(header, &[0x80, 0x3f, 0x00, 0x40])).unwrap();
    assert_eq!(net.parameters, [1.0, 2.0, 0.0]);
    let message = net.writable(0).unwrap_err().to_string();
    assert!(message.contains("a.weight") && message.contains("BF16"), "{message}");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let dense = |extra: &str| {
        format!(r#"{{"input": [2, 1, 1], "layers": [{{"type": "dense", "name": "fc"{extra}}}]}}"#)
    };
    let good = || vec![("fc.weight", &[3usize, 2][..], vec![1.0; 6])];
    assert!(load(&dense(""), tensors(&good())).is_ok());
    refused(&dense(r#", "weight": "fc.weigth""#), tensors(&good()), &["fc.weigth", "fc.weight"]);
    refused(&dense(r#", "bias": "fc.bias""#), tensors(&good()), &["no tensor fc.bias"]);
    let flat = tensors(&[("fc.weight", &[6], vec![1.0; 6])]);
    refused(&dense(""), flat, &["tensor fc.weight", "[outputs, 2]", "layer 1 (dense fc)", "[6]"]);
    let turned = tensors(&[("fc.weight", &[2, 3], vec![1.0; 6])]);
    refused(&dense(""), turned, &["tensor fc.weight", "[outputs, 2]", "[2, 3]"]);
    let mut bias = good();
    bias.push(("fc.bias", &[2], vec![1.0; 2]));
    refused(&dense(""), tensors(&bias), &["tensor fc.bias", "[3]", "[2]"]);
    assert!(load(&dense(r#", "bias": null"#), tensors(&bias)).is_ok());
    for bad in [f32::NAN, f32::INFINITY] {
        let values = vec![0.0, 0.0, 0.0, bad, 0.0, 0.0];
        let bytes = tensors(&[("fc.weight", &[3, 2], values)]);
        refused(&dense(""), bytes, &["tensor fc.weight", "finite", "index 3"]);
    }
    let ints = r#"{"fc.weight":{"dtype":"I32","shape":[3,2],"data_offsets":[0,24]}}"#;
    refused(&dense(""), file(ints, &[0; 24]), &["tensor fc.weight", "F32", "I32"]);
    let none = r#"{"fc.weight":{"dtype":"F32","shape":[0,2],"data_offsets":[0,0]}}"#;
    refused(&dense(""), file(none, &[]), &["layer 1 (dense fc)", "zero"]);
    let odd = r#"{"fc.weight":{"dtype":"X1","shape":[1000000,2],"data_offsets":[0,0]}}"#;
    refused(&dense(""), file(odd, &[]), &["tensor fc.weight", "X1"]);

    let norm = |variance: f32| {
        tensors(&[
            ("fc.weight", &[3, 2], vec![1.0; 6]),
            ("n.running_mean", &[3], vec![0.0; 3]),
            ("n.running_var", &[3], vec![1.0, variance, 1.0]),
        ])
    };
    let folded = r#"{"input": [2, 1, 1], "layers": [{"type": "dense", "name": "fc"},
        {"type": "batch_norm", "name": "n"}]}"#;
    assert!(load(folded, norm(1.0)).is_ok());
    refused(folded, norm(-1.0), &["tensor n.running_var", "above 0", "-1"]);
    refused(&folded.replace("\"n\"", "\"m\""), norm(1.0), &["m.running_mean", "n.running_mean"]);
}

#[test]
fn layers_that_do_not_fit_one_another_are_named() {
    let bytes = || {
        tensors(&[
            ("c.weight", &[4, 1, 3, 3], vec![0.5; 36]),
            ("d.weight", &[2, 36], vec![0.5; 72]),
        ])
    };
    let net = |layers: &str| format!(r#"{{"input": [1, 5, 5], "layers": [{layers}]}}"#);
    let (conv, dense) = (r#"{"type":"conv2d","name":"c"}"#, r#"{"type":"dense","name":"d"}"#);
    assert!(load(&net(&format!("{conv},{dense}")), bytes()).is_ok());
    refused(&net(dense), bytes(), &["d.weight", "[outputs, 25]", "[2, 36]"]);
    refused(&net(&format!("{conv},{conv}")), bytes(), &["c.weight", "[outputs, 4,"]);
    let wide = r#"{"type":"conv2d","name":"c","padding":1000}"#;
    refused(&net(wide), bytes(), &["layer 1 (conv2d c)", "1048576"]);
    let huge = r#"{"type":"conv2d","name":"c","padding":9223372036854775807}"#;
    refused(&net(huge), bytes(), &["layer 1 (conv2d c)", "too large"]);
    let still = r#"{"type":"conv2d","name":"c","stride":0}"#;
    refused(&net(still), bytes(), &["layer 1 (conv2d c)", "zero"]);
    let pool = r#"{"type":"max_pool","window":6}"#;
    refused(&net(&format!("{pool},{dense}")), bytes(), &["layer 1 (max_pool)", "1 x 5 x 5"]);
    let norm = r#"{"type":"batch_norm","name":"n"}"#;
    refused(&net(&format!("{norm},{dense}")), bytes(), &["layer 1 (batch_norm n)", "right after"]);
    let relu = r#"{"type":"relu"}"#;
    refused(&net(&format!("{conv},{relu},{norm}")), bytes(), &["layer 3", "right after"]);
    refused(&net(relu), bytes(), &["layers", "at least one"]);
    refused(&net(&[relu; 17].join(",")), bytes(), &["layer 17 (relu)", "16 layers"]);
    let long = r#"{"type":"dense","name":"a.name.that.is.long","weight":"d.weight"}"#;
    refused(&net(&format!("{conv},{long}")), bytes(), &["layer 2", "16 bytes", "\"weight\""]);
    refused(r#"{"input": [4096, 4096, 4096], "layers": []}"#, bytes(), &["input", "1048576"]);
}

#[test]
fn descriptions_that_say_something_unknown_are_errors() {
    let case = |text: &str, named: &[&str]| refused(text, small(), named);
    case("{", &["not a description", "line 1"]);
    case("[]", &["an object", "found []"]);
    case("{}", &["\"input\"", "[channels, rows, columns]", "found nothing"]);
    case(r#"{"input": [1, 28]}"#, &["\"input\"", "[1,28]"]);
    case(r#"{"input": [1, 0, 28], "layers": []}"#, &["\"input\"", "1 to 4096"]);
    case(r#"{"input": [1, 1.5, 28], "layers": []}"#, &["\"input\""]);
    let head = r#"{"input": [1, 2, 2]"#;
    let with = |rest: &str| format!("{head}, {rest}}}");
    case(&format!("{head}}}"), &["\"layers\"", "a list"]);
    case(
        &with(r#""normalise": [0, 1]"#),
        &["unknown key \"normalise\"", "did you mean \"normalize\""],
    );
    case(&with(r#""normalize": [0, 0], "layers": []"#), &["\"normalize\"", "std above 0"]);
    case(&with(r#""normalize": [0, 1e-300], "layers": []"#), &["\"normalize\""]);
    case(&with(r#""normalize": 7, "layers": []"#), &["\"normalize\""]);
    case(&with(r#""vocabulary": 3, "layers": []"#), &["\"vocabulary\"", "text"]);
    case(&with(r#""idf": "idf", "layers": []"#), &["\"idf\"", "without"]);
    case(
        &with(r#""vocabulary": "words.txt", "calibration": ["a"], "layers": []"#),
        &["\"calibration\"", "two tensors"],
    );
    let layer = |text: &str| with(&format!("\"layers\": [{text}]"));
    case(&layer("7"), &["layer 1", "found 7"]);
    case(&layer("{}"), &["layer 1", "\"type\"", "conv2d"]);
    case(&layer(r#"{"type": "linear"}"#), &["layer 1", "unknown type \"linear\"", "dense"]);
    case(&layer(r#"{"type": "conv2"}"#), &["did you mean conv2d?"]);
    case(&layer(r#"{"type": "dense"}"#), &["layer 1 (dense)", "\"weight\"", "\"name\""]);
    case(&layer(r#"{"type": "dense", "name": 5}"#), &["\"name\"", "text", "5"]);
    case(&layer(r#"{"type": "dense", "name": "d", "stride": 1}"#), &["(dense d)", "\"stride\""]);
    case(&layer(r#"{"type": "dense", "name": "d", "bias": 1}"#), &["\"bias\"", "or null"]);
    case(&layer(r#"{"type": "max_pool"}"#), &["(max_pool)", "\"window\"", "whole number"]);
    case(&layer(r#"{"type": "max_pool", "window": [2, 2, 2]}"#), &["\"window\"", "[2,2,2]"]);
    case(&layer(r#"{"type": "max_pool", "window": -1}"#), &["\"window\"", "-1"]);
    case(&layer(r#"{"type": "batch_norm", "name": "n", "eps": -1}"#), &["\"eps\"", "-1"]);
    case(&layer(r#"{"type": "softmax"}, {"type": "relu"}"#), &["layer 1 (softmax)", "at the end"]);
    case(&layer(r#"{"type": "relu\n", "name": "\u0007"}"#), &["layer 1"]);
}
