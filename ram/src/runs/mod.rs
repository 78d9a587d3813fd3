//! What a run leaves on disk: its folder ([`run_folder`]), its weights ([`checkpoint`]), its numbers ([`metrics`],
//! [`tensorboard`]), each file written whole or not at all ([`atomic`]).

pub mod atomic;
pub mod checkpoint;
pub mod metrics;
pub mod run_folder;
pub mod tensorboard;
