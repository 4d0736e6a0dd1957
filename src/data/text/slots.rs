//! Sentences from templates: words in braces stand for one of a list.

use crate::rng::Rng;

/// What may stand in a slot.
pub(super) struct Slot {
    /// The word in braces.
    pub(super) name: &'static str,
    /// Words of every part.
    pub(super) words: &'static [&'static str],
    /// Words that the test part alone has.
    pub(super) test_only: &'static [&'static str],
}

/// The probability that a slot of the test part takes a word that the other parts do not have.
const NEW: f32 = 0.1;

/// Draws words for slots.
pub(super) struct Filler<'a> {
    /// The slots that are known.
    pub(super) slots: &'a [Slot],
    /// Whether words of the test part alone may come.
    pub(super) test: bool,
    /// Where words are drawn from.
    pub(super) rng: Rng,
}

impl Filler<'_> {
    /// One of `items`, which must not be empty.
    pub(super) fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.rng.below(items.len() as u32) as usize]
    }

    /// True with probability `share`.
    pub(super) fn chance(&mut self, share: f32) -> bool {
        self.rng.unit() < share
    }

    /// One of `words`, or one of `test_only` now and then where those may come.
    pub(super) fn word(
        &mut self,
        words: &'static [&'static str],
        test_only: &'static [&'static str],
    ) -> &'static str {
        let new = self.test && !test_only.is_empty() && self.chance(NEW);
        let list: &[&'static str] = if new { test_only } else { words };
        self.pick::<&'static str>(list)
    }

    /// A word of the slot `name`; the name itself where there is no such slot.
    pub(super) fn slot(&mut self, name: &'static str) -> &'static str {
        match self.slots.iter().find(|slot| slot.name == name) {
            Some(&Slot { words, test_only, .. }) => self.word(words, test_only),
            None => name,
        }
    }

    /// `template` with its slots filled from left to right: `given` ones with what is given (nothing at
    /// all if that is empty), others by draw. "a" becomes "an" before a vowel.
    pub(super) fn fill(&mut self, template: &'static str, given: &[(&str, &str)]) -> String {
        let mut words: Vec<String> = Vec::new();
        for part in template.split(' ') {
            let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
                words.push(part.to_string());
                continue;
            };
            match given.iter().find(|(slot, _)| *slot == name) {
                Some((_, "")) => {}
                Some((_, text)) => words.push(text.to_string()),
                None => words.push(self.slot(name).to_string()),
            }
        }
        for at in 1..words.len() {
            if words[at - 1] == "a" && words[at].starts_with(['a', 'e', 'i', 'o', 'u']) {
                words[at - 1] = "an".to_string();
            }
        }
        words.join(" ")
    }
}
