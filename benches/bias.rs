//! Prints what the metrics of a debiasing reward cost on this machine, the least of many repetitions:
//! `cargo bench --bench bias [-- MILLISECONDS per case]`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use reweight::metric::auc::{Ranking, auc, auc_scratch};
use reweight::metric::bias::{
    BitPlanes, GroupAucs, Membership, Rates, jigsaw, matched_threshold, predict, rates,
};
use reweight::rng::{Purpose, Rng};

const GROUPS: usize = 9;

fn main() {
    let effort = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let effort = Duration::from_millis(effort.unwrap_or(300));
    for samples in [2_000, 5_000] {
        run(samples, effort);
    }
}

fn run(samples: usize, effort: Duration) {
    let mut rng = Rng::new(0, Purpose::Data);
    let labels: Vec<u8> = (0..samples).map(|_| u8::from(rng.unit() < 0.4)).collect();
    let scores = |rng: &mut Rng| -> Vec<f32> {
        let logit = |label: &u8| 1.5 * rng.normal() + 3.0 * f32::from(*label) - 2.0;
        labels.iter().map(logit).map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
    };
    // Several sets of scores, as of several edits: no processor learns one of them by heart.
    let sets: Vec<Vec<f32>> = (0..16).map(|_| scores(&mut rng)).collect();
    let mut member = || (0..GROUPS).fold(0, |word, g| word | u64::from(rng.unit() < 0.1) << g);
    let members: Vec<u64> = (0..samples).map(|_| member()).collect();
    let membership = Membership { groups: GROUPS, members: &members, missing: &[] };

    let mut scratch = vec![0; auc_scratch(samples)];
    let mut keys = vec![0; samples];
    let mut memory = vec![0; BitPlanes::need(samples, GROUPS)];
    let planes = BitPlanes::new(&labels, membership, &mut memory).unwrap();
    let mut predicted = vec![0; BitPlanes::words(samples)];
    let mut out = [Rates::default(); GROUPS + 1];
    let mut aucs = [GroupAucs::default(); GROUPS];

    println!("{samples} samples, {GROUPS} groups");
    let case = |name: &str, run: &mut dyn FnMut(&[f32])| {
        println!("  {name:34} {:9.3} us", 1e6 * least(effort, &sets, run));
    };
    case("AUC", &mut |scores| {
        black_box(auc(scores, &labels, &mut scratch).unwrap());
    });
    case("sort alone", &mut |scores| {
        black_box(Ranking::new(scores, &labels, &mut scratch).unwrap());
    });
    case("group AUCs and Jigsaw score", &mut |scores| {
        black_box(jigsaw(scores, &labels, membership, &mut aucs, &mut scratch).unwrap());
    });
    case("rates from scores", &mut |scores| {
        rates(scores, 0.5, &labels, membership, &mut out).unwrap();
        black_box(&out);
    });
    case("predictions as bits", &mut |scores| {
        predict(scores, 0.5, &mut predicted).unwrap();
        black_box(&predicted);
    });
    case("rates by bits", &mut |_| {
        planes.count(black_box(&predicted), &mut out).unwrap();
        black_box(&out);
    });
    case("matched threshold", &mut |scores| {
        black_box(matched_threshold(scores, &labels, 0.1, 0.5, &mut keys).unwrap());
    });
}

/// Least time of one run, in seconds, over rounds of all sets of scores.
fn least(effort: Duration, sets: &[Vec<f32>], run: &mut dyn FnMut(&[f32])) -> f64 {
    let start = Instant::now();
    let mut least = f64::INFINITY;
    loop {
        let round = Instant::now();
        for scores in sets {
            run(black_box(scores));
        }
        least = least.min(round.elapsed().as_secs_f64() / sets.len() as f64);
        if start.elapsed() >= effort {
            return least;
        }
    }
}
