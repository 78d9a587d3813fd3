//! Random search of hyperparameters, as the paper found its learning rates and location variances: "selected using random
//! search" (Bergstra and Bengio, 2012).
//!
//! A study is a TOML file ([`study`]) with a space of distributions over configuration keys ([`space`]). The configuration of
//! trial N is a function of the study and N alone, so that any scheduler that counts can hand out the trials, and none has to
//! talk to another. A trial ([`trial`]) is a run's folder with a result in it. Successive halving ([`halving`]) gives up the
//! worse trials early. What came of it is told by [`report`], with a picture by [`picture`].
//!
//! All that a search sees is validation: the test split stays closed.

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
