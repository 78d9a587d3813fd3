//! Checkpoints: named `f32` tensors and the state of the training, in one safetensors file that Python reads too.
//!
//! By convention the parameters are `params/NAME` and the optimiser's moments `moment1/NAME`, `moment2/NAME`. The metadata has
//! the one key `ram`, sorted JSON without date, path or number of threads: equal runs write equal bytes. It holds a SHA-256 of
//! state and tensors, so that a flipped bit is found.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use autograd::Params;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::RamError;
use crate::losses::Running;
use crate::runs::atomic;

/// The version of the format that is written, and the only one that is read.
pub const FORMAT: u64 = 1;

/// The metadata's key.
const KEY: &str = "ram";

/// Prefix of the parameters' names; [`Checkpoint::weights_hash`] covers these alone.
pub const PARAMS: &str = "params/";

/// A tensor to write.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Its name, `params/core.weight` for one.
    pub name: &'a str,
    /// Its axes, row-major.
    pub shape: &'a [usize],
    /// Its values; as many as the shape says.
    pub data: &'a [f32],
}

/// Where the training stands. With seed and configuration it is all that resuming needs beside the tensors, since every random
/// draw has a key of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Epochs that are complete.
    pub epoch: usize,
    /// Steps done in the epoch under way.
    pub step: usize,
    /// Steps of the optimiser since the start.
    pub optimiser_steps: u64,
    /// The best validation error so far, 0 to 1.
    pub best_error: Option<f64>,
    /// The epoch that had it, from 1.
    pub best_epoch: Option<usize>,
    /// Epochs since then.
    pub epochs_since_best: usize,
    /// The training metrics of the epoch under way.
    pub running: Running,
    /// The resolved configuration, TOML.
    pub config: String,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
}

/// A tensor that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its axes, row-major.
    pub shape: Vec<usize>,
    /// Its values.
    pub data: Vec<f32>,
}

/// A checkpoint that was read and found whole.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Where it came from; errors name it.
    pub path: PathBuf,
    /// Where the training stood.
    pub state: TrainState,
    /// Every tensor by name.
    pub tensors: BTreeMap<String, Stored>,
}

/// The bytes of a checkpoint.
///
/// # Errors
/// [`RamError::Diverged`] where a value is not finite: nothing good could be resumed from it.
///
/// # Panics
/// When two tensors have one name, or a shape and its data do not agree.
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

/// Writes a checkpoint: the file is afterwards the new one or, on an error, still the old one.
pub fn write(path: &Path, tensors: &[Tensor], state: &TrainState) -> Result<(), RamError> {
    let bytes = encode(tensors, state)?;
    atomic::write(path, &bytes).map_err(|error| unwritable(path, &error))
}

pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> RamError {
    RamError::run(path, format!("cannot be written: {error}; make room or allow writing there, then resume"))
}

impl Checkpoint {
    /// Reads a checkpoint and checks all of it.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] if the file is not there, cannot be read or is of another format version;
    /// [`RamError::Damaged`] if it is not a safetensors file, cut short, not a checkpoint of `ram`, or altered.
    pub fn read(path: &Path) -> Result<Checkpoint, RamError> {
        let bytes = std::fs::read(path).map_err(|error| {
            RamError::checkpoint(path, format!("cannot be read: {error}; name a run that has been trained"))
        })?;
        Checkpoint::decode(path, &bytes)
    }

    /// As [`Checkpoint::read`], from bytes; errors call them `path`.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Checkpoint, RamError> {
        let fail = |message: String| RamError::damaged(path, message);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| fail(fault(&error, bytes.len())))?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| fail(fault(&error, bytes.len())))?;

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

    /// The configuration of the run it belongs to.
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

    /// The values of a tensor that must have this name and shape.
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

    /// Checks that its tensors are exactly these (name, shape), none missing and none too many.
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

    /// SHA-256 of the parameters (names, shapes, values; neither moments nor state), in hexadecimal: equal for equal weights.
    pub fn weights_hash(&self) -> String {
        weights_hash(self.tensors.iter().map(|(name, stored)| stored.view(name)))
    }
}

impl Stored {
    fn view<'a>(&'a self, name: &'a str) -> Tensor<'a> {
        Tensor { name, shape: &self.shape, data: &self.data }
    }
}

/// SHA-256 of those tensors whose name begins with [`PARAMS`], in hexadecimal, whatever order they come in.
pub fn weights_hash<'a>(tensors: impl IntoIterator<Item = Tensor<'a>>) -> String {
    let mut params: Vec<_> = tensors.into_iter().filter(|tensor| tensor.name.starts_with(PARAMS)).collect();
    params.sort_by_key(|tensor| tensor.name);
    let mut hasher = Sha256::new();
    add_tensors(&mut hasher, &params);
    hex(hasher)
}

/// Refuses a format version other than [`FORMAT`]; `what` is a checkpoint or a run.
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

fn fault(error: &SafeTensorError, bytes: usize) -> String {
    use SafeTensorError::*;
    let what = match error {
        HeaderTooSmall | InvalidHeaderLength => format!("cut short ({bytes} bytes), or not a safetensors file"),
        MetadataIncompleteBuffer => format!("{bytes} bytes are not as many as its header says: cut short or continued"),
        HeaderTooLarge | InvalidHeader(_) | InvalidHeaderDeserialization(_) => {
            format!("not a safetensors file: {error}")
        }
        other => format!("damaged safetensors header: {other}"),
    };
    format!("{what}; {DAMAGED}")
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

fn hex(hasher: Sha256) -> String {
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
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const WEIGHT: [f32; 6] = [1.0, -0.0, 3.5e-39, f32::MAX, 0.1, -7.0];

    pub(crate) fn tensors() -> [Tensor<'static>; 3] {
        [
            Tensor { name: "params/core.weight", shape: &[2, 3], data: &WEIGHT },
            Tensor { name: "moment1/core.weight", shape: &[2, 3], data: &[0.5; 6] },
            Tensor { name: "params/core.bias", shape: &[1], data: &[0.25] },
        ]
    }

    pub(crate) fn state(epoch: usize) -> TrainState {
        TrainState {
            epoch,
            step: 3,
            optimiser_steps: 1 << 60,
            best_error: Some(0.1 + 0.2),
            config: Config::default().to_toml(),
            classes: vec!["0".into(), "one".into()],
            ..TrainState::default()
        }
    }

    fn read(bytes: &[u8]) -> Result<Checkpoint, RamError> {
        Checkpoint::decode(Path::new("last.safetensors"), bytes)
    }

    fn message(bytes: &[u8]) -> String {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        error.to_string()
    }

    /// A safetensors file with this `ram` metadata.
    pub(crate) fn with_header(header: &str) -> Vec<u8> {
        let metadata = HashMap::from([(KEY.to_owned(), header.to_owned())]);
        safetensors::serialize(tensors().iter().map(|t| (t.name, t)), Some(metadata)).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        write(&path, &tensors(), &state(2)).unwrap();
        let checkpoint = Checkpoint::read(&path).unwrap();
        assert_eq!(checkpoint.state, state(2));
        assert_eq!(checkpoint.config().unwrap(), Config::default());
        let weight = checkpoint.tensor("params/core.weight", &[2, 3]).unwrap();
        assert_eq!(weight.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), WEIGHT.map(f32::to_bits));
    }

    #[test]
    fn equal_content_is_equal_bytes_in_any_order() {
        let mut reversed = tensors();
        reversed.reverse();
        assert_eq!(encode(&tensors(), &state(2)).unwrap(), encode(&reversed, &state(2)).unwrap());
        assert_eq!(weights_hash(tensors()), weights_hash(reversed));
    }

    #[test]
    fn the_weights_hash_covers_parameters_alone() {
        let hash = read(&encode(&tensors(), &state(2)).unwrap()).unwrap().weights_hash();
        assert_eq!(hash, weights_hash(tensors()));
        assert_eq!(hash, read(&encode(&tensors(), &state(3)).unwrap()).unwrap().weights_hash());
        let mut other = tensors();
        other[1].data = &[0.75; 6];
        assert_eq!(hash, weights_hash(other));
        other[2].data = &[0.75];
        assert_ne!(hash, weights_hash(other));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_found() {
        let bytes = encode(&tensors(), &state(2)).unwrap();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut at {length}");
        }
        assert!(message(&bytes[..bytes.len() - 1]).contains("cut short"));
        assert!(message(b"").contains("cut short"));
        assert!(message(&[&bytes[..], b"x"].concat()).contains("continued"));
        for i in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[i] ^= 1;
            // Spaces that pad the header, and its own order of keys, carry nothing.
            if let Ok(checkpoint) = read(&flipped) {
                assert_eq!((&checkpoint.state, checkpoint.weights_hash()), (&state(2), weights_hash(tensors())));
            }
        }
    }

    #[test]
    fn other_files_and_other_versions_are_named() {
        assert!(message(b"a text file that is long enough to have a header length").contains("not a safetensors file"));
        let plain = safetensors::serialize(tensors().iter().map(|t| (t.name, t)), None).unwrap();
        assert!(message(&plain).contains("not a checkpoint of ram"));
        let newer = message(&with_header(r#"{"format":2}"#));
        assert!(newer.contains("format version 2") && newer.contains("reads version 1") && newer.contains("newer"));
        assert!(message(&with_header(r#"{"format":0}"#)).contains("older"));
        assert!(message(&with_header("{}")).contains("without a format version"));
        assert!(message(&with_header("oops")).contains("not JSON"));
        assert!(message(&with_header(r#"{"format":1}"#)).contains("SHA-256"));
    }

    #[test]
    fn tensors_of_another_model_are_named() {
        let checkpoint = read(&encode(&tensors(), &state(2)).unwrap()).unwrap();
        let all = tensors().map(|t| (t.name, t.shape));
        checkpoint.expect(all).unwrap();
        let missing = checkpoint.tensor("params/action.weight", &[4, 4]).unwrap_err().to_string();
        assert!(missing.contains("params/action.weight [4, 4] is missing"), "{missing}");
        let shape = checkpoint.tensor("params/core.bias", &[2]).unwrap_err().to_string();
        assert!(shape.contains("is [1], expected [2]"), "{shape}");
        let extra = checkpoint.expect(all.into_iter().skip(1)).unwrap_err().to_string();
        assert!(extra.contains("params/core.weight [2, 3] belongs to no parameter"), "{extra}");
    }

    #[test]
    fn what_is_not_finite_is_not_written() {
        let mut tensors = tensors();
        tensors[2].data = &[f32::NAN];
        let error = encode(&tensors, &state(2)).unwrap_err().to_string();
        assert!(error.contains("params/core.bias holds NaN"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), header in "\\PC{0,60}") {
            _ = read(&bytes);
            _ = read(&with_header(&header));
            let mut file = (header.len() as u64).to_le_bytes().to_vec();
            file.extend(header.bytes());
            file.extend(&bytes);
            _ = read(&file);
        }
    }
}
