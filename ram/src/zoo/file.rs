//! The file of a pretrained model: the weights alone, as f16 or f32, in a safetensors file, which Python can read too.
//!
//! The parameters are `params/NAME`, as in a checkpoint. The metadata has one key, `ram-pretrained`: sorted JSON without date or
//! path, so that equal models are equal bytes. It holds a SHA-256 of the facts and the tensors, so that a flipped bit is found.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::half::{from_f16, to_f16};
use crate::error::RamError;
use crate::files;
use crate::runs::checkpoint::{Checkpoint, PARAMS, Stored, TrainState, fault, hex};

/// The version of the format that is written; other versions cannot be read.
pub const FORMAT: u64 = 1;

/// The key in the metadata of the file.
const KEY: &str = "ram-pretrained";

const DAMAGED: &str = "the file is damaged: put the one of the repository back, or make it again with `ram zoo add`";

/// How the weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// 16 bits.
    F16,
    /// 32 bits, as in a checkpoint.
    F32,
}

impl Number {
    /// `f16` or `f32`.
    pub fn name(self) -> &'static str {
        match self {
            Number::F16 => "f16",
            Number::F32 => "f32",
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Number::F16 => Dtype::F16,
            Number::F32 => Dtype::F32,
        }
    }
}

/// What is told of a pretrained model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Its name, which is that of its file; for a row of the paper's tables, the name of the experiment.
    pub name: String,
    /// The seed of the run.
    pub seed: u64,
    /// The resolved configuration of the run, TOML.
    pub config: String,
    /// The names of the classes or actions, in the order of the logits.
    pub classes: Vec<String>,
    /// The best epoch, from 1, after which the weights were saved.
    pub epoch: usize,
    /// The SHA-256 of the run's own weights, f32, as `ram eval` prints it.
    pub run_weights: String,
    /// The validation error of the weights in this file, 0 to 1.
    pub validation_error: f64,
    /// The test error of the weights in this file, 0 to 1.
    pub test_error: f64,
    /// The number of test images or games.
    pub test_count: usize,
}

/// A pretrained model that was read and checked.
#[derive(Clone, Debug)]
pub struct Pretrained {
    /// What is told of it.
    pub facts: Facts,
    /// How its weights are stored.
    pub number: Number,
    /// The size of the file in bytes.
    pub size: usize,
    /// The same as a checkpoint, from which a network is restored: the weights, the configuration and the classes.
    pub checkpoint: Checkpoint,
}

/// A tensor as it lies in the file.
struct Packed<'a> {
    name: &'a str,
    shape: &'a [usize],
    dtype: Dtype,
    bytes: Cow<'a, [u8]>,
}

/// The bytes of the file of a pretrained model with the parameters of a checkpoint.
///
/// # Errors
/// [`RamError::Checkpoint`] where a weight is beyond the range of f16.
pub fn encode(checkpoint: &Checkpoint, facts: &Facts, number: Number) -> Result<Vec<u8>, RamError> {
    let mut tensors = Vec::new();
    for (name, stored) in parameters(checkpoint) {
        let bytes = match number {
            Number::F32 => stored.data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>(),
            Number::F16 => halves(checkpoint, name, stored)?.into_iter().flat_map(u16::to_le_bytes).collect(),
        };
        tensors.push(Packed { name, shape: &stored.shape, dtype: number.dtype(), bytes: bytes.into() });
    }
    let model = serde_json::to_value(facts).expect("numbers and names");
    let sha256 = content_hash(&model, &tensors);
    let header = serde_json::json!({ "format": FORMAT, "sha256": sha256, "model": model }).to_string();
    let metadata = HashMap::from([(KEY.to_owned(), header)]);
    let views = tensors.iter().map(|tensor| (tensor.name, tensor));
    Ok(safetensors::serialize(views, Some(metadata)).expect("names differ and shapes fit"))
}

/// The checkpoint with its parameters rounded to f16, and nothing but them.
///
/// # Errors
/// As [`encode`].
pub fn rounded(checkpoint: &Checkpoint) -> Result<Checkpoint, RamError> {
    let mut tensors = BTreeMap::new();
    for (name, stored) in parameters(checkpoint) {
        let data = halves(checkpoint, name, stored)?.into_iter().map(from_f16).collect();
        tensors.insert(name.to_owned(), Stored { shape: stored.shape.clone(), data });
    }
    Ok(Checkpoint { path: checkpoint.path.clone(), state: checkpoint.state.clone(), tensors })
}

/// The parameters of a checkpoint, sorted by name; the optimiser's moments are left out.
fn parameters(checkpoint: &Checkpoint) -> impl Iterator<Item = (&str, &Stored)> {
    let all = checkpoint.tensors.iter().map(|(name, stored)| (name.as_str(), stored));
    all.filter(|(name, _)| name.starts_with(PARAMS))
}

fn halves(checkpoint: &Checkpoint, name: &str, stored: &Stored) -> Result<Vec<u16>, RamError> {
    let half = |x: &f32| {
        to_f16(*x).ok_or_else(|| {
            let message = format!("tensor {name} holds {x}, but an f16 is at most 65504; store it as f32");
            RamError::checkpoint(&checkpoint.path, message)
        })
    };
    stored.data.iter().map(half).collect()
}

impl Pretrained {
    /// Whether these bytes are a safetensors file with the metadata of a pretrained model, damaged or not.
    pub fn is(bytes: &[u8]) -> bool {
        let read = SafeTensors::read_metadata(bytes);
        read.is_ok_and(|(_, metadata)| metadata.metadata().as_ref().is_some_and(|map| map.contains_key(KEY)))
    }

    /// Reads a pretrained model and checks it.
    ///
    /// # Errors
    /// As [`Pretrained::decode`], and [`RamError::Checkpoint`] where the file cannot be read.
    pub fn read(path: &Path) -> Result<Pretrained, RamError> {
        let bytes = files::read(path, files::DATA)
            .map_err(|error| RamError::checkpoint(path, format!("cannot be read: {error}")))?;
        Pretrained::decode(path, &bytes)
    }

    /// Reads a pretrained model from the bytes of its file; errors call them `path`.
    ///
    /// # Errors
    /// [`RamError::Damaged`] where the bytes are not a pretrained model, are cut short or were changed; [`RamError::Checkpoint`]
    /// where they have another format version.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Pretrained, RamError> {
        let fail = |message: String| RamError::damaged(path, format!("{message}; {DAMAGED}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| fail(fault(&error, bytes.len())))?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| fail(fault(&error, bytes.len())))?;
        let header = metadata.metadata().as_ref().and_then(|map| map.get(KEY)).ok_or_else(|| {
            let message = format!(
                "a safetensors file without `{KEY}` in its metadata, so not a pretrained model; `ram zoo add RUN` makes one \
                 from a run"
            );
            RamError::damaged(path, message)
        })?;
        let mut header: serde_json::Value =
            serde_json::from_str(header).map_err(|error| fail(format!("the `{KEY}` metadata is not JSON: {error}")))?;
        check_format(path, &header["format"])?;
        let (sha256, model) = (header["sha256"].take(), header["model"].take());

        let mut tensors: Vec<_> = file.iter().collect();
        tensors.sort_by_key(|&(name, _)| name);
        let packed: Vec<_> = tensors
            .iter()
            .map(|(name, view)| Packed { name, shape: view.shape(), dtype: view.dtype(), bytes: view.data().into() })
            .collect();
        if sha256.as_str() != Some(&content_hash(&model, &packed)) {
            return Err(fail("its content does not agree with the SHA-256 that it holds".to_owned()));
        }
        let facts: Facts = serde_json::from_value(model)
            .map_err(|error| fail(format!("the facts about the model cannot be read: {error}")))?;
        let number = match packed.first().map(|tensor| tensor.dtype) {
            Some(Dtype::F16) => Number::F16,
            _ => Number::F32,
        };
        let stored = packed.iter().map(|tensor| Ok((tensor.name.to_owned(), tensor.unpacked(number).map_err(fail)?)));
        let tensors = stored.collect::<Result<BTreeMap<_, _>, RamError>>()?;
        let state = TrainState {
            epoch: facts.epoch,
            best_error: Some(facts.validation_error),
            best_epoch: Some(facts.epoch),
            config: facts.config.clone(),
            classes: facts.classes.clone(),
            ..TrainState::default()
        };
        let checkpoint = Checkpoint { path: path.to_owned(), state, tensors };
        Ok(Pretrained { facts, number, size: bytes.len(), checkpoint })
    }

    /// The size of the file: `411 KiB`.
    pub fn size(&self) -> String {
        kibibytes(self.size)
    }
}

/// A size in bytes as `411 KiB`.
pub fn kibibytes(size: usize) -> String {
    format!("{} KiB", size.div_ceil(1024))
}

impl Packed<'_> {
    /// The values, which must be stored as `number`.
    fn unpacked(&self, number: Number) -> Result<Stored, String> {
        let Packed { name, shape, dtype, ref bytes } = *self;
        if dtype != number.dtype() {
            return Err(format!("tensor {name} is {dtype:?}, expected {:?} as the others", number.dtype()));
        }
        let data: Vec<f32> = match number {
            Number::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Number::F16 => bytes.as_chunks().0.iter().map(|b| from_f16(u16::from_le_bytes(*b))).collect(),
        };
        match data.iter().find(|x| !x.is_finite()) {
            Some(x) => Err(format!("tensor {name} holds {x}, expected finite numbers")),
            None => Ok(Stored { shape: shape.to_vec(), data }),
        }
    }
}

fn check_format(path: &Path, found: &serde_json::Value) -> Result<(), RamError> {
    match found.as_u64() {
        Some(FORMAT) => Ok(()),
        Some(version) => Err(RamError::checkpoint(
            path,
            format!(
                "a pretrained model of format version {version}, but this ram {} reads version {FORMAT}; use the zoo and the \
                 ram of the same checkout",
                env!("CARGO_PKG_VERSION")
            ),
        )),
        None => Err(RamError::damaged(path, format!("a pretrained model without a format version; {DAMAGED}"))),
    }
}

fn content_hash(model: &serde_json::Value, sorted: &[Packed]) -> String {
    let mut hasher = Sha256::new_with_prefix(model.to_string());
    for tensor in sorted {
        hasher.update(tensor.name);
        hasher.update([0, tensor.dtype.bitsize() as u8, tensor.shape.len() as u8]);
        for axis in tensor.shape {
            hasher.update((*axis as u64).to_le_bytes());
        }
        hasher.update(&tensor.bytes);
    }
    hex(hasher)
}

impl View for &Packed<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
