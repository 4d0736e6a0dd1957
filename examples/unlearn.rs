//! Unlearn a digit with PPO in both worlds, in a few lines.
//!
//! ```text
//! cargo run --release --example unlearn
//! ```

use reweight::data::builtin_digits;
use reweight::run::{Prepared, Silent, UnlearnConfig, unlearn};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (images, parts) = builtin_digits(0)?;
    let data = Prepared::new(&images, &parts)?;
    let config = UnlearnConfig {
        forget: vec![7],
        editors: vec!["ppo".into(), "retrain".into()],
        seeds: 2,
        ..UnlearnConfig::default()
    };
    let unlearned = unlearn(&config, &data, &|_| None, &Silent)?;
    for run in &unlearned.results.runs {
        let percent = |share: f32| 100.0 * share;
        println!(
            "{:<8} {:<6} seed {}: forget {:5.1} % -> {:4.1} %, retain {:.1} % -> {:.1} %, {} evaluations",
            run.editor,
            run.world.as_deref().unwrap_or("-"),
            run.seed,
            percent(run.before.forget_test),
            percent(run.after.forget_test),
            percent(run.before.retain_test),
            percent(run.after.retain_test),
            run.evaluations,
        );
    }
    Ok(())
}
