//! Any bytes as an images file and as a labels file, plain and gzipped, and what is read dealt and
//! resampled: no panic, no lie about sizes, the same answer packed and plain.
#![no_main]

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use reweight::data::idx::{read_images, read_labels};
use reweight::data::{Images, Parts, Problem};
use std::io::Write;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fuzz_target!(|bytes: &[u8]| {
    let images = read_images("f", bytes);
    let labels = read_labels("f", bytes);
    // What begins like gzip is unpacked when plain, so it has no packed twin of the same meaning.
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let packed = gzip(bytes);
        let of_packed = (read_images("f", &packed[..]), read_labels("f", &packed[..]));
        assert_eq!((&images, &labels), (&of_packed.0, &of_packed.1));
    }
    for error in [images.as_ref().err(), labels.as_ref().err()].into_iter().flatten() {
        assert!(!error.to_string().contains('\n'));
    }
    if let Ok(labels) = labels {
        let count = labels.len();
        let set = Images::new("f", 1, 1, vec![0; count], labels).unwrap();
        assert!(matches!(
            Images::new("f", 1, 2, vec![0; count], set.labels.clone()).unwrap_err().problem,
            Problem::Pixels { .. }
        ));
        for parts in
            [Parts::deal(&set, 0), Parts::deal_before(&set, count / 2, 1)].into_iter().flatten()
        {
            let mut all = [parts.train, parts.reward, parts.test].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }
    if let Ok(images) = images {
        assert_eq!(images.pixels.len(), images.count * images.rows * images.cols);
        let labels = (0..images.count).map(|i| (i % 3) as u8).collect();
        let set = Images::new("f", images.rows, images.cols, images.pixels, labels).unwrap();
        if set.len() <= 64 {
            let side = |from: usize| {
                1 + usize::from(bytes.last().copied().unwrap_or(0)) / 7 % 40 + from % 2
            };
            let new = set.resampled(side(set.rows), side(set.cols)).unwrap();
            assert_eq!(new.pixels.len(), set.len() * new.pixels_per_image());
            let (low, high) = (set.pixels.iter().min(), set.pixels.iter().max());
            assert!(new.pixels.iter().all(|pixel| Some(pixel) >= low && Some(pixel) <= high));
        }
    }
});
