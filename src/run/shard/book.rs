//! The folder that finished units are kept in.

use super::plan::{RunPlan, Shard};
use crate::run::error::RunError;
use crate::run::files::{read_file, write_file};
use crate::run::pool;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};

/// A plan, and where its finished units are kept; nowhere without a folder.
#[derive(Clone, Debug)]
pub struct Book {
    dir: Option<PathBuf>,
    plan: RunPlan,
}

const PLAN: &str = "plan.json";
const UNITS: &str = "units";

impl Book {
    /// A book for `plan` in `dir`.
    ///
    /// # Errors
    /// [`RunError::Failed`]: the folder holds another run (what differs is named), results of another
    /// command, or units of the same run without `resume`; or it cannot be written to. What it holds is
    /// left as it was.
    pub fn open(dir: Option<&Path>, plan: RunPlan, resume: bool) -> Result<Self, RunError> {
        let book = Self { dir: dir.map(Path::to_path_buf), plan };
        let Some(dir) = dir else { return Ok(book) };
        let failed = |what: String| RunError::Failed(format!("--out {}: {what}", dir.display()));
        match Self::plan_of(dir)? {
            Some(held) => {
                if let Some(difference) = held.difference(&book.plan) {
                    return Err(failed(format!(
                        "holds a run of another configuration ({difference}): choose another folder"
                    )));
                }
                if !resume {
                    let done = book.done()?;
                    return Err(failed(format!(
                        "holds {done} of {} units of this very run: --resume goes on with it",
                        book.plan.units.len()
                    )));
                }
            }
            None if dir.join("results.json").exists() => {
                return Err(failed(
                    "holds results of another command: choose another folder".into(),
                ));
            }
            None => {
                fs::create_dir_all(dir.join(UNITS))
                    .map_err(|error| failed(format!("not a folder to write to: {error}")))?;
                let mut text = serde_json::to_vec_pretty(&book.plan)
                    .map_err(|error| failed(error.to_string()))?;
                text.push(b'\n');
                write_file(&dir.join(PLAN), &text)?;
            }
        }
        Ok(book)
    }

    /// The plan that a folder holds, if it holds one.
    ///
    /// # Errors
    /// [`RunError::Failed`] names a file that is no plan, or one of a newer schema.
    pub(super) fn plan_of(dir: &Path) -> Result<Option<RunPlan>, RunError> {
        let path = dir.join(PLAN);
        if !path.exists() {
            return Ok(None);
        }
        RunPlan::read(&path, &read_file(&path)?).map(Some)
    }

    /// The plan.
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }

    /// Number of finished units.
    fn done(&self) -> Result<usize, RunError> {
        let there = |name: &&String| self.path(name).is_some_and(|path| path.exists());
        Ok(self.plan.units.iter().filter(there).count())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(unit_path(self.dir.as_deref()?, name))
    }

    /// The record of a unit, if it is finished.
    ///
    /// # Errors
    /// [`RunError::Failed`] names a file that does not hold such a record.
    pub fn read<R: DeserializeOwned>(&self, name: &str) -> Result<Option<R>, RunError> {
        match self.path(name).filter(|path| path.exists()) {
            None => Ok(None),
            Some(path) => read_unit(&path).map(Some),
        }
    }

    /// Keeps the record of a finished unit.
    ///
    /// # Errors
    /// [`RunError::Failed`] names a file that cannot be written.
    pub fn write<R: Serialize>(&self, name: &str, record: &R) -> Result<(), RunError> {
        let Some(path) = self.path(name) else { return Ok(()) };
        let text = serde_json::to_vec(record)
            .map_err(|error| RunError::Failed(format!("{}: {error}", path.display())))?;
        write_file(&path, &text)
    }
}

/// The units of a shard: those that are done, and those that are missing.
#[derive(Clone, Debug)]
pub struct Work<R> {
    records: Vec<Option<R>>,
    /// Numbers of the units that are to be done.
    pub missing: Vec<usize>,
    /// Units of the shard that had been done before.
    pub resumed: usize,
}

impl<R> Work<R> {
    /// Units of the shard.
    pub fn units(&self) -> usize {
        self.missing.len() + self.resumed
    }
}

impl Book {
    /// What of `shard` is done, and what is missing.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn work<R: DeserializeOwned>(&self, shard: Shard) -> Result<Work<R>, RunError> {
        let mut work = Work { records: Vec::new(), missing: Vec::new(), resumed: 0 };
        for (unit, name) in self.plan.units.iter().enumerate() {
            let record = if shard.holds(unit) { self.read(name)? } else { None };
            match (&record, shard.holds(unit)) {
                (Some(_), _) => work.resumed += 1,
                (None, true) => work.missing.push(unit),
                (None, false) => {}
            }
            work.records.push(record);
        }
        Ok(work)
    }

    /// Makes the missing units with `make`, which is given their numbers, on at most `threads` threads, and
    /// keeps each as it is done. The records of all units in the order of the plan; `None` where other
    /// shards hold some of them.
    ///
    /// # Errors
    /// That of the first unit that fails; those that were done before it are kept.
    pub fn finish<R: Serialize + Send>(
        &self,
        work: Work<R>,
        threads: usize,
        make: impl Fn(usize) -> Result<R, RunError> + Sync,
    ) -> Result<Option<Vec<R>>, RunError> {
        let Work { mut records, missing, .. } = work;
        let made = pool::map(&missing, threads, |&unit| {
            let record = make(unit)?;
            self.plan.units.get(unit).map_or(Ok(()), |name| self.write(name, &record))?;
            Ok::<_, RunError>(record)
        })?;
        for (unit, record) in missing.into_iter().zip(made) {
            records[unit] = Some(record);
        }
        Ok(records.into_iter().collect())
    }
}

/// The file of a unit: names of units are paths of words, digits, '-' and '+'.
pub(super) fn unit_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(UNITS).join(format!("{}.json", name.replace('/', "_")))
}

pub(super) fn read_unit<R: DeserializeOwned>(path: &Path) -> Result<R, RunError> {
    serde_json::from_slice(&read_file(path)?).map_err(|error| {
        RunError::Failed(format!(
            "{}: not the record of a unit ({error}): remove it, and --resume makes it anew",
            path.display()
        ))
    })
}
