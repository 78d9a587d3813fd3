//! The folder of a run, `runs/NAME`:
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the resolved configuration |
//! | `run.json` | format version, command line, crate versions, seed |
//! | `data.json` | of a run on the user's pictures: the hash of each file, see [`Fingerprint`](crate::data::fingerprint::Fingerprint) |
//! | `metrics.jsonl` | one line for each epoch, see [`EpochMetrics`]; it holds no times |
//! | `timing.jsonl` | one line for each epoch, see [`Timing`] |
//! | `last.safetensors` | the newest checkpoint |
//! | `previous.safetensors` | the one before it |
//! | `best.safetensors` | the best one, which has the lowest validation error (and price of glimpses, if they have one) |
//! | `evaluation.json` | the test error of the best checkpoint, if `ram eval --split test` was asked for it |
//! | `report.html` | curves, tables and a player, written when the training has ended |
//! | `play.html` | a page on which one plays with the network, beside the report if it can show such a network |
//! | `events.out.tfevents.ram` | with `--tensorboard`: the metrics in TensorBoard's format |
//!
//! Only one process at a time writes to the folder. It holds a lock, which the system releases when the process ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::RamError;
use crate::files;
use crate::runs::checkpoint::{self, BEST, Checkpoint, LAST, PREVIOUS, Tensor, TrainState, unwritable};
use crate::runs::metrics::{EpochMetrics, Line, Timing, read_lines};
use crate::runs::run_info::{INFO, RunInfo, read_info};
use crate::runs::{atomic, crash};

/// The file of the resolved configuration.
pub const CONFIG: &str = "config.toml";
/// The file of the metrics.
pub const METRICS: &str = "metrics.jsonl";
pub(super) const TIMING: &str = "timing.jsonl";
pub(super) const DAMAGED: &str = "last.damaged.safetensors";
/// The file of the run's report.
pub const REPORT: &str = "report.html";
/// The file of the page on which one plays with the run's network; see [`page`](crate::page).
pub const PLAY: &str = "play.html";
/// The file of the test error, which `ram eval` writes for the report; see [`TestError`].
const TEST_ERROR: &str = "evaluation.json";
/// The file that TensorBoard reads; its name must contain `tfevents`.
pub const EVENTS: &str = "events.out.tfevents.ram";
/// The file of the data's fingerprint.
pub(super) const DATA: &str = "data.json";
const LOCK: &str = ".lock";

/// All files that a run writes except for the lock; these are removed when the run is replaced.
const FILES: [&str; 13] =
    [INFO, CONFIG, DATA, METRICS, TIMING, LAST, PREVIOUS, BEST, DAMAGED, REPORT, PLAY, EVENTS, TEST_ERROR];

/// The name of a new run.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// This name. It consists of letters, digits, `-`, `_` and `.`, and begins with a letter, a digit or `_`.
    Given(&'a str),
    /// The first of `STEM-1`, `STEM-2` … that is free.
    Numbered(&'a str),
}

/// What happens to a run that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and creating the new one is an error.
    Refuse,
    /// Its files are removed; other files in the folder stay. Only a run that `ram` made is replaced.
    Replace,
    /// As `Replace`, but only if this subcommand made the run.
    ReplaceMadeBy(&'static str),
}

/// One of the checkpoints of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The best one.
    Best,
    /// The newest.
    Last,
}

/// The content of `evaluation.json`: what the best checkpoint achieved on the test part, in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestError {
    /// The epoch of the checkpoint.
    pub epoch: usize,
    /// The share of wrong answers, 0 to 1.
    pub error: f64,
    /// The number of images or games.
    pub count: usize,
}

impl TestError {
    /// Writes it into the run at `path`.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RamError> {
        let text = serde_json::to_string(self).expect("numbers") + "\n";
        let file = path.join(TEST_ERROR);
        atomic::write(&file, text.as_bytes()).map_err(|error| RamError::unwritable(&file, &error))
    }

    /// That of the run at `path`, if there is one of the checkpoint of this epoch.
    pub fn read(path: &Path, epoch: usize) -> Option<TestError> {
        let text = files::read_text(&path.join(TEST_ERROR), files::TEXT).ok()?;
        serde_json::from_str::<TestError>(&text).ok().filter(|found| found.epoch == epoch)
    }
}

/// Makes the folder in which runs lie, if it does not exist, and makes sure that runs can be made in it.
///
/// # Errors
/// [`RamError::Run`] where that is not possible.
pub fn make_folder_of_runs(runs: &Path) -> Result<(), RamError> {
    let made = fs::create_dir_all(runs).and_then(|()| {
        let probe = runs.join(format!(".probe-{}", std::process::id()));
        fs::create_dir(&probe)?;
        fs::remove_dir(&probe)
    });
    made.map_err(|error| {
        RamError::run(runs, format!("cannot hold runs: {error}; allow writing there or choose another with --runs"))
    })
}

fn denied(path: &Path, error: io::Error) -> RamError {
    RamError::run(path, format!("cannot create the folder: {error}; choose another with --runs"))
}

/// The folder of a run. While this value lives, other processes cannot write to the folder.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Keeps the lock until it is dropped.
    _lock: Lock,
}

/// The lock of a run's folder. It is given back when it is dropped: a child process that another thread is just starting has the file
/// open too, and would keep the lock for that moment.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Where this fails, the lock ends with the file.
        _ = self.0.unlock();
    }
}

impl RunFolder {
    /// Creates a folder for a new run in `runs` (which is created too if it does not exist) and writes `config.toml` and `run.json`.
    ///
    /// # Errors
    /// [`RamError::Config`] for a name that is not valid; [`RamError::Run`] if the run exists and `existing` does not allow to
    /// replace it, or if the folder cannot be written; [`RamError::Locked`] if another process writes to it.
    pub fn create(
        runs: &Path,
        name: Name,
        config: &Config,
        info: &RunInfo,
        existing: Existing,
    ) -> Result<Self, RamError> {
        RunFolder::claim(runs, name)?.begin(config, info, existing)
    }

    /// Locks the folder of a run, which is created if it does not exist. [`RunFolder::begin`] or [`RunFolder::go_on`] come next;
    /// because of the lock, no other process can change the folder between looking at it and writing to it.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn claim(runs: &Path, name: Name) -> Result<RunFolder, RamError> {
        if let Name::Given(name) = name {
            check_name(name)?;
        }
        fs::create_dir_all(runs).map_err(|error| denied(runs, error))?;
        let path = match name {
            Name::Given(name) => {
                let path = runs.join(name);
                match fs::create_dir(&path) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(denied(&path, error)),
                    _ => path,
                }
            }
            Name::Numbered(stem) => {
                let free =
                    (1u32..).map(|n| runs.join(format!("{stem}-{n}"))).find_map(|path| match fs::create_dir(&path) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                        Err(error) => Some(Err(denied(&path, error))),
                        Ok(()) => Some(Ok(path)),
                    });
                free.expect("a free number")?
            }
        };
        RunFolder::lock(&path)
    }

    /// Begins a new run in this folder: writes `config.toml` and `run.json`.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn begin(self, config: &Config, info: &RunInfo, existing: Existing) -> Result<Self, RamError> {
        self.make_way(existing)?;
        // `run.json` comes first: if the process is killed here, the folder is known as a run and may be replaced.
        let info = serde_json::to_string_pretty(info).expect("numbers and names") + "\n";
        self.write(INFO, info.as_bytes())?;
        self.write(CONFIG, config.to_toml().as_bytes())?;
        Ok(self)
    }

    /// The configuration of the run at `path`.
    ///
    /// # Errors
    /// [`RamError::Run`] where the path is not a run, or its `run.json` or `config.toml` is damaged.
    pub fn config(path: &Path) -> Result<Config, RamError> {
        read_info(path)?;
        read_config(path)
    }

    /// Reads a checkpoint of the run at `path`. It takes no lock, so that this works while the run is being trained.
    ///
    /// # Errors
    /// As [`RunFolder::config`] and [`Checkpoint::read`]; [`RamError::Run`] where there is no such checkpoint yet.
    pub fn read(path: &Path, which: Which) -> Result<Checkpoint, RamError> {
        read_info(path)?;
        let file = path.join(match which {
            Which::Best => BEST,
            Which::Last => LAST,
        });
        if !file.exists() {
            let advice = match which {
                Which::Best if lines::<EpochMetrics>(&path.join(METRICS)).is_ok_and(|lines| !lines.is_empty()) => {
                    "is missing, though the run has completed an epoch; take its last checkpoint with --which last, put the file back, \
                     or train again with --force"
                }
                _ => {
                    "the run has no such checkpoint: it has not completed an epoch. If nothing trains it now, go on with \
                     `ram train --resume --name NAME`, and --runs DIR if it is not in `runs`"
                }
            };
            return Err(RamError::run(&file, advice));
        }
        let checkpoint = Checkpoint::read(&file)?;
        let differences = checkpoint.config()?.differences(&read_config(path)?);
        if !differences.is_empty() {
            return Err(RamError::run(
                &file,
                format!(
                    "is a checkpoint of another run: its configuration and {CONFIG} differ (found, expected: {}); put the run's own \
                     file back, or name this file instead of the run",
                    differences.join("; ")
                ),
            ));
        }
        Ok(checkpoint)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `last.safetensors`; the file that was there before becomes `previous.safetensors`.
    ///
    /// # Errors
    /// As [`checkpoint::write`].
    pub fn save_last(&mut self, tensors: &[Tensor], state: &TrainState) -> Result<(), RamError> {
        let (last, previous) = (self.path.join(LAST), self.path.join(PREVIOUS));
        let bytes = checkpoint::encode(tensors, state)?;
        atomic::write_keeping(&last, &previous, &bytes).map_err(|error| unwritable(&last, &error))
    }

    /// Writes `best.safetensors`.
    ///
    /// # Errors
    /// As [`checkpoint::write`].
    pub fn save_best(&mut self, tensors: &[Tensor], state: &TrainState) -> Result<(), RamError> {
        checkpoint::write(&self.path.join(BEST), tensors, state)
    }

    /// Adds a line to `metrics.jsonl`. It must be called before [`RunFolder::save_last`]: resuming can cut a line that is too many,
    /// but it cannot make one that is missing.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be written.
    pub fn append_metrics(&mut self, metrics: &EpochMetrics) -> Result<(), RamError> {
        self.append(METRICS, &metrics.to_line())
    }

    /// Adds a line to `timing.jsonl`.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be written.
    pub fn append_timing(&mut self, timing: &Timing) -> Result<(), RamError> {
        self.append(TIMING, &timing.to_line())
    }

    /// The epochs in the `metrics.jsonl` of the run at `path`; none where there is no such file.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be read or is damaged.
    pub fn metrics(path: &Path) -> Result<Vec<EpochMetrics>, RamError> {
        let file = path.join(METRICS);
        let lines: Vec<EpochMetrics> = lines(&file)?;
        check_epochs(&file, &lines)?;
        Ok(lines)
    }

    /// As [`RunFolder::metrics`], for those who show the curves: none may be missing at the end either.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be read, is damaged, or lacks epochs that a checkpoint of the run has seen.
    pub fn curves(path: &Path) -> Result<Vec<EpochMetrics>, RamError> {
        // The line of an epoch is written before its checkpoint, so who reads the checkpoint first finds the line, also while the run
        // is being trained. A checkpoint that cannot be read is the matter of those who need its weights.
        let saved = [LAST, BEST].iter().filter_map(|name| Checkpoint::read(&path.join(name)).ok());
        let newest = saved.max_by_key(|checkpoint| checkpoint.state.epoch);
        let lines = RunFolder::metrics(path)?;
        newest.map_or(Ok(()), |newest| check_reach(path, &lines, &newest))?;
        Ok(lines)
    }

    /// The epochs in the `timing.jsonl` of the run at `path`; none where there is no such file.
    ///
    /// # Errors
    /// As [`RunFolder::metrics`].
    pub fn timings(path: &Path) -> Result<Vec<Timing>, RamError> {
        lines(&path.join(TIMING))
    }

    /// Whether a process is writing to the run at `path`. Nothing is written to find out.
    pub fn is_locked(path: &Path) -> bool {
        let lock = File::open(path.join(LOCK));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Locks the folder and removes temporary files that a killed process left.
    pub(super) fn lock(path: &Path) -> Result<RunFolder, RamError> {
        let file = File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(|error| {
            RamError::run(
                path,
                format!("cannot write in the folder: {error}; allow writing there or choose another with --runs"),
            )
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RamError::Locked { path: path.to_owned() });
            }
            // Some network file systems have no locks; the run goes on without one.
            Err(TryLockError::Error(_)) => {}
        }
        atomic::clean(path).map_err(|error| unwritable(path, &error))?;
        Ok(RunFolder { path: path.to_owned(), _lock: Lock(file) })
    }

    /// Removes the files of a run that exists already, if `existing` allows it.
    fn make_way(&self, existing: Existing) -> Result<(), RamError> {
        let mut others = fs::read_dir(&self.path)
            .map_err(|error| RamError::run(&self.path, format!("cannot be listed: {error}")))?
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .filter(|name| name != LOCK);
        if others.next().is_none() {
            return Ok(());
        }
        let info = read_info(&self.path);
        let ours = match (existing, &info) {
            (Existing::Refuse, Ok(_)) => {
                return Err(RamError::run(
                    &self.path,
                    "a run of this name exists already; resume it with --resume, replace it with --force, or choose another --name",
                ));
            }
            (Existing::Refuse, Err(_)) => false,
            (Existing::Replace, _) => self.path.join(INFO).exists(),
            (Existing::ReplaceMadeBy(who), Ok(info)) => info.made_by == who,
            (Existing::ReplaceMadeBy(_), Err(_)) => false,
        };
        if !ours {
            return Err(RamError::run(
                &self.path,
                "the folder holds other files and is left alone; choose another --name or --runs, or move it away",
            ));
        }
        // `run.json` is removed last, so that a folder that was emptied only in part is still known as a run.
        for name in FILES.iter().rev() {
            let file = self.path.join(name);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RamError::run(&file, format!("cannot be removed: {error}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a file of the folder, completely or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RamError> {
        let path = self.path.join(name);
        atomic::write(&path, bytes).map_err(|error| unwritable(&path, &error))
    }

    fn append(&self, name: &str, line: &str) -> Result<(), RamError> {
        let path = self.path.join(name);
        let result = File::options().append(true).create(true).open(&path).and_then(|mut file| {
            crash::write_all(&mut file, line.as_bytes())?;
            crash::point();
            file.sync_data()
        });
        result.map_err(|error| unwritable(&path, &error))
    }
}

/// The records of a `.jsonl` file; none where there is no file.
pub(super) fn lines<T: Line>(path: &Path) -> Result<Vec<T>, RamError> {
    match files::read_text(path, files::DATA) {
        Ok(text) => read_lines(&text)
            .map_err(|error| RamError::run(path, format!("{error}; the file is damaged: repair or remove that line"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(RamError::run(path, format!("cannot be read: {error}"))),
    }
}

/// Whether lines belong to the epochs 1, 2, 3 …, without one that is missing or doubled.
///
/// # Errors
/// [`RamError::Run`] with the first line that is another.
pub(super) fn check_epochs(path: &Path, lines: &[EpochMetrics]) -> Result<(), RamError> {
    match lines.iter().zip(1..).find(|(line, epoch)| line.epoch != *epoch) {
        None => Ok(()),
        Some((line, epoch)) => Err(RamError::run(
            path,
            format!(
                "line {epoch} is of epoch {}, expected epoch {epoch}: lines are missing or doubled; put the file back, or train again \
                 with --force",
                line.epoch
            ),
        )),
    }
}

/// Whether there is a line for every epoch that a checkpoint of the run at `path` has seen.
///
/// # Errors
/// [`RamError::Run`] with both numbers.
pub(super) fn check_reach(path: &Path, lines: &[EpochMetrics], checkpoint: &Checkpoint) -> Result<(), RamError> {
    let (found, expected) = (lines.len(), checkpoint.state.epoch);
    if found >= expected {
        return Ok(());
    }
    Err(RamError::run(
        &path.join(METRICS),
        format!(
            "has {found} of the {expected} epochs of the checkpoint {}; put the file back, or train again with --force",
            checkpoint.path.display()
        ),
    ))
}

/// The `config.toml` in the folder of a run or of a record.
///
/// # Errors
/// [`RamError::Run`] where the file cannot be read or is damaged.
pub fn read_config(path: &Path) -> Result<Config, RamError> {
    let file = path.join(CONFIG);
    let text = files::read_text(&file, files::TEXT)
        .map_err(|error| RamError::run(&file, format!("cannot be read: {error}; put it back, or train again")))?;
    // It names the file and the line.
    Config::from_toml(&text, CONFIG)
        .map_err(|error| RamError::run(path, format!("{error}; put it back, or train again")))
}

/// Checks that a name may be that of a run.
///
/// # Errors
/// [`RamError::Config`] that says what a name may consist of.
pub fn check_name(name: &str) -> Result<(), RamError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fine = name.starts_with(plain) && name.chars().all(|c| plain(c) || c == '-' || c == '.') && name.len() <= 100;
    if fine {
        return Ok(());
    }
    Err(RamError::Config(format!(
        "--name {name:?}: a name has up to 100 letters, digits, `-`, `_` and `.`, and begins with a letter, a digit or `_`; \
         the folder is chosen by --runs, or by --zoo for a model"
    )))
}

#[cfg(test)]
mod tests;
