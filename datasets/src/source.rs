//! Where labelled images come from: the trait [`Source`], which a data set of your own implements too.

use crate::error::DataError;
use crate::images::Labelled;

/// One of the three parts of a data set. They have no image in common.
///
/// The numbers are part of the format of the built-in digits (the epoch of their keys) and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Split {
    /// The weights are fitted to this part.
    Train = 0,
    /// Hyperparameters, and the moment to stop, are chosen by this part.
    Validation = 1,
    /// The final result is measured on this part.
    Test = 2,
}

impl Split {
    /// The name, which is also the name of the split's folder in a [`Folder`](crate::Folder).
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// A split in memory, with what became known while it was read.
#[derive(Debug)]
pub struct ReadSplit {
    /// The images and their labels.
    pub set: Labelled,
    /// The names of the classes, in the order of the labels.
    pub class_names: Vec<String>,
    /// The error of each image that could not be read and is therefore left out.
    pub unreadable: Vec<DataError>,
    /// What else the user should know of the data, such as files that are not used.
    pub remarks: Vec<Remark>,
}

/// Something about data that can be used all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// A line for the user.
    pub what: String,
    /// Whether it is a fault, which strict users refuse.
    pub is_fault: bool,
}

impl Remark {
    /// Something to know that is no fault.
    pub fn note(what: impl Into<String>) -> Remark {
        Remark { what: what.into(), is_fault: false }
    }

    /// A fault, which strict users refuse.
    pub fn fault(what: impl Into<String>) -> Remark {
        Remark { what: what.into(), is_fault: true }
    }
}

impl ReadSplit {
    /// A split that was read completely, with the names of its classes.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if there is not one name for each class.
    pub fn new(set: Labelled, class_names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, DataError> {
        let class_names: Vec<String> = class_names.into_iter().map(Into::into).collect();
        if class_names.len() != set.classes {
            return Err(DataError::Mismatch {
                what: "the number of class names differs from the number of classes",
                found: format!("{} names", class_names.len()),
                expected: format!("{}, one for each class", set.classes),
            });
        }
        Ok(ReadSplit { set, class_names, unreadable: Vec::new(), remarks: Vec::new() })
    }
}

impl From<Labelled> for ReadSplit {
    /// A split that was read completely, whose classes are called `0`, `1`, …
    fn from(set: Labelled) -> Self {
        let class_names = (0..set.classes).map(|class| class.to_string()).collect();
        ReadSplit { set, class_names, unreadable: Vec::new(), remarks: Vec::new() }
    }
}

/// The two splits that training and tuning may see. The test split is left out on purpose: see [`Source::test`].
#[derive(Debug)]
pub struct Splits {
    /// The weights are fitted to this split.
    pub train: ReadSplit,
    /// Hyperparameters, and the moment to stop, are chosen by this split.
    pub validation: ReadSplit,
}

/// All three splits of a data set at once, for a program that trains and then tests. What tunes by itself should rather be
/// given [`Source::train_validation`], which cannot leak the test split.
#[derive(Debug)]
pub struct AllSplits {
    /// The weights are fitted to this split.
    pub train: ReadSplit,
    /// Hyperparameters, and the moment to stop, are chosen by this split.
    pub validation: ReadSplit,
    /// The final result is measured on this split.
    pub test: ReadSplit,
}

impl AllSplits {
    /// Reads all splits of a data set.
    ///
    /// # Errors
    /// As [`Source::train_validation`].
    pub fn read(source: &(impl Source + ?Sized)) -> Result<AllSplits, DataError> {
        let Splits { train, validation } = source.train_validation()?;
        Ok(AllSplits { train, validation, test: source.test()? })
    }

    /// One of the three.
    pub fn split(&self, split: Split) -> &ReadSplit {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

/// A data set: it reads (or draws) its labelled images when it is asked for them.
///
/// Training and tuning call only [`train_validation`](Source::train_validation), so they cannot see the test split, not
/// even by accident. Only the final evaluation calls [`test`](Source::test), which must not read the other splits.
///
/// All images of a data set have the same size and number of channels, and all its splits have the same classes. Here is
/// a whole data set, white bars on black, that is drawn by a program:
///
/// ```
/// use std::sync::Arc;
/// use datasets::rng::{Key, Purpose, below};
/// use datasets::{Canvas, DataError, Images, Labelled, Loader, Placement, ReadSplit, Source, Split, Splits};
///
/// /// Is the bar in a picture of 8×8 pixels vertical or horizontal?
/// struct Bars {
///     count: usize,
/// }
///
/// impl Bars {
///     fn draw(&self, split: Split) -> Result<ReadSplit, DataError> {
///         let (mut pixels, mut labels) = (vec![0; self.count * 8 * 8], Vec::new());
///         for (image, sample) in pixels.chunks_exact_mut(8 * 8).zip(0..) {
///             let rng = &mut Key { seed: 1, purpose: Purpose::Shape, epoch: split as u64, sample }.stream();
///             let (label, place) = (below(rng, 2) as u8, below(rng, 8) as usize);
///             for i in 0..8 {
///                 let [row, column] = if label == 0 { [i, place] } else { [place, i] };
///                 image[8 * row + column] = 255;
///             }
///             labels.push(label);
///         }
///         ReadSplit::new(Labelled::new(Images::new(pixels, 1, 8, 8)?, labels, 2)?, ["vertical", "horizontal"])
///     }
/// }
///
/// impl Source for Bars {
///     fn train_validation(&self) -> Result<Splits, DataError> {
///         Ok(Splits { train: self.draw(Split::Train)?, validation: self.draw(Split::Validation)? })
///     }
///
///     fn test(&self) -> Result<ReadSplit, DataError> {
///         self.draw(Split::Test)
///     }
/// }
///
/// let source: Box<dyn Source> = Box::new(Bars { count: 100 });
/// let Splits { train, validation } = source.train_validation()?;
/// assert_eq!([train.set.len(), validation.set.len()], [100, 100]);
/// assert_eq!(train.class_names, ["vertical", "horizontal"]);
/// assert_ne!(train.set, source.test()?.set);
///
/// // From here on it is used as every other data set: on canvases, in shuffled batches.
/// let canvas = Canvas { height: 20, width: 20, placement: Placement::Translated, clutter: 0, ..Canvas::MNIST };
/// let mut loader = Loader::new(Arc::new(train.set), canvas, 32, 1)?;
/// let batch = loader.epoch(0, 0).next_batch()?.map(|batch| batch.pixels.len());
/// assert_eq!(batch, Some(32 * 20 * 20));
/// # Ok::<(), DataError>(())
/// ```
pub trait Source: Send + Sync {
    /// Reads the training and the validation split.
    ///
    /// # Errors
    /// If the data are missing or damaged. A source outside this crate may return any error as [`DataError::Other`].
    fn train_validation(&self) -> Result<Splits, DataError>;

    /// Reads the test split.
    ///
    /// # Errors
    /// As [`train_validation`](Source::train_validation).
    fn test(&self) -> Result<ReadSplit, DataError>;

    /// Whether each object fills its image, as the digits of MNIST do; `false` unless a source says otherwise.
    ///
    /// If it does, the place of the image on a larger canvas is also the place of the object, so an evaluation can tell how
    /// many glimpses touch the object.
    fn object_fills_image(&self) -> bool {
        false
    }
}
