//! Image sets in folders.

use super::error::{DataError, Problem};
use super::idx::{RawImages, read_images, read_labels};
use super::set::Images;
use super::split::Parts;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// Loads a set from `path` and deals it by `split_seed`. Images keep the size they have in the
/// files ([`Images::resampled`] changes it), and are not turned (EMNIST stores them transposed).
///
/// `path` is a folder that holds one set, or a train and a test set; or one images file, whose
/// labels file lies beside it. Files are known by their names: "images" or "labels" stands in
/// them, and what goes together is named alike but for that word and idx3/idx1
/// (`train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`). A file that is there both plain
/// and as .gz is read plain. Other files, hidden ones and subfolders are passed over.
///
/// One set is dealt by [`Parts::deal`]. Of two sets whose names differ only in "train" against
/// "test" or "t10k", the second is the test part ([`Parts::deal_before`]).
///
/// # Errors
/// [`DataError`] when nothing is found, when it is not clear what goes together, and for every
/// fault of the files themselves.
pub fn load_dir(path: &Path, split_seed: u64) -> Result<(Images, Parts), DataError> {
    let place = path.display().to_string();
    let metadata = fs::metadata(path).map_err(|error| unreadable(&place, &error))?;
    if metadata.is_dir() {
        let found = Found::in_folder(path)?;
        return match found.sets(&place)? {
            Sets::One(set) => load_one(&set, path, split_seed),
            Sets::TrainTest(train, test) => load_two(&train, &test, path, split_seed),
        };
    }
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    load_one(&Found::in_folder(folder)?.set_of(path)?, folder, split_seed)
}

pub(super) fn unreadable(place: &str, error: &io::Error) -> DataError {
    let problem = match error.kind() {
        io::ErrorKind::NotFound => Problem::Missing,
        _ => Problem::Read { offset: 0, reason: error.to_string() },
    };
    DataError::new(place, problem)
}

/// Which part of a set a name says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Train,
    Test,
    Whole,
}

/// An images file and its labels file.
#[derive(Clone, Debug)]
struct Set {
    images: PathBuf,
    labels: PathBuf,
    /// What both names share, without the words that tell parts apart.
    stem: String,
    role: Role,
}

enum Sets {
    One(Set),
    TrainTest(Set, Set),
}

/// Files of a folder by what their name holds in common with their partner's.
#[derive(Default)]
struct Found {
    images: BTreeMap<String, PathBuf>,
    labels: BTreeMap<String, PathBuf>,
}

/// "images" or "labels", and the rest of the name.
fn key(name: &str) -> Option<(&'static str, String)> {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let what = ["images", "labels"].into_iter().find(|what| name.contains(what))?;
    let rest = name.replacen(what, "", 1).replace("idx3", "idx").replace("idx1", "idx");
    Some((what, rest))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Found {
    fn in_folder(folder: &Path) -> Result<Self, DataError> {
        let place = folder.display().to_string();
        let failed = |error: io::Error| unreadable(&place, &error);
        let mut found = Self::default();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = file_name(&path);
            let Some((what, key)) = key(&name) else { continue };
            if name.starts_with('.') || path.is_dir() {
                continue;
            }
            let files = if what == "images" { &mut found.images } else { &mut found.labels };
            let Some(other) = files.get(&key) else {
                files.insert(key, path);
                continue;
            };
            let packed = |path: &Path| file_name(path).to_lowercase().ends_with(".gz");
            match (packed(other), packed(&path)) {
                (true, false) => drop(files.insert(key, path)),
                (false, true) => {}
                _ => {
                    let mut both = [file_name(other), name];
                    both.sort();
                    let files = both.join(" and ");
                    return Err(DataError::new(&place, Problem::Ambiguous { files }));
                }
            }
        }
        Ok(found)
    }

    fn set(&self, key: &str, images: &Path, labels: &Path) -> Set {
        let has = |word: &str| key.contains(word);
        let role = match (has("train"), has("test") || has("t10k")) {
            (true, false) => Role::Train,
            (false, true) => Role::Test,
            _ => Role::Whole,
        };
        let mut stem = key.to_string();
        if role != Role::Whole {
            for word in ["train", "test", "t10k"] {
                stem = stem.replace(word, "");
            }
        }
        Set { images: images.to_path_buf(), labels: labels.to_path_buf(), stem, role }
    }

    /// What a folder holds.
    fn sets(&self, place: &str) -> Result<Sets, DataError> {
        let failed = |problem| Err(DataError::new(place, problem));
        let (images, labels) = (&self.images, &self.labels);
        for (what, files) in [("images", images), ("labels", labels)] {
            if files.is_empty() {
                return failed(Problem::NoFiles { what });
            }
        }
        // With one file of each kind there is nothing to confuse, whatever they are called.
        if let (1, Some((key, one)), Some(label)) =
            (images.len().max(labels.len()), images.first_key_value(), labels.values().next())
        {
            return Ok(Sets::One(self.set(key, one, label)));
        }
        for (lacks, files, others) in [("labels", images, labels), ("images", labels, images)] {
            if let Some((_, alone)) = files.iter().find(|(key, _)| !others.contains_key(*key)) {
                return failed(Problem::Unpaired { file: file_name(alone), lacks });
            }
        }
        let mut sets: Vec<Set> = images
            .iter()
            .filter_map(|(key, images)| Some(self.set(key, images, labels.get(key)?)))
            .collect();
        sets.sort_by_key(|set| set.role);
        match &sets[..] {
            [train, test]
                if (train.role, test.role) == (Role::Train, Role::Test)
                    && train.stem == test.stem =>
            {
                Ok(Sets::TrainTest(train.clone(), test.clone()))
            }
            _ => {
                let files: Vec<String> = images.values().map(|path| file_name(path)).collect();
                failed(Problem::Ambiguous { files: files.join(", ") })
            }
        }
    }

    /// The set whose images file is `path`.
    fn set_of(&self, path: &Path) -> Result<Set, DataError> {
        let place = path.display().to_string();
        match key(&file_name(path)) {
            Some(("images", key)) => match self.labels.get(&key) {
                Some(labels) => Ok(self.set(&key, path, labels)),
                None => {
                    let problem = Problem::Unpaired { file: file_name(path), lacks: "labels" };
                    Err(DataError::new(&place, problem))
                }
            },
            _ => Err(DataError::new(&place, Problem::NoFiles { what: "images" })),
        }
    }
}

impl Set {
    fn read(&self) -> Result<(RawImages, Vec<u8>), DataError> {
        let open = |path: &Path| {
            let place = path.display().to_string();
            match File::open(path) {
                Ok(file) => Ok((place, BufReader::new(file))),
                Err(error) => Err(unreadable(&place, &error)),
            }
        };
        let (images_name, file) = open(&self.images)?;
        let images = read_images(&images_name, file)?;
        let (labels_file, file) = open(&self.labels)?;
        let labels = read_labels(&labels_file, file)?;
        if images.count != labels.len() {
            let (images, labels) = (images.count, labels.len());
            let problem = Problem::Counts { images, labels, labels_file };
            return Err(DataError::new(&images_name, problem));
        }
        Ok((images, labels))
    }
}

/// The words of a name before "images", or the folder's name where they say nothing.
fn set_name(words: &str, folder: &Path) -> String {
    let trimmed = words.trim_matches(|c: char| !c.is_alphanumeric());
    if !["", "train", "test", "t10k"].contains(&trimmed.to_lowercase().as_str()) {
        return trimmed.to_string();
    }
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    match file_name(&whole) {
        name if name.is_empty() => "images".to_string(),
        name => name,
    }
}

fn before_images(path: &Path) -> String {
    let name = file_name(path).to_lowercase();
    name.split("images").next().unwrap_or_default().to_string()
}

fn load_one(set: &Set, folder: &Path, seed: u64) -> Result<(Images, Parts), DataError> {
    let (images, labels) = set.read()?;
    let name = set_name(&before_images(&set.images), folder);
    let set = Images::new(&name, images.rows, images.cols, images.pixels, labels)?;
    let parts = Parts::deal(&set, seed)?;
    Ok((set, parts))
}

fn load_two(
    train: &Set,
    test: &Set,
    folder: &Path,
    seed: u64,
) -> Result<(Images, Parts), DataError> {
    let (first, mut labels) = train.read()?;
    let (second, test_labels) = test.read()?;
    let (size, test_size) = ((first.rows, first.cols), (second.rows, second.cols));
    if size != test_size {
        let place = test.images.display().to_string();
        return Err(DataError::new(&place, Problem::Sizes { train: size, test: test_size }));
    }
    let name = set_name(&before_images(&train.images).replace("train", ""), folder);
    let mut pixels = first.pixels;
    pixels.extend_from_slice(&second.pixels);
    labels.extend_from_slice(&test_labels);
    let set = Images::new(&name, first.rows, first.cols, pixels, labels)?;
    let parts = Parts::deal_before(&set, first.count, seed)?;
    Ok((set, parts))
}
