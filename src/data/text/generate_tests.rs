//! The built-in comments: shares, labels, bias, words of the test part.

use crate::data::text::words::{ATTACKS, GROUPS, JUDGEMENTS, KINDS, SLOTS};
use crate::data::text::{
    BUILTIN_SIZES, Comments, builtin_comments, builtin_identity_words, builtin_unbiased_train,
    tokens,
};
use std::collections::BTreeSet;

fn toxic_share(comments: &Comments, picked: impl Fn(usize) -> bool) -> f64 {
    let labels: Vec<f64> =
        (0..comments.len()).filter(|&i| picked(i)).map(|i| f64::from(comments.labels[i])).collect();
    labels.iter().sum::<f64>() / labels.len() as f64
}

fn words(comments: &Comments) -> BTreeSet<String> {
    comments.texts.iter().flat_map(|text| tokens(text, 1)).collect()
}

#[test]
fn the_same_seed_gives_the_same_comments() {
    let [train, reward, test] = builtin_comments(0, BUILTIN_SIZES);
    assert_eq!([train.len(), reward.len(), test.len()], BUILTIN_SIZES);
    // Recorded: they change with any word, template or draw, and should not without notice.
    let digests = [&train, &reward, &test].map(|part| part.digest[..16].to_string());
    assert_eq!(digests, ["ddd7f15249460c21", "f4db4a621110b884", "bb8f6ab32c6d7417"]);
    let [again, other, _] = builtin_comments(0, [6_000, 10, 20]);
    assert_eq!(again, train);
    assert_eq!(other.texts, reward.texts[..10]);
    let [next, ..] = builtin_comments(1, [6_000, 0, 0]);
    let same = next.texts.iter().zip(&train.texts).filter(|(a, b)| a == b).count();
    assert!(same < 60, "{same}");
    assert_ne!(train.texts[..100], reward.texts[..100]);
    assert_eq!(builtin_comments(0, [0; 3]).map(|part| part.len()), [0; 3]);
}

#[test]
fn kinds_groups_and_labels_are_those_of_the_description() {
    let [_, _, test] = builtin_comments(4, [0, 0, 40_000]);
    assert_eq!(test.groups, crate::data::text::terms::GROUPS.map(|(name, _)| name));
    assert_eq!(KINDS.iter().map(|(_, share)| share).sum::<u32>(), 100);
    let near = |found: f64, expected: f64, what: &str| {
        assert!((found - expected).abs() < 0.02, "{what}: {found} instead of {expected}");
    };
    let share_of = |picked: &dyn Fn(usize) -> bool| {
        (0..test.len()).filter(|&i| picked(i)).count() as f64 / test.len() as f64
    };
    for (k, (name, share)) in KINDS.iter().enumerate() {
        near(share_of(&|i| usize::from(test.kinds[i]) == k), f64::from(*share) / 100.0, name);
    }
    let sigma = |z: f64| 0.98 / (1.0 + (-z).exp()) + 0.01;
    let judging: f64 = [4.0, 2.5, 0.0, -2.5, -4.0].map(sigma).iter().sum::<f64>() / 5.0;
    for (k, expected) in
        [judging, sigma(-3.5), sigma(3.5), sigma(-4.0), 0.5, 0.01].iter().enumerate()
    {
        near(toxic_share(&test, |i| usize::from(test.kinds[i]) == k), *expected, KINDS[k].0);
    }
    // Of the kinds that say how many groups are named: none 20 %, one 70 %, two 10 %.
    let named = |i: usize| test.members[i].count_ones();
    for (count, expected) in [(0, 0.2), (1, 0.7), (2, 0.1)] {
        let of = (0..test.len()).filter(|&i| test.kinds[i] < 4);
        let total = of.clone().count() as f64;
        near(of.filter(|&i| named(i) == count).count() as f64 / total, expected, "groups");
    }
    // A group is named exactly where one of its words stands, homonyms apart.
    let identity = builtin_identity_words();
    for i in (0..test.len()).filter(|&i| test.kinds[i] != 5) {
        let said: BTreeSet<String> = tokens(&test.texts[i], 1).collect();
        for (g, (_, terms)) in identity.iter().enumerate() {
            let mentions = terms.iter().any(|term| said.contains(term));
            assert_eq!(mentions, test.members[i] >> g & 1 == 1, "{}", test.texts[i]);
        }
    }
    assert!(test.texts.iter().all(|text| !text.contains(['{', '}'])));
}

#[test]
fn the_bias_is_in_the_training_labels_alone() {
    let sizes = [30_000, 30_000, 0];
    let [train, reward, _] = builtin_comments(2, sizes);
    let plain = builtin_unbiased_train(2, sizes);
    assert_eq!((&plain.texts, &plain.members), (&train.texts, &train.members));
    for (g, group) in GROUPS.iter().enumerate() {
        let swayed = |c: &Comments, i: usize| c.kinds[i] < 4 && c.members[i] == 1 << g;
        let [biased, fair, other] =
            [&train, &plain, &reward].map(|c| toxic_share(c, |i| swayed(c, i)));
        assert!((fair - other).abs() < 0.04, "{}: {fair} {other}", group.name);
        assert_eq!(biased > fair, group.bias > 0.0, "{}: {biased} {fair}", group.name);
        assert!(group.bias.abs() < 1.0 || (biased - fair).abs() > 0.05, "{}", group.name);
        // With the same draws, a label moves to the side of the bias or stays, noise apart.
        let moved = |up: bool| {
            (0..train.len())
                .filter(|&i| swayed(&train, i) && train.labels[i] != plain.labels[i])
                .filter(|&i| (train.labels[i] == 1) == up)
                .count()
        };
        let (with, against) = (moved(group.bias > 0.0), moved(group.bias < 0.0));
        assert!(against * 10 < with.max(20), "{}: {with} {against}", group.name);
    }
    // Attacks mean what they say for every annotator.
    assert!((0..train.len()).all(|i| train.kinds[i] < 4 || train.labels[i] == plain.labels[i]));
}

#[test]
fn test_words_are_new_and_rare() {
    let [train, reward, test] = builtin_comments(3, [20_000, 20_000, 20_000]);
    let known = words(&train);
    println!("{} words", known.len());
    assert_eq!(known, words(&reward));
    let new: BTreeSet<String> = words(&test).difference(&known).cloned().collect();
    let lists = SLOTS.iter().map(|slot| slot.test_only).chain(JUDGEMENTS.iter().map(|j| j.2));
    let expected: BTreeSet<String> =
        lists.flatten().flat_map(|words| tokens(words, 1)).filter(|w| !known.contains(w)).collect();
    assert_eq!(new, expected);
    let share = test.texts.iter().filter(|text| tokens(text, 1).any(|word| new.contains(&word)));
    let share = share.count() as f64 / test.len() as f64;
    assert!((0.1..0.4).contains(&share), "{share}");
    // No word of a group stands for anything else, but for the two colours.
    let terms: BTreeSet<&str> = GROUPS.iter().flat_map(|group| group.terms).copied().collect();
    let open = SLOTS.iter().flat_map(|slot| slot.words.iter().chain(slot.test_only));
    let judging = JUDGEMENTS.iter().flat_map(|j| j.1.iter().chain(j.2));
    assert!(open.chain(judging).all(|word| !terms.contains(word)));
    assert!(ATTACKS.iter().all(|(_, hurt)| hurt.iter().all(|&g| g < GROUPS.len())));
}
