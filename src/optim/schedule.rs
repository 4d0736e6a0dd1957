//! How a learning rate goes on over a run.

/// A factor of the initial learning rate as a function of progress in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Schedule {
    /// 1 throughout.
    #[default]
    Constant,
    /// From 1 to `to` in a straight line.
    Linear {
        /// Factor at the end.
        to: f32,
    },
    /// From 1 to `to` along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983).
    Cosine {
        /// Factor at the end.
        to: f32,
    },
    /// From 1 to `to` in equal ratios; `to` above 0.
    Exponential {
        /// Factor at the end.
        to: f32,
    },
}

impl Schedule {
    /// The factor at `progress`, which is held to [0, 1].
    pub fn factor(self, progress: f32) -> f32 {
        let progress = if progress > 0.0 { progress.min(1.0) } else { 0.0 };
        match self {
            Self::Constant => 1.0,
            Self::Linear { to } => 1.0 + (to - 1.0) * progress,
            Self::Cosine { to } => {
                let half = 0.5 + 0.5 * libm::cosf(core::f32::consts::PI * progress);
                to + (1.0 - to) * half
            }
            Self::Exponential { to } => libm::powf(to, progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn schedules_in_closed_form() {
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} against {b}");
        near(Schedule::Constant.factor(0.7), 1.0);
        near(Schedule::Linear { to: 0.1 }.factor(0.5), 0.55);
        near(Schedule::Cosine { to: 0.2 }.factor(0.5), 0.6);
        near(Schedule::Exponential { to: 0.01 }.factor(0.5), 0.1);
        for schedule in [
            Schedule::Linear { to: 0.3 },
            Schedule::Cosine { to: 0.3 },
            Schedule::Exponential { to: 0.3 },
        ] {
            near(schedule.factor(0.0), 1.0);
            near(schedule.factor(1.0), 0.3);
            near(schedule.factor(-5.0), 1.0);
            near(schedule.factor(5.0), 0.3);
            near(schedule.factor(f32::NAN), 1.0);
        }
    }
}
