//! The built-in comments: sentences whose label is known to the last draw, with a bias planted in the
//! labels of the training part.
//!
//! Words that decide nothing make room for a bias: where the words alone settle the label, a network
//! learns the words. So judging words come in five strengths, the one in the middle says nothing, and
//! the test part has words that the others have not. Attacks ("{people} need treatment") are toxic only
//! when they are aimed at a group that they hurt: there the group is honest evidence, and a network
//! that is blind to groups fails.

use super::comments::Comments;
use super::slots::Filler;
use super::words::{
    ATTACKS, COLOURS, GROUPS, HOMONYMS, INSULTS, JUDGEMENTS, JUDGING, KINDS, PLAIN, SLOTS, THINGS,
};
use crate::num::exp;
use crate::rng::{Purpose, Rng};
use sha2::{Digest, Sha256};

/// Comments in train, reward and test where nothing else is asked for.
pub const BUILTIN_SIZES: [usize; 3] = [6_000, 4_000, 8_000];

/// The share of labels that are turned round.
const NOISE: f32 = 0.01;
/// Log-odds of "toxic" of plain talk, of insults at people and of insults at things.
const PLAIN_ODDS: f32 = -3.5;
const INSULT_ODDS: f32 = 3.5;
const THING_ODDS: f32 = -4.0;

/// Train, reward and test of `sizes` comments, about nine groups with the names of Jigsaw's columns.
///
/// The labels of train are biased: the log-odds of "toxic" of a sentence that judges, talks plainly or
/// insults are shifted by a constant of each group that it names, up (gay +3.75, muslim +2.7) or down
/// (christian −3.45, jewish −2.4). Those of reward and test are not. 1 % of all labels are turned round.
/// Test sentences take a word that the other parts lack with probability 0.1 in each place.
///
/// Sentences come from the stream [`Purpose::Sentences`], labels from [`Purpose::Labels`], each part with
/// a seed of its own: the same `seed` gives the same comments everywhere, and a part of another size is
/// a beginning of the same part, or goes on after it.
pub fn builtin_comments(seed: u64, sizes: [usize; 3]) -> [Comments; 3] {
    let [train, reward, test] = sizes;
    [
        part("builtin train", seed, 0, train, true),
        part("builtin reward", seed, 1, reward, false),
        part("builtin test", seed, 2, test, false),
    ]
}

/// The training part of [`builtin_comments`] without its bias: the same sentences and the same draws,
/// so that labels differ only where the bias made the difference.
pub fn builtin_unbiased_train(seed: u64, sizes: [usize; 3]) -> Comments {
    part("builtin train without bias", seed, 0, sizes[0], false)
}

/// The groups of [`builtin_comments`], and the words that name each.
pub fn builtin_identity_words() -> Vec<(String, Vec<String>)> {
    let strings = |terms: &[&str]| terms.iter().map(|term| term.to_string()).collect();
    GROUPS.iter().map(|group| (group.name.to_string(), strings(group.terms))).collect()
}

/// Part 0 (train), 1 (reward) or 2 (test).
fn part(name: &str, seed: u64, part: u64, count: usize, biased: bool) -> Comments {
    let own = seed.wrapping_mul(3).wrapping_add(part);
    let rng = Rng::new(own, Purpose::Sentences);
    let mut filler = Filler { slots: &SLOTS, test: part == 2, rng };
    let mut labels = Rng::new(own, Purpose::Labels);
    let mut comments = Comments {
        name: name.to_string(),
        groups: GROUPS.iter().map(|group| group.name.to_string()).collect(),
        kind_names: KINDS.iter().map(|(kind, _)| kind.to_string()).collect(),
        missing: vec![0; count],
        ..Comments::default()
    };
    let mut sha256 = Sha256::new();
    for _ in 0..count {
        let sentence = Sentence::draw(&mut filler);
        let bias = if biased { sentence.bias() } else { 0.0 };
        let toxic = labels.unit() < 1.0 / (1.0 + exp(-(sentence.odds + bias)));
        let turned = labels.unit() < NOISE;
        let label = u8::from(toxic != turned);
        sha256.update(format!("{label} {} {}\n", sentence.members, sentence.text));
        comments.texts.push(sentence.text);
        comments.labels.push(label);
        comments.members.push(sentence.members);
        comments.kinds.push(sentence.kind);
    }
    comments.digest = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    comments
}

struct Sentence {
    text: String,
    kind: u8,
    members: u64,
    /// Log-odds of "toxic" without bias; infinite where the label is certain.
    odds: f32,
    /// Whether annotators let the groups sway them.
    swayed: bool,
}

impl Sentence {
    fn draw(filler: &mut Filler<'_>) -> Self {
        let mut at = filler.rng.below(100);
        let mut kind = 0;
        for (number, &(_, share)) in (0u8..).zip(&KINDS) {
            kind = number;
            if at < share {
                break;
            }
            at -= share;
        }
        let mut sentence = match kind {
            0 => Self::judging(filler),
            1 => Self::swayed(filler, PLAIN, PLAIN_ODDS),
            2 => Self::swayed(filler, INSULTS, INSULT_ODDS),
            3 => Self::at_thing(filler),
            4 => Self::attack(filler),
            _ => Self::homonym(filler),
        };
        sentence.kind = kind;
        if filler.chance(0.5) {
            sentence.text = format!("{} {}", filler.slot("front"), sentence.text);
        }
        sentence
    }

    fn judging(filler: &mut Filler<'_>) -> Self {
        let &(strength, words, test_only) = filler.pick(&JUDGEMENTS);
        let judgement = filler.word(words, test_only);
        Self::about(filler, JUDGING, judgement, strength)
    }

    fn swayed(filler: &mut Filler<'_>, templates: &'static [&'static str], odds: f32) -> Self {
        Self::about(filler, templates, "", odds)
    }

    fn at_thing(filler: &mut Filler<'_>) -> Self {
        // Of the two strengths that insult.
        let &(_, words, test_only) = filler.pick(&JUDGEMENTS[..2]);
        let judgement = filler.word(words, test_only);
        Self::about(filler, THINGS, judgement, THING_ODDS)
    }

    /// A sentence about no group (20 %), one (70 %) or two.
    fn about(
        filler: &mut Filler<'_>,
        templates: &'static [&'static str],
        judgement: &str,
        odds: f32,
    ) -> Self {
        let mut members = 0;
        let mut terms: Vec<&str> = Vec::new();
        let count = match filler.rng.below(10) {
            0 | 1 => 0,
            9 => 2,
            _ => 1,
        };
        while terms.len() < count {
            let group = filler.rng.below(GROUPS.len() as u32) as usize;
            if members >> group & 1 == 0 {
                members |= 1 << group;
                let own: &[&str] = GROUPS[group].terms;
                terms.push(*filler.pick(own));
            }
        }
        let template = filler.pick(templates);
        let given = [("id", terms.join(" ")), ("judgement", judgement.to_string())];
        let text = filler.fill(template, &given.each_ref().map(|(slot, text)| (*slot, &text[..])));
        Self { text, kind: 0, members, odds, swayed: true }
    }

    fn attack(filler: &mut Filler<'_>) -> Self {
        let &(templates, hurt) = filler.pick(&ATTACKS);
        // At a group that it hurts (50 %), at another (30 %), at none.
        let target = match filler.rng.below(10) {
            0..5 => Some(*filler.pick(hurt)),
            5..8 => {
                let others: Vec<usize> = (0..GROUPS.len()).filter(|g| !hurt.contains(g)).collect();
                Some(*filler.pick(&others))
            }
            _ => None,
        };
        let id = match target {
            Some(group) => *filler.pick(GROUPS[group].terms),
            None => filler.slot("adjective"),
        };
        let template = filler.pick(templates);
        let text = filler.fill(template, &[("id", id)]);
        let toxic = target.is_some_and(|group| hurt.contains(&group));
        let odds = if toxic { f32::INFINITY } else { f32::NEG_INFINITY };
        let members = target.map_or(0, |group| 1 << group);
        Self { text, kind: 0, members, odds, swayed: false }
    }

    fn homonym(filler: &mut Filler<'_>) -> Self {
        let colour = filler.pick(COLOURS);
        let template = filler.pick(HOMONYMS);
        let text = filler.fill(template, &[("colour", colour)]);
        Self { text, kind: 0, members: 0, odds: f32::NEG_INFINITY, swayed: false }
    }

    /// What the groups add to the log-odds where annotators are biased.
    fn bias(&self) -> f32 {
        let named = GROUPS.iter().enumerate().filter(|(g, _)| self.members >> g & 1 == 1);
        if self.swayed { named.map(|(_, group)| group.bias).sum() } else { 0.0 }
    }
}
