//! `check_env` against one well-behaved environment and one broken environment per rule.

use reweight::env::{
    Edit, Edited, End, Env, EnvError, Space, Spec, Step, Violation, check_env, check_need,
};
use reweight::error::TooSmall;
use reweight::num;
use reweight::rng::{Purpose, Rng};
use reweight::slab::{Arena, Heap};

const INPUTS: usize = 5;
const OUTPUTS: usize = 3;
const WEIGHTS: usize = INPUTS * OUTPUTS;
const ACTIONS: usize = INPUTS + OUTPUTS;
const HORIZON: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    SpecChanges,
    ShapeChanges,
    NoActions,
    ActionBoundInfinite,
    ActionBoundsSwapped,
    NoObservations,
    ObservationBoundNan,
    RewardRangeSwapped,
    HorizonZero,
    ResetFails,
    ResetFailsInEpisode,
    ResetTakesAnyBuffer,
    StepTakesAnyBuffer,
    ResetForgetsClock,
    ResetUndoesEdit,
    ResetForgetsLowCorner,
    NeverStarts,
    StepFails,
    ObservationNan,
    ObservationOutside,
    RewardInfinite,
    RewardOutside,
    WeightOverflows,
    NoisyReward,
    NoisyWeights,
    NeverEnds,
    RunsOn,
    WrongErrorAfterEnd,
    ShortAction,
    LongAction,
    NanAction,
    LastNanAction,
    InfiniteAction,
    OutsideAction,
    ErrorMovesClock,
    ErrorEdits,
    ErrorWritesObservation,
    OutsideErrorEdits,
    ZeroDrifts,
    MaskAdds,
    RankTwo,
    /// What is rounded to a grid, declared as if it were not.
    RoundsUntold,
    StepTooLarge,
    AbsoluteStep,
}

/// A layer that is edited for two steps; well-behaved but for one fault.
struct Toy {
    fault: Fault,
    mask: bool,
    /// Mesh of the grid that weights are rounded to; 0 for none.
    mesh: f32,
    clips: bool,
    original: [f32; WEIGHTS],
    weights: [f32; WEIGHTS],
    /// Steps taken; `None` when no episode runs.
    clock: Option<usize>,
    calls: std::cell::Cell<usize>,
    total: usize,
    met_low_corner: bool,
}

impl Toy {
    fn new(fault: Fault, mask: bool) -> Self {
        let mut rng = Rng::new(9, Purpose::Weights);
        let mut original = core::array::from_fn(|_| rng.uniform(-1.0, 1.0));
        original[4] = 0.0;
        let calls = std::cell::Cell::new(0);
        let weights = original;
        Self {
            fault,
            mask,
            mesh: 0.0,
            clips: false,
            original,
            weights,
            clock: None,
            calls,
            total: 0,
            met_low_corner: false,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn unit(&self) -> f32 {
        if self.has(Fault::AbsoluteStep) { 1.0 } else { num::rms(&self.original) }
    }

    fn observe(&self, observation: &mut [f32]) {
        let clock = self.clock.unwrap_or(0) as f32 / HORIZON as f32;
        let values = [clock, num::tanh(self.weights[0]), num::tanh(self.weights[7])];
        for (entry, value) in observation.iter_mut().zip(values) {
            *entry = value;
        }
        if self.has(Fault::ObservationNan) && self.clock == Some(HORIZON) {
            observation[1] = f32::NAN;
        }
        if self.has(Fault::ObservationOutside) {
            observation[2] += 1.5;
        }
    }

    fn check(&self, action: &[f32], observation: &[f32]) -> Result<(), EnvError> {
        let found = action.len();
        let tolerated = (self.has(Fault::ShortAction) && found < ACTIONS)
            || (self.has(Fault::LongAction) && found > ACTIONS);
        if found != ACTIONS && !tolerated {
            return Err(EnvError::Length { what: "action", expected: ACTIONS, found });
        }
        if observation.len() != 3 && !self.has(Fault::StepTakesAnyBuffer) {
            let found = observation.len();
            return Err(EnvError::Length { what: "observation", expected: 3, found });
        }
        let Some(clock) = self.clock else { return Err(EnvError::NotRunning) };
        if clock >= HORIZON && !self.has(Fault::NeverEnds) && !self.has(Fault::RunsOn) {
            return Err(match self.fault {
                Fault::WrongErrorAfterEnd => EnvError::Failed("over"),
                _ => EnvError::NotRunning,
            });
        }
        for (index, &value) in action.iter().enumerate() {
            let tolerated = match self.fault {
                Fault::NanAction => value.is_nan(),
                Fault::LastNanAction => value.is_nan() && index == ACTIONS - 1,
                Fault::InfiniteAction => value.is_infinite(),
                _ => false,
            };
            if !value.is_finite() && !tolerated {
                return Err(EnvError::NotFinite { index });
            }
            let free = self.clips || tolerated || self.has(Fault::OutsideAction);
            if value.is_finite() && value.abs() > 1.0 && !free {
                return Err(EnvError::OutOfRange { index, value });
            }
        }
        Ok(())
    }

    fn edit(&mut self, action: &[f32]) {
        let step = if self.mask { 1.5 } else { 0.5 * self.unit() };
        let value = |index: usize| {
            let value = action.get(index).copied().unwrap_or(0.0);
            let value = if value.is_finite() { value } else { 0.0 };
            if self.clips { value.clamp(-1.0, 1.0) } else { value }
        };
        let mut after = self.weights;
        for input in 0..INPUTS {
            for output in 0..OUTPUTS {
                let weight = &mut after[input * OUTPUTS + output];
                let mut product = value(output) * value(OUTPUTS + input);
                if self.has(Fault::RankTwo) {
                    product = 0.5 * product + 0.5 * value(input % 3) * value(ACTIONS - 1 - output);
                }
                if self.has(Fault::StepTooLarge) {
                    product *= 2.5;
                }
                if self.mask && !self.has(Fault::MaskAdds) {
                    *weight *= 1.0 + step * product;
                } else {
                    *weight += step * product;
                }
                if self.mesh > 0.0 {
                    *weight = self.mesh * (*weight / self.mesh).round();
                }
            }
        }
        self.weights = after;
    }
}

impl Env for Toy {
    fn spec(&self) -> Spec {
        self.calls.set(self.calls.get() + 1);
        let mut spec = Spec {
            observation: Space { len: 3, low: -1.0, high: 1.0 },
            action: Space { len: ACTIONS, low: -1.0, high: 1.0 },
            reward: (0.0, 1.0),
            horizon: Some(HORIZON),
        };
        match self.fault {
            Fault::SpecChanges if self.calls.get() > 3 => spec.reward = (0.0, 2.0),
            Fault::NoActions => spec.action.len = 0,
            Fault::ActionBoundInfinite => spec.action.high = f32::INFINITY,
            Fault::ActionBoundsSwapped => spec.action.high = -2.0,
            Fault::NoObservations => spec.observation.len = 0,
            Fault::ObservationBoundNan => spec.observation.low = f32::NAN,
            Fault::RewardRangeSwapped => spec.reward = (1.0, 0.0),
            Fault::HorizonZero => spec.horizon = Some(0),
            _ => {}
        }
        spec
    }

    fn reset(&mut self, _seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        if observation.len() != 3 && !self.has(Fault::ResetTakesAnyBuffer) {
            let found = observation.len();
            return Err(EnvError::Length { what: "observation", expected: 3, found });
        }
        let inside = self.clock == Some(1);
        if self.has(Fault::ResetFails) || (self.has(Fault::ResetFailsInEpisode) && inside) {
            return Err(EnvError::Failed("not now"));
        }
        match self.fault {
            // As undoing the edits by arithmetic would: rounding is left behind.
            Fault::ResetUndoesEdit => {
                self.weights = self.original;
                self.weights[2] += self.total as f32 * 1e-7;
            }
            Fault::ResetForgetsLowCorner if self.met_low_corner => {
                self.weights = self.original;
                self.weights[3] += 1e-6;
            }
            _ => self.weights = self.original,
        }
        self.clock = match self.fault {
            Fault::NeverStarts => None,
            _ => Some(0),
        };
        self.observe(observation);
        if self.has(Fault::ResetForgetsClock) && self.total > 0 {
            observation[0] = 0.5;
        }
        Ok(())
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        if let Err(error) = self.check(action, observation) {
            let running = self.clock.is_some_and(|clock| clock < HORIZON);
            let outside = matches!(error, EnvError::OutOfRange { .. });
            match self.fault {
                Fault::ErrorMovesClock if running => self.clock = self.clock.map(|clock| clock + 1),
                Fault::ErrorEdits if running => self.weights[2] += 0.25,
                Fault::ErrorWritesObservation if running => observation[0] = 0.75,
                Fault::OutsideErrorEdits if outside => self.weights[2] += 0.25,
                _ => {}
            }
            return Err(error);
        }
        if self.has(Fault::StepFails) && self.clock == Some(1) {
            return Err(EnvError::Diverged);
        }
        self.total += 1;
        self.met_low_corner |= action.iter().all(|&entry| entry == -1.0);
        self.edit(action);
        match self.fault {
            Fault::WeightOverflows if action.iter().all(|&entry| entry == 1.0) => {
                self.weights[6] = f32::INFINITY;
            }
            Fault::NoisyWeights => self.weights[1] += self.total as f32 * 1e-6,
            Fault::ZeroDrifts if action.iter().all(|&entry| entry == 0.0) => {
                self.weights[1] *= 1.0 + f32::EPSILON;
            }
            _ => {}
        }
        let clock = self.clock.unwrap_or(0) + 1;
        self.clock = Some(clock);
        self.observe(observation);
        let mut reward = 0.5 + 0.5 * num::tanh(num::mean(&self.weights) / num::rms(&self.original));
        match self.fault {
            Fault::RewardInfinite => reward = f32::INFINITY,
            Fault::RewardOutside => reward += 1.0,
            Fault::NoisyReward => reward = (reward + self.total as f32 * 1e-5).min(1.0),
            _ => {}
        }
        let over = clock == HORIZON && !self.has(Fault::NeverEnds);
        Ok(Step { reward, end: if over { End::Terminated } else { End::Running } })
    }

    fn edited(&self) -> Option<Edited<'_>> {
        let inputs = match self.fault {
            Fault::ShapeChanges if self.total > 0 => OUTPUTS,
            _ => INPUTS,
        };
        let edit = match self.mask {
            true => Edit::Mask,
            false if self.mesh > 0.0 && !self.has(Fault::RoundsUntold) => {
                Edit::Rounded { rank: 1, step: 0.5 * self.unit(), rounding: 0.5 * self.mesh }
            }
            false => Edit::Shift { rank: 1, step: 0.5 * self.unit() },
        };
        Some(Edited { weights: &self.weights, inputs, outputs: WEIGHTS / inputs, edit })
    }

    fn rescale(&mut self, factor: f32) -> bool {
        if self.mesh > 0.0 {
            return false;
        }
        for weight in &mut self.original {
            *weight *= factor;
        }
        true
    }
}

fn check(env: &mut Toy) -> Result<(), Violation> {
    let mut heap = Heap::new(check_need(&Toy::new(Fault::None, false).spec(), WEIGHTS));
    check_env(env, 7, &mut heap.arena())
}

#[test]
fn a_well_behaved_environment_passes() {
    for mask in [false, true] {
        for clips in [false, true] {
            let mut env = Toy::new(Fault::None, mask);
            env.clips = clips;
            let original = env.original;
            assert_eq!(check(&mut env), Ok(()));
            assert_eq!(env.original, original, "the rescale is taken back");
        }
    }
}

#[test]
fn every_rule_catches_its_own_broken_environment() {
    use Fault as F;
    use Violation as V;
    type Is = fn(&Violation) -> bool;
    let cases: &[(Fault, Is)] = &[
        (F::SpecChanges, |v| matches!(v, V::SpecUnstable)),
        (F::ShapeChanges, |v| matches!(v, V::SpecUnstable)),
        (F::NoActions, |v| matches!(v, V::ActionSpace { len: 0, .. })),
        (F::ActionBoundInfinite, |v| matches!(v, V::ActionSpace { .. })),
        (F::ActionBoundsSwapped, |v| matches!(v, V::ActionSpace { .. })),
        (F::NoObservations, |v| matches!(v, V::ObservationSpace { len: 0, .. })),
        (F::ObservationBoundNan, |v| matches!(v, V::ObservationSpace { .. })),
        (F::RewardRangeSwapped, |v| matches!(v, V::RewardRange { .. })),
        (F::HorizonZero, |v| matches!(v, V::HorizonZero)),
        (F::ResetFails, |v| matches!(v, V::ResetFailed { .. })),
        (F::ResetFailsInEpisode, |v| matches!(v, V::ResetFailed { .. })),
        (F::ResetTakesAnyBuffer, |v| {
            matches!(v, V::ObservationLengthAccepted { call: "reset", len: 2 })
        }),
        (F::StepTakesAnyBuffer, |v| {
            matches!(v, V::ObservationLengthAccepted { call: "step", len: 2 })
        }),
        (F::ResetForgetsClock, |v| matches!(v, V::ResetObservation { index: 0, .. })),
        (F::ResetUndoesEdit, |v| matches!(v, V::ResetWeights { .. })),
        (F::ResetForgetsLowCorner, |v| matches!(v, V::ResetWeights { index: 3, .. })),
        (F::NeverStarts, |v| matches!(v, V::EndedBeforeStep)),
        (F::StepFails, |v| matches!(v, V::StepFailed { step: 2, .. })),
        (F::ObservationNan, |v| matches!(v, V::ObservationNotFinite { step: 2, index: 1 })),
        (F::ObservationOutside, |v| matches!(v, V::ObservationOutside { step: 0, index: 2, .. })),
        (F::RewardInfinite, |v| matches!(v, V::RewardNotFinite { step: 1 })),
        (F::RewardOutside, |v| matches!(v, V::RewardOutside { step: 1, .. })),
        (F::WeightOverflows, |v| matches!(v, V::WeightNotFinite { step: 1, index: 6 })),
        (F::NoisyReward, |v| matches!(v, V::NotRepeatable { step: 1 })),
        (F::NeverEnds, |v| matches!(v, V::HorizonPassed { horizon: 2 })),
        (F::RunsOn, |v| matches!(v, V::StepAfterEnd { step: 2 })),
        (F::WrongErrorAfterEnd, |v| matches!(v, V::StepAfterEnd { step: 2 })),
        (F::ShortAction, |v| matches!(v, V::LengthAccepted { len: 7 })),
        (F::LongAction, |v| matches!(v, V::LengthAccepted { len: 9 })),
        (F::NanAction, |v| matches!(v, V::NotFiniteAccepted { index: 0, .. })),
        (F::LastNanAction, |v| matches!(v, V::NotFiniteAccepted { index: 7, .. })),
        (F::InfiniteAction, |v| matches!(v, V::NotFiniteAccepted { .. })),
        (F::OutsideAction, |v| matches!(v, V::OutsideAccepted { .. })),
        (F::ErrorMovesClock, |v| matches!(v, V::ErrorChanged { .. })),
        (F::ErrorEdits, |v| matches!(v, V::ErrorChanged { step: 1 })),
        (F::ErrorWritesObservation, |v| matches!(v, V::ErrorChanged { step: 1 })),
        (F::OutsideErrorEdits, |v| matches!(v, V::ErrorChanged { step: 1 })),
        (F::ZeroDrifts, |v| matches!(v, V::ZeroAction { index: 1, .. })),
        (F::RankTwo, |v| matches!(v, V::ShiftRank { step: 1, rank: 1, .. })),
        (F::StepTooLarge, |v| matches!(v, V::ShiftStep { .. })),
        (F::AbsoluteStep, |v| matches!(v, V::RescaleNoticed { .. })),
    ];
    for (fault, is) in cases {
        let violation = check(&mut Toy::new(*fault, false));
        assert!(violation.is_err_and(|violation| is(&violation)), "{fault:?} gave {violation:?}");
    }
    for (fault, is) in [
        (F::MaskAdds, (|v| matches!(v, V::MaskedZero { step: 1, index: 4, .. })) as Is),
        (F::NoisyWeights, |v| matches!(v, V::NotRepeatable { step: 1 })),
    ] {
        let violation = check(&mut Toy::new(fault, true));
        assert!(violation.is_err_and(|violation| is(&violation)), "{fault:?} gave {violation:?}");
    }
}

/// Weights on a grid, whose mesh is a power of two.
fn rounded(fault: Fault, mesh: f32) -> Toy {
    let mut env = Toy::new(fault, false);
    env.mesh = mesh;
    env.original.iter_mut().for_each(|weight| *weight = mesh * (*weight / mesh).round());
    env.weights = env.original;
    env
}

#[test]
fn a_shift_on_a_grid_has_its_own_promise() {
    for mesh in [1.0 / 1024.0, 1.0 / 64.0, 0.25] {
        assert_eq!(check(&mut rounded(Fault::None, mesh)), Ok(()), "{mesh}");
    }
    let untold = check(&mut rounded(Fault::RoundsUntold, 1.0 / 64.0));
    let found = matches!(untold, Err(Violation::ShiftRank { .. } | Violation::ShiftStep { .. }));
    assert!(found, "{untold:?}");
    let rank = check(&mut rounded(Fault::RankTwo, 1.0 / 1024.0));
    assert!(matches!(rank, Err(Violation::ShiftRank { .. })), "{rank:?}");
    let step = check(&mut rounded(Fault::StepTooLarge, 1.0 / 1024.0));
    assert!(matches!(step, Err(Violation::ShiftStep { .. })), "{step:?}");
}

#[test]
fn a_violation_says_where_and_what_to_change() {
    let violation = check(&mut Toy::new(Fault::LastNanAction, false)).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "an action with entry 7 = NaN was carried out; return EnvError::NotFinite"
    );
    let violation = check(&mut Toy::new(Fault::RunsOn, false)).unwrap_err();
    assert!(violation.to_string().contains("return EnvError::NotRunning until reset"));
}

#[test]
fn one_value_short_is_too_small() {
    let mut env = Toy::new(Fault::None, false);
    let need = check_need(&env.spec(), WEIGHTS);
    let (mut f32s, mut u32s) = (vec![0.0; need.f32s], vec![0; need.u32s]);
    let short = check_env(&mut env, 0, &mut Arena::new(&mut f32s[1..], &mut u32s));
    let error = TooSmall { need: need.f32s, have: need.f32s - 1 };
    assert_eq!(short, Err(Violation::TooSmall(error)));
    let short = check_env(&mut env, 0, &mut Arena::new(&mut f32s, &mut u32s[1..]));
    assert!(matches!(short, Err(Violation::TooSmall(_))));
    assert_eq!(check_env(&mut env, 0, &mut Arena::new(&mut f32s, &mut u32s)), Ok(()));
}
