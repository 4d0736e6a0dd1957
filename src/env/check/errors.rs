//! Rules for steps that have to be refused.

use super::{Actions, Checker, bits, keep_weights};
use crate::env::Violation;
use crate::rng::{Purpose, Rng};

impl Checker<'_> {
    /// Every kind of step that has to be refused, before step `step` is taken.
    pub(super) fn errors(&mut self, step: usize) -> Result<(), Violation> {
        let (entries, observations) = (self.spec.action.len, self.spec.observation.len);
        let mut rng = Rng::new(self.seed, Purpose::Search);
        self.fill_action(Actions::Uniform, &mut rng);
        for len in [entries - 1, entries + 1] {
            self.refused(step, len, observations, Violation::LengthAccepted { len })?;
        }
        for len in [observations - 1, observations + 1] {
            let accepted = Violation::ObservationLengthAccepted { call: "step", len };
            self.refused(step, entries, len, accepted)?;
        }
        for index in [0, entries / 2, entries - 1] {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                self.fill_action(Actions::Uniform, &mut rng);
                self.action[index] = value;
                let accepted = Violation::NotFiniteAccepted { index, value };
                self.refused(step, entries, observations, accepted)?;
            }
        }
        Ok(())
    }

    /// One attempt at a step that has to be refused without a trace.
    fn refused(
        &mut self,
        step: usize,
        action: usize,
        observation: usize,
        accepted: Violation,
    ) -> Result<(), Violation> {
        keep_weights(self.env, self.before);
        let before = bits(self.observation);
        if self.env.step(&self.action[..action], &mut self.observation[..observation]).is_ok() {
            return Err(accepted);
        }
        if self.weights_changed() || bits(self.observation) != before {
            return Err(Violation::ErrorChanged { step });
        }
        Ok(())
    }

    /// Actions outside the space: refused without a trace, or clipped.
    pub(super) fn outside(&mut self) -> Result<(), Violation> {
        let space = self.spec.action;
        let width = space.high - space.low;
        let far = [space.high + width, space.low - width];
        for (index, value) in [(0, far[0]), (space.len / 2, far[1]), (space.len - 1, far[0])] {
            self.reset(self.seed, false)?;
            self.fill_action(Actions::Uniform, &mut Rng::new(self.seed, Purpose::Action));
            let inside = self.action[index];
            self.action[index] = value.clamp(space.low, space.high);
            let clipped = self.step(1)?;
            let clipped = self.digest(&clipped);

            self.reset(self.seed, false)?;
            self.action[index] = value;
            keep_weights(self.env, self.before);
            let before = bits(self.observation);
            let observation = &mut self.observation[..self.spec.observation.len];
            match self.env.step(&self.action[..space.len], observation) {
                Ok(outcome) => {
                    if self.digest(&outcome) != clipped {
                        return Err(Violation::OutsideAccepted { index, value });
                    }
                }
                Err(_) => {
                    let changed = self.weights_changed() || bits(self.observation) != before;
                    self.action[index] = inside;
                    let next = self.step(1).is_ok_and(|outcome| self.repeats(1, &outcome));
                    if changed || !next {
                        return Err(Violation::ErrorChanged { step: 1 });
                    }
                }
            }
        }
        Ok(())
    }
}
