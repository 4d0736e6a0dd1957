//! Other people's files. They run when REWEIGHT_EXTRA_DATA names a folder that holds `images/`
//! with the sets below, and say so when they do not.

use crate::data::{Problem, load_dir};
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    let folder =
        std::env::var_os("REWEIGHT_EXTRA_DATA").map(|path| PathBuf::from(path).join("images"));
    if folder.is_none() {
        println!("skipped: REWEIGHT_EXTRA_DATA is not set");
    }
    folder
}

#[test]
fn usps_and_fashion_are_read() {
    let Some(folder) = folder() else { return };
    for (file, name, count, side) in [
        ("usps-train-images-idx3-ubyte.gz", "usps-train", 7291, 16),
        ("fashion-sprite900-images-idx3-ubyte.gz", "fashion-sprite900", 900, 28),
    ] {
        let (set, parts) = load_dir(&folder.join(file), 0).unwrap();
        assert_eq!((set.name.as_str(), set.len()), (name, count));
        assert_eq!((set.rows, set.cols, set.classes), (side, side, 10));
        let dealt = [parts.train.len(), parts.reward.len(), parts.test.len()];
        assert_eq!(dealt.iter().sum::<usize>(), count);
        let new = set.resampled(28, 28).unwrap();
        assert_eq!((new.pixels_per_image(), new.digest()), (784, set.digest()));
        let mean = |pixels: &[u8]| {
            pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / pixels.len() as f64
        };
        let (before, after) = (mean(&set.pixels), mean(&new.pixels));
        println!(
            "{name}: {:?}, dealt {dealt:?}, mean {before:.3} -> {after:.3}",
            set.class_counts()
        );
        assert!((before - after).abs() < 2.0, "{name}: {before} {after}");
    }
}

#[test]
fn a_folder_of_several_sets_is_ambiguous() {
    let Some(folder) = folder() else { return };
    let problem = load_dir(&folder, 0).unwrap_err().problem;
    assert!(matches!(problem, Problem::Ambiguous { .. }), "{problem}");
}
