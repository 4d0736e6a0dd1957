//! An ablation's report on a grid whose answers are known.

use super::{ablate_csv, ablate_html, ablate_json, ablate_markdown, ablate_text};
use crate::run::record::{AblateResults, AblateRun, AblateSetting, DataRecord, Figures, SCHEMA};

fn figures(retain_test: f32, forget_test: f32) -> Figures {
    Figures { retain_test, forget_test, utility: 0.9, edit: 0.9, reward: 0.9 }
}

/// On the saddle nothing is forgotten within 2,000 evaluations; a step of 8 scatters the retain accuracy.
fn grid() -> AblateResults {
    let mut runs = Vec::new();
    for initial_mean in [0.0, 0.5] {
        for step in [0.25, 2.0, 8.0] {
            for seed in 0..3u64 {
                let scatter = if step == 8.0 { 0.1 * seed as f32 } else { 0.001 * seed as f32 };
                let stuck = initial_mean == 0.0;
                runs.push(AblateRun {
                    setting: AblateSetting {
                        world: "shift".into(),
                        episode_length: 1,
                        rank: 1,
                        step,
                        lambda: 0.5,
                        reward: "probability".into(),
                        initial_mean,
                        log_std: -1.0,
                    },
                    seed,
                    before: figures(0.96, 0.95),
                    after: figures(0.96 - scatter, if stuck { 0.9 } else { 0.0 }),
                    policy: None,
                    evaluations: 2000,
                    evaluations_to_target: (!stuck).then_some(300),
                    edit_norm: 0.5,
                    digest: "0123456789abcdef".into(),
                });
            }
        }
    }
    AblateResults {
        schema: SCHEMA,
        command: "ablate unlearn".into(),
        version: "0".into(),
        config: std::collections::BTreeMap::default(),
        data: DataRecord {
            name: "digits".into(),
            train: 6000,
            reward: 2000,
            test: 2000,
            digest: "aa".into(),
        },
        runs,
        notes: vec!["a note".into()],
    }
}

#[test]
fn causes_and_cure_are_told_with_their_figures() {
    for text in [ablate_markdown(&grid()), ablate_text(&grid()), ablate_html(&grid())] {
        // Inside the window, step 2 alone.
        assert!(
            text.contains("reaches a reward of 0.95 after 2,000 evaluations and leaves 90.0 %"),
            "{text}"
        );
        assert!(text.contains("off the saddle after 300, and leaves 0.0 %"), "{text}");
        // The deviation of 0, .1, .2 is .1; of 0, .001, .002 it is .001.
        assert!(text.contains("is 0.1 points on average, above 4 it is 10.0"), "{text}");
        assert!(text.contains("in all 1 cells"), "{text}");
        assert!(text.contains("at most 0.1 points"), "{text}");
    }
    let json = ablate_json(&grid());
    let read: AblateResults = serde_json::from_str(&json).unwrap();
    assert_eq!(read, grid());
}

#[test]
fn the_table_of_runs_has_every_column() {
    let csv = ablate_csv(&grid());
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == columns), "{csv}");
    assert_eq!(csv.lines().count(), 1 + 18);
}

#[test]
fn a_grid_of_one_cell_says_what_it_can() {
    let mut results = grid();
    results.runs.truncate(1);
    let text = ablate_markdown(&results);
    assert!(!text.contains("The saddle"), "{text}");
    results.runs.clear();
    assert!(ablate_markdown(&results).contains("0 combinations"));
}
