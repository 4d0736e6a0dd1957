//! Small pictures as PNG in a data URI, so that the page stays one file.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::fmt::Write as _;
use std::io::Write as _;

/// `data:image/png;base64,…` of rows of RGB pixels.
pub(super) fn data_uri(width: usize, pixels: &[[u8; 3]]) -> String {
    let mut uri = String::from("data:image/png;base64,");
    base64(&png(width, pixels), &mut uri);
    uri
}

/// A PNG file of eight bits a channel, without filters (W3C PNG, third edition, section 5).
fn png(width: usize, pixels: &[[u8; 3]]) -> Vec<u8> {
    let height = pixels.len() / width.max(1);
    let mut header = Vec::new();
    for side in [width, height] {
        header.extend(u32::try_from(side).unwrap_or(u32::MAX).to_be_bytes());
    }
    header.extend([8, 2, 0, 0, 0]);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in pixels.chunks(width.max(1)) {
        // Writing to a vector cannot fail.
        let _ = zlib.write_all(&[0]);
        let _ = zlib.write_all(row.as_flattened());
    }
    let data = zlib.finish().unwrap_or_default();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", &header), (b"IDAT", &data), (b"IEND", &Vec::new())] {
        file.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        let mut checked = flate2::Crc::new();
        for part in [&kind[..], body] {
            file.extend(part);
            checked.update(part);
        }
        file.extend(checked.sum().to_be_bytes());
    }
    file
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut group = [0u8; 4];
        group[1..1 + chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            let digit = if digit > chunk.len() { '=' } else { char::from(DIGITS[index as usize]) };
            // Writing to a string cannot fail.
            let _ = text.write_char(digit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, expected) in cases {
            let mut text = String::new();
            base64(bytes.as_bytes(), &mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_picture_is_what_other_programs_read() {
        // Made by Pillow from the same two pixels would be compressed otherwise: the parts are checked.
        let file = png(2, &[[255, 0, 0], [0, 0, 255]]);
        assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&file[8..29], b"\0\0\0\x0dIHDR\0\0\0\x02\0\0\0\x01\x08\x02\0\0\0");
        // The checksums of IHDR and of the empty IEND, from zlib's crc32.
        assert_eq!(&file[29..33], &0x7b40_e8dd_u32.to_be_bytes());
        assert_eq!(&file[file.len() - 4..], &0xae42_6082_u32.to_be_bytes());
    }
}
