//! `reweight debias`.

use super::common::{MachineArgs, PolicyArgs, print};
use super::progress::Progress;
use super::unlearn::{Int8Name, UnitName, WorldName, key_value};
use clap::ValueEnum;
use reweight::report;
use reweight::run::debias::{self, DebiasConfig, DebiasTarget, TextTarget};
use reweight::run::{self, RunError};
use reweight::task::{Bias, Utility};
use std::path::PathBuf;
use std::sync::Arc;

/// Options of `debias`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Cross-validate with this many folds in place of seeds
    #[arg(long, value_name = "N", requires = "data")]
    folds: Option<usize>,
    /// Do not draw AUC against gap over lambda and mu (it is drawn with --out)
    #[arg(long)]
    no_front: bool,
    /// Folder for results, report and networks
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Options of every command that debiases.
#[derive(clap::Args, Debug)]
pub(super) struct Common {
    /// Classifier to edit: trained here, or deployed by others and built in
    #[arg(long, value_enum, default_value = "toxicity-mlp")]
    target: TargetName,
    /// Classifier to edit instead: safetensors with --arch
    #[arg(long, value_name = "FILE", conflicts_with = "target", requires = "arch")]
    model: Option<PathBuf>,
    /// Layers and vocabulary of a classifier in safetensors (JSON)
    #[arg(long, value_name = "FILE", requires = "model")]
    arch: Option<PathBuf>,
    /// What of integers is edited: weights (a row's scale grows where they leave 8 bits; the first layer's are held),
    /// weights held to 8 bits, or the rows' factors (--world mask) [default: weights of an int8 target; with --model it
    /// quantises the classifier]
    #[arg(long, value_enum, value_name = "FORM")]
    int8: Option<Int8Name>,
    /// Comments in one of Jigsaw's CSV formats; the built-in ones when left out
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Comments on which figures are taken as well (may be repeated)
    #[arg(long, value_name = "FILE")]
    test_data: Vec<PathBuf>,
    /// Layer that is edited [default: 64x16; the only one of profanity]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// World
    #[arg(long, value_enum, default_value = "both")]
    world: WorldName,
    /// Editors [default: all that can edit the target]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    editor: Vec<String>,
    /// What counts as bias
    #[arg(long, value_enum, default_value = "fpr-gap")]
    bias: BiasName,
    /// What is to be kept
    #[arg(long, value_enum, default_value = "accuracy")]
    utility: UtilityName,
    /// Probability from which on a comment is called toxic
    #[arg(long, value_name = "P", default_value_t = 0.5)]
    threshold: f32,
    /// The same for the bias alone; a lower one leaves a margin [default: --threshold]
    #[arg(long, value_name = "P")]
    gap_threshold: Option<f32>,
    /// Measure the bias where as many comments are flagged as before the edit
    #[arg(long)]
    matched: bool,
    /// Groups to treat alike [default: all of the data]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    groups: Vec<String>,
    /// Price of large edits, in units of |W|^2 [default: 0; .15 with --data; profanity .1 mask, .03 shift]
    #[arg(long, value_name = "MU")]
    size_penalty: Option<f32>,
    /// Share of utility in the reward, 0 to 1 [default: .5; .7 for a classifier of others]
    #[arg(long, value_name = "L")]
    lambda: Option<f32>,
    /// One hyper-parameter of ppo (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Reward evaluations of each editor [default: 4000; 2000 for profanity's mask and with --data]
    #[arg(long, value_name = "N")]
    budget: Option<u64>,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Rank of the action
    #[arg(long, value_name = "R", default_value_t = 1)]
    rank: usize,
    /// Step [default: 2 shift, 1.5 mask]
    #[arg(long, value_name = "S")]
    step: Option<f32>,
    /// What ShiftWorld's step is measured in
    #[arg(long, value_enum, default_value = "rms")]
    unit: UnitName,
    /// Show an editor's best edit by reward, even where it has a mean
    #[arg(long)]
    keep_best: bool,
    /// Number of seeds: replicates with a target of their own
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,
    /// First seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Seed of the comments that are made, or of how those of a file are dealt
    #[arg(long, value_name = "N", default_value_t = 0)]
    split_seed: u64,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    /// Print results.json instead of the table
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TargetName {
    /// A bag of words, 64, 16 and 2 units
    ToxicityMlp,
    /// alt-profanity-check 1.9.1
    Profanity,
    /// toxicity-mlp, quantised after its training
    ToxicityMlpInt8,
    /// profanity, quantised on the reward split
    ProfanityInt8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BiasName {
    /// Mean distance of the groups' false positive rates
    FprGap,
    /// Mean distance of the groups' false negative rates
    FnrGap,
    /// The mean of both
    EqualizedOdds,
    /// 1 - the score of the Jigsaw competition
    Jigsaw,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UtilityName {
    Accuracy,
    /// Area under the ROC curve: alone it is answered by "never toxic"
    Auc,
    Both,
}

impl Common {
    /// The settings, for seeds and without a front.
    pub(super) fn config(&self) -> Result<DebiasConfig, RunError> {
        let target = match (&self.model, &self.arch, self.target) {
            (Some(model), Some(arch), _) => {
                DebiasTarget::Loaded(Arc::new(TextTarget::load(model, arch)?))
            }
            (_, _, TargetName::ToxicityMlp | TargetName::ToxicityMlpInt8) => DebiasTarget::Toxicity,
            (_, _, TargetName::Profanity | TargetName::ProfanityInt8) => DebiasTarget::Profanity,
        };
        let quantised =
            matches!(self.target, TargetName::ToxicityMlpInt8 | TargetName::ProfanityInt8);
        let int8 = match self.int8 {
            Some(_) if !quantised && self.model.is_none() => {
                return Err(RunError::Usage(
                    "--int8 is for --target toxicity-mlp-int8, --target profanity-int8 and --model"
                        .into(),
                ));
            }
            None if quantised => Some(Int8Name::Weights.how()),
            form => form.map(Int8Name::how),
        };
        Ok(DebiasConfig {
            target,
            int8,
            data: self.data.clone(),
            test_data: self.test_data.clone(),
            layer: self.layer.clone(),
            worlds: self.world.worlds(),
            editors: self.editor.clone(),
            bias: match self.bias {
                BiasName::FprGap => Bias::FprGap,
                BiasName::FnrGap => Bias::FnrGap,
                BiasName::EqualizedOdds => Bias::EqualizedOdds,
                BiasName::Jigsaw => Bias::Jigsaw,
            },
            utility: match self.utility {
                UtilityName::Accuracy => Utility::Accuracy,
                UtilityName::Auc => Utility::Auc,
                UtilityName::Both => Utility::Both,
            },
            threshold: self.threshold,
            gap_threshold: self.gap_threshold,
            matched: self.matched,
            groups: self.groups.clone(),
            size_penalty: self.size_penalty,
            lambda: self.lambda,
            rank: self.rank,
            step: self.step,
            unit: self.unit.unit(),
            set: self.set.clone(),
            budget: self.budget,
            policy: self.policy.policy.clone(),
            policy_seed: self.policy.policy_seed,
            refine: self.policy.refine(),
            keep_best: self.keep_best,
            folds: None,
            front: false,
            seeds: self.seeds,
            seed: self.seed,
            split_seed: self.split_seed,
            threads: self.machine.threads(),
            kernel: self.machine.kernel.kernel()?,
        })
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let Args { common, folds, no_front, out } = args;
    let front = out.is_some() && !no_front;
    let config = DebiasConfig { folds: *folds, front, ..common.config()? };
    config.validate()?;
    // A folder that cannot be written to is found out before the work, not after it.
    let _ = out.as_deref().map(run::Store::open).transpose()?;
    let progress = Progress::new(common.machine.quiet);
    let debiased = debias::debias(&config, &progress)?;
    progress.clear();
    if let Some(dir) = out {
        report::write_debias(dir, &debiased)?;
    }
    if common.json {
        return print(&report::debias_json(&debiased.results));
    }
    print(&report::debias_table(&debiased.results))?;
    if let Some(dir) = out {
        print(&format!(
            "\nWritten to {}: report.html, report.md, results.json, results.csv, edits, networks\n",
            dir.display()
        ))?;
    }
    Ok(())
}
