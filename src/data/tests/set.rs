use crate::data::{Images, Problem};

/// `n` images of `rows` × `cols` with pixels that follow no pattern of either side.
fn set(n: usize, rows: usize, cols: usize) -> Images {
    let pixels = (0..n * rows * cols).map(|i| (i * i * 31 + i * 7) as u8).collect();
    Images::new("set", rows, cols, pixels, (0..n).map(|i| i as u8 % 3).collect()).unwrap()
}

#[test]
fn values_are_bytes_over_255_row_by_row() {
    let images = Images::new("s", 1, 3, vec![0, 51, 255, 1, 2, 3], vec![4, 2]).unwrap();
    assert_eq!(images.classes, 5);
    assert_eq!(images.class_counts(), [0, 0, 1, 0, 1]);
    assert_eq!(images.rows_of(&[1, 0]), [1.0 / 255.0, 2.0 / 255.0, 3.0 / 255.0, 0.0, 0.2, 1.0]);
    assert_eq!(images.labels_of(&[1, 0, 1]), [2, 4, 2]);
    assert!(images.rows_of(&[2, usize::MAX]).is_empty() && images.labels_of(&[2]).is_empty());
    // printf '\0\63\377\1\2\3\4\2' | sha256sum
    let expected = "df619b5bdb039aceea40e58d8de4260261ae426104dbfd2695a952e81231b376";
    assert_eq!(images.digest(), expected);
}

#[test]
fn sets_that_do_not_fit_together_are_refused() {
    let problem = |rows, cols, pixels: usize, labels: &[u8]| {
        let pixels = vec![0; pixels];
        Images::new("s", rows, cols, pixels, labels.to_vec()).unwrap_err().problem
    };
    assert_eq!(problem(2, 2, 7, &[0, 1]), Problem::Pixels { expected: 8, found: 7 });
    assert_eq!(problem(2, 2, 0, &[]), Problem::Empty);
    assert_eq!(problem(0, 2, 0, &[1]), Problem::Empty);
    let problem_of_label = Problem::Label { sample: 1, found: 200, limit: 128 };
    assert_eq!(problem(1, 1, 2, &[0, 200]), problem_of_label);
    assert!(matches!(problem(usize::MAX, usize::MAX, 1, &[0]), Problem::Pixels { .. }));
}

#[test]
fn resampling_agrees_with_the_oracle() {
    let oracle = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/resample.txt"));
    let numbers = |line: &str| -> Vec<f64> {
        line.split_whitespace().map(|word| word.parse().unwrap()).collect()
    };
    let lines: Vec<&str> = oracle.lines().collect();
    for case in lines.chunks_exact(3) {
        let sizes: Vec<usize> = numbers(case[0]).iter().map(|&size| size as usize).collect();
        let pixels = numbers(case[1]).iter().map(|&pixel| pixel as u8).collect();
        let images = Images::new("s", sizes[0], sizes[1], pixels, vec![0]).unwrap();
        let new = images.resampled(sizes[2], sizes[3]).unwrap();
        let expected = numbers(case[2]);
        assert_eq!(new.pixels.len(), expected.len());
        for (&byte, value) in new.pixels.iter().zip(expected) {
            assert!((f64::from(byte) - value).abs() <= 0.500_001, "{byte} {value}: {}", case[0]);
        }
    }
    assert_eq!(lines.len() / 3, 7);
}

#[test]
fn the_same_size_is_the_identity() {
    let images = set(3, 28, 28);
    let same = images.resampled(28, 28).unwrap();
    assert_eq!((&same.pixels, &same.labels), (&images.pixels, &images.labels));
    // One axis alone: the other's bytes stay together.
    let set = set(2, 5, 6);
    let flat = Images::new("s", 5, 6, vec![9; 60], vec![0, 1]).unwrap();
    assert_eq!(set.resampled(5, 3).unwrap().pixels.len(), 30);
    for (rows, cols) in [(5, 3), (7, 6), (1, 1), (28, 28), (2, 9)] {
        let new = flat.resampled(rows, cols).unwrap();
        assert!(new.pixels.iter().all(|&pixel| pixel == 9), "flat images stay flat");
    }
}

#[test]
fn each_image_is_resampled_by_itself_and_keeps_label_and_digest() {
    let images = set(4, 16, 16);
    let new = images.resampled(28, 28).unwrap();
    for i in 0..4 {
        let alone = images.pixels[i * 256..(i + 1) * 256].to_vec();
        let alone = Images::new("one", 16, 16, alone, vec![0]).unwrap();
        assert_eq!(alone.resampled(28, 28).unwrap().pixels, new.pixels[i * 784..(i + 1) * 784]);
    }
    assert_eq!((new.rows, new.cols, new.len(), new.classes), (28, 28, 4, 3));
    assert_eq!((new.labels.clone(), new.digest()), (images.labels.clone(), images.digest()));
}

#[test]
fn absurd_new_sizes_are_refused() {
    let images = set(2, 4, 4);
    let problem = |rows, cols| images.resampled(rows, cols).unwrap_err().problem;
    assert_eq!(problem(0, 4), Problem::NewSide { what: "rows", found: 0, limit: 4096 });
    let found = usize::MAX;
    assert_eq!(problem(4, found), Problem::NewSide { what: "columns", found, limit: 4096 });
    let many = Images::new("s", 1, 1, vec![0; 65], vec![0; 65]).unwrap();
    let problem = many.resampled(4096, 4096).unwrap_err().problem;
    assert_eq!(problem, Problem::TooLarge { found: 65 << 24, limit: 1 << 30 });
    // Fields are open; a size that was overwritten is answered, not trusted.
    let mut broken = set(2, 4, 4);
    broken.rows = 0;
    assert!(broken.resampled(28, 28).is_err() && broken.rows_of(&[0]).is_empty());
    broken.rows = usize::MAX;
    assert!(broken.resampled(28, 28).is_err() && broken.rows_of(&[0, 1]).is_empty());
    broken.rows = 3;
    let _ = broken.resampled(28, 28);
}
