//! Classifiers of texts: trained here, or loaded.

use super::language::Language;
use super::material::TextPart;
use super::measure::scores;
use super::net::Net;
use crate::data::text::Vocabulary;
use crate::data::{Arch, Foreign, SafeTensors};
use crate::kernel::Kernel;
use crate::model::{Lesson, Rows, Training, toxicity_mlp, train_need, train_on};
use crate::nn::{Init, Stack};
use crate::num::Digest;
use crate::rng::{Purpose, Rng};
use crate::run::error::RunError;
use crate::run::int8::Quantised;
use crate::run::target::network_digest;
use crate::slab::Heap;
use std::path::Path;
use std::sync::Arc;

/// A classifier of texts.
#[derive(Clone, Debug)]
pub struct TextTarget {
    /// Its name, for reports.
    pub name: String,
    /// Its layers; the first takes words.
    pub stack: Stack,
    /// Its parameters.
    pub parameters: Vec<f32>,
    /// The seed that it was trained with.
    pub seed: u64,
    /// What it was made from.
    pub key: String,
    /// How texts become its input.
    pub language: Arc<Language>,
    /// The file that it came from, for networks that others trained.
    pub foreign: Option<Arc<Foreign>>,
    /// The integers that answer, where it is quantised.
    pub(in crate::run) integers: Option<Arc<Quantised>>,
}

/// The classifier that is trained here.
pub(super) const TOXICITY: &str = "toxicity-mlp";

/// What the names of quantised classifiers end in.
pub(super) const INT8: &str = "-int8";

/// The deployed classifier that ships.
pub(super) const PROFANITY: &str = "profanity";

const PROFANITY_MODEL: &[u8] = include_bytes!("../../../data/alt-profanity-check.safetensors");
const PROFANITY_ARCH: &[u8] = include_bytes!("../../../data/alt-profanity-check.json");
const PROFANITY_WORDS: &str = include_str!("../../../data/alt-profanity-check-vocabulary.txt");
const STOP_WORDS: &str = include_str!("../../../data/english-stop-words.txt");

impl TextTarget {
    /// Digest of all parameters, 16 hexadecimal digits.
    pub fn digest(&self) -> String {
        network_digest(&self.parameters)
    }

    /// Whether every output of the first layer is evidence of class 1, so that a column has one weight.
    pub fn is_linear(&self) -> bool {
        self.stack.layers().len() == 1
    }

    /// Probabilities that texts are toxic.
    ///
    /// # Errors
    /// [`RunError`] when the network cannot be run.
    pub fn probabilities(&self, kernel: Kernel, texts: &[&str]) -> Result<Vec<f32>, RunError> {
        let (readout, bag) = (self.language.readout(), self.language.bag(texts.iter().copied()));
        let scores = scores(kernel, Net::of(self), &readout, &bag)?;
        Ok(scores.into_iter().map(|score| readout.probability_of(score)).collect())
    }

    /// The same network after post-training quantisation, by the ranges of its activations on `texts`. Its
    /// parameters are then the integers times their scales.
    pub(super) fn quantised(&self, kernel: Kernel, texts: &TextPart) -> Result<Self, RunError> {
        let bag = texts.bag.view(self.stack.inputs())?;
        let integers = Quantised::of_bag(kernel, &self.stack, &self.parameters, bag)?;
        Ok(Self {
            name: format!("{}{INT8}", self.name),
            parameters: integers.real(&self.stack)?,
            integers: Some(Arc::new(integers)),
            ..self.clone()
        })
    }

    /// `alt-profanity-check` 1.9.1: five calibrated linear models over tf-idf.
    ///
    /// # Errors
    /// [`RunError::Failed`] when the built-in files do not fit one another.
    pub fn profanity() -> Result<Self, RunError> {
        let failed = |error: crate::data::DataError| RunError::Failed(error.to_string());
        let arch = Arch::read(PROFANITY, PROFANITY_ARCH).map_err(failed)?;
        let file = SafeTensors::read(PROFANITY, PROFANITY_MODEL.to_vec()).map_err(failed)?;
        let foreign = Foreign::new(PROFANITY, &arch, file).map_err(failed)?;
        let text = arch.text.ok_or_else(|| RunError::Failed("no vocabulary is named".into()))?;
        let language = Language::new(&foreign, &text, PROFANITY_WORDS, STOP_WORDS)?;
        Ok(Self::of_foreign(PROFANITY.into(), foreign, language))
    }

    /// A network that others trained, with the description `arch`.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the file and what is wrong with it.
    pub fn load(model: &Path, arch: &Path) -> Result<Self, RunError> {
        let foreign =
            Foreign::open(model, arch).map_err(|error| RunError::Failed(error.to_string()))?;
        let Some(text) = foreign.text.clone() else {
            return Err(RunError::Failed(format!(
                "{}: \"vocabulary\" names no file, so this is no network over texts",
                arch.display()
            )));
        };
        let folder = arch.parent().unwrap_or(Path::new(""));
        let language = Language::of_foreign(&foreign, &text, folder)?;
        let name = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self::of_foreign(name, foreign, language))
    }

    fn of_foreign(name: String, foreign: Foreign, language: Language) -> Self {
        let mut key = Digest::new();
        key.bytes(foreign.file().bytes());
        Self {
            name,
            stack: foreign.stack.clone(),
            parameters: foreign.parameters.clone(),
            seed: 0,
            key: format!("{:016x}", key.finish()),
            language: Arc::new(language),
            foreign: Some(Arc::new(foreign)),
            integers: None,
        }
    }

    /// Trains `toxicity-mlp` of `seed` on `train`.
    ///
    /// # Errors
    /// [`RunError`] when training diverges.
    pub fn train(
        kernel: Kernel,
        language: &Arc<Language>,
        train: &TextPart,
        training: &Training,
        seed: u64,
        key: &str,
    ) -> Result<Self, RunError> {
        let words = language.vocabulary.len();
        let stack = toxicity_mlp(words).map_err(RunError::stack)?;
        let mut parameters = vec![0.0; stack.parameters()];
        let mut rng = Rng::new(seed, Purpose::Weights);
        stack.initialise(Init::HeUniform, &mut parameters, &mut rng)?;
        let lesson = Lesson {
            inputs: Rows::Sparse(train.bag.view(words)?),
            labels: &train.comments.labels,
            weights: None,
            trained: 0..stack.parameters(),
        };
        let mut heap = Heap::new(train_need(&stack, train.comments.len(), training));
        train_on(
            kernel,
            &stack,
            &mut parameters,
            &lesson,
            &|_| true,
            training,
            seed,
            &mut heap.arena(),
            &mut |_| {},
        )?;
        Ok(Self {
            name: TOXICITY.into(),
            stack,
            parameters,
            seed,
            key: key.into(),
            language: Arc::clone(language),
            foreign: None,
            integers: None,
        })
    }
}

/// What a network that is trained here is made from: words, comments and settings, digested.
pub fn text_target_key(vocabulary: &Vocabulary, data: &str, training: &Training) -> String {
    let mut digest = Digest::new();
    for word in vocabulary.words() {
        digest.bytes(word.as_bytes());
        digest.bytes(b"\n");
    }
    digest.bytes(data.as_bytes());
    digest.bytes(format!("{training:?}").as_bytes());
    format!("{:016x}", digest.finish())
}
