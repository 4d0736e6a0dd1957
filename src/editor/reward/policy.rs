//! A policy that was trained on other networks and other classes: it acts at once, without an
//! evaluation; a scale search and a short evolution strategy may follow.

use crate::editor::search::{OnePlusOneEs, SepCmaEs};
use crate::editor::sight::{Length, Policies, REACH, Refine, SCALES, Sight};
use crate::editor::{EditError, Editor, Job, JobShape, Outcome};
use crate::env::Env;
use crate::kernel::{Batch, Kernel};
use crate::num;
use crate::ppo::Side;
use crate::rng::{Purpose, Rng};
use crate::slab::{Arena, Need};
use crate::world::FeatureSet;
use heapless::Vec;

/// `policy`, and its controls.
pub(crate) struct Transferred(pub(crate) Variant);

/// What of the policy is left in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// All of it.
    Whole,
    /// Control: the parameters it had before it was trained.
    Untrained,
    /// Control: every row and column is given the action of another one.
    Shuffled,
    /// All of it, as the start of sep-CMA-ES.
    Warm,
}

/// Step size of the evolution strategy, in units of the action before it is squashed.
const SIGMA: f32 = 0.08;

/// Step size of sep-CMA-ES that starts from the policy's action.
const WARM_SIGMA: f32 = 0.15;

/// Classes that can be forgotten at once.
const MAX_CLASSES: usize = 32;

/// Most features of any set.
const MOST_FEATURES: usize = FeatureSet::All.rows();

const NO_VIEW: EditError =
    EditError::Unfit("it needs a view of the layer, which this job does not give");

/// The buffers.
struct Memory<'m> {
    /// Pre-tanh action in the action's layout.
    point: &'m mut [f32],
    action: &'m mut [f32],
    u: &'m mut [f32],
    v: &'m mut [f32],
    features: &'m mut [f32],
    scratch: &'m mut [f32],
    /// Parameters of an untrained policy.
    drawn: &'m mut [f32],
}

impl Editor for Transferred {
    fn need(&self, shape: &JobShape<'_>) -> Need {
        let n = shape.spec.action.len;
        let parameters = shape.policy.map_or(0, |policy| policy.parameters());
        Need::f32s(
            6 * n
                + Batch::lanes(n).len(MOST_FEATURES)
                + shape.policy.map_or(0, |policy| policy.scratch())
                + parameters,
        )
        .and(OnePlusOneEs::need(n).or(SepCmaEs::need(n)))
    }

    fn edit(&self, job: &mut Job<'_>, arena: &mut Arena<'_>) -> Result<Outcome, EditError> {
        let (n, settings, seed) = (job.spec().action.len, job.settings(), job.seed());
        let policies = job.sight().and_then(|sight| sight.policies).ok_or(NO_VIEW)?;
        let refine = settings.refine.unwrap_or(Refine::default_of(policies.kind));
        let length = match self.0 {
            Variant::Warm => Length::Predicted,
            _ => settings.length.unwrap_or(Length::default_of(refine)),
        };
        let chosen = settings.policy_seed;
        if chosen.is_some_and(|chosen| chosen >= policies.seeds()) {
            return Err(EditError::Unfit("--policy-seed: the policy file does not hold that many"));
        }
        let (rows, columns) = {
            let sight = job.sight().ok_or(NO_VIEW)?;
            match (sight.columns, sight.neurons.first()) {
                (Some(columns), _) => (columns.outputs(), columns.inputs()),
                (None, Some(first)) => (first.outputs(), first.inputs()),
                (None, None) => return Err(NO_VIEW),
            }
        };
        let classes = n / (rows + columns).max(1);
        let policy = policies.policy();
        let mut memory = Memory {
            point: arena.take(n)?,
            action: arena.take(n)?,
            u: arena.take(rows)?,
            v: arena.take(columns)?,
            features: arena.take(Batch::lanes(rows).len(policy.row_features))?,
            scratch: arena.take(policy.scratch())?,
            drawn: arena.take(policy.parameters())?,
        };
        let (best, zero_shot) = (arena.take(n)?, arena.take(n)?);
        // With no evaluation one policy acts; otherwise each has its scales.
        let seeds = match (chosen, refine) {
            (Some(chosen), _) => chosen..chosen + 1,
            (None, Refine::None) => 0..1,
            (None, _) => 0..policies.seeds(),
        };
        let shape = Layout { rows, columns, classes };
        let mut found: Option<(f32, Vec<f32, MAX_CLASSES>)> = None;
        let mut warm: Option<Vec<f32, MAX_CLASSES>> = None;
        for policy_seed in seeds.clone() {
            let sight = job.sight().ok_or(NO_VIEW)?;
            let steps = self.aim(
                sight,
                settings.kernel,
                &policies,
                policy_seed,
                seed,
                length,
                &shape,
                &mut memory,
            )?;
            shape.act(memory.point, &steps, 1.0, memory.action);
            if policy_seed == seeds.start {
                zero_shot.copy_from_slice(memory.action);
            }
            if self.0 == Variant::Warm && warm.is_none() {
                best.copy_from_slice(memory.point);
                warm = Some(steps);
                continue;
            }
            if refine == Refine::None || self.0 == Variant::Warm {
                continue;
            }
            for scale in SCALES {
                if job.remaining() == 0 {
                    break;
                }
                shape.act(memory.point, &steps, scale, memory.action);
                let value = job.try_actions(memory.action)?;
                if found.as_ref().is_none_or(|(held, _)| value > *held) {
                    best.copy_from_slice(memory.point);
                    let steps = steps.iter().map(|step| step * scale).collect();
                    found = Some((value, steps));
                }
            }
        }
        job.set_policy(zero_shot);
        if self.0 == Variant::Warm {
            let steps = warm.unwrap_or_default();
            let mut rng = Rng::new(seed, Purpose::Search);
            let mut search = SepCmaEs::new(arena, best, WARM_SIGMA)?;
            let population = search.population();
            while job.remaining() >= population as u64 {
                search.ask(&mut rng);
                let mut values: Vec<f32, 64> = Vec::new();
                for index in 0..population {
                    shape.act(search.candidate(index), &steps, 1.0, memory.action);
                    let _ = values.push(job.try_actions(memory.action)?);
                }
                search.tell(&values);
            }
            return Ok(if job.best().is_some() { Outcome::Actions } else { Outcome::Policy });
        }
        let Some((value, steps)) = found else { return Ok(Outcome::Policy) };
        if refine == Refine::Es {
            let mut rng = Rng::new(seed, Purpose::Search);
            let mut search = OnePlusOneEs::starting_at(best, value, SIGMA, arena)?;
            while job.remaining() > 0 {
                search.ask(&mut rng);
                shape.act(search.candidate(), &steps, 1.0, memory.action);
                let value = job.try_actions(memory.action)?;
                search.tell(value);
            }
        }
        Ok(Outcome::Actions)
    }
}

/// How the rank-1 edits of several classes lie in one action.
struct Layout {
    rows: usize,
    columns: usize,
    classes: usize,
}

impl Layout {
    fn put(&self, class: usize, u: &[f32], v: &[f32], point: &mut [f32]) {
        let (of_u, of_v) = point.split_at_mut(self.rows * self.classes);
        let own = of_u.get_mut(class * self.rows..(class + 1) * self.rows).unwrap_or_default();
        own.copy_from_slice(u);
        for (to, &value) in of_v.iter_mut().skip(class).step_by(self.classes.max(1)).zip(v) {
            *to = value;
        }
    }

    /// The action of a pre-tanh point, each class with its own step times `scale`.
    fn act(&self, point: &[f32], steps: &[f32], scale: f32, action: &mut [f32]) {
        for (index, (to, &value)) in action.iter_mut().zip(point).enumerate() {
            let squashed = num::tanh(value);
            let class = index / self.rows.max(1);
            *to = match steps.get(class) {
                Some(step) if index < self.rows * self.classes => squashed * (step * scale / REACH),
                _ => squashed,
            };
        }
    }
}

impl Transferred {
    /// The policy's action for every class, before tanh, and the factors of its step.
    #[allow(clippy::too_many_arguments)]
    fn aim(
        &self,
        sight: &mut Sight<'_>,
        own: Kernel,
        policies: &Policies<'_>,
        policy_seed: usize,
        seed: u64,
        length: Length,
        shape: &Layout,
        memory: &mut Memory<'_>,
    ) -> Result<Vec<f32, MAX_CLASSES>, EditError> {
        let Memory { point, u, v, features, scratch, drawn, .. } = memory;
        let policy = policies.policy();
        let trained = policies.parameters(policy_seed).ok_or(NO_VIEW)?;
        let parameters = match self.0 {
            Variant::Untrained => {
                policy.initialise(-1.0, policy_seed as u64, drawn)?;
                &**drawn
            }
            _ => trained,
        };
        let mut rng = Rng::new(seed, Purpose::Probe);
        let mut steps = Vec::new();
        if let Some(columns) = sight.columns {
            if policies.features != FeatureSet::Words {
                return Err(EditError::Unfit("the policy was trained on other features"));
            }
            let (side, seen) = (Side::Columns, columns.features());
            policy.means(own, parameters, side, shape.columns, seen, scratch, v)?;
            features.fill(1.0);
            policy.means(own, parameters, Side::Rows, shape.rows, features, scratch, u)?;
            if self.0 == Variant::Shuffled {
                rng.shuffle(v);
            }
            shape.put(0, u, v, point);
            // The policy knows the size of its step: it was paid for small ones.
            steps.push(1.0).map_err(|_| NO_VIEW)?;
            return Ok(steps);
        }
        for (class, neurons) in sight.neurons.iter_mut().enumerate() {
            if neurons.request().features != policies.features {
                return Err(EditError::Unfit("the policy was trained on other features"));
            }
            if neurons.outputs() != shape.rows || neurons.inputs() != shape.columns {
                return Err(NO_VIEW);
            }
            let kernel = neurons.kernel();
            let columns = neurons.column_features();
            let side = Side::Columns;
            policy.means(kernel, parameters, side, shape.columns, columns, scratch, v)?;
            if self.0 == Variant::Shuffled {
                rng.shuffle(v);
            }
            shape.put(class, u, v, point);
            v.iter_mut().for_each(|value| *value = num::tanh(*value));
            neurons.row_features(v, features)?;
            policy.means(kernel, parameters, Side::Rows, shape.rows, features, scratch, u)?;
            if self.0 == Variant::Shuffled {
                rng.shuffle(u);
            }
            let own = class * shape.rows..(class + 1) * shape.rows;
            point.get_mut(own).unwrap_or_default().copy_from_slice(u);
            u.iter_mut().for_each(|value| *value = num::tanh(*value));
            let step = match length {
                Length::Settled => neurons.settle(sight.step, u, v)?,
                Length::Predicted => neurons.calibration(sight.step, u, v),
            };
            steps.push(step).map_err(|_| EditError::Unfit("too many classes at once"))?;
        }
        Ok(steps)
    }
}
