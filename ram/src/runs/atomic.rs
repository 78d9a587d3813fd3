//! Writes files so that after a crash there is either the complete old file or the complete new one. The bytes go to a temporary
//! file in the same folder, which is flushed to the disk and renamed over the target; then the folder is flushed too.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The end of a temporary file's name.
const TEMPORARY: &str = ".ram-tmp";

/// Replaces the file at `path` by `bytes`. On an error the old file is unchanged and no temporary file stays.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, None, bytes)
}

/// As [`write()`], but the old file is kept as `previous`. Between the two renames there is no file at `path` for a moment, but
/// then there is one at `previous`.
///
/// # Errors
/// Those of the file system.
pub fn write_keeping(path: &Path, previous: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, Some(previous), bytes)
}

fn replace(path: &Path, previous: Option<&Path>, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path)?;
    let result = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        if let Some(previous) = previous
            && path.exists()
        {
            fs::rename(path, previous)?;
        }
        fs::rename(&temporary, path)
    })();
    if result.is_err() {
        // The first error is the one to report.
        _ = fs::remove_file(&temporary);
    }
    result.and_then(|()| sync_folder(parent(path)))
}

/// Removes the temporary files that killed processes left in `folder`. No other process may be writing to the folder.
///
/// # Errors
/// Those of the file system.
pub fn clean(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(TEMPORARY) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Flushes a folder to the disk, so that the names in it survive a power cut. It does this on Unix only.
///
/// # Errors
/// Those of the file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// `runs/a/last.safetensors` → `runs/a/.last.safetensors.PID.ram-tmp`
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names a folder, not a file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}{TEMPORARY}", std::process::id()));
    Ok(parent(path).join(hidden))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn the_previous_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (path, previous) = (folder.path().join("last"), folder.path().join("previous"));
        for text in ["one", "two", "three"] {
            write_keeping(&path, &previous, text.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read(&previous).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["last", "previous"]);
    }

    #[test]
    fn an_error_leaves_the_old_file_and_no_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("folder");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("inside"), "kept").unwrap();
        assert!(write(&target, b"x").is_err());
        assert_eq!(names(folder.path()), ["folder"]);
        assert_eq!(fs::read(target.join("inside")).unwrap(), b"kept");
        assert!(write(&folder.path().join("no/such/a"), b"x").is_err());
        assert!(write(Path::new(".."), b"x").is_err());
    }

    #[test]
    fn stale_temporaries_are_cleaned_and_only_they() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".last.safetensors.77.ram-tmp"), "half").unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        clean(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["notes.txt"]);
    }
}
