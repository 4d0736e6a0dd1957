//! How texts become the input of a network.

use crate::data::text::{BagSet, Comments, Vocabulary, Weighting, bag};
use crate::data::{ArchText, Foreign};
use crate::run::error::RunError;
use crate::task::Readout;
use std::collections::HashSet;
use std::path::Path;

/// Words, their weighting, and how a network's outputs become a score.
#[derive(Clone, Debug)]
pub struct Language {
    /// The words, in the order of the network's input.
    pub vocabulary: Vocabulary,
    /// How counts become inputs.
    pub weighting: Weighting,
    /// Words that are not read.
    pub stop_words: HashSet<String>,
    /// a and b of a calibration of the outputs ([`Readout::Calibrated`]).
    pub calibration: Option<(Vec<f32>, Vec<f32>)>,
}

impl Language {
    /// Counts of the words that occur in most of `texts`, at most `most`, read by two outputs.
    pub fn of_comments(comments: &Comments, most: usize) -> Self {
        Self::of_words(Vocabulary::of_texts(comments.texts.iter().map(String::as_str), most))
    }

    /// Counts of these words, read by two outputs.
    pub fn of_words(vocabulary: Vocabulary) -> Self {
        let (weighting, stop_words) = (Weighting::Count, HashSet::new());
        Self { vocabulary, weighting, stop_words, calibration: None }
    }

    /// What the description of a network that others trained says; its files lie in `folder`.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the file that cannot be read, or what does not fit the network.
    pub fn of_foreign(foreign: &Foreign, text: &ArchText, folder: &Path) -> Result<Self, RunError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .map_err(|error| RunError::Failed(format!("{}: {error}", path.display())))
        };
        let words = read(&text.vocabulary)?;
        let stop_words = text.stop_words.as_deref().map(read).transpose()?;
        Self::new(foreign, text, &words, stop_words.as_deref().unwrap_or_default())
    }

    /// The same from the contents of the files, words one a line.
    ///
    /// # Errors
    /// As [`of_foreign`](Self::of_foreign).
    pub fn new(
        foreign: &Foreign,
        text: &ArchText,
        words: &str,
        stop_words: &str,
    ) -> Result<Self, RunError> {
        let failed = |error: crate::data::DataError| RunError::Failed(error.to_string());
        let lines = |text: &str| text.lines().map(str::to_string).collect::<Vec<_>>();
        let vocabulary = Vocabulary::from_words(lines(words))
            .map_err(|error| RunError::Failed(format!("{}: {error}", text.vocabulary)))?;
        let inputs = foreign.stack.inputs();
        if vocabulary.len() != inputs {
            return Err(RunError::Failed(format!(
                "{}: {} words, the network takes {inputs}",
                text.vocabulary,
                vocabulary.len()
            )));
        }
        let tensor = |name: &String, expected: usize| {
            let tensor = foreign.file().tensor(name).map_err(failed)?;
            let values = foreign.file().values(tensor).map_err(failed)?;
            if values.len() == expected {
                return Ok(values);
            }
            Err(RunError::Failed(format!("{name}: {} values, expected {expected}", values.len())))
        };
        let outputs = foreign.stack.outputs();
        let calibration = match &text.calibration {
            Some((slope, offset)) => Some((tensor(slope, outputs)?, tensor(offset, outputs)?)),
            None if outputs == 2 => None,
            None => {
                return Err(RunError::Failed(format!(
                    "the network has {outputs} outputs: expected 2, or a calibration"
                )));
            }
        };
        let weighting = match &text.idf {
            Some(name) => Weighting::TfIdf(tensor(name, inputs)?),
            None => Weighting::Count,
        };
        let stop_words = lines(stop_words).into_iter().collect();
        Ok(Self { vocabulary, weighting, stop_words, calibration })
    }

    /// How outputs become a score.
    pub fn readout(&self) -> Readout<'_> {
        match &self.calibration {
            None => Readout::Softmax,
            Some((slope, offset)) => Readout::Calibrated { slope, offset },
        }
    }

    /// Texts as inputs.
    pub fn bag<'t>(&self, texts: impl Iterator<Item = &'t str>) -> BagSet {
        bag(texts, &self.vocabulary, &self.weighting, &self.stop_words)
    }

    /// Columns of the words that are in the vocabulary.
    pub fn columns(&self, words: &[String]) -> Vec<u32> {
        words.iter().filter_map(|word| self.vocabulary.find(word)).collect()
    }
}
