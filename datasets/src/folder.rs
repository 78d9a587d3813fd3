//! A folder of your own pictures, with a folder inside for each class.
//!
//! ```text
//! pictures/               pictures/
//!   cat/                    train/
//!     a.jpg                   cat/ …   dog/ …
//!     b.png                 validation/            (optional, see below)
//!   dog/                      cat/ …   dog/ …
//!     c.jpg                 test/                  (optional, see below)
//!                             cat/ …   dog/ …
//! ```
//!
//! The classes are the names of the class folders, sorted by their bytes.
//!
//! Without a folder `train` (the left layout), the name of a picture decides its split: a hash of the seed, the class and the
//! file name sends about a tenth of the pictures to validation, a tenth to test, and the others to training. The split of a
//! picture therefore depends neither on the order in which a file system lists the files nor on pictures that are added later.
//! With a folder `train` (the right layout), the pictures in it are shared out in the same way, but only among the splits that
//! have no folder of their own. In each split, the pictures are in the order of their hashes, so the first pictures of a split
//! are a fair sample.
//!
//! Only files whose names end in `.png`, `.jpg` or `.jpeg` are read. Names that begin with a dot are ignored.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::images::{Images, Labelled, zeros};
use crate::picture::{Header, Picture};
use crate::preparation::Preparation;
use crate::rank::Rank;
use crate::source::{ReadSplit, Source, Split, Splits};

/// The most classes, since a label is a byte.
const MAX_CLASSES: usize = 256;

/// A folder with a folder of pictures for each class. The module's documentation explains the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// How each picture is made into an image of one size.
    pub preparation: Preparation,
    /// Together with the names, this decides the split of each picture that no folder decides.
    pub seed: u64,
}

/// A picture file and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The class, an index of [`Folder::class_names`].
    pub label: u8,
    rank: Rank,
}

impl Source for Folder {
    fn train_validation(&self) -> Result<Splits, DataError> {
        Ok(Splits { train: self.read(Split::Train)?, validation: self.read(Split::Validation)? })
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        self.read(Split::Test)
    }
}

impl Folder {
    /// The names of the classes, sorted by their bytes: the folders in this folder, or in its folder `train` if there is one.
    ///
    /// # Errors
    /// [`DataError::Layout`] if there are fewer than two classes or more than 256, or if a name is not UTF-8.
    pub fn class_names(&self) -> Result<Vec<String>, DataError> {
        let root = self.folder_of(Split::Train).unwrap_or(self.path.clone());
        let mut names = Vec::new();
        for name in folders(&root)? {
            match name.into_string() {
                Ok(name) => names.push(name),
                Err(name) => {
                    return Err(DataError::layout(
                        &root.join(name),
                        "is a class whose name is not UTF-8; rename the folder",
                    ));
                }
            }
        }
        let advice = "make a folder for each class and put its PNG or JPEG files there";
        match names.len() {
            0 => Err(DataError::layout(&root, format!("has no class folders; {advice}"))),
            1 => Err(DataError::layout(
                &root,
                format!("has the one class `{}`, but at least two are needed; {advice}", names[0]),
            )),
            2..=MAX_CLASSES => Ok(names),
            count => Err(DataError::layout(
                &root,
                format!("has {count} class folders, but at most {MAX_CLASSES} are possible"),
            )),
        }
    }

    /// The files of a split, in its order.
    ///
    /// # Errors
    /// As [`Folder::class_names`]. [`DataError::Layout`] if the split has no picture, or a class that training does not have.
    pub fn files(&self, split: Split) -> Result<Vec<PictureFile>, DataError> {
        let classes = self.class_names()?;
        let own_folder = self.folder_of(split);
        let shared_out = split == Split::Train || own_folder.is_none();
        let root = own_folder.or(self.folder_of(Split::Train)).unwrap_or(self.path.clone());
        if !shared_out
            && let Some(name) =
                folders(&root)?.iter().find(|name| !classes.iter().any(|class| OsStr::new(class) == *name))
        {
            let what = format!("is a class that training does not have; its classes are {}", classes.join(", "));
            return Err(DataError::layout(&root.join(name), what));
        }
        // A split with a folder of its own takes no pictures from the others; they stay with training.
        let belongs = |rank: Rank| match rank.split() {
            taken if self.folder_of(taken).is_some() => Split::Train,
            free => free,
        };
        let (mut files, mut seen) = (Vec::new(), 0);
        for (class, label) in classes.iter().zip(0..=u8::MAX) {
            let folder = root.join(class);
            if !folder.is_dir() {
                continue;
            }
            for name in pictures(&folder)? {
                seen += 1;
                let rank = Rank::new(self.seed, class.as_bytes(), name.as_encoded_bytes());
                if !shared_out || belongs(rank) == split {
                    files.push(PictureFile { path: folder.join(name), label, rank });
                }
            }
        }
        if files.is_empty() {
            let what = match seen {
                0 => "has no PNG or JPEG files in its class folders (names end in .png, .jpg or .jpeg)".to_owned(),
                _ => format!(
                    "has {seen} pictures, but none of them belongs to the {} split (the name of a picture decides this); add \
                     pictures, or sort them yourself into folders named train, validation and test",
                    split.name()
                ),
            };
            return Err(DataError::layout(&root, what));
        }
        files.sort_by(|a, b| (a.rank, &a.path).cmp(&(b.rank, &b.path)));
        Ok(files)
    }

    /// Reads a split. Files that cannot be read are left out; their errors, sorted by path, are part of the result.
    ///
    /// # Errors
    /// As [`Folder::files`]. [`DataError::Layout`] if no file of the split can be read, and [`DataError::Mismatch`] if there
    /// is not enough memory for all of them.
    pub fn read(&self, split: Split) -> Result<ReadSplit, DataError> {
        let class_names = self.class_names()?;
        let files = self.files(split)?;
        let size = self.preparation.image_len();
        let (mut pixels, errors) = self.decode(&files)?;

        // Close the gaps that unreadable files left.
        let (mut labels, mut unreadable) = (Vec::with_capacity(files.len()), Vec::new());
        for (index, (file, error)) in files.into_iter().zip(errors).enumerate() {
            match error {
                None => {
                    pixels.copy_within(index * size..(index + 1) * size, labels.len() * size);
                    labels.push(file.label);
                }
                Some(error) => unreadable.push((file.path, error)),
            }
        }
        pixels.truncate(labels.len() * size);
        unreadable.sort_by(|a, b| a.0.cmp(&b.0));
        if let ([(_, first), ..], true) = (&*unreadable, labels.is_empty()) {
            let (count, split) = (unreadable.len(), split.name());
            let what = format!("has {count} pictures in the {split} split, none of which can be read: {first}");
            return Err(DataError::layout(&self.path, what));
        }
        let Preparation { channels, height, width, .. } = self.preparation;
        let set = Labelled::new(Images::new(pixels, channels, height, width)?, labels, class_names.len())?;
        Ok(ReadSplit { set, class_names, unreadable: unreadable.into_iter().map(|(_, error)| error).collect() })
    }

    /// The prepared pixels of all files, `[count, channels, height, width]`, and the error of each file that cannot be read.
    fn decode(&self, files: &[PictureFile]) -> Result<(Vec<u8>, Vec<Option<DataError>>), DataError> {
        let size = self.preparation.image_len().max(1);
        let mut pixels = zeros(files.len(), size)?;
        let mut errors: Vec<Option<DataError>> = files.iter().map(|_| None).collect();
        let decode = |files: &[PictureFile], images: &mut [u8], errors: &mut [Option<DataError>]| {
            for ((file, image), error) in files.iter().zip(images.chunks_exact_mut(size)).zip(errors) {
                match Picture::read(&file.path) {
                    Ok(picture) => image.copy_from_slice(&self.preparation.apply(&picture)),
                    Err(found) => *error = Some(found),
                }
            }
        };
        // Decoding takes most of the time. Each thread has its own files, so the result does not depend on their number.
        let threads =
            if cfg!(target_family = "wasm") { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        let each = files.len().div_ceil(threads);
        if threads == 1 || files.len() < 2 * threads {
            decode(files, &mut pixels, &mut errors);
        } else {
            std::thread::scope(|scope| {
                let parts = files.chunks(each).zip(pixels.chunks_mut(each * size)).zip(errors.chunks_mut(each));
                for ((files, images), errors) in parts {
                    scope.spawn(move || decode(files, images, errors));
                }
            });
        }
        Ok((pixels, errors))
    }

    /// The headers of the first `count` training pictures, without those that cannot be read.
    ///
    /// # Errors
    /// As [`Folder::files`].
    pub fn headers(&self, count: usize) -> Result<Vec<Header>, DataError> {
        let files = self.files(Split::Train)?;
        Ok(files.iter().take(count).filter_map(|file| Header::read(&file.path).ok()).collect())
    }

    /// The folder of a split, if the split has one of its own.
    fn folder_of(&self, split: Split) -> Option<PathBuf> {
        // Without a folder `train`, folders named `validation` and `test` are classes like others.
        let path = |split: Split| self.path.join(split.name());
        let train = path(Split::Train).is_dir();
        Some(path(split)).filter(|path| train && path.is_dir())
    }
}

/// The names in a folder whose paths are `wanted`, sorted by their bytes.
fn names(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<OsString>, DataError> {
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

fn folders(folder: &Path) -> Result<Vec<OsString>, DataError> {
    // macOS puts a folder `__MACOSX` into its archives.
    names(folder, |path| path.is_dir() && path.file_name() != Some(OsStr::new("__MACOSX")))
}

fn pictures(folder: &Path) -> Result<Vec<OsString>, DataError> {
    let wanted = |ending: &OsStr| ["png", "jpg", "jpeg"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    names(folder, |path| path.extension().is_some_and(wanted) && path.is_file())
}
