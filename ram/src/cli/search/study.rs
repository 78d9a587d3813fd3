//! The study that a command is about, and where its files lie.

use std::path::{Path, PathBuf};

use ram::error::RamError;
use ram::runs::atomic;
use ram::search::study::Study;

use crate::cli::train::stem_of;

/// A study and its folder.
#[derive(clap::Args)]
pub struct StudyArgs {
    /// The file of the study; `ram search init` writes an example.
    #[arg(value_name = "STUDY")]
    pub file: PathBuf,

    /// The folder of all runs; it holds the folder of the study, which has the name of the study's file.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

impl StudyArgs {
    /// The folder of the study.
    pub fn folder(&self) -> PathBuf {
        self.runs.join(stem_of(&self.file))
    }
}

/// Writes a file beside the study or into its folder.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), RamError> {
    atomic::write(path, bytes).map_err(|source| RamError::Io { action: "write", path: path.to_owned(), source })
}

/// Checks the number of a trial that `origin` gave.
pub fn numbered(trial: u32, study: &Study, origin: &str) -> Result<u32, RamError> {
    if (1..=study.trials).contains(&trial) {
        return Ok(trial);
    }
    Err(RamError::Config(format!(
        "{origin} is {trial}, but trials are numbered from 1 to {}; `trials` in the study's file says how many there are",
        study.trials
    )))
}
