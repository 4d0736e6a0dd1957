//! Any bytes as a CSV file of comments: no panic, messages of one line, the same answer packed, plain and
//! a byte at a time, and comments that are whole.
//!
//! A first byte `B`, `T` or `I` stands for the header of one of the three formats.
#![no_main]

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use reweight::data::text::read_comments;
use std::io::{self, Read, Write};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Gives a byte at a time.
struct Drip<'b>(&'b [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(1);
        self.0.read(&mut buffer[..wanted])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (header, body): (&[u8], _) = match bytes.split_first() {
        Some((b'B', body)) => (b"female,comment_text,target,white\n", body),
        Some((b'T', body)) => (b"comment_text,toxic\r\n", body),
        Some((b'I', body)) => (b"Text,Label,Template\n", body),
        _ => (b"", bytes),
    };
    let file = [header, body].concat();
    let read = read_comments("f", &file[..]);
    assert_eq!(read, read_comments("f", Drip(&file)));
    // What begins like gzip is unpacked when plain, so it has no packed twin of the same meaning.
    if !file.starts_with(&[0x1f, 0x8b]) {
        let packed = read_comments("f", &gzip(&file)[..]).map(|mut comments| {
            comments.digest = read.as_ref().map_or(String::new(), |plain| plain.digest.clone());
            comments
        });
        assert_eq!(read, packed);
    }
    let comments = match read {
        Ok(comments) => comments,
        Err(error) => return assert!(!error.to_string().contains('\n'), "{error:?}"),
    };
    let count = comments.len();
    let columns = [comments.labels.len(), comments.members.len(), comments.missing.len()];
    assert!(columns == [count; 3] && comments.kinds.len() == count && comments.groups.len() <= 64);
    let every = comments.members.iter().fold(0, |all, bits| all | bits);
    assert_eq!(every.count_ones() as usize, comments.groups.len());
    assert_eq!(every.trailing_ones(), every.count_ones());
    for (members, missing) in comments.members.iter().zip(&comments.missing) {
        assert_eq!((members & missing, (members | missing) & !every), (0, 0));
    }
    assert!(comments.labels.contains(&0) && comments.labels.contains(&1));
    assert!(comments.labels.iter().all(|&label| label <= 1));
    assert!(comments.kinds.iter().all(|&kind| usize::from(kind) < comments.kind_names.len()));
    assert!(comments.texts.iter().all(|text| !text.trim().is_empty()));
    let mut dealt = comments.split(0).concat();
    dealt.sort_unstable();
    assert!(dealt.into_iter().eq(0..count));
});
