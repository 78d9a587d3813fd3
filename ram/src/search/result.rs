//! The result of a trial, and the JSON files of a study's folder.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::error::RamError;
use crate::files;
use crate::runs::atomic;

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has trained all its epochs, or stopped because its patience ran out.
    Done,
    /// Its loss became infinite or not a number. The same trial ends so every time.
    Diverged,
    /// Its values make a configuration that cannot be trained, such as one that needs more memory than there is.
    Failed,
    /// It waits at the end of a rung, or it was given up there.
    Paused,
}

/// The content of `result.json` or `rung-1.json` in a trial's folder. It holds no time and no path, so that equal trials have
/// equal results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialResult {
    /// The number of the trial.
    pub trial: u32,
    /// How it stands.
    pub state: State,
    /// The validation error of the best epoch, 0 to 1; `None` where it diverged or failed.
    pub error: Option<f64>,
    /// The validation loss after the epoch with the lowest error.
    pub loss: Option<f64>,
    /// The epoch of the lowest error, from 1.
    pub best_epoch: Option<usize>,
    /// The number of epochs that are done.
    pub epochs: usize,
    /// The values that were drawn, by key.
    pub values: BTreeMap<String, Value>,
    /// The SHA-256 of the best weights, when the trial is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Why it diverged or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TrialResult {
    /// The name of the file with the final result.
    pub(super) const FINAL: &str = "result.json";

    /// The name of a rung's file, in the study's folder and in a trial's.
    pub(super) fn at_rung(rung: usize) -> String {
        format!("rung-{rung}.json")
    }
}

/// Reads a value from a file; `None` where there is no file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RamError> {
    let bytes = match files::read(path, files::DATA) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RamError::run(path, format!("cannot be read: {error}"))),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        RamError::run(
            path,
            format!("is damaged: {error}; put back a copy, or remove the file and run the command again"),
        )
    })
}

/// Writes a value to a file, completely or not at all.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RamError> {
    let text = serde_json::to_string_pretty(value).expect("numbers and names") + "\n";
    atomic::write(path, text.as_bytes()).map_err(|error| {
        RamError::run(path, format!("cannot be written: {error}; make room or allow writing there, then run it again"))
    })
}
