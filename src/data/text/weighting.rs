//! Bags of words.

use super::bag::BagSet;
use super::tokens::tokens;
use super::vocabulary::Vocabulary;
use std::collections::HashSet;

/// Words of fewer characters are not read.
pub(super) const SHORTEST: usize = 2;

/// How counts of words become inputs. Every row is scaled to length 1 afterwards.
#[derive(Clone, Debug, PartialEq)]
pub enum Weighting {
    /// The counts.
    Count,
    /// The counts times each word's inverse document frequency.
    TfIdf(Vec<f32>),
}

/// One row per text: weighted counts of the words of two characters or more that are in the vocabulary
/// and are no stop words, scaled to Euclidean length 1. A text without such words is an empty row.
pub fn bag<'t>(
    texts: impl Iterator<Item = &'t str>,
    vocabulary: &Vocabulary,
    weighting: &Weighting,
    stop_words: &HashSet<String>,
) -> BagSet {
    let mut set = BagSet::new();
    let mut row: Vec<(u32, f32)> = Vec::new();
    for text in texts {
        let words = tokens(text, SHORTEST).filter(|word| !stop_words.contains(word));
        let mut columns: Vec<u32> = words.filter_map(|word| vocabulary.find(&word)).collect();
        columns.sort_unstable();
        let mut counts: Vec<(u32, f64)> = Vec::new();
        for column in columns {
            match counts.last_mut() {
                Some((last, count)) if *last == column => *count += 1.0,
                _ => counts.push((column, 1.0)),
            }
        }
        if let Weighting::TfIdf(idf) = weighting {
            for (column, value) in &mut counts {
                *value *= f64::from(idf.get(*column as usize).copied().unwrap_or(0.0));
            }
        }
        let length = counts.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        row.extend(counts.iter().map(|&(column, value)| (column, (value * scale) as f32)));
        set.push(&mut row);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::{BagSet, SHORTEST, Vocabulary, Weighting, bag, tokens};
    use std::collections::HashSet;

    #[test]
    fn rows_are_weighted_and_of_length_one() {
        let words = ["aa", "bb", "the"].map(str::to_string).to_vec();
        let vocabulary = Vocabulary::from_words(words).unwrap();
        let stop_words = HashSet::from(["the".to_string()]);
        let texts = ["AA bb the aa x", "zz", "bb"];
        let counts = bag(texts.into_iter(), &vocabulary, &Weighting::Count, &stop_words);
        let root = 5f32.sqrt();
        let (columns, values) = counts.row(0);
        assert_eq!(columns, [0, 1]);
        assert!((values[0] - 2.0 / root).abs() < 1e-7 && (values[1] - 1.0 / root).abs() < 1e-7);
        assert!(counts.row(1).0.is_empty());
        let weighting = Weighting::TfIdf(vec![1.0, 2.0, 1.0]);
        let weighted = bag(texts.into_iter(), &vocabulary, &weighting, &stop_words);
        let (_, values) = weighted.row(0);
        assert!((values[0] - values[1]).abs() < 1e-7 && weighted.row(2).1 == [1.0]);
    }

    fn strings(value: &serde_json::Value) -> Vec<String> {
        let list = value.as_array().unwrap().iter();
        list.map(|item| item.as_str().unwrap().to_string()).collect()
    }

    fn check_rows(found: &BagSet, expected: &serde_json::Value) {
        let expected = expected.as_array().unwrap();
        assert_eq!(found.len(), expected.len());
        for (index, row) in expected.iter().enumerate() {
            let (columns, values) = found.row(index);
            let wanted = row[0].as_array().unwrap().iter().map(|column| column.as_u64().unwrap());
            assert!(columns.iter().map(|&column| u64::from(column)).eq(wanted), "row {index}");
            for (value, wanted) in values.iter().zip(row[1].as_array().unwrap()) {
                let wanted = wanted.as_f64().unwrap();
                assert!((f64::from(*value) - wanted).abs() < 1e-7, "row {index}: {value} {wanted}");
            }
        }
    }

    /// Words, vocabulary, counts and tf-idf as scikit-learn's vectorisers make them.
    #[test]
    fn words_and_bags_are_those_of_scikit_learn() {
        let text = include_str!("../../../tests/oracle/text.json");
        let oracle: serde_json::Value = serde_json::from_str(text).unwrap();
        let texts = strings(&oracle["texts"]);
        for (text, words) in texts.iter().zip(oracle["words"].as_array().unwrap()) {
            assert_eq!(tokens(text, SHORTEST).collect::<Vec<_>>(), strings(words), "{text:?}");
        }
        let each = || texts.iter().map(String::as_str);
        let vocabulary = Vocabulary::of_texts(each(), 40);
        assert_eq!(vocabulary.words(), strings(&oracle["vocabulary"]));
        let none = HashSet::new();
        check_rows(&bag(each(), &vocabulary, &Weighting::Count, &none), &oracle["counts"]);
        let idf = oracle["idf"].as_array().unwrap().iter();
        let idf = Weighting::TfIdf(idf.map(|value| value.as_f64().unwrap() as f32).collect());
        let stop_words = strings(&oracle["stop_words"]).into_iter().collect();
        check_rows(&bag(each(), &vocabulary, &idf, &stop_words), &oracle["tfidf"]);
    }
}
