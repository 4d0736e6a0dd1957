//! Looking: one pass over the samples for the moments, then the probes of the tail.

use super::build::{NORMALS, Neurons, PROBES, larger};
use super::pass::Pass;
use super::statistics::{Roles, deviation};
use crate::kernel::LANES;
use crate::model::{ForwardError, Samples};
use crate::nn::Stack;
use crate::num;
use crate::slab::Arena;

impl<'a> Neurons<'a> {
    /// Streams over the samples, and makes the features.
    #[inline(never)]
    pub(super) fn look(
        &mut self,
        stack: &Stack,
        parameters: &[f32],
        layer: usize,
        samples: Samples<'_>,
        sparing: bool,
        arena: &mut Arena<'a>,
    ) -> Result<(), ForwardError> {
        self.run(stack, parameters, layer, samples, sparing, arena)?;
        if sparing {
            self.normals = arena.take(NORMALS)?;
        }
        let values = arena.scratch().take(larger(self.inputs, self.outputs))?;
        if sparing {
            self.normalise(values);
        } else {
            self.of_columns(values)?;
            self.of_rows(values);
        }
        Ok(())
    }

    fn run(
        &mut self,
        stack: &Stack,
        parameters: &[f32],
        layer: usize,
        samples: Samples<'_>,
        sparing: bool,
        arena: &mut Arena<'a>,
    ) -> Result<(), ForwardError> {
        let mut scratch = arena.scratch();
        let probes = if sparing { LANES } else { PROBES };
        let mut seen = Pass::new(stack, parameters, layer, self.kernel, probes, &mut scratch)?;
        self.gated = seen.gated;
        self.stream(&mut seen, samples, !sparing)?;
        self.probe(&mut seen, samples)
    }

    #[inline(never)]
    fn stream(
        &mut self,
        seen: &mut Pass<'_, '_>,
        samples: Samples<'_>,
        keep_probes: bool,
    ) -> Result<(), ForwardError> {
        let (class, gone) = (self.request.class, self.request.gone);
        let positions = seen.positions;
        let mut kept = [0usize; 2];
        for index in 0..samples.batch.panels() {
            let part = samples.batch.panel(index);
            let input = seen.input(samples, index);
            seen.run_layer(part, input)?;
            let mut roles = Roles { forget: [0.0; LANES], retain: [0.0; LANES] };
            let labels = samples.labels.get(index * LANES..).unwrap_or_default();
            for (lane, &label) in labels.iter().take(part.samples()).enumerate() {
                let (role, keep) = if label == class {
                    (&mut roles.forget, 0)
                } else if gone.contains(label) {
                    continue;
                } else {
                    (&mut roles.retain, 1)
                };
                if let Some(role) = role.get_mut(lane) {
                    *role = 1.0;
                }
                self.counts[keep] += 1;
                let into = if keep == 0 { &mut self.forget } else { &mut self.retain };
                if let Some(into) = into.as_mut().filter(|into| kept[keep] < into.batch.samples()) {
                    let shown = (seen.x(input), &*seen.h);
                    positions.keep(into, kept[keep], lane, shown, self.gated);
                    if let Some(to) = into.labels.get_mut(kept[keep]) {
                        *to = f32::from(label);
                    }
                    kept[keep] += 1;
                }
            }
            positions.add_columns(&mut self.x, &roles, seen.x(input));
            positions.add_rows(&mut self.p, &roles, seen.h);
            positions.add_active(&mut self.active, &roles, seen.h);
            positions.add_squares(self.square, &roles, seen.h);
            seen.run_rest(part)?;
            for (lane, _) in roles.forget.iter().enumerate().filter(|(_, role)| **role > 0.0) {
                seen.of_forget(lane, class, &gone);
                if keep_probes {
                    seen.keep_probe(lane);
                }
            }
            positions.add_rows(&mut self.h, &roles, seen.h);
            // The second moment of H over forget samples sets the size of the probes.
            positions.add_squares(seen.forget_square, &roles, seen.h);
        }
        let [forget, retain] = self.counts;
        if forget == 0 {
            return Err(ForwardError::Failed(
                "the forget class has no samples in the reward split",
            ));
        }
        if retain == 0 {
            return Err(ForwardError::Failed("the retain set has no samples in the reward split"));
        }
        for moments in [&mut self.x, &mut self.p, &mut self.h, &mut self.active] {
            moments.finish(forget * positions.count(), retain * positions.count());
        }
        let scale = 1.0 / forget as f32;
        let mean = seen.margin[0] * scale;
        self.margin = [mean, deviation(seen.margin[1] * scale, mean)];
        let others: f32 = num::sum(seen.others);
        for share in seen.others.iter_mut() {
            *share = if others > 0.0 { *share / others } else { 0.0 };
        }
        Ok(())
    }

    /// The effective next layer and the sensitivity to the forget class.
    #[inline(never)]
    fn probe(&mut self, seen: &mut Pass<'_, '_>, samples: Samples<'_>) -> Result<(), ForwardError> {
        let classes = self.classes;
        let scale = 1.0 / (self.counts[0] * seen.positions.count()) as f32;
        self.square.iter_mut().for_each(|sum| *sum *= scale);
        let deviation_of = |seen: &Pass<'_, '_>, forget: &[f32], row: usize| {
            let square = seen.forget_square.get(row).copied().unwrap_or(0.0) * scale;
            deviation(square, forget.get(row).copied().unwrap_or(0.0))
        };
        let mut total = 0.0f64;
        for row in 0..self.outputs {
            total += f64::from(deviation_of(seen, self.h.forget, row));
        }
        let floor = (0.2 * total / self.outputs.max(1) as f64) as f32;
        // From here on the sums of squares are the sizes of the probes.
        for row in 0..self.outputs {
            let own = deviation_of(seen, self.h.forget, row);
            if let Some(delta) = seen.forget_square.get_mut(row) {
                *delta = 0.5 * if own > floor { own } else { floor };
            }
        }
        let count = self.bump_all(seen, samples)?;
        for (row, to) in self.effective.chunks_exact_mut(classes.max(1)).enumerate() {
            let delta = seen.forget_square.get(row).copied().unwrap_or(0.0);
            if delta > 0.0 {
                let divide = 1.0 / (delta * count as f32);
                to.iter_mut().for_each(|value| *value *= divide);
            }
        }
        self.probe_passes = self.outputs + 1;
        let class = usize::from(self.request.class);
        let rows = self.effective.chunks_exact(classes.max(1));
        for (to, weights) in self.sensitivity.iter_mut().zip(rows) {
            let mut sum = weights.get(class).copied().unwrap_or(0.0);
            for (&weight, &share) in weights.iter().zip(&*seen.others) {
                sum -= share * weight;
            }
            *to = sum;
        }
        Ok(())
    }
}

impl Neurons<'_> {
    /// Sums over the probes of how the logits move with every output, left in the effective layer. Probes that
    /// were not kept are looked for again, a panel at a time. Returns how many there are.
    fn bump_all(
        &mut self,
        seen: &mut Pass<'_, '_>,
        samples: Samples<'_>,
    ) -> Result<usize, ForwardError> {
        if seen.probes > 0 {
            seen.bump(self.effective)?;
            return Ok(seen.probes);
        }
        let mut count = 0;
        for index in 0..samples.batch.panels() {
            let labels = samples.labels.get(index * LANES..).unwrap_or_default();
            let labels = labels.get(..LANES).unwrap_or(labels);
            if count == PROBES || !labels.contains(&self.request.class) {
                continue;
            }
            let input = seen.input(samples, index);
            let part = samples.batch.panel(index);
            seen.run_layer(part, input)?;
            seen.run_rest(part)?;
            for (lane, &label) in labels.iter().enumerate() {
                if label != self.request.class || count == PROBES {
                    continue;
                }
                seen.keep_probe(lane);
                count += 1;
                if seen.probes == LANES {
                    seen.bump(self.effective)?;
                    seen.probes = 0;
                }
            }
        }
        if seen.probes > 0 {
            seen.bump(self.effective)?;
        }
        Ok(count)
    }
}
