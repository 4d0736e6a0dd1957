//! Settings by name, and their ranges.

use super::config::{Activation, Baseline, Config, Initial, MAX_HIDDEN, Normalise, Squash};
use core::fmt;

/// A setting: its name and what it takes.
type Setting = (&'static str, &'static str);

/// All names that [`Config::set`] knows, each with the values that it takes.
pub const SETTINGS: &[Setting] = &[
    ("rollout", "a whole number from 1; rollout times environments at most 2^24"),
    ("environments", "a whole number from 1"),
    ("minibatch", "a whole number from 1"),
    ("epochs", "a whole number from 1"),
    ("learning_rate", "a number above 0"),
    ("learning_rate_end", "a number in [0, 1]"),
    ("adam_beta1", "a number in [0, 1)"),
    ("adam_beta2", "a number in [0, 1)"),
    ("adam_epsilon", "a number above 0"),
    ("gamma", "a number in [0, 1]"),
    ("lambda", "a number in [0, 1]"),
    ("clip", "a number above 0"),
    ("entropy", "a number from 0"),
    ("value", "a number from 0"),
    ("max_grad_norm", "a number above 0, or none"),
    ("target_kl", "a number above 0, or none"),
    ("advantage", "off, sample or population"),
    ("log_std", "a number between log_std_low and log_std_high"),
    ("log_std_learned", "true or false"),
    ("log_std_end", "a number in [-20, 20]"),
    ("log_std_low", "a number in [-20, 20], at most log_std"),
    ("log_std_high", "a number in [-20, 20], at least log_std"),
    ("initial_mean", "a number from 0"),
    ("head_gain", "a number from 0"),
    ("hidden", "up to three sizes from 1 to 65536 with commas between: 64,64; or none"),
    ("activation", "tanh or relu"),
    ("init", "orthogonal or fan-in"),
    ("squash", "clip or tanh"),
    ("baseline", "network or constant"),
    ("standardise", "true or false"),
    (
        "fixed_observation",
        "true (with a constant baseline, at least one hidden layer and no standardisation) or false",
    ),
];

/// Why a setting is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No setting has this name. The text lists those that there are.
    UnknownKey,
    /// The value cannot be read, or lies outside the range.
    Value {
        /// The setting.
        key: &'static str,
        /// What it takes.
        expected: &'static str,
    },
}

impl ConfigError {
    fn of(key: &str) -> Self {
        match SETTINGS.iter().find(|setting| setting.0 == key) {
            Some(&(key, expected)) => Self::Value { key, expected },
            None => Self::UnknownKey,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey => {
                f.write_str("no such setting; there are")?;
                for (index, (key, _)) in SETTINGS.iter().enumerate() {
                    write!(f, "{} {key}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Value { key, expected } => write!(f, "{key} takes {expected}"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Sets one hyper-parameter by the name of its field, as `--set key=value` does. Ranges that
    /// involve one setting alone are checked at once, all of them by [`validate`](Self::validate).
    ///
    /// # Errors
    /// [`ConfigError`]; the configuration is then as before.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let mut changed = *self;
        changed.assign(key, value.trim()).ok_or(ConfigError::of(key))?;
        if changed.own_offence() == Some(key) {
            return Err(ConfigError::of(key));
        }
        *self = changed;
        Ok(())
    }

    /// Checks all ranges.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first setting outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.own_offence().or(self.joint_offence()) {
            Some(key) => Err(ConfigError::of(key)),
            None => Ok(()),
        }
    }

    fn assign(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "rollout" => self.rollout = value.parse().ok()?,
            "environments" => self.environments = value.parse().ok()?,
            "minibatch" => self.minibatch = value.parse().ok()?,
            "epochs" => self.epochs = value.parse().ok()?,
            "learning_rate" => self.learning_rate = value.parse().ok()?,
            "learning_rate_end" => self.learning_rate_end = value.parse().ok()?,
            "adam_beta1" => self.adam_beta1 = value.parse().ok()?,
            "adam_beta2" => self.adam_beta2 = value.parse().ok()?,
            "adam_epsilon" => self.adam_epsilon = value.parse().ok()?,
            "gamma" => self.gamma = value.parse().ok()?,
            "lambda" => self.lambda = value.parse().ok()?,
            "clip" => self.clip = value.parse().ok()?,
            "entropy" => self.entropy = value.parse().ok()?,
            "value" => self.value = value.parse().ok()?,
            "max_grad_norm" => self.max_grad_norm = optional(value)?,
            "target_kl" => self.target_kl = optional(value)?,
            "advantage" => {
                self.advantage = match value {
                    "off" => Normalise::Off,
                    "sample" => Normalise::Sample,
                    "population" => Normalise::Population,
                    _ => return None,
                }
            }
            "log_std" => self.log_std = value.parse().ok()?,
            "log_std_learned" => self.log_std_learned = value.parse().ok()?,
            "log_std_end" => self.log_std_end = value.parse().ok()?,
            "log_std_low" => self.log_std_low = value.parse().ok()?,
            "log_std_high" => self.log_std_high = value.parse().ok()?,
            "initial_mean" => self.initial_mean = value.parse().ok()?,
            "head_gain" => self.head_gain = value.parse().ok()?,
            "hidden" => self.hidden = sizes(value)?,
            "activation" => {
                self.activation = match value {
                    "tanh" => Activation::Tanh,
                    "relu" => Activation::Relu,
                    _ => return None,
                }
            }
            "init" => {
                self.init = match value {
                    "orthogonal" => Initial::Orthogonal,
                    "fan-in" => Initial::FanIn,
                    _ => return None,
                }
            }
            "squash" => {
                self.squash = match value {
                    "clip" => Squash::Clip,
                    "tanh" => Squash::Tanh,
                    _ => return None,
                }
            }
            "baseline" => {
                self.baseline = match value {
                    "network" => Baseline::Network,
                    "constant" => Baseline::Constant,
                    _ => return None,
                }
            }
            "standardise" => self.standardise = value.parse().ok()?,
            "fixed_observation" => self.fixed_observation = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// The first setting outside its own range. Comparisons are written so that NaN fails.
    fn own_offence(&self) -> Option<&'static str> {
        let within = |value: f32, low: f32, high: f32| value >= low && value <= high;
        let above_zero = |value: f32| value > 0.0 && value.is_finite();
        let from_zero = |value: f32| value >= 0.0 && value.is_finite();
        let depth = self.depth();
        let gap = self.hidden.iter().skip(depth).any(|&units| units > 0);
        let checks = [
            ("rollout", self.rollout >= 1),
            ("environments", self.environments >= 1),
            ("minibatch", self.minibatch >= 1),
            ("epochs", self.epochs >= 1),
            ("learning_rate", above_zero(self.learning_rate)),
            ("learning_rate_end", within(self.learning_rate_end, 0.0, 1.0)),
            ("adam_beta1", within(self.adam_beta1, 0.0, 1.0) && self.adam_beta1 < 1.0),
            ("adam_beta2", within(self.adam_beta2, 0.0, 1.0) && self.adam_beta2 < 1.0),
            ("adam_epsilon", above_zero(self.adam_epsilon)),
            ("gamma", within(self.gamma, 0.0, 1.0)),
            ("lambda", within(self.lambda, 0.0, 1.0)),
            ("clip", above_zero(self.clip)),
            ("entropy", from_zero(self.entropy)),
            ("value", from_zero(self.value)),
            ("max_grad_norm", self.max_grad_norm.is_none_or(above_zero)),
            ("target_kl", self.target_kl.is_none_or(above_zero)),
            ("log_std_low", within(self.log_std_low, -20.0, 20.0)),
            ("log_std_high", within(self.log_std_high, -20.0, 20.0)),
            ("log_std", within(self.log_std, -20.0, 20.0)),
            ("log_std_end", within(self.log_std_end, -20.0, 20.0)),
            ("initial_mean", from_zero(self.initial_mean)),
            ("head_gain", from_zero(self.head_gain)),
            ("hidden", !gap && self.hidden.iter().all(|&units| units <= 65_536)),
        ];
        checks.iter().find(|(_, holds)| !holds).map(|&(key, _)| key)
    }

    /// The first setting that does not go with the others.
    fn joint_offence(&self) -> Option<&'static str> {
        if self.log_std < self.log_std_low || self.log_std > self.log_std_high {
            return Some("log_std");
        }
        if self.samples() > 1 << 24 {
            return Some("rollout");
        }
        let fits = self.baseline == Baseline::Constant && self.depth() > 0 && !self.standardise;
        (self.fixed_observation && !fits).then_some("fixed_observation")
    }
}

fn optional(value: &str) -> Option<Option<f32>> {
    if value == "none" { Some(None) } else { value.parse().ok().map(Some) }
}

fn sizes(value: &str) -> Option<[usize; MAX_HIDDEN]> {
    let mut sizes = [0; MAX_HIDDEN];
    if value != "none" {
        for (index, part) in value.split(',').enumerate() {
            let units: usize = part.trim().parse().ok()?;
            *sizes.get_mut(index).filter(|_| units > 0)? = units;
        }
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid() {
        assert_eq!(Config::edit().validate(), Ok(()));
        assert_eq!(Config::paper().validate(), Ok(()));
        assert_eq!(Config::default(), Config::edit());
    }

    #[test]
    fn every_listed_setting_is_known_and_refuses_nonsense() {
        for (key, expected) in SETTINGS {
            let mut config = Config::edit();
            let error = Err(ConfigError::Value { key, expected });
            for nonsense in ["x", "", "-1x", "nan"] {
                assert_eq!(config.set(key, nonsense), error, "{key}={nonsense}");
            }
            assert_eq!(config, Config::edit());
        }
        assert_eq!(Config::edit().set("learning-rate", "1"), Err(ConfigError::UnknownKey));
        let text = ConfigError::UnknownKey.to_string();
        assert!(text.starts_with("no such setting; there are rollout, environments"), "{text}");
    }

    #[test]
    fn settings_are_set_by_name() {
        let mut config = Config::edit();
        for (key, value) in [
            ("rollout", "64"),
            ("learning_rate", "1e-3"),
            ("max_grad_norm", "none"),
            ("target_kl", "0.05"),
            ("hidden", "128, 32,16"),
            ("advantage", "population"),
            ("log_std_learned", "false"),
        ] {
            assert_eq!(config.set(key, value), Ok(()), "{key}");
        }
        let want = Config {
            rollout: 64,
            learning_rate: 1e-3,
            max_grad_norm: None,
            target_kl: Some(0.05),
            hidden: [128, 32, 16],
            advantage: Normalise::Population,
            log_std_learned: false,
            ..Config::edit()
        };
        assert_eq!(config, want);
        assert_eq!((config.depth(), config.samples()), (3, 64));
    }

    #[test]
    fn ranges_are_checked() {
        for (key, value) in [
            ("rollout", "0"),
            ("learning_rate", "0"),
            ("learning_rate", "inf"),
            ("learning_rate_end", "1.5"),
            ("adam_beta2", "1"),
            ("gamma", "-0.1"),
            ("clip", "0"),
            ("max_grad_norm", "-1"),
            ("log_std", "30"),
            ("hidden", "64,0"),
            ("hidden", "1,2,3,4"),
            ("hidden", "64,65537"),
        ] {
            let mut config = Config::edit();
            assert!(config.set(key, value).is_err(), "{key}={value}");
            assert_eq!(config, Config::edit());
        }
        // Settings that depend on each other may be set in any order; the whole is checked later.
        let mut config = Config::edit();
        assert_eq!(config.set("baseline", "network"), Ok(()));
        assert!(config.validate().is_err());
        assert_eq!(config.set("fixed_observation", "false"), Ok(()));
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn a_rollout_that_does_not_fit_is_not_counted() {
        let config = Config::edit();
        assert_eq!([0, 31, 32, 2_000, 5_000].map(|b| config.updates(b)), [0, 0, 1, 62, 156]);
        let standardised = Config { standardise: true, ..config };
        assert_eq!([0, 32, 2_000].map(|budget| standardised.updates(budget)), [0, 0, 61]);
    }
}
