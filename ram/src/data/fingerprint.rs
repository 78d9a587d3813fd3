//! What the files of the user's pictures contain, so that a run notices when they are no longer those that it began with.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use datasets::shown;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{clip_folder, folder, idx_pair};
use crate::config::{Config, Source};
use crate::error::RamError;

/// The bytes of a hash that are kept: pictures are told apart, not defended.
const KEPT: usize = 8;

/// The hash of each file of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// By the path of a file from the folder of the data set on, or `images` and `labels`: the beginning of its SHA-256, in
    /// hexadecimal.
    pub files: BTreeMap<String, String>,
}

impl Fingerprint {
    /// Reads the files of the user's pictures that a configuration names, of every split. `None` if it names other data, whose
    /// contents are known.
    ///
    /// # Errors
    /// [`RamError::Data`] if a file or a folder cannot be read.
    pub fn of(config: &Config, dir: Option<&Path>) -> Result<Option<Fingerprint>, RamError> {
        let files: Vec<(String, PathBuf)> = match config.data.source {
            Source::Folder => {
                let folder = folder(config, dir);
                folder.all_files()?.into_iter().map(|file| named(file.path, &folder.path)).collect()
            }
            Source::Frames => {
                let folder = clip_folder(config, dir);
                folder.all_files()?.into_iter().map(|file| named(file, &folder.path)).collect()
            }
            Source::Idx => {
                let pair = idx_pair(config, dir);
                vec![("images".to_owned(), pair.images), ("labels".to_owned(), pair.labels)]
            }
            _ => return Ok(None),
        };
        let hash = |(name, path): (String, PathBuf)| Ok((name, hash(&path)?));
        Ok(Some(Fingerprint { files: files.into_iter().map(hash).collect::<Result<_, RamError>>()? }))
    }

    /// What is different now, in words: `3 files were added (a/1.png, …), 1 was replaced (b/2.png)`. `None` if nothing is.
    pub fn changes(&self, now: &Fingerprint) -> Option<String> {
        let missing = |from: &Fingerprint, other: &Fingerprint| -> Vec<String> {
            from.files.keys().filter(|name| !other.files.contains_key(*name)).cloned().collect()
        };
        let replaced = self.files.iter().filter(|(name, hash)| now.files.get(*name).is_some_and(|now| now != *hash));
        let kinds = [
            ("added", missing(now, self)),
            ("removed", missing(self, now)),
            ("replaced", replaced.map(|(name, _)| name.clone()).collect()),
        ];
        let told: Vec<String> = kinds
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| {
                let files = if names.len() == 1 { "file was" } else { "files were" };
                format!("{} {files} {what} ({})", names.len(), shown::few(names.iter().map(String::as_str)))
            })
            .collect();
        if told.is_empty() { None } else { Some(told.join(", ")) }
    }

    /// How many of these files have the contents of one of the others.
    pub fn shared(&self, others: &Fingerprint) -> usize {
        let others: BTreeSet<&String> = others.files.values().collect();
        self.files.values().filter(|hash| others.contains(hash)).count()
    }
}

/// A file with its name from the folder on, which is the same on every system.
fn named(path: PathBuf, folder: &Path) -> (String, PathBuf) {
    let name = path.strip_prefix(folder).unwrap_or(&path);
    let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
    (parts.join("/"), path)
}

/// The beginning of the SHA-256 of a file.
fn hash(path: &Path) -> Result<String, RamError> {
    let unreadable = |error| RamError::Data(format!("cannot read {}: {error}", shown::path(path)));
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let (mut sha, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            count => sha.update(&buffer[..count]),
        }
    }
    Ok(sha.finalize().iter().take(KEPT).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_named() {
        let of = |files: &[(&str, &str)]| Fingerprint {
            files: files.iter().map(|&(name, hash)| (name.to_owned(), hash.to_owned())).collect(),
        };
        let before = of(&[("a/1", "01"), ("a/2", "02"), ("b/3", "03")]);
        assert_eq!(before.changes(&before), None);
        let now = of(&[("a/1", "01"), ("a/2", "22"), ("b/4", "04"), ("b/5\x1b", "01")]);
        assert_eq!(
            before.changes(&now).unwrap(),
            r"2 files were added (b/4, b/5\u{1b}), 1 file was removed (b/3), 1 file was replaced (a/2)"
        );
        assert_eq!((now.shared(&before), before.shared(&now)), (2, 1));
    }
}
