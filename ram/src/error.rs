//! The errors of the program, and their exit codes.
//!
//! Every message names the file or key, says what was found and what was expected, and what the user can do.

use std::io;
use std::path::{Path, PathBuf};

use datasets::shown;

/// An error that a user can act on: in a configuration, a data set, a run folder or a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RamError {
    /// A configuration or an option is wrong. Exit code 2.
    #[error("{0}")]
    Config(String),

    /// A data set is missing or damaged. Exit code 3.
    #[error("{0}")]
    Data(String),

    /// A checkpoint is damaged; an older one may be used instead. Exit code 4.
    #[error("{}: {message}", shown::path(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        message: String,
    },

    /// A checkpoint cannot be read, has another format version, or belongs to another model. Exit code 4.
    #[error("{}: {message}", shown::path(path))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        message: String,
    },

    /// A run folder or the folder of pretrained models cannot be made, opened or written. Exit code 4.
    #[error("{}: {message}", shown::path(path))]
    Run {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        message: String,
    },

    /// Another process is writing to a run folder. Exit code 4.
    #[error("{}: another process is writing to this run; wait for it, or choose another --name", shown::path(path))]
    Locked {
        /// The folder.
        path: PathBuf,
    },

    /// A file that is not part of a run or a data set cannot be read or written. Exit code 1.
    #[error("cannot {action} {}: {source}{}", shown::path(path), what_to_do(source.kind()))]
    Io {
        /// A verb: `read`, `write`. What to do follows from the error's kind.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// Training cannot continue because a thread failed. Exit code 1.
    #[error("{0}")]
    Training(String),

    /// Training cannot continue because the loss or a weight is no longer a finite number. The same configuration always ends
    /// like this. Exit code 1.
    #[error("{0}")]
    Diverged(String),
}

impl RamError {
    /// The exit code of the `ram` program for this error; `ram --help` lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            RamError::Config(_) => 2,
            RamError::Data(_) => 3,
            RamError::Damaged { .. } | RamError::Checkpoint { .. } | RamError::Run { .. } | RamError::Locked { .. } => {
                4
            }
            RamError::Io { .. } | RamError::Training(_) | RamError::Diverged(_) => 1,
        }
    }

    /// A [`RamError::Damaged`] for `path`.
    pub fn damaged(path: &Path, message: impl Into<String>) -> RamError {
        RamError::Damaged { path: path.to_owned(), message: message.into() }
    }

    /// A [`RamError::Checkpoint`] for `path`.
    pub fn checkpoint(path: &Path, message: impl Into<String>) -> RamError {
        RamError::Checkpoint { path: path.to_owned(), message: message.into() }
    }

    /// A [`RamError::Run`] for `path`.
    pub fn run(path: &Path, message: impl Into<String>) -> RamError {
        RamError::Run { path: path.to_owned(), message: message.into() }
    }

    /// A [`RamError::Run`] for a file that cannot be written, where the command can simply be run again.
    pub fn unwritable(path: &Path, error: &io::Error) -> RamError {
        RamError::run(path, format!("cannot be written: {error}; make room or allow writing there, then run it again"))
    }
}

/// The end of a message about a file: what a user can do.
fn what_to_do(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            "; a part of this path does not exist: look at it again"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => "; name a file, not a folder",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; allow it there, or choose another path"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room, or choose another path",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_file_says_what_to_do() {
        let path = PathBuf::from("no/such/look.png");
        let source = std::fs::write(&path, "").unwrap_err();
        let message = RamError::Io { action: "write", path, source }.to_string();
        assert!(message.starts_with("cannot write no/such/look.png: "), "{message}");
        assert!(message.ends_with("; a part of this path does not exist: look at it again"), "{message}");
        for (kind, advice) in [
            (io::ErrorKind::IsADirectory, "name a file"),
            (io::ErrorKind::PermissionDenied, "choose another path"),
            (io::ErrorKind::StorageFull, "make room"),
        ] {
            assert!(what_to_do(kind).contains(advice), "{kind}");
        }
    }

    #[test]
    fn a_message_names_the_file_and_the_code_tells_the_kind() {
        let error = RamError::checkpoint(Path::new("runs/a/last.safetensors"), "truncated");
        assert_eq!(error.to_string(), "runs/a/last.safetensors: truncated");
        assert_eq!(error.exit_code(), 4);
        assert_eq!(RamError::damaged(Path::new("a"), "").exit_code(), 4);
        assert_eq!(RamError::Config(String::new()).exit_code(), 2);
        assert_eq!(RamError::Data(String::new()).exit_code(), 3);
        assert_eq!(RamError::Training(String::new()).exit_code(), 1);
        assert_eq!(RamError::Diverged(String::new()).exit_code(), 1);
        assert_eq!(RamError::Locked { path: "a".into() }.exit_code(), 4);
    }
}
