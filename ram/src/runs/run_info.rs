//! `run.json`: which command made a run, with which versions and from which weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::RamError;
use crate::files;
use crate::runs::checkpoint::{FORMAT, check_format};

/// The name of the file in a run's folder.
pub(super) const INFO: &str = "run.json";

/// The content of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The version of the folder's format, [`FORMAT`].
    pub format: u64,
    /// The subcommand that made the run: `train`, `demo`, `reproduce` or `search`.
    pub made_by: String,
    /// The command line.
    pub command: Vec<String>,
    /// The version of each crate of the workspace.
    pub versions: BTreeMap<String, String>,
    /// The seed.
    pub seed: u64,
    /// The folder of the data, as `--data-dir` named it, absolute; `None` where it was not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// The run from which its weights were taken; `None` where all of them were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFrom>,
}

/// The run whose weights another run began with. It is not needed to resume that other run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitFrom {
    /// Its folder or file, as it was given on the command line, or the words `the pretrained model NAME`.
    pub run: String,
    /// The epoch after which the weights were saved.
    pub epoch: usize,
    /// The SHA-256 of the weights.
    pub weights: String,
    /// The parameters that were drawn all the same.
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
    /// The `run.json` of a run that the subcommand `made_by` makes with this command line and configuration.
    pub fn new(made_by: &str, command: Vec<String>, config: &Config) -> RunInfo {
        // All crates of the workspace have the same version.
        let version = |name: &str| (name.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        RunInfo {
            format: FORMAT,
            made_by: made_by.to_owned(),
            command,
            versions: ["autograd", "datasets", "ram"].map(version).into(),
            seed: config.seed,
            data_dir: None,
            init_from: None,
        }
    }

    /// Remembers the folder of the data, so that the commands after the training need not be told it again.
    pub fn with_data_dir(self, dir: Option<&Path>) -> RunInfo {
        RunInfo { data_dir: dir.map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())), ..self }
    }
}

/// The folder of the data of the run at `path`: the `given` one, or else the remembered one, if it is still there.
pub fn data_dir(path: &Path, given: Option<&Path>) -> Option<PathBuf> {
    let remembered = || read_info(path).ok()?.data_dir.filter(|dir| dir.is_dir());
    given.map(Path::to_owned).or_else(remembered)
}

/// Reads the `run.json` of the run at `path`.
///
/// # Errors
/// [`RamError::Run`] where there is no run, its `run.json` is damaged, or it has another format version.
pub fn read_info(path: &Path) -> Result<RunInfo, RamError> {
    let file = path.join(INFO);
    let text = files::read_text(&file, files::TEXT).map_err(|error| {
        if path.is_dir() {
            RamError::run(
                path,
                format!("not the folder of a run: cannot read {INFO} in it: {error}; choose another folder"),
            )
        } else {
            RamError::run(path, "there is no such run; `ram train` makes one and prints its folder first")
        }
    })?;
    let damaged =
        |error| RamError::run(&file, format!("not what `ram train` wrote: {error}; put it back, or train again"));
    let json: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    check_format(&json["format"], "run").map_err(|message| RamError::run(path, message))?;
    serde_json::from_value(json).map_err(damaged)
}
