//! Games for an agent that also acts: Sec. 4.2, "Dynamic Environments". Here are the rules alone; who plays is not known here.
//!
//! [`environment`] says what a game is, and [`GAMES`] lists those that a configuration can name.

pub mod catch;
pub mod environment;

pub use environment::{Environment, Game};

/// Every game that `data.source` can name.
pub const GAMES: &[Game] = &[catch::GAME, catch::HIDDEN];

/// The game of this name, if there is one.
pub fn game(name: &str) -> Option<&'static Game> {
    GAMES.iter().find(|game| game.name == name)
}
