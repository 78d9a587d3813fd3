//! Reading whole files that may be anything.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::error::DataError;

/// Opens a regular file. A device or a pipe, which may have no end or make the reader wait, is an error.
///
/// # Errors
/// [`DataError::Read`] if the file cannot be opened or is something else.
pub(crate) fn open(path: &Path) -> Result<File, DataError> {
    let unreadable = |source| DataError::Read { path: path.to_owned(), source };
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("not a regular file")));
    }
    File::open(path).map_err(unreadable)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], or [`DataError::Read`] if the file is larger.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let unreadable = |source| DataError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(unreadable(io::Error::other(format!("it has more than {limit} bytes"))));
    }
    Ok(bytes)
}
