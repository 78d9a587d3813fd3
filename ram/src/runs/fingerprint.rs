//! `data.json`: what the files of the user's pictures contained when a run began.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::Config;
use crate::data::fingerprint::Fingerprint;
use crate::error::RamError;
use crate::runs::run_folder::{DATA, RunFolder};

impl RunFolder {
    /// Writes `data.json`.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be written.
    pub fn save_fingerprint(&self, fingerprint: &Fingerprint) -> Result<(), RamError> {
        let text = serde_json::to_string(fingerprint).expect("names and hashes") + "\n";
        self.write(DATA, text.as_bytes())
    }

    /// The `data.json` of the run at `path`; `None` where the run has none, as runs on other data and old ones.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be read or is damaged.
    pub fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, RamError> {
        let file = path.join(DATA);
        let told =
            |error: String| RamError::run(&file, format!("{error}; put it back, or remove it to go on without it"));
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| told(format!("is damaged: {error}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(told(format!("cannot be read: {error}"))),
        }
    }

    /// Checks that the user's pictures are those with which the run began.
    ///
    /// # Errors
    /// [`RamError::Data`] with what was added, removed and replaced. Also as [`RunFolder::fingerprint`] and [`Fingerprint::of`].
    pub fn check_data(&self, config: &Config, dir: Option<&Path>) -> Result<(), RamError> {
        let Some(before) = RunFolder::fingerprint(self.path())? else { return Ok(()) };
        let Some(now) = Fingerprint::of(config, dir)? else { return Ok(()) };
        match before.changes(&now) {
            None => Ok(()),
            Some(changes) => Err(RamError::Data(format!(
                "{}: the pictures are not those with which the run began: {changes}; put them back, or begin a new run with these \
                 weights: --init-from {}",
                datasets::shown::name(&config.data.path),
                datasets::shown::path(self.path())
            ))),
        }
    }
}
