//! What a report holds, as its scripts read it.

use serde::Serialize;

use crate::runs::metrics::{EpochMetrics, Timing};

/// Everything that the page shows. Optional parts are left out where they do not apply.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The folder's name.
    pub run: String,
    /// What it is, in words: network, task.
    pub about: String,
    /// `ram`, `fc` or `conv`, or `game` for an agent that plays.
    pub kind: &'static str,
    /// The resolved configuration, TOML.
    pub config: String,
    /// The command line, for the record.
    pub command: String,
    /// The program's version.
    pub version: String,
    /// Which checkpoint: `best` or `last`.
    pub which: &'static str,
    /// After how many epochs it was saved.
    pub epoch: usize,
    /// The part of the data that the report is about: `validation` or `test`.
    pub split: &'static str,
    /// SHA-256 of its parameters.
    pub weights_hash: String,
    /// Numbers in the network that the paper counts.
    pub parameters: usize,
    /// The names of the classes or actions.
    pub classes: Vec<String>,
    /// What `metrics.jsonl` says; matrices and densities left out.
    pub epochs: Vec<EpochMetrics>,
    /// What `timing.jsonl` says.
    pub timings: Vec<Timing>,
    /// How the checkpoint fared.
    pub found: Found,
    /// This run and those beside it that differ in seed or policy alone.
    pub results: Vec<ResultRow>,
    /// The first layer.
    pub weights: Option<Weights>,
    /// The retina's edge and number of patches.
    pub retina: Option<[usize; 2]>,
    /// Images and games to step through; the wrong and lost ones first.
    pub items: Vec<Item>,
}

/// How a checkpoint fared on the split.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// Share of wrong answers or lost games, 0 to 1.
    pub error: f64,
    /// √(p(1 − p)/n)
    pub standard_error: f64,
    /// Mean cross entropy, nats.
    pub loss: f64,
    /// Images or games.
    pub count: usize,
    /// See [`crate::evaluation::Evaluation`].
    pub on_digit: Option<f64>,
    /// The same for each glimpse.
    pub on_digit_at: Vec<f64>,
    /// Variance of the location across inputs, each glimpse.
    pub spread: Vec<f64>,
    /// Fixations in each part of the image, each glimpse.
    pub density: Vec<Vec<u32>>,
    /// Parts along an axis.
    pub grid: usize,
    /// Error if it were decided after 1, 2, … T glimpses.
    pub error_after: Vec<f64>,
    /// Mean baseline at each step.
    pub baselines: Vec<f64>,
    /// Classes (rows) by answers (columns).
    pub confusion: Vec<Vec<u32>>,
    /// Of games, by the ball's row.
    pub tracking: Vec<f64>,
}

/// A line of the table of results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResultRow {
    /// The folder's name.
    pub run: String,
    /// Who chooses the locations; of another network its kind.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// Lowest validation error, 0 to 1.
    pub validation: Option<f64>,
    /// The epoch that had it.
    pub epoch: Option<usize>,
    /// Test error, where the test part was asked.
    pub test: Option<f64>,
    /// Whether this is the reported run.
    pub own: bool,
}

/// The weights of the first layer as patches.
#[derive(Clone, Debug, Serialize)]
pub struct Weights {
    /// The parameter.
    pub name: String,
    /// How many units the layer has.
    pub of: usize,
    /// Channels and scales of a patch, channels outermost.
    pub channels: usize,
    /// Patches of a unit, from fine to coarse.
    pub scales: usize,
    /// Edge of a patch.
    pub side: usize,
    /// The units of largest norm.
    pub units: Vec<Unit>,
}

/// The weights of one unit.
#[derive(Clone, Debug, Serialize)]
pub struct Unit {
    /// Its number.
    pub index: usize,
    /// The largest weight's size.
    pub max: f64,
    /// Bytes in base 64: 128 + 127·w/max, as [channels, scales, side, side].
    pub data: String,
}

/// An image or a game that the player shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Item {
    /// Its number in the split.
    pub index: usize,
    /// Whether it was answered rightly, or the ball was caught.
    pub right: bool,
    /// Its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<usize>,
    /// The class that it was taken for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<usize>,
    /// Channels, rows, columns.
    pub size: [usize; 3],
    /// Of an image: its bytes in base 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<String>,
    /// ∂(logit of the answer)/∂pixel, bytes in base 64: 128 + 127·g/max, channels added up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saliency: Option<String>,
    /// Glimpses or frames in order.
    pub steps: Vec<Step>,
    /// Of a game: the lit pixels of the screen after the last move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Vec<usize>>,
}

/// A glimpse, and what was believed after it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Step {
    /// (x, y), −1 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<[f64; 2]>,
    /// The first column, the first row and the side of each patch, from fine to coarse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<[i64; 3]>,
    /// ρ in bytes, base 64: [channels, scales, patch, patch].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho: Option<String>,
    /// Of each class or action.
    pub probabilities: Vec<f64>,
    /// bₜ
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Of a game: the lit pixels of the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lit: Option<Vec<usize>>,
    /// Of a game: the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<usize>,
}
