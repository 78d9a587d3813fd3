//! Reads files that a user names. A path may lead to a pipe, on which reading waits, or to a device without an end; so only regular
//! files are read, and only up to a size that such a file can have.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The largest configuration, study or description of a run, bytes.
pub(crate) const TEXT: u64 = 1 << 20;
/// The largest file of weights, and of a run's lines, bytes.
pub(crate) const DATA: u64 = 1 << 36;

/// The content of a regular file of at most `limit` bytes.
///
/// # Errors
/// Those of the file system; [`io::ErrorKind::InvalidInput`] for a folder, a pipe or a device, and [`io::ErrorKind::FileTooLarge`]
/// for a larger file.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // This comes before the file is opened, since opening a pipe waits for a writer.
    let found = fs::metadata(path)?;
    if !found.is_file() {
        let what = if found.is_dir() { "it is a folder" } else { "it is a pipe or a device" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, expected a regular file")));
    }
    let mut bytes = Vec::new();
    // Some files of the system have more bytes than they say.
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let large = format!("it has more than {limit} bytes, which no such file has");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, large));
    }
    Ok(bytes)
}

/// As [`read`], for text.
///
/// # Errors
/// As [`read`]; [`io::ErrorKind::InvalidData`] where it is not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not text: byte {at} is not UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_sane_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(read(folder.path(), 9).unwrap_err().to_string().contains("it is a folder"));
        fs::write(&path, b"abc\xff").unwrap();
        assert!(read_text(&path, 9).unwrap_err().to_string().contains("byte 3 is not UTF-8"));
        assert_eq!(read(Path::new("no-such"), 9).unwrap_err().kind(), io::ErrorKind::NotFound);
        #[cfg(unix)]
        {
            let pipe = folder.path().join("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            for path in [&pipe, Path::new("/dev/zero")] {
                assert!(read(path, 9).unwrap_err().to_string().contains("a pipe or a device"));
            }
        }
    }
}
