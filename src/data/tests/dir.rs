use super::{Folder, gzip, idx_file};
use crate::data::{DataError, Images, Parts, Problem, load_dir};
use std::fs;

/// Images and labels files of `n` images of `side` × `side`, classes 0 and 1 in turn; `paint` is
/// the value of every pixel.
fn files(n: u32, side: u32, paint: u8) -> (Vec<u8>, Vec<u8>) {
    let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
    (idx_file(&[n, side, side], &vec![paint; (n * side * side) as usize]), idx_file(&[n], &labels))
}

fn problem(folder: &Folder) -> Problem {
    load_dir(folder.path(), 0).unwrap_err().problem
}

fn load(folder: &Folder) -> (Images, Parts) {
    load_dir(folder.path(), 0).unwrap()
}

#[test]
fn one_pair_is_dealt_in_three_whatever_it_is_called() {
    let (images, labels) = files(20, 4, 1);
    for (images_name, labels_name, name) in [
        ("usps-train-images-idx3-ubyte.gz", "usps-train-labels-idx1-ubyte.gz", "usps-train"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "reweight-data-"),
        ("IMAGES", "LABELS", "reweight-data-"),
        ("a-images", "b-labels.gz", "a"),
        ("Letters_images.idx", "Letters_labels.idx.gz", "letters"),
    ] {
        let folder = Folder::new("one");
        let bytes = |name: &str, plain: &[u8]| {
            if name.ends_with(".gz") { gzip(plain) } else { plain.to_vec() }
        };
        folder.put(images_name, &bytes(images_name, &images));
        folder.put(labels_name, &bytes(labels_name, &labels));
        folder.put("README", b"of no interest").put(".images-hidden", b"x");
        fs::create_dir(folder.path().join("more-images")).unwrap();
        let (set, parts) = load(&folder);
        assert_eq!((set.len(), set.rows, set.cols, set.classes), (20, 4, 4, 2));
        assert_eq!([parts.train.len(), parts.reward.len(), parts.test.len()], [12, 4, 4]);
        assert!(set.name.starts_with(name), "{} {name}", set.name);
    }
}

#[test]
fn train_and_test_stay_apart_and_count_as_one_set() {
    let ((images, labels), (more_images, more_labels)) = (files(40, 3, 1), files(6, 3, 2));
    for (train, test) in [("train", "t10k"), ("train", "test"), ("x-train", "x-test")] {
        let folder = Folder::new("two");
        folder.put(&format!("{train}-images-idx3-ubyte"), &images);
        folder.put(&format!("{train}-labels-idx1-ubyte"), &labels);
        folder.put(&format!("{test}-images-idx3-ubyte.gz"), &gzip(&more_images));
        folder.put(&format!("{test}-labels-idx1-ubyte.gz"), &gzip(&more_labels));
        let (set, parts) = load(&folder);
        assert!(parts.test.iter().copied().eq(40..46));
        assert_eq!((parts.train.len(), parts.reward.len()), (30, 10));
        assert!(set.rows_of(&parts.test).iter().all(|&x| x == 2.0 / 255.0));
        let pixels = [&images[16..], &more_images[16..]].concat();
        let whole = [&labels[8..], &more_labels[8..]].concat();
        let alone = Images::new("", 3, 3, pixels, whole).unwrap();
        assert_eq!(set.digest(), alone.digest());
        assert_eq!(set.name == "x", train == "x-train", "{}", set.name);
    }
}

#[test]
fn a_plain_file_stands_for_its_packed_copy() {
    let (images, labels) = files(20, 4, 1);
    let folder = Folder::new("copies");
    folder.put("train-images-idx3-ubyte", &images).put("train-labels-idx1-ubyte", &labels);
    folder.put("train-images-idx3-ubyte.gz", b"not even gzip");
    folder.put("train-labels-idx1-ubyte.gz", b"not even gzip");
    assert_eq!(load(&folder).0.len(), 20);
}

#[test]
fn one_images_file_can_be_named() {
    let (images, labels) = files(20, 4, 1);
    let folder = Folder::new("named");
    folder.put("a-images", &images).put("a-labels", &labels);
    folder.put("b-images.gz", &gzip(&files(10, 5, 2).0)).put("b-labels", &files(10, 5, 2).1);
    folder.put("c-images", &images).put("words", b"");
    let named = |name: &str| load_dir(&folder.path().join(name), 0);
    assert_eq!(named("a-images").unwrap().0.name, "a");
    assert_eq!(named("b-images.gz").unwrap().0.rows, 5);
    let place = |error: DataError| (error.place.ends_with("c-images"), error.problem);
    let unpaired = Problem::Unpaired { file: "c-images".into(), lacks: "labels" };
    assert_eq!(place(named("c-images").unwrap_err()), (true, unpaired));
    for name in ["a-labels", "words"] {
        assert_eq!(named(name).unwrap_err().problem, Problem::NoFiles { what: "images" });
    }
    assert_eq!(named("d-images").unwrap_err().problem, Problem::Missing);
}

#[test]
fn folders_without_a_clear_answer_say_why() {
    let (images, labels) = files(20, 4, 1);
    let folder = Folder::new("unclear");
    assert_eq!(problem(&folder), Problem::NoFiles { what: "images" });
    folder.put("train-images", &images);
    assert_eq!(problem(&folder), Problem::NoFiles { what: "labels" });
    folder.put("train-labels", &labels).put("test-images", &images);
    let unpaired = Problem::Unpaired { file: "test-images".into(), lacks: "labels" };
    assert_eq!(problem(&folder), unpaired);
    fs::remove_file(folder.path().join("test-images")).unwrap();
    folder.put("test-labels", &labels);
    let unpaired = Problem::Unpaired { file: "test-labels".into(), lacks: "images" };
    assert_eq!(problem(&folder), unpaired);
    folder.put("test-images", &images).put("t10k-images", &images).put("t10k-labels", &labels);
    let files = "t10k-images, test-images, train-images".to_string();
    assert_eq!(problem(&folder), Problem::Ambiguous { files });

    let folder = Folder::new("strangers");
    folder.put("a-train-images", &images).put("a-train-labels", &labels);
    folder.put("b-test-images", &images).put("b-test-labels", &labels);
    let files = "a-train-images, b-test-images".to_string();
    assert_eq!(problem(&folder), Problem::Ambiguous { files });

    let missing = folder.path().join("nowhere");
    let error = load_dir(&missing, 0).unwrap_err();
    assert_eq!(error.problem, Problem::Missing);
    assert!(error.to_string().contains("nowhere: there is no such file or folder"));
}

#[test]
fn faults_of_files_name_the_file() {
    let (images, labels) = files(20, 4, 1);
    let folder = Folder::new("faults");
    folder.put("x-images", &images[..100]).put("x-labels", &labels);
    let error = load_dir(folder.path(), 0).unwrap_err();
    assert!(error.place.ends_with("x-images"), "{error}");
    folder.put("x-images", &images).put("x-labels", &labels[..20]);
    let error = load_dir(folder.path(), 0).unwrap_err();
    assert!(error.place.ends_with("x-labels"), "{error}");
    folder.put("x-labels", &files(19, 4, 1).1);
    let error = load_dir(folder.path(), 0).unwrap_err();
    assert!(matches!(error.problem, Problem::Counts { images: 20, labels: 19, .. }));
    let message = error.to_string();
    assert!(message.contains("x-images: 20 images, but 19 labels in "), "{message}");
    assert!(message.ends_with("x-labels"), "{message}");
    folder.put("x-labels", &idx_file(&[20], &[0; 20]));
    assert!(load_dir(folder.path(), 0).is_ok(), "one class alone is a set");

    let folder = Folder::new("sizes");
    folder.put("train-images", &images).put("train-labels", &labels);
    folder.put("test-images", &files(6, 5, 0).0).put("test-labels", &files(6, 5, 0).1);
    assert_eq!(problem(&folder), Problem::Sizes { train: (4, 4), test: (5, 5) });
}

#[test]
fn the_shipped_folder_is_the_built_in_set() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let (set, parts) = load_dir(&folder, 5).unwrap();
    let (built_in, built_in_parts) = crate::data::builtin_digits(5).unwrap();
    assert_eq!((set.name.as_str(), set.digest()), ("digits", built_in.digest()));
    assert_eq!(parts, built_in_parts);
}
