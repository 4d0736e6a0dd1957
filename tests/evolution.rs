//! OpenAI's evolution strategy and augmented random search against NumPy (`oracle/evolution.py`).

use reweight::editor::search::{Ars, ArsConfig, OpenEs, OpenEsConfig};
use reweight::kernel::Kernel;
use reweight::rng::{Purpose, Rng};
use reweight::slab::{Heap, Need};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn cases(which: &str) -> Vec<Value> {
    let value: Value = serde_json::from_str(include_str!("oracle/evolution.json")).unwrap();
    value[which].as_array().unwrap().clone()
}

fn near(ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < 2e-6, "{ours} against {theirs}");
    }
}

fn whole(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn real(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

#[test]
fn openai_steps_are_numpys() {
    for case in cases("openai") {
        let config = OpenEsConfig {
            pairs: whole(&case["pairs"]),
            sigma: real(&case["sigma"]),
            rate: real(&case["rate"]),
        };
        let start = numbers(&case["start"]);
        let mut heap = Heap::new(OpenEs::need(&config, start.len()));
        let mut arena = heap.arena();
        let mut search = OpenEs::new(config, Kernel::auto(), &start, &mut arena).unwrap();
        assert_eq!(arena.left().f32s, 0);
        for step in case["steps"].as_array().unwrap() {
            let mut noise = numbers(&step["noise"]).into_iter();
            search.ask_with(&mut || noise.next().unwrap());
            assert!(noise.next().is_none());
            near(search.candidate(3), &numbers(&step["fourth"]));
            search.tell(&numbers(&step["values"])).unwrap();
            near(search.mean(), &numbers(&step["mean"]));
        }
    }
}

#[test]
fn ars_steps_are_numpys() {
    for case in cases("ars") {
        let config = ArsConfig {
            directions: whole(&case["directions"]),
            kept: whole(&case["kept"]),
            rate: real(&case["rate"]),
            noise: real(&case["noise"]),
        };
        let start = numbers(&case["start"]);
        let mut heap = Heap::new(Ars::need(&config, start.len()));
        let mut arena = heap.arena();
        let mut search = Ars::new(config, &start, &mut arena).unwrap();
        assert_eq!(arena.left().f32s, 0);
        for step in case["steps"].as_array().unwrap() {
            let mut noise = numbers(&step["noise"]).into_iter();
            search.ask_with(&mut || noise.next().unwrap());
            assert!(noise.next().is_none());
            near(search.candidate(3), &numbers(&step["fourth"]));
            search.tell(&numbers(&step["values"]));
            near(search.mean(), &numbers(&step["mean"]));
        }
    }
}

/// Both climb to within .1 of the top of a paraboloid with their defaults.
#[test]
fn a_paraboloid_is_climbed() {
    let value = |x: &[f32]| -x.iter().map(|x| (x - 0.7) * (x - 0.7)).sum::<f32>();
    let (n, start) = (10, [0.0f32; 10]);
    let mut heap = Heap::new(OpenEs::need(&OpenEsConfig::default(), n));
    let mut search =
        OpenEs::new(OpenEsConfig::default(), Kernel::auto(), &start, &mut heap.arena()).unwrap();
    let mut rng = Rng::new(2, Purpose::Search);
    for _ in 0..80 {
        search.ask(&mut rng);
        let values: Vec<f32> =
            (0..search.population()).map(|index| value(search.candidate(index))).collect();
        search.tell(&values).unwrap();
    }
    assert!(value(search.mean()) > -0.1, "{:?}", search.mean());
    let mut heap = Heap::new(Ars::need(&ArsConfig::default(), n));
    let mut search = Ars::new(ArsConfig::default(), &start, &mut heap.arena()).unwrap();
    for _ in 0..120 {
        search.ask(&mut rng);
        let values: Vec<f32> =
            (0..search.population()).map(|index| value(search.candidate(index))).collect();
        search.tell(&values);
    }
    assert!(value(search.mean()) > -0.1, "{:?}", search.mean());
}

#[test]
fn bad_values_and_settings_are_survived() {
    let absurd = OpenEsConfig { pairs: 1000, sigma: 0.1, rate: 0.1 };
    let config = ArsConfig { directions: 0, kept: 9, rate: 0.1, noise: 0.1 };
    let mut heap = Heap::new(OpenEs::need(&absurd, 4));
    let mut search = OpenEs::new(absurd, Kernel::auto(), &[0.1; 4], &mut heap.arena()).unwrap();
    assert_eq!(search.population(), 64);
    let mut heap = Heap::new(Ars::need(&config, 4));
    let mut ars = Ars::new(config, &[0.1; 4], &mut heap.arena()).unwrap();
    assert_eq!(ars.population(), 2);
    let mut rng = Rng::new(1, Purpose::Search);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
        search.ask(&mut rng);
        search.tell(&[bad; 64]).unwrap();
        search.tell(&[bad; 3]).unwrap();
        ars.ask(&mut rng);
        ars.tell(&[bad; 2]);
        ars.tell(&[bad, 0.5]);
        ars.tell(&[bad]);
        assert!(search.is_finite() && ars.is_finite(), "{bad}");
        near(search.mean(), &[0.1; 4]);
    }
    assert!(search.candidate(64).is_empty() && ars.candidate(2).is_empty());
    for n in [usize::MAX, usize::MAX / 2, 1 << 60] {
        let need = OpenEs::need(&absurd, n).and(Ars::need(&config, n));
        assert!(need.f32s >= n / 4);
    }
    let short = Need::f32s(OpenEs::need(&absurd, 4).f32s - 1);
    let mut heap = Heap::new(short);
    assert!(OpenEs::new(absurd, Kernel::auto(), &[0.1; 4], &mut heap.arena()).is_err());
    let mut heap = Heap::new(Need::f32s(Ars::need(&config, 4).f32s - 1));
    assert!(Ars::new(config, &[0.1; 4], &mut heap.arena()).is_err());
}
