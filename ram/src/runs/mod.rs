//! What a run leaves on disk: its folder ([`run_folder`], [`run_info`], [`resume`]), its weights ([`checkpoint`]) and its numbers
//! ([`metrics`], [`tensorboard`]). Each file is written completely or not at all ([`atomic`]).

pub mod atomic;
pub mod checkpoint;
mod crash;
mod fingerprint;
pub mod metrics;
pub mod resume;
pub mod run_folder;
pub mod run_info;
pub mod tensorboard;
