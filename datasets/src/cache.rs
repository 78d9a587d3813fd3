//! Where the files of a published data set are on this computer, and whether their contents are the published ones.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::idx::hex;
use crate::published::{Checksum, File, Published};

/// The size in bytes of the largest file, decompressed: 60 000 images and a header.
const LARGEST: u64 = 60_000 * 28 * 28 + 16;

impl Published {
    /// Checks the bytes of a compressed file, as a mirror sends it. Errors name the file `path`.
    ///
    /// # Errors
    /// [`DataError::Format`] if the bytes do not decompress, [`DataError::Hash`] if they are not the published ones.
    pub fn check(self, file: File, gz: &[u8], path: &Path) -> Result<(), DataError> {
        let checksum = self.checksum(file);
        let found = match checksum {
            Checksum::GzipMd5(_) => hex(&Md5::digest(gz)),
            Checksum::PlainSha256(_) => {
                let mut plain = Vec::new();
                // One byte more than a sound file has: a gzip bomb takes no more memory than that.
                MultiGzDecoder::new(gz).take(LARGEST + 1).read_to_end(&mut plain).map_err(|error| {
                    DataError::Format {
                        path: path.to_owned(),
                        found: format!("{} bytes that do not decompress ({error})", gz.len()),
                        expected: "a complete gzip file".to_owned(),
                    }
                })?;
                hex(&Sha256::digest(&plain))
            }
        };
        let (algorithm, expected) = (checksum.algorithm(), checksum.value());
        if found == expected {
            return Ok(());
        }
        Err(DataError::Hash { path: path.to_owned(), name: file.name(), algorithm, found, expected })
    }

    /// The folder with the files: `data_dir` (from the command line), else the folder that the environment variable
    /// `RAM_DATA_DIR` names, else [`Published::cached`].
    ///
    /// If one of the first two has a folder inside that is named like the data set ([`Published::name`]), that folder is
    /// taken. The files of Fashion-MNIST have the same names as those of MNIST, so `RAM_DATA_DIR` counts for Fashion-MNIST
    /// only if it has such a folder.
    ///
    /// # Errors
    /// [`DataError::NoFolder`] if nothing names a folder (an empty variable names none), [`DataError::NotAFolder`] if the
    /// path that is named is not a folder.
    pub fn dir(self, data_dir: Option<&Path>) -> Result<PathBuf, DataError> {
        self.choose(data_dir, std::env::var_os("RAM_DATA_DIR"), self.cached())
    }

    fn choose(
        self,
        data_dir: Option<&Path>,
        variable: Option<OsString>,
        cached: Option<PathBuf>,
    ) -> Result<PathBuf, DataError> {
        let variable = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
        let (path, named_by) = match (data_dir, variable) {
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

    /// The folder to which the data set is fetched, whether it exists or not; `None` if this system has no cache folder.
    pub fn cached(self) -> Option<PathBuf> {
        cache().map(|cache| cache.join(self.name()))
    }
}

/// The folder of all fetched data sets: the one that `RAM_CACHE_DIR` names, else `ram` in the user's cache folder (`~/.cache`
/// on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows). `None` if this system has no such folder.
fn cache() -> Option<PathBuf> {
    use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
    match std::env::var_os("RAM_CACHE_DIR").filter(|value| !value.is_empty()) {
        Some(path) => Some(path.into()),
        None if cfg!(target_family = "wasm") => None,
        None => choose_native_strategy().ok().map(|folders| folders.cache_dir().join("ram")),
    }
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
