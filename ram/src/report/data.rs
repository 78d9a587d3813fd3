//! The data of a report, as its scripts read them.

use serde::Serialize;

use crate::runs::metrics::{EpochMetrics, Timing};

/// Everything that the page shows. Parts that do not apply to a run are left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The name of the run's folder.
    pub run: String,
    /// The network and the task, in words.
    pub about: String,
    /// `ram`, `fc` or `conv`, or `game` for an agent that plays.
    pub kind: &'static str,
    /// The resolved configuration, TOML.
    pub config: String,
    /// Where the weights come from, if there is no folder of a run; then the curves of the training are not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The file beside the report on which one plays with the network, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The command line that made the run.
    pub command: String,
    /// The version of the program that made the run.
    pub version: String,
    /// The checkpoint: `best` or `last`.
    pub which: &'static str,
    /// The number of epochs after which the checkpoint was saved.
    pub epoch: usize,
    /// The split of the data that the report is about: `validation`, `test`, or `validation (trained on)` where training used it too.
    pub split: &'static str,
    /// The SHA-256 of the parameters.
    pub weights_hash: String,
    /// The parameter count, excluding the baseline, as the paper counts.
    pub parameters: usize,
    /// The names of the classes or actions.
    pub classes: Vec<String>,
    /// The lines of `metrics.jsonl`, without the confusion matrices and the densities.
    pub epochs: Vec<EpochMetrics>,
    /// The lines of `timing.jsonl`.
    pub timings: Vec<Timing>,
    /// The evaluation of the checkpoint on the split.
    pub found: Measurements,
    /// This run, and runs in the same folder that differ from it only in the seed or in who chooses the locations.
    pub results: Vec<ResultRow>,
    /// The weights of the first layer.
    pub weights: Option<Weights>,
    /// The side of the retina's patches in pixels, and their number.
    pub retina: Option<[usize; 2]>,
    /// Where images are embedded smaller, or fewer of them than were asked for, a sentence that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub player_note: Option<String>,
    /// The images or games of the player; the wrong or lost ones come first.
    pub items: Vec<Item>,
}

/// The evaluation of a checkpoint on a split.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measurements {
    /// Share of wrong answers or lost games, 0 to 1.
    pub error: f64,
    /// The standard error of `error`: √(p(1 − p)/n).
    pub standard_error: f64,
    /// The mean cross entropy, nats.
    pub loss: f64,
    /// The number of images or games.
    pub count: usize,
    /// As in [`crate::evaluation::Evaluation`].
    pub on_digit: Option<f64>,
    /// The same for each glimpse alone.
    pub on_digit_at: Vec<f64>,
    /// The mean distance from the fixation to the digit's centre for each glimpse, pixels; empty for games.
    pub distance: Vec<f64>,
    /// For each glimpse, the variance of its location across inputs.
    pub spread: Vec<f64>,
    /// For each glimpse, the number of fixations in each part of the image.
    pub density: Vec<Vec<u32>>,
    /// The number of parts along each axis of the image.
    pub grid: usize,
    /// How many examples took 1, 2, … N glimpses; empty where all take N.
    pub taken: Vec<u32>,
    /// The error if the class were decided after 1, 2, … T glimpses.
    pub error_after: Vec<f64>,
    /// The share of right answers or won games, where it is what the baseline predicts: with `loss.returns = "to-go"`, images reward what
    /// a choice adds.
    pub reached: Option<f64>,
    /// The mean baseline at each step.
    pub baselines: Vec<f64>,
    /// The number of inputs of each class (rows) with each answer (columns).
    pub confusion: Vec<Vec<u32>>,
    /// For games, the share of games in which the finest patch touches the target, frame by frame.
    pub tracking: Vec<f64>,
}

/// A row of the table of results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResultRow {
    /// The name of the run's folder.
    pub run: String,
    /// Who chooses the locations; for networks without glimpses, their kind.
    pub policy: String,
    /// The seed of the run.
    pub seed: u64,
    /// The validation error of the best epoch, 0 to 1; `None` also where the validation images were trained on too.
    pub validation: Option<f64>,
    /// The best epoch.
    pub epoch: Option<usize>,
    /// The test error, where the report is about the test split.
    pub test: Option<f64>,
    /// Whether this row is the reported run.
    pub own: bool,
}

/// The weights of the first layer as patches.
#[derive(Clone, Debug, Serialize)]
pub struct Weights {
    /// The name of the parameter.
    pub name: String,
    /// The number of units of the layer.
    pub of: usize,
    /// The number of channels of a patch.
    pub channels: usize,
    /// The number of patches of a unit, from fine to coarse.
    pub scales: usize,
    /// The side of a patch in pixels.
    pub side: usize,
    /// The units with the largest norms.
    pub units: Vec<Unit>,
}

/// The weights of one unit.
#[derive(Clone, Debug, Serialize)]
pub struct Unit {
    /// The number of the unit.
    pub index: usize,
    /// The largest absolute value of a weight.
    pub max: f64,
    /// The weights as bytes 128 + 127·w/max in base 64, [channels, scales, side, side].
    pub data: String,
}

/// An image or a game that the player shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Item {
    /// The number of the image or game in the split.
    pub index: usize,
    /// Whether the answer was right, or the game was won.
    pub right: bool,
    /// Its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<usize>,
    /// The class that the network answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<usize>,
    /// The numbers of channels, rows and columns.
    pub size: [usize; 3],
    /// The numbers of rows and columns in `pixels` and `saliency`, where these are smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<[usize; 2]>,
    /// Of an image, its bytes in base 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<String>,
    /// The gradient g = ∂(logit of the answer)/∂pixel, summed over channels, as bytes 128 + 127·g/max in base 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saliency: Option<String>,
    /// The glimpses or frames, in order.
    pub steps: Vec<Step>,
    /// Of a game, the bright pixels of the screen after the last move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Vec<usize>>,
}

/// A glimpse, and what the network believed after it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Step {
    /// The location (x, y), −1 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<[f64; 2]>,
    /// The first column, the first row and the side of each patch, from fine to coarse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<[i64; 3]>,
    /// ρ as bytes in base 64, [channels, scales, patch, patch].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho: Option<String>,
    /// The probability of each class or action.
    pub probabilities: Vec<f64>,
    /// The baseline bₜ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Of a clip, the frame in base 64, as [`Item::pixels`] has images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// Of a game, the bright pixels of the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lit: Option<Vec<usize>>,
    /// Of a game, the action that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<usize>,
}
