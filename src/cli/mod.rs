//! The command line: one file per subcommand.
//!
//! What belongs here: parsing, progress, printing. What does not: anything that a library user would
//! want to call (`run`, `report`). Everything is checked before any work begins: exit code 2 for what
//! the command line alone shows to be wrong, 1 for what needed a file or data, 0 when done.

mod ablate;
mod apply;
mod bench;
mod common;
mod compare;
mod debias;
mod evaluate;
mod inspect;
mod merge;
mod progress;
mod repair;
mod train;
mod transfer;
mod unlearn;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Edits trained neural networks by reward alone.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forget classes: every editor in both worlds, beside the baselines
    Unlearn(Box<unlearn::Args>),
    /// Treat groups alike: a classifier of comments, every editor in both worlds, beside the baselines
    Debias(Box<debias::Args>),
    /// Every editor on the same targets, with the same budget and seeds
    #[command(subcommand)]
    Compare(compare::Command),
    /// Which settings matter: PPO over a grid of them
    #[command(subcommand)]
    Ablate(ablate::Command),
    /// Learn a policy on some networks, apply it to others
    #[command(subcommand)]
    Transfer(transfer::Command),
    /// Make a network of 8-bit integers (.tflite) compute what it should
    Repair(repair::Args),
    /// Train a target network and save it
    Train(train::Args),
    /// Accuracy by class, or a classifier's figures by group, and the digest of a network, edited or not
    Evaluate(evaluate::Args),
    /// Apply an edit file to the network that it was made for
    Apply(apply::Args),
    /// What a network, edit, safetensors or .tflite file holds
    Inspect(inspect::Args),
    /// Join the results of shards
    Merge(merge::Args),
    /// Evaluations per second, GFLOP/s and share of peak, here
    Bench(bench::Args),
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Unlearn(args) => unlearn::run(args),
        Command::Debias(args) => debias::run(args),
        Command::Compare(command) => compare::run(command),
        Command::Ablate(command) => ablate::run(command),
        Command::Merge(args) => merge::run(args),
        Command::Transfer(command) => transfer::run(command),
        Command::Repair(args) => repair::run(args),
        Command::Train(args) => train::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Bench(args) => bench::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reweight: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
