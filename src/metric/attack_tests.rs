use super::MetricError;
use super::attack::*;
use crate::error::TooSmall;
use serde::Deserialize;

/// Values of tests/oracle/attacks.py (scikit-learn).
#[derive(Deserialize)]
struct Oracle {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    shadow_members: Option<Vec<f32>>,
    shadow_others: Option<Vec<f32>>,
    members: Vec<f32>,
    others: Vec<f32>,
    threshold: Option<f32>,
    own_threshold: Option<f32>,
    threshold_attack: f64,
    logistic_attack: f64,
}

fn fitted(members: &[f32], others: &[f32]) -> f32 {
    let mut scratch = vec![(0.0, false); threshold_scratch(members.len(), others.len())];
    loss_threshold(members, others, &mut scratch).unwrap()
}

#[test]
fn attacks_agree_with_scikit_learn() {
    let oracle: Oracle =
        serde_json::from_str(include_str!("../../tests/oracle/attacks.json")).unwrap();
    assert!(oracle.cases.len() >= 6);
    for (index, case) in oracle.cases.iter().enumerate() {
        let (members, others) = (&case.members, &case.others);
        let limit = |threshold: Option<f32>| threshold.unwrap_or(f32::NEG_INFINITY);
        if let (Some(members), Some(others)) = (&case.shadow_members, &case.shadow_others) {
            assert_eq!(fitted(members, others), limit(case.threshold), "case {index}");
        }
        assert_eq!(fitted(members, others), limit(case.own_threshold), "case {index}");
        let attack = threshold_attack(limit(case.threshold), members, others).unwrap();
        assert!((attack - case.threshold_attack).abs() < 1e-12, "case {index}: {attack}");
        let attack = logistic_attack(members, others).unwrap();
        assert!((attack - case.logistic_attack).abs() < 1e-12, "case {index}: {attack}");
    }
}

#[test]
fn certainty_and_chance() {
    let low: [f32; 12] = core::array::from_fn(|index| 0.3 - 0.01 * index as f32);
    let high: [f32; 12] = core::array::from_fn(|index| 2.0 + 0.1 * index as f32);
    assert_eq!(fitted(&low, &high), 0.3);
    assert_eq!(threshold_attack(0.3, &low, &high), Ok(1.0));
    assert_eq!(logistic_attack(&low, &high), Ok(1.0));
    // Members that lose more are found out by a fit, not by a threshold from below.
    assert_eq!(fitted(&high, &low), f32::NEG_INFINITY);
    assert_eq!(threshold_attack(f32::NEG_INFINITY, &high, &low), Ok(0.5));
    assert_eq!(logistic_attack(&high, &low), Ok(1.0));
    let same = [0.7f32; 30];
    assert_eq!(logistic_attack(&same, &same), Ok(0.5));
}

#[test]
fn too_few_samples_nan_and_a_short_scratch_are_refused() {
    let one = [1.0f32];
    let two = [1.0f32, 2.0];
    assert_eq!(logistic_attack(&one, &two), Err(MetricError::Empty));
    assert_eq!(threshold_attack(0.0, &[], &two), Err(MetricError::Empty));
    let nan = MetricError::Nan { what: "losses of others", index: 1 };
    assert_eq!(logistic_attack(&two, &[0.0, f32::NAN]), Err(nan));
    let short = MetricError::Scratch(TooSmall { need: 4, have: 3 });
    assert_eq!(loss_threshold(&two, &two, &mut [(0.0, false); 3]), Err(short));
}
