//! Recurrent Models of Visual Attention (Mnih, Heess, Graves, Kavukcuoglu, 2014).
//!
//! # The order in which to read it, the paper beside it
//!
//! 1. [`model::retina`], [`model::glimpse`], [`model::core`], [`model::location`], [`model::action`],
//!    [`model::baseline`]: the parts of Fig. 1.
//! 2. [`model::agent`]: Fig. 1C, an iteration and an episode.
//! 3. [`reinforce`]: eq. (1) and eq. (2) of Sec. 3.2, with their derivation.
//! 4. [`tasks`]: from a batch to a loss; [`tasks::classify`] has the hybrid loss of Sec. 3.2, [`tasks::play`] that of a game.
//! 5. [`train::learner`]: a training step; [`train::trainer`]: the loop around it.
//! 6. [`environments`]: the rules of the game of Sec. 4.2; [`comparators`]: the networks of Tables 1 and 2 that see
//!    the whole image; [`experiments`]: every row of the paper as a configuration;
//!    [`evaluate::trace`]: what an agent did, in plain numbers.
//! 7. [`search`]: how hyperparameters are found; [`zoo`]: pretrained models; [`tables`]: the paper's tables beside
//!    our figures.
//!
//! [`path`](mod@path) begins with one product and ends with eq. (2). [`paper`] is the map from the paper to the code.
//!
//! A program trains an agent in a game of its own as the example in [`tasks::play`] does, and on images of its own as the one in
//! [`tasks::classify`] does. With the feature `figures`, the module of that name draws what was traced.
#![forbid(unsafe_code)]

pub mod bench;
pub mod comparators;
pub mod config;
pub mod data;
pub mod environments;
pub mod error;
pub mod evaluate;
pub mod evaluation;
pub mod experiments;
pub mod faults;
#[cfg(feature = "figures")]
pub mod figures;
mod files;
pub mod guide;
pub mod losses;
mod memory;
pub mod model;
pub mod network;
#[cfg(feature = "figures")]
pub mod page;
pub mod paper;
pub mod path;
pub mod reinforce;
#[cfg(feature = "figures")]
pub mod report;
pub mod runs;
pub mod schedule;
pub mod search;
pub mod split;
pub mod tables;
pub mod tasks;
pub mod threads;
pub mod train;
pub mod zoo;

pub use config::Config;
pub use error::RamError;
pub use rand;

/// The name of the kernels' path on this machine.
///
/// # Panics
/// If the environment variable [`autograd::kernels::PATH_VARIABLE`] names no path of this processor.
pub fn kernel_path() -> &'static str {
    autograd::kernels::path().name()
}

/// The example in the README compiles and does what it says.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
