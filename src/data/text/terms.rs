//! The words by which a text names a group.
//!
//! Membership by term mention follows L. Dixon and others, "Measuring and Mitigating Unintended Bias in
//! Text Classification" (AIES 2018): a text is about a group when one of the group's terms stands in
//! it. It is coarse: "black" and "white" are colours as well.

use super::tokens::tokens;
use std::collections::HashMap;

/// The nine groups of Jigsaw's unintended-bias set (in the order of its competition's metric) and the
/// terms that stand for them where nobody annotated the texts: words in singular and plural.
pub(super) const GROUPS: [(&str, &[&str]); 9] = [
    ("male", &["male", "males", "man", "men", "boy", "boys"]),
    ("female", &["female", "females", "woman", "women", "girl", "girls", "lady", "ladies"]),
    (
        "homosexual_gay_or_lesbian",
        &[
            "gay",
            "gays",
            "lesbian",
            "lesbians",
            "homosexual",
            "homosexuals",
            "homosexuality",
            "queer",
            "queers",
            "lgbt",
            "lgbtq",
        ],
    ),
    (
        "christian",
        &[
            "christian",
            "christians",
            "christianity",
            "catholic",
            "catholics",
            "protestant",
            "protestants",
        ],
    ),
    ("jewish", &["jewish", "jew", "jews", "judaism"]),
    ("muslim", &["muslim", "muslims", "moslem", "moslems", "islam", "islamic"]),
    ("black", &["black", "blacks", "african american", "african americans"]),
    ("white", &["white", "whites", "caucasian", "caucasians"]),
    (
        "psychiatric_or_mental_illness",
        &[
            "mental illness",
            "mentally ill",
            "psychiatric",
            "psychotic",
            "psychosis",
            "schizophrenia",
            "schizophrenic",
            "schizophrenics",
            "bipolar",
            "autism",
            "autistic",
            "depression",
            "depressed",
        ],
    ),
];

/// The terms that stand for a group of that name; a group that is not among the nine stands for itself.
pub fn group_terms(group: &str) -> Vec<String> {
    let known = GROUPS.iter().find(|(name, _)| *name == group);
    known.map_or_else(
        || vec![group.to_string()],
        |(_, terms)| terms.iter().map(ToString::to_string).collect(),
    )
}

/// The identity terms of the 77,000 template sentences of "unintended-ml-bias-analysis": each stands in
/// 1,514 of them.
pub(super) const TEMPLATE_TERMS: [&str; 50] = [
    "african",
    "african american",
    "american",
    "asian",
    "bisexual",
    "black",
    "blind",
    "buddhist",
    "canadian",
    "catholic",
    "chinese",
    "christian",
    "deaf",
    "elderly",
    "european",
    "female",
    "gay",
    "heterosexual",
    "hispanic",
    "homosexual",
    "indian",
    "japanese",
    "jewish",
    "latina",
    "latino",
    "latinx",
    "lesbian",
    "lgbt",
    "lgbtq",
    "male",
    "mexican",
    "middle aged",
    "middle eastern",
    "millenial",
    "muslim",
    "nonbinary",
    "old",
    "older",
    "paralyzed",
    "protestant",
    "queer",
    "sikh",
    "straight",
    "taoist",
    "teenage",
    "trans",
    "transgender",
    "white",
    "young",
    "younger",
];

/// Finds the groups that a text names.
pub(super) struct Mentions {
    /// Terms by their first word, the longest first: its other words, and the group's bit.
    terms: HashMap<&'static str, Vec<(Vec<&'static str>, u64)>>,
}

impl Mentions {
    /// Of pairs of a group (below 64) and a term in lower case.
    pub(super) fn new(pairs: impl IntoIterator<Item = (usize, &'static str)>) -> Self {
        let mut terms: HashMap<_, Vec<(Vec<_>, u64)>> = HashMap::new();
        for (group, term) in pairs {
            let mut words = term.split(' ');
            let first = words.next().unwrap_or_default();
            terms.entry(first).or_default().push((words.collect(), 1 << group));
        }
        for list in terms.values_mut() {
            list.sort_by_key(|(rest, _)| std::cmp::Reverse(rest.len()));
        }
        Self { terms }
    }

    /// The terms of [`GROUPS`].
    pub(super) fn of_groups() -> Self {
        let groups = GROUPS.iter().enumerate();
        Self::new(
            groups.flat_map(|(group, (_, terms))| terms.iter().map(move |term| (group, *term))),
        )
    }

    /// A group for each of [`TEMPLATE_TERMS`].
    pub(super) fn of_templates() -> Self {
        Self::new(TEMPLATE_TERMS.into_iter().enumerate())
    }

    /// Bit g for each group g that the text names by whole words, whatever their case. A word belongs to
    /// one term, the longest that begins with it: "african american" is no mention of "american".
    pub(super) fn find(&self, text: &str) -> u64 {
        let words: Vec<String> = tokens(text, 1).collect();
        let mut rest = words.as_slice();
        let mut found = 0;
        while let Some((first, behind)) = rest.split_first() {
            let terms = self.terms.get(first.as_str()).map(Vec::as_slice).unwrap_or_default();
            let fits = |(more, _): &&(Vec<&str>, u64)| {
                behind.get(..more.len()).is_some_and(|next| next == more.as_slice())
            };
            let term = terms.iter().find(fits);
            found |= term.map_or(0, |(_, group)| *group);
            let taken = term.map_or(0, |(more, _)| more.len());
            rest = behind.get(taken..).unwrap_or_default();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, Mentions, TEMPLATE_TERMS};

    #[test]
    fn whole_words_are_found_the_longest_term_first() {
        let mentions = Mentions::new([(0, "american"), (1, "african american"), (2, "african")]);
        assert_eq!(mentions.find("An American, an AFRICAN one."), 0b101);
        assert_eq!(mentions.find("African-American food"), 0b010);
        assert_eq!(mentions.find("african africans americana"), 0b100);
        assert_eq!(mentions.find("african african american american"), 0b111);
        assert_eq!((mentions.find(""), mentions.find("african american")), (0, 0b010));
    }

    #[test]
    fn terms_stand_once_and_as_texts_are_cut() {
        let groups = GROUPS.iter().flat_map(|(_, terms)| terms.iter().copied());
        for list in [groups.collect::<Vec<_>>(), TEMPLATE_TERMS.to_vec()] {
            for term in &list {
                let words: Vec<_> = super::tokens(term, 1).collect();
                assert_eq!(words.join(" "), *term);
                assert_eq!(list.iter().filter(|other| *other == term).count(), 1, "{term}");
            }
        }
        assert_eq!(
            Mentions::of_groups().find("Autistic lesbians, mentally ill boys"),
            0b1_0000_0101
        );
        assert_eq!(Mentions::of_templates().find("Being younger is good"), 1 << 49);
    }
}
