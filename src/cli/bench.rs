//! `reweight bench`.

use super::common::{KernelName, print};
use reweight::kernel::bench;
use reweight::run::debias::time_debiasing;
use reweight::run::{self, RunError};
use reweight::task::RewardKind;
use std::time::Duration;

/// Options of `bench`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Kernels
    #[arg(long, value_name = "NAME", value_enum, default_value = "auto")]
    kernel: KernelName,
    /// Milliseconds for each case
    #[arg(long, value_name = "MS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    effort: u64,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let kernel = args.kernel.kernel()?;
    let effort = Duration::from_millis(args.effort);
    let peak = bench::peak(kernel, effort);
    print(&format!(
        "kernel {}, peak of one core {:.1} GFLOP/s (fused multiply-adds in registers)\n\n\
         {:<36} {:>10} {:>9} {:>8}\n",
        kernel.backend().name(),
        peak / 1e9,
        "product (samples x in x out)",
        "us",
        "GFLOP/s",
        "of peak"
    ))?;
    let mut printed = Ok(());
    bench::run(kernel, effort, |timing| {
        let us = timing.seconds * 1e6;
        let line = if timing.flops > 0.0 {
            let share = 100.0 * timing.flops / timing.seconds / peak;
            format!("{:<36} {us:>10.2} {:>9.1} {share:>6.0} %\n", timing.name, timing.gflops())
        } else {
            let each = timing.nanoseconds_per_element();
            format!("{:<36} {us:>10.2} {each:>9.3} ns each\n", timing.name)
        };
        if printed.is_ok() {
            printed = print(&line);
        }
    });
    printed?;
    print(&format!(
        "\n{:<36} {:>10} {:>9} {:>8}\n",
        "reward evaluation (2000 samples)", "us", "limit us", "ratio"
    ))?;
    for timing in run::time_evaluations(kernel, effort)? {
        let (us, limit) = (timing.seconds * 1e6, timing.flops / peak * 1e6);
        let reward = match timing.reward {
            RewardKind::Accuracy => "accuracy",
            RewardKind::Probability => "probability",
        };
        let name = format!("{}, rank {}, {reward}", timing.world.name(), timing.rank);
        print(&format!("{name:<36} {us:>10.2} {limit:>9.2} {:>8.2}\n", us / limit))?;
    }
    print(&format!(
        "\n{:<36} {:>10} {:>9} {:>8}\n",
        "debiasing, reward evaluation", "comments", "us", "per s"
    ))?;
    for timing in time_debiasing(kernel, effort)? {
        let utility = if timing.auc { "AUC" } else { "accuracy" };
        let name = format!("{}, {utility}", timing.name);
        let (us, each) = (timing.seconds * 1e6, 1.0 / timing.seconds);
        print(&format!("{name:<36} {:>10} {us:>9.2} {each:>8.0}\n", timing.comments))?;
    }
    print(&format!(
        "\n{:<36} {:>10} {:>9} {:>8}\n",
        "whole run, probability, rank 1", "us/eval", "eval us", "ratio"
    ))?;
    for timing in run::time_runs(kernel)? {
        let (us, evaluation) = (timing.seconds * 1e6, timing.evaluation * 1e6);
        let name = format!("{}, {}", timing.editor, timing.world.name());
        print(&format!("{name:<36} {us:>10.2} {evaluation:>9.2} {:>8.2}\n", us / evaluation))?;
    }
    print(&format!(
        "\n{:<36} {:>10} {:>9} {:>8}\n",
        "training a policy (one core)", "evals", "s", "us/eval"
    ))?;
    for timing in run::time_policies(kernel)? {
        let each = timing.seconds / timing.evaluations as f64 * 1e6;
        let name = format!("{} world", timing.world.name());
        let (evaluations, seconds) = (timing.evaluations, timing.seconds);
        print(&format!("{name:<36} {evaluations:>10} {seconds:>9.2} {each:>8.2}\n"))?;
    }
    Ok(())
}
