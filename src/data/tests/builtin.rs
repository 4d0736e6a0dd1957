use super::sha256;
use crate::data::builtin::{DIGITS_IMAGES, DIGITS_LABELS};
use crate::data::{DIGITS_DIGEST, builtin_digits};
use std::collections::BTreeSet;

#[test]
fn the_files_are_those_of_the_readme() {
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/README.md"));
    let script = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/make_digits.py"));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for (name, bytes) in [
        ("digits-images-idx3-ubyte.gz", DIGITS_IMAGES),
        ("digits-labels-idx1-ubyte.gz", DIGITS_LABELS),
        ("digits8x8/images-idx3-ubyte.gz", &read("digits8x8/images-idx3-ubyte.gz")),
        ("digits8x8/labels-idx1-ubyte.gz", &read("digits8x8/labels-idx1-ubyte.gz")),
        ("LICENSE-digits", &read("LICENSE-digits")),
        ("LICENSE-ccexam", &read("LICENSE-ccexam")),
        ("ccexam-mnist.json", &read("ccexam-mnist.json")),
        ("ccexam-mnist.safetensors", &read("ccexam-mnist.safetensors")),
        ("alt-profanity-check.safetensors", &read("alt-profanity-check.safetensors")),
        ("alt-profanity-check-vocabulary.txt", &read("alt-profanity-check-vocabulary.txt")),
        ("alt-profanity-check.json", &read("alt-profanity-check.json")),
        ("english-stop-words.txt", &read("english-stop-words.txt")),
        ("LICENSE-alt-profanity-check", &read("LICENSE-alt-profanity-check")),
        ("LICENSE-scikit-learn", &read("LICENSE-scikit-learn")),
        ("sine.tflite", &read("sine.tflite")),
        ("speech.tflite", &read("speech.tflite")),
        ("LICENSE-microflow", &read("LICENSE-microflow")),
    ] {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}`"))).unwrap();
        assert!(row.contains(&sha256(bytes)), "{name}");
    }
    let whole: u64 =
        folder.read_dir().unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(whole < 4_500_000, "{whole} bytes");
    assert!(readme.contains(DIGITS_DIGEST) && script.contains(DIGITS_DIGEST));
}

#[test]
fn ten_thousand_distinct_digits() {
    let (images, parts) = builtin_digits(0).unwrap();
    assert_eq!((images.len(), images.rows, images.cols, images.classes), (10_000, 28, 28, 10));
    let counts = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978];
    assert_eq!(images.class_counts(), counts);
    let distinct: BTreeSet<&[u8]> = images.pixels.chunks_exact(28 * 28).collect();
    assert_eq!(distinct.len(), 10_000);
    assert_eq!(images.digest(), DIGITS_DIGEST);
    assert_eq!([parts.train.len(), parts.reward.len(), parts.test.len()], [6_000, 2_000, 2_000]);
    // MNIST's own mean and standard deviation are 0.1307 and 0.3081 (60,000 images).
    let (mut sum, mut squares) = (0.0, 0.0);
    for &pixel in &images.pixels {
        let x = f64::from(pixel) / 255.0;
        sum += x;
        squares += x * x;
    }
    let n = images.pixels.len() as f64;
    let mean = sum / n;
    assert!((mean - 0.1307).abs() < 0.002, "{mean}");
    let std = (squares / n - mean * mean).sqrt();
    assert!((std - 0.3081).abs() < 0.003, "{std}");
}
