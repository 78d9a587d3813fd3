//! Keeps what a finished run proved, and takes over runs that `ram train` made.

use std::fs;
use std::path::{Path, PathBuf};

use super::plan::{Plan, Planned};
use super::record::{Kept, RESULT, Record, SUMMARY, Tested, is_complete};
use crate::error::RamError;
use crate::runs::atomic;
use crate::runs::metrics::{EpochMetrics, Line};
use crate::runs::run_folder::{CONFIG, METRICS, Name, RunFolder};
use crate::runs::run_info::read_info;

/// What became of a run that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It has a new record.
    New,
    /// Its record was there, but said less.
    Completed,
    /// Its record was there and says the same.
    Known,
}

/// Copies what the tested run at `run` proved into its folder in `records`. A record of another configuration or of other weights
/// is never replaced.
///
/// # Errors
/// [`RamError::Run`] where such a record is there, the run has other settings than the plan's, or a file cannot be read or
/// written.
pub fn keep(run: &Path, planned: &Planned, tested: Tested, records: &Path) -> Result<Keeping, RamError> {
    same_run(run, planned, run.parent().unwrap_or(Path::new("")))?;
    let record = Record::of_run(run, planned, tested)?;
    let folder = records.join(&planned.name);
    let mut keeping = Keeping::New;
    if folder.join(RESULT).exists() {
        let there = Kept::read(&folder)?;
        let mut differences = there.config.differences(&planned.config);
        if there.record.tested.weights != record.tested.weights {
            differences.push(format!("the weights: {}, {}", there.record.tested.weights, record.tested.weights));
        }
        if !differences.is_empty() {
            return Err(RamError::run(
                &folder,
                format!(
                    "is the record of another run: it differs from {} in {}; remove the record if this run shall replace it",
                    run.display(),
                    differences.join("; ")
                ),
            ));
        }
        // A record without times may have been completed by a run of the same bits, never the other way round.
        if there.record == record || record.seconds.is_none() {
            return Ok(Keeping::Known);
        }
        keeping = Keeping::Completed;
    }
    fs::create_dir_all(&folder).map_err(|error| RamError::unwritable(&folder, &error))?;
    copy(&run.join(CONFIG), &folder.join(CONFIG))?;
    let (path, lines) = (folder.join(METRICS), thinned(RunFolder::metrics(run)?, record.best_epoch));
    atomic::write(&path, lines.as_bytes()).map_err(|error| RamError::unwritable(&path, &error))?;
    let text = serde_json::to_string_pretty(&record).expect("numbers and names") + "\n";
    let path = folder.join(RESULT);
    atomic::write(&path, text.as_bytes()).map_err(|error| RamError::unwritable(&path, &error))?;
    Ok(keeping)
}

/// The lines of `metrics.jsonl`, of which only that of the best epoch keeps the confusion matrix and where glimpses fell: they are
/// nine tenths of the file.
fn thinned(metrics: Vec<EpochMetrics>, best: usize) -> String {
    let line = |mut line: EpochMetrics| {
        if line.epoch != best {
            (line.confusion, line.density) = (Vec::new(), Vec::new());
        }
        line.to_line()
    };
    metrics.into_iter().map(line).collect()
}

/// Writes the summary of the records in a folder, and returns its path and the number of records.
///
/// # Errors
/// As [`Kept::read_all`], or the file cannot be written.
pub fn write_summary(records: &Path) -> Result<(PathBuf, usize), RamError> {
    fs::create_dir_all(records).map_err(|error| RamError::unwritable(records, &error))?;
    let (path, all) = (records.join(SUMMARY), Kept::read_all(records)?);
    let lines: String = all.iter().map(Kept::to_line).collect();
    atomic::write(&path, lines.as_bytes()).map_err(|error| RamError::unwritable(&path, &error))?;
    Ok((path, all.len()))
}

/// Checks that the run at `path` has the configuration of the plan.
///
/// # Errors
/// [`RamError::Run`] that names the keys that differ.
pub fn same_configuration(path: &Path, planned: &Planned) -> Result<(), RamError> {
    let differences = RunFolder::config(path)?.differences(&planned.config);
    if differences.is_empty() {
        return Ok(());
    }
    Err(RamError::run(
        path,
        format!(
            "this run has other settings than {} (found, expected: {}); choose another --runs, or remove it",
            planned.experiment.name,
            differences.join("; ")
        ),
    ))
}

/// Copies a finished run, of whatever name, into the folder `runs`, under the name that it has in the plan.
///
/// # Errors
/// [`RamError::Run`] where there is no finished run, it began with other weights than those of the plan, no experiment of the plan has
/// its configuration, or there is a run of that name already; [`RamError::Locked`] if a process writes to either.
pub fn adopt(plan: &Plan, from: &Path, runs: &Path) -> Result<Planned, RamError> {
    let planned = plan.with_configuration(&RunFolder::config(from)?).map_err(|error| {
        RamError::run(from, format!("{error}; choose another target, or train it with the settings of a row"))
    })?;
    check_beginning(from, &planned, runs)?;
    let metrics = RunFolder::metrics(from)?;
    if !is_complete(&planned.config, &metrics) {
        return Err(RamError::run(
            from,
            format!(
                "has {} of {} epochs, but only a finished run can be adopted; finish it with `ram train --resume`",
                metrics.len(),
                planned.config.train.epochs
            ),
        ));
    }
    let to = runs.join(&planned.name);
    let is_same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a));
    if is_same(from, &to) {
        return Ok(planned);
    }
    let target = RunFolder::claim(runs, Name::Given(&planned.name))?;
    if target.has_checkpoint() || to.join(RESULT).exists() {
        return Err(RamError::run(&to, "there is a run of this name already; remove it, or choose another --runs"));
    }
    target.copy_from(from)?;
    if from.join(RESULT).exists() {
        // It was tested already, and once is enough.
        copy(&from.join(RESULT), &to.join(RESULT))?;
    }
    Ok(planned)
}

/// Checks that the run at `path` is the one of the plan: it has its configuration, and began with the weights of the same run, of
/// which the result lies in the folder `runs`.
///
/// # Errors
/// [`RamError::Run`] that says what differs.
pub fn same_run(path: &Path, planned: &Planned, runs: &Path) -> Result<(), RamError> {
    same_configuration(path, planned)?;
    check_beginning(path, planned, runs)
}

/// Checks that a run began with the weights with which the plan says that it begins.
fn check_beginning(path: &Path, planned: &Planned, runs: &Path) -> Result<(), RamError> {
    let wrong = match (read_info(path)?.init_from, &planned.begins_with) {
        (None, None) => return Ok(()),
        (Some(init), None) => {
            format!("began with the weights of {}, but the runs of this row begin with drawn ones", init.run)
        }
        (None, Some(earlier)) => {
            format!("began with drawn weights, but the runs of this row begin with those of {}", earlier.name)
        }
        (Some(init), Some(earlier)) => match Tested::read(&runs.join(&earlier.name))? {
            Some(tested) if tested.weights == init.weights => return Ok(()),
            Some(_) => format!("began with other weights than the best ones of {}", earlier.name),
            None => {
                let message = format!(
                    "began with the weights of {}, of which {} has no result yet; train or adopt that run first",
                    earlier.name,
                    runs.display()
                );
                return Err(RamError::run(path, message));
            }
        },
    };
    Err(RamError::run(path, format!("{wrong}; remove it and train it anew")))
}

fn copy(from: &Path, to: &Path) -> Result<(), RamError> {
    let bytes =
        fs::read(from).map_err(|error| RamError::run(from, format!("cannot be read: {error}; allow reading it")))?;
    atomic::write(to, &bytes).map_err(|error| RamError::unwritable(to, &error))
}
