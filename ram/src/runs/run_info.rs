//! `run.json`: by whom and with what a run was made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::RamError;
use crate::runs::checkpoint::{FORMAT, check_format};

/// The name of the file in a run's folder.
pub(super) const INFO: &str = "run.json";

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
