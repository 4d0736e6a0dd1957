//! A set of labelled images in memory.

use super::error::{DataError, Problem};
use super::idx::{MAX_CLASSES, check_labels};
use super::resample;
use sha2::{Digest, Sha256};

/// Labelled grey images of one size.
#[derive(Clone, Debug)]
pub struct Images {
    /// Name of the set.
    pub name: String,
    /// Rows of each image.
    pub rows: usize,
    /// Columns of each image.
    pub cols: usize,
    /// `[image][row][column]`, 0 background, 255 ink in MNIST and its kin.
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u8>,
    /// Number of classes: the largest label + 1. A class may have no image (EMNIST letters begin
    /// at 1).
    pub classes: usize,
    digest: String,
}

impl Images {
    /// A set of `labels.len()` images.
    ///
    /// # Errors
    /// [`DataError`] when there is no image, when `pixels` does not hold `rows × cols` values for
    /// each label, or when a label is not below [`MAX_CLASSES`].
    pub fn new(
        name: &str,
        rows: usize,
        cols: usize,
        pixels: Vec<u8>,
        labels: Vec<u8>,
    ) -> Result<Self, DataError> {
        // Lengths of vectors stay below 2⁶³; the product of the three may not.
        let expected = (rows as u128).saturating_mul(cols as u128);
        let expected = expected.saturating_mul(labels.len() as u128);
        if expected != pixels.len() as u128 {
            let found = pixels.len();
            return Err(DataError::new(name, Problem::Pixels { expected, found }));
        }
        let Some(&largest) = labels.iter().max() else {
            return Err(DataError::new(name, Problem::Empty));
        };
        if pixels.is_empty() {
            return Err(DataError::new(name, Problem::Empty));
        }
        check_labels(name, &labels, MAX_CLASSES)?;
        let digest = digest(&pixels, &labels);
        let classes = usize::from(largest) + 1;
        Ok(Self { name: name.to_string(), rows, cols, pixels, labels, classes, digest })
    }

    /// sha256, 64 hexadecimal digits, of the set as it was read: one byte per pixel of all images
    /// in file order, row by row, then one byte per label; no header, nothing of the size. A
    /// training and a test file count as one set: pixels of both, then labels of both. Resampling
    /// does not change the digest.
    pub fn digest(&self) -> String {
        self.digest.clone()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without images, which [`Images::new`] never makes.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Rows × columns.
    pub fn pixels_per_image(&self) -> usize {
        self.rows.saturating_mul(self.cols)
    }

    /// Number of images of each class, in order of class.
    pub fn class_counts(&self) -> Vec<usize> {
        counts(&self.labels, self.classes)
    }

    /// The images at `indices` as a network takes them: byte / 255, in [0, 1],
    /// `[image][row][column]`. Indices past the end are left out.
    pub fn rows_of(&self, indices: &[usize]) -> Vec<f32> {
        let size = self.pixels_per_image();
        if size > self.pixels.len() {
            return Vec::new();
        }
        let mut values = Vec::with_capacity(indices.len().saturating_mul(size));
        for &index in indices {
            let first = index.saturating_mul(size);
            let image = self.pixels.get(first..first.saturating_add(size)).unwrap_or_default();
            values.extend(image.iter().map(|&pixel| f32::from(pixel) / 255.0));
        }
        values
    }

    /// The labels at `indices`. Indices past the end are left out.
    pub fn labels_of(&self, indices: &[usize]) -> Vec<u8> {
        indices.iter().filter_map(|&index| self.labels.get(index).copied()).collect()
    }

    /// The same images with sides of `rows` and `cols` pixels; an unchanged side changes no byte.
    ///
    /// Each axis on its own: made shorter, a new pixel is the mean of the stretch of old pixels
    /// that it covers, parts of pixels counted as parts (area); made longer, it is linear between
    /// the two nearest centres, the outermost repeated (bilinear, centres at half pixels). All in
    /// whole numbers, rounded once, half up, so the bytes are the same everywhere.
    ///
    /// # Errors
    /// [`Problem::NewSide`] when a side is 0 or above [`MAX_SIDE`](super::idx::MAX_SIDE),
    /// [`Problem::TooLarge`] when the result passes [`MAX_BYTES`](super::idx::MAX_BYTES).
    pub fn resampled(&self, rows: usize, cols: usize) -> Result<Self, DataError> {
        for (rows, cols) in [(self.rows, self.cols), (rows, cols)] {
            resample::check(&self.name, self.len(), rows, cols)?;
        }
        Ok(Self {
            name: self.name.clone(),
            rows,
            cols,
            pixels: resample::resample(&self.pixels, [self.rows, self.cols], [rows, cols]),
            labels: self.labels.clone(),
            classes: self.classes,
            digest: self.digest.clone(),
        })
    }
}

/// Number of samples of each class below `classes`.
pub(super) fn counts(labels: &[u8], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &label in labels {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    counts
}

/// sha256 of the pixels, then the labels, in hexadecimal.
fn digest(pixels: &[u8], labels: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(pixels);
    hasher.update(labels);
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
