//! The digits that ship with the crate.

use super::error::{DataError, Problem};
use super::idx::{read_images, read_labels};
use super::set::Images;
use super::split::Parts;

/// Digest of the built-in digits, see [`Images::digest`].
pub const DIGITS_DIGEST: &str = "bc6b63550c8a82f6ecccd9458252069fb030ee802997b8242e71d5146b0cbf0e";

/// The files of `data/`, inside the program so that an installed one needs no folder beside it.
pub(super) const DIGITS_IMAGES: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits-images-idx3-ubyte.gz"));
pub(super) const DIGITS_LABELS: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits-labels-idx1-ubyte.gz"));

/// 10,000 handwritten digits of MNIST, 28 × 28, dealt 60/20/20 by `split_seed` into 6,000 for
/// training, 2,000 for the reward, 2,000 for the test ([`Parts::deal`]). `data/README.md` tells
/// where they come from.
///
/// # Errors
/// [`Problem::Digest`], or an error of the reader, when the program's own copy is damaged.
pub fn builtin_digits(split_seed: u64) -> Result<(Images, Parts), DataError> {
    let images = read_images("built-in digits (images)", DIGITS_IMAGES)?;
    let labels = read_labels("built-in digits (labels)", DIGITS_LABELS)?;
    let set = Images::new("digits", images.rows, images.cols, images.pixels, labels)?;
    let found = set.digest();
    if found != DIGITS_DIGEST {
        let problem = Problem::Digest { expected: DIGITS_DIGEST, found };
        return Err(DataError::new("built-in digits", problem));
    }
    let parts = Parts::deal(&set, split_seed)?;
    Ok((set, parts))
}
