use super::sha256;
use crate::data::{Images, Parts, Problem};
use proptest::prelude::*;

fn set(labels: &[u8]) -> Images {
    Images::new("set", 1, 1, vec![0; labels.len()], labels.to_vec()).unwrap()
}

fn of_class(images: &Images, part: &[usize], class: u8) -> usize {
    images.labels_of(part).iter().filter(|&&label| label == class).count()
}

/// `each` samples of `classes` classes, class after class.
fn sorted(classes: u8, each: usize) -> Vec<u8> {
    (0..classes).flat_map(|class| vec![class; each]).collect()
}

proptest! {
    #[test]
    fn every_sample_is_in_one_part_and_every_class_keeps_its_shares(
        counts in proptest::collection::vec(prop_oneof![Just(0usize), 3..60usize], 1..12),
        seed in any::<u64>(),
        order in any::<u64>(),
    ) {
        prop_assume!(counts.iter().any(|&count| count > 0));
        let mut labels: Vec<u8> =
            counts.iter().enumerate().flat_map(|(class, &n)| vec![class as u8; n]).collect();
        let by = order | 1;
        labels.sort_by_key(|&label| u64::from(label).wrapping_mul(by) ^ order);
        let images = set(&labels);
        let parts = Parts::deal(&images, seed).unwrap();
        let mut all = [&parts.train[..], &parts.reward, &parts.test].concat();
        all.sort_unstable();
        prop_assert!(all.iter().copied().eq(0..labels.len()));
        for (class, &count) in counts.iter().enumerate() {
            for (part, share) in [(&parts.train, 0.6), (&parts.reward, 0.2), (&parts.test, 0.2)] {
                let found = of_class(&images, part, class as u8) as f64;
                prop_assert!((found - share * count as f64).abs() <= 1.0);
                prop_assert!(count == 0 || found >= 1.0);
            }
        }
        prop_assert_eq!(&parts, &Parts::deal(&images, seed).unwrap());
    }
}

#[test]
fn the_seed_alone_decides() {
    let images = set(&sorted(10, 50));
    let parts = Parts::deal(&images, 0).unwrap();
    assert_eq!(parts, Parts::deal(&images, 0).unwrap());
    let other = Parts::deal(&images, 1).unwrap();
    let sorted = |part: &[usize]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part
    };
    assert_ne!(sorted(&parts.test), sorted(&other.test));
    // Pixels do not matter, only labels.
    let pixels = (0..500).map(|i| i as u8).collect();
    let painted = Images::new("other", 1, 1, pixels, images.labels.clone()).unwrap();
    assert_eq!(parts, Parts::deal(&painted, 0).unwrap());
}

/// The split that released figures stand on, computed independently by `split.py`.
#[test]
fn the_built_in_split_is_that_of_the_oracle() {
    let (_, parts) = crate::data::builtin_digits(0).unwrap();
    let oracle = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/split.txt"));
    for (line, part) in oracle.lines().zip([&parts.train, &parts.reward, &parts.test]) {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[1], part.len().to_string(), "{line}");
        let indices: Vec<String> = part.iter().map(usize::to_string).collect();
        assert_eq!(words[2..6], indices[..4], "{line}");
        assert_eq!(words[6], sha256(indices.join(",").as_bytes()), "{line}");
    }
    assert_eq!(oracle.lines().count(), 3);
}

#[test]
fn parts_are_mixed() {
    let images = set(&sorted(10, 100));
    let parts = Parts::deal(&images, 3).unwrap();
    for part in [&parts.train, &parts.reward, &parts.test] {
        let first = images.labels_of(&part[..100]);
        let classes = (0..10).filter(|class| first.contains(class)).count();
        assert_eq!(classes, 10, "{first:?}");
    }
}

#[test]
fn a_test_set_of_its_own_stays_whole() {
    let labels = [sorted(3, 40), sorted(3, 5)].concat();
    let images = set(&labels);
    let parts = Parts::deal_before(&images, 120, 7).unwrap();
    assert!(parts.test.iter().copied().eq(120..135));
    for class in 0..3 {
        assert_eq!(of_class(&images, &parts.train, class), 30);
        assert_eq!(of_class(&images, &parts.reward, class), 10);
    }
    let mut dealt = [&parts.train[..], &parts.reward].concat();
    dealt.sort_unstable();
    assert!(dealt.into_iter().eq(0..120));
}

#[test]
fn a_class_that_would_miss_from_a_part_is_named() {
    let problem = |labels: &[u8]| Parts::deal(&set(labels), 0).unwrap_err().problem;
    let labels = [sorted(2, 10), vec![2; 2]].concat();
    assert_eq!(problem(&labels), Problem::Class { class: 2, part: "reward", samples: 2 });
    assert_eq!(problem(&[5]), Problem::Class { class: 5, part: "reward", samples: 1 });
    // Three suffice, and a class without any sample is no fault.
    assert!(Parts::deal(&set(&[0, 0, 0, 4, 4, 4]), 0).is_ok());

    let labels = [sorted(2, 10), vec![0, 0, 0]].concat();
    let problem = Parts::deal_before(&set(&labels), 20, 0).unwrap_err().problem;
    assert_eq!(problem, Problem::Class { class: 1, part: "test", samples: 10 });
    let labels = [sorted(2, 10), vec![0, 1, 2]].concat();
    let problem = Parts::deal_before(&set(&labels), 20, 0).unwrap_err().problem;
    assert_eq!(problem, Problem::Class { class: 2, part: "train", samples: 1 });
    let past_the_end = Parts::deal_before(&set(&[0, 0, 0, 0]), 9, 0).unwrap_err().problem;
    assert_eq!(past_the_end, Problem::Class { class: 0, part: "test", samples: 4 });
}

#[test]
fn a_loaded_network_gets_two_halves_and_the_same_test() {
    let labels: Vec<u8> = (0..1000).map(|i| [0, 0, 1, 2, 2, 2, 2, 2, 2, 4][i % 10]).collect();
    let images = Images::new("set", 1, 1, vec![0; 1000], labels).unwrap();
    for parts in [Parts::deal(&images, 7), Parts::deal_before(&images, 800, 7)] {
        let parts = parts.unwrap();
        let halved = parts.clone().for_loaded(&images);
        assert_eq!(halved.test, parts.test);
        let count = |indices: &[usize], class: u8| {
            indices.iter().filter(|&&index| images.labels[index] == class).count()
        };
        for class in [0, 1, 2, 4] {
            let (train, reward) = (count(&halved.train, class), count(&halved.reward, class));
            assert!(train.abs_diff(reward) <= 1, "{class}: {train} {reward}");
        }
        assert!(halved.reward.starts_with(&parts.reward));
        let mut all = [halved.train, halved.reward, halved.test].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }
}
