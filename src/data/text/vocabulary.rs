//! The words that a network knows.

use super::tokens::tokens;
use super::weighting::SHORTEST;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Words in a fixed order: word i is input i of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    index: HashMap<String, u32>,
}

/// A word that stands twice in a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateWord {
    /// The word.
    pub word: String,
    /// The line, from 1, where it stands the second time.
    pub line: usize,
}

impl fmt::Display for DuplicateWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:?} stands there already", self.line, self.word)
    }
}

impl std::error::Error for DuplicateWord {}

impl Vocabulary {
    /// These words, in this order.
    ///
    /// # Errors
    /// [`DuplicateWord`].
    pub fn from_words(words: Vec<String>) -> Result<Self, DuplicateWord> {
        let mut index = HashMap::with_capacity(words.len());
        for (line, word) in words.iter().enumerate() {
            if index.insert(word.clone(), line as u32).is_some() {
                return Err(DuplicateWord { word: word.clone(), line: line + 1 });
            }
        }
        Ok(Self { words, index })
    }

    /// The `most` words that occur in most of the texts, of equals the first of the alphabet; in
    /// alphabetical order.
    pub fn of_texts<'t>(texts: impl Iterator<Item = &'t str>, most: usize) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for text in texts {
            let mut own: Vec<String> = tokens(text, SHORTEST).collect();
            own.sort_unstable();
            own.dedup();
            for word in own {
                *counts.entry(word).or_default() += 1;
            }
        }
        let mut ranked: Vec<(String, usize)> = counts.into_iter().collect();
        // Stable, so that equals stay in alphabetical order.
        ranked.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        ranked.truncate(most);
        let mut words: Vec<String> = ranked.into_iter().map(|(word, _)| word).collect();
        words.sort_unstable();
        let index = words.iter().cloned().zip(0..).collect();
        Self { words, index }
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True without words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Word `index`; empty where there is none.
    pub fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// Index of a word.
    pub fn find(&self, word: &str) -> Option<u32> {
        self.index.get(word).copied()
    }

    /// All words.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;

    #[test]
    fn the_most_frequent_words_are_kept_in_alphabetical_order() {
        let texts = ["bb cc cc cc", "bb aa", "dd bb aa"];
        let vocabulary = Vocabulary::of_texts(texts.into_iter(), 3);
        // cc and dd are in one text each: the first of the alphabet stays.
        assert_eq!(vocabulary.words(), ["aa", "bb", "cc"]);
        assert_eq!((vocabulary.find("bb"), vocabulary.find("dd")), (Some(1), None));
        assert_eq!(vocabulary.word(2), "cc");
        assert_eq!(vocabulary.word(3), "");
    }

    #[test]
    fn a_word_stands_once() {
        let words = ["aa", "bb", "aa"].map(str::to_string).to_vec();
        let error = Vocabulary::from_words(words).unwrap_err();
        assert_eq!(error.to_string(), "line 3: \"aa\" stands there already");
    }
}
