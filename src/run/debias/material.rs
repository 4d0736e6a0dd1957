//! The comments of a run, dealt into parts and turned into inputs.

use super::config::{DebiasConfig, DebiasTarget};
use super::language::Language;
use super::target::TextTarget;
use crate::data::DataError;
use crate::data::text::{
    BUILTIN_SIZES, BagSet, Comments, builtin_comments, builtin_identity_words,
    builtin_unbiased_train, group_terms, identity_reward_templates, identity_test_templates,
    load_comments,
};
use crate::editor::text::TextSet;
use crate::model::Training;
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::record::DataRecord;
use std::sync::Arc;

/// Comments and their inputs.
#[derive(Clone, Debug)]
pub struct TextPart {
    /// The comments; without their texts where nobody reads them again.
    pub comments: Arc<Comments>,
    /// One row each.
    pub bag: Arc<BagSet>,
}

impl TextPart {
    pub(super) fn new(comments: Comments, language: &Language) -> Self {
        let bag = language.bag(comments.texts.iter().map(String::as_str));
        Self { comments: Arc::new(comments), bag: Arc::new(bag) }
    }

    /// The same without texts: files of comments are large, their bags are not.
    fn untold(mut comments: Comments, language: &Language) -> Self {
        let bag = language.bag(comments.texts.iter().map(String::as_str));
        comments.texts = Vec::new();
        Self { comments: Arc::new(comments), bag: Arc::new(bag) }
    }

    /// Comments that others hold, without their texts.
    pub(super) fn of(comments: &Comments, language: &Language) -> Self {
        let bag = language.bag(comments.texts.iter().map(String::as_str));
        Self { comments: Arc::new(comments.untold()), bag: Arc::new(bag) }
    }

    /// As references take it, over `words` columns.
    pub(super) fn set(&self, words: usize) -> Result<TextSet<'_>, RunError> {
        Ok(TextSet {
            bag: self.bag.view(words)?,
            labels: &self.comments.labels,
            members: &self.comments.members,
        })
    }
}

/// Everything that one seed (or fold) works with.
#[derive(Clone, Debug)]
pub struct Material {
    /// What the data are.
    pub data: DataRecord,
    /// How texts become inputs.
    pub language: Arc<Language>,
    /// What trains the network, where it is trained here.
    pub train: Option<TextPart>,
    /// Its labels without the planted bias, where they are known.
    pub unbiased: Option<Vec<u8>>,
    /// How the network is trained.
    pub training: Option<Training>,
    /// What editors may look at.
    pub reward: TextPart,
    /// A second part of it, judged beside the first with groups of its own.
    pub beside: Option<TextPart>,
    /// Final figures.
    pub test: TextPart,
    /// Other comments to take figures on, by name.
    pub elsewhere: Vec<(String, TextPart)>,
    /// Columns of the words that name each group.
    pub words: Vec<Vec<u32>>,
}

/// Sentences of the reward templates per identity term, and without one, for the deployed classifier.
const TEMPLATES: (usize, usize) = (80, 600);

/// The same beside real comments.
const TEMPLATES_BESIDE: (usize, usize) = (40, 500);

/// The same of the test templates.
pub(super) const TEST_TEMPLATES: (usize, usize) = (240, 800);

/// Words of a vocabulary that is made from a file of comments.
const MOST_WORDS: usize = 5_000;

fn failed(error: DataError) -> RunError {
    RunError::Failed(error.to_string())
}

/// Data that are read once and dealt for every seed.
pub(super) struct Sources {
    /// Comments of `--data`.
    pub(super) comments: Option<Comments>,
    /// Comments of `--test-data`, by name.
    pub(super) elsewhere: Vec<Comments>,
}

impl Sources {
    /// Drops the texts, once they have been turned into inputs.
    pub(super) fn forget_texts(&mut self) {
        for comments in self.comments.iter_mut().chain(&mut self.elsewhere) {
            comments.texts = Vec::new();
        }
    }

    pub(super) fn read(config: &DebiasConfig, observer: &dyn Observer) -> Result<Self, RunError> {
        let files = config.test_data.iter().chain(&config.data).count();
        observer.phase("reading comments", files);
        let read = |path: &std::path::PathBuf| {
            let mut shown = 0.0;
            let loaded = load_comments(path, &mut |done, of| {
                let now = done as f64 / of.max(1) as f64;
                if now - shown > 0.02 {
                    observer.advanced(now - shown);
                    shown = now;
                }
            });
            observer.finished(&path.display().to_string());
            loaded.map_err(failed)
        };
        let comments = config.data.as_ref().map(read).transpose()?;
        let elsewhere = config.test_data.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { comments, elsewhere })
    }
}

impl Material {
    /// Texts that ranges of activations are taken on: what trained the network, else the reward split.
    pub(super) fn calibration(&self) -> &TextPart {
        self.train.as_ref().unwrap_or(&self.reward)
    }

    /// What all seeds share; `None` where each has data of its own.
    pub(super) fn shared(
        config: &DebiasConfig,
        sources: &Sources,
        loaded: Option<&TextTarget>,
    ) -> Result<Option<Self>, RunError> {
        let material = match (&sources.comments, loaded) {
            (Some(_), _) if config.folds.is_some() => return Ok(None),
            (None, Some(_)) => return Ok(None),
            (Some(comments), target) => Self::of_file(config, comments, target, config.seed)?,
            (None, None) => Self::built_in(config.split_seed),
        };
        material.with_elsewhere(sources).with_groups(&config.groups).map(Some)
    }

    /// The data of `seed` (of fold `seed`, with folds).
    pub(super) fn new(
        config: &DebiasConfig,
        sources: &Sources,
        loaded: Option<&TextTarget>,
        shared: Option<&Self>,
        seed: u64,
    ) -> Result<Self, RunError> {
        if let Some(shared) = shared {
            let mut own = shared.clone();
            if own.beside.is_some() {
                let (per_term, without) = TEMPLATES_BESIDE;
                let beside = identity_reward_templates(seed, per_term, without);
                own.beside = Some(TextPart::untold(beside, &own.language));
            }
            return Ok(own);
        }
        let material = match (&sources.comments, loaded) {
            (Some(comments), target) => Self::of_file(config, comments, target, seed)?,
            (None, Some(target)) => Self::of_templates(target, seed),
            (None, None) => Self::built_in(config.split_seed),
        };
        material.with_elsewhere(sources).with_groups(&config.groups)
    }

    fn built_in(split_seed: u64) -> Self {
        let [train, reward, test] = builtin_comments(split_seed, BUILTIN_SIZES);
        let unbiased = builtin_unbiased_train(split_seed, BUILTIN_SIZES).labels;
        let language = Arc::new(Language::of_comments(&train, MOST_WORDS));
        let words = builtin_identity_words();
        let words = words.iter().map(|(_, words)| language.columns(words)).collect();
        let data = DataRecord {
            name: "built-in comments".into(),
            train: train.len(),
            reward: reward.len(),
            test: test.len(),
            digest: test.digest.clone(),
        };
        Self {
            data,
            train: Some(TextPart::untold(train, &language)),
            unbiased: Some(unbiased),
            training: Some(Training::TOXICITY),
            reward: TextPart::untold(reward, &language),
            beside: None,
            test: TextPart::new(test, &language),
            elsewhere: Vec::new(),
            words,
            language,
        }
    }

    /// Templates that name identities: each seed has a reward split of its own, the test is one.
    pub(super) fn of_templates(target: &TextTarget, seed: u64) -> Self {
        let (per_term, without) = TEMPLATES;
        let reward = identity_reward_templates(seed, per_term, without);
        let (per_term, without) = TEST_TEMPLATES;
        let test = identity_test_templates(0, per_term, without);
        let language = Arc::clone(&target.language);
        let words =
            reward.groups.iter().map(|term| language.columns(std::slice::from_ref(term))).collect();
        let data = DataRecord {
            name: "identity templates".into(),
            train: 0,
            reward: reward.len(),
            test: test.len(),
            digest: test.digest.clone(),
        };
        Self {
            data,
            train: None,
            unbiased: None,
            training: None,
            reward: TextPart::untold(reward, &language),
            beside: None,
            test: TextPart::new(test, &language),
            elsewhere: Vec::new(),
            words,
            language,
        }
    }

    fn of_file(
        config: &DebiasConfig,
        comments: &Comments,
        loaded: Option<&TextTarget>,
        seed: u64,
    ) -> Result<Self, RunError> {
        let [train, reward, test] = match (config.folds, loaded) {
            (Some(folds), _) => {
                let folds = comments.folds(folds, config.split_seed);
                let fold = usize::try_from(seed).unwrap_or(usize::MAX);
                folds.into_iter().nth(fold).unwrap_or_default()
            }
            (None, None) => comments.split(config.split_seed),
            // Nothing trains a network that was loaded: what train would be is for the reward.
            (None, Some(_)) => {
                let [train, mut reward, test] = comments.split(config.split_seed);
                reward.extend(train);
                [Vec::new(), reward, test]
            }
        };
        let [train, reward, test] = [train, reward, test].map(|part| comments.select(&part));
        for (part, name) in [(&reward, "reward"), (&test, "test")] {
            let toxic = part.labels.iter().filter(|&&label| label == 1).count();
            if toxic == 0 || toxic == part.len() {
                return Err(RunError::Failed(format!(
                    "{}: the {name} part has {} comments, {toxic} of them toxic: both classes are needed",
                    comments.name,
                    part.len()
                )));
            }
        }
        let language = match loaded {
            Some(target) => Arc::clone(&target.language),
            None => Arc::new(Language::of_comments(&train, MOST_WORDS)),
        };
        let words =
            comments.groups.iter().map(|group| language.columns(&group_terms(group))).collect();
        let (per_term, without) = TEMPLATES_BESIDE;
        let beside = identity_reward_templates(seed, per_term, without);
        let data = DataRecord {
            name: comments.name.clone(),
            train: train.len(),
            reward: reward.len() + beside.len(),
            test: test.len(),
            digest: comments.digest.clone(),
        };
        Ok(Self {
            data,
            train: loaded.is_none().then(|| TextPart::untold(train, &language)),
            unbiased: None,
            training: loaded.is_none().then_some(Training::COMMENTS),
            reward: TextPart::untold(reward, &language),
            beside: Some(TextPart::untold(beside, &language)),
            test: TextPart::new(test, &language),
            elsewhere: Vec::new(),
            words,
            language,
        })
    }

    fn with_elsewhere(mut self, sources: &Sources) -> Self {
        let parts = sources
            .elsewhere
            .iter()
            .map(|comments| (comments.name.clone(), TextPart::of(comments, &self.language)));
        self.elsewhere = parts.collect();
        self
    }

    fn with_groups(mut self, names: &[String]) -> Result<Self, RunError> {
        if names.is_empty() {
            return Ok(self);
        }
        let all = self.reward.comments.groups.clone();
        let unknown = |name: String| {
            RunError::Failed(format!("--groups {name}: no such group (groups: {})", all.join(", ")))
        };
        let chosen = |part: TextPart| -> Result<TextPart, RunError> {
            let comments = Arc::unwrap_or_clone(part.comments);
            let comments = comments.with_groups(names).map_err(unknown)?;
            Ok(TextPart { comments: Arc::new(comments), bag: part.bag })
        };
        let words = names.iter().map(|name| {
            let place = all.iter().position(|group| group == name);
            place.and_then(|place| self.words.get(place)).cloned().unwrap_or_default()
        });
        self.words = words.collect();
        self.reward = chosen(self.reward)?;
        self.test = chosen(self.test)?;
        self.train = self.train.map(chosen).transpose()?;
        Ok(self)
    }
}

/// Whether the target of a configuration is loaded rather than trained.
pub(super) fn loaded_target(config: &DebiasConfig) -> Result<Option<Arc<TextTarget>>, RunError> {
    match &config.target {
        DebiasTarget::Toxicity => Ok(None),
        DebiasTarget::Profanity => Ok(Some(Arc::new(TextTarget::profanity()?))),
        DebiasTarget::Loaded(target) => Ok(Some(Arc::clone(target))),
    }
}
