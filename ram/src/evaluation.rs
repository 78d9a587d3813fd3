//! The result of an evaluation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The result of an evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Share of wrong answers, 0 to 1; for games, the share of the best return that they missed.
    pub error: f64,
    /// Mean cross entropy, nats.
    pub loss: f64,
    /// Number of images or games.
    pub count: usize,
    /// Share of the glimpses that were taken whose finest patch touches the digit's box, 0 to 1.
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
    /// The error by the size of the digit, from the smallest on; empty where all have the same size, or it is not known.
    pub by_size: Vec<BySize>,
    /// How many examples took 1, 2, … N glimpses; empty where all take N.
    pub taken: Vec<u32>,
    /// The numbers of the wrongly classified images, or of the lost games, in ascending order.
    pub wrong: Vec<u32>,
}

/// The error on digits whose longer side lies within half an octave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BySize {
    /// The shortest of these sides, in pixels of the digit's box.
    pub from: u32,
    /// The longest of them.
    pub to: u32,
    /// The number of examples.
    pub count: u32,
    /// Share of wrong answers, 0 to 1.
    pub error: f64,
}

/// The error by the side of the digits, in half octaves; empty where all have the same side.
pub fn by_size(sides: &[u32], errors: &[f64]) -> Vec<BySize> {
    let mut groups: BTreeMap<u32, BySize> = BTreeMap::new();
    for (&side, &error) in sides.iter().zip(errors) {
        // ⌊2·log₂ side⌋ = ⌊log₂ side²⌋
        let half_octave = u64::from(side.max(1)).pow(2).ilog2();
        let group = groups.entry(half_octave).or_insert(BySize { from: side, ..BySize::default() });
        (group.from, group.to) = (group.from.min(side), group.to.max(side));
        group.count += 1;
        group.error += error;
    }
    let is_one = sides.iter().all(|&side| side == sides[0]);
    let mean = |group: BySize| BySize { error: group.error / f64::from(group.count), ..group };
    if is_one { Vec::new() } else { groups.into_values().map(mean).collect() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_apart_by_half_octaves() {
        let found = by_size(&[14, 56, 15, 16, 22, 23, 45, 46], &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        let rows: Vec<_> = found.iter().map(|group| (group.from, group.to, group.count, group.error)).collect();
        assert_eq!(rows, [(14, 15, 2, 0.5), (16, 22, 2, 1.0), (23, 23, 1, 0.0), (45, 45, 1, 1.0), (46, 56, 2, 0.5)]);
        assert!(by_size(&[28, 28], &[1.0, 0.0]).is_empty() && by_size(&[], &[]).is_empty());
    }
}
