//! Training a policy that transfers: source networks, contexts, policy seeds.

use super::error::RunError;
use super::layers::editable_layer;
use super::observer::Observer;
use super::policy::TrainedPolicy;
use super::pool;
use super::prepare::{Part, Prepared};
use super::target::{Target, TargetConfig, train_target};
use crate::kernel::Kernel;
use crate::model::Training;
use crate::num::{self, Digest};
use crate::ppo::{Context, NeuronConfig, NeuronPolicy, NeuronPpo, NeuronUpdate};
use crate::rng::{Purpose, Rng};
use crate::slab::Heap;
use crate::task::{ClassSet, RewardKind, Unlearning};
use crate::world::{
    Config, FeatureSet, NeuronContext, NeuronRequest, Neurons, Observation, World, WorldKind,
};
use std::time::Instant;

/// Inputs × outputs of the edited layer of some source networks, and how many there are.
pub type SourceShape = ((usize, usize), usize);

/// What a policy is trained on, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferConfig {
    /// The world.
    pub world: WorldKind,
    /// The features; `None` for the world's default.
    pub features: Option<FeatureSet>,
    /// Classes whose forgetting is practised.
    pub classes: Vec<u8>,
    /// Shapes of the edited layer `fc2` of the source networks, inputs × outputs, and how many networks of
    /// each.
    pub shapes: Vec<SourceShape>,
    /// How source networks are trained.
    pub training: Training,
    /// Evaluations of each policy seed; `None` for the world's default.
    pub budget: Option<u64>,
    /// Beginnings of each policy: so many are trained for [`trial`](Self::trial) updates, and the one with the
    /// best mean reward over the last of them goes on. 1 for no choice.
    pub starts: usize,
    /// Updates of a beginning.
    pub trial: usize,
    /// Number of policies.
    pub seeds: u64,
    /// First seed.
    pub seed: u64,
    /// Deviation of the constants that every context adds to features of columns ([`Neurons::jitter`]); 0.
    pub jitter: f32,
    /// Hidden units of each network of a policy.
    pub hidden: usize,
    /// Forget and retain samples of a context.
    pub samples: (usize, usize),
    /// Hyper-parameters.
    pub ppo: NeuronConfig,
    /// Seed of the split (recorded; the data come already split).
    pub split_seed: u64,
    /// Whether the data are the first half of the train and reward splits ([`Prepared::half`]; recorded).
    pub disjoint: bool,
    /// Threads. Changes no figure.
    pub threads: usize,
    /// Kernels. Changes no figure.
    pub kernel: Kernel,
}

/// Seeds of source networks begin here, far from those of targets.
pub const SOURCE_SEED: u64 = 1_000_000;

impl TransferConfig {
    /// The defaults of a world.
    pub fn new(world: WorldKind) -> Self {
        let mut shapes = vec![((128, 32), 6), ((96, 24), 3), ((48, 64), 3)];
        if world == WorldKind::Shift {
            shapes.push(((512, 128), 3));
        }
        Self {
            world,
            features: None,
            classes: (0..=6).collect(),
            shapes,
            training: Training::DIGITS,
            budget: None,
            // In MaskWorld some beginnings end in a worse kind of edit, and show it early.
            starts: if world == WorldKind::Mask { 5 } else { 1 },
            trial: 20,
            seeds: 3,
            seed: 0,
            jitter: 0.0,
            hidden: if world == WorldKind::Mask { 20 } else { 16 },
            samples: (100, 300),
            ppo: NeuronConfig::default(),
            split_seed: 0,
            disjoint: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: Kernel::auto(),
        }
    }

    /// The features.
    pub fn features(&self) -> FeatureSet {
        self.features.unwrap_or(match self.world {
            WorldKind::Shift => FeatureSet::CoreLda3,
            WorldKind::Mask => FeatureSet::All,
        })
    }

    /// Evaluations of each policy seed.
    pub fn budget(&self) -> u64 {
        self.budget.unwrap_or(match self.world {
            WorldKind::Shift => 32_000,
            WorldKind::Mask => 39_936,
        })
    }

    /// Number of updates that the budget pays for.
    pub fn updates(&self) -> usize {
        usize::try_from(self.budget()).unwrap_or(usize::MAX) / self.ppo.evaluations().max(1)
    }

    /// Updates of a beginning, and updates of the policy that is kept, those included.
    fn split(&self) -> (usize, usize) {
        let extra = self.starts.saturating_sub(1);
        // Never more than half of the budget for choosing.
        let trial = if extra == 0 { 0 } else { self.trial.min(self.updates() / (2 * extra)) };
        (trial, self.updates() - extra * trial)
    }

    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        let usage = |message: String| Err(RunError::Usage(message));
        if self.classes.is_empty() {
            return usage("--classes names no class".into());
        }
        if self.shapes.iter().all(|(_, networks)| *networks == 0) {
            return usage("--networks is 0 for every width: there is nothing to train on".into());
        }
        if self.updates() == 0 {
            return usage(format!(
                "--budget {}: one update takes {} evaluations",
                self.budget(),
                self.ppo.evaluations()
            ));
        }
        if !(self.jitter >= 0.0 && self.jitter.is_finite()) {
            return usage(format!(
                "--jitter {}: a deviation of 0 or more is expected",
                self.jitter
            ));
        }
        if self.seeds == 0 {
            return usage("at least one policy seed is needed".into());
        }
        Ok(())
    }

    /// The world of a context: one step of the default size.
    fn world(&self) -> Config {
        Config { observation: Observation::Raw, ..Config::new(self.world) }
    }

    /// The command that trains it again.
    pub fn command(&self) -> String {
        let list = |items: Vec<String>| items.join(",");
        format!(
            "transfer train --world {} --features {} --classes {} --widths {} --networks {} --budget {} \
             --policy-seeds {} --seed {} --split-seed {}{}{}",
            self.world.name(),
            self.features().name(),
            list(self.classes.iter().map(ToString::to_string).collect()),
            list(self.shapes.iter().map(|((i, o), _)| format!("{i}x{o}")).collect()),
            list(self.shapes.iter().map(|(_, count)| count.to_string()).collect()),
            self.budget(),
            self.seeds,
            self.seed,
            self.split_seed,
            if self.jitter == 0.0 { String::new() } else { format!(" --jitter {}", self.jitter) },
            if self.disjoint { " --disjoint" } else { "" }
        )
    }
}

/// What one update of one policy seed saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransferPoint {
    /// Evaluations so far.
    pub evaluations: u64,
    /// The update.
    pub update: NeuronUpdate,
}

/// A policy and how its training went.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The policy.
    pub policy: TrainedPolicy,
    /// Curve of each seed.
    pub curves: Vec<Vec<TransferPoint>>,
    /// Seconds that each seed took, contexts included.
    pub seconds: Vec<f64>,
    /// Seconds that the source networks took.
    pub network_seconds: f64,
    /// Source networks.
    pub networks: Vec<Target>,
    /// Number of contexts.
    pub contexts: usize,
    /// What was practised on how many networks, in words.
    pub practised: String,
    /// First policy seed.
    pub first_seed: u64,
}

/// Trains source networks, then the policies on them.
///
/// # Errors
/// [`RunError`]: a class that the data do not have, widths that make no network, or training that
/// diverges.
pub fn train_transfer(
    config: &TransferConfig,
    data: &Prepared,
    observer: &dyn Observer,
) -> Result<Transfer, RunError> {
    config.validate()?;
    if let Some(class) = config.classes.iter().find(|&&class| usize::from(class) >= data.classes) {
        return Err(RunError::Failed(format!(
            "--classes {class}: {} has the classes 0 to {}",
            data.name,
            data.classes.saturating_sub(1)
        )));
    }
    let mut wanted = Vec::new();
    for &(widths, count) in &config.shapes {
        wanted.extend((0..count).map(|_| widths));
    }
    let wanted: Vec<(u64, (usize, usize))> = (SOURCE_SEED..).zip(wanted).collect();
    observer.phase("training the source networks", wanted.len());
    let started = Instant::now();
    let networks = pool::map(&wanted, config.threads, |&(seed, widths)| {
        let target = TargetConfig { widths, behind: None, training: config.training };
        let trained =
            train_target(config.kernel, &target, data, ClassSet::EMPTY, seed, &mut |_| {});
        observer.finished(&format!("network {}x{} {seed}", widths.0, widths.1));
        trained
    })?;
    let network_seconds = started.elapsed().as_secs_f64();
    train_on(config, data, networks, network_seconds, observer)
}

/// Trains the policies on given networks.
///
/// # Errors
/// As [`train_transfer`].
pub fn train_on(
    config: &TransferConfig,
    data: &Prepared,
    networks: Vec<Target>,
    network_seconds: f64,
    observer: &dyn Observer,
) -> Result<Transfer, RunError> {
    let seeds: Vec<u64> = (config.seed..config.seed + config.seeds).collect();
    observer.phase("training the policies", seeds.len());
    let trained = pool::map(&seeds, config.threads, |&seed| {
        let trained = train_policy(config, data, &networks, seed, observer);
        observer.finished(&format!("policy {seed}"));
        trained
    })?;
    let mut digest = Digest::new();
    for network in &networks {
        digest.values(&network.parameters);
    }
    let last = |curve: &Vec<TransferPoint>| {
        let tail = curve.len().saturating_sub(20);
        let rewards: Vec<f32> = curve.iter().skip(tail).map(|point| point.update.reward).collect();
        num::mean(&rewards)
    };
    let rewards: Vec<f32> = trained.iter().map(|trained| last(&trained.curve)).collect();
    let policy = TrainedPolicy {
        name: config.world.name().into(),
        kind: config.world,
        features: config.features(),
        hidden: config.hidden,
        step: config.world().step,
        parameters: trained.iter().flat_map(|trained| trained.parameters.clone()).collect(),
        trained: config.command(),
        evaluations: (config.updates() * config.ppo.evaluations()) as u64,
        reward: num::mean(&rewards),
        networks: digest.finish(),
    };
    let contexts = trained.first().map_or(0, |trained| trained.contexts);
    let seconds = trained.iter().map(|trained| trained.seconds).collect();
    let curves = trained.into_iter().map(|trained| trained.curve).collect();
    let (classes, count) = (config.classes.len(), networks.len());
    let practised = format!("to forget {classes} classes of {count} networks");
    let first_seed = config.seed;
    Ok(Transfer {
        policy,
        curves,
        seconds,
        network_seconds,
        networks,
        contexts,
        practised,
        first_seed,
    })
}

/// What a context owns.
struct Owned {
    part: Part,
    parameters: Vec<f32>,
    world: Heap,
    neurons: Heap,
}

struct Seed {
    parameters: Vec<f32>,
    curve: Vec<TransferPoint>,
    seconds: f64,
    contexts: usize,
}

fn train_policy(
    config: &TransferConfig,
    data: &Prepared,
    networks: &[Target],
    seed: u64,
    observer: &dyn Observer,
) -> Result<Seed, RunError> {
    let started = Instant::now();
    let (world, features) = (config.world(), config.features());
    let mut owned = Vec::new();
    let mut of_network = Vec::new();
    // The same samples for every policy seed: seeds are replicates of the training alone.
    let mut rng = Rng::new(config.seed, Purpose::Data);
    for network in networks {
        let layer = editable_layer(&network.stack, "fc2")?;
        for &class in &config.classes {
            let part = samples_of(&data.reward, class, config.samples, &mut rng)?;
            let request =
                NeuronRequest { kind: config.world, features, class, gone: ClassSet::EMPTY };
            owned.push(Owned {
                world: Heap::new(World::need(&world, &network.stack, layer, part.len())),
                neurons: Heap::new(Neurons::need(&network.stack, layer, part.len(), &request)),
                parameters: network.parameters.clone(),
                part,
            });
            of_network.push((network, layer, request));
        }
    }
    let mut tasks: Vec<Unlearning<'_>> = Vec::new();
    let parts: Vec<Part> = owned.iter().map(|owned| owned.part.clone()).collect();
    for (part, (_, _, request)) in parts.iter().zip(&of_network) {
        let forget = ClassSet::of(&[request.class]);
        tasks.push(Unlearning::new(forget, RewardKind::Probability, [&[], part.labels(), &[]]));
    }
    let mut rng = Rng::new(config.seed, Purpose::Probe);
    let mut contexts = Vec::new();
    let made = owned.iter_mut().zip(&mut tasks).zip(&of_network);
    for ((owned, task), &(network, layer, request)) in made {
        let samples = owned.part.samples();
        let (stack, kernel) = (&network.stack, config.kernel);
        let mut arena = owned.neurons.arena();
        let mut neurons =
            Neurons::new(kernel, stack, &network.parameters, layer, samples, request, &mut arena)?;
        if config.jitter > 0.0 {
            neurons.jitter(config.jitter, &mut rng);
        }
        let mut arena = owned.world.arena();
        let parameters = &mut owned.parameters;
        let world = World::new(world, kernel, stack, parameters, layer, samples, task, &mut arena)?;
        contexts.push(NeuronContext { world, neurons });
    }
    let rows = contexts.iter().map(Context::rows).max().unwrap_or(0);
    let columns = contexts.iter().map(Context::columns).max().unwrap_or(0);
    let policy = NeuronPolicy {
        row_features: features.rows(),
        column_features: features.columns(),
        hidden: config.hidden,
        rank: 1,
    };
    let count = contexts.len();
    let ppo_config = NeuronConfig { contexts: config.ppo.contexts.min(count), ..config.ppo };
    let mut list: Vec<&mut dyn Context> =
        contexts.iter_mut().map(|context| context as &mut dyn Context).collect();
    let (trial, updates) = config.split();
    let starts = config.starts.max(1);
    let need = NeuronPpo::need(&policy, &ppo_config, (rows, columns), count);
    let mut heaps: Vec<Heap> = (0..starts).map(|_| Heap::new(need)).collect();
    let mut kept: Option<(f32, NeuronPpo<'_>, Vec<TransferPoint>)> = None;
    let mut used = 0;
    let mut run = |ppo: &mut NeuronPpo<'_>, curve: &mut Vec<TransferPoint>, until: usize| {
        while curve.len() < until {
            let progress = curve.len() as f32 / updates as f32;
            let update = ppo.update(&mut list, progress).map_err(failed)?;
            used += ppo_config.evaluations() as u64;
            curve.push(TransferPoint { evaluations: used, update });
            observer.advanced(1.0 / config.updates() as f64);
        }
        Ok::<_, RunError>(())
    };
    for (start, heap) in (0u64..).zip(&mut heaps) {
        let mut ppo = NeuronPpo::new(
            policy,
            ppo_config,
            config.kernel,
            (rows, columns),
            count,
            seed * starts as u64 + start,
            &mut heap.arena(),
        )
        .map_err(failed)?;
        let mut curve = Vec::with_capacity(updates);
        run(&mut ppo, &mut curve, trial)?;
        let rewards: Vec<f32> =
            curve.iter().skip(trial / 2).map(|point| point.update.reward).collect();
        let value = num::mean(&rewards);
        if kept.as_ref().is_none_or(|(held, ..)| value > *held) {
            kept = Some((value, ppo, curve));
        }
    }
    let Some((_, mut ppo, mut curve)) = kept else {
        return Err(RunError::Usage("at least one beginning is needed".into()));
    };
    run(&mut ppo, &mut curve, updates)?;
    Ok(Seed {
        parameters: ppo.parameters().to_vec(),
        curve,
        seconds: started.elapsed().as_secs_f64(),
        contexts: count,
    })
}

fn failed(error: crate::ppo::PpoError) -> RunError {
    RunError::Failed(format!("training the policy: {error}"))
}

/// Some forget and retain samples of a part, drawn without repetition, in the part's order.
fn samples_of(
    part: &Part,
    class: u8,
    (forget, retain): (usize, usize),
    rng: &mut Rng,
) -> Result<Part, RunError> {
    let of = |wanted: bool| -> Vec<usize> {
        let is = |index: &usize| part.labels().get(*index).is_some_and(|&l| (l == class) == wanted);
        (0..part.len()).filter(is).collect()
    };
    let (mut ours, mut others) = (of(true), of(false));
    if ours.is_empty() || others.is_empty() {
        return Err(RunError::Failed(format!(
            "class {class} has no samples in the reward split, or nothing else has"
        )));
    }
    rng.shuffle(&mut ours);
    rng.shuffle(&mut others);
    ours.truncate(forget);
    others.truncate(retain);
    ours.extend(others);
    ours.sort_unstable();
    Ok(part.select(&ours))
}
