//! What holds for AUC and bias metrics of any samples, and what they refuse.

use proptest::prelude::*;
use reweight::error::TooSmall;
use reweight::metric::MetricError;
use reweight::metric::auc::{Ranking, auc, auc_scratch};
use reweight::metric::bias::{
    BitPlanes, Gap, GapKind, GroupAucs, Membership, Rates, demographic_parity_difference,
    equalized_odds_difference, equalized_odds_gap, fpr_gap, gap, jigsaw, matched_threshold,
    null_gap, predict, rates,
};
use reweight::rng::{Purpose, Rng};

/// Memory of planes, and of predictions, full of what was there before.
fn memory(samples: usize, groups: usize) -> (Vec<u32>, Vec<u32>) {
    let words = BitPlanes::words(samples);
    (vec![u32::MAX; BitPlanes::need(samples, groups)], vec![u32::MAX; words])
}

#[test]
fn undefined_rates_are_counted_and_never_zero() {
    let none = Rates::default();
    assert_eq!(
        [none.tpr(), none.fpr(), none.fnr(), none.accuracy(), none.positive_rate()],
        [None; 5]
    );
    let negatives = Rates { negatives: 4, false_positives: 1, ..none };
    assert_eq!((negatives.fpr(), negatives.tpr(), negatives.fnr()), (Some(0.25), None, None));
    assert_eq!((negatives.accuracy(), negatives.positive_rate()), (Some(0.75), Some(0.25)));
    let positives = Rates { positives: 2, true_positives: 2, ..none };
    let all = Rates { positives: 2, negatives: 4, true_positives: 2, false_positives: 1 };

    let fpr = gap(&[all, negatives, positives, none], GapKind::Fpr);
    let want = Gap { sum: 0.0, mean: Some(0.0), worst: Some(0.0), defined: 1, undefined: 2 };
    assert_eq!(fpr, want);
    let odds = equalized_odds_difference(&[all, negatives, positives, none]);
    assert_eq!((odds.difference, odds.defined, odds.undefined), (Some(0.0), 2, 4));
    let parity = demographic_parity_difference(&[all, negatives, positives, none]);
    assert_eq!((parity.difference, parity.defined, parity.undefined), (Some(0.75), 2, 1));
    assert_eq!(equalized_odds_difference(&[all, none]).difference, None);
    assert_eq!(equalized_odds_gap(&[all, negatives]), None);
    assert_eq!(fpr_gap(&[]), Gap::default());
    assert_eq!(demographic_parity_difference(&[]).difference, None);
}

#[test]
fn no_samples_have_no_figures() {
    let nobody = Membership { groups: 2, members: &[], missing: &[] };
    let mut scratch = vec![0; auc_scratch(0)];
    assert_eq!(auc(&[], &[], &mut scratch), Ok(None));
    let mut out = [Rates { positives: 3, ..Rates::default() }; 3];
    rates(&[], 0.5, &[], nobody, &mut out).unwrap();
    assert_eq!(out, [Rates::default(); 3]);
    assert_eq!(matched_threshold(&[], &[], 0.1, 0.5, &mut []), Ok(None));
    let (mut planes, _) = memory(0, 2);
    let planes = BitPlanes::new(&[], nobody, &mut planes).unwrap();
    out.fill(Rates { negatives: 3, ..Rates::default() });
    planes.count(&[], &mut out).unwrap();
    assert_eq!(out, [Rates::default(); 3]);
    let mut aucs = [GroupAucs { bpsn: Some(1.0), ..GroupAucs::default() }; 2];
    let got = jigsaw(&[], &[], nobody, &mut aucs, &mut scratch).unwrap();
    assert_eq!((got.score, got.undefined, aucs), (None, 6, [GroupAucs::default(); 2]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (scores, labels) = ([0.1f32, f32::NAN, 0.3], [0u8, 1, 0]);
    let members = [1u64, 0, 1];
    let membership = Membership { groups: 1, members: &members, missing: &[] };
    let mut scratch = vec![0; auc_scratch(3)];
    let error = auc(&scores, &labels, &mut scratch).unwrap_err();
    assert_eq!(error, MetricError::Nan { what: "scores", index: 1 });
    assert_eq!(error.to_string(), "scores: NaN at index 1");
    let mut out = [Rates::default(); 2];
    let refused = rates(&scores, 0.5, &labels, membership, &mut out);
    assert_eq!(refused, Err(MetricError::Nan { what: "scores", index: 1 }));
    let nan = |what| Err(MetricError::Nan { what, index: 0 });
    let scores = [0.1, 0.2, 0.3];
    assert_eq!(rates(&scores, f32::NAN, &labels, membership, &mut out), nan("threshold"));
    assert_eq!(predict(&scores, f32::NAN, &mut [0]), nan("threshold"));
    assert_eq!(
        predict(&[0.1, 0.2, f32::NAN], 0.5, &mut [0]),
        Err(MetricError::Nan { what: "scores", index: 2 })
    );
    let mut keys = [0; 3];
    let matched = |wanted, near, keys: &mut [u32]| {
        matched_threshold(&scores, &labels, wanted, near, keys).map(|_| ())
    };
    assert_eq!(matched(f64::NAN, 0.5, &mut keys), nan("wanted_fpr"));
    assert_eq!(matched(0.1, f32::NAN, &mut keys), nan("near"));

    let short = |need| Err(MetricError::Scratch(TooSmall { need, have: need - 1 }));
    let need = auc_scratch(3);
    assert_eq!(auc(&scores, &labels, &mut scratch[1..]).map(|_| ()), short(need));
    assert_eq!(matched(0.1, 0.5, &mut keys[1..]), short(3));
    let mut planes = vec![0; BitPlanes::need(3, 1) - 1];
    let need = planes.len() + 1;
    assert_eq!(BitPlanes::new(&labels, membership, &mut planes).map(|_| ()), short(need));
    for (words, gaps, need) in [(2, 5, 3), (3, 4, 5)] {
        let got = null_gap(
            &scores,
            0.5,
            &labels,
            membership,
            GapKind::Fpr,
            5,
            &mut Rng::new(0, Purpose::Bootstrap),
            &mut [None],
            &mut vec![0; words],
            &mut vec![0.0; gaps],
        );
        assert_eq!(got.map(|_| ()), short(need));
    }

    let many = Membership { groups: 65, ..membership };
    let error = rates(&scores, 0.5, &labels, many, &mut [Rates::default(); 66]).unwrap_err();
    assert_eq!(error.to_string(), "65 groups: at most 64 are possible");
    let ragged = Membership { missing: &[0; 2], ..membership };
    let error = rates(&scores, 0.5, &labels, ragged, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "missing holds 2 values, its shape calls for 3");
    assert!(rates(&scores, 0.5, &labels, membership, &mut out[1..]).is_err());
    assert!(rates(&scores[1..], 0.5, &labels, membership, &mut out).is_err());
    assert!(auc(&scores[1..], &labels, &mut scratch).is_err());
    assert!(jigsaw(&scores, &labels, membership, &mut [], &mut scratch).is_err());
}

#[test]
fn infinite_scores_have_a_place() {
    let (scores, labels) = ([f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::INFINITY], [1, 0, 1, 0]);
    let mut scratch = vec![0; auc_scratch(4)];
    // Wins against −∞: 2, ties: 1 of 2, losses: 1; of 4 pairs.
    assert_eq!(auc(&scores, &labels, &mut scratch), Ok(Some(0.625)));
    let mut keys = [0; 4];
    let mut at = |wanted| matched_threshold(&scores, &labels, wanted, 0.5, &mut keys).unwrap();
    // No threshold leaves out ∞, so the rate ½ is the least possible one.
    assert_eq!([at(0.0), at(0.5), at(1.0)], [Some(0.5), Some(0.5), Some(f32::NEG_INFINITY)]);
}

#[test]
fn crowded_scores_are_told_apart() {
    // Neighbouring numbers in falling order beside one far away: the worst case of the sort.
    let mut scores: Vec<f32> = (0..500).map(|i| f32::from_bits(0x3f80_0400 - i)).collect();
    scores[250] = -1e30;
    let mut labels: Vec<u8> = (0..500).map(|i| u8::from(i < 250)).collect();
    let mut scratch = vec![0; auc_scratch(500)];
    assert_eq!(auc(&scores, &labels, &mut scratch), Ok(Some(1.0)));
    // The highest score changes sides and loses against 249; the others still win against the rest.
    labels[0] = 0;
    let want = 250.0 / 251.0;
    assert!((auc(&scores, &labels, &mut scratch).unwrap().unwrap() - want).abs() < 1e-12);
    // As many samples as it likes with one score.
    scores.fill(0.25);
    assert_eq!(auc(&scores, &labels, &mut scratch), Ok(Some(0.5)));
}

/// Scores of few distinct values, labels, memberships and what is missing.
fn samples() -> impl Strategy<Value = (Vec<f32>, Vec<u8>, Vec<u64>, Vec<u64>)> {
    let one = (-8i8..8, 0u8..2, any::<u64>(), any::<u64>());
    prop::collection::vec(one, 1..120).prop_map(|rows| {
        (
            rows.iter().map(|row| f32::from(row.0) / 8.0).collect(),
            rows.iter().map(|row| row.1).collect(),
            rows.iter().map(|row| row.2).collect(),
            rows.iter().map(|row| row.2 & row.3).collect(),
        )
    })
}

proptest! {
    #[test]
    fn auc_sees_the_order_only((scores, labels, members, _) in samples()) {
        let mut scratch = vec![0; auc_scratch(scores.len())];
        let plain = auc(&scores, &labels, &mut scratch).unwrap();
        let warped: Vec<f32> = scores.iter().map(|x| (3.0 * x).exp() - 2.0).collect();
        prop_assert_eq!(auc(&warped, &labels, &mut scratch).unwrap(), plain);
        let negated: Vec<f32> = scores.iter().map(|x| -x).collect();
        if let Some(plain) = plain {
            let turned = auc(&negated, &labels, &mut scratch).unwrap().unwrap();
            prop_assert!((plain + turned - 1.0).abs() < 1e-12);
        }

        // A subset's AUC is that of the subset alone.
        let takes = |index: usize| members[index] & 1 == 1;
        let kept: Vec<usize> = (0..scores.len()).filter(|&index| takes(index)).collect();
        let some: Vec<f32> = kept.iter().map(|&index| scores[index]).collect();
        let of: Vec<u8> = kept.iter().map(|&index| labels[index]).collect();
        let alone = auc(&some, &of, &mut scratch).unwrap();
        let ranking = Ranking::new(&scores, &labels, &mut scratch).unwrap();
        prop_assert_eq!(ranking.auc_of(takes), alone);
    }

    #[test]
    fn auc_is_the_share_of_pairs(
        rows in prop::collection::vec((prop::num::f32::ANY, 0u8..2), 2..60),
    ) {
        let rows: Vec<_> = rows.into_iter().filter(|row| !row.0.is_nan()).collect();
        let (scores, labels): (Vec<f32>, Vec<u8>) = rows.iter().copied().unzip();
        let (mut won, mut pairs) = (0.0, 0.0);
        for (score, _) in rows.iter().filter(|row| row.1 == 1) {
            for (other, _) in rows.iter().filter(|row| row.1 == 0) {
                won += if score > other { 1.0 } else if score == other { 0.5 } else { 0.0 };
                pairs += 1.0;
            }
        }
        let mut scratch = vec![0; auc_scratch(scores.len())];
        let got = auc(&scores, &labels, &mut scratch).unwrap();
        prop_assert_eq!(got, (pairs > 0.0).then(|| won / pairs));
    }

    #[test]
    fn bit_planes_count_the_rates(
        (scores, labels, members, missing) in samples(),
        groups in 0usize..=64,
        threshold in -1.0f32..1.0,
    ) {
        let membership = Membership { groups, members: &members, missing: &missing };
        let mut want = vec![Rates::default(); groups + 1];
        rates(&scores, threshold, &labels, membership, &mut want).unwrap();
        let (mut planes, mut predicted) = memory(scores.len(), groups);
        predict(&scores, threshold, &mut predicted).unwrap();
        if let Some(last) = predicted.last_mut() && scores.len() % 32 != 0 {
            // Beyond the last sample anything may stand.
            *last |= u32::MAX << (scores.len() % 32);
        }
        let planes = BitPlanes::new(&labels, membership, &mut planes).unwrap();
        let mut got = vec![Rates::default(); groups + 1];
        planes.count(&predicted, &mut got).unwrap();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn the_matched_threshold_brings_the_rate_back(
        (scores, labels, _, _) in samples(),
        threshold in -1.0f32..1.0,
        shift in -2.0f32..2.0,
    ) {
        let nobody = vec![0; labels.len()];
        let membership = Membership { groups: 0, members: &nobody, missing: &[] };
        let mut before = [Rates::default()];
        rates(&scores, threshold, &labels, membership, &mut before).unwrap();
        let Some(wanted) = before[0].fpr() else { return Ok(()) };
        let mut keys = vec![0; scores.len()];
        let same = matched_threshold(&scores, &labels, wanted, threshold, &mut keys).unwrap();
        prop_assert_eq!(same, Some(threshold));

        // A shift of all scores changes no rate of a negative.
        let shifted: Vec<f32> = scores.iter().map(|score| (score + shift) * 0.5).collect();
        let matched = matched_threshold(&shifted, &labels, wanted, threshold, &mut keys);
        let mut after = [Rates::default()];
        rates(&shifted, matched.unwrap().unwrap(), &labels, membership, &mut after).unwrap();
        prop_assert_eq!(after[0].fpr(), Some(wanted));
    }
}
