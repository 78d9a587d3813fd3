//! A run's folder, `runs/NAME`:
//!
//! | file | what it holds |
//! |---|---|
//! | `config.toml` | the resolved configuration |
//! | `run.json` | format version, command line, crate versions, seed |
//! | `metrics.jsonl` | a line an epoch, see [`EpochMetrics`]; no clock |
//! | `timing.jsonl` | a line an epoch, see [`Timing`] |
//! | `last.safetensors` | the newest checkpoint |
//! | `previous.safetensors` | the one before it |
//! | `best.safetensors` | the one with the lowest validation error |
//! | `report.html` | curves, tables and a player, written when the training is over |
//! | `events.out.tfevents.ram` | with `--tensorboard`: the metrics as TensorBoard reads them |
//!
//! One process at a time writes to it; the lock goes with the process.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::RamError;
use crate::runs::atomic;
use crate::runs::checkpoint::{self, Checkpoint, Tensor, TrainState, unwritable};
use crate::runs::metrics::{EpochMetrics, Line, Timing, read_lines};
use crate::runs::run_info::{INFO, RunInfo, read_info};

pub(super) const CONFIG: &str = "config.toml";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const TIMING: &str = "timing.jsonl";
pub(super) const LAST: &str = "last.safetensors";
pub(super) const PREVIOUS: &str = "previous.safetensors";
const BEST: &str = "best.safetensors";
pub(super) const DAMAGED: &str = "last.damaged.safetensors";
/// The report of the whole run.
pub const REPORT: &str = "report.html";
/// What TensorBoard reads; the name has to hold `tfevents`.
pub const EVENTS: &str = "events.out.tfevents.ram";
const LOCK: &str = ".lock";

/// All that a run writes, and so all that replacing it removes; the lock aside.
const FILES: [&str; 10] = [INFO, CONFIG, METRICS, TIMING, LAST, PREVIOUS, BEST, DAMAGED, REPORT, EVENTS];

/// How a new run is called.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// Exactly so. Letters, digits, `-`, `_` and `.`; the first is a letter, a digit or `_`.
    Given(&'a str),
    /// The first of `STEM-1`, `STEM-2` … that is free.
    Numbered(&'a str),
}

/// What becomes of a run that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and making the new one is an error.
    Refuse,
    /// The files of the run are removed; others in the folder stay. Only a run that `ram` made is replaced.
    Replace,
    /// As `Replace`, but only if this subcommand made it.
    ReplaceMadeBy(&'static str),
}

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with the lowest validation error.
    Best,
    /// The newest.
    Last,
}

/// A run's folder, locked against other writers while this lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Holds the lock until it is dropped.
    _lock: File,
}

impl RunFolder {
    /// Makes a folder for a new run in `runs` (made too if it is not there) and writes `config.toml` and `run.json`.
    ///
    /// # Errors
    /// [`RamError::Config`] for a name that cannot be one; [`RamError::Run`] if the run exists and `existing` does not let it be
    /// replaced, if another process writes to it, or if the folder cannot be written.
    pub fn create(
        runs: &Path,
        name: Name,
        config: &Config,
        info: &RunInfo,
        existing: Existing,
    ) -> Result<Self, RamError> {
        RunFolder::claim(runs, name)?.begin(config, info, existing)
    }

    /// Makes the folder of a run if it is not there, and locks it. What is done with it is said next: [`RunFolder::begin`] or
    /// [`RunFolder::go_on`]; so that nobody can come between looking and doing.
    ///
    /// # Errors
    /// As [`RunFolder::create`]; [`RamError::Locked`] if another process writes to it.
    pub fn claim(runs: &Path, name: Name) -> Result<RunFolder, RamError> {
        let denied = |path: &Path, error: io::Error| {
            RamError::run(path, format!("cannot make the folder: {error}; name another with --runs"))
        };
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

    /// Begins a run in a folder that is locked: writes `config.toml` and `run.json`.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn begin(self, config: &Config, info: &RunInfo, existing: Existing) -> Result<Self, RamError> {
        self.make_way(existing)?;
        // `run.json` first: a folder that a kill left half made is then known as a run, and may be replaced.
        let info = serde_json::to_string_pretty(info).expect("numbers and names") + "\n";
        self.write(INFO, info.as_bytes())?;
        self.write(CONFIG, config.to_toml().as_bytes())?;
        Ok(self)
    }

    /// The configuration of the run at `path`.
    ///
    /// # Errors
    /// As [`RunFolder::resume`], for its `run.json` and `config.toml`.
    pub fn config(path: &Path) -> Result<Config, RamError> {
        read_info(path)?;
        read_config(path)
    }

    /// Reads a checkpoint of the run at `path`, without the lock: also while it is being trained.
    pub fn read(path: &Path, which: Which) -> Result<Checkpoint, RamError> {
        read_info(path)?;
        let file = path.join(match which {
            Which::Best => BEST,
            Which::Last => LAST,
        });
        if !file.exists() {
            return Err(RamError::run(
                &file,
                "the run has no such checkpoint: it has not completed an epoch; train it with `ram train --resume`",
            ));
        }
        Checkpoint::read(&file)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `last.safetensors`; the one that was there becomes `previous.safetensors`.
    pub fn save_last(&mut self, tensors: &[Tensor], state: &TrainState) -> Result<(), RamError> {
        let (last, previous) = (self.path.join(LAST), self.path.join(PREVIOUS));
        let bytes = checkpoint::encode(tensors, state)?;
        atomic::write_keeping(&last, &previous, &bytes).map_err(|error| unwritable(&last, &error))
    }

    /// Writes `best.safetensors`.
    pub fn save_best(&mut self, tensors: &[Tensor], state: &TrainState) -> Result<(), RamError> {
        checkpoint::write(&self.path.join(BEST), tensors, state)
    }

    /// Adds a line to `metrics.jsonl`. Call it before [`RunFolder::save_last`]: a line too many is cut on resuming, one too few
    /// would be missed.
    pub fn append_metrics(&mut self, metrics: &EpochMetrics) -> Result<(), RamError> {
        self.append(METRICS, &metrics.to_line())
    }

    /// Adds a line to `timing.jsonl`.
    pub fn append_timing(&mut self, timing: &Timing) -> Result<(), RamError> {
        self.append(TIMING, &timing.to_line())
    }

    /// The epochs in the `metrics.jsonl` of the run at `path`.
    pub fn metrics(path: &Path) -> Result<Vec<EpochMetrics>, RamError> {
        lines(&path.join(METRICS))
    }

    /// The epochs in the `timing.jsonl` of the run at `path`.
    pub fn timings(path: &Path) -> Result<Vec<Timing>, RamError> {
        lines(&path.join(TIMING))
    }

    pub(super) fn lock(path: &Path) -> Result<RunFolder, RamError> {
        let file = File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(|error| {
            RamError::run(
                path,
                format!("cannot write in the folder: {error}; allow writing there or name another with --runs"),
            )
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RamError::Locked { path: path.to_owned() });
            }
            // Some network file systems have no locks: go on without.
            Err(TryLockError::Error(_)) => {}
        }
        atomic::clean(path).map_err(|error| unwritable(path, &error))?;
        Ok(RunFolder { path: path.to_owned(), _lock: file })
    }

    /// Removes the files of a run that was here, if `existing` allows.
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
                    "there is a run of this name already; go on with it by --resume, replace it by --force, or take another --name",
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
                "the folder has other things in it and is left alone; take another --name or --runs, or move it away",
            ));
        }
        // `run.json` goes last, so that a folder half emptied is still known as a run.
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

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RamError> {
        let path = self.path.join(name);
        atomic::write(&path, bytes).map_err(|error| unwritable(&path, &error))
    }

    fn append(&self, name: &str, line: &str) -> Result<(), RamError> {
        let path = self.path.join(name);
        let result = File::options().append(true).create(true).open(&path).and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.sync_data()
        });
        result.map_err(|error| unwritable(&path, &error))
    }
}

/// The records of a `.jsonl` file; none where there is no file.
pub(super) fn lines<T: Line>(path: &Path) -> Result<Vec<T>, RamError> {
    match fs::read_to_string(path) {
        Ok(text) => read_lines(&text)
            .map_err(|error| RamError::run(path, format!("{error}; the file is damaged: mend or remove that line"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(RamError::run(path, format!("cannot be read: {error}"))),
    }
}

/// The `config.toml` of the run at `path`.
pub(super) fn read_config(path: &Path) -> Result<Config, RamError> {
    let file = path.join(CONFIG);
    let text = fs::read_to_string(&file)
        .map_err(|error| RamError::run(&file, format!("cannot be read: {error}; put it back, or train again")))?;
    // It names the file and the line.
    Config::from_toml(&text, CONFIG)
        .map_err(|error| RamError::run(path, format!("{error}; put it back, or train again")))
}

fn check_name(name: &str) -> Result<(), RamError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fine = name.starts_with(plain) && name.chars().all(|c| plain(c) || c == '-' || c == '.') && name.len() <= 100;
    if fine {
        return Ok(());
    }
    Err(RamError::Config(format!(
        "--name {name:?}: a run's name has up to 100 letters, digits, `-`, `_` and `.`, and begins with a letter, a digit or `_`; \
         its folder is chosen by --runs"
    )))
}

#[cfg(test)]
mod tests;
