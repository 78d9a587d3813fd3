//! Your own images in a pair of IDX files: one with the images, one with the labels.

use std::path::PathBuf;

use crate::error::DataError;
use crate::idx::{self, Idx};
use crate::images::{Images, Labelled, zeros};
use crate::picture::{Header, Picture};
use crate::preparation::Preparation;
use crate::rank::Rank;
use crate::shown;
use crate::source::{ReadSplit, Source, Split, Splits};

/// The most elements of a file.
const LIMIT: u64 = 1 << 33;

/// A pair of IDX files: images `[count, height, width]` or `[count, channels, height, width]`, and labels `[count]`.
///
/// The number of an image decides its split, as the name of a picture does in a [`Folder`](crate::Folder). The classes are
/// called `0`, `1`, … up to the largest label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxPair {
    /// The file with the images.
    pub images: PathBuf,
    /// The file with the labels.
    pub labels: PathBuf,
    /// How each image is changed before it is used.
    pub preparation: Preparation,
    /// Together with the number of an image, this decides its split.
    pub seed: u64,
}

impl Source for IdxPair {
    fn train_validation(&self) -> Result<Splits, DataError> {
        Ok(Splits { train: self.read(Split::Train)?, validation: self.read(Split::Validation)? })
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        self.read(Split::Test)
    }
}

impl IdxPair {
    /// Reads a split.
    ///
    /// # Errors
    /// [`DataError::Read`] or [`DataError::Format`] if a file cannot be read as IDX, [`DataError::Layout`] if the two files do
    /// not fit together, have only one class, or have no image for the split.
    pub fn read(&self, split: Split) -> Result<ReadSplit, DataError> {
        self.read_some(Some(split))
    }

    /// Reads all images, for a network that was trained on others. There may be a single class.
    ///
    /// # Errors
    /// As [`IdxPair::read`].
    pub fn read_whole(&self) -> Result<ReadSplit, DataError> {
        self.read_some(None)
    }

    /// Reads a split, or all images.
    fn read_some(&self, split: Option<Split>) -> Result<ReadSplit, DataError> {
        let (Header { channels, height, width }, images) = self.open()?;
        let labels = idx::read(&self.labels, LIMIT)?;
        let count = images.dims[0] as usize;
        if labels.dims.len() != 1 || labels.dims[0] as usize != count {
            let (sizes, images) = (&labels.dims, shown::path(&self.images));
            let what = format!(
                "has labels of sizes {sizes:?}, but {images} has {count} images: expected one label for each; are they a pair?"
            );
            return Err(DataError::layout(&self.labels, what));
        }
        let classes = usize::from(labels.data.iter().max().copied().unwrap_or(0)) + 1;
        if classes < 2 && split.is_some() {
            return Err(DataError::layout(&self.labels, "has the one class 0, but at least two are needed"));
        }

        let ranks = (0..count).map(|index| (Rank::new(self.seed, &[], index.to_string().as_bytes()), index));
        let mut chosen: Vec<(Rank, usize)> =
            ranks.filter(|(rank, _)| split.is_none_or(|split| rank.split() == split)).collect();
        if chosen.is_empty() {
            let part = split.map_or("data set".to_owned(), |split| format!("{} split", split.name()));
            let what = format!("has {count} images, but none of them belongs to the {part}");
            return Err(DataError::layout(&self.images, what));
        }
        chosen.sort_unstable();

        let preparation = self.preparation;
        let mut pixels = zeros(chosen.len(), preparation.image_len())?;
        let size = channels * height * width;
        for (out, &(_, index)) in pixels.chunks_exact_mut(preparation.image_len().max(1)).zip(&chosen) {
            let image = images.data[index * size..(index + 1) * size].to_vec();
            out.copy_from_slice(&preparation.apply(&Picture { channels, height, width, pixels: image, alpha: None }));
        }
        let labels = chosen.iter().map(|&(_, index)| labels.data[index]).collect();
        let images = Images::new(pixels, preparation.channels, preparation.height, preparation.width)?;
        Ok(Labelled::new(images, labels, classes)?.into())
    }

    /// The channels and the size of the images.
    ///
    /// # Errors
    /// As [`IdxPair::read`], for the file with the images.
    pub fn header(&self) -> Result<Header, DataError> {
        Ok(self.open()?.0)
    }

    /// Reads the file with the images.
    fn open(&self) -> Result<(Header, Idx), DataError> {
        let images = idx::read(&self.images, LIMIT)?;
        let dims: Vec<usize> = images.dims.iter().map(|&dim| dim as usize).collect();
        let header = match *dims {
            [_, height, width] => Header { channels: 1, height, width },
            [_, channels @ (1 | 3), height, width] => Header { channels, height, width },
            _ => {
                let expected = "expected [count, height, width] or [count, 1 or 3, height, width]";
                return Err(DataError::layout(&self.images, format!("has an array of sizes {dims:?}; {expected}")));
            }
        };
        if dims.contains(&0) {
            return Err(DataError::layout(&self.images, format!("has no images: its sizes are {dims:?}")));
        }
        Ok((header, images))
    }
}
