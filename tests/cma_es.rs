//! Separable CMA-ES against pycma 4.5, driven with the normals that pycma drew (`oracle/cma_es.py`).

use reweight::editor::search::SepCmaEs;
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use serde_json::Value;

fn cases() -> Vec<Value> {
    let text = include_str!("oracle/cma_es.json");
    let value: Value = serde_json::from_str(text).unwrap();
    value["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn function(name: &str) -> fn(&[f32]) -> f64 {
    match name {
        "sphere" => |x| x.iter().map(|&x| f64::from(x).powi(2)).sum(),
        "rosenbrock" => |x| {
            x.windows(2)
                .map(|pair| {
                    let (a, b) = (f64::from(pair[0]), f64::from(pair[1]));
                    100.0 * (b - a * a).powi(2) + (1.0 - a).powi(2)
                })
                .sum()
        },
        other => panic!("{other}"),
    }
}

fn generation(search: &mut SepCmaEs<'_>, f: fn(&[f32]) -> f64) -> f64 {
    let values: Vec<f64> = (0..search.population()).map(|i| f(search.candidate(i))).collect();
    let told: Vec<f32> = values.iter().map(|&value| -value as f32).collect();
    search.tell(&told);
    values.into_iter().fold(f64::INFINITY, f64::min)
}

#[test]
fn the_trajectory_is_pycmas() {
    for case in cases() {
        let n = case["n"].as_u64().unwrap() as usize;
        let start = vec![case["start"].as_f64().unwrap() as f32; n];
        let mut heap = Heap::new(SepCmaEs::need(n));
        let sigma0 = case["sigma0"].as_f64().unwrap() as f32;
        let mut search = SepCmaEs::new(&mut heap.arena(), &start, sigma0).unwrap();
        assert_eq!(search.population(), case["population"].as_u64().unwrap() as usize);
        let f = function(case["function"].as_str().unwrap());
        let records = case["records"].as_array().unwrap();
        let mut compared = 0;
        for (index, normals) in case["normals"].as_array().unwrap().iter().enumerate() {
            let normals: Vec<f64> = normals.as_array().unwrap().iter().flat_map(numbers).collect();
            let mut normals = normals.into_iter();
            search.ask_with(&mut || normals.next().unwrap() as f32);
            generation(&mut search, f);
            let Some(record) = records.iter().find(|record| record["generation"] == index + 1)
            else {
                continue;
            };
            compared += 1;
            let scale = record["sigma"].as_f64().unwrap();
            let near = |ours: f32, theirs: f64, scale: f64| {
                assert!(
                    (f64::from(ours) - theirs).abs() < 1e-3 * scale,
                    "{} n {n} generation {}: {ours} against {theirs}",
                    case["function"],
                    index + 1
                );
            };
            near(search.sigma(), scale, scale);
            for (&ours, theirs) in search.mean().iter().zip(numbers(&record["mean"])) {
                near(ours, theirs, scale.max(theirs.abs()));
            }
            for (&ours, theirs) in search.deviations().iter().zip(numbers(&record["deviations"])) {
                near(ours, theirs, theirs);
            }
        }
        assert_eq!(compared, records.len());
    }
}

/// With its own random numbers it gets as far as pycma does in as many evaluations.
#[test]
fn the_optimum_is_reached_as_by_pycma() {
    for case in cases() {
        let n = case["n"].as_u64().unwrap() as usize;
        let f = function(case["function"].as_str().unwrap());
        let start = vec![case["start"].as_f64().unwrap() as f32; n];
        let sigma0 = case["sigma0"].as_f64().unwrap() as f32;
        let mut reached: Vec<f64> = (0..11)
            .map(|seed| {
                let mut heap = Heap::new(SepCmaEs::need(n));
                let mut search = SepCmaEs::new(&mut heap.arena(), &start, sigma0).unwrap();
                let mut rng = Rng::new(seed, Purpose::Search);
                let (mut evaluations, mut best) = (0, f64::INFINITY);
                while evaluations < 6000 {
                    search.ask(&mut rng);
                    best = best.min(generation(&mut search, f));
                    evaluations += search.population();
                }
                best
            })
            .collect();
        reached.sort_by(f64::total_cmp);
        let (ours, theirs) = (reached[5], case["median_best"].as_f64().unwrap());
        // f32 holds no squares below 1e-38; on Rosenbrock the medians of eleven runs scatter.
        let bound = if theirs < 1e-10 { 1e-10 } else { 1.3 * theirs };
        assert!(ours <= bound, "{} n {n}: median {ours:e}, pycma {theirs:e}", case["function"]);
    }
}

#[test]
fn memory_is_exact_and_bad_values_are_survived() {
    for n in [1, 2, 7, 160, 3264] {
        let need = SepCmaEs::need(n);
        let mut heap = Heap::new(need);
        let mut arena = heap.arena();
        let start = vec![0.1; n];
        let mut search = SepCmaEs::new(&mut arena, &start, 0.4).unwrap();
        assert_eq!(arena.left().f32s, 0);
        assert_eq!(search.population(), 4 + (3.0 * (n as f64).ln()).floor() as usize);
        let mut rng = Rng::new(1, Purpose::Search);
        search.ask(&mut rng);
        let values = vec![f32::NAN; search.population()];
        search.tell(&values);
        search.tell(&values[1..]);
        assert!(search.is_finite());
        let mut short = Heap::new(reweight::slab::Need::f32s(need.f32s - 1));
        let error = SepCmaEs::new(&mut short.arena(), &start, 0.4).unwrap_err();
        assert!(error.have < error.need);
    }
}
