//! MNIST, the original files of LeCun, Cortes and Burges.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::idx::{self, Idx};
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

/// One of the four files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    TrainImages,
    TrainLabels,
    TestImages,
    TestLabels,
}

impl File {
    pub(crate) const ALL: [File; 4] = [File::TrainImages, File::TrainLabels, File::TestImages, File::TestLabels];

    /// The published name, without `.gz`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            File::TrainImages => "train-images-idx3-ubyte",
            File::TrainLabels => "train-labels-idx1-ubyte",
            File::TestImages => "t10k-images-idx3-ubyte",
            File::TestLabels => "t10k-labels-idx1-ubyte",
        }
    }

    /// SHA-256 of the decompressed file; it holds for every mirror, however it compresses.
    fn sha256(self) -> &'static str {
        match self {
            File::TrainImages => "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            File::TrainLabels => "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            File::TestImages => "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            File::TestLabels => "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        }
    }
}

impl Mnist {
    /// The path of a file, under the first of its names that exists.
    fn find(&self, file: File) -> Result<PathBuf, DataError> {
        let name = file.name();
        let dotted = name.replace("-idx", ".idx");
        [name.to_owned(), format!("{name}.gz"), format!("{dotted}.gz"), dotted]
            .into_iter()
            .map(|name| self.dir.join(name))
            .find(|path| path.exists())
            .ok_or_else(|| DataError::MissingFile { dir: self.dir.clone(), name })
    }

    fn read(&self, file: File) -> Result<Idx, DataError> {
        let path = self.find(file)?;
        let idx = idx::read(&path, LIMIT)?;
        let found = idx.sha256();
        if found == file.sha256() {
            return Ok(idx);
        }
        let name = file.name();
        Err(match File::ALL.into_iter().find(|other| other.sha256() == found) {
            Some(other) => DataError::Swapped { path, name, holds: other.name() },
            None => DataError::Hash { path, name, found, expected: file.sha256() },
        })
    }
}

impl Source for Mnist {
    /// The first 50 000 images of the training file, and its last 10 000.
    fn train_validation(&self) -> Result<Splits, DataError> {
        let mut pixels = self.read(File::TrainImages)?.data;
        let mut labels = self.read(File::TrainLabels)?.data;
        let (late_pixels, late_labels) = (pixels.split_off(TRAIN * SIDE * SIDE), labels.split_off(TRAIN));
        Ok(Splits { train: digits(pixels, labels)?, validation: digits(late_pixels, late_labels)? })
    }

    /// The 10 000 images of the test file.
    fn test(&self) -> Result<Labelled, DataError> {
        digits(self.read(File::TestImages)?.data, self.read(File::TestLabels)?.data)
    }
}

fn digits(pixels: Vec<u8>, labels: Vec<u8>) -> Result<Labelled, DataError> {
    Labelled::new(Images::new(pixels, 1, SIDE, SIDE)?, labels, 10)
}

/// The folder with the data: the one given on the command line, else the one that `RAM_DATA_DIR` names.
///
/// # Errors
/// [`DataError::NoFolder`] if neither is given (an empty variable counts as none), [`DataError::NotAFolder`] if what is
/// given is no folder. Both say what to do.
pub fn data_dir(cli: Option<&Path>) -> Result<PathBuf, DataError> {
    choose_dir(cli, std::env::var_os("RAM_DATA_DIR"))
}

fn choose_dir(cli: Option<&Path>, variable: Option<OsString>) -> Result<PathBuf, DataError> {
    let variable = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
    let (path, named_by) = match (cli, variable) {
        (Some(path), _) => (path.to_owned(), "--data-dir"),
        (None, Some(path)) => (path, "RAM_DATA_DIR"),
        (None, None) => return Err(DataError::NoFolder),
    };
    if path.is_dir() { Ok(path) } else { Err(DataError::NotAFolder { path, named_by }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_variable() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let variable = || Some(there.path().as_os_str().to_owned());
        assert_eq!(choose_dir(Some(here.path()), variable()).unwrap(), here.path());
        assert_eq!(choose_dir(None, variable()).unwrap(), there.path());
    }

    #[test]
    fn missing_data_says_what_to_do() {
        let missing = choose_dir(None, Some(OsString::from("/no/such/folder"))).unwrap_err().to_string();
        assert!(missing.contains("RAM_DATA_DIR names /no/such/folder"), "{missing}");
        let flag = choose_dir(Some(Path::new("/no/such/folder")), None).unwrap_err().to_string();
        assert!(flag.contains("--data-dir names /no/such/folder"), "{flag}");
        for message in [missing, flag, choose_dir(None, Some(OsString::new())).unwrap_err().to_string()] {
            for advice in File::ALL.map(File::name).into_iter().chain(["--data-dir", "data.source=digits"]) {
                assert!(message.contains(advice), "{message}");
            }
        }
    }
}
