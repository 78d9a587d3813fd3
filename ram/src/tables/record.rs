//! What a finished run proved: its only evaluation on the test set, and what its metrics and its clock say.
//!
//! A record is a folder with `config.toml` and `metrics.jsonl`, as the run wrote them (but for confusion matrices and for where
//! glimpses fell, which only the best epoch keeps), and `test.json`, a [`Record`]. The file
//! `summary.jsonl` beside the records has a line for each of them. Those of this repository lie in `ram/record/tables`, and the
//! program carries their summary.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::plan::Planned;
use crate::config::{Base, Config};
use crate::error::RamError;
use crate::evaluate::stopping::Stopping;
use crate::evaluation::BySize;
use crate::experiments::Experiment;
use crate::runs::metrics::{EpochMetrics, Timing, best};
use crate::runs::run_folder::{RunFolder, read_config};

/// The name of the file with the result, in a run's folder (there it is a [`Tested`]) and in a record.
pub const RESULT: &str = "test.json";

/// The name of the file with a line for each record.
pub const SUMMARY: &str = "summary.jsonl";

/// The summary of this repository's records.
const EMBEDDED: &str = include_str!("../../record/tables/summary.jsonl");

/// The result of a run's only evaluation on the test set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// The seed.
    pub seed: u64,
    /// The policy of locations.
    pub locations: String,
    /// The share of wrong answers in a single pass.
    pub error: f64,
    /// The same with the probabilities averaged over several first locations; `None` for games and networks without locations, and
    /// where nobody asked.
    pub error_of_passes: Option<f64>,
    /// The number of test images or games.
    pub count: usize,
    /// The validation error of the best epoch; of the last one with `data.train_on_validation`, where it says nothing of new images.
    pub validation_error: f64,
    /// The mean training loss of the class in the first epoch; for games, minus the mean reward.
    pub first_loss: f64,
    /// The same in the last epoch.
    pub last_loss: f64,
    /// The number of epochs.
    pub epochs: usize,
    /// The SHA-256 of the weights that were tested, those of the best epoch.
    pub weights: String,
    /// That of the weights with which the training began, where another run had made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_with: Option<String>,
    /// The mean number of glimpses of an image, where the network stops by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glimpses: Option<f64>,
    /// What other rules for when to stop lead to, in the table of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Stopping>,
    /// The error by the size of the digit, where digits differ in size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_size: Vec<BySize>,
    /// The distance from the fixation to the centre of the digit in each frame of a clip, pixels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distance: Vec<f64>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The name of the experiment.
    pub experiment: String,
    /// The command that makes a run of the same bits.
    pub command: String,
    /// The result on the test set.
    #[serde(flatten)]
    pub tested: Tested,
    /// The best epoch, from 1.
    pub best_epoch: usize,
    /// The kernels that it was trained with; empty where they are not known.
    pub kernels: Vec<String>,
    /// The numbers of threads that it was trained with; empty where they are not known.
    pub threads: Vec<usize>,
    /// The seconds that training and validation took; `None` where they are not known.
    pub seconds: Option<f64>,
    /// The same until the validation error was first at or below the paper's test error; `None` if it never was.
    pub seconds_to_paper: Option<f64>,
}

/// A record with the configuration of its run.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The record.
    pub record: Record,
    /// The configuration.
    pub config: Config,
}

/// A line of the summary.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    record: Record,
    /// What differs from the preset `mnist`, as `--set` takes it.
    settings: Vec<String>,
}

/// The training loss in the first and in the last epoch, see [`Tested::first_loss`].
pub fn losses(config: &Config, metrics: &[EpochMetrics]) -> [f64; 2] {
    let plays = config.data.source.game().is_some();
    let loss = |line: &EpochMetrics| if plays { -line.train.reward } else { line.train.classification };
    [metrics.first(), metrics.last()].map(|line| line.map_or(0.0, loss))
}

/// Whether a run with these metrics is complete: all epochs are done, or patience ran out.
pub fn is_complete(config: &Config, metrics: &[EpochMetrics]) -> bool {
    let since_best = metrics.len() - best(metrics).map_or(0, |line| line.epoch.min(metrics.len()));
    metrics.len() >= config.train.epochs || config.train.patience > 0 && since_best >= config.train.patience
}

impl Tested {
    /// The result in the folder of a run; `None` where it was not tested yet.
    ///
    /// # Errors
    /// [`RamError::Run`] where the file cannot be read or is damaged.
    pub fn read(run: &Path) -> Result<Option<Tested>, RamError> {
        let path = run.join(RESULT);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RamError::run(&path, format!("cannot be read: {error}; allow reading it"))),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            RamError::run(&path, format!("this file is damaged: {error}; remove it to test the run again"))
        })
    }
}

impl Record {
    /// The record of a tested run, from the metrics and the times in its folder.
    ///
    /// # Errors
    /// [`RamError::Run`] where a file of the run is damaged, or the run has no epochs.
    pub fn of_run(run: &Path, planned: &Planned, tested: Tested) -> Result<Record, RamError> {
        let metrics = RunFolder::metrics(run)?;
        let Some(best) = best(&metrics) else {
            return Err(RamError::run(run, "it has a result but no epochs in metrics.jsonl; train it again"));
        };
        let timings = RunFolder::timings(run)?;
        let paper = planned.experiment.in_row().paper;
        Ok(Record {
            experiment: planned.experiment.name.to_owned(),
            command: planned.command.clone(),
            tested,
            best_epoch: best.epoch,
            kernels: distinct(timings.iter().map(|line| line.kernel.clone())),
            threads: distinct(timings.iter().map(|line| line.threads)),
            seconds: (timings.len() == metrics.len()).then(|| timings.iter().map(|line| line.seconds).sum()),
            seconds_to_paper: paper.and_then(|paper| seconds_to(paper, &metrics, &timings)),
        })
    }

    /// The name of the record's folder, which is that of its run.
    pub fn name(&self) -> String {
        let Tested { seed, locations, .. } = &self.tested;
        let control = if locations == "learned" { String::new() } else { format!("-{locations}") };
        format!("{}{control}-seed{seed}", self.experiment)
    }
}

/// The seconds until the validation error was first at or below `bar` per cent.
fn seconds_to(bar: f64, metrics: &[EpochMetrics], timings: &[Timing]) -> Option<f64> {
    let reached = metrics.iter().find(|line| reaches(line, bar))?.epoch;
    let until: Vec<f64> = timings.iter().filter(|line| line.epoch <= reached).map(|line| line.seconds).collect();
    (until.len() == reached).then(|| until.iter().sum())
}

/// Whether the validation error is at or below `bar` per cent, and says something of new images.
fn reaches(line: &EpochMetrics, bar: f64) -> bool {
    !line.validation.trained_on && 100.0 * line.validation.error <= bar + 1e-9
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<std::collections::BTreeSet<T>>().into_iter().collect()
}

impl Kept {
    /// Reads a record and checks that its files agree.
    ///
    /// # Errors
    /// [`RamError::Run`] where a file is missing or damaged, or says something else than another one.
    pub fn read(folder: &Path) -> Result<Kept, RamError> {
        let path = folder.join(RESULT);
        let text = fs::read_to_string(&path).map_err(|error| {
            RamError::run(
                &path,
                format!("cannot be read: {error}; every folder beside {SUMMARY} is a record and has this file"),
            )
        })?;
        let record: Record = serde_json::from_str(&text).map_err(|error| {
            RamError::run(
                &path,
                format!("this file is damaged: {error}; keep the run again with `ram reproduce --keep`"),
            )
        })?;
        let (config, metrics) = (read_config(folder)?, RunFolder::metrics(folder)?);
        let Record { tested, best_epoch, .. } = &record;
        let (best, [first, last]) = (best(&metrics), losses(&config, &metrics));
        let found = [
            ("the folder's name", folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), record.name()),
            ("seed", tested.seed.to_string(), config.seed.to_string()),
            ("locations", tested.locations.clone(), config.policy.locations.name().to_owned()),
            ("epochs", tested.epochs.to_string(), metrics.len().to_string()),
            ("best_epoch", best_epoch.to_string(), best.map_or(0, |line| line.epoch).to_string()),
            (
                "validation_error",
                tested.validation_error.to_string(),
                best.map_or(1.0, |line| line.validation.error).to_string(),
            ),
            ("first_loss", tested.first_loss.to_string(), first.to_string()),
            ("last_loss", tested.last_loss.to_string(), last.to_string()),
        ];
        if let Some((key, found, expected)) = found.into_iter().find(|(_, found, expected)| found != expected) {
            return Err(RamError::run(
                &path,
                format!(
                    "{key} is {found}, but the configuration and the metrics of the record say {expected}; keep the run again \
                     with `ram reproduce --keep`"
                ),
            ));
        }
        Ok(Kept { record, config })
    }

    /// Reads every record in a folder, in the order of the experiments.
    ///
    /// # Errors
    /// As [`Kept::read`], or the folder cannot be listed.
    pub fn read_all(records: &Path) -> Result<Vec<Kept>, RamError> {
        let unlisted = |error: io::Error| {
            RamError::run(
                records,
                format!("cannot be listed: {error}; `ram reproduce --keep DIR` makes a folder of records"),
            )
        };
        let mut all = Vec::new();
        for entry in fs::read_dir(records).map_err(unlisted)? {
            let path = entry.map_err(unlisted)?.path();
            if path.is_dir() {
                all.push(Kept::read(&path)?);
            }
        }
        let names: Vec<_> = Experiment::all().into_iter().map(|experiment| experiment.name).collect();
        all.sort_by_key(|Kept { record, .. }| {
            let at = names.iter().position(|name| *name == record.experiment).unwrap_or(names.len());
            (
                at,
                record.experiment.clone(),
                record.tested.locations != "learned",
                record.tested.locations.clone(),
                record.tested.seed,
            )
        });
        Ok(all)
    }

    /// The line of the summary.
    pub fn to_line(&self) -> String {
        let line = Line { record: self.record.clone(), settings: self.config.settings() };
        serde_json::to_string(&line).expect("numbers and names") + "\n"
    }

    /// Reads the lines of a summary; errors call the text `origin`.
    ///
    /// # Errors
    /// [`RamError::Run`] where a line is damaged.
    pub fn from_lines(text: &str, origin: &Path) -> Result<Vec<Kept>, RamError> {
        let read = |line: &str| {
            let Line { record, settings } = serde_json::from_str(line).map_err(|error| error.to_string())?;
            let config = Config::load(Base::Preset("mnist"), &settings).map_err(|error| error.to_string())?;
            Ok(Kept { record, config })
        };
        let damaged = |n: usize, error: String| {
            RamError::run(
                origin,
                format!("line {}: {error}; write it again with `ram reproduce all --keep DIR`", n + 1),
            )
        };
        text.lines().enumerate().map(|(n, line)| read(line).map_err(|error| damaged(n, error))).collect()
    }

    /// The records of this repository, from the summary that the program carries.
    ///
    /// # Errors
    /// As [`Kept::from_lines`].
    pub fn embedded() -> Result<Vec<Kept>, RamError> {
        Kept::from_lines(EMBEDDED, &Path::new("ram/record/tables").join(SUMMARY))
    }
}

/// A record for tests: three epochs of training, tested on 10 000 images.
#[cfg(test)]
pub fn example(experiment: &str, locations: &str, seed: u64, error: f64) -> Record {
    let tested = Tested {
        seed,
        locations: locations.to_owned(),
        error,
        error_of_passes: Some(error - 0.001),
        count: 10_000,
        validation_error: error,
        first_loss: 1.0,
        last_loss: 0.1,
        epochs: 3,
        weights: "0".to_owned(),
        ..Tested::default()
    };
    Record {
        experiment: experiment.to_owned(),
        command: String::new(),
        tested,
        best_epoch: 2,
        kernels: vec!["avx2".to_owned()],
        threads: vec![1],
        seconds: Some(180.0),
        seconds_to_paper: (seed == 1).then_some(90.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::metrics::Validation;

    #[test]
    fn the_time_to_a_figure_is_of_images_that_were_not_trained_on() {
        let to_two_per_cent = |trained_on| {
            let epochs = [(1, 0.03), (2, 0.02), (3, 0.01)];
            let line = |(epoch, error)| {
                let validation = Validation { error, trained_on, ..Validation::default() };
                EpochMetrics { epoch, validation, ..EpochMetrics::default() }
            };
            let timing =
                |(epoch, _)| Timing { epoch, seconds: 10.0, images_per_second: 1.0, threads: 1, kernel: String::new() };
            seconds_to(2.0, &epochs.map(line), &epochs.map(timing))
        };
        assert_eq!([false, true].map(to_two_per_cent), [Some(20.0), None]);
    }
}
