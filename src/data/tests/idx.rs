use super::{gzip, idx_file};
use crate::data::idx::{MAX_BYTES, RawImages, read_images, read_labels};
use crate::data::{DataError, Problem};
use proptest::prelude::*;
use std::io::{self, Read};

fn images(bytes: &[u8]) -> Result<RawImages, Problem> {
    read_images("f", bytes).map_err(|error| error.problem)
}

fn labels(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    read_labels("f", bytes).map_err(|error| error.problem)
}

fn small() -> (Vec<u8>, RawImages) {
    let pixels: Vec<u8> = (0..12).map(|i| i * 20).collect();
    (idx_file(&[2, 2, 3], &pixels), RawImages { count: 2, rows: 2, cols: 3, pixels })
}

#[test]
fn whole_files_are_read_plain_and_packed() {
    let (file, expected) = small();
    assert_eq!(images(&file).unwrap(), expected);
    assert_eq!(images(&gzip(&file)).unwrap(), expected);
    // Gzip allows several streams, one after the other.
    let pieces = [gzip(&file[..7]), gzip(&[]), gzip(&file[7..])].concat();
    assert_eq!(images(&pieces).unwrap(), expected);
    let file = idx_file(&[4], &[0, 25, 3, 127]);
    assert_eq!(labels(&file).unwrap(), [0, 25, 3, 127]);
    assert_eq!(labels(&gzip(&file)).unwrap(), [0, 25, 3, 127]);
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let (file, _) = small();
    for end in 0..file.len() {
        let (offset, what, expected, found) = match end {
            0..16 => (0, "the header", 16, end as u64),
            _ => (16, "pixels", 12, end as u64 - 16),
        };
        let problem = Problem::Cut { offset, what, expected, found };
        assert_eq!(images(&file[..end]).unwrap_err(), problem, "{end}");
        assert_eq!(images(&gzip(&file[..end])).unwrap_err(), problem, "{end}");
    }
    let packed = gzip(&file);
    for end in 2..packed.len() {
        let problem = images(&packed[..end]).unwrap_err();
        assert!(matches!(problem, Problem::Gzip { .. }), "{end}: {problem:?}");
    }
    let file = idx_file(&[3], &[1, 2, 3]);
    let problem = Problem::Cut { offset: 8, what: "labels", expected: 3, found: 2 };
    assert_eq!(labels(&file[..10]).unwrap_err(), problem);
}

#[test]
fn a_flipped_bit_of_a_packed_file_never_changes_what_is_read() {
    let (file, expected) = small();
    let packed = gzip(&file);
    let mut errors = 0;
    for bit in 0..8 * packed.len() {
        let mut flipped = packed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match images(&flipped) {
            // Time and system in the gzip header mean nothing here.
            Ok(read) => assert_eq!(read, expected, "bit {bit}"),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 8 * (packed.len() - 10), "{errors} of {}", 8 * packed.len());
}

#[test]
fn wrong_headers_are_told_apart() {
    let (good, _) = small();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        images(&file).unwrap_err()
    };
    assert_eq!(with(0, &[1]), Problem::NotIdx { found: [1, 0] });
    assert_eq!(with(0, b"PK"), Problem::NotIdx { found: *b"PK" });
    assert_eq!(with(2, &[13]), Problem::Type { found: 13 });
    assert_eq!(with(3, &[1]), Problem::Dimensions { expected: 3, found: 1 });
    assert_eq!(labels(&good).unwrap_err(), Problem::Dimensions { expected: 1, found: 3 });
    assert_eq!(with(4, &[0; 4]), Problem::Empty);
    assert_eq!(labels(&idx_file(&[0], &[])).unwrap_err(), Problem::Empty);
    let side = |offset, what, found| Problem::Side { offset, what, found, limit: 4096 };
    assert_eq!(with(8, &[0; 4]), side(8, "rows", 0));
    assert_eq!(with(12, &[0; 4]), side(12, "columns", 0));
    assert_eq!(with(8, &[0, 0, 16, 1]), side(8, "rows", 4097));
    assert_eq!(with(12, &[255; 4]), side(12, "columns", u32::MAX));
}

#[test]
fn content_that_goes_on_is_an_error() {
    let (mut file, _) = small();
    file.push(0);
    assert_eq!(images(&file).unwrap_err(), Problem::Trailing { offset: 28 });
    assert_eq!(images(&gzip(&file)).unwrap_err(), Problem::Trailing { offset: 28 });
    let mut after_gzip = gzip(&small().0);
    after_gzip.extend(b"more");
    assert!(matches!(images(&after_gzip).unwrap_err(), Problem::Gzip { offset: 28, .. }));
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_read() {
    /// Fails the test when it is read past its header.
    struct HeaderOnly(io::Cursor<Vec<u8>>);
    impl Read for HeaderOnly {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            assert!(read > 0 || buffer.is_empty(), "read past the header");
            Ok(read)
        }
    }
    let header = |sizes: &[u32]| HeaderOnly(io::Cursor::new(idx_file(sizes, &[])));
    let problem = read_images("f", header(&[u32::MAX, 4096, 4096])).unwrap_err().problem;
    let found = u128::from(u32::MAX) << 24;
    assert_eq!(problem, Problem::TooLarge { found, limit: MAX_BYTES });
    let problem = read_labels("f", header(&[u32::MAX])).unwrap_err().problem;
    assert_eq!(problem, Problem::TooLarge { found: u128::from(u32::MAX), limit: MAX_BYTES });
    // The most that is allowed, and nothing there: an answer at once, without the memory.
    let problem = images(&idx_file(&[64, 4096, 4096], &[7; 5])).unwrap_err();
    assert_eq!(problem, Problem::Cut { offset: 16, what: "pixels", expected: MAX_BYTES, found: 5 });
}

#[test]
fn a_gzip_bomb_is_not_unpacked() {
    struct Counting<'b>(&'b [u8], usize);
    impl Read for Counting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            self.1 += read;
            Ok(read)
        }
    }
    let mut content = idx_file(&[10], &[]);
    content.resize(256 << 20, 0);
    let bomb = gzip(&content);
    let mut source = Counting(&bomb, 0);
    let error = read_labels("bomb.gz", &mut source).unwrap_err();
    assert_eq!(error.problem, Problem::Trailing { offset: 18 });
    // One buffer of the decoder, not the quarter of a megabyte that 256 MB pack into.
    assert!(source.1 < 40_000 && bomb.len() > 200_000, "{} of {}", source.1, bomb.len());
}

#[test]
fn labels_out_of_range_and_failing_reads_are_named() {
    let problem = labels(&idx_file(&[3], &[0, 127, 128])).unwrap_err();
    assert_eq!(problem, Problem::Label { sample: 2, found: 128, limit: 128 });
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let reason = "the disk is gone".to_string();
    let error = read_labels("x", Broken).unwrap_err();
    assert_eq!(error.problem, Problem::Read { offset: 0, reason: reason.clone() });
    let error = read_images("x", small().0.as_slice().chain(Broken)).unwrap_err();
    assert_eq!(error.problem, Problem::Read { offset: 28, reason });
}

#[test]
fn messages_are_one_line_with_file_place_and_numbers() {
    let (file, _) = small();
    let message = read_images("a\nb.idx", &file[..20]).unwrap_err().to_string();
    assert_eq!(
        message,
        "a\\nb.idx: the file is cut: pixels at byte 16 should take 12 bytes, 4 are there"
    );
    let error = DataError { place: "d".into(), problem: labels(&[1, 2, 3, 4]).unwrap_err() };
    assert_eq!(
        error.to_string(),
        "d: not an IDX file: its first two bytes should be 00 00 (or 1f 8b for gzip), found 01 02"
    );
}

/// What holds for any bytes: no panic, and what is read fits together.
fn read_anything(bytes: &[u8]) {
    if let Ok(read) = images(bytes) {
        assert!(read.count > 0 && read.rows > 0 && read.cols > 0);
        assert_eq!(read.pixels.len(), read.count * read.rows * read.cols);
    }
    if let Ok(read) = labels(bytes) {
        assert!(!read.is_empty() && read.iter().all(|&label| label < 128));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_anything(&bytes);
        read_anything(&gzip(&bytes));
        read_anything(&[&[0x1f, 0x8b][..], &bytes].concat());
    }

    #[test]
    fn arbitrary_sizes_never_panic(
        sizes in proptest::collection::vec(prop_oneof![0..6u32, any::<u32>()], 0..5),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let file = idx_file(&sizes, &body);
        read_anything(&file);
        read_anything(&gzip(&file));
    }

    #[test]
    fn what_was_written_is_read(
        (count, rows, cols) in (1..5u32, 1..9u32, 1..9u32),
        fill in any::<u8>(),
    ) {
        let pixels: Vec<u8> =
            (0..count * rows * cols).map(|i| fill.wrapping_mul(i as u8).wrapping_add(i as u8)).collect();
        let read = images(&gzip(&idx_file(&[count, rows, cols], &pixels))).unwrap();
        prop_assert_eq!((read.count, read.rows, read.cols), (count as usize, rows as usize, cols as usize));
        prop_assert_eq!(read.pixels, pixels);
    }
}
