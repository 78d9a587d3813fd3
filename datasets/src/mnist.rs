//! MNIST, the original files of LeCun, Cortes and Burges, and Fashion-MNIST, which has their form.

use std::path::{Path, PathBuf};

use crate::idx::{self, Idx};
use crate::published::{Checksum, File, Published};
use crate::{DataError, Images, Labelled, Source, Splits};

/// The number of training images; the other 10 000 of the training file are the validation split.
const TRAIN: usize = 50_000;

/// Images are SIDE × SIDE pixels.
const SIDE: usize = 28;

/// The largest of the four files has 60 000 images.
const LIMIT: u64 = 60_000 * (SIDE * SIDE) as u64;

/// A folder with the four files of MNIST.
///
/// Each may be plain or gzip-compressed, and named `train-images-idx3-ubyte` or, as unpacking tools do,
/// `train-images.idx3-ubyte`. Whatever the name, the contents must be the published ones: their SHA-256 is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mnist {
    /// The folder.
    pub dir: PathBuf,
}

/// A folder with the four files of Fashion-MNIST, as they were published: gzip-compressed, since the checksums are of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FashionMnist {
    /// The folder.
    pub dir: PathBuf,
}

/// A file of MNIST: the first of its names that exists.
fn mnist_file(dir: &Path, file: File) -> Result<Idx, DataError> {
    let name = file.name();
    let dotted = name.replace("-idx", ".idx");
    let path = [name.to_owned(), format!("{name}.gz"), format!("{dotted}.gz"), dotted]
        .into_iter()
        .map(|name| dir.join(name))
        .find(|path| path.exists())
        .ok_or_else(|| DataError::MissingFile { set: Published::Mnist, dir: dir.to_owned(), name })?;
    let idx = idx::read(&path, LIMIT)?;
    let sha256 = |file| match Published::Mnist.checksum(file) {
        Checksum::PlainSha256(value) | Checksum::GzipMd5(value) => value,
    };
    let found = idx.sha256();
    if found == sha256(file) {
        return Ok(idx);
    }
    Err(match File::ALL.into_iter().find(|&other| sha256(other) == found) {
        Some(other) => DataError::Swapped { path, name, holds: other.name() },
        None => DataError::Hash { path, name, algorithm: "SHA-256", found, expected: sha256(file) },
    })
}

/// A file of Fashion-MNIST.
fn fashion_file(dir: &Path, file: File) -> Result<Idx, DataError> {
    let path = dir.join(format!("{}.gz", file.name()));
    if !path.exists() {
        return Err(DataError::MissingFile { set: Published::FashionMnist, dir: dir.to_owned(), name: file.name() });
    }
    let bytes = std::fs::read(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
    Published::FashionMnist.check(file, &bytes, &path)?;
    idx::read_from(&*bytes, &path, LIMIT)
}

/// The first 50 000 images of the training file, and its last 10 000.
fn train_validation(read: impl Fn(File) -> Result<Idx, DataError>) -> Result<Splits, DataError> {
    let mut pixels = read(File::TrainImages)?.data;
    let mut labels = read(File::TrainLabels)?.data;
    let (late_pixels, late_labels) = (pixels.split_off(TRAIN * SIDE * SIDE), labels.split_off(TRAIN));
    Ok(Splits { train: digits(pixels, labels)?, validation: digits(late_pixels, late_labels)? })
}

/// The 10 000 images of the test file.
fn test(read: impl Fn(File) -> Result<Idx, DataError>) -> Result<Labelled, DataError> {
    digits(read(File::TestImages)?.data, read(File::TestLabels)?.data)
}

impl Source for Mnist {
    fn train_validation(&self) -> Result<Splits, DataError> {
        train_validation(|file| mnist_file(&self.dir, file))
    }

    fn test(&self) -> Result<Labelled, DataError> {
        test(|file| mnist_file(&self.dir, file))
    }
}

impl Source for FashionMnist {
    fn train_validation(&self) -> Result<Splits, DataError> {
        train_validation(|file| fashion_file(&self.dir, file))
    }

    fn test(&self) -> Result<Labelled, DataError> {
        test(|file| fashion_file(&self.dir, file))
    }
}

fn digits(pixels: Vec<u8>, labels: Vec<u8>) -> Result<Labelled, DataError> {
    Labelled::new(Images::new(pixels, 1, SIDE, SIDE)?, labels, 10)
}
