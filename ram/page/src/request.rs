//! What the page can ask.

use serde::Deserialize;

/// A question. With some come bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Opens the network in a file of a pretrained model, which are the bytes. Networks are numbered from 0 as they are opened.
    Open {
        /// The most glimpses that may be taken at an image; the network was trained with a number of its own.
        #[serde(default)]
        glimpses: Option<usize>,
    },
    /// Built-in digits, 28×28 grey levels each.
    Digits {
        /// The seed of the digits.
        seed: u64,
        /// How many.
        count: u32,
    },
    /// What the picture of a character, which are the bytes, looks like in MNIST: bright on black, 28×28.
    Character {
        /// Its columns.
        width: usize,
        /// Its rows.
        height: usize,
    },
    /// Begins an episode at an image; answers with the place of the first glimpse.
    Begin {
        /// The network.
        network: usize,
        /// The number of the image, which decides the first location.
        number: u32,
    },
    /// Takes a glimpse at the image whose grey levels are the bytes.
    Glance {
        /// The network.
        network: usize,
        /// Where to look, if not where the network wants to.
        #[serde(default)]
        at: Option<[f32; 2]>,
    },
    /// Begins a game.
    Play {
        /// The network.
        network: usize,
        /// The number of the game.
        number: u32,
    },
    /// Takes a glimpse at the game and then makes a move.
    Move {
        /// The network.
        network: usize,
        /// The action, if not the one that the network chooses.
        #[serde(default)]
        action: Option<usize>,
        /// Whether the ball is hidden from the network in this frame.
        #[serde(default)]
        covered: bool,
    },
    /// Begins the training of a new network.
    Train {
        /// Keys of the configuration, as `model.hidden=64`, on top of the lesson's.
        #[serde(default)]
        sets: Vec<String>,
    },
    /// Improves the network with some batches.
    Update {
        /// How many.
        steps: usize,
        /// The learning rate.
        learning_rate: f64,
        /// σ of the location policy.
        std: f64,
    },
    /// Changes a key of the configuration under which the network goes on learning, as `loss.baseline=none`.
    Change {
        /// The key and its value.
        set: String,
    },
    /// How often the network is wrong on images that it does not learn from, and what it does at the first of them.
    Examine {
        /// The number of episodes that are shown.
        shown: usize,
    },
    /// The gradient of each term of the loss at one batch.
    Gradients {
        /// How often the same batch is looked at, with other random choices.
        draws: usize,
        /// σ of the location policy.
        std: f64,
    },
}
