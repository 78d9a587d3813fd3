//! What can be wrong with data, and what to do about it.

use std::path::PathBuf;

use crate::published::{File, Published};

/// What is wrong with data. Each message names the file (or the setting), what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No folder with data was named, and none was fetched.
    #[error("missing data: no folder with the files of {} was given. {}", .set.title(), how_to_get(*.set))]
    NoFolder {
        /// The data set.
        set: Published,
    },

    /// The named folder is not there, or is not a folder.
    #[error("missing data: {named_by} names {}, which is not a folder. {}", .path.display(), how_to_get(*.set))]
    NotAFolder {
        /// The data set.
        set: Published,
        /// The path given.
        path: PathBuf,
        /// Who gave it: `--data-dir` or `RAM_DATA_DIR`.
        named_by: &'static str,
    },

    /// A file of the data set is not in its folder.
    #[error("missing data: {} has no {name} (nor {name}.gz). {}", .dir.display(), how_to_get(*.set))]
    MissingFile {
        /// The data set.
        set: Published,
        /// The folder searched.
        dir: PathBuf,
        /// The file's published name.
        name: &'static str,
    },

    /// The operating system could not open or read a file.
    #[error("cannot read {}: {source}. Check that the file exists and may be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },

    /// A file is not what its format says: cut short, damaged, or something else altogether.
    #[error("{} is damaged or not an IDX file: found {found}, expected {expected}. Fetch the file anew", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },

    /// A file is well formed, but holds other bytes than those published.
    #[error(
        "{} is not the published {name}: its contents have {algorithm} {found}, expected {expected}. \
         It is damaged or was changed; fetch the file anew",
        .path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The published name of what should be there.
        name: &'static str,
        /// Which hash is compared.
        algorithm: &'static str,
        /// That of what it holds.
        found: String,
        /// That of what it should hold.
        expected: &'static str,
    },

    /// A file holds what another file of the data set should.
    #[error(
        "{} is not {name}: it holds the contents of {holds}. The files were swapped or misnamed; \
         give each its own name again",
        .path.display()
    )]
    Swapped {
        /// The file.
        path: PathBuf,
        /// The published name of what should be there.
        name: &'static str,
        /// The published name of what is there.
        holds: &'static str,
    },

    /// A file is not a picture that can be read.
    #[error("{} is {found}; expected a whole PNG or JPEG picture of at most 2²⁷ pixels: save it anew, shrink it or remove it", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },

    /// A folder of pictures, or a pair of files, is not laid out as it must be.
    #[error("{} {what}", .path.display())]
    Folder {
        /// The folder or the file.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        what: String,
    },

    /// Sizes, counts or labels that do not fit together.
    #[error("{what}: found {found}, expected {expected}")]
    Mismatch {
        /// What is wrong, and with which setting it can be put right.
        what: &'static str,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },

    /// The thread that prepares batches ended before its time.
    #[error("the thread that prepares batches failed: {0}. This is a defect of the program; please report it")]
    Worker(String),
}

fn how_to_get(set: Published) -> String {
    let names: Vec<&str> = File::ALL.map(File::name).to_vec();
    let form = match set {
        Published::Mnist => "each plain or as .gz",
        Published::FashionMnist => "each as .gz",
    };
    format!(
        "`ram data fetch {}` fetches them to where they are found; or put the four files {} ({form}; mirrors: {}) in one \
         folder and name it with `--data-dir FOLDER` or the environment variable RAM_DATA_DIR; or use the built-in digits, \
         which need no files: `--set data.source=digits`",
        set.name(),
        names.join(", "),
        set.mirrors().join(" and ")
    )
}
