//! What an evaluation found.

/// What an evaluation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Share of wrong answers, or the share of the best return that games missed, 0 to 1.
    pub error: f64,
    /// Mean cross entropy, nats.
    pub loss: f64,
    /// Number of images or games.
    pub count: usize,
    /// Share of glimpses whose finest patch touches the digit's 28×28 box, 0 to 1.
    pub on_digit: Option<f64>,
    /// The same for each glimpse.
    pub on_digit_at: Vec<f64>,
    /// For each glimpse, the variance of its location across the images, x and y added.
    pub fixation_spread: Vec<f64>,
    /// For each glimpse, how many of its locations lie in each of [`GRID`] × [`GRID`] equal parts of the image, row after row.
    pub density: Vec<Vec<u32>>,
    /// The share of wrong answers if the class were decided after 1, 2, … T glimpses: the action network applied to each hₜ.
    /// Of a single pass over images; otherwise empty.
    pub error_after: Vec<f64>,
    /// The mean of bₜ at each step whose choice it is subtracted for.
    pub baselines: Vec<f64>,
    /// How many images of each class (row) were taken for which (column). Of games none.
    pub confusion: Vec<Vec<u32>>,
    /// Of games: for each row that the ball was in, the share of frames with the ball in the finest patch, 0 to 1.
    pub tracking: Vec<f64>,
    /// The numbers of the images that were answered wrongly, or of the games lost, ascending.
    pub wrong: Vec<u32>,
}

/// Parts of the image along an axis, in which fixations are counted.
pub const GRID: usize = 12;
