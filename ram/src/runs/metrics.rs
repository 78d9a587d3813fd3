//! The lines about an epoch in two files: `metrics.jsonl` contains no times, so that equal runs have equal files; the times are
//! in `timing.jsonl`.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::evaluation::Evaluation;
use crate::losses::Losses;
use crate::model::ModelKind;
use crate::schedule::Rates;

/// The result on the validation images or games.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Share of wrong answers, 0 to 1.
    pub error: f64,
    /// Mean cross-entropy, nats.
    pub loss: f64,
    /// Whether these images were trained on too, see [`Data::train_on_validation`](crate::config::Data::train_on_validation).
    #[serde(default, skip_serializing_if = "is_false")]
    pub trained_on: bool,
}

impl Validation {
    /// What it is an error of, in words.
    pub fn images(&self) -> &'static str {
        if self.trained_on { "validation (trained on)" } else { "validation" }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// The epoch that has ended, from 1.
    pub epoch: usize,
    /// The number of steps of the optimiser so far.
    pub step: u64,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// The means over the epoch's training images.
    pub train: Losses,
    /// The result on the validation images after the epoch.
    pub validation: Validation,
    /// For each glimpse, the variance of its location across the validation images (x and y added). If it is near 0, the policy
    /// looks at the same place for every image.
    pub fixation_spread: Vec<f64>,
    /// Share of glimpses whose finest patch touches the digit, 0 to 1; `null` where the digit's place is not known.
    pub on_digit: Option<f64>,
    /// For each glimpse, the mean distance from the fixation to the digit's centre on the validation images, pixels; absent where the
    /// digit's place is not known, and for games.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distance: Vec<f64>,
    /// Only for games: for each row of the ball, the share of frames with the ball in the finest patch, 0 to 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<f64>,
    /// Standard deviation of the Gaussian policy at the epoch's last step; absent for other policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_std: Option<f64>,
    /// Share of wrong answers on the validation images if the class were decided after 1, 2, … T glimpses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub error_after: Vec<f64>,
    /// Mean number of glimpses that a validation image took; absent where all take the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glimpses: Option<f64>,
    /// What the best epoch has least of: the validation error plus the price of the mean number of glimpses; absent where glimpses
    /// have no price, so that it is the validation error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Mean over the validation images of the baseline at each step that uses it. It should be the mean return, which without a
    /// discount is 1 − error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<f64>,
    /// The number of validation images of each class (row) that got each answer (column).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<u32>>,
    /// For each glimpse, how many of the validation images' locations lie in each part of [`GRID`](crate::evaluation::GRID)
    /// × `GRID`, row after row. Only for episodes of up to [`DENSITY_UP_TO`] glimpses, to keep the lines short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub density: Vec<Vec<u32>>,
}

/// The largest number of glimpses for which a line has [`EpochMetrics::density`].
pub const DENSITY_UP_TO: usize = 8;

impl EpochMetrics {
    /// The line of an epoch, from the results of training and validation.
    pub fn new(config: &Config, epoch: usize, step: u64, rates: Rates, train: Losses, evaluation: &Evaluation) -> Self {
        let (chooses, price) = (config.policy.locations.are_learned(), config.loss.glimpse_price);
        let gaussian = config.model.kind == ModelKind::Ram && chooses && config.policy.grid == 0;
        EpochMetrics {
            epoch,
            step,
            learning_rate: rates.learning_rate,
            train,
            validation: Validation {
                error: evaluation.error,
                loss: evaluation.loss,
                trained_on: config.data.train_on_validation,
            },
            fixation_spread: evaluation.fixation_spread.clone(),
            on_digit: evaluation.on_digit,
            distance: if evaluation.tracking.is_empty() { evaluation.distance.clone() } else { Vec::new() },
            tracking: evaluation.tracking.clone(),
            policy_std: gaussian.then_some(rates.std),
            error_after: evaluation.error_after.clone(),
            glimpses: evaluation.mean_glimpses(),
            cost: evaluation
                .mean_glimpses()
                .filter(|_| price > 0.0)
                .map(|glimpses| evaluation.error + price * glimpses),
            baselines: evaluation.baselines.clone(),
            confusion: evaluation.confusion.clone(),
            density: if evaluation.density.len() <= DENSITY_UP_TO { evaluation.density.clone() } else { Vec::new() },
        }
    }
}

/// The best epoch; of equally good ones the first. Where the validation images were trained on too, it is the last.
pub fn best(metrics: &[EpochMetrics]) -> Option<&EpochMetrics> {
    metrics.iter().reduce(|a, b| if b.validation.trained_on || b.cost() < a.cost() { b } else { a })
}

impl EpochMetrics {
    /// What the best epoch has least of: the validation error, and where glimpses have a price, what they cost on top.
    pub fn cost(&self) -> f64 {
        self.cost.unwrap_or(self.validation.error)
    }

    /// The first figure that is infinite or not a number, with its name. JSON has no such numbers, so a line may hold none.
    pub fn not_finite(&self) -> Option<(String, f64)> {
        let train = self.train.not_finite().map(|(name, found)| (format!("the training {name}"), found));
        let one = |name: &str, x: f64| (!x.is_finite()).then(|| (name.to_owned(), x));
        let many = |name: &str, all: &[f64]| {
            let found = all.iter().enumerate().find(|(_, x)| !x.is_finite());
            found.map(|(step, x)| (format!("{name} {}", step + 1), *x))
        };
        train
            .or_else(|| one("the validation loss", self.validation.loss))
            .or_else(|| one("the validation error", self.validation.error))
            .or_else(|| one("the share of glimpses on the digit", self.on_digit.unwrap_or(0.0)))
            .or_else(|| many("the validation's distance to the digit at glimpse", &self.distance))
            .or_else(|| many("the validation's baseline at step", &self.baselines))
            .or_else(|| many("the validation's spread of fixations at glimpse", &self.fixation_spread))
            .or_else(|| many("the validation error after glimpse", &self.error_after))
            .or_else(|| many("the validation's share of frames with the ball, row", &self.tracking))
    }
}

/// A line of `timing.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The epoch that has ended, from 1.
    pub epoch: usize,
    /// Wall-clock time of its training and validation, seconds.
    pub seconds: f64,
    /// Training images per second, without the time of the validation.
    pub images_per_second: f64,
    /// The number of threads.
    pub threads: usize,
    /// The kernel path: `avx512`, `avx2`, `neon`, `simd128`, `scalar`.
    pub kernel: String,
}

/// A record that is one line of a `.jsonl` file.
pub trait Line: Serialize + for<'a> Deserialize<'a> {
    /// The epoch of the record, from 1.
    fn epoch(&self) -> usize;

    /// The line, including its newline.
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

/// The records of a `.jsonl` text. A last line without a newline was cut by a crash and is left out.
///
/// # Errors
/// Another line is damaged; the message names the line and the reason.
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
            validation: Validation { error: 0.0123, loss: 1.0 / 3.0, trained_on: false },
            fixation_spread: vec![0.6, 0.1],
            policy_std: Some(0.1 + 0.2),
            error_after: vec![0.5, 1.0 / 3.0],
            baselines: vec![1.0 / 7.0],
            confusion: vec![vec![3, 1], vec![0, 4]],
            density: vec![vec![8, 0, 0, 0], vec![1, 2, 2, 3]],
            ..EpochMetrics::default()
        }
    }

    #[test]
    fn the_best_is_the_first_of_the_lowest_or_the_last_where_nothing_is_held_out() {
        let best_of = |errors: [f64; 4], trained_on: bool| {
            let line = |(i, error)| {
                let validation = Validation { error, trained_on, ..Validation::default() };
                EpochMetrics { validation, ..metrics(i + 1) }
            };
            best(&errors.into_iter().enumerate().map(line).collect::<Vec<_>>()).map(|line| line.epoch)
        };
        assert_eq!(best_of([0.3, 0.1, 0.1, 0.2], false), Some(2));
        assert_eq!(best_of([0.3, 0.1, 0.1, 0.2], true), Some(4));
    }

    #[test]
    fn a_line_of_an_older_version_is_read_and_written_unchanged() {
        for path in ["mnist-6-60", "tables/catch-seed1"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("record").join(path).join("metrics.jsonl");
            let text = std::fs::read_to_string(path).unwrap();
            let lines: Vec<EpochMetrics> = read_lines(&text).unwrap();
            assert!(lines.len() >= 20 && lines.iter().all(|line| line.confusion.is_empty()));
            assert_eq!(lines.iter().map(Line::to_line).collect::<String>(), text);
        }
    }

    #[test]
    fn only_a_gaussian_policy_has_a_deviation_and_long_episodes_have_no_density() {
        let rates = Rates { learning_rate: 0.1, std: 0.2 };
        let line = |sets: &[&str], glimpses: usize| {
            let sets: Vec<_> = sets.iter().map(|set| set.to_string()).collect();
            let config = Config::load(crate::config::Base::Preset("mnist"), &sets).unwrap();
            let evaluation = Evaluation { density: vec![vec![1]; glimpses], ..Evaluation::default() };
            EpochMetrics::new(&config, 1, 1, rates, Losses::default(), &evaluation)
        };
        assert_eq!(line(&[], 6).policy_std, Some(0.2));
        for sets in [["policy.locations=random"], ["policy.grid=3"], ["model.kind=fc"]] {
            assert_eq!(line(&sets, 6).policy_std, None, "{sets:?}");
        }
        assert_eq!([line(&[], 8), line(&[], 9)].map(|line| line.density.len()), [8, 0]);
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
}
