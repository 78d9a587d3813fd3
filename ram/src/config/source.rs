//! `data.source`: what is looked at.

use serde::{Deserialize, Serialize};

use crate::environments::{GAMES, Game, game};

/// `data.source`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// Built-in digits, drawn from strokes: nothing to download.
    Digits,
    /// MNIST's four IDX files.
    Mnist,
    /// Fashion-MNIST's four IDX files.
    FashionMnist,
    /// The user's pictures, a folder for each class; see [`datasets::folder`].
    Folder,
    /// A pair of IDX files of the user's.
    Idx,
    /// The user's clips, a folder for each class and in it one for each clip; see [`datasets::clips`].
    Frames,
    /// No images, but a game (Sec. 4.2): an error is then the share of the best return that was missed.
    Game(&'static Game),
    /// Images or games of a program that calls this library and hands over the task itself.
    Own,
}

impl Source {
    /// The sources other than games, with their names.
    const NAMED: [(Source, &'static str); 7] = [
        (Source::Digits, "digits"),
        (Source::Mnist, "mnist"),
        (Source::FashionMnist, "fashion-mnist"),
        (Source::Folder, "folder"),
        (Source::Idx, "idx"),
        (Source::Frames, "frames"),
        (Source::Own, "own"),
    ];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Source::Game(game) => game.name,
            other => Source::NAMED.iter().find(|(source, _)| *source == other).map_or("", |(_, name)| name),
        }
    }

    /// Training, validation and test examples where a configuration says 0; 0 again where only the data tell.
    pub fn counts(self) -> [usize; 3] {
        match self {
            Source::Game(game) => game.counts,
            Source::Digits => [20_000, 2_000, 5_000],
            Source::Mnist | Source::FashionMnist => [50_000, 10_000, 10_000],
            Source::Folder | Source::Idx | Source::Frames | Source::Own => [0; 3],
        }
    }

    /// Whether these are pictures or clips of the user's, which are prepared as `[data]` says.
    pub fn is_user_pictures(self) -> bool {
        matches!(self, Source::Folder | Source::Idx | Source::Frames)
    }

    /// The game, if it is one.
    pub fn game(self) -> Option<&'static Game> {
        match self {
            Source::Game(game) => Some(game),
            _ => None,
        }
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(name: String) -> Result<Source, String> {
        let named = Source::NAMED.iter().find(|(_, known)| *known == name).map(|(source, _)| *source);
        named.or_else(|| game(&name).map(Source::Game)).ok_or_else(|| {
            // A program's own data set cannot be named in a configuration.
            let named = Source::NAMED.iter().filter(|(source, _)| *source != Source::Own);
            let all = named.map(|(_, name)| *name).chain(GAMES.iter().map(|game| game.name));
            // In the form of serde's own message, which the reader of configurations takes apart.
            let all: Vec<_> = all.map(|name| format!("`{name}`")).collect();
            format!("unknown variant `{name}`, expected one of {}", all.join(", "))
        })
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.name().to_owned()
    }
}
