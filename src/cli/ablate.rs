//! `reweight ablate`.

use super::common::{list, print};
use super::compare::PartArgs;
use super::progress::Progress;
use super::unlearn::{Common, Forget, RewardName, key};
use clap::Subcommand;
use reweight::report;
use reweight::run::{self, AblateConfig, RunError};

/// What is ablated.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// PPO's unlearning over a grid of settings: every combination on every seed
    Unlearn(Box<Args>),
}

/// Options of `ablate unlearn`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Classes to forget
    #[arg(long, value_name = "CLASS", value_delimiter = ',', default_value = "7")]
    forget: Vec<u8>,
    /// Steps of an episode
    #[arg(long, value_name = "LIST", value_parser = list::<usize>, default_value = "1,3")]
    episode_lengths: List<usize>,
    /// Ranks of the action; at rank r the step is s times the root of r
    #[arg(long, value_name = "LIST", value_parser = list::<usize>, default_value = "1,4")]
    ranks: List<usize>,
    /// Steps s
    #[arg(long, value_name = "LIST", value_parser = list::<f32>, default_value = "0.25,0.5,1,2,4,8")]
    steps: List<f32>,
    /// Shares of utility in the reward
    #[arg(long, value_name = "LIST", value_parser = list::<f32>, default_value = "0.25,0.5,0.75")]
    lambdas: List<f32>,
    /// What pays
    #[arg(
        long,
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        default_value = "probability,accuracy"
    )]
    rewards: Vec<RewardName>,
    /// The policy's mean starts uniform in plus or minus this; 0 is the saddle
    #[arg(long, value_name = "LIST", value_parser = list::<f32>, default_value = "0,0.5")]
    initial_means: List<f32>,
    /// Logarithms of the policy's first deviation
    #[arg(long, value_name = "LIST", value_parser = list::<f32>, default_value = "-2,-1,0", allow_hyphen_values = true)]
    log_stds: List<f32>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    part: PartArgs,
}

/// Values with commas between.
type List<T> = super::common::List<T>;

/// Runs the subcommand.
pub(super) fn run(command: &Command) -> Result<(), RunError> {
    let Command::Unlearn(args) = command;
    let Args { common, part, .. } = &**args;
    if let Some(option) = common.varied_by_grid() {
        return Err(RunError::Usage(format!(
            "{option}: the grid decides it (--ranks, --steps, --lambdas, --rewards, --episode-lengths; the \
             editor is ppo)"
        )));
    }
    common.only_real()?;
    let (unlearn, data) =
        common.load(Forget { classes: &args.forget, ..Forget::default() }, &["ppo"], false)?;
    let store = part.out().map(run::Store::of_targets).transpose()?;
    let progress = Progress::new(common.machine.quiet);
    let key = key(&unlearn, &data);
    let cached = |seed| store.as_ref().and_then(|store| store.target(&key, seed));
    let trained = unlearn.model.is_none();
    let config = AblateConfig {
        unlearn,
        episode_lengths: args.episode_lengths.0.clone(),
        ranks: args.ranks.0.clone(),
        steps: args.steps.0.clone(),
        lambdas: args.lambdas.0.clone(),
        rewards: args.rewards.iter().map(|reward| reward.kind()).collect(),
        initial_means: args.initial_means.0.clone(),
        log_stds: args.log_stds.0.clone(),
        shard: part.shard,
        out: part.out.clone(),
        resume: part.resume,
    };
    let ablated = run::ablate_unlearn(&config, &data, &cached, &progress)?;
    progress.clear();
    if let Some(store) = store.as_ref().filter(|_| trained) {
        store.save_targets(&key, &ablated.targets)?;
    }
    let Some(results) = ablated.results else {
        return part.done(ablated.units, ablated.plan.units.len(), ablated.resumed);
    };
    if let Some(dir) = part.out() {
        report::write_ablate(dir, &results).map_err(|error| RunError::Failed(error.to_string()))?;
    }
    if common.json {
        return print(&report::ablate_json(&results));
    }
    print(&report::ablate_text(&results))?;
    part.written()
}
