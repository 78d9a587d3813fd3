//! What is told about an epoch: `metrics.jsonl`, in which there is no clock so that equal runs have equal files, and
//! `timing.jsonl`, in which there is.

use serde::{Deserialize, Serialize};

/// The loss terms apart, and what comes with them: of one step, or the mean over an epoch's images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Cross-entropy of the class (or REINFORCE's term for it), nats an image.
    pub classification: f64,
    /// The location term of eq. (2), summed over glimpses.
    pub location: f64,
    /// Squared error of the baseline.
    pub baseline: f64,
    /// What is minimised: the terms with their weights.
    pub total: f64,
    /// Mean reward, 0 to 1.
    pub reward: f64,
    /// Share of images whose most probable class is wrong, 0 to 1.
    pub error: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
}

/// [`Losses`] gathered over the epoch under way. Part of a checkpoint, so that a run resumed in the middle of an epoch writes
/// the line it would have written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Images so far.
    pub images: u64,
    /// Each step's losses times its images, added in the order of the steps.
    pub sums: Losses,
}

impl Running {
    /// Adds a step over `images` images.
    pub fn add(&mut self, step: &Losses, images: usize) {
        self.images += images as u64;
        self.sums = zip(&self.sums, step, |sum, x| sum + x * images as f64);
    }

    /// The mean over the images so far; zeros before the first.
    pub fn mean(&self) -> Losses {
        let images = self.images.max(1) as f64;
        zip(&self.sums, &self.sums, |sum, _| sum / images)
    }
}

impl Losses {
    /// Each of them added to the other's.
    pub fn plus(&self, other: &Losses) -> Losses {
        zip(self, other, |a, b| a + b)
    }
}

fn zip(a: &Losses, b: &Losses, f: impl Fn(f64, f64) -> f64) -> Losses {
    Losses {
        classification: f(a.classification, b.classification),
        location: f(a.location, b.location),
        baseline: f(a.baseline, b.baseline),
        total: f(a.total, b.total),
        reward: f(a.reward, b.reward),
        error: f(a.error, b.error),
        grad_norm: f(a.grad_norm, b.grad_norm),
    }
}

/// How the validation images fared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Share of wrong answers, 0 to 1.
    pub error: f64,
    /// Mean cross-entropy, nats.
    pub loss: f64,
}

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// The epoch that is over, from 1.
    pub epoch: usize,
    /// Steps of the optimiser so far.
    pub step: u64,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Means over the epoch's training images.
    pub train: Losses,
    /// The validation images after the epoch.
    pub validation: Validation,
    /// For each glimpse, the variance of its location across the validation images (x and y added). Near 0: the policy looks
    /// at the same place whatever it sees.
    pub fixation_spread: Vec<f64>,
    /// Share of glimpses whose finest patch touches the digit, 0 to 1; `null` where the digit's place is not known.
    pub on_digit: Option<f64>,
    /// Of games: for each row that the ball was in, the share of frames with the ball in the finest patch, 0 to 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<f64>,
}

/// A line of `timing.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The epoch that is over, from 1.
    pub epoch: usize,
    /// Wall clock of training and validating it, seconds.
    pub seconds: f64,
    /// Training images a second, validation not counted.
    pub images_per_second: f64,
    /// Threads.
    pub threads: usize,
    /// The kernel path: `avx512`, `avx2`, `neon`, `simd128`, `scalar`.
    pub kernel: String,
}

/// A record that is one line of a `.jsonl` file.
pub trait Line: Serialize + for<'a> Deserialize<'a> {
    /// The epoch it tells of, from 1.
    fn epoch(&self) -> usize;

    /// The line, its newline with it.
    fn to_line(&self) -> String {
        serde_json::to_string(self).expect("numbers and names") + "\n"
    }
}

impl Line for EpochMetrics {
    fn epoch(&self) -> usize {
        self.epoch
    }
}

impl Line for Timing {
    fn epoch(&self) -> usize {
        self.epoch
    }
}

/// The records of a `.jsonl` text. A last line without a newline was cut by a crash and is left out; another damaged one is an
/// error that says which and why.
pub fn read_lines<T: Line>(text: &str) -> Result<Vec<T>, String> {
    text.split_inclusive('\n')
        .enumerate()
        .filter(|(_, line)| line.ends_with('\n'))
        .map(|(i, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", i + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(epoch: usize) -> EpochMetrics {
        EpochMetrics {
            epoch,
            step: 391,
            learning_rate: 1e-3,
            train: Losses { classification: 0.1 + 0.2, ..Losses::default() },
            validation: Validation { error: 0.0123, loss: 1.0 / 3.0 },
            fixation_spread: vec![0.6, 0.1],
            on_digit: None,
            tracking: Vec::new(),
        }
    }

    #[test]
    fn a_line_is_read_back_to_the_bit_and_its_keys_have_an_order() {
        let line = metrics(1).to_line();
        assert_eq!(read_lines::<EpochMetrics>(&line).unwrap(), [metrics(1)]);
        assert!(line.starts_with(
            r#"{"epoch":1,"step":391,"learning_rate":0.001,"train":{"classification":0.30000000000000004,"#
        ));
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn a_half_written_last_line_is_left_out_and_another_damaged_one_is_named() {
        let text = metrics(1).to_line() + &metrics(2).to_line();
        assert_eq!(read_lines::<EpochMetrics>(&text[..text.len() - 3]).unwrap(), [metrics(1)]);
        let error = read_lines::<EpochMetrics>(&format!("{}{{oops\n{text}", metrics(1).to_line())).unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
    }

    #[test]
    fn the_running_mean_weighs_steps_by_their_images() {
        let mut running = Running::default();
        assert_eq!(running.mean(), Losses::default());
        running.add(&Losses { total: 1.0, ..Losses::default() }, 3);
        running.add(&Losses { total: 5.0, ..Losses::default() }, 1);
        assert_eq!(running.mean().total, 2.0);
    }
}
