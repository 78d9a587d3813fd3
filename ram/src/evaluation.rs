//! The result of an evaluation.

/// The result of an evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Share of wrong answers, 0 to 1; for games, the share of the best return that they missed.
    pub error: f64,
    /// Mean cross entropy, nats.
    pub loss: f64,
    /// Number of images or games.
    pub count: usize,
    /// Share of the glimpses that were taken whose finest patch touches the digit's 28×28 box, 0 to 1.
    pub on_digit: Option<f64>,
    /// The same share for each glimpse.
    pub on_digit_at: Vec<f64>,
    /// For each glimpse, the mean distance from the fixation to the centre of the digit, or of a game's target, pixels; empty where
    /// its place is not known.
    pub distance: Vec<f64>,
    /// For each glimpse, the variance of its location across the images; the variances of x and y are added.
    pub fixation_spread: Vec<f64>,
    /// For each glimpse, how often each of `policy.zooms` zooms was taken; empty where there is only one.
    pub zooms: Vec<Vec<u32>>,
    /// For each glimpse, how many locations lie in each of [`GRID`] × [`GRID`] equal parts of the image, row after row.
    pub density: Vec<Vec<u32>>,
    /// The share of wrong answers if the class were decided after 1, 2, … T glimpses, or earlier where the agent stops earlier, by
    /// applying the action network to each hₜ. It is empty for games and if there are several passes.
    pub error_after: Vec<f64>,
    /// The mean of bₜ at each step where it is subtracted from the return of a choice.
    pub baselines: Vec<f64>,
    /// How many images of each class (row) got each answer (column). It is empty for games.
    pub confusion: Vec<Vec<u32>>,
    /// Only for games: for each row of the ball, the share of frames with the ball in the finest patch, 0 to 1.
    pub tracking: Vec<f64>,
    /// How many examples took 1, 2, … N glimpses; empty where all take N.
    pub taken: Vec<u32>,
    /// The numbers of the wrongly classified images, or of the lost games, in ascending order.
    pub wrong: Vec<u32>,
}

impl Evaluation {
    /// The mean number of glimpses that an example took; `None` where all take the same number.
    pub fn mean_glimpses(&self) -> Option<f64> {
        let sum: f64 = self.taken.iter().zip(1..).map(|(&count, t)| f64::from(count) * f64::from(t)).sum();
        (!self.taken.is_empty()).then(|| sum / self.count.max(1) as f64)
    }
}

/// The number of parts along each axis of the image in which fixations are counted.
pub const GRID: usize = 12;
