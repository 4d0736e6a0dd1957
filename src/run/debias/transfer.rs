//! Policies that repair a deployed classifier, trained with the bias planted on other words.

use super::compact::Compact;
use super::config::{DebiasConfig, DebiasTarget};
use super::judge::Court;
use super::material::{Material, TextPart};
use super::measure::{membership, scores};
use super::net::Net;
use super::target::TextTarget;
use crate::data::text::identity_reward_templates;
use crate::kernel::Kernel;
use crate::metric::bias::{Rates, rates};
use crate::num::{self, Digest};
use crate::ppo::{Context, NeuronConfig, NeuronPolicy, NeuronPpo};
use crate::rng::{Purpose, Rng};
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::policy::TrainedPolicy;
use crate::run::pool;
use crate::run::transfer::{Transfer, TransferPoint};
use crate::slab::Heap;
use crate::task::DebiasingConfig;
use crate::world::{
    COLUMN_FEATURES, ColumnContext, ColumnRequest, Columns, Config, FeatureSet, Observation, World,
    WorldKind,
};
use std::time::Instant;

/// How policies for a classifier of texts are trained.
#[derive(Clone, Debug, PartialEq)]
pub struct DebiasTransferConfig {
    /// The world.
    pub world: WorldKind,
    /// Evaluations of each policy seed.
    pub budget: u64,
    /// Networks to train on: each has the bias on other words.
    pub networks: usize,
    /// Number of policies.
    pub seeds: u64,
    /// First seed.
    pub seed: u64,
    /// Hidden units of each network of a policy.
    pub hidden: usize,
    /// Hyper-parameters.
    pub ppo: NeuronConfig,
    /// Threads. Changes no figure.
    pub threads: usize,
    /// Kernels. Changes no figure.
    pub kernel: Kernel,
}

impl DebiasTransferConfig {
    /// The defaults of a world.
    pub fn new(world: WorldKind) -> Self {
        Self {
            world,
            budget: 5_120,
            networks: 12,
            seeds: 3,
            seed: 0,
            hidden: 8,
            ppo: NeuronConfig { contexts: 4, ..NeuronConfig::default() },
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: Kernel::auto(),
        }
    }

    /// Number of updates that the budget pays for.
    pub fn updates(&self) -> usize {
        usize::try_from(self.budget).unwrap_or(usize::MAX) / self.ppo.evaluations().max(1)
    }

    /// The command that trains them again.
    pub fn command(&self) -> String {
        format!(
            "transfer train --target profanity --world {} --networks {} --budget {} --policy-seeds {} \
             --seed {}",
            self.world.name(),
            self.networks,
            self.budget,
            self.seeds,
            self.seed
        )
    }

    fn world(&self) -> Config {
        let target = DebiasTarget::Profanity;
        let debias = DebiasConfig { target, lambda: Some(0.5), ..DebiasConfig::default() };
        Config { observation: Observation::Raw, ..debias.world(self.world) }
    }

    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        let usage = |message: String| Err(RunError::Usage(message));
        if self.networks == 0 || self.seeds == 0 {
            return usage("at least one network and one policy seed are needed".into());
        }
        if self.updates() == 0 {
            return usage(format!(
                "--budget {}: one update takes {} evaluations",
                self.budget,
                self.ppo.evaluations()
            ));
        }
        Ok(())
    }
}

/// Words of the deployed classifier lose most of their weight in networks to train on.
const HEALED: f32 = 0.3;

/// A planted word has the weights of a biased one times a factor of this range.
const PLANTED: (f32, f32) = (0.8, 1.2);

/// Templates per term and without one, of a network to train on.
const TEMPLATES: (usize, usize) = (40, 400);

/// Reward splits that the networks share.
const DRAWS: usize = 2;

/// A term is biased when more than this share of its harmless sentences is called toxic.
const BIASED: f64 = 0.3;

/// Trains the policies on networks that were healed, and had the bias planted on other words.
///
/// # Errors
/// [`RunError`].
pub fn train_debias(
    config: &DebiasTransferConfig,
    observer: &dyn Observer,
) -> Result<Transfer, RunError> {
    config.validate()?;
    let original = TextTarget::profanity()?;
    let started = Instant::now();
    let networks = planted(config, &original)?;
    let network_seconds = started.elapsed().as_secs_f64();
    let seeds: Vec<u64> = (config.seed..config.seed + config.seeds).collect();
    observer.phase("training the policies", seeds.len());
    let trained = pool::map(&seeds, config.threads, |&seed| {
        let trained = train_policy(config, &networks, seed, observer);
        observer.finished(&format!("policy {seed}"));
        trained
    })?;
    let mut digest = Digest::new();
    for (target, _) in &networks {
        digest.values(&target.parameters);
    }
    let last = |curve: &[TransferPoint]| {
        let tail = curve.len().saturating_sub(20);
        let rewards: Vec<f32> = curve.iter().skip(tail).map(|point| point.update.reward).collect();
        num::mean(&rewards)
    };
    let rewards: Vec<f32> = trained.iter().map(|(_, curve, _)| last(curve)).collect();
    let policy = TrainedPolicy {
        name: format!("debias-{}", config.world.name()),
        kind: config.world,
        features: FeatureSet::Words,
        hidden: config.hidden,
        step: config.world().step,
        parameters: trained.iter().flat_map(|(parameters, ..)| parameters.clone()).collect(),
        trained: config.command(),
        evaluations: (config.updates() * config.ppo.evaluations()) as u64,
        reward: num::mean(&rewards),
        networks: digest.finish(),
    };
    let seconds = trained.iter().map(|(.., seconds)| *seconds).collect();
    let curves = trained.into_iter().map(|(_, curve, _)| curve).collect();
    let contexts = networks.len();
    Ok(Transfer {
        policy,
        curves,
        seconds,
        network_seconds,
        networks: Vec::new(),
        contexts,
        practised: format!("to repair {contexts} classifiers with the bias on other words"),
        first_seed: config.seed,
    })
}

/// Networks to train on, each with the number of its reward split.
fn planted(
    config: &DebiasTransferConfig,
    original: &TextTarget,
) -> Result<Vec<(TextTarget, Material)>, RunError> {
    let (per_term, without) = TEMPLATES;
    // Reward splits that no command that edits draws.
    let draws: Vec<Material> = (0..DRAWS)
        .map(|draw| {
            let comments = identity_reward_templates(DRAW_SEED + draw as u64, per_term, without);
            let mut material = Material::of_templates(original, 0);
            material.reward = TextPart::new(comments, &original.language);
            material
        })
        .collect();
    let Some(first) = draws.first() else { return Ok(Vec::new()) };
    let readout = original.language.readout();
    let comments = &first.reward.comments;
    let known = scores(config.kernel, Net::of(original), &readout, &first.reward.bag)?;
    let mut of_terms = vec![Rates::default(); comments.groups.len() + 1];
    rates(&known, readout.score_of(0.5), &comments.labels, membership(comments), &mut of_terms)?;
    let column = |term: &String| original.language.vocabulary.find(term).map(|at| at as usize);
    let (mut biased, mut healthy) = (Vec::new(), Vec::new());
    for (term, rates) in comments.groups.iter().zip(of_terms.iter().skip(1)) {
        let Some(column) = column(term) else { continue };
        let list = if rates.fpr() > Some(BIASED) { &mut biased } else { &mut healthy };
        list.push(column);
    }
    if biased.is_empty() || healthy.len() < biased.len() {
        return Err(RunError::Failed("no word is biased, or all of them are".into()));
    }
    let outputs = original.stack.outputs();
    let mut rng = Rng::new(config.seed, Purpose::Data);
    let mut networks = Vec::new();
    for index in 0..config.networks {
        let mut parameters = original.parameters.clone();
        let row = |column: usize| column * outputs..(column + 1) * outputs;
        rng.shuffle(&mut healthy);
        for (&from, &to) in biased.iter().zip(&healthy) {
            let factor = rng.uniform(PLANTED.0, PLANTED.1);
            let weights: Vec<f32> = original.parameters.get(row(from)).unwrap_or_default().to_vec();
            for (to, &weight) in
                parameters.get_mut(row(to)).unwrap_or_default().iter_mut().zip(&weights)
            {
                *to = factor * weight;
            }
            for weight in parameters.get_mut(row(from)).unwrap_or_default() {
                *weight *= HEALED;
            }
        }
        let target = TextTarget { parameters, seed: index as u64, ..original.clone() };
        let material = draws.get(index % DRAWS).cloned().unwrap_or_else(|| first.clone());
        networks.push((target, material));
    }
    Ok(networks)
}

/// Seeds of reward splits to train on begin here.
const DRAW_SEED: u64 = 1_000_000;

type Trained = (Vec<f32>, Vec<TransferPoint>, f64);

fn train_policy(
    config: &DebiasTransferConfig,
    networks: &[(TextTarget, Material)],
    seed: u64,
    observer: &dyn Observer,
) -> Result<Trained, RunError> {
    let started = Instant::now();
    let (world, kernel) = (config.world(), config.kernel);
    let courts: Vec<Court> =
        networks.iter().map(|(_, material)| Court::new(material, Vec::new())).collect();
    let mut owned = Vec::new();
    for ((target, _), court) in networks.iter().zip(&courts) {
        let compact = Compact::new(kernel, &target.stack, &target.parameters, &court.bag, None)?;
        let (need, wide) = court.need();
        let samples = court.labels.len();
        let memory = (
            Heap::new(need),
            vec![0u64; wide],
            Heap::new(World::sparse_need(&world, &compact.stack, 0, samples)),
            Heap::new(Columns::need(compact.stack.inputs())),
            compact.parameters.clone(),
        );
        owned.push((compact, memory));
    }
    let (compacts, mut memories): (Vec<Compact>, Vec<_>) = owned.into_iter().unzip();
    let mut tasks = Vec::new();
    let mut rest = Vec::new();
    for (((target, _), court), memory) in networks.iter().zip(&courts).zip(&mut memories) {
        let (task_heap, wide, world_heap, column_heap, parameters) = memory;
        tasks.push(court.task(DebiasingConfig::default(), target, task_heap, wide)?);
        rest.push((world_heap, column_heap, parameters));
    }
    let mut contexts = Vec::new();
    let made = networks.iter().zip(&courts).zip(&compacts).zip(&mut tasks).zip(rest);
    for (((((target, material), court), compact), task), memory) in made {
        let (world_heap, column_heap, parameters) = memory;
        let readout = target.language.readout();
        let all = scores(kernel, Net::of(target), &readout, &court.bag)?;
        let request = ColumnRequest {
            bag: compact.bag()?,
            labels: &court.labels,
            members: &material.reward.comments.members,
            scores: &all,
            threshold: 0.5,
            weights: compact
                .parameters
                .get(..compact.stack.inputs() * compact.stack.outputs())
                .unwrap_or_default(),
            outputs: compact.stack.outputs(),
        };
        let columns = Columns::new(&request, &mut column_heap.arena())
            .map_err(|error| RunError::Failed(error.to_string()))?;
        let samples = compact.samples(&court.labels)?;
        let mut arena = world_heap.arena();
        let stack = &compact.stack;
        let world = World::sparse(world, kernel, stack, parameters, 0, samples, task, &mut arena)?;
        contexts.push(ColumnContext { world, columns });
    }
    let rows = contexts.iter().map(Context::rows).max().unwrap_or(0);
    let columns = contexts.iter().map(Context::columns).max().unwrap_or(0);
    let policy = NeuronPolicy {
        row_features: 1,
        column_features: COLUMN_FEATURES,
        hidden: config.hidden,
        rank: 1,
    };
    let count = contexts.len();
    let ppo_config = NeuronConfig { contexts: config.ppo.contexts.min(count), ..config.ppo };
    let mut list: Vec<&mut dyn Context> =
        contexts.iter_mut().map(|context| context as &mut dyn Context).collect();
    let mut heap = Heap::new(NeuronPpo::need(&policy, &ppo_config, (rows, columns), count));
    let failed = |error| RunError::Failed(format!("training the policy: {error}"));
    let mut ppo =
        NeuronPpo::new(policy, ppo_config, kernel, (rows, columns), count, seed, &mut heap.arena())
            .map_err(failed)?;
    let updates = config.updates();
    let mut curve = Vec::with_capacity(updates);
    for step in 0..updates {
        let update = ppo.update(&mut list, step as f32 / updates as f32).map_err(failed)?;
        let evaluations = ((step + 1) * ppo_config.evaluations()) as u64;
        curve.push(TransferPoint { evaluations, update });
        observer.advanced(1.0 / updates as f64);
    }
    Ok((ppo.parameters().to_vec(), curve, started.elapsed().as_secs_f64()))
}
