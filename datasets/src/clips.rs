//! A folder of your own clips: a folder for each class, and in it a folder for each clip, with a picture for each frame.
//!
//! ```text
//! clips/
//!   wave/
//!     monday/       frame1.png   frame2.png   …   frame10.png
//!     tuesday/      0001.jpg   0002.jpg   …
//!   nod/
//!     …
//! ```
//!
//! The frames of a clip are the pictures in its folder in natural order: `frame9.png` comes before `frame10.png`. All clips get
//! the same number of frames. Of longer clips the first frames are taken, and shorter clips are left out. Folders `train`,
//! `validation` and `test` with class folders in them hold the splits, as in a [`folder`](crate::folder) of pictures. Without
//! them the name of a clip decides its split. All that is not used is told by a [`Remark`].

use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::folder::{check_classes, decode, files_of, headers, lost_classes, nothing};
use crate::images::{Images, Labelled};
use crate::picture::Header;
use crate::preparation::Preparation;
use crate::shown;
use crate::source::{ReadSplit, Remark, Source, Split, Splits};
use crate::tree::{PictureFile, Tree, Unit};

/// A folder with a folder of clips for each class. The module's documentation explains the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipFolder {
    /// The folder.
    pub path: PathBuf,
    /// How each frame is made into an image of one size.
    pub preparation: Preparation,
    /// The number of frames of each clip, at least 1.
    pub frames: usize,
    /// Together with the names, this decides the split of each clip that no folder decides.
    pub seed: u64,
}

impl Source for ClipFolder {
    fn train_validation(&self) -> Result<Splits, DataError> {
        let tree = self.tree(2)?;
        Ok(Splits {
            train: self.read_split(&tree, Split::Train)?,
            validation: self.read_split(&tree, Split::Validation)?,
        })
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        self.read_split(&self.tree(2)?, Split::Test)
    }
}

impl ClipFolder {
    /// The files of all frames of all splits, also of those that are not used.
    ///
    /// # Errors
    /// [`DataError::Layout`] if there are fewer than two classes or more than 256, or if a name is not UTF-8.
    pub fn all_files(&self) -> Result<Vec<PathBuf>, DataError> {
        Ok(self.tree(2)?.frames.into_values().flatten().collect())
    }

    /// The headers of the first frames of the first `count` training clips, without those that cannot be read.
    ///
    /// # Errors
    /// As [`ClipFolder::all_files`]. [`DataError::Layout`] if there is no training clip, or none of these frames can be read.
    pub fn headers(&self, count: usize) -> Result<Vec<Header>, DataError> {
        let tree = self.tree(2)?;
        let clips = files_of(&tree, Split::Train)?;
        let first = clips.iter().take(count).filter_map(|clip| tree.frames.get(&clip.path)?.first());
        headers(&self.path, &first.map(|path| &**path).collect::<Vec<_>>())
    }

    /// Reads the clips of all splits, for a network that was trained on others. If `split` has a folder of its own, only that one
    /// is read. The result also says whether it is the whole. There may be a single class.
    ///
    /// # Errors
    /// As [`Source::test`].
    pub fn read_whole(&self, split: Split) -> Result<(ReadSplit, bool), DataError> {
        let tree = self.tree(1)?;
        let has_own = tree.own.contains(&split);
        let clips = if has_own { files_of(&tree, split)? } else { tree.files.clone() };
        if clips.is_empty() {
            return Err(DataError::layout(&tree.root, nothing(&tree)));
        }
        let mut read = self.read_clips(&tree, clips, "data set")?;
        read.remarks.extend(tree.remarks);
        Ok((read, !has_own))
    }

    /// What lies in the folder, which must have as many classes as `least`.
    fn tree(&self, least: usize) -> Result<Tree, DataError> {
        let tree = Tree::read(&self.path, self.seed, Unit::Clip)?;
        check_classes(&tree, least)?;
        Ok(tree)
    }

    fn read_split(&self, tree: &Tree, split: Split) -> Result<ReadSplit, DataError> {
        let mut read = self.read_clips(tree, files_of(tree, split)?, &format!("{} split", split.name()))?;
        // What is to be known of the whole folder is told with the split that is read first.
        if split != Split::Validation {
            read.remarks.extend(tree.remarks.iter().cloned());
        }
        read.remarks.extend(lost_classes(tree, split, &read.set.labels));
        Ok(read)
    }

    /// Reads clips, which messages call those of `part`.
    fn read_clips(&self, tree: &Tree, clips: Vec<PictureFile>, part: &str) -> Result<ReadSplit, DataError> {
        let frames = |clip: &PictureFile| tree.frames.get(&clip.path).map_or(&[][..], |frames| &**frames);
        let (clips, short): (Vec<_>, Vec<_>) = clips.into_iter().partition(|clip| frames(clip).len() >= self.frames);
        let long: Vec<_> = clips.iter().filter(|clip| frames(clip).len() > self.frames).collect();
        let remarks = self.remarks(part, &short, &long, |clip| frames(clip).len());
        if clips.is_empty() {
            let why = remarks.first().map_or("has no clips", |remark| &*remark.what);
            return Err(DataError::layout(&self.path, format!("has no clip that is long enough: {why}")));
        }

        let paths: Vec<&Path> =
            clips.iter().flat_map(|clip| &frames(clip)[..self.frames]).map(|path| &**path).collect();
        let (mut pixels, mut errors) = decode(&paths, &self.preparation)?;
        // A clip with a frame that cannot be read is left out; the others close the gap.
        let size = self.frames * self.preparation.image_len();
        let (mut labels, mut unreadable) = (Vec::with_capacity(clips.len()), Vec::new());
        for (index, clip) in clips.iter().enumerate() {
            match errors[index * self.frames..][..self.frames].iter_mut().find_map(Option::take) {
                None => {
                    pixels.copy_within(index * size..(index + 1) * size, labels.len() * size);
                    labels.push(clip.label);
                }
                Some(error) => unreadable.push((&clip.path, error)),
            }
        }
        pixels.truncate(labels.len() * size);
        unreadable.sort_by(|a, b| a.0.cmp(b.0));
        if let ([(_, first), ..], true) = (&*unreadable, labels.is_empty()) {
            let what = format!("has {} clips in the {part}, none of which can be read: {first}", unreadable.len());
            return Err(DataError::layout(&self.path, what));
        }
        let Preparation { channels, height, width, .. } = self.preparation;
        let images = Images::clips(pixels, self.frames, channels, height, width)?;
        let set = Labelled::new(images, labels, tree.classes.len())?;
        let unreadable = unreadable.into_iter().map(|(_, error)| error).collect();
        Ok(ReadSplit { unreadable, remarks, ..ReadSplit::new(set, tree.classes.clone())? })
    }

    /// What is told of clips that have fewer or more frames than there shall be.
    fn remarks(
        &self,
        part: &str,
        short: &[PictureFile],
        long: &[&PictureFile],
        frames: impl Fn(&PictureFile) -> usize,
    ) -> Vec<Remark> {
        let name = |clip: &PictureFile| {
            let path = clip.path.strip_prefix(&self.path).unwrap_or(&clip.path).to_string_lossy();
            format!("{path} has {}", frames(clip))
        };
        let few = |names: Vec<String>| shown::few(names.iter().map(String::as_str));
        let clips = |n: usize, one: &str, many: &str| {
            format!("{} of the {part} {}", Unit::Clip.count(n), if n == 1 { one } else { many })
        };
        let mut remarks = Vec::new();
        if !short.is_empty() {
            remarks.push(Remark::fault(format!(
                "{} fewer than {} frames and cannot be used ({}); set data.frames lower to use them",
                clips(short.len(), "has", "have"),
                self.frames,
                few(short.iter().map(name).collect())
            )));
        }
        if !long.is_empty() {
            remarks.push(Remark::note(format!(
                "{} more than {} frames, of which the first {1} are used ({})",
                clips(long.len(), "has", "have"),
                self.frames,
                few(long.iter().map(|clip| name(clip)).collect())
            )));
        }
        remarks
    }
}
