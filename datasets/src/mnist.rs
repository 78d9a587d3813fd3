//! MNIST and Fashion-MNIST, which have the same format: the original files, checked and read.

use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::idx::{self, Idx};
use crate::images::{Images, Labelled};
use crate::published::{File, Published};
use crate::source::{AllSplits, ReadSplit, Source, Splits};

/// The number of training images. The other 10 000 images of the training file are the validation split.
const TRAIN: usize = 50_000;

/// The height and width of an image, in pixels.
const SIDE: usize = 28;

/// The number of bytes in the largest of the four files, which has 60 000 images.
const LIMIT: u64 = 60_000 * (SIDE * SIDE) as u64;

/// MNIST, in a folder with its four files.
///
/// Each file may be gzip-compressed or not, and may be named `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, as some
/// unpacking tools name it. The contents must be the published ones: their SHA-256 is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mnist {
    /// The folder.
    pub dir: PathBuf,
}

/// Fashion-MNIST, in a folder with its four files.
///
/// The files must be gzip-compressed as they were published, since the published checksums are those of the compressed files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FashionMnist {
    /// The folder.
    pub dir: PathBuf,
}

impl Mnist {
    /// Reads the four files in this folder: the first 50 000 images of the training file to train on, its last 10 000 to validate
    /// on, and the 10 000 of the test file.
    ///
    /// # Errors
    /// [`DataError`] if a file is missing, damaged, or not the published one.
    ///
    /// ```no_run
    /// let mnist = datasets::Mnist::open("mnist")?;
    /// assert_eq!([mnist.train.set.len(), mnist.validation.set.len(), mnist.test.set.len()], [50_000, 10_000, 10_000]);
    /// # Ok::<(), datasets::DataError>(())
    /// ```
    pub fn open(dir: impl Into<PathBuf>) -> Result<AllSplits, DataError> {
        AllSplits::read(&Mnist { dir: dir.into() })
    }
}

impl Source for Mnist {
    fn train_validation(&self) -> Result<Splits, DataError> {
        train_validation(Published::Mnist, |file| mnist_file(&self.dir, file))
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        test(Published::Mnist, |file| mnist_file(&self.dir, file))
    }

    fn object_fills_image(&self) -> bool {
        true
    }
}

impl FashionMnist {
    /// Reads the four files in this folder: the first 50 000 images of the training file to train on, its last 10 000 to validate
    /// on, and the 10 000 of the test file.
    ///
    /// # Errors
    /// [`DataError`] if a file is missing, damaged, or not the published one.
    pub fn open(dir: impl Into<PathBuf>) -> Result<AllSplits, DataError> {
        AllSplits::read(&FashionMnist { dir: dir.into() })
    }
}

impl Source for FashionMnist {
    fn train_validation(&self) -> Result<Splits, DataError> {
        train_validation(Published::FashionMnist, |file| fashion_file(&self.dir, file))
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        test(Published::FashionMnist, |file| fashion_file(&self.dir, file))
    }

    fn object_fills_image(&self) -> bool {
        true
    }
}

/// The first 50 000 images of the training file, and its last 10 000.
fn train_validation(set: Published, read: impl Fn(File) -> Result<Idx, DataError>) -> Result<Splits, DataError> {
    let mut pixels = read(File::TrainImages)?.data;
    let mut labels = read(File::TrainLabels)?.data;
    let (late_pixels, late_labels) = (pixels.split_off(TRAIN * SIDE * SIDE), labels.split_off(TRAIN));
    // The memory of the images that were split off is given back.
    pixels.shrink_to_fit();
    Ok(Splits { train: split(set, pixels, labels)?, validation: split(set, late_pixels, late_labels)? })
}

/// The 10 000 images of the test file.
fn test(set: Published, read: impl Fn(File) -> Result<Idx, DataError>) -> Result<ReadSplit, DataError> {
    split(set, read(File::TestImages)?.data, read(File::TestLabels)?.data)
}

fn split(set: Published, pixels: Vec<u8>, labels: Vec<u8>) -> Result<ReadSplit, DataError> {
    let class_names = set.class_names();
    ReadSplit::new(Labelled::new(Images::new(pixels, 1, SIDE, SIDE)?, labels, class_names.len())?, class_names)
}

/// Reads a file of MNIST under the first of its names that exists, and checks its contents.
fn mnist_file(dir: &Path, file: File) -> Result<Idx, DataError> {
    let name = file.name();
    let dotted = name.replace("-idx", ".idx");
    let path = [name.to_owned(), format!("{name}.gz"), format!("{dotted}.gz"), dotted]
        .into_iter()
        .map(|name| dir.join(name))
        .find(|path| path.exists())
        .ok_or_else(|| DataError::MissingFile { set: Published::Mnist, dir: dir.to_owned(), name })?;
    let idx = idx::read(&path, LIMIT)?;
    let checksum = |file| Published::Mnist.checksum(file);
    let (found, expected) = (idx.sha256(), checksum(file).value());
    if found == expected {
        return Ok(idx);
    }
    Err(match File::ALL.into_iter().find(|&other| checksum(other).value() == found) {
        Some(other) => DataError::Swapped { path, name, holds: other.name() },
        None => DataError::Hash { path, name, algorithm: checksum(file).algorithm(), found, expected },
    })
}

/// Reads a file of Fashion-MNIST, and checks its contents.
fn fashion_file(dir: &Path, file: File) -> Result<Idx, DataError> {
    let path = dir.join(format!("{}.gz", file.name()));
    if !path.exists() {
        return Err(DataError::MissingFile { set: Published::FashionMnist, dir: dir.to_owned(), name: file.name() });
    }
    let bytes = std::fs::read(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
    Published::FashionMnist.check(file, &bytes, &path)?;
    idx::read_from(&*bytes, &path, LIMIT)
}
