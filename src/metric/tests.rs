use super::statistics::{bootstrap_mean_interval, interquartile_mean, mean, sample_std};
use super::*;
use crate::error::TooSmall;
use crate::rng::{Purpose, Rng};
use proptest::prelude::*;
use serde::Deserialize;

/// Values of tests/oracle/statistics.py (numpy).
#[derive(Deserialize)]
struct Oracle {
    samples: Vec<Sample>,
    divergence: Divergence,
}

#[derive(Deserialize)]
struct Sample {
    values: Vec<f64>,
    mean: f64,
    std: Option<f64>,
    iqm: f64,
    seed: u64,
    replicates: usize,
    interval: Option<[f64; 2]>,
}

#[derive(Deserialize)]
struct Divergence {
    classes: usize,
    p: Vec<f32>,
    q: Vec<f32>,
    value: f64,
}

fn oracle() -> Oracle {
    serde_json::from_str(include_str!("../../tests/oracle/statistics.json")).unwrap()
}

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-12 * want.abs().max(1.0)
}

#[test]
fn statistics_agree_with_numpy() {
    for sample in oracle().samples {
        let values = &sample.values;
        let mut scratch = vec![0.0; values.len().max(sample.replicates)];
        assert!(close(mean(values).unwrap(), sample.mean));
        match (sample_std(values), sample.std) {
            (Some(got), Some(want)) => assert!(close(got, want), "{got} {want}"),
            (got, want) => assert_eq!(got, want),
        }
        let iqm = interquartile_mean(values, &mut scratch).unwrap().unwrap();
        assert!(close(iqm, sample.iqm), "n = {}: {iqm} {}", values.len(), sample.iqm);
        let mut rng = Rng::new(sample.seed, Purpose::Bootstrap);
        let got = bootstrap_mean_interval(values, sample.replicates, &mut rng, &mut scratch);
        match (got.unwrap(), sample.interval) {
            (Some(got), Some(want)) => {
                assert!(close(got[0], want[0]) && close(got[1], want[1]), "{got:?} {want:?}");
            }
            (got, want) => assert_eq!(got, want),
        }
    }
}

#[test]
fn the_interval_covers_the_mean_about_as_often_as_it_says() {
    let (mut covered, trials) = (0, 400);
    let mut data = Rng::new(5, Purpose::Data);
    let mut rng = Rng::new(5, Purpose::Bootstrap);
    let mut scratch = [0.0; 400];
    for _ in 0..trials {
        let values: [f64; 40] = core::array::from_fn(|_| f64::from(data.normal()));
        let [low, high] =
            bootstrap_mean_interval(&values, 400, &mut rng, &mut scratch).unwrap().unwrap();
        covered += i32::from(low <= 0.0 && 0.0 <= high);
    }
    // 95 % less the small-sample bias of the percentile interval (about 1.5 points at n = 40).
    assert!((360..=392).contains(&covered), "{covered} of {trials}");
}

#[test]
fn undefined_statistics_are_none_and_nan_shows() {
    let mut scratch = [0.0; 10];
    let mut rng = Rng::new(0, Purpose::Bootstrap);
    assert_eq!(mean(&[]), None);
    assert_eq!(sample_std(&[]), None);
    assert_eq!(sample_std(&[0.5]), None);
    assert_eq!(interquartile_mean(&[], &mut scratch), Ok(None));
    assert_eq!(interquartile_mean(&[0.5], &mut scratch), Ok(Some(0.5)));
    assert_eq!(bootstrap_mean_interval(&[0.5], 10, &mut rng, &mut scratch), Ok(None));
    assert_eq!(bootstrap_mean_interval(&[0.5, 1.0], 0, &mut rng, &mut scratch), Ok(None));
    let constant = [0.25; 5];
    assert_eq!(sample_std(&constant), Some(0.0));
    assert_eq!(
        bootstrap_mean_interval(&constant, 10, &mut rng, &mut scratch),
        Ok(Some([0.25, 0.25]))
    );
    let spoilt = [0.1, f64::NAN, 0.3, 0.2];
    assert!(mean(&spoilt).unwrap().is_nan());
    assert!(sample_std(&spoilt).unwrap().is_nan());
    assert!(interquartile_mean(&spoilt, &mut scratch).unwrap().unwrap().is_nan());
    let [low, high] =
        bootstrap_mean_interval(&spoilt, 10, &mut rng, &mut scratch).unwrap().unwrap();
    assert!(low.is_nan() && high.is_nan());
}

#[test]
fn a_scratch_that_is_one_value_short_is_refused() {
    let mut rng = Rng::new(0, Purpose::Bootstrap);
    let values = [1.0, 2.0, 3.0];
    assert_eq!(interquartile_mean(&values, &mut [0.0; 2]), Err(TooSmall { need: 3, have: 2 }));
    assert_eq!(
        bootstrap_mean_interval(&values, 5, &mut rng, &mut [0.0; 4]),
        Err(TooSmall { need: 5, have: 4 })
    );
}

#[test]
fn accuracy_counts() {
    assert_eq!(accuracy(&[1u32, 7, 7, 3], &[1, 7, 2, 3]), Ok(0.75));
    assert_eq!(accuracy::<u8>(&[], &[]), Err(MetricError::Empty));
    let error = accuracy(&[1u32], &[1, 2]).unwrap_err();
    assert_eq!(error.to_string(), "predicted holds 1 values, its shape calls for 2");
}

#[test]
fn divergence_agrees_with_numpy_and_closed_forms() {
    let Divergence { classes, p, q, value } = oracle().divergence;
    assert!(close(js_divergence(&p, &q, classes).unwrap(), value));
    assert!(close(js_divergence(&q, &p, classes).unwrap(), value), "symmetric");
    assert_eq!(js_divergence(&p, &p, classes), Ok(0.0));
    let apart = js_divergence(&[1.0, 0.0, 0.0, 1.0], &[0.0, 1.0, 1.0, 0.0], 2).unwrap();
    assert!(close(apart, core::f64::consts::LN_2));
    // Certain against even: ½ ln(4/3) + ¼ ln(2/3) + ¼ ln 2 = ln 2 − ¾ ln 3 + ½ ln 2.
    let half = 1.5 * core::f64::consts::LN_2 - 0.75 * 3.0f64.ln();
    assert!(close(js_divergence(&[1.0, 0.0], &[0.5, 0.5], 2).unwrap(), half));
    assert!(js_divergence(&[f32::NAN, 0.0], &[0.5, 0.5], 2).unwrap().is_nan());
}

#[test]
fn divergence_refuses_ragged_input() {
    assert!(matches!(js_divergence(&[0.5; 4], &[0.5; 3], 2), Err(MetricError::Shape(_))));
    assert!(matches!(js_divergence(&[0.5; 5], &[0.5; 5], 2), Err(MetricError::Shape(_))));
    assert_eq!(js_divergence(&[], &[], 2), Err(MetricError::Empty));
    assert_eq!(js_divergence(&[0.5], &[0.5], 0), Err(MetricError::Empty));
}

#[test]
fn tug_of_war_by_hand() {
    let retrained = TowAccuracies { forget_train: 0.0, retain_train: 1.0, retain_test: 0.9375 };
    assert_eq!(tug_of_war(retrained, retrained), 1.0);
    let edited = TowAccuracies { forget_train: 0.25, retain_train: 0.5, retain_test: 0.8125 };
    assert_eq!(tug_of_war(edited, retrained), 0.75 * 0.5 * 0.875);
    let spoilt = TowAccuracies { forget_train: f64::NAN, ..edited };
    assert!(tug_of_war(spoilt, retrained).is_nan());
}

proptest! {
    #[test]
    fn statistics_lie_between_the_extremes(
        values in prop::collection::vec(-1e6f64..1e6, 2..60),
        seed in any::<u64>(),
    ) {
        let mut scratch = [0.0; 64];
        let low = values.iter().copied().fold(f64::INFINITY, f64::min) - 1e-9 * 1e6;
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-9 * 1e6;
        let iqm = interquartile_mean(&values, &mut scratch).unwrap().unwrap();
        prop_assert!((low..=high).contains(&iqm));
        let mut rng = Rng::new(seed, Purpose::Bootstrap);
        let [a, b] = bootstrap_mean_interval(&values, 64, &mut rng, &mut scratch).unwrap().unwrap();
        prop_assert!(low <= a && a <= b && b <= high);
    }

    #[test]
    fn divergence_lies_between_zero_and_ln_two(
        rows in prop::collection::vec((0.0f32..=1.0, 0.0f32..=1.0), 1..20),
    ) {
        let p: Vec<f32> = rows.iter().flat_map(|&(p, _)| [p, 1.0 - p]).collect();
        let q: Vec<f32> = rows.iter().flat_map(|&(_, q)| [q, 1.0 - q]).collect();
        let value = js_divergence(&p, &q, 2).unwrap();
        prop_assert!((0.0..=core::f64::consts::LN_2 + 1e-7).contains(&value));
    }
}

#[test]
fn the_average_gap_is_the_mean_distance() {
    assert_eq!(average_gap(&[0.5, 1.0, 0.75, 0.25], &[0.25, 1.0, 1.0, 0.75]), Some(0.25));
    assert_eq!(average_gap(&[0.5, 1.0], &[0.5]), Some(0.0));
    assert_eq!(average_gap(&[], &[0.5]), None);
    assert!(average_gap(&[f64::NAN], &[0.5]).unwrap().is_nan());
}
