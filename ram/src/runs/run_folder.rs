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

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::RamError;
use crate::runs::atomic;
use crate::runs::checkpoint::{self, Checkpoint, FORMAT, Tensor, TrainState, check_format, unwritable};
use crate::runs::metrics::{EpochMetrics, Line, Timing, read_lines};

const CONFIG: &str = "config.toml";
const INFO: &str = "run.json";
const METRICS: &str = "metrics.jsonl";
const TIMING: &str = "timing.jsonl";
const LAST: &str = "last.safetensors";
const PREVIOUS: &str = "previous.safetensors";
const BEST: &str = "best.safetensors";
const DAMAGED: &str = "last.damaged.safetensors";
/// The report of the whole run.
pub const REPORT: &str = "report.html";
/// What TensorBoard reads; the name has to hold `tfevents`.
pub const EVENTS: &str = "events.out.tfevents.ram";
const LOCK: &str = ".lock";

/// All that a run writes, and so all that replacing it removes; the lock aside.
const FILES: [&str; 10] = [INFO, CONFIG, METRICS, TIMING, LAST, PREVIOUS, BEST, DAMAGED, REPORT, EVENTS];

/// `run.json`: who made the run, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The format version of the folder, [`FORMAT`].
    pub format: u64,
    /// The subcommand that made it: `train`, `demo`, `reproduce`.
    pub made_by: String,
    /// The command line.
    pub command: Vec<String>,
    /// The version of each of the workspace's crates.
    pub versions: BTreeMap<String, String>,
    /// The seed.
    pub seed: u64,
    /// Where its weights began, if not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFrom>,
}

/// The run whose weights another began with. To go on with that other it is not needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitFrom {
    /// Its folder, as it was named.
    pub run: String,
    /// The epoch of its best checkpoint.
    pub epoch: usize,
    /// The hash of that checkpoint's weights.
    pub weights: String,
    /// The parameters that were drawn anew all the same.
    pub drawn: Vec<String>,
}

impl std::fmt::Display for InitFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "weights of {} after epoch {}", self.run, self.epoch)?;
        match &*self.drawn {
            [] => write!(f, ", all of them"),
            drawn => write!(f, ", but drawn anew for other classes: {}", drawn.join(", ")),
        }
    }
}

impl RunInfo {
    /// What `run.json` says of a run that `made_by` makes now.
    pub fn new(made_by: &str, command: Vec<String>, config: &Config) -> RunInfo {
        // The workspace has one version.
        let version = |name: &str| (name.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        RunInfo {
            format: FORMAT,
            made_by: made_by.to_owned(),
            command,
            versions: ["autograd", "datasets", "ram"].map(version).into(),
            seed: config.seed,
            init_from: None,
        }
    }
}

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

/// What [`RunFolder::resume`] found.
#[derive(Debug)]
pub struct Resumed {
    /// The folder, its `.jsonl` files cut back to the checkpoint.
    pub run: RunFolder,
    /// Where to go on.
    pub checkpoint: Checkpoint,
    /// The run's configuration.
    pub config: Config,
    /// Something to tell: the newest checkpoint was damaged and the one before it was taken.
    pub notice: Option<String>,
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

    /// Opens a run to go on with it: takes the newest checkpoint, or where that is damaged or absent the one before it, and
    /// cuts `metrics.jsonl` and `timing.jsonl` back to the epochs complete in it.
    ///
    /// # Errors
    /// [`RamError::Run`], [`RamError::Checkpoint`] or [`RamError::Damaged`] if it is not a run, is of another format version,
    /// has no whole checkpoint or one that cannot be read, has a `config.toml` that was changed since, or if another process
    /// writes to it.
    pub fn resume(path: &Path) -> Result<Resumed, RamError> {
        read_info(path)?;
        RunFolder::lock(path)?.go_on()
    }

    /// Whether it has a checkpoint, damaged or not.
    pub fn has_checkpoint(&self) -> bool {
        [LAST, PREVIOUS].iter().any(|name| self.path.join(name).exists())
    }

    /// Goes on with the run in a folder that is locked; see [`RunFolder::resume`].
    ///
    /// # Errors
    /// As [`RunFolder::resume`].
    pub fn go_on(self) -> Result<Resumed, RamError> {
        let run = self;
        let path = run.path.as_path();
        read_info(path)?;
        let (last, previous) = (path.join(LAST), path.join(PREVIOUS));
        if !last.exists() && !previous.exists() {
            return Err(RamError::run(
                path,
                "the run has no checkpoint yet, so there is nothing to resume; start it again with --force instead of --resume",
            ));
        }
        let (checkpoint, notice) = match Checkpoint::read(&last) {
            Ok(checkpoint) => (checkpoint, None),
            Err(error) => {
                let there = last.exists();
                // Only damage is mended: a file of another version, or one that may not be read, stays where it is.
                if there && !matches!(error, RamError::Damaged { .. }) {
                    return Err(error);
                }
                let Ok(checkpoint) = Checkpoint::read(&previous) else { return Err(error) };
                if there {
                    // Out of the way, or the next save would put it in the place of the whole one.
                    let aside = path.join(DAMAGED);
                    fs::rename(&last, &aside).map_err(|error| unwritable(&aside, &error))?;
                }
                let notice = format!("{error}\ngoing on from {}, the checkpoint before it", previous.display());
                (checkpoint, Some(notice))
            }
        };

        let config = read_config(path)?;
        let changed = config.differences(&checkpoint.config()?);
        if !changed.is_empty() {
            return Err(RamError::run(
                &path.join(CONFIG),
                format!(
                    "differs from the configuration in {} ({}); put it back, or start a new run with --config",
                    checkpoint.path.display(),
                    changed.join("; ")
                ),
            ));
        }
        run.rewind::<EpochMetrics>(METRICS, checkpoint.state.epoch)?;
        run.rewind::<Timing>(TIMING, checkpoint.state.epoch)?;
        Ok(Resumed { run, checkpoint, config, notice })
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

    fn lock(path: &Path) -> Result<RunFolder, RamError> {
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

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RamError> {
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

    /// Leaves the lines of the first `epochs` epochs.
    fn rewind<T: Line>(&self, name: &str, epochs: usize) -> Result<(), RamError> {
        let kept = lines::<T>(&self.path.join(name))?.into_iter().filter(|line| line.epoch() <= epochs);
        self.write(name, kept.map(|line| line.to_line()).collect::<String>().as_bytes())
    }
}

fn lines<T: Line>(path: &Path) -> Result<Vec<T>, RamError> {
    match fs::read_to_string(path) {
        Ok(text) => read_lines(&text)
            .map_err(|error| RamError::run(path, format!("{error}; the file is damaged: mend or remove that line"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(RamError::run(path, format!("cannot be read: {error}"))),
    }
}

/// `run.json` of the run at `path`; refuses what is no run, and another format version.
pub fn read_info(path: &Path) -> Result<RunInfo, RamError> {
    let file = path.join(INFO);
    let text = fs::read_to_string(&file).map_err(|error| {
        if path.is_dir() {
            RamError::run(path, format!("not the folder of a run: cannot read {INFO} in it: {error}; name another"))
        } else {
            RamError::run(path, "there is no such run; `ram train` makes one, and its first line tells the folder")
        }
    })?;
    let damaged =
        |error| RamError::run(&file, format!("not what `ram train` wrote: {error}; put it back, or train again"));
    let json: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    check_format(&json["format"], "run").map_err(|message| RamError::run(path, message))?;
    serde_json::from_value(json).map_err(damaged)
}

fn read_config(path: &Path) -> Result<Config, RamError> {
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
mod tests {
    use super::*;
    use crate::runs::checkpoint::tests::{state, tensors, with_header};
    use crate::runs::metrics::Validation;

    fn create(runs: &Path, name: Name, existing: Existing) -> Result<RunFolder, RamError> {
        let config = Config::default();
        RunFolder::create(runs, name, &config, &RunInfo::new("train", vec!["ram".into()], &config), existing)
    }

    fn metrics(epoch: usize) -> EpochMetrics {
        EpochMetrics {
            epoch,
            step: 1,
            learning_rate: 0.1,
            validation: Validation { error: 0.5, loss: 1.0 },
            on_digit: Some(1.0),
            ..EpochMetrics::default()
        }
    }

    /// A run with `epochs` epochs saved, and its path.
    fn trained(runs: &Path, epochs: usize) -> PathBuf {
        let mut run = create(runs, Name::Given("a"), Existing::Refuse).unwrap();
        for epoch in 1..=epochs {
            run.append_metrics(&metrics(epoch)).unwrap();
            run.save_best(&tensors(), &state(epoch)).unwrap();
            run.save_last(&tensors(), &state(epoch)).unwrap();
        }
        run.path().to_owned()
    }

    fn message<T: std::fmt::Debug>(result: Result<T, RamError>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
        error.to_string()
    }

    #[test]
    fn a_new_run_has_its_configuration_and_says_who_made_it() {
        let runs = tempfile::tempdir().unwrap();
        let run = create(runs.path(), Name::Given("a"), Existing::Refuse).unwrap();
        assert_eq!(read_config(run.path()).unwrap(), Config::default());
        let info = read_info(run.path()).unwrap();
        assert_eq!((info.made_by.as_str(), info.seed, info.format), ("train", 1, FORMAT));
        assert_eq!(info.versions.keys().collect::<Vec<_>>(), ["autograd", "datasets", "ram"]);
    }

    #[test]
    fn names_are_numbered_or_checked() {
        let runs = tempfile::tempdir().unwrap();
        for n in 1..=3 {
            let run = create(runs.path(), Name::Numbered("mnist"), Existing::Refuse).unwrap();
            assert!(run.path().ends_with(format!("mnist-{n}")));
        }
        for name in ["", "..", "a/b", "-x", ".hidden", "a b", "é"] {
            let error = create(runs.path(), Name::Given(name), Existing::Refuse).unwrap_err();
            assert!(matches!(&error, RamError::Config(text) if text.contains("--name")), "{error}");
        }
    }

    #[test]
    fn an_existing_run_is_refused_unless_replaced() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 2);
        fs::write(path.join("notes.txt"), "mine").unwrap();
        let text = message(create(runs.path(), Name::Given("a"), Existing::Refuse));
        assert!(text.contains("--resume") && text.contains("--force"), "{text}");
        let text = message(create(runs.path(), Name::Given("a"), Existing::ReplaceMadeBy("demo")));
        assert!(text.contains("left alone"), "{text}");
        assert!(path.join(LAST).exists());
        create(runs.path(), Name::Given("a"), Existing::Replace).unwrap();
        assert!(!path.join(LAST).exists() && !path.join(METRICS).exists());
        assert_eq!(fs::read(path.join("notes.txt")).unwrap(), b"mine");
        create(runs.path(), Name::Given("a"), Existing::ReplaceMadeBy("train")).unwrap();
    }

    #[test]
    fn a_folder_that_is_no_run_is_left_alone() {
        let runs = tempfile::tempdir().unwrap();
        fs::create_dir(runs.path().join("a")).unwrap();
        fs::write(runs.path().join("a/thesis.tex"), "years").unwrap();
        for existing in [Existing::Refuse, Existing::Replace, Existing::ReplaceMadeBy("demo")] {
            assert!(message(create(runs.path(), Name::Given("a"), existing)).contains("left alone"));
        }
        fs::write(runs.path().join("file"), "").unwrap();
        message(create(runs.path(), Name::Given("file"), Existing::Replace));
        message(create(&runs.path().join("file"), Name::Given("a"), Existing::Replace));
    }

    #[test]
    fn two_writers_exclude_each_other_and_readers_do_not() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 1);
        let resumed = RunFolder::resume(&path).unwrap();
        assert!(message(RunFolder::resume(&path)).contains("another process"));
        RunFolder::read(&path, Which::Best).unwrap();
        drop(resumed);
        RunFolder::resume(&path).unwrap();
    }

    #[test]
    fn resuming_cuts_the_lines_after_the_checkpoint() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 2);
        let text = fs::read_to_string(path.join(METRICS)).unwrap();
        // Killed after the third epoch's line and a half, before its checkpoint.
        fs::write(path.join(METRICS), text.clone() + &metrics(3).to_line() + "{\"epoch\":4,\"st").unwrap();
        let resumed = RunFolder::resume(&path).unwrap();
        assert_eq!((resumed.checkpoint.state.epoch, &resumed.notice), (2, &None));
        assert_eq!(fs::read_to_string(path.join(METRICS)).unwrap(), text);
        assert_eq!(RunFolder::metrics(&path).unwrap(), [metrics(1), metrics(2)]);
    }

    #[test]
    fn a_damaged_last_falls_back_to_the_previous_and_never_replaces_it() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 2);
        let bytes = fs::read(path.join(LAST)).unwrap();
        fs::write(path.join(LAST), &bytes[..bytes.len() / 2]).unwrap();
        let mut resumed = RunFolder::resume(&path).unwrap();
        let notice = resumed.notice.take().unwrap();
        assert!(notice.contains("last.safetensors: ") && notice.contains("previous.safetensors"), "{notice}");
        assert_eq!(resumed.checkpoint.state.epoch, 1);
        assert_eq!(RunFolder::metrics(&path).unwrap(), [metrics(1)]);
        resumed.run.save_last(&tensors(), &state(2)).unwrap();
        assert_eq!(Checkpoint::read(&path.join(PREVIOUS)).unwrap().state.epoch, 1);
        drop(resumed);
        // Killed between the two renames: no `last` at all.
        fs::remove_file(path.join(LAST)).unwrap();
        assert_eq!(RunFolder::resume(&path).unwrap().checkpoint.state.epoch, 1);
        // Neither is whole: the error is of the newest.
        for name in [LAST, PREVIOUS] {
            fs::write(path.join(name), "oops").unwrap();
        }
        assert!(message(RunFolder::resume(&path)).contains("last.safetensors: cut short"));
    }

    #[test]
    fn a_last_that_is_not_damaged_is_never_passed_over() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 2);
        fs::write(path.join(LAST), with_header(r#"{"format":7}"#)).unwrap();
        assert!(message(RunFolder::resume(&path)).contains("last.safetensors: a checkpoint of format version 7"));
        // A folder cannot be read, not even by root.
        fs::remove_file(path.join(LAST)).unwrap();
        fs::create_dir(path.join(LAST)).unwrap();
        assert!(message(RunFolder::resume(&path)).contains("last.safetensors: cannot be read"));
        assert!(path.join(LAST).exists() && path.join(PREVIOUS).exists() && !path.join(DAMAGED).exists());
    }

    #[test]
    fn other_versions_and_what_is_no_run_are_named() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 1);
        assert!(message(RunFolder::resume(&runs.path().join("b"))).contains("no such run"));
        assert!(message(RunFolder::resume(runs.path())).contains("not the folder of a run"));

        for name in [LAST, BEST] {
            fs::write(path.join(name), with_header(r#"{"format":7}"#)).unwrap();
        }
        assert!(message(RunFolder::read(&path, Which::Best)).contains("checkpoint of format version 7"));
        assert!(message(RunFolder::resume(&path)).contains("checkpoint of format version 7"));

        let info = fs::read_to_string(path.join(INFO)).unwrap().replace("\"format\": 1", "\"format\": 2");
        fs::write(path.join(INFO), info).unwrap();
        assert!(message(RunFolder::resume(&path)).contains("run of format version 2"));
        fs::write(path.join(INFO), "{").unwrap();
        assert!(message(RunFolder::resume(&path)).contains("not what `ram train` wrote"));
    }

    #[test]
    fn a_run_without_a_checkpoint_or_with_another_configuration_is_told() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 0);
        assert!(message(RunFolder::resume(&path)).contains("nothing to resume"));
        assert!(message(RunFolder::read(&path, Which::Last)).contains("not completed an epoch"));
        fs::remove_dir_all(&path).unwrap();
        let path = trained(runs.path(), 1);
        let text = fs::read_to_string(path.join(CONFIG)).unwrap();
        fs::write(path.join(CONFIG), text.replace("epochs = 60", "epochs = 3")).unwrap();
        assert!(message(RunFolder::resume(&path)).contains("train.epochs: 3, 60"));
        fs::write(path.join(CONFIG), "[train]\nepoch = 3").unwrap();
        assert!(message(RunFolder::resume(&path)).contains("line 2: unknown key `train.epoch`"));
    }

    #[test]
    fn stale_temporaries_go_when_the_run_is_opened() {
        let runs = tempfile::tempdir().unwrap();
        let path = trained(runs.path(), 1);
        let stale = path.join(".last.safetensors.9.ram-tmp");
        fs::write(&stale, "half").unwrap();
        RunFolder::resume(&path).unwrap();
        assert!(!stale.exists());
    }
}
