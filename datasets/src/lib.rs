//! Data for the recurrent attention model: MNIST, built-in digits, your own pictures, and the canvases of the paper's Sec. 4.1.
//!
//! The modules, in the order in which to read them:
//!
//! - [`rng`]: every random draw has a key, so nothing depends on threads or on earlier draws;
//! - [`layout`] and [`images`]: images and labels in memory, large images in tiles;
//! - [`source`]: the trait [`Source`], which every data set implements and which keeps the test split away from training;
//! - [`idx`], [`published`] and [`mnist`]: MNIST and Fashion-MNIST, from files that may be damaged or swapped;
//! - [`picture`], [`preparation`] and [`folder`]: PNG and JPEG files, sorted into folders by class;
//! - [`clips`]: clips, whose frames are PNG and JPEG files;
//! - [`handwriting`]: a photographed character as an image of MNIST;
//! - [`idx_pair`]: your own images in two IDX files;
//! - [`digits`]: digits that look handwritten, drawn from strokes without any file;
//! - [`shapes`]: a small data set of colour pictures to write into folders;
//! - [`canvas`]: images on larger, cluttered canvases ("Translated" and "Cluttered Translated MNIST"), also moving ones;
//! - [`shown`]: names from a disk as messages show them;
//! - [`batches`]: shuffled batches, which a thread prepares ahead without allocating memory.
//!
//! ```
//! use std::sync::Arc;
//! use datasets::{Canvas, Digits, Loader, Placement, Source};
//!
//! let source = Digits { seed: 1, train: 300, validation: 100, test: 100 };
//! let train = Arc::new(source.train_validation()?.train.set);
//! let canvas = Canvas { height: 60, width: 60, placement: Placement::Translated, clutter: 4, ..Canvas::MNIST };
//! let mut loader = Loader::new(train, canvas, 128, 1)?;
//! for batch in loader.epoch(0, 0) {
//!     let batch = batch?;
//!     assert_eq!(batch.pixels.len(), batch.len() * 60 * 60);
//! }
//! # Ok::<(), datasets::DataError>(())
//! ```
//!
//! A data set of your own is a type that implements [`Source`]; its documentation has a complete example.

#![forbid(unsafe_code)]

pub mod batches;
mod cache;
pub mod canvas;
pub mod clips;
pub mod digits;
mod error;
mod files;
pub mod folder;
pub mod handwriting;
pub mod idx;
pub mod idx_pair;
pub mod images;
pub mod layout;
pub mod mnist;
mod natural;
pub mod picture;
mod prefetch;
pub mod preparation;
pub mod published;
mod rank;
pub mod rng;
pub mod shapes;
pub mod shown;
pub mod source;
mod tree;

pub use batches::{Batch, Epoch, Loader};
pub use canvas::{Canvas, Canvases, DigitBox, Drawn, Fixed, Placement, Scale, fixed};
pub use clips::ClipFolder;
pub use digits::Digits;
pub use error::DataError;
pub use folder::Folder;
pub use idx_pair::IdxPair;
pub use images::{Images, Labelled, View};
pub use layout::Layout;
pub use mnist::{FashionMnist, Mnist};
pub use picture::Picture;
pub use preparation::{Fit, Preparation};
pub use published::Published;
pub use rand;
pub use source::{AllSplits, ReadSplit, Remark, Source, Split, Splits};
pub use tree::{PictureFile, pictures};
