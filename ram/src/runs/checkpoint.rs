//! Checkpoints: named `f32` tensors and the state of the training in one safetensors file, which Python can read too.
//!
//! The parameters are `params/NAME`. The optimiser's moments are `first/NAME` and `second/NAME` with Adam, and `velocity/NAME`
//! with SGD, as [`autograd::optim::Optimiser::moments`] calls them. The metadata has one key, `ram`: sorted JSON without date,
//! path or number of threads, so that equal runs write equal bytes. It holds a SHA-256 of the state and the tensors, so that a
//! flipped bit is found.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use autograd::Params;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::RamError;
use crate::files;
use crate::losses::Running;
use crate::runs::atomic;

/// The version of the format that is written; other versions cannot be read.
pub const FORMAT: u64 = 1;

/// The key in the metadata of the file.
const KEY: &str = "ram";

/// The prefix of the parameters' names; [`Checkpoint::weights_hash`] covers only tensors with this prefix.
pub const PARAMS: &str = "params/";

/// The newest checkpoint of a run.
pub(super) const LAST: &str = "last.safetensors";
/// The one before it.
pub(super) const PREVIOUS: &str = "previous.safetensors";
/// The best one: see [`EpochMetrics::cost`](super::metrics::EpochMetrics::cost).
pub(super) const BEST: &str = "best.safetensors";

/// A tensor to write.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Its name, such as `params/core.weight`.
    pub name: &'a str,
    /// Its axes; the values are in row-major order.
    pub shape: &'a [usize],
    /// Its values; their number is the product of the axes.
    pub data: &'a [f32],
}

/// The state of the training. Together with the tensors it is all that resuming needs, since every random draw depends only on
/// the seed and on its own key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// The number of epochs that are complete.
    pub epoch: usize,
    /// The number of steps that are done in the epoch under way.
    pub step: usize,
    /// The number of optimiser steps since the start.
    pub optimiser_steps: u64,
    /// The validation error of the best epoch so far, 0 to 1: the lowest one, if glimpses have no price and the
    /// validation images are not trained on.
    pub best_error: Option<f64>,
    /// What the best epoch has least of, where that is not the validation error: see [`EpochMetrics::cost`](super::metrics::EpochMetrics::cost).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_cost: Option<f64>,
    /// The best epoch, from 1.
    pub best_epoch: Option<usize>,
    /// The number of epochs since then.
    pub epochs_since_best: usize,
    /// The means over the steps of the epoch under way.
    pub running: Running,
    /// The resolved configuration, TOML.
    pub config: String,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
}

/// A tensor that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its axes; the values are in row-major order.
    pub shape: Vec<usize>,
    /// Its values.
    pub data: Vec<f32>,
}

/// A checkpoint that was read and checked.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The file it was read from; errors name it.
    pub path: PathBuf,
    /// The state of the training.
    pub state: TrainState,
    /// Every tensor by name.
    pub tensors: BTreeMap<String, Stored>,
}

/// The bytes of a checkpoint.
///
/// # Errors
/// [`RamError::Diverged`] where a value is not finite, because a training could not go on from it.
///
/// # Panics
/// Where two tensors have the same name, or where the shape and the data of a tensor do not agree.
pub fn encode(tensors: &[Tensor], state: &TrainState) -> Result<Vec<u8>, RamError> {
    let mut sorted = tensors.to_vec();
    sorted.sort_by_key(|tensor| tensor.name);
    for pair in sorted.windows(2) {
        assert_ne!(pair[0].name, pair[1].name, "two tensors have one name");
    }
    for Tensor { name, shape, data } in &sorted {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{name}: shape {shape:?} and data do not agree");
        if let Some(value) = data.iter().find(|value| !value.is_finite()) {
            return Err(RamError::Diverged(format!(
                "{name} holds {value}: the training has diverged and is not saved; try a smaller optimiser.learning_rate \
                 or optimiser.clip=1"
            )));
        }
    }
    let state = serde_json::to_value(state).expect("numbers and names");
    let sha256 = content_hash(&state, &sorted);
    let header = serde_json::json!({ "format": FORMAT, "sha256": sha256, "state": state }).to_string();
    let metadata = HashMap::from([(KEY.to_owned(), header)]);
    Ok(safetensors::serialize(sorted.iter().map(|tensor| (tensor.name, tensor)), Some(metadata))
        .expect("names differ and shapes fit"))
}

/// Writes a checkpoint. On an error the old file is still there, unchanged.
///
/// # Errors
/// As [`encode`]; [`RamError::Run`] where the file cannot be written.
pub fn write(path: &Path, tensors: &[Tensor], state: &TrainState) -> Result<(), RamError> {
    let bytes = encode(tensors, state)?;
    atomic::write(path, &bytes).map_err(|error| unwritable(path, &error))
}

/// The error of a file of a run that cannot be written.
pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> RamError {
    let resumable = [LAST, PREVIOUS, BEST].iter().any(|name| path.with_file_name(name).exists());
    let next = if resumable { "resume" } else { "start it again, with --force if the run's folder is there" };
    RamError::run(path, format!("cannot be written: {error}; make room or allow writing there, then {next}"))
}

impl Checkpoint {
    /// Reads a checkpoint and checks it.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] where the file does not exist, cannot be read, or has another format version;
    /// [`RamError::Damaged`] where it is not a safetensors file, is cut short, is not a checkpoint of `ram`, or was changed.
    pub fn read(path: &Path) -> Result<Checkpoint, RamError> {
        let bytes = files::read(path, files::DATA).map_err(|error| {
            RamError::checkpoint(path, format!("cannot be read: {error}; name a run that has been trained"))
        })?;
        Checkpoint::decode(path, &bytes)
    }

    /// As [`Checkpoint::read`], but from bytes; errors call them `path`.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Checkpoint, RamError> {
        let fail = |message: String| RamError::damaged(path, message);
        let faulty = |error| fail(format!("{}; {DAMAGED}", fault(&error, bytes.len())));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(faulty)?;
        let file = SafeTensors::deserialize(bytes).map_err(faulty)?;

        let header = metadata.metadata().as_ref().and_then(|map| map.get(KEY)).ok_or_else(|| {
            fail(format!(
                "a safetensors file without `{KEY}` in its metadata, so not a checkpoint of ram; name last.safetensors or \
                 best.safetensors of a run"
            ))
        })?;
        let mut header: serde_json::Value = serde_json::from_str(header)
            .map_err(|error| fail(format!("the `{KEY}` metadata is not JSON: {error}; {DAMAGED}")))?;
        check_format(&header["format"], "checkpoint").map_err(|message| match header["format"].as_u64() {
            Some(_) => RamError::checkpoint(path, message),
            None => fail(message),
        })?;
        let sha256 = header["sha256"].take();
        let json = header["state"].take();

        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(fail(format!("tensor {name} is {:?}, expected F32; {DAMAGED}", view.dtype())));
            }
            let data: Vec<f32> = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            tensors.insert(name.to_owned(), Stored { shape: view.shape().to_vec(), data });
        }

        let views: Vec<_> = tensors.iter().map(|(name, stored)| stored.view(name)).collect();
        if sha256.as_str() != Some(&content_hash(&json, &views)) {
            return Err(fail(format!("its content does not agree with the SHA-256 that it holds; {DAMAGED}")));
        }
        for Tensor { name, data, .. } in views {
            if let Some(value) = data.iter().find(|value| !value.is_finite()) {
                return Err(fail(format!("tensor {name} holds {value}, expected finite numbers; {DAMAGED}")));
            }
        }
        let state = serde_json::from_value(json)
            .map_err(|error| fail(format!("the state of the training cannot be read: {error}; {DAMAGED}")))?;
        Ok(Checkpoint { path: path.to_owned(), state, tensors })
    }

    /// The configuration of the run that wrote it.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] where this program does not accept the configuration.
    pub fn config(&self) -> Result<Config, RamError> {
        Config::from_toml(&self.state.config, &format!("the configuration in {}", self.path.display()))
            .map_err(|error| RamError::checkpoint(&self.path, format!("{error}; {DAMAGED}")))
    }

    /// Writes the parameters of the checkpoint into `params`.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] where a parameter is missing or has another shape.
    pub fn restore(&self, params: &mut Params<f32>) -> Result<(), RamError> {
        for id in params.ids() {
            let values = self.tensor(&format!("{PARAMS}{}", params.name(id)), params.axes(id))?;
            params.change(id, |theta| theta.copy_from_slice(values));
        }
        Ok(())
    }

    /// The values of the tensor with this name, which must have this shape.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] where there is no such tensor.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&[f32], RamError> {
        let stored = self.tensors.get(name).ok_or_else(|| {
            RamError::checkpoint(&self.path, format!("tensor {name} {shape:?} is missing; {OTHER_MODEL}"))
        })?;
        if stored.shape != shape {
            return Err(RamError::checkpoint(
                &self.path,
                format!("tensor {name} is {:?}, expected {shape:?}; {OTHER_MODEL}", stored.shape),
            ));
        }
        Ok(&stored.data)
    }

    /// Checks that it holds exactly the tensors with these names and shapes.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] that names a tensor which is missing, has another shape, or is not expected.
    pub fn expect<'a>(&self, expected: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Result<(), RamError> {
        let mut others: BTreeMap<_, _> = self.tensors.iter().collect();
        for (name, shape) in expected {
            self.tensor(name, shape)?;
            others.retain(|other, _| *other != name);
        }
        match others.first_key_value() {
            None => Ok(()),
            Some((name, stored)) => Err(RamError::checkpoint(
                &self.path,
                format!("tensor {name} {:?} belongs to no parameter of this model; {OTHER_MODEL}", stored.shape),
            )),
        }
    }

    /// The SHA-256 of the parameters (their names, shapes and values, without moments and state) in hexadecimal. Equal weights have
    /// equal hashes.
    pub fn weights_hash(&self) -> String {
        weights_hash(self.tensors.iter().map(|(name, stored)| stored.view(name)))
    }
}

impl Stored {
    fn view<'a>(&'a self, name: &'a str) -> Tensor<'a> {
        Tensor { name, shape: &self.shape, data: &self.data }
    }
}

/// The SHA-256 of the tensors whose names begin with [`PARAMS`], in hexadecimal; their order does not matter.
pub fn weights_hash<'a>(tensors: impl IntoIterator<Item = Tensor<'a>>) -> String {
    let mut params: Vec<_> = tensors.into_iter().filter(|tensor| tensor.name.starts_with(PARAMS)).collect();
    params.sort_by_key(|tensor| tensor.name);
    let mut hasher = Sha256::new();
    add_tensors(&mut hasher, &params);
    hex(hasher)
}

/// Refuses a format version other than [`FORMAT`]; the message calls the thing `what`, which is a checkpoint or a run.
pub(crate) fn check_format(found: &serde_json::Value, what: &str) -> Result<(), String> {
    match found.as_u64() {
        Some(FORMAT) => Ok(()),
        Some(version) => Err(format!(
            "a {what} of format version {version}, but this ram {} reads version {FORMAT}; use the {} ram that wrote it, or \
             train again",
            env!("CARGO_PKG_VERSION"),
            if version > FORMAT { "newer" } else { "older" }
        )),
        None => Err(format!("a {what} without a format version; {DAMAGED}")),
    }
}

const DAMAGED: &str = "the file is damaged: use another checkpoint of the run, or train again";
const OTHER_MODEL: &str = "the checkpoint is of another model: use the configuration that it was trained with";

/// Why a file of so many bytes is not a safetensors file.
pub(crate) fn fault(error: &SafeTensorError, bytes: usize) -> String {
    use SafeTensorError::*;
    match error {
        HeaderTooSmall | InvalidHeaderLength => format!("cut short ({bytes} bytes), or not a safetensors file"),
        MetadataIncompleteBuffer => format!("{bytes} bytes are not as many as its header says: cut short or continued"),
        HeaderTooLarge | InvalidHeader(_) | InvalidHeaderDeserialization(_) => {
            format!("not a safetensors file: {error}")
        }
        other => format!("damaged safetensors header: {other}"),
    }
}

fn content_hash(state: &serde_json::Value, sorted: &[Tensor]) -> String {
    let mut hasher = Sha256::new_with_prefix(state.to_string());
    add_tensors(&mut hasher, sorted);
    hex(hasher)
}

fn add_tensors(hasher: &mut Sha256, sorted: &[Tensor]) {
    for tensor in sorted {
        hasher.update(tensor.name);
        hasher.update([0, tensor.shape.len() as u8]);
        for axis in tensor.shape {
            hasher.update((*axis as u64).to_le_bytes());
        }
        hasher.update(tensor.data());
    }
}

/// The hash in hexadecimal.
pub(crate) fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        self.data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into()
    }
    fn data_len(&self) -> usize {
        size_of_val(self.data)
    }
}

#[cfg(test)]
pub(crate) mod tests;
