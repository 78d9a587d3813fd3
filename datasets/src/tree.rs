//! What lies in a folder of pictures or clips: its classes, its pictures or clips with their splits, and what is not used.

mod unit;
mod unused;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use self::unit::Unit;
use self::unit::{READ, has_ending, relative};
use self::unused::Unused;
use crate::error::DataError;
use crate::natural;
use crate::rank::Rank;
use crate::shown;
use crate::source::{Remark, Split};

/// The names of the folders that hold a split, in any case.
const SPLITS: [(Split, &[&str]); 3] = [
    (Split::Train, &["train", "training"]),
    (Split::Validation, &["validation", "val", "valid", "dev"]),
    (Split::Test, &["test", "testing"]),
];

/// Files that systems leave in folders.
const OF_SYSTEMS: [&str; 3] = ["__MACOSX", "Thumbs.db", "desktop.ini"];

/// Folders within folders are read down to this depth.
const DEPTH: usize = 32;

/// A picture file, its class and its split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The class, an index of [`Folder::class_names`](crate::Folder::class_names).
    pub label: u8,
    /// The split.
    pub split: Split,
    rank: Rank,
}

/// What lies in a folder of pictures or clips.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Whether `files` are pictures or the folders of clips.
    pub unit: Unit,
    /// The names of the classes, sorted by their bytes.
    pub classes: Vec<String>,
    /// The folder that holds the classes.
    pub root: PathBuf,
    /// All pictures, or the folders of all clips, in the order of their splits: by rank, then by path.
    pub files: Vec<PictureFile>,
    /// The pictures in the folder of each clip, in natural order.
    pub frames: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// The splits that have a folder of their own.
    pub own: Vec<Split>,
    /// What is not used, and what may surprise.
    pub remarks: Vec<Remark>,
}

impl Tree {
    /// Looks through the folder at `path` for pictures or clips. The seed and their names decide the splits that no folder decides.
    ///
    /// # Errors
    /// [`DataError::Read`] if a folder cannot be listed, [`DataError::Layout`] if its layout has no clear meaning.
    pub fn read(path: &Path, seed: u64, unit: Unit) -> Result<Tree, DataError> {
        let mut unused = Unused::new(unit);
        let (folders, loose) = entries(path)?;
        let roots = splits_of(path, &folders, unit)?;
        let root_of = |split: Split| roots.iter().find(|(of, _)| *of == split).map(|(_, root)| root.clone());
        let root = root_of(Split::Train).unwrap_or(path.to_owned());
        let own = roots.iter().map(|(split, _)| *split).collect();
        let mut tree = Tree { unit, root: root.clone(), own, ..Tree::default() };
        loose.iter().for_each(|file| unused.outside(path, file));
        if roots.is_empty() {
            let as_class = folders.iter().find(|name| split_named(name) == Some(Split::Train));
            tree.remarks.extend(as_class.map(|name| {
                let name = shown::name(&name.to_string_lossy()).into_owned();
                Remark::note(format!("{name} is read as a class: it would be a split if class folders lay in it"))
            }));
        } else {
            let others = folders.iter().filter(|name| !roots.iter().any(|(_, root)| root.ends_with(name)));
            unused.folders.extend(others.map(|name| name.to_string_lossy().into_owned()));
        }
        tree.classes = class_names(&root)?;
        let shared = roots.is_empty();
        let sets = if shared { vec![(Split::Train, root)] } else { roots.clone() };
        for (split, root) in sets {
            let (folders, loose) = entries(&root)?;
            if !shared {
                loose.iter().for_each(|file| unused.outside(path, file));
            }
            for name in folders {
                let folder = root.join(&name);
                let Some(label) = tree.classes.iter().position(|class| OsStr::new(class) == name) else {
                    let what =
                        format!("is a class that training does not have; its classes are {}", listed(&tree.classes));
                    return Err(DataError::layout(&folder, what));
                };
                let class = tree.classes[label].as_bytes();
                let mut in_no_clip = Vec::new();
                let mut add = |file: PathBuf, name: &[u8]| {
                    let name = match (unit, name.iter().rposition(|&byte| byte == b'/')) {
                        (Unit::Picture, _) => name,
                        (Unit::Clip, Some(end)) => &name[..end],
                        (Unit::Clip, None) => return in_no_clip.push(file),
                    };
                    let rank = Rank::new(seed, class, name);
                    let split = match (split, rank.split()) {
                        // A split with a folder of its own takes no pictures from the others; they stay with training.
                        (Split::Train, taken) if root_of(taken).is_some() => Split::Train,
                        (Split::Train, free) => free,
                        (own, _) => own,
                    };
                    // More than 256 classes are refused before a label is used.
                    tree.files.push(PictureFile { path: file, label: label as u8, split, rank });
                };
                walk(path, &folder, &[], DEPTH, &mut add, &mut unused)?;
                in_no_clip.iter().for_each(|file| unused.outside(path, file));
            }
        }
        tree.files.sort_by(|a, b| (a.rank, &a.path).cmp(&(b.rank, &b.path)));
        if unit == Unit::Clip {
            tree.gather_clips();
        }
        tree.remarks.extend(unused.remarks());
        Ok(tree)
    }

    /// Makes the pictures of each folder one clip.
    fn gather_clips(&mut self) {
        let mut clips = Vec::new();
        for file in std::mem::take(&mut self.files) {
            let folder = file.path.parent().unwrap_or(Path::new("")).to_owned();
            let frames = self.frames.entry(folder.clone()).or_default();
            if frames.is_empty() {
                clips.push(PictureFile { path: folder, ..file.clone() });
            }
            frames.push(file.path);
        }
        for frames in self.frames.values_mut() {
            frames.sort_by(|a, b| natural::compare(a.as_os_str().as_encoded_bytes(), b.as_os_str().as_encoded_bytes()));
        }
        self.files = clips;
    }

    /// The number of pictures or clips of each class, among those for which `wanted` holds.
    pub fn counts(&self, wanted: impl Fn(&PictureFile) -> bool) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.files.iter().filter(|file| wanted(file)).for_each(|file| counts[usize::from(file.label)] += 1);
        counts
    }
}

/// The pictures in a folder and in the folders inside, sorted by path, with remarks on what else lies there.
///
/// # Errors
/// [`DataError::Read`] if a folder cannot be listed, [`DataError::Layout`] if there is no picture.
pub fn pictures(folder: &Path) -> Result<(Vec<PathBuf>, Vec<Remark>), DataError> {
    let (mut found, mut unused) = (Vec::new(), Unused::new(Unit::Picture));
    walk(folder, folder, &[], DEPTH, &mut |file, _| found.push(file), &mut unused)?;
    found.sort_by(|a, b| natural::compare(a.as_os_str().as_encoded_bytes(), b.as_os_str().as_encoded_bytes()));
    let remarks = unused.remarks();
    if found.is_empty() {
        let others: String = remarks.iter().map(|remark| format!("; {}", remark.what)).collect();
        let what = format!("has no PNG or JPEG files (names end in .png, .jpg, .jpeg or .jfif){others}");
        return Err(DataError::layout(folder, what));
    }
    Ok((found, remarks))
}

/// Names for messages: `a, b, c`.
pub(crate) fn listed(names: &[String]) -> String {
    names.iter().map(|name| shown::name(name)).collect::<Vec<_>>().join(", ")
}

/// The split that a folder of this name may hold.
fn split_named(name: &OsStr) -> Option<Split> {
    let is = |known: &&&str| name.eq_ignore_ascii_case(known);
    SPLITS.iter().find(|(_, names)| names.iter().any(|known| is(&known))).map(|(split, _)| *split)
}

/// The folders of splits in the folder at `path`: none if all folders are classes.
fn splits_of(path: &Path, folders: &[std::ffi::OsString], unit: Unit) -> Result<Vec<(Split, PathBuf)>, DataError> {
    let mut roots: Vec<(Split, PathBuf)> = Vec::new();
    for name in folders {
        let Some(split) = split_named(name) else { continue };
        let folder = path.join(name);
        if !holds_classes(&folder, unit)? {
            continue;
        }
        if let Some((_, other)) = roots.iter().find(|(of, _)| *of == split) {
            let what = format!("and {} both hold the {} split; leave one of them", shown::path(other), split.name());
            return Err(DataError::layout(&folder, what));
        }
        roots.push((split, folder));
    }
    match roots.iter().find(|(split, _)| *split == Split::Train) {
        None if !roots.is_empty() => {
            let what = "has folders in it, as a split has, but no folder `train` with class folders lies beside it; move the \
                        class folders of training into a folder `train`, or rename this folder if it is a class";
            Err(DataError::layout(&roots[0].1, what))
        }
        _ => Ok(roots),
    }
}

/// Whether class folders lie in a folder; a class of clips has folders in it too, and these are no classes.
fn holds_classes(folder: &Path, unit: Unit) -> Result<bool, DataError> {
    let inner = entries(folder)?.0;
    match unit {
        Unit::Picture => Ok(!inner.is_empty()),
        Unit::Clip => {
            for name in inner {
                if !entries(&folder.join(name))?.0.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// The names of the folders in the folder at `root`, sorted by their bytes.
fn class_names(root: &Path) -> Result<Vec<String>, DataError> {
    let name = |name: std::ffi::OsString| {
        name.into_string().map_err(|name| {
            DataError::layout(&root.join(name), "is a class whose name is not UTF-8; rename the folder")
        })
    };
    entries(root)?.0.into_iter().map(name).collect()
}

/// Hands every picture below `folder`, with its name from the folder of its class on, to `add`.
fn walk(
    path: &Path,
    folder: &Path,
    above: &[u8],
    depth: usize,
    add: &mut dyn FnMut(PathBuf, &[u8]),
    unused: &mut Unused,
) -> Result<(), DataError> {
    let (folders, files) = entries(folder)?;
    let below = |name: &OsStr| [above, name.as_encoded_bytes()].concat();
    for file in files {
        if has_ending(&file, &READ) {
            let name = below(file.file_name().unwrap_or_default());
            add(file, &name);
        } else {
            unused.file(path, &file);
        }
    }
    for name in folders {
        let inner = folder.join(&name);
        // A link that leads back up has no end.
        let links_up = || Ok(fs::canonicalize(folder)?.starts_with(fs::canonicalize(&inner)?));
        let unreadable = |source| DataError::Read { path: inner.clone(), source };
        if depth == 0 || inner.is_symlink() && links_up().map_err(unreadable)? {
            unused.folders.push(relative(path, &inner));
        } else {
            walk(path, &inner, &[below(&name), b"/".to_vec()].concat(), depth - 1, add, unused)?;
        }
    }
    Ok(())
}

/// The names of the folders in a folder and the paths of its files, sorted by their bytes, without hidden ones and those of
/// systems.
fn entries(folder: &Path) -> Result<(Vec<std::ffi::OsString>, Vec<PathBuf>), DataError> {
    let unreadable = |source| DataError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name());
    }
    let of_system = |name: &OsStr| OF_SYSTEMS.iter().any(|known| name.eq_ignore_ascii_case(known));
    names.retain(|name| !name.as_encoded_bytes().starts_with(b".") && !of_system(name));
    names.sort_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
    let (folders, files): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| folder.join(name).is_dir());
    Ok((folders, files.iter().map(|name| folder.join(name)).collect()))
}
