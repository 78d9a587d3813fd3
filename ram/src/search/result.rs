//! The result of a trial, and the JSON files of a study's folder.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::error::RamError;
use crate::runs::atomic;

/// How far a trial came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All its epochs are done, or patience ran out.
    Done,
    /// The loss was no number any more: so it would end every time.
    Diverged,
    /// It waits at the end of a rung, or was given up there.
    Paused,
}

/// `result.json` or `rung-1.json` in a trial's folder. No clock and no path in it: equal trials have equal results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialResult {
    /// Its number.
    pub trial: u32,
    /// How far it came.
    pub state: State,
    /// The lowest validation error, 0 to 1; `None` where it diverged.
    pub error: Option<f64>,
    /// The validation loss after that epoch.
    pub loss: Option<f64>,
    /// The epoch of the lowest error, from 1.
    pub best_epoch: Option<usize>,
    /// Epochs that are done.
    pub epochs: usize,
    /// What was drawn.
    pub values: BTreeMap<String, Value>,
    /// The hash of the best weights, when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Why it diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TrialResult {
    /// The final result's file.
    pub(super) const FINAL: &str = "result.json";

    /// The file of a rung, in the study's and in a trial's folder.
    pub(super) fn at_rung(rung: usize) -> String {
        format!("rung-{rung}.json")
    }
}

/// The value in a file; `None` where there is no file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RamError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RamError::run(path, format!("cannot be read: {error}"))),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        RamError::run(path, format!("is damaged: {error}; put it back, or remove it to have it made anew"))
    })
}

/// Writes a value by atomic rename.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RamError> {
    let text = serde_json::to_string_pretty(value).expect("numbers and names") + "\n";
    atomic::write(path, text.as_bytes()).map_err(|error| {
        RamError::run(path, format!("cannot be written: {error}; make room or allow writing there, then run it again"))
    })
}
