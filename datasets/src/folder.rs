//! Pictures of one's own: a folder for each class, or a pair of IDX files.
//!
//! ```text
//! pictures/               pictures/
//!   cat/                    train/
//!     a.jpg                   cat/ …   dog/ …
//!     b.png                 validation/            (or not: see below)
//!   dog/                      cat/ …   dog/ …
//!     c.jpg                 test/
//!                             cat/ …   dog/ …
//! ```
//!
//! The classes are the names of the folders, in the order of their bytes. Where there is no folder `train`, `validation` or
//! `test`, each picture's name decides where it belongs: SHA-256 of the seed of the split, the class and the file's name,
//! read as a number, sends a tenth of the pictures to validation, a tenth to test and the others to training. So neither
//! the order in which a file system lists them nor pictures that are added later move one from one part to another. With a
//! folder `train` the pictures in it are shared out in the same way among those parts that have no folder of their own.
//! The order within a part is that of the same numbers: its first pictures are a fair sample.
//!
//! Only files whose names end in `.png`, `.jpg` or `.jpeg` are looked at, and nothing whose name begins with a point.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::canvas::zeros;
use crate::digits::Split;
use crate::picture::{Header, Picture, Preparation};
use crate::{DataError, Images, Labelled, idx};

/// The most classes: a label is a byte.
const MAX_CLASSES: usize = 256;

/// One part in so many goes to validation, and one to test.
const SHARE: u64 = 10;

/// The largest IDX file of one's own, elements.
const IDX_LIMIT: u64 = 1 << 33;

/// A folder with a folder of pictures for each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// What becomes of each picture.
    pub preparation: Preparation,
    /// Decides with the names which pictures are validated and tested on, where no folder does.
    pub seed: u64,
}

/// A split that was read.
#[derive(Debug)]
pub struct Found {
    /// Its pictures.
    pub set: Labelled,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// What is wrong with each file that could not be read, in the order of their names.
    pub bad: Vec<DataError>,
}

/// A picture file and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it lies.
    pub path: PathBuf,
    /// Its class.
    pub label: u8,
    /// Its place in the order of the split.
    rank: u64,
}

impl Folder {
    /// The names of the classes, sorted by their bytes: the folder's folders, or those of `train` in it.
    ///
    /// # Errors
    /// [`DataError::Folder`] if there are fewer than two, or more than 256.
    pub fn classes(&self) -> Result<Vec<String>, DataError> {
        let root = self.part(Split::Train).unwrap_or(self.path.clone());
        let mut names = Vec::new();
        for name in folders(&root)? {
            match name.into_string() {
                Ok(name) => names.push(name),
                Err(name) => return Err(fault(&root.join(name), "a class's name is not UTF-8; rename the folder")),
            }
        }
        let layout = "make a folder for each class and put its PNG or JPEG files there";
        match names.len() {
            0 => Err(fault(&root, format!("has no class folders; {layout}"))),
            1 => Err(fault(&root, format!("has the one class `{}`, but at least two are needed; {layout}", names[0]))),
            2..=MAX_CLASSES => Ok(names),
            count => {
                Err(fault(&root, format!("has {count} class folders, but at most {MAX_CLASSES} can be told apart")))
            }
        }
    }

    /// The files of a split, in its order.
    ///
    /// # Errors
    /// As [`Folder::classes`], or if the split has no picture, or a class that training has not.
    pub fn files(&self, split: Split) -> Result<Vec<File>, DataError> {
        let classes = self.classes()?;
        let own = self.part(split);
        let root = own.clone().or(self.part(Split::Train)).unwrap_or(self.path.clone());
        if split != Split::Train && own.is_some() {
            let unknown =
                folders(&root)?.into_iter().find(|name| !classes.iter().any(|class| OsStr::new(class) == name));
            if let Some(name) = unknown {
                let known = classes.join(", ");
                return Err(fault(
                    &root.join(name),
                    format!("is a class that training has not; its classes are {known}"),
                ));
            }
        }
        // The parts that have a folder of their own take none of these.
        let shared = split == Split::Train || own.is_none();
        let takes = |part: Split| self.part(part).is_none();
        let (validates, tests) = (takes(Split::Validation), takes(Split::Test));
        let belongs = |rank: u64| match rank % SHARE {
            0 if validates => Split::Validation,
            1 if tests => Split::Test,
            _ => Split::Train,
        };
        let (mut files, mut seen) = (Vec::new(), 0);
        for (class, label) in classes.iter().zip(0..=u8::MAX) {
            let folder = root.join(class);
            if !folder.is_dir() {
                continue;
            }
            for name in pictures(&folder)? {
                seen += 1;
                let rank = rank(self.seed, class.as_bytes(), name.as_encoded_bytes());
                if !shared || belongs(rank) == split {
                    files.push(File { path: folder.join(name), label, rank });
                }
            }
        }
        if files.is_empty() {
            let what = match seen {
                0 => "has no PNG or JPEG files in its class folders (names end in .png, .jpg or .jpeg)".to_owned(),
                _ => format!(
                    "has {seen} pictures, none of which its name sends to {}; add pictures, or share them out yourself \
                     between the folders train, validation and test",
                    part_name(split)
                ),
            };
            return Err(fault(&root, what));
        }
        files.sort_by(|a, b| (a.rank, &a.path).cmp(&(b.rank, &b.path)));
        Ok(files)
    }

    /// Reads a split. Files that are damaged are left out and told.
    ///
    /// # Errors
    /// As [`Folder::files`]; if no file can be read, or there is no memory for all.
    pub fn read(&self, split: Split) -> Result<Found, DataError> {
        let classes = self.classes()?;
        let files = self.files(split)?;
        let Preparation { channels, height, width, .. } = self.preparation;
        let size = (channels * height * width).max(1);
        let mut pixels = zeros(files.len(), size)?;
        let mut faults: Vec<Option<DataError>> = files.iter().map(|_| None).collect();

        let prepare = |files: &[File], images: &mut [u8], faults: &mut [Option<DataError>]| {
            for ((file, image), fault) in files.iter().zip(images.chunks_exact_mut(size)).zip(faults) {
                match Picture::read(&file.path) {
                    Ok(picture) => image.copy_from_slice(&self.preparation.apply(&picture)),
                    Err(error) => *fault = Some(error),
                }
            }
        };
        // Decoding takes longest; each thread has files of its own, so their number does not show.
        let threads =
            if cfg!(target_family = "wasm") { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        let each = files.len().div_ceil(threads);
        if threads == 1 || files.len() < 2 * threads {
            prepare(&files, &mut pixels, &mut faults);
        } else {
            std::thread::scope(|scope| {
                let parts = files.chunks(each).zip(pixels.chunks_mut(each * size)).zip(faults.chunks_mut(each));
                for ((files, images), faults) in parts {
                    scope.spawn(move || prepare(files, images, faults));
                }
            });
        }

        let (mut labels, mut bad) = (Vec::with_capacity(files.len()), Vec::new());
        for (index, (file, found)) in files.into_iter().zip(faults).enumerate() {
            match found {
                None => {
                    pixels.copy_within(index * size..(index + 1) * size, labels.len() * size);
                    labels.push(file.label);
                }
                Some(error) => bad.push((file.path, error)),
            }
        }
        bad.sort_by(|a, b| a.0.cmp(&b.0));
        pixels.truncate(labels.len() * size);
        if let ([(_, first), ..], true) = (&*bad, labels.is_empty()) {
            return Err(fault(
                &self.path,
                format!("has {} pictures for {}, none of which can be read: {first}", bad.len(), part_name(split)),
            ));
        }
        let set = Labelled::new(Images::new(pixels, channels, height, width)?, labels, classes.len())?;
        Ok(Found { set, classes, bad: bad.into_iter().map(|(_, error)| error).collect() })
    }

    /// What the headers of the first `count` pictures to train on say; those that cannot be read are passed over.
    ///
    /// # Errors
    /// As [`Folder::files`].
    pub fn headers(&self, count: usize) -> Result<Vec<Header>, DataError> {
        let files = self.files(Split::Train)?;
        Ok(files.iter().take(count).filter_map(|file| Header::read(&file.path).ok()).collect())
    }

    /// The folder of a split of its own, if there is one.
    fn part(&self, split: Split) -> Option<PathBuf> {
        // Only `train` makes `validation` and `test` more than classes of these names.
        let path = |split| self.path.join(part_name(split));
        let train = path(Split::Train).is_dir();
        Some(path(split)).filter(|path| train && path.is_dir())
    }
}

/// A pair of IDX files: images `[count, height, width]` or `[count, channels, height, width]`, and labels `[count]`.
///
/// Which image belongs to which split its number decides, as a picture's name does in a [`Folder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxPair {
    /// The file of the images.
    pub images: PathBuf,
    /// The file of the labels.
    pub labels: PathBuf,
    /// What becomes of each image.
    pub preparation: Preparation,
    /// Decides with the numbers which images are validated and tested on.
    pub seed: u64,
}

impl IdxPair {
    /// Reads a split; the classes are `0`, `1` … up to the largest label.
    ///
    /// # Errors
    /// Files that cannot be read, are no IDX files or do not fit together, and a split without an image.
    pub fn read(&self, split: Split) -> Result<Found, DataError> {
        let (header, images) = self.open()?;
        let labels = idx::read(&self.labels, IDX_LIMIT)?;
        let count = images.dims[0] as usize;
        if labels.dims.len() != 1 || labels.dims[0] as usize != count {
            let what = format!(
                "has labels of sizes {:?}, but {} has {count} images: expected one label for each; are they a pair?",
                labels.dims,
                self.images.display()
            );
            return Err(fault(&self.labels, what));
        }
        let classes = usize::from(labels.data.iter().max().copied().unwrap_or(0)) + 1;
        if classes < 2 {
            return Err(fault(&self.labels, "has the one class 0, but at least two are needed"));
        }
        let Header { channels, height, width } = header;
        let mut chosen: Vec<(u64, usize)> = (0..count)
            .map(|index| (rank(self.seed, &[], index.to_string().as_bytes()), index))
            .filter(|(rank, _)| match split {
                Split::Validation => rank % SHARE == 0,
                Split::Test => rank % SHARE == 1,
                Split::Train => rank % SHARE > 1,
            })
            .collect();
        if chosen.is_empty() {
            return Err(fault(&self.images, format!("has {count} images, none of them for {}", part_name(split))));
        }
        chosen.sort_unstable();
        let p = self.preparation;
        let mut pixels = zeros(chosen.len(), p.channels * p.height * p.width)?;
        let size = channels * height * width;
        for (out, &(_, index)) in pixels.chunks_exact_mut((p.channels * p.height * p.width).max(1)).zip(&chosen) {
            let of_image = images.data[index * size..(index + 1) * size].to_vec();
            out.copy_from_slice(&p.apply(&Picture { channels, height, width, pixels: of_image, alpha: None }));
        }
        let of_split = chosen.iter().map(|&(_, index)| labels.data[index]).collect();
        let set = Labelled::new(Images::new(pixels, p.channels, p.height, p.width)?, of_split, classes)?;
        Ok(Found { set, classes: (0..classes).map(|class| class.to_string()).collect(), bad: Vec::new() })
    }

    /// The size of the images.
    ///
    /// # Errors
    /// As [`IdxPair::read`], for the images.
    pub fn header(&self) -> Result<Header, DataError> {
        Ok(self.open()?.0)
    }

    fn open(&self) -> Result<(Header, idx::Idx), DataError> {
        let images = idx::read(&self.images, IDX_LIMIT)?;
        let dims: Vec<usize> = images.dims.iter().map(|&dim| dim as usize).collect();
        let header = match *dims {
            [_, height, width] => Header { channels: 1, height, width },
            [_, channels @ (1 | 3), height, width] => Header { channels, height, width },
            _ => {
                let what = "expected [count, height, width] or [count, 1 or 3, height, width]";
                return Err(fault(&self.images, format!("has an array of sizes {dims:?}; {what}")));
            }
        };
        if dims.contains(&0) {
            return Err(fault(&self.images, format!("has no images: its sizes are {dims:?}")));
        }
        Ok((header, images))
    }
}

fn part_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validation => "validation",
        Split::Test => "test",
    }
}

/// The number by which a picture is sent to a split, and by which it is ordered there.
fn rank(seed: u64, class: &[u8], name: &[u8]) -> u64 {
    let mut hash = Sha256::new_with_prefix(seed.to_le_bytes());
    hash.update(class);
    hash.update([0]);
    hash.update(name);
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn fault(path: &Path, what: impl Into<String>) -> DataError {
    DataError::Folder { path: path.to_owned(), what: what.into() }
}

/// The names in a folder that `wanted` picks, sorted by their bytes.
fn names(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<std::ffi::OsString>, DataError> {
    let unreadable = |source| DataError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && wanted(&entry.path()) {
            names.push(name);
        }
    }
    names.sort_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
    Ok(names)
}

fn folders(folder: &Path) -> Result<Vec<std::ffi::OsString>, DataError> {
    // What macOS puts into archives.
    names(folder, |path| path.is_dir() && path.file_name() != Some(OsStr::new("__MACOSX")))
}

fn pictures(folder: &Path) -> Result<Vec<std::ffi::OsString>, DataError> {
    let wanted = |ending: &OsStr| ["png", "jpg", "jpeg"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    names(folder, |path| path.extension().is_some_and(wanted) && path.is_file())
}
