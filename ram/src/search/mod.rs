//! Random search of hyperparameters, as the paper found its learning rates and location variances: "selected using random
//! search" (Bergstra and Bengio, 2012).
//!
//! A study is a TOML file ([`study`]) with a space of distributions over configuration keys ([`space`]). The configuration of
//! trial N is a function of the study and N alone, so that any scheduler that can count can start the trials, and the trials need
//! not communicate. A trial ([`trial`]) trains in a run's folder and leaves a [`result`] there, inside of the study's [`folder`].
//! Successive halving ([`halving`]) gives up the worse trials early. [`report`] summarises the results; with the feature `figures`
//! the module `picture` draws them.
//!
//! A search uses only the validation images; it never reads the test images.

pub mod folder;
pub mod halving;
#[cfg(feature = "figures")]
pub mod picture;
mod read;
pub mod report;
pub mod result;
pub mod space;
pub mod study;
pub mod trial;
