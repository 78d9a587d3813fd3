//! What can be wrong with data, and what the user can do about it.

use std::path::{Path, PathBuf};

use crate::published::{File, Published};
use crate::shown;

/// What is wrong with data. Each message names the file (or the setting), what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No folder with the data set was named, and the data set was not fetched.
    #[error("missing data: no folder with the files of {} was given. {}", .set.title(), how_to_get(*.set))]
    NoFolder {
        /// The data set.
        set: Published,
    },

    /// The folder that was named does not exist, or is not a folder.
    #[error("missing data: {named_by} names {}, which is not a folder. {}", shown::path(.path), how_to_get(*.set))]
    NotAFolder {
        /// The data set.
        set: Published,
        /// The path that was named.
        path: PathBuf,
        /// What named it: `--data-dir` or `RAM_DATA_DIR`.
        named_by: &'static str,
    },

    /// A file of the data set is not in its folder.
    #[error("missing data: {} has no {name} (nor {name}.gz). {}", shown::path(.dir), how_to_get(*.set))]
    MissingFile {
        /// The data set.
        set: Published,
        /// The folder in which the file was looked for.
        dir: PathBuf,
        /// The published name of the file.
        name: &'static str,
    },

    /// The operating system could not open or read a file.
    #[error("cannot read {}: {source}. Check that it exists and may be read", shown::path(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// A file does not have its format: it is cut short, damaged, or something else.
    #[error("{} is damaged or not an IDX file: found {found}, expected {expected}. Fetch the file again", shown::path(.path))]
    Format {
        /// The file.
        path: PathBuf,
        /// What it contains.
        found: String,
        /// What it should contain.
        expected: String,
    },

    /// A file has the right format, but its contents are not those that were published.
    #[error(
        "{} is not the published {name}: its contents have {algorithm} {found}, expected {expected}. \
         The file is damaged or was changed; fetch the file again",
        shown::path(.path)
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The published name of the file that should be there.
        name: &'static str,
        /// The name of the hash function.
        algorithm: &'static str,
        /// The hash of the contents.
        found: String,
        /// The hash of the published contents.
        expected: &'static str,
    },

    /// A file has the contents of another file of the data set.
    #[error(
        "{} is not {name}: it has the contents of {holds}. The files were swapped or renamed; \
         give each file its own name again",
        shown::path(.path)
    )]
    Swapped {
        /// The file.
        path: PathBuf,
        /// The published name of the file that should be there.
        name: &'static str,
        /// The published name of the file whose contents are there.
        holds: &'static str,
    },

    /// A file is not a picture that can be read.
    #[error(
        "{} is {found}; expected a complete PNG or JPEG picture of at most 2²⁸ pixels. Save it again, make it smaller or \
         remove it",
        shown::path(.path)
    )]
    Picture {
        /// The file.
        path: PathBuf,
        /// What it contains.
        found: String,
    },

    /// A folder of pictures, or a pair of files, does not have the layout that it must have.
    #[error("{} {what}", shown::path(.path))]
    Layout {
        /// The folder or the file.
        path: PathBuf,
        /// What was found, what was expected and what to do, as the rest of a sentence that begins with the path.
        what: String,
    },

    /// Sizes, counts or labels do not fit together.
    #[error("{what}: found {found}, expected {expected}")]
    Mismatch {
        /// What is wrong.
        what: &'static str,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },

    /// Any other error, of a [`Source`](crate::Source) that is implemented outside this crate.
    #[error(transparent)]
    Other(#[from] Box<dyn std::error::Error + Send + Sync>),

    /// The thread that prepares batches failed.
    #[error("the thread that prepares batches failed: {0}. This is a defect of the program; please report it")]
    Worker(String),
}

impl DataError {
    /// A [`DataError::Layout`]; `what` is the rest of a sentence that begins with the path.
    pub(crate) fn layout(path: &Path, what: impl Into<String>) -> Self {
        DataError::Layout { path: path.to_owned(), what: what.into() }
    }
}

/// What the user can do to get the files of a data set.
fn how_to_get(set: Published) -> String {
    let names: Vec<&str> = File::ALL.map(File::name).to_vec();
    let form = match set {
        Published::Mnist => "each as it is or as .gz",
        Published::FashionMnist => "each as .gz",
    };
    format!(
        "`ram data fetch {}` fetches them to a folder where they are found; or put the four files {} ({form}; mirrors: {}) \
         into one folder and name it with `--data-dir FOLDER` or the environment variable RAM_DATA_DIR; \
         `ram train --set data.source=digits` trains on built-in digits, which need no files",
        set.name(),
        names.join(", "),
        set.mirrors().join(" and ")
    )
}
