//! Folders of shards joined.

use super::book::{Book, read_unit, unit_path};
use super::plan::RunPlan;
use crate::run::error::RunError;
use serde_json::Value;
use std::path::PathBuf;

/// What shards come to.
#[derive(Clone, Debug)]
pub struct Merged {
    /// What the run is.
    pub plan: RunPlan,
    /// The record of every unit, in the order of the plan.
    pub units: Vec<Value>,
}

/// Missing units that a message names.
const NAMED: usize = 3;

/// Joins the folders of the shards of one run.
///
/// # Errors
/// [`RunError::Failed`]: a folder without a plan, folders of different runs (what differs is named), a unit
/// that no folder holds, or one that two folders hold with different figures.
pub fn merge(dirs: &[PathBuf]) -> Result<Merged, RunError> {
    let mut plans = Vec::new();
    for dir in dirs {
        let plan = Book::plan_of(dir)?.ok_or_else(|| {
            RunError::Failed(format!(
                "{}: holds no shard (there is no plan.json in it)",
                dir.display()
            ))
        })?;
        plans.push((dir, plan));
    }
    let Some((first, plan)) = plans.first() else {
        return Err(RunError::Usage("at least one folder is needed".into()));
    };
    for (dir, other) in &plans {
        if let Some(difference) = plan.difference(other) {
            return Err(RunError::Failed(format!(
                "{} and {} are not shards of one run: {difference}",
                first.display(),
                dir.display()
            )));
        }
    }
    let mut units = Vec::with_capacity(plan.units.len());
    let mut missing = Vec::new();
    for name in &plan.units {
        let mut held: Option<(&PathBuf, Value)> = None;
        for dir in dirs {
            let path = unit_path(dir, name);
            if !path.exists() {
                continue;
            }
            let record: Value = read_unit(&path)?;
            match &held {
                Some((other, known)) if !same_figures(known, &record) => {
                    return Err(RunError::Failed(format!(
                        "{name}: {} and {} hold different figures of it",
                        other.display(),
                        dir.display()
                    )));
                }
                Some(_) => {}
                None => held = Some((dir, record)),
            }
        }
        match held {
            Some((_, record)) => units.push(record),
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        let named = missing.get(..missing.len().min(NAMED)).unwrap_or_default().join(", ");
        let more = if missing.len() > NAMED { ", …" } else { "" };
        return Err(RunError::Failed(format!(
            "{} of {} units are in none of the folders ({named}{more}): run the shards that are missing, \
             or --resume those that were cut short",
            missing.len(),
            plan.units.len()
        )));
    }
    Ok(Merged { plan: plan.clone(), units })
}

/// Whether two records are equal but for what the machine decides.
fn same_figures(one: &Value, other: &Value) -> bool {
    let without = |value: &Value| {
        let mut value = value.clone();
        if let Value::Object(map) = &mut value {
            map.remove("seconds");
            map.remove("peak_bytes");
        }
        value
    };
    without(one) == without(other)
}
