//! CMA-ES with a whole matrix against pycma 4.5, given the points that pycma drew (`oracle/cma_es_full.py`).

use reweight::editor::search::CmaEs;
use reweight::rng::{Purpose, Rng};
use reweight::slab::{Heap, Need};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let value: Value = serde_json::from_str(include_str!("oracle/cma_es_full.json")).unwrap();
    value["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn function(name: &str) -> fn(&[f64]) -> f64 {
    match name {
        "sphere" => |x| x.iter().map(|x| x * x).sum(),
        "ellipsoid" => |x| {
            let (mut x, last) = (x.to_vec(), (x.len() - 1) as f64);
            for i in 0..x.len() - 1 {
                let (a, b) = (x[i], x[i + 1]);
                (x[i], x[i + 1]) = (0.8 * a - 0.6 * b, 0.6 * a + 0.8 * b);
            }
            x.iter().enumerate().map(|(i, x)| 1e3f64.powf(i as f64 / last) * x * x).sum()
        },
        "rosenbrock" => |x| {
            let pairs = x.windows(2).map(|pair| (pair[0], pair[1]));
            pairs.map(|(a, b)| 100.0 * (b - a * a).powi(2) + (1.0 - a).powi(2)).sum()
        },
        other => panic!("{other}"),
    }
}

struct Case {
    n: usize,
    f: fn(&[f64]) -> f64,
    start: Vec<f32>,
    sigma0: f32,
}

fn case(value: &Value) -> Case {
    let n = value["n"].as_u64().unwrap() as usize;
    Case {
        n,
        f: function(value["function"].as_str().unwrap()),
        start: vec![value["start"].as_f64().unwrap() as f32; n],
        sigma0: value["sigma0"].as_f64().unwrap() as f32,
    }
}

/// Within 1e-3 of σ, of the mean in units of σ, and of the largest variance, after up to 40 generations.
#[test]
fn the_trajectory_is_pycmas() {
    for value in cases() {
        let Case { n, f, start, sigma0 } = case(&value);
        let mut heap = Heap::new(CmaEs::need(n));
        let mut search = CmaEs::new(&mut heap.arena(), &start, sigma0).unwrap();
        assert_eq!(search.population(), value["population"].as_u64().unwrap() as usize);
        let records = value["records"].as_array().unwrap();
        let (mut compared, mut rng) = (0, Rng::new(1, Purpose::Search));
        for (index, points) in value["points"].as_array().unwrap().iter().enumerate() {
            search.ask(&mut rng);
            let mut told = Vec::new();
            for (candidate, point) in points.as_array().unwrap().iter().map(numbers).enumerate() {
                let near: Vec<f32> = point.iter().map(|&value| value as f32).collect();
                search.inject(candidate, &near);
                assert!(
                    search
                        .candidate(candidate)
                        .iter()
                        .zip(&near)
                        .all(|(a, b)| (a - b).abs() < 1e-5)
                );
                told.push(-f(&point) as f32);
            }
            search.tell(&told);
            let Some(record) = records.iter().find(|record| record["generation"] == index + 1)
            else {
                continue;
            };
            compared += 1;
            let name = value["function"].as_str().unwrap();
            let near = |what: &str, ours: f32, theirs: f64, scale: f64| {
                let error = (f64::from(ours) - theirs).abs() / scale;
                let generation = index + 1;
                assert!(
                    error < 1e-3,
                    "{name} {n} generation {generation}, {what}: {ours}, {theirs}"
                );
            };
            let sigma = record["sigma"].as_f64().unwrap();
            near("sigma", search.sigma(), sigma, sigma);
            for (&ours, theirs) in search.mean().iter().zip(numbers(&record["mean"])) {
                near("mean", ours, theirs, sigma);
            }
            let rows: Vec<Vec<f64>> =
                record["covariance"].as_array().unwrap().iter().map(numbers).collect();
            let most = (0..n).map(|at| rows[at][at]).fold(0.0, f64::max);
            for (row, theirs) in rows.iter().enumerate() {
                for (column, &theirs) in theirs.iter().enumerate() {
                    near("covariance", search.covariance(row, column), theirs, most);
                }
            }
        }
        assert_eq!(compared, records.len());
    }
}

/// With its own random numbers it gets as far as pycma does in as many evaluations.
#[test]
fn the_optimum_is_reached_as_by_pycma() {
    for value in cases() {
        let Case { n, f, start, sigma0 } = case(&value);
        let mut reached: Vec<f64> = (0..11)
            .map(|seed| {
                let mut heap = Heap::new(CmaEs::need(n));
                let mut search = CmaEs::new(&mut heap.arena(), &start, sigma0).unwrap();
                let mut rng = Rng::new(seed, Purpose::Search);
                let (mut evaluations, mut best) = (0, f64::INFINITY);
                while evaluations < 3000 {
                    search.ask(&mut rng);
                    let values: Vec<f64> = (0..search.population())
                        .map(|i| {
                            let x: Vec<f64> =
                                search.candidate(i).iter().map(|&x| f64::from(x)).collect();
                            f(&x)
                        })
                        .collect();
                    best = values.iter().copied().fold(best, f64::min);
                    evaluations += values.len();
                    let told: Vec<f32> = values.iter().map(|&value| -value as f32).collect();
                    search.tell(&told);
                }
                assert!(search.is_finite());
                best
            })
            .collect();
        reached.sort_by(f64::total_cmp);
        let (ours, theirs) = (reached[5], value["median_best"].as_f64().unwrap());
        // f32 tells no values apart below some 1e-10 of those around; medians of eleven runs scatter.
        let bound = if theirs < 1e-6 { 1e-6 } else { 1.5 * theirs };
        assert!(ours <= bound, "{} n {n}: median {ours:e}, pycma {theirs:e}", value["function"]);
    }
}

#[test]
fn memory_is_exact_and_bad_values_are_survived() {
    for n in [1, 2, 7, 160] {
        let need = CmaEs::need(n);
        let mut heap = Heap::new(need);
        let mut arena = heap.arena();
        let start = vec![0.1; n];
        let mut search = CmaEs::new(&mut arena, &start, 0.4).unwrap();
        assert_eq!(arena.left().f32s, 0);
        let mut rng = Rng::new(1, Purpose::Search);
        for round in 0..20 {
            search.ask(&mut rng);
            let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0][round % 4];
            search.tell(&vec![bad; search.population()]);
        }
        search.tell(&[1.0]);
        assert!(search.is_finite());
        assert!(search.candidate(search.population()).is_empty());
        assert!(search.candidate(usize::MAX).is_empty());
        search.inject(usize::MAX, &start);
        assert_eq!(search.covariance(n, 0), 0.0);
        let mut short = Heap::new(Need::f32s(need.f32s - 1));
        let error = CmaEs::new(&mut short.arena(), &start, 0.4).unwrap_err();
        assert!(error.have < error.need);
    }
    for n in [usize::MAX, usize::MAX / 2, 1 << 40] {
        assert!(CmaEs::need(n).and(CmaEs::need(n)).f32s >= n / 4);
    }
}

/// Points at the edge of f32 end in no panic.
#[test]
fn absurd_points_are_survived() {
    let mut heap = Heap::new(CmaEs::need(4));
    let mut search = CmaEs::new(&mut heap.arena(), &[0.0; 4], 0.3).unwrap();
    let mut rng = Rng::new(1, Purpose::Search);
    for _ in 0..5 {
        search.ask(&mut rng);
        for candidate in 0..search.population() {
            search.inject(candidate, &[3e38, -3e38, 3e38, 1.0]);
        }
        search.tell(&vec![1.0; search.population()]);
        search.ask(&mut rng);
    }
}

/// A thousand evaluations of 160 numbers: what the search itself takes.
#[test]
fn it_is_fast_enough() {
    let n = 160;
    let mut heap = Heap::new(CmaEs::need(n));
    let mut search = CmaEs::new(&mut heap.arena(), &vec![0.3; n], 0.3).unwrap();
    let (mut rng, mut evaluations) = (Rng::new(1, Purpose::Search), 0);
    let started = std::time::Instant::now();
    while evaluations < 1000 {
        search.ask(&mut rng);
        let values: Vec<f32> = (0..search.population())
            .map(|i| -search.candidate(i).iter().map(|x| x * x).sum::<f32>())
            .collect();
        evaluations += values.len();
        search.tell(&values);
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{seconds} s");
    assert!(seconds < 10.0, "{seconds} s for {evaluations} evaluations");
}
