//! The command `transfer apply`: a trained policy on networks and classes that it never saw, beside its
//! controls.
//!
//! What lies before the edited layer is run once per network, so an edit costs what its own layer and
//! the rest of the network cost.

use super::config::UnlearnConfig;
use super::error::RunError;
use super::layers::editable_layer;
use super::loaded;
use super::measure::Gauge;
use super::observer::Observer;
use super::policy::{TrainedPolicy, policy_notes};
use super::pool;
use super::prepare::Prepared;
use super::record::{DataRecord, Results, RunRecord, SCHEMA, TargetRecord};
use super::target::{Target, network_digest, train_target};
use super::unit::Unit;
use super::unlearn::{Artifact, targets};
use crate::editor::{EditorInfo, Length, Refine, Settings, View, find};
use crate::nn::Kind;
use crate::task::{ClassSet, RewardKind, Unlearning};
use crate::world::WorldKind;

/// What is edited, by what.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyConfig {
    /// Targets, layer, policy, step, λ, first seed and number of seeds; its first world counts, its
    /// classes and editors do not.
    pub base: UnlearnConfig,
    /// What is forgotten.
    pub edits: Edits,
    /// Policies of the file that act alone, one after the other; empty for the file's default.
    pub policy_seeds: Vec<usize>,
    /// Whether the controls are run as well.
    pub controls: bool,
}

/// What is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edits {
    /// Each of these sets by an edit of its own on the original network.
    Each(Vec<Vec<u8>>),
    /// One set after the other, on the network that the last edit left.
    Sequence(Vec<Vec<u8>>),
}

impl Edits {
    fn sets(&self) -> &[Vec<u8>] {
        match self {
            Self::Each(sets) | Self::Sequence(sets) => sets,
        }
    }
}

/// One edit and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedRow {
    /// Who edited: an editor's name, with `@budget` where it runs with several.
    pub editor: String,
    /// Seed of the target.
    pub seed: u64,
    /// The policy that acted alone, if one did.
    pub policy_seed: Option<usize>,
    /// Step of a sequence, from 0.
    pub step: usize,
    /// All classes that are to be forgotten by now.
    pub forget: Vec<u8>,
    /// Evaluations of this edit.
    pub evaluations: u64,
    /// Retain and forget accuracy on the test split before any edit.
    pub before: [f32; 2],
    /// The same after the edit.
    pub after: [f32; 2],
    /// Accuracy on each class that is to be forgotten.
    pub each: Vec<f32>,
    /// Reward on the test split.
    pub test_reward: f32,
    /// Seconds of the edit, what it looks at included.
    pub seconds: f64,
}

impl AppliedRow {
    /// Whether forget accuracy is at most 1 % and retain accuracy at most one point below the original.
    pub fn hit(&self) -> bool {
        let [retain, forget] = self.after;
        // Accuracies are ratios of small whole numbers: half of a ten-thousandth is below any of them.
        forget <= 0.01005 && retain >= self.before[0] - 0.01005
    }
}

/// What `transfer apply` returns.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The records, for files.
    pub results: Results,
    /// The same with what the report is about.
    pub rows: Vec<AppliedRow>,
    /// The policy.
    pub policy: TrainedPolicy,
    /// The targets.
    pub targets: Vec<Target>,
    /// The edited networks, one per row; those of references have no world.
    pub artifacts: Vec<Artifact>,
    /// Passes of the rest of the network over probe samples, per edit.
    pub probe_passes: usize,
}

/// An editor with a budget and settings of its own.
#[derive(Clone)]
struct Entry {
    label: String,
    editor: &'static EditorInfo,
    budget: u64,
    policy_seed: Option<usize>,
    settings: Settings,
}

/// Budgets at which cold search is shown.
const COLD: [u64; 3] = [50, 500, 2_000];

impl ApplyConfig {
    fn kind(&self) -> WorldKind {
        self.base.worlds.first().copied().unwrap_or(WorldKind::Shift)
    }

    fn refine(&self) -> Refine {
        self.base.refine.unwrap_or(Refine::default_of(self.kind()))
    }

    /// An edit that others follow has to hold through them: the predicted length leaves more margin.
    fn length(&self, refine: Refine) -> Length {
        self.base.length.unwrap_or(match self.edits {
            Edits::Sequence(_) => Length::Predicted,
            Edits::Each(_) => Length::default_of(refine),
        })
    }

    fn budget(&self) -> u64 {
        let seeds = if self.policy_seeds.is_empty() { 3 } else { 1 };
        match self.refine() {
            Refine::None => 0,
            Refine::Scale => self.base.budget.unwrap_or(10 * seeds),
            Refine::Es => self.base.budget.unwrap_or(60),
        }
    }

    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        let usage = |message: &str| Err(RunError::Usage(message.into()));
        if self.base.budget == Some(0) && self.refine() != Refine::None {
            return usage("--budget is 0: --refine none takes no evaluation");
        }
        let sets = self.edits.sets();
        if sets.is_empty() || sets.iter().any(Vec::is_empty) {
            return usage("at least one class to forget is needed");
        }
        let mut seen = ClassSet::EMPTY;
        for &class in sets.iter().flatten() {
            if seen.contains(class) {
                return usage("a class is named twice");
            }
            seen = seen.with(class);
        }
        self.base.validate()
    }

    /// A run of `editor`; `None` without such an editor.
    fn entry(
        &self,
        label: &str,
        editor: &str,
        refine: Refine,
        budget: u64,
        policy_seed: Option<usize>,
    ) -> Result<Option<Entry>, RunError> {
        let settings = Settings {
            refine: Some(refine),
            length: Some(self.length(refine)),
            policy_seed,
            kernel: self.base.kernel,
            ..Settings::default()
        };
        let label = label.to_string();
        Ok(find(editor).map(|editor| Entry { label, editor, budget, policy_seed, settings }))
    }

    fn entries(&self) -> Result<Vec<Entry>, RunError> {
        let (refine, budget) = (self.refine(), self.budget());
        let seeds: Vec<Option<usize>> = match self.policy_seeds.as_slice() {
            [] => vec![None],
            seeds => seeds.iter().copied().map(Some).collect(),
        };
        let mut entries = Vec::new();
        for &seed in &seeds {
            entries.extend(self.entry("policy", "policy", refine, budget, seed)?);
        }
        if self.controls {
            // Controls get the ten scales that the policy may not even have needed.
            for control in ["policy-untrained", "policy-shuffled"] {
                for &seed in &seeds {
                    let seed = seed.or(Some(0));
                    entries.extend(self.entry(control, control, Refine::Scale, 10, seed)?);
                }
            }
            for name in ["projection", "lda", "activation"] {
                entries.extend(self.entry(name, name, Refine::Scale, 10, None)?);
            }
            for budget in COLD {
                let label = format!("sep-cma-es@{budget}");
                entries.extend(self.entry(&label, "sep-cma-es", refine, budget, None)?);
            }
            let label = "sep-cma-es-warm@50";
            entries.extend(self.entry(label, "sep-cma-es-warm", refine, 50, None)?);
        }
        Ok(entries)
    }
}

/// A target from the edited layer on.
struct Tail {
    whole: Target,
    tail: Target,
    data: Prepared,
    start: usize,
}

/// One chain of edits: one entry on one target.
struct Chain<'a> {
    entry: &'a Entry,
    tail: &'a Tail,
    sets: Vec<Vec<u8>>,
}

struct Edited {
    row: AppliedRow,
    record: RunRecord,
    artifact: Artifact,
}

/// Runs `transfer apply` on `data`. `cached` holds targets that need not be trained again.
///
/// # Errors
/// [`RunError`]: as [`unlearn`](super::unlearn()), and a policy that does not fit the world.
pub fn apply_transfer(
    config: &ApplyConfig,
    data: &Prepared,
    cached: &dyn Fn(u64) -> Option<Target>,
    observer: &dyn Observer,
) -> Result<Applied, RunError> {
    config.validate()?;
    let kind = config.kind();
    let policy = config.base.policy_of(kind)?;
    let seeds = policy.policies()?.seeds();
    if let Some(seed) = config.policy_seeds.iter().find(|&&seed| seed >= seeds) {
        return Err(RunError::Failed(format!(
            "--policy-seed {seed}: {} holds the policies 0 to {}",
            policy.name,
            seeds - 1
        )));
    }
    let every = ClassSet::of(&config.edits.sets().concat());
    for class in every.iter() {
        if usize::from(class) >= data.classes {
            return Err(RunError::Failed(format!(
                "--forget {class}: {} has the classes 0 to {}",
                data.name,
                data.classes.saturating_sub(1)
            )));
        }
    }
    let together = match &config.edits {
        Edits::Each(sets) => sets.iter().map(Vec::len).max().unwrap_or(0),
        Edits::Sequence(_) => every.len(),
    };
    if together >= data.classes {
        return Err(RunError::Failed("every class is named: nothing is left".into()));
    }
    let targets = targets(&config.base, data, cached, observer)?;
    let mut notes = Vec::new();
    let mut tails = Vec::new();
    for target in &targets {
        let layer = editable_layer(&target.stack, config.base.layer_name())?;
        // A loaded target is the same for every seed.
        if let (Some(_), Some(first)) = (&config.base.model, tails.first()) {
            let first: &Tail = first;
            tails.push(Tail {
                whole: target.clone(),
                tail: Target { seed: target.seed, ..first.tail.clone() },
                data: first.data.clone(),
                start: first.start,
            });
            continue;
        }
        let (tail, start) = target.tail_from(layer)?;
        let data = data.before(config.base.kernel, target, layer)?;
        tails.push(Tail { whole: target.clone(), tail, data, start });
    }
    if let (Some(model), Some(tail)) = (&config.base.model, tails.first()) {
        notes = loaded::notes(model, &data.digest);
        let task = Unlearning::new(every, RewardKind::Probability, labels(&tail.data));
        let accuracy = gauge(config, tail, task).test(&tail.tail.parameters)?.all();
        if let Some(warning) =
            loaded::near_chance(&model.name, accuracy.into(), model.stack.outputs())
        {
            observer.warning(&warning);
            notes.push(format!("Before any edit {warning}"));
        }
    }
    let entries = config.entries()?;
    let mut chains = Vec::new();
    for entry in &entries {
        for tail in &tails {
            match &config.edits {
                Edits::Sequence(sets) => chains.push(Chain { entry, tail, sets: sets.clone() }),
                Edits::Each(sets) => chains.extend(sets.iter().map(|set| Chain {
                    entry,
                    tail,
                    sets: vec![set.clone()],
                })),
            }
        }
    }
    observer.phase("editing", chains.len());
    let done = pool::map(&chains, config.base.threads, |chain| {
        let done = run_chain(config, &policy, chain, observer);
        observer.finished(&format!("{} on target {}", chain.entry.label, chain.tail.tail.seed));
        done
    })?;
    let mut all: Vec<Edited> = done.into_iter().flatten().collect();
    all.extend(references(config, data, &tails, observer)?);
    let edited = tails.first().and_then(|tail| tail.tail.stack.layers().first());
    let edited = edited.map(|layer| layer.kind());
    let probe_passes = edited.and_then(Kind::matrix).map_or(0, |(_, rows)| rows);
    if let Some(edited) = edited {
        notes.extend(policy_notes(&policy, edited, config.length(config.refine())));
    }
    let mut applied = Applied {
        results: Results {
            schema: SCHEMA,
            command: "transfer apply".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            config: config.record(&policy),
            data: DataRecord {
                name: data.name.clone(),
                train: data.train.len(),
                reward: data.reward.len(),
                test: data.test.len(),
                digest: data.digest.clone(),
            },
            runs: Vec::new(),
            summary: Vec::new(),
            notes,
        },
        rows: Vec::new(),
        policy,
        targets,
        artifacts: Vec::new(),
        probe_passes: probe_passes * every.len().min(together.max(1)),
    };
    for Edited { row, record, artifact } in all {
        observer.recorded(&record);
        applied.rows.push(row);
        applied.results.runs.push(record);
        applied.artifacts.push(artifact);
    }
    Ok(applied)
}

fn labels(data: &Prepared) -> [&[u8]; 3] {
    [&[], data.reward.labels(), data.test.labels()]
}

fn gauge<'t>(config: &ApplyConfig, tail: &'t Tail, task: Unlearning<'t>) -> Gauge<'t> {
    Gauge {
        kernel: config.base.kernel,
        stack: &tail.tail.stack,
        data: &tail.data,
        task,
        lambda: config.base.lambda,
    }
}

fn run_chain(
    config: &ApplyConfig,
    policy: &TrainedPolicy,
    chain: &Chain<'_>,
    observer: &dyn Observer,
) -> Result<Vec<Edited>, RunError> {
    let (entry, tail) = (chain.entry, chain.tail);
    let sees = entry.editor.view != View::None;
    let mut current = tail.tail.clone();
    let mut gone = ClassSet::EMPTY;
    let mut edited = Vec::new();
    for (step, set) in chain.sets.iter().enumerate() {
        let forget = ClassSet::of(set);
        let base = UnlearnConfig { forget: set.clone(), ..config.base.clone() };
        let kind = config.kind();
        let world = if sees {
            base.world_of_view(kind)
        } else {
            let mut world = base.world(kind);
            world.rank = set.len();
            world.step *= set.len() as f32;
            world
        };
        let kind_of_reward = RewardKind::Probability;
        let task = Unlearning::new(forget, kind_of_reward, labels(&tail.data)).after(gone);
        let unit = Unit {
            kernel: base.kernel,
            data: &tail.data,
            task,
            target: &current,
            training: None,
            layers: &[0],
            world,
            settings: &entry.settings,
            editor: entry.editor,
            budget: entry.budget,
            target_value: super::config::TARGET_VALUE,
            view: sees.then(|| {
                let needs = entry.editor.view == View::Policy;
                (base.step_of_view(kind), needs.then_some(policy))
            }),
            then_mask: false,
            erasure: None,
        };
        let found = unit.run(observer)?;
        let all: Vec<u8> = gone.iter().chain(forget.iter()).collect();
        let after = found.parameters.clone();
        let mut made = measured(config, tail, entry, step, &all, &after)?;
        made.row.evaluations = found.evaluations;
        made.row.seconds = found.seconds;
        made.record.evaluations = found.evaluations;
        made.record.seconds = found.seconds;
        made.record.evaluations_to_target = found.evaluations_to_target;
        made.record.peak_bytes = Some(found.peak_bytes);
        made.record.policy = found.policy.filter(|_| gone.is_empty());
        made.record.edit_norm = Some(found.edit_norm);
        made.record.digest = format!("{:016x}", found.digest);
        made.record.curve = found.curve;
        made.artifact.world = Some(world);
        // An edit file belongs to the original network: later steps of a sequence have none.
        made.artifact.actions = found.actions.filter(|_| step == 0);
        edited.push(made);
        current.parameters = after;
        gone = forget.iter().fold(gone, ClassSet::with);
    }
    Ok(edited)
}

/// Figures of a network that should have forgotten `forget`, beside those of the original.
fn measured(
    config: &ApplyConfig,
    tail: &Tail,
    entry: &Entry,
    step: usize,
    forget: &[u8],
    parameters: &[f32],
) -> Result<Edited, RunError> {
    let set = ClassSet::of(forget);
    let task = Unlearning::new(set, RewardKind::Probability, labels(&tail.data));
    let gauge_all = gauge(config, tail, task);
    let (before, after) =
        (gauge_all.figures(&tail.tail.parameters)?, gauge_all.figures(parameters)?);
    let mut each = Vec::new();
    for &class in forget {
        let only = ClassSet::of(&[class]);
        let task = Unlearning::new(only, RewardKind::Probability, labels(&tail.data));
        each.push(gauge(config, tail, task).test(parameters)?.forget());
    }
    let mut whole = tail.whole.parameters.clone();
    whole.truncate(tail.start);
    whole.extend_from_slice(parameters);
    let layer = tail.tail.stack.layers().first();
    let (cols, rows) = layer.and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0));
    let index = editable_layer(&tail.whole.stack, config.base.layer_name())?;
    let seed = tail.tail.seed;
    Ok(Edited {
        row: AppliedRow {
            editor: entry.label.clone(),
            seed,
            policy_seed: entry.policy_seed,
            step,
            forget: forget.to_vec(),
            evaluations: 0,
            before: [before.retain_test, before.forget_test],
            after: [after.retain_test, after.forget_test],
            each,
            test_reward: gauge_all.test_reward(parameters)?,
            seconds: 0.0,
        },
        record: RunRecord {
            target: TargetRecord {
                name: tail.whole.name.clone(),
                layer: layer.map_or(String::new(), |layer| layer.name().to_string()),
                rows,
                cols,
                test_accuracy: gauge_all.test(&tail.tail.parameters)?.all(),
                digest: network_digest(&tail.whole.parameters),
            },
            editor: entry.label.clone(),
            kind: entry.editor.kind.name().into(),
            world: Some(config.kind().name().into()),
            seed,
            forget: forget.iter().map(|&class| u32::from(class)).collect(),
            budget: entry.budget,
            before,
            after,
            digest: network_digest(&whole),
            note: entry.policy_seed.map(|seed| format!("policy {seed} alone")),
            ..RunRecord::default()
        },
        artifact: Artifact {
            editor: entry.label.clone(),
            world: None,
            seed,
            layers: vec![index],
            masked: Vec::new(),
            parameters: whole,
            actions: None,
        },
    })
}

/// Retraining without the forgotten classes, after each step: for several classes at once or in
/// sequence, on targets that are trained here.
fn references(
    config: &ApplyConfig,
    data: &Prepared,
    tails: &[Tail],
    observer: &dyn Observer,
) -> Result<Vec<Edited>, RunError> {
    let sets = config.edits.sets();
    let several = sets.iter().any(|set| set.len() > 1)
        || (matches!(config.edits, Edits::Sequence(_)) && sets.len() > 1);
    let Some(editor) = find("retrain") else { return Ok(Vec::new()) };
    if config.base.model.is_some() || !several {
        return Ok(Vec::new());
    }
    let mut wanted = Vec::new();
    for tail in tails {
        let mut so_far = Vec::new();
        for (step, set) in sets.iter().enumerate() {
            match config.edits {
                Edits::Each(_) => so_far.clone_from(set),
                Edits::Sequence(_) => so_far.extend_from_slice(set),
            }
            wanted.push((tail, step, so_far.clone()));
        }
    }
    let entry = Entry {
        label: "retrain".into(),
        editor,
        budget: 0,
        policy_seed: None,
        settings: Settings::default(),
    };
    observer.phase("retraining without the classes", wanted.len());
    pool::map(&wanted, config.base.threads, |(tail, step, forget)| {
        let (kernel, seed) = (config.base.kernel, tail.tail.seed);
        let without = ClassSet::of(forget);
        let trained = train_target(kernel, &config.base.target, data, without, seed, &mut |_| {})?;
        let layer = editable_layer(&trained.stack, config.base.layer_name())?;
        let (own, start) = trained.tail_from(layer)?;
        let retrained =
            Tail { data: data.before(kernel, &trained, layer)?, whole: trained, tail: own, start };
        let parameters = retrained.tail.parameters.clone();
        let step = match config.edits {
            Edits::Each(_) => 0,
            Edits::Sequence(_) => *step,
        };
        let mut made = measured(config, &retrained, &entry, step, forget, &parameters)?;
        // "Before" is the network that was trained on everything.
        let task = Unlearning::new(without, RewardKind::Probability, labels(&tail.data));
        let before = gauge(config, tail, task).figures(&tail.tail.parameters)?;
        made.row.before = [before.retain_test, before.forget_test];
        made.record.before = before;
        made.record.world = None;
        observer.finished(&format!("target {seed}"));
        Ok(made)
    })
}

impl ApplyConfig {
    fn record(
        &self,
        policy: &TrainedPolicy,
    ) -> std::collections::BTreeMap<String, serde_json::Value> {
        let mut config = self.base.record();
        for unused in ["forget", "editors", "preset", "set"] {
            config.remove(unused);
        }
        let (how, sets) = match &self.edits {
            Edits::Each(sets) => ("each", sets),
            Edits::Sequence(sets) => ("sequence", sets),
        };
        config.insert(how.into(), serde_json::json!(sets));
        config.insert("policy".into(), serde_json::json!(policy.name));
        config.insert("policy_trained".into(), serde_json::json!(policy.trained));
        config.insert("policy_seeds".into(), serde_json::json!(self.policy_seeds));
        config.insert("refine".into(), serde_json::json!(self.refine().name()));
        config.insert("refine_budget".into(), serde_json::json!(self.budget()));
        config
    }
}
