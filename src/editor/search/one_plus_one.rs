//! The (1+1) evolution strategy: one parent, one child, step size by success.

use super::bounded;
use crate::error::TooSmall;
use crate::rng::Rng;
use crate::slab::{Arena, Need};

/// Spread of the first point around 0 (which would be a saddle of a product of two factors).
const START_SPREAD: f32 = 0.3;
/// Initial step size.
const START_SIGMA: f32 = 0.3;
/// The step size never falls below this.
const FLOOR: f32 = 0.005;
/// Nor does it rise above this, where tanh is 1 in f32. Without a bound it overflows on a plateau, since
/// ties are successes.
const CEILING: f32 = 10.0;

/// The value of the parent, and the step size that success and failure make of it.
#[derive(Clone, Copy, Debug)]
struct Progress {
    sigma: f32,
    value: Option<f32>,
}

impl Progress {
    const START: Self = Self { sigma: START_SIGMA, value: None };

    /// A child's number: N(0, .3²) at first, then around the parent's.
    fn child(&self, parent: f32, z: f32) -> f32 {
        if self.value.is_none() { START_SPREAD * z } else { parent + self.sigma * z }
    }

    /// Whether a child of this value replaces its parent of n numbers; NaN counts as a failure.
    fn replaces(&self, value: f32) -> bool {
        self.value.is_none_or(|held| value >= held) && !value.is_nan()
    }

    fn tell(&mut self, value: f32, n: usize) {
        let n = n.max(1) as f32;
        if self.replaces(value) {
            if self.value.is_some() {
                self.sigma *= libm::expf(1.6 / libm::sqrtf(n));
                if self.sigma > CEILING {
                    self.sigma = CEILING;
                }
            }
            self.value = Some(value);
        } else {
            self.sigma *= libm::expf(-0.4 / libm::sqrtf(n));
            if self.sigma < FLOOR {
                self.sigma = FLOOR;
            }
        }
    }
}

/// (1+1)-ES: the child replaces the parent when it is at least as good, so that a plateau is walked
/// over. The step size is multiplied by `exp(1.6/√n)` after a success and by `exp(−0.4/√n)` after a
/// failure, which balances at one success in five (Rechenberg 1973; Kern et al. 2004), and kept in
/// [.005, 10]: the scale is that of a box [−1, 1] or of what tanh squashes into it.
#[derive(Debug)]
pub struct OnePlusOneEs<'a> {
    parent: &'a mut [f32],
    child: &'a mut [f32],
    progress: Progress,
}

impl<'a> OnePlusOneEs<'a> {
    /// Parent and child.
    pub const fn need(n: usize) -> Need {
        bounded(n.saturating_mul(2))
    }

    /// A search over n numbers.
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(n: usize, arena: &mut Arena<'a>) -> Result<Self, TooSmall> {
        Ok(Self { parent: arena.take(n)?, child: arena.take(n)?, progress: Progress::START })
    }

    /// A search that goes on from `point`, whose value is known.
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn starting_at(
        point: &[f32],
        value: f32,
        sigma: f32,
        arena: &mut Arena<'a>,
    ) -> Result<Self, TooSmall> {
        let search = Self::new(point.len(), arena)?;
        search.parent.copy_from_slice(point);
        Ok(Self { progress: Progress { sigma, value: Some(value) }, ..search })
    }

    /// Draws the next point: N(0, .3²) at first, then around the parent.
    pub fn ask(&mut self, rng: &mut Rng) {
        for (child, &parent) in self.child.iter_mut().zip(&*self.parent) {
            *child = self.progress.child(parent, rng.normal());
        }
    }

    /// The point to be evaluated.
    pub fn candidate(&self) -> &[f32] {
        self.child
    }

    /// Takes the value of the point; NaN counts as a failure.
    pub fn tell(&mut self, value: f32) {
        if self.progress.replaces(value) {
            self.parent.copy_from_slice(self.child);
        }
        self.progress.tell(value, self.parent.len());
    }

    /// The parent: the best point so far (the last of equals).
    pub fn mean(&self) -> &[f32] {
        self.parent
    }

    /// The step size.
    pub fn sigma(&self) -> f32 {
        self.progress.sigma
    }
}

/// [`OnePlusOneEs`] without memory for the child, the same bits: it is drawn where it is evaluated, and once more, from
/// the same random numbers, into the parent that it replaces.
#[derive(Debug)]
pub struct LeanOnePlusOneEs<'a> {
    parent: &'a mut [f32],
    progress: Progress,
    /// The stream of random numbers, and as it was before the child was drawn.
    rng: Rng,
    before: Rng,
}

impl<'a> LeanOnePlusOneEs<'a> {
    /// The parent.
    pub const fn need(n: usize) -> Need {
        bounded(n)
    }

    /// A search over n numbers.
    ///
    /// # Errors
    /// [`TooSmall`] when the arena holds less than [`need`](Self::need).
    pub fn new(n: usize, rng: Rng, arena: &mut Arena<'a>) -> Result<Self, TooSmall> {
        let parent = arena.take(n)?;
        Ok(Self { parent, progress: Progress::START, before: rng.clone(), rng })
    }

    /// Draws the next point, of n numbers.
    #[inline(never)]
    pub fn ask(&mut self, child: &mut [f32]) {
        self.before = self.rng.clone();
        for (child, &parent) in child.iter_mut().zip(&*self.parent) {
            *child = self.progress.child(parent, self.rng.normal());
        }
    }

    /// Takes the value of the point that was drawn last; NaN counts as a failure.
    // Not inlined: whoever evaluates need not hold what this holds.
    #[inline(never)]
    pub fn tell(&mut self, value: f32) {
        if self.progress.replaces(value) {
            for parent in &mut *self.parent {
                *parent = self.progress.child(*parent, self.before.normal());
            }
        }
        self.progress.tell(value, self.parent.len());
    }

    /// The parent: the best point so far (the last of equals).
    pub fn mean(&self) -> &[f32] {
        self.parent
    }

    /// The step size.
    pub fn sigma(&self) -> f32 {
        self.progress.sigma
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num;
    use crate::rng::Purpose;

    #[test]
    fn the_sphere_is_solved_down_to_the_floor() {
        let mut slab = [0.0; 20];
        let mut search = OnePlusOneEs::new(10, &mut Arena::new(&mut slab, &mut [])).unwrap();
        let mut rng = Rng::new(3, Purpose::Search);
        let value = |x: &[f32]| -x.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f32>();
        for _ in 0..2_000 {
            search.ask(&mut rng);
            search.tell(value(search.candidate()));
        }
        assert!(value(search.mean()) > -1e-3, "{}", value(search.mean()));
    }

    #[test]
    fn without_memory_for_the_child_it_is_the_same_search() {
        // An odd number: a stream keeps the second of two normals.
        const N: usize = 7;
        let value = |x: &[f32]| -x.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f32>();
        let mut slab = [0.0; 3 * N];
        assert_eq!(LeanOnePlusOneEs::need(N).and(OnePlusOneEs::need(N)).f32s, slab.len());
        let mut arena = Arena::new(&mut slab, &mut []);
        let mut rng = Rng::new(5, Purpose::Search);
        let mut search = OnePlusOneEs::new(N, &mut arena).unwrap();
        let mut lean = LeanOnePlusOneEs::new(N, rng.clone(), &mut arena).unwrap();
        assert!(LeanOnePlusOneEs::new(1, rng.clone(), &mut arena).is_err());
        let (mut child, mut kept) = ([0.0; N], 0);
        for round in 0..200 {
            search.ask(&mut rng);
            lean.ask(&mut child);
            assert_eq!(search.candidate(), &child);
            let value = if round % 50 == 3 { f32::NAN } else { value(&child) };
            search.tell(value);
            lean.tell(value);
            assert_eq!((search.mean(), search.sigma()), (lean.mean(), lean.sigma()));
            kept += usize::from(lean.mean() == child);
        }
        assert!((20..180).contains(&kept), "{kept}");
    }

    #[test]
    fn ties_are_accepted_and_nan_is_not() {
        let mut slab = [0.0; 2];
        let mut search = OnePlusOneEs::new(1, &mut Arena::new(&mut slab, &mut [])).unwrap();
        let mut rng = Rng::new(3, Purpose::Search);
        search.ask(&mut rng);
        search.tell(1.0);
        search.ask(&mut rng);
        let point = search.candidate()[0];
        search.tell(1.0);
        assert_eq!(search.mean(), &[point]);
        search.ask(&mut rng);
        let sigma = search.sigma();
        search.tell(f32::NAN);
        assert_eq!(search.mean(), &[point]);
        assert!(search.sigma() < sigma);
    }

    #[test]
    fn a_plateau_is_walked_without_leaving_the_numbers() {
        let mut slab = [0.0; 8];
        let mut search = OnePlusOneEs::new(4, &mut Arena::new(&mut slab, &mut [])).unwrap();
        let mut rng = Rng::new(3, Purpose::Search);
        for _ in 0..5_000 {
            search.ask(&mut rng);
            assert!(num::all_finite(search.candidate()));
            search.tell(0.5);
        }
        assert_eq!(search.sigma(), CEILING);
    }
}
