//! Resuming a run: it goes on from the newest checkpoint that is not damaged, and its metrics are cut back to that checkpoint.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::Config;
use crate::error::RamError;
use crate::runs::checkpoint::{Checkpoint, unwritable};
use crate::runs::metrics::{EpochMetrics, Line, Timing};
use crate::runs::run_folder::{BEST, CONFIG, DAMAGED, LAST, METRICS, PREVIOUS, RunFolder, TIMING, lines, read_config};
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
    /// A message for the user, where the newest checkpoint was damaged and the one before it was taken.
    pub notice: Option<String>,
}

impl RunFolder {
    /// Opens a run to go on with it. It takes the newest checkpoint, or, where that is damaged or absent, the one before it, and cuts
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
        [LAST, PREVIOUS].iter().any(|name| self.path().join(name).exists())
    }

    /// Goes on with the run in this folder; see [`RunFolder::resume`].
    ///
    /// # Errors
    /// As [`RunFolder::resume`].
    pub fn go_on(self) -> Result<Resumed, RamError> {
        let run = self;
        let path = run.path();
        read_info(path)?;
        let (last, previous) = (path.join(LAST), path.join(PREVIOUS));
        if !last.exists() && !previous.exists() {
            return Err(RamError::run(
                path,
                "the run has no checkpoint yet, so there is nothing to resume; start it again, with --force instead of --resume",
            ));
        }
        let (checkpoint, notice) = match Checkpoint::read(&last) {
            Ok(checkpoint) => (checkpoint, None),
            Err(error) => {
                let there = last.exists();
                // Only a damaged file is replaced: one of another version, or one that may not be read, stays where it is.
                if there && !matches!(error, RamError::Damaged { .. }) {
                    return Err(error);
                }
                let Ok(checkpoint) = Checkpoint::read(&previous) else { return Err(error) };
                if there {
                    // Otherwise the next save would move the damaged file over the previous checkpoint.
                    let aside = path.join(DAMAGED);
                    fs::rename(&last, &aside).map_err(|error| unwritable(&aside, &error))?;
                }
                let notice = format!("{error}\nresuming from {}, the checkpoint before it", previous.display());
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
