//! Sentences from templates, and the sets they become.

use super::comments::Comments;
use crate::rng::Rng;
use sha2::{Digest, Sha256};

/// The template with every `{slot}` replaced by what `word` says, single blanks between words, and
/// "an" before vowels. An empty word leaves nothing.
pub(super) fn fill(template: &str, mut word: impl FnMut(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, slot, after)) = next_slot(rest) {
        filled.push_str(before);
        filled.push_str(&word(slot));
        rest = after;
    }
    filled.push_str(rest);
    let mut words = filled.split_whitespace().peekable();
    let mut text = String::new();
    while let Some(word) = words.next() {
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(word);
        let vowel = words.peek().is_some_and(|next| next.starts_with(['a', 'e', 'i', 'o', 'u']));
        if vowel && matches!(word, "a" | "A") {
            text.push('n');
        }
    }
    text
}

/// What stands before the first slot, the slot's name, and what stands after it.
pub(super) fn next_slot(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (slot, after) = rest.split_once('}')?;
    Some((before, slot, after))
}

/// One of a list, each as likely; a list has at least one.
pub(super) fn pick<T: Copy + Default>(rng: &mut Rng, list: &[T]) -> T {
    list.get(rng.below(list.len() as u32) as usize).copied().unwrap_or_default()
}

/// A sentence that was made.
pub(super) struct Sentence {
    pub(super) text: String,
    pub(super) toxic: bool,
    /// Bit g for group g.
    pub(super) groups: u64,
    /// Index of its kind.
    pub(super) kind: u8,
}

/// A set of sentences, in their order. The digest is sha256 over a line each: label, tab, text.
pub(super) fn collect(
    name: &str,
    sentences: Vec<Sentence>,
    groups: Vec<String>,
    kinds: &[&str],
) -> Comments {
    let mut set = Comments {
        name: name.to_string(),
        groups,
        missing: vec![0; sentences.len()],
        kind_names: kinds.iter().map(|kind| kind.to_string()).collect(),
        ..Comments::default()
    };
    let mut hasher = Sha256::new();
    for sentence in sentences {
        hasher.update(format!("{}\t{}\n", u8::from(sentence.toxic), sentence.text));
        set.texts.push(sentence.text);
        set.labels.push(u8::from(sentence.toxic));
        set.members.push(sentence.groups);
        set.kinds.push(sentence.kind);
    }
    set.digest = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    set
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn slots_are_filled_and_articles_agree() {
        let word = |slot: &str| match slot {
            "term" => "asian".to_string(),
            "none" => String::new(),
            other => other.to_uppercase(),
        };
        assert_eq!(fill("A {term} {who} is a {none} guest", word), "An asian WHO is a guest");
        assert_eq!(fill("{none} {none} a {none} {term}", word), "an asian");
        assert_eq!(fill("no slot {here", word), "no slot {here");
    }
}
