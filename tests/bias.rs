//! AUC and bias metrics against scikit-learn and fairlearn (`oracle/bias.py`).

use reweight::metric::auc::{auc, auc_scratch};
use reweight::metric::bias::{
    BitPlanes, GapKind, GroupAucs, Membership, Rates, demographic_parity_difference,
    equalized_odds_difference, equalized_odds_gap, fnr_gap, fpr_gap, gaps_of, jigsaw,
    jigsaw_scratch, matched_threshold, matched_threshold_scratch, null_gap, null_gap_scratch,
    predict, rates,
};
use reweight::rng::{Purpose, Rng};
use serde::Deserialize;

#[derive(Deserialize)]
struct Oracle {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    scores: Vec<f32>,
    labels: Vec<u8>,
    groups: usize,
    members: Vec<String>,
    missing: Vec<String>,
    threshold: f32,
    auc: Option<f64>,
    counts: Vec<[usize; 4]>,
    fpr: WantedGap,
    fnr: WantedGap,
    spreads: Option<[f64; 2]>,
    jigsaw: WantedJigsaw,
    matched: Vec<[f64; 2]>,
    null_fpr: WantedNull,
    null_fnr: WantedNull,
}

#[derive(Deserialize)]
struct WantedGap {
    sum: f64,
    mean: Option<f64>,
    worst: Option<f64>,
    defined: usize,
    undefined: usize,
}

#[derive(Deserialize)]
struct WantedJigsaw {
    groups: Vec<[Option<f64>; 3]>,
    means: [Option<f64>; 3],
    score: Option<f64>,
    undefined: usize,
}

#[derive(Deserialize)]
struct WantedNull {
    seed: u64,
    times: usize,
    mean: Option<f64>,
    high: Option<f64>,
    defined: usize,
    groups: Vec<Option<f64>>,
}

fn words(text: &[String]) -> Vec<u64> {
    text.iter().map(|word| word.parse().unwrap()).collect()
}

#[track_caller]
fn agree(name: &str, got: Option<f64>, want: Option<f64>) {
    let close = match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() <= 1e-12,
        (got, want) => got == want,
    };
    assert!(close, "{name}: {got:?}, expected {want:?}");
}

/// Calls `check` with every case and its memberships.
fn cases(check: impl Fn(&str, &Case, Membership<'_>)) {
    let oracle: Oracle = serde_json::from_str(include_str!("oracle/bias.json")).unwrap();
    assert_eq!(oracle.cases.len(), 14);
    for case in &oracle.cases {
        let (members, missing) = (words(&case.members), words(&case.missing));
        let membership = Membership { groups: case.groups, members: &members, missing: &missing };
        check(&case.name, case, membership);
    }
}

fn rates_of(case: &Case, membership: Membership<'_>) -> Vec<Rates> {
    let mut out = vec![Rates::default(); case.groups + 1];
    rates(&case.scores, case.threshold, &case.labels, membership, &mut out).unwrap();
    out
}

#[test]
fn auc_agrees_with_scikit_learn() {
    cases(|name, case, _| {
        let mut scratch = vec![u64::MAX; auc_scratch(case.scores.len())];
        agree(name, auc(&case.scores, &case.labels, &mut scratch).unwrap(), case.auc);
    });
}

#[test]
fn rates_and_gaps_agree_with_scikit_learn() {
    cases(|name, case, membership| {
        let rates = rates_of(case, membership);
        for (got, want) in rates.iter().zip(&case.counts) {
            let got = [got.positives, got.negatives, got.true_positives, got.false_positives];
            assert_eq!(got, *want, "{name}");
        }
        let one_by_one = gaps_of(&rates[0], rates[1..].iter().copied());
        assert_eq!(one_by_one, [fpr_gap(&rates), fnr_gap(&rates)], "{name}");
        for (got, want) in [(fpr_gap(&rates), &case.fpr), (fnr_gap(&rates), &case.fnr)] {
            agree(name, Some(got.sum), Some(want.sum));
            agree(name, got.mean, want.mean);
            agree(name, got.worst, want.worst);
            assert_eq!((got.defined, got.undefined), (want.defined, want.undefined), "{name}");
        }
        let both = case.fpr.mean.zip(case.fnr.mean).map(|(fpr, fnr)| (fpr + fnr) / 2.0);
        agree(name, equalized_odds_gap(&rates), both);
    });
}

#[test]
fn spreads_agree_with_fairlearn() {
    let asked = std::cell::Cell::new(0);
    cases(|name, case, membership| {
        let Some([odds, parity]) = case.spreads else { return };
        let rates = rates_of(case, membership);
        let got = equalized_odds_difference(&rates);
        agree(name, got.difference, Some(odds));
        assert_eq!((got.defined, got.undefined), (2 * case.groups, 0));
        agree(name, demographic_parity_difference(&rates).difference, Some(parity));
        asked.set(asked.get() + 1);
    });
    assert_eq!(asked.get(), 2);
}

#[test]
fn group_aucs_and_their_score_agree_with_the_formula() {
    cases(|name, case, membership| {
        let mut scratch = vec![u64::MAX; jigsaw_scratch(case.scores.len())];
        let mut out = vec![GroupAucs::default(); case.groups];
        let got = jigsaw(&case.scores, &case.labels, membership, &mut out, &mut scratch).unwrap();
        for (got, want) in out.iter().zip(&case.jigsaw.groups) {
            agree(name, got.subgroup, want[0]);
            agree(name, got.bpsn, want[1]);
            agree(name, got.bnsp, want[2]);
        }
        for (got, want) in [got.subgroup, got.bpsn, got.bnsp].into_iter().zip(case.jigsaw.means) {
            agree(name, got, want);
        }
        agree(name, got.overall, case.auc);
        agree(name, got.score, case.jigsaw.score);
        assert_eq!(got.undefined, case.jigsaw.undefined, "{name}");
    });
}

#[test]
fn the_matched_rate_is_the_nearest_of_scikit_learns_curve() {
    cases(|name, case, membership| {
        let mut scratch = vec![0; matched_threshold_scratch(case.scores.len())];
        let mut out = vec![Rates::default(); case.groups + 1];
        for &[wanted, nearest] in &case.matched {
            for near in [f32::NEG_INFINITY, 0.5, f32::INFINITY] {
                let threshold =
                    matched_threshold(&case.scores, &case.labels, wanted, near, &mut scratch);
                let threshold = threshold.unwrap().unwrap();
                rates(&case.scores, threshold, &case.labels, membership, &mut out).unwrap();
                agree(name, out[0].fpr(), Some(nearest));
            }
        }
    });
}

#[test]
fn the_null_gap_agrees_with_numpy() {
    cases(|name, case, membership| {
        for (kind, want) in [(GapKind::Fpr, &case.null_fpr), (GapKind::Fnr, &case.null_fnr)] {
            let (samples, times) = null_gap_scratch(case.scores.len(), want.times);
            let (mut words, mut gaps) = (vec![0; samples], vec![0.0; times]);
            let mut rng = Rng::new(want.seed, Purpose::Bootstrap);
            let mut out = vec![None; case.groups];
            let got = null_gap(
                &case.scores,
                case.threshold,
                &case.labels,
                membership,
                kind,
                want.times,
                &mut rng,
                &mut out,
                &mut words,
                &mut gaps,
            )
            .unwrap();
            agree(name, got.mean, want.mean);
            agree(name, got.high, want.high);
            assert_eq!((got.defined, got.undefined), (want.defined, want.times - want.defined));
            out.iter().zip(&want.groups).for_each(|(&got, &want)| agree(name, got, want));
        }
    });
}

#[test]
fn counted_bits_are_the_rates() {
    cases(|name, case, membership| {
        let (mut planes, mut predicted) = memory(case.scores.len(), case.groups);
        let planes = BitPlanes::new(&case.labels, membership, &mut planes).unwrap();
        predict(&case.scores, case.threshold, &mut predicted).unwrap();
        let mut out = vec![Rates { positives: 9, ..Rates::default() }; case.groups + 1];
        planes.count(&predicted, &mut out).unwrap();
        assert_eq!(out, rates_of(case, membership), "{name}");
    });
}

/// Memory of planes, and of predictions, full of what was there before.
fn memory(samples: usize, groups: usize) -> (Vec<u32>, Vec<u32>) {
    let words = BitPlanes::words(samples);
    (vec![u32::MAX; BitPlanes::need(samples, groups)], vec![u32::MAX; words])
}
