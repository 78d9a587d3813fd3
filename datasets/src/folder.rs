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
//! The classes are the names of the class folders, sorted by their bytes. Class folders may have folders inside, which are read
//! too.
//!
//! Without a folder `train` (the left layout), the name of a picture decides its split: a hash of the seed, the class and the
//! file name sends about a tenth of the pictures to validation, a tenth to test, and the others to training. The split of a
//! picture therefore depends neither on the order in which a file system lists the files nor on pictures that are added later.
//! With a folder `train` (the right layout), the pictures in it are shared out in the same way, but only among the splits that
//! have no folder of their own. In each split, the pictures are in the order of their hashes, so the first pictures of a split
//! are a fair sample.
//!
//! The folder `validation` may also be called `val`, `valid` or `dev`, and all of these in capital letters. A folder `train`
//! without class folders in it is a class like others.
//!
//! Only files whose names end in `.png`, `.jpg`, `.jpeg` or `.jfif` are read. Names that begin with a dot are ignored. What else is
//! not used is told by a [`Remark`].

use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::images::{Images, Labelled, zeros};
use crate::picture::{Header, Picture};
use crate::preparation::Preparation;
use crate::shown;
use crate::source::{ReadSplit, Remark, Source, Split, Splits};
use crate::tree::{PictureFile, Tree, Unit};

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

impl Source for Folder {
    fn train_validation(&self) -> Result<Splits, DataError> {
        let tree = self.tree()?;
        Ok(Splits {
            train: self.read_split(&tree, Split::Train)?,
            validation: self.read_split(&tree, Split::Validation)?,
        })
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        self.read(Split::Test)
    }
}

impl Folder {
    /// The names of the classes, sorted by their bytes: the folders in this folder, or in its folder `train` if that is a split.
    ///
    /// # Errors
    /// [`DataError::Layout`] if there are fewer than two classes or more than 256, or if a name is not UTF-8.
    pub fn class_names(&self) -> Result<Vec<String>, DataError> {
        Ok(self.tree()?.classes)
    }

    /// The files of a split, in its order.
    ///
    /// # Errors
    /// As [`Folder::class_names`]. [`DataError::Layout`] if the split has no picture, or a class that training does not have.
    pub fn files(&self, split: Split) -> Result<Vec<PictureFile>, DataError> {
        files_of(&self.tree()?, split)
    }

    /// The files of all splits.
    ///
    /// # Errors
    /// As [`Folder::class_names`].
    pub fn all_files(&self) -> Result<Vec<PictureFile>, DataError> {
        Ok(self.tree()?.files)
    }

    /// Reads a split. Files that cannot be read are left out; their errors, sorted by path, are part of the result.
    ///
    /// # Errors
    /// As [`Folder::files`]. [`DataError::Layout`] if no file of the split can be read, and [`DataError::Mismatch`] if there
    /// is not enough memory for all of them.
    pub fn read(&self, split: Split) -> Result<ReadSplit, DataError> {
        self.read_split(&self.tree()?, split)
    }

    /// Reads the pictures of all splits, for a network that was trained on others. If `split` has a folder of its own, only that
    /// one is read. The result also says whether it is the whole. There may be a single class.
    ///
    /// # Errors
    /// As [`Folder::read`].
    pub fn read_whole(&self, split: Split) -> Result<(ReadSplit, bool), DataError> {
        let tree = Tree::read(&self.path, self.seed, Unit::Picture)?;
        check_classes(&tree, 1)?;
        let has_own = tree.own.contains(&split);
        let files = if has_own { files_of(&tree, split)? } else { tree.files.clone() };
        if files.is_empty() {
            return Err(DataError::layout(&tree.root, nothing(&tree)));
        }
        let mut read = self.read_files(&tree, files, "data set")?;
        read.remarks = tree.remarks;
        Ok((read, !has_own))
    }

    /// What lies in the folder, which must have classes.
    fn tree(&self) -> Result<Tree, DataError> {
        let tree = Tree::read(&self.path, self.seed, Unit::Picture)?;
        check_classes(&tree, 2)?;
        Ok(tree)
    }

    fn read_split(&self, tree: &Tree, split: Split) -> Result<ReadSplit, DataError> {
        let mut read = self.read_files(tree, files_of(tree, split)?, &format!("{} split", split.name()))?;
        // What is to be known of the whole folder is told with the split that is read first.
        if split != Split::Validation {
            read.remarks = tree.remarks.clone();
        }
        read.remarks.extend(lost_classes(tree, split, &read.set.labels));
        Ok(read)
    }

    /// Reads pictures, which messages call those of `part`.
    fn read_files(&self, tree: &Tree, files: Vec<PictureFile>, part: &str) -> Result<ReadSplit, DataError> {
        let size = self.preparation.image_len();
        let paths: Vec<&Path> = files.iter().map(|file| &*file.path).collect();
        let (mut pixels, errors) = decode(&paths, &self.preparation)?;

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
            let count = unreadable.len();
            let what = format!("has {count} pictures in the {part}, none of which can be read: {first}");
            return Err(DataError::layout(&self.path, what));
        }
        let Preparation { channels, height, width, .. } = self.preparation;
        let set = Labelled::new(Images::new(pixels, channels, height, width)?, labels, tree.classes.len())?;
        let unreadable = unreadable.into_iter().map(|(_, error)| error).collect();
        Ok(ReadSplit { unreadable, ..ReadSplit::new(set, tree.classes.clone())? })
    }

    /// The headers of the first `count` training pictures, without those that cannot be read.
    ///
    /// # Errors
    /// As [`Folder::files`]. [`DataError::Layout`] if none of these pictures can be read.
    pub fn headers(&self, count: usize) -> Result<Vec<Header>, DataError> {
        let files = self.files(Split::Train)?;
        let paths: Vec<&Path> = files.iter().take(count).map(|file| &*file.path).collect();
        headers(&self.path, &paths)
    }
}

/// The headers of training pictures in the folder at `path`, without those that cannot be read.
///
/// # Errors
/// [`DataError::Layout`] if none of these pictures can be read.
pub(crate) fn headers(path: &Path, files: &[&Path]) -> Result<Vec<Header>, DataError> {
    let (mut headers, mut first) = (Vec::new(), None);
    for file in files {
        match Header::read(file) {
            Ok(header) => headers.push(header),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(first) if headers.is_empty() => {
            let what = format!("has no readable picture among its first {} training pictures: {first}", files.len());
            Err(DataError::layout(path, what))
        }
        _ => Ok(headers),
    }
}

/// The prepared pixels of all files, `[count, channels, height, width]`, and the error of each file that cannot be read.
pub(crate) fn decode(
    files: &[&Path],
    preparation: &Preparation,
) -> Result<(Vec<u8>, Vec<Option<DataError>>), DataError> {
    let size = preparation.image_len().max(1);
    let mut pixels = zeros(files.len(), size)?;
    let mut errors: Vec<Option<DataError>> = files.iter().map(|_| None).collect();
    let decode = |files: &[&Path], images: &mut [u8], errors: &mut [Option<DataError>]| {
        for ((file, image), error) in files.iter().zip(images.chunks_exact_mut(size)).zip(errors) {
            match Picture::read(file) {
                Ok(picture) => image.copy_from_slice(&preparation.apply(&picture)),
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

/// The most classes that a remark names.
const NAMED: usize = 20;

/// What is wrong with a folder that has no pictures or clips.
pub(crate) fn nothing(tree: &Tree) -> &'static str {
    match tree.unit {
        Unit::Picture => "has no PNG or JPEG files in its class folders (names end in .png, .jpg, .jpeg or .jfif)",
        Unit::Clip => {
            "has no clips in its class folders: no folders with PNG or JPEG files (names end in .png, .jpg, .jpeg or .jfif)"
        }
    }
}

/// Checks that there are as many classes as `least`, and no more than labels.
pub(crate) fn check_classes(tree: &Tree, least: usize) -> Result<(), DataError> {
    let advice = match tree.unit {
        Unit::Picture => "make a folder for each class and put its PNG or JPEG files there",
        Unit::Clip => "make a folder for each class, and in it one for each clip with its PNG or JPEG files",
    };
    let root = &tree.root;
    match (tree.classes.len(), &*tree.classes) {
        (0, _) => Err(DataError::layout(root, format!("has no class folders; {advice}"))),
        (count, [one]) if count < least => {
            let why: Vec<_> =
                tree.remarks.iter().filter(|remark| !remark.is_fault).map(|remark| &*remark.what).collect();
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
            let one = shown::name(one);
            Err(DataError::layout(
                root,
                format!("has the one class `{one}`, but at least two are needed; {advice}{why}"),
            ))
        }
        (count, _) if count > MAX_CLASSES => {
            Err(DataError::layout(root, format!("has {count} class folders, but at most {MAX_CLASSES} are possible")))
        }
        _ => Ok(()),
    }
}

/// The pictures or clips of a split, in its order.
pub(crate) fn files_of(tree: &Tree, split: Split) -> Result<Vec<PictureFile>, DataError> {
    let files: Vec<_> = tree.files.iter().filter(|file| file.split == split).cloned().collect();
    if !files.is_empty() {
        return Ok(files);
    }
    let seen = tree.files.len();
    let what = match (seen, tree.own.contains(&split)) {
        (0, _) => nothing(tree).to_owned(),
        (_, true) if tree.unit == Unit::Clip => {
            format!("has no clips in the class folders of its {} split", split.name())
        }
        (_, true) => format!("has no PNG or JPEG files in the class folders of its {} split", split.name()),
        _ => format!(
            "has {}, but none of them belongs to the {} split (the name of a {unit} decides this); add {unit}s, \
             or sort them yourself into folders named train, validation and test",
            tree.unit.count(seen),
            split.name(),
            unit = tree.unit.name()
        ),
    };
    Err(DataError::layout(&tree.root, what))
}

/// The classes of which a split has no usable picture or clip, with the reasons. In training this is a fault: such a class cannot
/// be learned.
pub(crate) fn lost_classes(tree: &Tree, split: Split, labels: &[u8]) -> Option<Remark> {
    let mut usable = vec![0; tree.classes.len()];
    labels.iter().for_each(|&label| usable[usize::from(label)] += 1);
    let (all, here) = (tree.counts(|_| true), tree.counts(|file| file.split == split));
    let part = if split == Split::Train { "training" } else { split.name() };
    let (unit, used) = (tree.unit.name(), if tree.unit == Unit::Clip { "used" } else { "read" });
    let lost: Vec<String> = (0..tree.classes.len())
        .filter(|&class| usable[class] == 0)
        .map(|class| {
            let why = match (all[class], here[class]) {
                (0, _) => format!("no {unit} at all"),
                (all, 0) => format!("{}, none of them for {part}", tree.unit.count(all)),
                (_, here) => format!("{}, none of which can be {used}", tree.unit.count(here)),
            };
            format!("{} ({why})", shown::name(&tree.classes[class]))
        })
        .collect();
    let what = match &*lost {
        [] => return None,
        [one] => format!("a class has no usable {part} {unit}: {one}"),
        many => {
            let more = if many.len() > NAMED { ", …" } else { "" };
            let named = many[..many.len().min(NAMED)].join(", ");
            format!("{} classes have no usable {part} {unit}: {named}{more}", many.len())
        }
    };
    Some(if split == Split::Train { Remark::fault(what) } else { Remark::note(what) })
}
