//! Writes files so that after a crash there is either the complete old file or the complete new one. The bytes go to a temporary
//! file in the same folder, which is flushed to the disk and renamed over the target; then the folder is flushed too.
//!
//! A link is followed, so that it stays a link. What is no regular file, such as a pipe or `/dev/stdout`, is written to as it is.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::crash;

/// The end of a temporary file's name.
const TEMPORARY: &str = ".ram-tmp";

/// Replaces the file at `path` by `bytes`. On an error the old file is unchanged and no temporary file stays.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, None, bytes)
}

/// As [`write()`], but the old file is kept as `previous`. At every moment there is a complete file at `path`.
///
/// # Errors
/// Those of the file system.
pub fn write_keeping(path: &Path, previous: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, Some(previous), bytes)
}

fn replace(path: &Path, previous: Option<&Path>, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut device = File::options().write(true).open(path)?;
        device.write_all(bytes)?;
        return device.flush();
    }
    let followed = followed(path)?;
    let path = followed.as_path();
    let temporary = temporary(path)?;
    let result = (|| {
        let mut file = File::create(&temporary)?;
        crash::write_all(&mut file, bytes)?;
        crash::point();
        file.sync_all()?;
        drop(file);
        if let Some(previous) = previous
            && path.exists()
        {
            keep(path, previous)?;
        }
        crash::point();
        fs::rename(&temporary, path)?;
        crash::point();
        Ok(())
    })();
    if result.is_err() {
        // The first error is the one to report.
        _ = fs::remove_file(&temporary);
    }
    result.and_then(|()| sync_folder(parent(path)))
}

/// Makes `previous` the file that is at `path`, which stays there too.
fn keep(path: &Path, previous: &Path) -> io::Result<()> {
    let link = temporary(previous)?;
    let result = (|| {
        // Not every file system has links to files.
        if fs::hard_link(path, &link).is_err() {
            fs::copy(path, &link)?;
            File::open(&link)?.sync_all()?;
        }
        crash::point();
        fs::rename(&link, previous)
    })();
    // After a crash both names may belong to one file already. Then the rename does nothing, and the link is left over.
    _ = fs::remove_file(&link);
    result
}

/// The file that a path names in the end, if it is a link.
fn followed(path: &Path) -> io::Result<PathBuf> {
    // As many links as Linux follows.
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => path = parent(&path).join(fs::read_link(&path)?),
            _ => return Ok(path),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is a link that leads to itself"))
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_pipe_a_pipe() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("inside")).unwrap();
        symlink("inside/b", at("a")).unwrap();
        for text in ["one", "two"] {
            write(&at("a"), text.as_bytes()).unwrap();
            assert_eq!(fs::read(at("inside/b")).unwrap(), text.as_bytes());
        }
        assert!(fs::symlink_metadata(at("a")).unwrap().is_symlink());
        assert_eq!(names(&at("inside")), ["b"]);
        symlink("loop", at("loop")).unwrap();
        assert!(write(&at("loop"), b"x").is_err());

        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read(pipe).unwrap()
        });
        write(&at("pipe"), b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
        #[cfg(target_os = "linux")]
        assert_eq!(write(Path::new("/dev/full"), b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    /// A reader that looks all the time finds a whole file at every moment.
    #[test]
    fn there_is_a_file_at_every_moment() {
        let folder = tempfile::tempdir().unwrap();
        let (path, previous) = (folder.path().join("last"), folder.path().join("previous"));
        write_keeping(&path, &previous, &[0; 4096]).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let bytes = fs::read(&path).unwrap();
                    assert!(bytes.len() == 4096 && bytes.iter().all(|byte| *byte == bytes[0]));
                }
            });
            (1..100).for_each(|i| write_keeping(&path, &previous, &[i; 4096]).unwrap());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!([fs::read(&path).unwrap()[0], fs::read(&previous).unwrap()[0]], [99, 98]);
        // After a crash between the two renames, both names belong to one file.
        fs::remove_file(&previous).unwrap();
        fs::hard_link(&path, &previous).unwrap();
        write_keeping(&path, &previous, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read(&previous).unwrap()[0]), (b"new".to_vec(), 99));
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
