//! Resuming a run: it goes on from the newest checkpoint that is not damaged, and its metrics are cut back to that checkpoint.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::Config;
use crate::error::RamError;
use crate::runs::checkpoint::{BEST, Checkpoint, LAST, PREVIOUS, unwritable};
use crate::runs::metrics::{EpochMetrics, Line, Timing};
use crate::runs::run_folder::{CONFIG, DAMAGED, METRICS, RunFolder, TIMING, check_reach, lines, read_config};
use crate::runs::run_info::{INFO, read_info};

/// A run that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// Its folder; the `.jsonl` files are cut back to the checkpoint.
    pub run: RunFolder,
    /// The checkpoint from which it goes on.
    pub checkpoint: Checkpoint,
    /// Its configuration.
    pub config: Config,
    /// A message for the user, where a checkpoint was missing or damaged: what was taken in its place.
    pub notice: Option<String>,
}

impl RunFolder {
    /// Opens a run to go on with it. It takes the newest checkpoint, or, where that is damaged or absent, an older one, and cuts
    /// `metrics.jsonl` and `timing.jsonl` back to the epochs that are complete in the checkpoint.
    ///
    /// # Errors
    /// [`RamError::Run`], [`RamError::Checkpoint`], [`RamError::Damaged`] or [`RamError::Locked`] where the path is not a run, the run
    /// has another format version, no usable checkpoint, or a `config.toml` that was changed since, or another process writes to
    /// it.
    pub fn resume(path: &Path) -> Result<Resumed, RamError> {
        read_info(path)?;
        RunFolder::lock(path)?.go_on()
    }

    /// Whether the run has a checkpoint, even a damaged one.
    pub fn has_checkpoint(&self) -> bool {
        [LAST, PREVIOUS, BEST].iter().any(|name| self.path().join(name).exists())
    }

    /// Goes on with the run in this folder; see [`RunFolder::resume`].
    ///
    /// # Errors
    /// As [`RunFolder::resume`].
    pub fn go_on(self) -> Result<Resumed, RamError> {
        let run = self;
        let path = run.path();
        read_info(path)?;
        let (checkpoint, mut notices) = run.newest()?;
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
        let metrics = RunFolder::metrics(path)?;
        check_reach(path, &metrics, &checkpoint)?;
        run.rewind::<EpochMetrics>(METRICS, checkpoint.state.epoch)?;
        run.rewind::<Timing>(TIMING, checkpoint.state.epoch)?;
        let checkpoint = run.with_best(checkpoint, &config, &mut notices)?;
        let notice = (!notices.is_empty()).then(|| notices.join("\n"));
        Ok(Resumed { run, checkpoint, config, notice })
    }

    /// The newest checkpoint that is whole: the last one, the one before it, or the best one. What was wrong with newer ones is told.
    fn newest(&self) -> Result<(Checkpoint, Vec<String>), RamError> {
        let path = self.path();
        let last = path.join(LAST);
        let there = [LAST, PREVIOUS, BEST].map(|name| path.join(name)).into_iter().filter(|file| file.exists());
        let mut first = None;
        for file in there {
            let error = match Checkpoint::read(&file) {
                Ok(checkpoint) => {
                    if first.is_none() && file == last {
                        return Ok((checkpoint, Vec::new()));
                    }
                    if last.exists() {
                        // Otherwise the next save would keep the damaged file as the previous checkpoint.
                        let aside = path.join(DAMAGED);
                        fs::rename(&last, &aside).map_err(|error| unwritable(&aside, &error))?;
                    }
                    let why =
                        first.map_or(format!("{}: is missing", last.display()), |error: RamError| error.to_string());
                    let epochs = checkpoint.state.epoch;
                    let taken = format!("{why}\nresuming from {}, after {epochs} epochs", file.display());
                    return Ok((checkpoint, vec![taken]));
                }
                // Only a damaged file is passed over: one of another version, or one that may not be read, stays where it is.
                Err(error) if file == last && !matches!(error, RamError::Damaged { .. }) => return Err(error),
                Err(error) => error,
            };
            first.get_or_insert(error);
        }
        Err(first.unwrap_or_else(|| {
            RamError::run(
                path,
                "the run has no checkpoint yet, so there is nothing to resume; start it again, with --force instead of --resume",
            )
        }))
    }

    /// The checkpoint to go on from, when the best one is missing or damaged. If it is the best itself it takes that place; else the
    /// best of the epochs to come is kept.
    fn with_best(
        &self,
        mut checkpoint: Checkpoint,
        config: &Config,
        notices: &mut Vec<String>,
    ) -> Result<Checkpoint, RamError> {
        let best = self.path().join(BEST);
        let Some(best_epoch) = checkpoint.state.best_epoch else { return Ok(checkpoint) };
        let fault = match Checkpoint::read(&best) {
            Ok(_) => return Ok(checkpoint),
            Err(error) if best.exists() && !matches!(error, RamError::Damaged { .. }) => return Err(error),
            Err(error) if best.exists() => error.to_string(),
            Err(_) => format!("{}: is missing", best.display()),
        };
        let state = &mut checkpoint.state;
        if (state.epoch, state.step) == (best_epoch, 0) {
            let bytes = fs::read(&checkpoint.path).map_err(|error| unwritable(&best, &error))?;
            self.write(BEST, &bytes)?;
            notices.push(format!("{fault}\nthe last epoch was the best, so its checkpoint takes that place"));
        } else if state.epoch < config.train.epochs {
            (state.best_error, state.best_cost, state.best_epoch, state.epochs_since_best) = (None, None, None, 0);
            notices.push(if config.data.train_on_validation {
                format!("{fault}\nnothing is lost: the weights after the last epoch will be kept")
            } else {
                format!(
                    "{fault}\nthe weights of epoch {best_epoch}, the best one so far, are lost; the best of the epochs from {} on will be kept",
                    state.epoch + 1
                )
            });
        } else {
            return Err(RamError::run(
                &best,
                format!(
                    "{fault}, and the run is complete; take its last checkpoint with --which last, put the file back, or train \
                     again with --force"
                ),
            ));
        }
        Ok(checkpoint)
    }

    /// Copies a finished run into this folder, which has no checkpoint. The one that says that the run is there comes last.
    ///
    /// # Errors
    /// [`RamError::Locked`] where a process writes to the other run; [`RamError::Run`] where a file cannot be read or written.
    pub fn copy_from(&self, other: &Path) -> Result<(), RamError> {
        let other = RunFolder::lock(other)?;
        for name in [INFO, CONFIG, METRICS, TIMING, BEST, LAST] {
            let path = other.path().join(name);
            match fs::read(&path) {
                Ok(bytes) => self.write(name, &bytes)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound && name == TIMING => {}
                Err(error) => {
                    return Err(RamError::run(
                        &path,
                        format!("cannot be read: {error}; the run is not complete without it"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Keeps only the lines of the first `epochs` epochs.
    fn rewind<T: Line>(&self, name: &str, epochs: usize) -> Result<(), RamError> {
        let kept = lines::<T>(&self.path().join(name))?.into_iter().filter(|line| line.epoch() <= epochs);
        self.write(name, kept.map(|line| line.to_line()).collect::<String>().as_bytes())
    }
}
