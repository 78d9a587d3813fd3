//! Data for the recurrent attention model: MNIST, built-in digits, and the canvases of the paper's Sec. 4.1.
//!
//! In the order in which to read it:
//!
//! - [`rng`]: every random draw has a key, so nothing depends on threads or on what was drawn before;
//! - [`images`]: bytes in memory, and [`Source`], which keeps the test split out of training's sight;
//! - [`idx`], [`published`] and [`mnist`]: reading files that may be damaged, swapped or hostile;
//! - [`picture`] and [`folder`]: PNG and JPEG files, sorted into folders by class;
//! - [`digits`]: handwritten-looking digits drawn from strokes, for which no file is needed;
//! - [`shapes`]: a small data set of colour pictures to write into folders;
//! - [`canvas`]: digits on larger, cluttered canvases ("Translated" and "Cluttered Translated MNIST");
//! - [`batches`]: shuffled batches, prepared ahead by a thread, with no allocation once running.
//!
//! ```
//! use std::sync::Arc;
//! use datasets::{Canvas, Digits, Loader, Placement, Source};
//!
//! let source = Digits { seed: 1, train: 300, validation: 100, test: 100 };
//! let train = Arc::new(source.train_validation()?.train);
//! let canvas = Canvas { height: 60, width: 60, placement: Placement::Translated, clutter: 4 };
//! let mut loader = Loader::new(train, canvas, 128, 1)?;
//! let mut epoch = loader.epoch(0, 0);
//! while let Some(batch) = epoch.next_batch()? {
//!     assert_eq!(batch.pixels.len(), batch.len() * 60 * 60);
//! }
//! # Ok::<(), datasets::DataError>(())
//! ```

#![forbid(unsafe_code)]

pub mod batches;
pub mod canvas;
pub mod digits;
mod error;
pub mod folder;
pub mod idx;
pub mod images;
pub mod mnist;
pub mod picture;
mod prefetch;
pub mod published;
pub mod rng;
pub mod shapes;

pub use batches::{Batch, Epoch, Loader};
pub use canvas::{Canvas, DigitBox, Fixed, Placement, fixed};
pub use digits::Digits;
pub use error::DataError;
pub use folder::{Folder, IdxPair};
pub use images::{Images, Labelled, Source, Splits, View};
pub use mnist::{FashionMnist, Mnist};
pub use picture::{Fit, Picture, Preparation};
pub use published::Published;
