//! What a network can be trained for. [`task`] says what a task is; [`classify`] and [`play`] are the two there are;
//! [`named`] finds the one that a configuration names.

pub mod classify;
pub mod play;
pub mod task;

use std::sync::Arc;

pub use classify::Classify;
pub use play::Play;
pub use task::{
    Batches, Examples, Inputs, Observed, Pictures, Recorded, Recorder, Scripted, Task, Training, Verdict, check_classes,
};

use crate::config::{Config, Source};
use crate::error::RamError;

/// The task that a configuration names.
///
/// # Errors
/// [`RamError::Config`] where the task is one of a program's own, which must hand it over itself, or a game that cannot have
/// a screen of this size.
pub fn named(config: &Config) -> Result<Arc<dyn Task>, RamError> {
    Ok(match config.data.source {
        Source::Game(game) => {
            let size = config.data.size;
            (game.open)(size)?;
            Arc::new(Play::with(Arc::new(move || (game.open)(size).expect("it could be opened before"))))
        }
        Source::Own => {
            return Err(RamError::Config(
                "data.source is own: the task belongs to the program that trained on it; use that program, or name a \
                 source of `ram`'s, such as mnist"
                    .to_owned(),
            ));
        }
        _ => Arc::new(Classify::new()),
    })
}
