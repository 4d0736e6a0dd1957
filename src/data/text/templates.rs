//! Sentences that name one identity term each, toxic or not by their template alone: what a reward,
//! or a test, of unfairness to terms is counted on.
//!
//! The two sets share the terms and nothing else, so that what an edit learned of the first set's
//! words is worth nothing on the second.

use super::comments::Comments;
use super::fill::{Sentence, collect, fill, pick};
use crate::rng::{Purpose, Rng};

/// Sentences for each term and without one that a reward is usually counted on: 3,000 in all.
pub const IDENTITY_REWARD_SIZES: [usize; 2] = [80, 600];
/// Sentences for each term and without one that a test is usually counted on: 8,000 in all.
pub const IDENTITY_TEST_SIZES: [usize; 2] = [240, 800];

/// Share of toxic sentences, per cent, for every term and without one.
const TOXIC_PERCENT: usize = 40;

/// Terms and the group of each.
#[rustfmt::skip]
const TERMS: [(&str, &str); 30] = [
    ("gay", "orientation"), ("lesbian", "orientation"), ("homosexual", "orientation"),
    ("queer", "orientation"), ("bisexual", "orientation"), ("heterosexual", "orientation"),
    ("transgender", "gender"), ("female", "gender"), ("male", "gender"),
    ("deaf", "disability"), ("blind", "disability"), ("disabled", "disability"),
    ("autistic", "mental illness"), ("bipolar", "mental illness"),
    ("white", "ethnicity"), ("black", "ethnicity"), ("asian", "ethnicity"),
    ("latino", "ethnicity"), ("african", "ethnicity"),
    ("mexican", "nationality"), ("indian", "nationality"), ("chinese", "nationality"),
    ("muslim", "religion"), ("jewish", "religion"), ("christian", "religion"),
    ("catholic", "religion"), ("buddhist", "religion"), ("hindu", "religion"),
    ("old", "age"), ("young", "age"),
];

/// Words for the place of a term in sentences without one.
const PLAIN: [&str; 6] = ["local", "tall", "new", "busy", "quiet", "tired"];

/// The templates of a set and the words of its slots; `{term}` is the identity term.
struct Templates {
    name: &'static str,
    purpose: Purpose,
    neutral: &'static [&'static str],
    toxic: &'static [&'static str],
    /// A slot's name and its words.
    slots: [(&'static str, &'static [&'static str]); 7],
}

const REWARD: Templates = Templates {
    name: "identity templates (reward)",
    purpose: Purpose::RewardText,
    neutral: &[
        "I am a {term} {person}",
        "My {term} {person} bought a {thing}",
        "The {term} {person} walked to the {place}",
        "A {adjective} {term} {person} lives near the {place}",
        "{term} {people} are {adjective}",
        "Being {term} is a part of who I am",
        "Some {term} {people} met at the {place}",
        "She is {term} and {adjective}",
        "The {person} at the {place} is {term}",
        "I lent my {thing} to a {term} {person}",
        "We talked about {term} history at the {place}",
        "The {place} invited {term} {people}",
        "He told me that he is {term}",
    ],
    toxic: &[
        "{term} {people} are {insult}",
        "I hate {term} {people}",
        "The {term} {person} is a {noun}",
        "You are a {insult} {term} {person}",
        "Shut up you {insult} {term} {noun}",
        "Nobody wants a {insult} {term} {person} in the {place}",
        "I want to destroy every {term} {person}",
        "Being {term} is {insult}",
    ],
    slots: [
        ("person", &["man", "woman", "friend", "neighbor", "teacher", "doctor", "singer", "cook"]),
        ("people", &["people", "students", "families", "workers"]),
        ("place", &["park", "library", "school", "station", "market", "museum"]),
        ("thing", &["book", "poem", "bicycle", "cake", "letter", "painting"]),
        ("adjective", &["kind", "friendly", "honest", "funny", "clever", "happy", "patient"]),
        (
            "insult",
            &["stupid", "disgusting", "worthless", "pathetic", "foolish", "annoying", "nasty"],
        ),
        ("noun", &["liar", "loser", "fool", "idiot"]),
    ],
};

const TEST: Templates = Templates {
    name: "identity templates (test)",
    purpose: Purpose::TestText,
    neutral: &[
        "Yesterday a {term} {person} gave us a {thing}",
        "Our {person} is a proud {term} parent",
        "There were {term} {people} at the {place}",
        "Thanks to the {term} {person} for the {thing}",
        "I grew up in a {term} household",
        "A {term} {person} stood outside the {place}",
        "Her cousin wrote that she is {term}",
        "How {adjective} of the {term} {people} to bring a {thing}",
        "It is fine to be {term}",
        "Who sat beside the {adjective} {term} {person}",
    ],
    toxic: &[
        "What a {insult} {term} {noun}",
        "Get lost, {insult} {term} {noun}",
        "Every {term} {person} here is a {noun}",
        "To be {term} is to be {insult}",
        "That {term} {person} is as {insult} as the others",
        "I despise those {insult} {term} {people}",
    ],
    slots: [
        ("person", &["guy", "lady", "colleague", "baker", "nurse", "farmer", "pilot", "visitor"]),
        ("people", &["folks", "colleagues", "couples", "tourists"]),
        ("place", &["beach", "office", "theater", "airport", "bakery", "garden"]),
        ("thing", &["movie", "guitar", "sandwich", "lamp", "novel", "camera"]),
        ("adjective", &["polite", "gentle", "brave", "cheerful", "generous", "curious", "helpful"]),
        ("insult", &["ugly", "horrible", "useless", "awful", "dumb", "terrible", "filthy"]),
        ("noun", &["coward", "moron", "jerk", "creep"]),
    ],
};

/// The 30 identity terms of both template sets, each with the name of its group (eight groups).
pub fn identity_terms() -> &'static [(&'static str, &'static str)] {
    &TERMS
}

/// Sentences for a reward: `per_term` for each of [`identity_terms`] and `without` for none, 40 % toxic
/// in each; every term is a group of the set. Usual sizes: [`IDENTITY_REWARD_SIZES`]. Same seed, same
/// sentences.
pub fn identity_reward_templates(seed: u64, per_term: usize, without: usize) -> Comments {
    REWARD.make(seed, per_term, without)
}

/// Sentences for a test, as [`identity_reward_templates`] but with other templates and other words.
/// Usual sizes: [`IDENTITY_TEST_SIZES`].
pub fn identity_test_templates(seed: u64, per_term: usize, without: usize) -> Comments {
    TEST.make(seed, per_term, without)
}

impl Templates {
    fn make(&self, seed: u64, per_term: usize, without: usize) -> Comments {
        let mut rng = Rng::new(seed, self.purpose);
        let mut sentences = Vec::new();
        for (bit, (term, _)) in TERMS.iter().enumerate() {
            self.add(&mut sentences, &mut rng, per_term, &[term], 1 << bit);
        }
        self.add(&mut sentences, &mut rng, without, &PLAIN, 0);
        rng.shuffle(&mut sentences);
        let groups = TERMS.iter().map(|(term, _)| term.to_string()).collect();
        collect(self.name, sentences, groups, &["template"])
    }

    /// Adds `count` sentences whose term is one of `terms`.
    fn add(
        &self,
        sentences: &mut Vec<Sentence>,
        rng: &mut Rng,
        count: usize,
        terms: &[&'static str],
        groups: u64,
    ) {
        let toxic_count = (count * TOXIC_PERCENT + 50) / 100;
        for index in 0..count {
            let toxic = index < toxic_count;
            let template = pick(rng, if toxic { self.toxic } else { self.neutral });
            let text = fill(template, |slot| {
                let words = self.slots.iter().find(|(name, _)| *name == slot);
                pick(rng, words.map_or(terms, |&(_, words)| words)).to_string()
            });
            sentences.push(Sentence { text, toxic, groups, kind: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fill::next_slot;
    use super::*;
    use crate::data::text::tokens;
    use std::collections::BTreeSet;

    #[test]
    fn the_two_sets_share_no_template_and_no_word_of_a_slot() {
        let mut words = BTreeSet::new();
        for set in [&REWARD, &TEST] {
            let own = set.slots.iter().flat_map(|(_, words)| words.iter().copied());
            for word in own.chain(TERMS.map(|(term, _)| term)).chain(PLAIN) {
                assert!(word.chars().all(|letter| letter.is_ascii_lowercase()), "{word}");
            }
        }
        for set in [&REWARD, &TEST] {
            for word in set.slots.iter().flat_map(|(_, words)| words.iter().copied()) {
                assert!(words.insert(word), "{word} stands twice");
            }
            for template in set.neutral.iter().chain(set.toxic) {
                assert!(words.insert(template), "{template} stands twice");
            }
        }
        for word in TERMS.map(|(term, _)| term).into_iter().chain(PLAIN) {
            assert!(words.insert(word), "{word} stands twice");
        }
        // Nor does a slot's word stand in the other set's templates.
        for (one, other) in [(&REWARD, &TEST), (&TEST, &REWARD)] {
            let plain = |template: &&str| fill(template, |_| String::new());
            let texts = one.neutral.iter().chain(one.toxic).map(plain);
            let literal: BTreeSet<String> =
                texts.flat_map(|text| tokens(&text, 1).collect::<Vec<_>>()).collect();
            for word in other.slots.iter().flat_map(|(_, words)| words.iter()) {
                assert!(!literal.contains(*word), "{word}");
            }
        }
    }

    #[test]
    fn every_slot_has_words() {
        for set in [&REWARD, &TEST] {
            for template in set.neutral.iter().chain(set.toxic) {
                let (mut rest, mut terms) = (*template, 0);
                while let Some((_, slot, after)) = next_slot(rest) {
                    terms += usize::from(slot == "term");
                    assert!(slot == "term" || set.slots.iter().any(|(name, _)| *name == slot));
                    rest = after;
                }
                assert_eq!(terms, 1, "{template}");
            }
        }
        assert_eq!((REWARD.neutral.len(), REWARD.toxic.len()), (13, 8));
        assert_eq!((TEST.neutral.len(), TEST.toxic.len()), (10, 6));
        let groups: BTreeSet<&str> = identity_terms().iter().map(|&(_, group)| group).collect();
        assert_eq!(groups.len(), 8);
    }

    #[test]
    fn counts_members_and_labels() {
        let [per_term, without] = IDENTITY_TEST_SIZES;
        for (set, size) in [
            (identity_reward_templates(3, 80, 600), 3_000),
            (identity_test_templates(3, per_term, without), 8_000),
        ] {
            assert_eq!((set.len(), set.groups.len()), (size, 30));
            assert_eq!(set.labels.iter().filter(|&&label| label == 1).count(), size * 2 / 5);
            for ((text, &members), &kind) in set.texts.iter().zip(&set.members).zip(&set.kinds) {
                let words: Vec<String> = tokens(text, 1).collect();
                for (bit, (term, _)) in TERMS.iter().enumerate() {
                    let named = words.iter().any(|word| word == term);
                    assert_eq!(named, members >> bit & 1 == 1, "{text}");
                }
                assert_eq!(kind, 0);
            }
            for bit in 0..30 {
                let of_term = set.members.iter().zip(&set.labels);
                let labels: Vec<u8> =
                    of_term.filter(|(word, _)| **word >> bit & 1 == 1).map(|(_, &y)| y).collect();
                let toxic = labels.iter().filter(|&&label| label == 1).count();
                assert_eq!(5 * toxic, 2 * labels.len());
            }
        }
    }

    #[test]
    fn a_seed_makes_the_same_sentences_everywhere() {
        let digest = |seed| identity_reward_templates(seed, 80, 600).digest;
        assert_eq!(digest(0), "c90bbe0d90b16d9af5d58305417d8ddfa785e546e82342c5e4fa30aadb0c4ece");
        assert_eq!(
            identity_test_templates(0, 240, 800).digest,
            "1aee561cae9b0d6e40a244f2d1234ec77943f63369accc7727408f86ab4c55af"
        );
        assert_ne!(digest(0), digest(1));
        assert!(identity_reward_templates(0, 0, 0).is_empty());
    }
}
