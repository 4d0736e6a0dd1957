//! What a run is: its settings, its data and the names of its units.

use crate::run::error::RunError;
use crate::run::record::{DataRecord, SCHEMA};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

/// Every n-th unit of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which of them, from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// The whole run.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Whether the unit of that number belongs to it.
    pub fn holds(self, unit: usize) -> bool {
        unit % self.of.max(1) == self.index
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads "i/n", 0 ≤ i < n.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected i/n with 0 <= i < n, as in 0/3".to_string();
        let (index, of) = text.split_once('/').ok_or_else(expected)?;
        match (index.trim().parse(), of.trim().parse()) {
            (Ok(index), Ok(of)) if index < of => Ok(Self { index, of }),
            _ => Err(expected()),
        }
    }
}

/// Everything that the shards of one run have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// "compare unlearn", …
    pub command: String,
    /// Version of the crate.
    pub version: String,
    /// Every setting that can change a figure.
    pub config: BTreeMap<String, Value>,
    /// The data that were used.
    pub data: DataRecord,
    /// What has to be said of all runs, a paragraph each.
    pub notes: Vec<String>,
    /// Names of all units, in the order of the report.
    pub units: Vec<String>,
}

/// The part that every schema has.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

/// Differences that a message names.
const NAMED: usize = 5;

impl RunPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`RunError::Failed`] names the file: no plan, one of a newer schema, or where the text breaks it.
    pub(super) fn read(path: &Path, text: &[u8]) -> Result<Self, RunError> {
        let failed = |what: String| RunError::Failed(format!("{}: {what}", path.display()));
        let head: Head =
            serde_json::from_slice(text).map_err(|error| failed(format!("not a plan: {error}")))?;
        if head.schema != SCHEMA {
            return Err(failed(format!(
                "schema {}, this program reads schema {SCHEMA}: use the version of reweight that wrote it",
                head.schema
            )));
        }
        serde_json::from_slice(text)
            .map_err(|error| failed(format!("breaks schema {SCHEMA}: {error}")))
    }

    /// What differs from another plan, in words; `None` when nothing does.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let mut found = Vec::new();
        let mut add = |name: &str, ours: String, theirs: String| {
            if ours != theirs {
                found.push(format!("{name}: {ours} against {theirs}"));
            }
        };
        add("command", self.command.clone(), other.command.clone());
        add("version", self.version.clone(), other.version.clone());
        let (ours, theirs) = (flat(&self.config), flat(&other.config));
        for key in ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key))) {
            let text = |held: &BTreeMap<String, String>| {
                held.get(key).map_or("absent".into(), String::clone)
            };
            add(key, text(&ours), text(&theirs));
        }
        add("data", self.data.name.clone(), other.data.name.clone());
        add("digest of the data", self.data.digest.clone(), other.data.digest.clone());
        let sizes = |data: &DataRecord| format!("{}/{}/{}", data.train, data.reward, data.test);
        add("samples", sizes(&self.data), sizes(&other.data));
        if found.is_empty() && self.units != other.units {
            found.push(format!("units: {} against {}", self.units.len(), other.units.len()));
        }
        if found.is_empty() && self.notes != other.notes {
            found.push("what is said of all runs".into());
        }
        let more = found.len().saturating_sub(NAMED);
        found.truncate(NAMED);
        (!found.is_empty()).then(|| {
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!("{}{more}", found.join("; "))
        })
    }
}

/// Settings by name, those within others as "outer.inner".
fn flat(config: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in config {
        match value {
            Value::Object(inner) => {
                for (key, value) in inner {
                    found.insert(format!("{name}.{key}"), value.to_string());
                }
            }
            _ => {
                found.insert(name.clone(), value.to_string());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_deal_every_unit_once() {
        let shards: Vec<Shard> =
            ["0/3", "1/3", " 2 / 3"].iter().map(|text| text.parse().unwrap()).collect();
        for unit in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.holds(unit)).count(), 1);
            assert!(Shard::WHOLE.holds(unit));
        }
        for wrong in ["", "3", "3/3", "0/0", "-1/3", "a/b", "1/3/4"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_difference_is_named() {
        let data =
            DataRecord { name: "digits".into(), train: 6, reward: 2, test: 2, digest: "aa".into() };
        let plan = RunPlan {
            schema: SCHEMA,
            command: "compare unlearn".into(),
            version: "1".into(),
            config: BTreeMap::from([("budget".into(), 1000.into())]),
            data,
            notes: Vec::new(),
            units: vec!["a".into()],
        };
        assert_eq!(plan.difference(&plan), None);
        let mut other = plan.clone();
        other.config.insert("budget".into(), 500.into());
        other.config.insert("world".into(), serde_json::json!({"rank": 2}));
        let said = plan.difference(&other).unwrap();
        assert_eq!(said, "budget: 1000 against 500; world.rank: absent against 2");
        let mut other = plan.clone();
        other.units.push("b".into());
        assert_eq!(plan.difference(&other).unwrap(), "units: 1 against 2");
    }
}
