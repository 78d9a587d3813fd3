//! Writes metrics in TensorBoard's format: a file of events, each with one or more scalars.
//!
//! The file is a sequence of records. Each has a length (8 bytes), the checksum of the length (4 bytes), a message and the checksum
//! of the message (4 bytes), all in little-endian order. A checksum is a CRC-32C that is rotated and shifted. The message is a
//! protocol buffer:
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//! Summary { repeated Value value = 1; }    Value { string tag = 1; float simple_value = 2; }
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::RamError;
use crate::runs::metrics::EpochMetrics;

/// A file of events, to which the metrics of epochs are added.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Creates the file, or empties it, and writes the epochs that are over.
    ///
    /// # Errors
    /// [`RamError::Io`] where it cannot be written.
    pub fn create(path: &Path, past: &[EpochMetrics]) -> Result<EventFile, RamError> {
        let file = File::create(path).map_err(|source| unwritable(path, source))?;
        let mut events = EventFile { path: path.to_owned(), file };
        events.write(&record(&event(now(), 0, Content::Version)))?;
        for line in past {
            events.append(line, None)?;
        }
        Ok(events)
    }

    /// Adds an epoch, at the optimiser step with which it ended.
    ///
    /// # Errors
    /// [`RamError::Io`] where it cannot be written.
    pub fn append(&mut self, metrics: &EpochMetrics, images_per_second: Option<f64>) -> Result<(), RamError> {
        let mut scalars = scalars(metrics);
        scalars.extend(images_per_second.map(|rate| ("images a second".to_owned(), rate)));
        self.write(&record(&event(now(), metrics.step, Content::Scalars(&scalars))))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RamError> {
        self.file.write_all(bytes).map_err(|source| unwritable(&self.path, source))
    }
}

fn unwritable(path: &Path, source: std::io::Error) -> RamError {
    RamError::Io { action: "write", path: path.to_owned(), source }
}

/// Seconds since 1970, for TensorBoard's axis of wall time.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The numbers of an epoch with their tags; TensorBoard groups charts by the part before the slash.
fn scalars(metrics: &EpochMetrics) -> Vec<(String, f64)> {
    let EpochMetrics { train, validation, .. } = metrics;
    let mut scalars: Vec<(String, f64)> = [
        ("error/training", train.error),
        ("error/validation", validation.error),
        ("loss/class", train.classification),
        ("loss/location", train.location),
        ("loss/baseline", train.baseline),
        ("loss/total", train.total),
        ("loss/class, validation", validation.loss),
        ("reward", train.reward),
        ("gradient norm", train.grad_norm),
        ("learning rate", metrics.learning_rate),
        ("epoch", metrics.epoch as f64),
    ]
    .map(|(tag, x)| (tag.to_owned(), x))
    .into();
    let optional = [("policy std", metrics.policy_std), ("on digit", metrics.on_digit)];
    scalars.extend(optional.into_iter().filter_map(|(tag, x)| Some((tag.to_owned(), x?))));
    let lists = [
        ("fixation spread/glimpse", &metrics.fixation_spread),
        ("error after/glimpses", &metrics.error_after),
        ("baseline/step", &metrics.baselines),
        ("tracking/row", &metrics.tracking),
    ];
    for (tag, list) in lists {
        scalars.extend(list.iter().enumerate().map(|(i, &x)| (format!("{tag} {}", i + 1), x)));
    }
    scalars
}

enum Content<'a> {
    Version,
    Scalars(&'a [(String, f64)]),
}

/// The kinds of protocol-buffer fields that are used here.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// The bytes of an `Event`.
fn event(wall_time: f64, step: u64, content: Content) -> Vec<u8> {
    let mut message = Vec::new();
    key(&mut message, 1, FIXED64);
    message.extend(wall_time.to_le_bytes());
    key(&mut message, 2, VARINT);
    varint(&mut message, step);
    match content {
        Content::Version => bytes(&mut message, 3, b"brain.Event:2"),
        Content::Scalars(scalars) => {
            let mut summary = Vec::new();
            for (tag, x) in scalars {
                let mut value = Vec::new();
                bytes(&mut value, 1, tag.as_bytes());
                key(&mut value, 2, FIXED32);
                value.extend((*x as f32).to_le_bytes());
                bytes(&mut summary, 1, &value);
            }
            bytes(&mut message, 5, &summary);
        }
    }
    message
}

fn key(to: &mut Vec<u8>, field: u64, kind: u64) {
    varint(to, field << 3 | kind);
}

fn bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    key(to, field, BYTES);
    varint(to, bytes.len() as u64);
    to.extend(bytes);
}

/// Writes seven bits in each byte, the lowest first; the eighth bit says that more bytes follow.
fn varint(to: &mut Vec<u8>, mut x: u64) {
    while x >= 0x80 {
        to.push(x as u8 | 0x80);
        x >>= 7;
    }
    to.push(x as u8);
}

/// The record of a message: its length, the message, and both checksums.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(crc32c(&length)).to_le_bytes());
    record.extend(message);
    record.extend(masked(crc32c(message)).to_le_bytes());
    record
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit; this is fast enough, since records are short.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::Losses;
    use crate::runs::metrics::Validation;

    fn metrics(epoch: usize) -> EpochMetrics {
        EpochMetrics {
            epoch,
            step: 300 * epoch as u64,
            learning_rate: 1e-3,
            train: Losses { error: 0.5 / epoch as f64, ..Losses::default() },
            validation: Validation { error: 0.25 / epoch as f64, loss: 1.5, ..Validation::default() },
            policy_std: Some(0.125),
            fixation_spread: vec![0.5, 0.25],
            ..EpochMetrics::default()
        }
    }

    /// A protocol buffer's fields: number, and the payload of each kind as bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut x = 0;
            for shift in (0..).step_by(7) {
                let (&first, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                x |= u64::from(first & 0x7f) << shift;
                if first < 0x80 {
                    break;
                }
            }
            x
        }
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let length = match key & 7 {
                VARINT => {
                    found.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                    continue;
                }
                FIXED64 => 8,
                FIXED32 => 4,
                BYTES => varint(&mut bytes) as usize,
                kind => panic!("kind {kind}"),
            };
            let (payload, rest) = bytes.split_at(length);
            found.push((key >> 3, payload.to_vec()));
            bytes = rest;
        }
        found
    }

    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!((crc32c(b"123456789"), crc32c(b"")), (0xe306_9283, 0));
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        EventFile::create(&path, &[metrics(1)]).unwrap().append(&metrics(2), Some(1000.0)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let (mut rest, mut events) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let checksum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            assert_eq!(checksum(8), masked(crc32c(&rest[..8])));
            assert_eq!(checksum(12 + length), masked(crc32c(&rest[12..12 + length])));
            events.push(fields(&rest[12..12 + length]));
            rest = &rest[16 + length..];
        }
        let of = |event: usize, field: u64| events[event].iter().find(|(found, _)| *found == field).map(|(_, x)| x);
        assert_eq!((events.len(), of(0, 3).unwrap().as_slice()), (3, b"brain.Event:2".as_slice()));
        assert!(f64::from_le_bytes(of(1, 1).unwrap().as_slice().try_into().unwrap()) > 1.6e9);
        for (event, line) in [(1, metrics(1)), (2, metrics(2))] {
            assert_eq!(of(event, 2).unwrap(), &line.step.to_le_bytes());
            let values = fields(of(event, 5).unwrap()).into_iter().map(|(field, value)| {
                assert_eq!(field, 1);
                let value = fields(&value);
                let x = f32::from_le_bytes(value[1].1.as_slice().try_into().unwrap());
                (String::from_utf8(value[0].1.clone()).unwrap(), f64::from(x))
            });
            let values: Vec<_> = values.collect();
            let value = |tag: &str| values.iter().find(|(found, _)| found == tag).map(|(_, x)| *x);
            assert_eq!(value("error/validation"), Some(line.validation.error));
            assert_eq!((value("policy std"), value("fixation spread/glimpse 2")), (Some(0.125), Some(0.25)));
            assert_eq!(value("images a second"), (event == 2).then_some(1000.0));
            assert_eq!(value("on digit"), None);
        }
    }

    /// By TensorBoard itself, where Python has it.
    #[test]
    fn tensorboard_reads_it() {
        let python = std::env::var("RAM_PYTHON").unwrap_or_else(|_| "python3".into());
        let python = || std::process::Command::new(&python);
        let there = python().args(["-c", "import tensorboard"]).output().is_ok_and(|output| output.status.success());
        if !there {
            println!("SKIPPED: Python has no package tensorboard; RAM_PYTHON names a Python that has it");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(crate::runs::run_folder::EVENTS);
        EventFile::create(&path, &[metrics(1), metrics(2)]).unwrap();
        let script = "import sys\n\
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
            events = EventAccumulator(sys.argv[1]).Reload()\n\
            print([(e.step, e.value) for e in events.Scalars('error/validation')], len(events.Tags()['scalars']))";
        let output = python().arg("-c").arg(script).arg(folder.path()).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(out.trim(), "[(300, 0.25), (600, 0.125)] 14", "{err}");
    }
}
