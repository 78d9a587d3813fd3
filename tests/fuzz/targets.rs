//! What is fuzzed: every reader of bytes that come from outside. A target may refuse its input, but not panic, and what it accepts
//! must hold together. `cargo fuzz run TARGET` feeds them with new inputs; `cargo test -p tests --test fuzz` with the kept ones.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use datasets::{Fit, Folder, Picture, Preparation, Split, idx};
use ram::config::Config;
use ram::runs::checkpoint::{self, Checkpoint};
use ram::runs::metrics::{EpochMetrics, Line, Timing, read_lines};
use ram::search::study::Study;

/// A target reads some bytes, and panics where it finds a fault.
pub type Target = fn(&[u8]);

/// The name of each target and its function.
pub const TARGETS: [(&str, Target); 8] = [
    ("idx", idx),
    ("gzip", gzip),
    ("picture", picture),
    ("folder", folder),
    ("configuration", configuration),
    ("study", study),
    ("checkpoint", checkpoint),
    ("metrics", metrics),
];

/// More than any input of the fuzzer holds, and little enough to be allocated.
const LIMIT: u64 = 1 << 20;

/// An IDX file, plain or compressed. What is read is written back and read again.
pub fn idx(bytes: &[u8]) {
    let Ok(read) = idx::read_from(Cursor::new(bytes), Path::new("x"), LIMIT) else { return };
    assert_eq!(read.dims.iter().map(|&dim| dim as usize).product::<usize>(), read.data.len());
    let mut written = Vec::new();
    read.write(&mut written).expect("memory");
    let again = idx::read_from(Cursor::new(&written), Path::new("x"), LIMIT).expect("what was written");
    assert_eq!((again.dims, again.data), (read.dims, read.data));
}

/// As [`idx()`], with the magic number of gzip before the bytes, so that the fuzzer need not find it.
pub fn gzip(bytes: &[u8]) {
    idx(&[&[0x1f, 0x8b, 8, 0], bytes].concat());
}

/// A PNG or JPEG file.
pub fn picture(bytes: &[u8]) {
    let Ok(picture) = Picture::decode(bytes) else { return };
    let Picture { channels, height, width, ref pixels, .. } = picture;
    assert!([1, 3].contains(&channels) && pixels.len() == channels * height * width && height * width > 0);
    let image = Preparation { channels: 1, height: 8, width: 8, fit: Fit::Pad, invert: false }.apply(&picture);
    assert_eq!(image.len(), 64);
}

/// A folder of pictures. The bytes make a tree: a byte chooses each part of a name, and another what the file holds.
pub fn folder(bytes: &[u8]) {
    const NAMES: [&str; 16] = [
        "train",
        "val",
        "Validation",
        "test",
        "a",
        "b",
        "c",
        ".hidden",
        "0.png",
        "1.jpg",
        "2.JPEG",
        "3.txt",
        "4.jfif",
        "5.webp",
        "é\u{1b}[31m",
        "x.png",
    ];
    // The smallest grey PNG, of one white pixel.
    const PNG: &[u8] =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc\xf8\x0f\0\x01\x01\
        \x01\0\x1b\xb6\xeeV\0\0\0\0IEND\xaeB`\x82";
    let place = tempfile::tempdir().expect("a folder");
    for entry in bytes.chunks(4).take(24) {
        let mut path = place.path().to_owned();
        for byte in &entry[..entry.len() - 1] {
            path.push(NAMES[usize::from(byte % 16)]);
        }
        let kind = entry[entry.len() - 1];
        // A name may be that of a file already.
        if kind % 8 == 0 {
            _ = fs::create_dir_all(path);
        } else if fs::create_dir_all(path.parent().expect("a folder")).is_ok() {
            _ = fs::write(path, &PNG[..if kind % 8 == 1 { usize::from(kind) % PNG.len() } else { PNG.len() }]);
        }
    }
    let preparation = Preparation { channels: 1, height: 4, width: 4, fit: Fit::Pad, invert: false };
    let folder = Folder { path: place.path().to_owned(), preparation, seed: 1 };
    let Ok(classes) = folder.class_names() else { return };
    for split in [Split::Train, Split::Validation, Split::Test] {
        let Ok(read) = folder.read(split) else { continue };
        assert!(read.set.labels.iter().all(|&label| usize::from(label) < classes.len()));
        assert_eq!(read.set.images.pixels().len(), 16 * read.set.labels.len());
    }
}

/// A configuration. What is accepted is written and read back to the same.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(config) = Config::from_toml(text, "x.toml") else { return };
    assert_eq!(Config::from_toml(&config.to_toml(), "y.toml").expect("what was written"), config);
}

/// A study of `ram search`. Every trial of an accepted study has a configuration.
pub fn study(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A base of its own may be any file of the machine.
    if text.contains("config") {
        return;
    }
    let Ok(study) = Study::from_toml(text, "x.toml", Path::new("")) else { return };
    if study.check().is_ok() {
        (1..=study.trials.min(3)).for_each(|trial| drop(study.config(trial).expect("a checked study")));
        assert!(study.rungs().is_sorted());
    }
}

/// A checkpoint. The fuzzer cannot find a SHA-256, so the bytes also go into a checkpoint that has the right one.
pub fn checkpoint(bytes: &[u8]) {
    if let Ok(read) = Checkpoint::decode(Path::new("x"), bytes) {
        assert_eq!(read.weights_hash().len(), 64);
        _ = read.config();
    }
    let data: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let tensor = checkpoint::Tensor { name: "params/w", shape: &[data.len()], data: &data };
    let state = checkpoint::TrainState { config: String::from_utf8_lossy(bytes).into_owned(), ..Default::default() };
    if let Ok(encoded) = checkpoint::encode(&[tensor], &state) {
        let read = Checkpoint::decode(Path::new("x"), &encoded).expect("what was written");
        assert!(read.state == state && read.tensors["params/w"].data == data);
        _ = read.config();
    }
}

/// Lines of metrics and of times. What is accepted is written and read back to the same.
pub fn metrics(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(lines) = read_lines::<EpochMetrics>(text) {
        let written: String = lines.iter().map(Line::to_line).collect();
        if lines.iter().all(|line| line.not_finite().is_none()) {
            assert_eq!(read_lines::<EpochMetrics>(&written).expect("what was written"), lines);
        }
    }
    _ = read_lines::<Timing>(text);
}
