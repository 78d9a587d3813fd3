//! The real MNIST files, sound and damaged. Without them these tests pass and say so, unless `RAM_REQUIRE_DATA=1`.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use datasets::{DataError, FashionMnist, Mnist, Source, Split};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

const FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The folder with the real files: `RAM_DATA_DIR`, else `../shared/mnist` beside the workspace.
fn real() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mnist");
    let dir = std::env::var_os("RAM_DATA_DIR").map_or(beside, PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(std::env::var_os("RAM_REQUIRE_DATA").is_none_or(|value| value != "1"), "no MNIST in {}", dir.display());
    // Not eprintln!, which the test harness hides.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no MNIST in {}; name its folder with RAM_DATA_DIR", dir.display());
    None
}

/// The decompressed bytes of a real file.
fn bytes(dir: &Path, name: &str) -> Vec<u8> {
    if let Ok(plain) = fs::read(dir.join(name)) {
        return plain;
    }
    let mut bytes = vec![];
    let file = fs::File::open(dir.join(format!("{name}.gz"))).unwrap();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A folder with the real test files, uncompressed. (The training files are as good, and eight times as slow.)
fn copy(dir: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in &FILES[2..] {
        fs::write(to.path().join(name), bytes(dir, name)).unwrap();
    }
    to
}

/// The error of the test split, which names the file and says what to do.
fn error(dir: &Path, file: &str) -> DataError {
    let error = Mnist { dir: dir.to_owned() }.test().unwrap_err();
    let message = error.to_string();
    assert!(message.contains(file), "{message}");
    assert!(
        ["Fetch the file again", "fetch the file again", "its own name", "put the four"]
            .iter()
            .any(|advice| message.contains(advice)),
        "{message}"
    );
    error
}

fn change(dir: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(dir.join(name)).unwrap();
    change(&mut bytes);
    fs::write(dir.join(name), bytes).unwrap();
}

#[test]
fn the_splits_are_the_published_images() {
    let Some(dir) = real() else { return };
    let mnist = Mnist { dir: dir.clone() };
    let (splits, test) = (mnist.train_validation().unwrap(), mnist.test().unwrap());
    assert_eq!(test.class_names.concat(), "0123456789");
    let all = Mnist::open(&dir).unwrap();
    for (split, alone) in [(Split::Train, &splits.train), (Split::Validation, &splits.validation), (Split::Test, &test)]
    {
        assert!(all.split(split).set == alone.set && all.split(split).class_names == alone.class_names, "{split:?}");
    }
    let (train, validation, test) = (splits.train.set, splits.validation.set, test.set);
    assert_eq!([train.len(), validation.len(), test.len()], [50_000, 10_000, 10_000]);
    assert_eq!((test.images.channels(), test.images.height(), test.images.width(), test.classes), (1, 28, 28, 10));

    let (pixels, labels) = (bytes(&dir, FILES[0]), bytes(&dir, FILES[1]));
    assert_eq!(train.images.pixels(), &pixels[16..][..50_000 * 784]);
    assert_eq!(validation.images.pixels(), &pixels[16 + 50_000 * 784..]);
    assert_eq!([train.labels, validation.labels].concat(), &labels[8..]);
    assert_eq!(test.labels[..5], [7, 2, 1, 0, 4]);
    assert_eq!(test.images.pixels(), &bytes(&dir, FILES[2])[16..]);
}

#[test]
fn a_folder_without_files_is_named() {
    let empty = tempfile::tempdir().unwrap();
    for error in [Mnist::open(empty.path()).unwrap_err(), FashionMnist::open(empty.path()).unwrap_err()] {
        let message = error.to_string();
        assert!(message.contains(&empty.path().display().to_string()) && message.contains(FILES[0]), "{message}");
    }
}

#[test]
fn training_does_not_open_the_test_split() {
    let Some(dir) = real() else { return };
    let without = tempfile::tempdir().unwrap();
    for name in &FILES[..2] {
        fs::write(without.path().join(name), bytes(&dir, name)).unwrap();
    }
    let mnist = Mnist { dir: without.path().to_owned() };
    assert!(mnist.train_validation().is_ok());
    assert!(matches!(mnist.test(), Err(DataError::MissingFile { name, .. }) if name == FILES[2]));
}

#[test]
fn dotted_names_are_known() {
    let Some(dir) = real() else { return };
    let to = copy(&dir);
    for name in &FILES[2..] {
        fs::rename(to.path().join(name), to.path().join(name.replace("-idx", ".idx"))).unwrap();
    }
    assert!(Mnist { dir: to.path().to_owned() }.test().is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let Some(dir) = real() else { return };
    let to = copy(&dir);
    fs::remove_file(to.path().join(FILES[3])).unwrap();
    assert!(matches!(error(to.path(), FILES[3]), DataError::MissingFile { .. }));
}

#[test]
fn a_truncated_file_is_refused() {
    let Some(dir) = real() else { return };
    let to = copy(&dir);
    for length in [5_000_000, 16, 15, 3, 0] {
        change(to.path(), FILES[2], |bytes| bytes.truncate(length));
        assert!(matches!(error(to.path(), FILES[2]), DataError::Format { .. }));
    }
}

#[test]
fn a_flipped_bit_is_refused() {
    let Some(dir) = real() else { return };
    let to = copy(&dir);
    change(to.path(), FILES[2], |bytes| bytes[4_000_000] ^= 16);
    let error = error(to.path(), FILES[2]);
    assert!(
        matches!(&error, DataError::Hash { expected, found, .. } if expected.starts_with("0fa7") && found.len() == 64)
    );
}

#[test]
fn an_oversized_header_is_refused() {
    let Some(dir) = real() else { return };
    let to = copy(&dir);
    change(to.path(), FILES[2], |bytes| bytes[4..16].fill(255));
    assert!(matches!(error(to.path(), FILES[2]), DataError::Format { .. }));
}

#[test]
fn swapped_files_are_recognised() {
    let Some(dir) = real() else { return };
    let to = copy(&dir);
    // Images and labels of the test split, and the labels of the training split in their place.
    let [images, labels] = [FILES[2], FILES[3]].map(|name| to.path().join(name));
    let aside = to.path().join("aside");
    fs::rename(&images, &aside).unwrap();
    fs::rename(&labels, &images).unwrap();
    assert!(matches!(error(to.path(), FILES[2]), DataError::Swapped { holds, .. } if holds == FILES[3]));
    fs::rename(&aside, &images).unwrap();
    fs::write(&labels, bytes(&dir, FILES[1])).unwrap();
    assert!(matches!(error(to.path(), FILES[3]), DataError::Swapped { holds, .. } if holds == FILES[1]));
}

/// The hashes that are pinned are those of the files here, computed without the reader.
#[test]
fn the_hashes_are_those_of_the_bytes() {
    let Some(dir) = real() else { return };
    let to = copy(&dir);
    for name in &FILES[2..] {
        let whole = fs::read(to.path().join(name)).unwrap();
        let hash: String = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
        let idx = datasets::idx::read(&to.path().join(name), 1 << 30).unwrap();
        assert_eq!(idx.sha256(), hash);
    }
}
