use super::*;
use crate::metric::MetricError;
use crate::rng::{Purpose, Rng};
use serde::Deserialize;

/// Values of tests/oracle/runs_and_tasks.py (rliable).
#[derive(Deserialize)]
struct Oracle {
    cases: Vec<Case>,
}

/// Runs by task, of x and of y.
#[derive(Deserialize)]
struct Case {
    x: Vec<Vec<f64>>,
    y: Vec<Vec<f64>>,
    mean: Figure,
    iqm: Figure,
    gap: Figure,
    improvement: Figure,
    paired: Figure,
}

#[derive(Deserialize)]
struct Figure {
    value: f64,
    interval: [f64; 2],
}

const REPLICATES: usize = 20_000;

fn views(tasks: &[Vec<f64>]) -> Vec<&[f64]> {
    tasks.iter().map(Vec::as_slice).collect()
}

impl Figure {
    /// Values to rounding. Intervals to Monte-Carlo error: two quantiles at 2.5 % of 20,000 replicates
    /// each differ by .027 standard deviations (one sigma), .007 of the width of the interval; values
    /// that are multiples of `grain` may fall on the next one.
    fn agrees(&self, name: &str, value: f64, interval: Option<[f64; 2]>, grain: f64) {
        assert!((value - self.value).abs() <= 1e-12, "{name}: {value} {}", self.value);
        let [low, high] = self.interval;
        let Some(ours) = interval else {
            assert_eq!(low, high, "{name}: an interval is missing");
            return;
        };
        let slack = 0.03 * (high - low) + grain + 1e-12;
        let near = (ours[0] - low).abs() <= slack && (ours[1] - high).abs() <= slack;
        assert!(near, "{name}: {ours:?} against {:?}", self.interval);
    }
}

#[test]
fn figures_of_runs_and_tasks_agree_with_rliable() {
    let text = include_str!("../../../tests/oracle/runs_and_tasks.json");
    let oracle: Oracle = serde_json::from_str(text).unwrap();
    assert!(oracle.cases.len() >= 5);
    for (seed, case) in (0u64..).zip(&oracle.cases) {
        let (x, y) = (views(&case.x), views(&case.y));
        let mut scratch = vec![0.0; Aggregate::scratch(&x, REPLICATES)];
        let mut rng = Rng::new(seed, Purpose::Bootstrap);
        for (name, aggregate, expected) in [
            ("mean", Aggregate::Mean, &case.mean),
            ("iqm", Aggregate::InterquartileMean, &case.iqm),
            ("gap", Aggregate::OptimalityGap { target: 1.0 }, &case.gap),
        ] {
            let value = aggregate.of(&x, &mut scratch).unwrap().unwrap();
            let interval = aggregate.interval(&x, REPLICATES, &mut rng, &mut scratch).unwrap();
            expected.agrees(&format!("{name} of case {seed}"), value, interval, 0.0);
        }
        let (runs, tasks) = (x[0].len() as f64, x.len() as f64);
        let mut scratch = vec![0.0; REPLICATES + 2 * x[0].len()];
        let value = improvement(&x, &y).unwrap().unwrap();
        let interval = improvement_interval(&x, &y, REPLICATES, &mut rng, &mut scratch).unwrap();
        let grain = 0.5 / (runs * runs * tasks);
        case.improvement.agrees(&format!("improvement, case {seed}"), value, interval, grain);
        let value = paired_improvement(&x, &y).unwrap().unwrap();
        let interval =
            paired_improvement_interval(&x, &y, REPLICATES, &mut rng, &mut scratch).unwrap();
        let grain = 0.5 / (runs * tasks);
        case.paired.agrees(&format!("paired, case {seed}"), value, interval, grain);
    }
}

/// Two tasks of different level: resampling them together would let the share of each vary.
#[test]
fn tasks_are_strata() {
    let tasks: [&[f64]; 2] = [&[0.0, 0.0, 0.0], &[1.0, 1.0, 1.0]];
    let mut scratch = [0.0; 106];
    let mut rng = Rng::new(0, Purpose::Bootstrap);
    let interval = Aggregate::Mean.interval(&tasks, 100, &mut rng, &mut scratch);
    assert_eq!(interval, Ok(Some([0.5, 0.5])));
}

#[test]
fn one_task_gives_what_its_own_functions_give() {
    let values = [0.3, 0.9, 0.1, 0.5, 0.7, 0.2, 0.8];
    let mut scratch = [0.0; 507];
    let pooled = Aggregate::InterquartileMean.of(&[&values], &mut scratch).unwrap();
    assert_eq!(pooled, interquartile_mean(&values, &mut scratch).unwrap());
    let interval = |rng: &mut Rng, scratch: &mut [f64]| {
        Aggregate::Mean.interval(&[&values, &[]], 500, rng, scratch).unwrap()
    };
    let mut rng = Rng::new(3, Purpose::Bootstrap);
    let ours = interval(&mut rng, &mut scratch);
    let mut rng = Rng::new(3, Purpose::Bootstrap);
    assert_eq!(ours, bootstrap_mean_interval(&values, 500, &mut rng, &mut scratch).unwrap());
}

#[test]
fn improvement_counts_ties_as_half_and_leaves_empty_tasks_out() {
    let p = |x: &[&[f64]], y: &[&[f64]]| improvement(x, y).unwrap();
    assert_eq!(p(&[&[1.0, 2.0]], &[&[1.0, 2.0]]), Some(0.5));
    assert_eq!(p(&[&[1.0], &[3.0]], &[&[0.0], &[4.0]]), Some(0.5));
    assert_eq!(p(&[&[1.0], &[]], &[&[0.0], &[4.0]]), Some(1.0));
    assert_eq!(p(&[&[]], &[&[]]), None);
    assert_eq!(p(&[], &[]), None);
    assert!(p(&[&[f64::NAN]], &[&[0.0]]).unwrap().is_nan());
    // Runs that share a target, x always a little better: unpaired runs show less.
    let (x, y): (&[f64], &[f64]) = (&[0.2, 0.6, 0.9], &[0.1, 0.5, 0.8]);
    assert_eq!(paired_improvement(&[x], &[y]), Ok(Some(1.0)));
    assert_eq!(p(&[x], &[y]), Some(6.0 / 9.0));
}

#[test]
fn misfits_nan_and_short_scratch_are_refused_or_shown() {
    let mut rng = Rng::new(0, Purpose::Bootstrap);
    let two: [&[f64]; 1] = [&[0.1, 0.2]];
    let one: [&[f64]; 1] = [&[0.1]];
    assert!(matches!(improvement(&two, &[]), Err(MetricError::Shape(_))));
    assert!(matches!(paired_improvement(&two, &one), Err(MetricError::Shape(_))));
    let mut scratch = [0.0; 20];
    assert_eq!(Aggregate::Mean.interval(&one, 10, &mut rng, &mut scratch), Ok(None));
    assert_eq!(Aggregate::Mean.interval(&two, 0, &mut rng, &mut scratch), Ok(None));
    assert_eq!(Aggregate::Mean.of(&[], &mut scratch), Ok(None));
    let spoilt: [&[f64]; 1] = [&[0.1, f64::NAN]];
    let [low, high] = Aggregate::InterquartileMean
        .interval(&spoilt, 10, &mut rng, &mut scratch)
        .unwrap()
        .unwrap();
    assert!(low.is_nan() && high.is_nan());
    let short = Err(TooSmall { need: 12, have: 11 });
    assert_eq!(Aggregate::Mean.interval(&two, 10, &mut rng, &mut scratch[..11]), short);
    let short = Err(MetricError::Scratch(TooSmall { need: 14, have: 13 }));
    assert_eq!(improvement_interval(&two, &two, 10, &mut rng, &mut scratch[..13]), short);
    let short = Err(MetricError::Scratch(TooSmall { need: 10, have: 9 }));
    assert_eq!(paired_improvement_interval(&two, &two, 10, &mut rng, &mut scratch[..9]), short);
}
