//! The data sets that are published as four files: their names, their checksums, where they can be fetched, where they lie.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::DataError;

/// Bytes of the largest file of all, decompressed: 60 000 images and a header.
const LARGEST: u64 = 60_000 * 28 * 28 + 16;

/// A published data set of four files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// MNIST, of LeCun, Cortes and Burges.
    Mnist,
    /// Fashion-MNIST, of Xiao, Rasul and Vollgraf: articles of clothing instead of digits, in the same form.
    FashionMnist,
}

/// One of the four files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// 60 000 images.
    TrainImages,
    /// Their classes.
    TrainLabels,
    /// 10 000 images.
    TestImages,
    /// Their classes.
    TestLabels,
}

impl File {
    /// All four.
    pub const ALL: [File; 4] = [File::TrainImages, File::TrainLabels, File::TestImages, File::TestLabels];

    /// The published name, without `.gz`.
    pub fn name(self) -> &'static str {
        match self {
            File::TrainImages => "train-images-idx3-ubyte",
            File::TrainLabels => "train-labels-idx1-ubyte",
            File::TestImages => "t10k-images-idx3-ubyte",
            File::TestLabels => "t10k-labels-idx1-ubyte",
        }
    }
}

/// What a file's bytes must hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256 of the decompressed file: it holds for every mirror, however it compresses.
    PlainSha256(&'static str),
    /// MD5 of the compressed file, where nothing else was published.
    GzipMd5(&'static str),
}

impl Published {
    /// Both.
    pub const ALL: [Published; 2] = [Published::Mnist, Published::FashionMnist];

    /// The name on command lines, in configurations and of the folder in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Published::Mnist => "mnist",
            Published::FashionMnist => "fashion-mnist",
        }
    }

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Published::Mnist => "MNIST",
            Published::FashionMnist => "Fashion-MNIST",
        }
    }

    /// The names of its classes, in the order of the labels.
    pub fn classes(self) -> [&'static str; 10] {
        match self {
            Published::Mnist => ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            Published::FashionMnist => [
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ],
        }
    }

    /// Where the files lie, each as `NAME.gz`, reached by plain HTTP: the checksum is the guard, not the connection.
    pub fn mirrors(self) -> &'static [&'static str] {
        match self {
            Published::Mnist => &[
                "http://storage.googleapis.com/cvdf-datasets/mnist/",
                "http://ossci-datasets.s3.amazonaws.com/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ],
            Published::FashionMnist => &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "http://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            ],
        }
    }

    /// What a file must hash to. MNIST's are those of its decompressed files; of Fashion-MNIST the README of
    /// zalandoresearch/fashion-mnist publishes the MD5 sums of the compressed ones.
    pub fn checksum(self, file: File) -> Checksum {
        use Checksum::{GzipMd5, PlainSha256};
        match (self, file) {
            (Published::Mnist, File::TrainImages) => {
                PlainSha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db")
            }
            (Published::Mnist, File::TrainLabels) => {
                PlainSha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")
            }
            (Published::Mnist, File::TestImages) => {
                PlainSha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7")
            }
            (Published::Mnist, File::TestLabels) => {
                PlainSha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")
            }
            (Published::FashionMnist, File::TrainImages) => GzipMd5("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            (Published::FashionMnist, File::TrainLabels) => GzipMd5("25c81989df183df01b3e8a0aad5dffbe"),
            (Published::FashionMnist, File::TestImages) => GzipMd5("bef4ecab320f06d8554ea6380940ec79"),
            (Published::FashionMnist, File::TestLabels) => GzipMd5("bb300cfdad3c16e7a12a480ee83cd310"),
        }
    }

    /// Checks the bytes of a compressed file, as a mirror sends it; errors call them `path`.
    ///
    /// # Errors
    /// [`DataError::Format`] if they do not decompress, [`DataError::Hash`] if they are not the published ones.
    pub fn check(self, file: File, gz: &[u8], path: &Path) -> Result<(), DataError> {
        let checksum = self.checksum(file);
        let (algorithm, expected) = checksum.parts();
        let found = match checksum {
            Checksum::GzipMd5(_) => hex(&Md5::digest(gz)),
            Checksum::PlainSha256(_) => {
                let mut plain = Vec::new();
                // A byte more than there can be, so that no gzip bomb gets further than that.
                MultiGzDecoder::new(gz).take(LARGEST + 1).read_to_end(&mut plain).map_err(|error| {
                    DataError::Format {
                        path: path.to_owned(),
                        found: format!("{} bytes that do not decompress ({error})", gz.len()),
                        expected: "a whole gzip file".to_owned(),
                    }
                })?;
                hex(&Sha256::digest(&plain))
            }
        };
        if found == expected {
            return Ok(());
        }
        Err(DataError::Hash { path: path.to_owned(), name: file.name(), algorithm, found, expected })
    }

    /// The folder with the files: the one given on the command line, else the one that `RAM_DATA_DIR` names, else
    /// [`Published::cached`]. Of the first two a folder in it that is called as the data set is ([`Published::name`]) comes
    /// first; Fashion-MNIST, whose files are named as MNIST's are, is looked for under `RAM_DATA_DIR` in such a one alone.
    ///
    /// # Errors
    /// [`DataError::NoFolder`] if there is none (an empty variable counts as none), [`DataError::NotAFolder`] if what is
    /// given is no folder. Both say what to do.
    pub fn dir(self, cli: Option<&Path>) -> Result<PathBuf, DataError> {
        self.choose(cli, std::env::var_os("RAM_DATA_DIR"), cache().map(|cache| cache.join(self.name())))
    }

    fn choose(
        self,
        cli: Option<&Path>,
        variable: Option<OsString>,
        cached: Option<PathBuf>,
    ) -> Result<PathBuf, DataError> {
        let variable = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
        let (path, named_by) = match (cli, variable) {
            (Some(path), _) => (path.to_owned(), "--data-dir"),
            (None, Some(path)) if self == Published::Mnist || path.join(self.name()).is_dir() => (path, "RAM_DATA_DIR"),
            _ => return cached.filter(|path| path.is_dir()).ok_or(DataError::NoFolder { set: self }),
        };
        let inner = path.join(self.name());
        if inner.is_dir() {
            Ok(inner)
        } else if path.is_dir() {
            Ok(path)
        } else {
            Err(DataError::NotAFolder { set: self, path, named_by })
        }
    }

    /// Where [`cache`] has it.
    pub fn cached(self) -> Option<PathBuf> {
        cache().map(|cache| cache.join(self.name()))
    }
}

impl Checksum {
    /// The algorithm, and the value in hexadecimal.
    pub fn parts(self) -> (&'static str, &'static str) {
        match self {
            Checksum::PlainSha256(value) => ("SHA-256", value),
            Checksum::GzipMd5(value) => ("MD5", value),
        }
    }
}

/// The folder of fetched data sets: `RAM_CACHE_DIR`, else `ram` in the user's folder for such things (`~/.cache` on Linux,
/// `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows). `None` where there is no such folder.
pub fn cache() -> Option<PathBuf> {
    use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
    match std::env::var_os("RAM_CACHE_DIR").filter(|value| !value.is_empty()) {
        Some(path) => Some(path.into()),
        None if cfg!(target_family = "wasm") => None,
        None => choose_native_strategy().ok().map(|folders| folders.cache_dir().join("ram")),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_variable_and_the_variable_before_the_cache() {
        let [here, there, cached] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let variable = || Some(there.path().as_os_str().to_owned());
        let cache = || Some(cached.path().to_owned());
        let set = Published::Mnist;
        assert_eq!(set.choose(Some(here.path()), variable(), cache()).unwrap(), here.path());
        assert_eq!(set.choose(None, variable(), cache()).unwrap(), there.path());
        assert_eq!(set.choose(None, Some(OsString::new()), cache()).unwrap(), cached.path());
        let nowhere = Some(cached.path().join("none"));
        assert!(matches!(set.choose(None, None, nowhere), Err(DataError::NoFolder { .. })));
        // The files of both sets have the same names: a folder called after one cannot be taken for the other's.
        let fashion = Published::FashionMnist;
        assert_eq!(fashion.choose(None, variable(), cache()).unwrap(), cached.path());
        let inner = there.path().join("fashion-mnist");
        std::fs::create_dir(&inner).unwrap();
        assert_eq!(fashion.choose(None, variable(), cache()).unwrap(), inner);
        assert_eq!(fashion.choose(Some(there.path()), None, None).unwrap(), inner);
        assert_eq!(set.choose(None, variable(), cache()).unwrap(), there.path());
    }

    #[test]
    fn missing_data_says_what_to_do() {
        let mnist = Published::Mnist;
        let missing = mnist.choose(None, Some(OsString::from("/no/such/folder")), None).unwrap_err().to_string();
        assert!(missing.contains("RAM_DATA_DIR names /no/such/folder"), "{missing}");
        let flag = mnist.choose(Some(Path::new("/no/such/folder")), None, None).unwrap_err().to_string();
        assert!(flag.contains("--data-dir names /no/such/folder"), "{flag}");
        for message in [missing, flag, mnist.choose(None, Some(OsString::new()), None).unwrap_err().to_string()] {
            let advice = ["--data-dir", "data.source=digits", "ram data fetch mnist"];
            for advice in File::ALL.map(File::name).into_iter().chain(advice) {
                assert!(message.contains(advice), "{message}");
            }
        }
    }

    #[test]
    fn only_the_published_bytes_pass() {
        let path = Path::new("sent");
        let error = Published::FashionMnist.check(File::TestLabels, b"", path).unwrap_err().to_string();
        // RFC 1321: MD5 ("") = d41d8cd98f00b204e9800998ecf8427e
        assert!(error.contains("MD5 d41d8cd98f00b204e9800998ecf8427e") && error.contains("bb300cfd"), "{error}");
        let error = Published::Mnist.check(File::TestLabels, b"<html>", path).unwrap_err();
        assert!(matches!(error, DataError::Format { .. }), "{error}");
        use std::io::Write;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"abc").unwrap();
        let error = Published::Mnist.check(File::TestLabels, &gz.finish().unwrap(), path).unwrap_err().to_string();
        // FIPS 180-2, appendix B.1
        assert!(error.contains("SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "{error}");
    }
}
